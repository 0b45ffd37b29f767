/* SPDX-License-Identifier: MIT */
/*
 * exit.c - the end, through QEMU's isa-debug-exit: a value v written to its port ends QEMU with
 * status 2v + 1. That is never 0, so run.sh knows a verdict from a machine that just went away.
 */
#include "x86.h"

enum { EXIT_PORT = 0xf4, EXIT_PASSED = 16, EXIT_FAILED = 17 };

_Noreturn void arch_exit(bool passed)
{
    x86_out8(EXIT_PORT, passed ? EXIT_PASSED : EXIT_FAILED);
    for (;;)
        __asm__ volatile("cli; hlt"); /* on a machine without that device */
}
