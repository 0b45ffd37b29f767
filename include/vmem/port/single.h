/* SPDX-License-Identifier: MIT */
/*
 * port/single.h - the default port: one CPU, and no interrupt handler that
 * allocates. Nothing is locked. The hooks for faults and pages are functions
 * that the kernel links (vmem/port.h).
 */
#ifndef VMEM_PORT_SINGLE_H
#define VMEM_PORT_SINGLE_H

#include <vmem/port.h>

typedef struct vmem_port_nothing {
    unsigned char unused;
} vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0}
/* clang-format on */

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    (void)lock;
    return 0;
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    (void)lock;
    (void)state;
}

static inline uintptr_t vmem_port_self(void)
{
    return 1;
}

#define VMEM_PORT_CPUS 1

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
