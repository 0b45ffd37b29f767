/* SPDX-License-Identifier: MIT */
/*
 * spin.h - the port of vmem-bench-spin: a spin lock, as a kernel with more than one CPU has, less
 * the saving of the interrupt state. vmem-bench uses vmem/port/single.h, which locks nothing.
 */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

#include <vmem/port.h>

typedef struct spin_lock {
    unsigned char taken;
} vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0}
/* clang-format on */

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0)
        ;
    return 0;
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    (void)state;
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

static inline uintptr_t vmem_port_self(void)
{
    return 1;
}

#endif
