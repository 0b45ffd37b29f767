/* SPDX-License-Identifier: MIT */
/*
 * layout.c - no paging, no traps, no interrupts, one CPU: an address is a physical address. Enough
 * for the self-test, which is all that runs here.
 */
#include "../x86/x86.h"

const struct arch_layout arch_layout = {
    .name = "i386",
    .direct_map = 0,
    .boot_reach = 1ULL << 32,
    .virtual_base = 0,
    .virtual_size = 0,
    .dma_limit = 16 << 20,
};

struct percpu *port_only_cpu;

void x86_traps_init(void)
{
}

void x86_find_cpus(uint64_t rsdp, struct boot_info *boot)
{
    (void)rsdp;
    boot->cpu_count = 1;
}

bool arch_cpu_start(unsigned index)
{
    (void)index;
    return false;
}

void arch_interrupts_enable(void)
{
}

void arch_timer_start(unsigned microseconds)
{
    (void)microseconds;
}

void arch_timer_stop(void)
{
}

void arch_idle(void)
{
}
