/* SPDX-License-Identifier: MIT */
/*
 * exit.c - the end, by semihosting: an instruction that a debugger, here QEMU, takes for a call.
 * SYS_EXIT with a reason and a status ends QEMU with that status ("Semihosting for AArch32 and
 * AArch64"). It is never 0, so run.sh knows a verdict from a machine that just went away.
 */
#include "aarch64.h"

enum { SYS_EXIT = 0x18, APPLICATION_EXIT = 0x20026, EXIT_PASSED = 33, EXIT_FAILED = 35 };

_Noreturn void arch_exit(bool passed)
{
    const uint64_t block[2] = {APPLICATION_EXIT, passed ? EXIT_PASSED : EXIT_FAILED};
    register uint64_t operation __asm__("x0") = SYS_EXIT;
    register const uint64_t *argument __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(argument) : "memory");
    for (;;)
        __asm__ volatile("msr daifset, #0xf; wfi"); /* without a debugger */
}
