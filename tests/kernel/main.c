/* SPDX-License-Identifier: MIT */
/*
 * main.c - a kernel that only runs the freestanding self-test, so that the library is seen to work
 * with no libc, no operating system and no FPU, in 64 bits and in 32.
 */
#include "../../examples/kernel/arch/arch.h"
#include "../../examples/kernel/console.h"
#include "../selftest/selftest.h"

void kernel_main(const struct boot_info *boot)
{
    print("\nvmem self-test, %s, %u lines of memory map\n", arch_layout.name, boot->memory_count);
    const int failures = vmem_selftest(console_sink, NULL);
    arch_exit(failures == 0 && boot->memory_count > 0);
}

/* This kernel maps nothing. */
bool page_table_alloc(uint64_t *physical)
{
    (void)physical;
    return false;
}

void page_table_free(uint64_t physical)
{
    (void)physical;
}
