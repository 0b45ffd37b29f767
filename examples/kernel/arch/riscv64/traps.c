/* SPDX-License-Identifier: MIT */
/*
 * traps.c - a kernel that maps memory should say where it faulted, not hang. An exception is
 * printed and ends the machine as failed, but for a fault on a page that has just been mapped, of
 * which this hart had not heard.
 */
#include "../../console.h"
#include "riscv64.h"

#define INTERRUPT (1UL << 63)
enum { TIMER = 5, LOAD_PAGE_FAULT = 13, STORE_PAGE_FAULT = 15 };

extern char trap_entry[];
void trap_handle(unsigned long cause, unsigned long pc, unsigned long value);

void riscv_traps_init(void)
{
    __asm__ volatile("csrw stvec, %0" : : "r"(trap_entry));
}

void trap_handle(unsigned long cause, unsigned long pc, unsigned long value)
{
    if (cause == (INTERRUPT | TIMER)) {
        riscv64_timer_interrupt();
        return;
    }
    if ((cause == LOAD_PAGE_FAULT || cause == STORE_PAGE_FAULT) && riscv64_fault_was_stale(value))
        return;
    print("\ntrap 0x%lx at 0x%lx: stval 0x%lx\n", cause, pc, value);
    arch_exit(false);
}
