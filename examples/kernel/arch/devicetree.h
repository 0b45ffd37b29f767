/* SPDX-License-Identifier: MIT */
/* devicetree.h - the little that a kernel without drivers wants from a flattened device tree. */
#ifndef DEMO_DEVICETREE_H
#define DEMO_DEVICETREE_H

#include "arch.h"

/* What only the architecture needs of it; the rest goes into struct boot_info. */
struct devicetree {
    uint64_t cpu_ids[CPUS_MAX]; /* the CPUs as the hardware names them, the boot CPU first */
    uint64_t timebase;          /* ticks of the timer in a second; 0: not said (RISC-V says it) */
};

/*
 * Reads the tree at a physical address, which the direct map must reach: the memory map, with what
 * is reserved cut out of what is usable, the tree itself included; the number of CPUs; the command
 * line. False: there is no tree, or none that this reader understands.
 */
bool devicetree_read(uint64_t physical, uint64_t boot_cpu, struct boot_info *boot,
                     struct devicetree *tree);

#endif
