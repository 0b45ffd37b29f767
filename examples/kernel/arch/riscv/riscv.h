/* SPDX-License-Identifier: MIT */
/* riscv.h - what the two RISC-V architectures share. */
#ifndef DEMO_RISCV_H
#define DEMO_RISCV_H

#include "../arch.h"
#include "../devicetree.h"

/* Called by boot.S on the first hart, with what it got: its number, and where the tree is. */
_Noreturn void riscv_start(unsigned long hart, unsigned long device_tree);

/* On each hart, the first of the architecture's own steps: from now on a trap is reported. */
void riscv_traps_init(void);

/* The machine, once riscv_start() has read its tree. */
extern struct devicetree riscv_machine;

/* The image's physical addresses, begin and end, from boot.S. */
extern const unsigned long image_physical[2];

#endif
