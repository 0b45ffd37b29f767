/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - what a kernel with several CPUs has anyway, vmem or not: a structure for each CPU,
 * interrupts off and on again, and a spin lock. smp.h makes vmem's port of it.
 */
#ifndef PORT_PERCPU_H
#define PORT_PERCPU_H

#include <stdint.h>

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
#define PORT_CPUS 8

/*
 * What a CPU knows of itself. A register points to it before anything else in C: long before the
 * kernel knows how many CPUs there are.
 */
struct percpu {
    struct percpu *self; /* first: x86_64.h finds it by its place */
    unsigned index;      /* PORT_CPUS until the CPU is set up */
    unsigned interrupts; /* handlers that run on it, one above the other */
    unsigned pinned;     /* while not 0, it goes on with the same thread */
};

/*
 * A lock, and with it interrupts off: no handler finds it taken on its own CPU. Test and test and
 * set, of 32 bits, which any machine can exchange.
 */
struct port_lock {
    uint32_t held;
};

/* clang-format off */
#define PORT_LOCK_INIT {0}
/* clang-format on */

static inline unsigned long port_lock(struct port_lock *lock)
{
    const unsigned long state = port_irq_save();
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0)
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0)
            port_relax();
    return state;
}

static inline void port_unlock(struct port_lock *lock, unsigned long state)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
    port_irq_restore(state);
}

#endif
