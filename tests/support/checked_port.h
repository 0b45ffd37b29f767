/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.h - a port for tests, on one thread, whose lock guards nothing and
 * instead checks how it is used: no recursion, no unlock without a lock, the state handed back
 * as it was handed out, at most two locks at a time, always in the same order, and none held
 * when a hook is called. A violation ends the program with a line that says what was wrong.
 */
#ifndef TESTS_SUPPORT_CHECKED_PORT_H
#define TESTS_SUPPORT_CHECKED_PORT_H

#include <vmem/port.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct checked_port_lock {
    unsigned long state; /* 0: not held; else what vmem_port_lock returned */
} vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0}
/* clang-format on */

unsigned long checked_port_lock(vmem_port_lock_t *lock);
void checked_port_unlock(vmem_port_lock_t *lock, unsigned long state);

/* Ends the program if a lock is held. For hooks, and for the end of a test. */
void checked_port_no_lock(const char *where);

/* Who is running; a test changes it to play another thread. */
extern uintptr_t checked_port_thread;

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    return checked_port_lock(lock);
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    checked_port_unlock(lock, state);
}

static inline uintptr_t vmem_port_self(void)
{
    return checked_port_thread;
}

#ifdef __cplusplus
}
#endif

#endif
