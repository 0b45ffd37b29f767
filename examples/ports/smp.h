/* SPDX-License-Identifier: MIT */
/*
 * smp.h - a port for a kernel with interrupts and several CPUs: copy it, with the header of your
 * architecture beside it, and name it in VMEM_PORT_HEADER. It uses nothing of the kernel around it.
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

#if defined(__x86_64__)
#include "x86_64.h"
#elif defined(__i386__)
#include "i386.h"
#elif defined(__aarch64__)
#include "aarch64.h"
#elif defined(__riscv)
#include "riscv.h"
#else
#error "no header for this architecture: write one like those beside this file"
#endif

/* The most CPUs that there can be. */
#define VMEM_PORT_CPUS 8

/*
 * What a CPU knows of itself. A register points to it from the first call of the library on: that
 * is before the kernel knows how many CPUs there are, and long before vmem_cpus_online().
 */
struct percpu {
    struct percpu *self; /* first: x86_64.h finds it by its place */
    unsigned index;      /* VMEM_PORT_CPUS until the CPU is set up */
    unsigned interrupts; /* handlers that run on it, one above the other */
    unsigned pinned;     /* its scheduler leaves it alone */
};

/* Level 1: the lock. Test and test and set: of 32 bits, which any machine can exchange. */

typedef struct port_lock {
    uint32_t held;
} vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0}
/* clang-format on */

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    const unsigned long state = port_irq_save();
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0)
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0)
            port_relax();
    return state;
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
    port_irq_restore(state);
}

static inline uintptr_t vmem_port_self(void)
{
    const struct percpu *cpu = port_percpu(); /* THREADS: the current thread's structure */
    return (uintptr_t)cpu + cpu->interrupts;
}

/* Level 3: CPUs. */

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

/* Optional: waiting. With interrupts enabled, since it may be a handler that frees. */

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
