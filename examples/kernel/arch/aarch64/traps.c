/* SPDX-License-Identifier: MIT */
/*
 * traps.c - a kernel that maps memory should say where it faulted, not hang. No exception is
 * handled: every one is printed and ends the machine as failed. Interrupts are in timer.c.
 */
#include "../../console.h"
#include "aarch64.h"

extern char trap_entries[];
_Noreturn void trap_report(unsigned entry);

void aarch64_traps_init(void)
{
    __asm__ volatile("msr vbar_el1, %0; isb" : : "r"(trap_entries) : "memory");
}

_Noreturn void trap_report(unsigned entry)
{
    uint64_t syndrome, pc, fault_address;
    __asm__ volatile("mrs %0, esr_el1" : "=r"(syndrome));
    __asm__ volatile("mrs %0, elr_el1" : "=r"(pc));
    __asm__ volatile("mrs %0, far_el1" : "=r"(fault_address));
    print("\ntrap %u at 0x%lx: esr 0x%lx, far 0x%lx\n", entry, pc, syndrome, fault_address);
    arch_exit(false);
}
