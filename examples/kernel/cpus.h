/* SPDX-License-Identifier: MIT */
/* cpus.h - one piece of work on all CPUs at once, and interrupts in its middle. */
#ifndef DEMO_CPUS_H
#define DEMO_CPUS_H

#include "arch/arch.h"

/* Starts the others; how many there are now. They wait for work, looking out now and then. */
unsigned cpus_start(unsigned count);
unsigned cpus_count(void);

/* Each CPU calls work(its index); returns when all have. From CPU 0. */
void cpus_run(void (*work)(unsigned cpu));

/*
 * A timer on the CPU that calls, whose interrupts call tick(its index) from now on; NULL: no
 * longer. When this has returned, no handler runs that is to be replaced.
 */
void cpu_tick(void (*tick)(unsigned cpu), unsigned microseconds);

/* Within work: returns once all CPUs are here. Interrupts go on. */
void cpus_meet(void);

#endif
