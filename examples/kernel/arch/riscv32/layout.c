/* SPDX-License-Identifier: MIT */
/*
 * layout.c - no paging, no interrupts, one hart: an address is a physical address. Enough for the
 * self-test, which is all that runs here.
 */
#include "../riscv/riscv.h"

const struct arch_layout arch_layout = {
    .name = "riscv32",
    .direct_map = 0,
    .boot_reach = 1ULL << 32,
    .virtual_base = 0,
    .virtual_size = 0,
    .dma_limit = 1ULL << 32,
};

void riscv_traps_init(void)
{
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
