/* SPDX-License-Identifier: MIT */
/*
 * smp.h - a port for a kernel with interrupts and several CPUs: copy it, with percpu.h and the
 * header of your architecture beside it, and name it in VMEM_PORT_HEADER. It uses nothing of the
 * kernel around it.
 *
 *     lock   a spin lock that disables interrupts and says how they were
 *     pin    a counter in the CPU's structure, which the scheduler respects: while it is not 0,
 *            this CPU goes on with the same thread. Interrupts stay enabled
 *     self   the CPU's structure and how deep in interrupts it is
 *     wait   until *woken is set; a CPU is all that waits here, so it does so turning
 *
 * INTERRUPTS. A handler that allocates may come in the middle of the magazine path, where the CPU
 * is pinned and its magazines are half changed. It sees that by the counter, gets VMEM_PORT_CPUS
 * for an answer, which means "no magazines now", and so is served by the slab layer, under a lock;
 * and locks are held with interrupts disabled, so that no handler ever finds one half-way. A
 * handler counts itself in `interrupts`, first thing and last.
 *
 * THREADS. In the kernels that this port comes from, a CPU is the only thread there is. In one
 * whose threads move between CPUs, five lines change, each marked THREADS below.
 */
#ifndef PORT_SMP_H
#define PORT_SMP_H

#include <vmem/port.h>

#include "percpu.h"

/* Level 1: the lock, and who is running. */

typedef struct port_lock vmem_port_lock_t;
#define VMEM_PORT_LOCK_INIT PORT_LOCK_INIT

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    return port_lock(lock);
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    port_unlock(lock, state);
}

static inline uintptr_t vmem_port_self(void)
{
    const struct percpu *cpu = port_percpu(); /* THREADS: the current thread's structure */
    return (uintptr_t)cpu + cpu->interrupts;
}

/* Level 3: CPUs. */

#define VMEM_PORT_CPUS PORT_CPUS

static inline unsigned vmem_port_pin(unsigned long *state)
{
    /* THREADS: to find the CPU and to count must be one, lest the thread move in between: on x86
     * an increment relative to %gs; or count in the thread's structure, which moves along. */
    struct percpu *cpu = port_percpu();
    *state = 0;
    cpu->pinned++;
    __asm__ volatile("" : : : "memory");
    return cpu->pinned == 1 ? cpu->index : VMEM_PORT_CPUS;
}

static inline void vmem_port_unpin(unsigned long state)
{
    (void)state;
    __asm__ volatile("" : : : "memory");
    port_percpu()->pinned--; /* THREADS: at 0, let the scheduler do what it had to put off */
}

/* Level 4: waiting. With interrupts enabled, since it may be a handler that frees. */

#define VMEM_PORT_WAITS

enum { PORT_PATIENCE = 100000 }; /* to look again after a while is right at any time */

static inline void vmem_port_wait(const uint32_t *woken)
{
    /* THREADS: lock a table of waiting threads; unless *woken is set, enter this one under the
     * address and go to sleep, which gives the table free. So a wake in between is not lost. */
    for (unsigned turn = 0; turn < PORT_PATIENCE; turn++) {
        if (__atomic_load_n(woken, __ATOMIC_ACQUIRE) != 0)
            return;
        port_relax();
    }
}

static inline void vmem_port_wake(const uint32_t *woken)
{
    (void)woken; /* THREADS: lock the table; make all run that are entered under the address */
}

#endif
