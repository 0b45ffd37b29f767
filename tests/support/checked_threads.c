/* SPDX-License-Identifier: MIT */
/*
 * support/checked_threads.c - the checks around the hooks of the posix port.
 *
 * The posix port's own states are 0: what is handed out in their place is the discipline's.
 */
#include <stdbool.h>
#include <vmem/port/posix.h>

#include "checked_threads.h"

_Static_assert(CHECKED_THREADS_CPUS == VMEM_PORT_CPUS, "the CPUs are those of the posix port");

static __thread struct discipline self;
static bool pinned[VMEM_PORT_CPUS];

struct discipline *discipline_self(void)
{
    return &self;
}

unsigned long checked_threads_lock(struct checked_threads_lock *lock)
{
    unsigned long state = discipline_lock(&lock->checked);

    (void)vmem_port_lock(&lock->mutex);
    return state;
}

void checked_threads_unlock(struct checked_threads_lock *lock, unsigned long state)
{
    discipline_unlock(&lock->checked, state);
    vmem_port_unlock(&lock->mutex, 0);
}

uintptr_t checked_threads_self(void)
{
    return vmem_port_self();
}

unsigned checked_threads_pin(unsigned long *state)
{
    unsigned long unused;
    unsigned cpu = vmem_port_pin(&unused);

    *state = discipline_pin(cpu);
    if (cpu < VMEM_PORT_CPUS && __atomic_exchange_n(&pinned[cpu], true, __ATOMIC_RELAXED))
        discipline_violation("two threads are pinned to one CPU", "");
    return cpu;
}

void checked_threads_unpin(unsigned long state)
{
    unsigned long unused;
    unsigned cpu = vmem_port_pin(&unused);

    discipline_unpin(cpu, state);
    if (cpu < VMEM_PORT_CPUS)
        __atomic_store_n(&pinned[cpu], false, __ATOMIC_RELAXED);
    vmem_port_unpin(0);
}
