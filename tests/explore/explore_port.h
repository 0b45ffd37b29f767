/* SPDX-License-Identifier: MIT */
/*
 * explore_port.h - a port whose every hook hands control to a scheduler: see explore.h.
 *
 * A lock knows which fiber holds it. Nothing here is atomic, since there is one thread: a fiber
 * goes on until it comes to a hook, and what it does in between is done at one moment.
 */
#ifndef TESTS_EXPLORE_PORT_H
#define TESTS_EXPLORE_PORT_H

#include <vmem/port.h>

typedef struct explore_lock {
    unsigned long mark; /* it was initialised */
    unsigned holder;    /* the fiber that holds it, and one more; 0: nobody */
} vmem_port_lock_t;

#define EXPLORE_MARK 0x10c

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {EXPLORE_MARK, 0}
/* clang-format on */

unsigned long explore_lock(vmem_port_lock_t *lock);
void explore_unlock(vmem_port_lock_t *lock, unsigned long state);
uintptr_t explore_self(void);
unsigned explore_pin(unsigned long *state);
void explore_unpin(unsigned long state);
void explore_wait(const uint32_t *woken);
void explore_wake(const uint32_t *woken);

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    return explore_lock(lock);
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    explore_unlock(lock, state);
}

static inline uintptr_t vmem_port_self(void)
{
    return explore_self();
}

#define VMEM_PORT_CPUS 2

static inline unsigned vmem_port_pin(unsigned long *state)
{
    return explore_pin(state);
}

static inline void vmem_port_unpin(unsigned long state)
{
    explore_unpin(state);
}

#define VMEM_PORT_WAITS

static inline void vmem_port_wait(const uint32_t *woken)
{
    explore_wait(woken);
}

static inline void vmem_port_wake(const uint32_t *woken)
{
    explore_wake(woken);
}

#endif
