/* SPDX-License-Identifier: MIT */
/* x86_64.h - what the files of this folder share. */
#ifndef DEMO_X86_64_H
#define DEMO_X86_64_H

#include "../x86/x86.h"

enum { VECTOR_TIMER = 0x40, VECTOR_FLUSH = 0x41, VECTOR_SPURIOUS = 0xff };

/* traps.c: the table of interrupts is one for all CPUs. */
void x86_64_traps_load(void);

/* paging.c: this CPU forgets all translations. */
void x86_64_flush_all(void);

/* apic.c: this CPU's interrupt controller made ready; its number; a command to another one. */
enum {
    APIC_FIXED = 0x4000,  /* commands: interrupt, at the vector that is added, */
    APIC_INIT = 0x4500,   /*    reset, */
    APIC_STARTUP = 0x4600 /*    begin in real mode, at the page that is added */
};
void apic_init(void);
unsigned apic_id(void);
void apic_send(unsigned to, uint32_t command);
void apic_end(void); /* of an interrupt */
void x86_timer(void);

/* acpi.c: the number of a CPU's interrupt controller. */
unsigned acpi_apic_id(unsigned index);

/* smp.c: takes a page for the trampoline out of the memory map. */
void smp_reserve(struct boot_info *boot);
void x86_flush(void);

#endif
