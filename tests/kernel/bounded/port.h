/* SPDX-License-Identifier: MIT */
/*
 * bounded/port.h - the port of the kernel that measures how long locks are held: one CPU, no
 * interrupts, and a lock that locks nothing but tells the meter (meter.c) when it is taken and
 * dropped. The hooks are calls, as in many kernels, so that the compiler knows nothing about them.
 */
#ifndef BOUNDED_PORT_H
#define BOUNDED_PORT_H

#include <vmem/port.h>

typedef struct meter_lock {
    uint64_t taken; /* when */
} vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0}
/* clang-format on */

unsigned long vmem_port_lock(vmem_port_lock_t *lock);
void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state);

static inline uintptr_t vmem_port_self(void)
{
    return 1;
}

/* So many CPUs there might be; there is one. */
#ifndef BOUNDED_CPUS
#define BOUNDED_CPUS 1
#endif
#define VMEM_PORT_CPUS BOUNDED_CPUS

static inline unsigned vmem_port_pin(unsigned long *state)
{
    *state = 0;
    return 0;
}

static inline void vmem_port_unpin(unsigned long state)
{
    (void)state;
}

#endif
