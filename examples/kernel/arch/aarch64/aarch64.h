/* SPDX-License-Identifier: MIT */
/* aarch64.h - what the files of this architecture share. */
#ifndef DEMO_AARCH64_H
#define DEMO_AARCH64_H

#include "../arch.h"

/* QEMU's "virt" machine, through the direct map. */
enum { GIC_DISTRIBUTOR = 0x08000000, GIC_CPU_INTERFACE = 0x08010000, SERIAL_PORT = 0x09000000 };

static inline volatile uint32_t *aarch64_device(uint64_t base, uint64_t offset)
{
    return arch_direct(base + offset);
}

/* Called by boot.S: on the first CPU, and on each other one, which has its number. */
_Noreturn void aarch64_start(void);
_Noreturn void aarch64_start_cpu(unsigned index);

/* On each CPU, the first of its own steps: from now on a trap is reported. */
void aarch64_traps_init(void);

/* timer.c: an interrupt has come. */
void aarch64_interrupt(void);

/* Physical addresses, from boot.S: where the image begins and ends, and where other CPUs enter. */
extern const uint64_t image_physical[2];
extern const uint64_t start_cpu_physical;

#endif
