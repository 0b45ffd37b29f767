/* SPDX-License-Identifier: MIT */
/*
 * scaling.h - the port of vmem-bench-scaling: 256 virtual CPUs on one thread. The driver says which
 * of them is running, and the hooks tell the model of their caches (lines.c) about locks.
 */
#ifndef BENCH_SCALING_H
#define BENCH_SCALING_H

#include <vmem/port.h>

typedef struct scaling_lock {
    unsigned char taken;
} vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0}
/* clang-format on */

#define VMEM_PORT_CPUS 256

/* The CPU that runs. */
extern unsigned scaling_cpu;

unsigned long vmem_port_lock(vmem_port_lock_t *lock);
void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state);

static inline uintptr_t vmem_port_self(void)
{
    return 1 + scaling_cpu;
}

static inline unsigned vmem_port_pin(unsigned long *state)
{
    *state = 0;
    return scaling_cpu;
}

static inline void vmem_port_unpin(unsigned long state)
{
    (void)state;
}

#endif
