/* SPDX-License-Identifier: MIT */
/* riscv64.h - what the files of this architecture share, besides riscv.h. */
#ifndef DEMO_RISCV64_H
#define DEMO_RISCV64_H

#include "../riscv/riscv.h"

/* Called by boot.S on each hart but the first. */
_Noreturn void riscv64_start_cpu(unsigned long index);

/* timer.c: the timer's interrupt has come. */
void riscv64_timer_interrupt(void);

/* paging.c: whether there is a page, and this hart had only not heard of it: then it has now. */
bool riscv64_fault_was_stale(uintptr_t address);

/* The physical address at which other harts enter boot.S. */
extern const unsigned long start_cpu_physical;

#endif
