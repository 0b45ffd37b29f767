/* SPDX-License-Identifier: MIT */
/* x86.h - what the two x86 architectures share. */
#ifndef DEMO_X86_H
#define DEMO_X86_H

#include "../arch.h"

static inline void x86_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t x86_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* Called by boot.S, on the boot stack, with the physical address of the PVH start info. */
_Noreturn void x86_start(uint32_t start_info);

/* The first of the architecture's own steps: from now on a trap is reported. */
void x86_traps_init(void);

/* And the next: fills in the number of CPUs; `rsdp` is where ACPI's tables begin, or 0. */
void x86_find_cpus(uint64_t rsdp, struct boot_info *boot);

/* The image in physical memory, from the linker script. */
extern char image_physical_base[];
extern char image_physical_end[];

#endif
