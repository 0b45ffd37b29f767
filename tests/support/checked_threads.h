/* SPDX-License-Identifier: MIT */
/*
 * support/checked_threads.h - the posix port, with its hooks checked in how they are used: see
 * discipline.h. A thread that would block on a lock against the discipline is told before it does.
 * And no two threads are pinned to one CPU at a time.
 */
#ifndef TESTS_SUPPORT_CHECKED_THREADS_H
#define TESTS_SUPPORT_CHECKED_THREADS_H

#include <pthread.h>

#include <vmem/port.h>

#include "discipline.h"

struct checked_threads_lock {
    struct discipline_lock checked;
    pthread_mutex_t mutex;
};

unsigned long checked_threads_lock(struct checked_threads_lock *lock);
void checked_threads_unlock(struct checked_threads_lock *lock, unsigned long state);
uintptr_t checked_threads_self(void);
unsigned checked_threads_pin(unsigned long *state);
void checked_threads_unpin(unsigned long state);

enum { CHECKED_THREADS_CPUS = 64 };

/* The port; but checked_threads.c, which stands on the posix port itself, has that one. */
#ifndef VMEM_PORT_POSIX_H

typedef struct checked_threads_lock vmem_port_lock_t;

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {DISCIPLINE_LOCK_INIT, PTHREAD_MUTEX_INITIALIZER}
/* clang-format on */

#define VMEM_PORT_CPUS 64

#define VMEM_PORT_WAITS
void vmem_port_wait(const uint32_t *woken);
void vmem_port_wake(const uint32_t *woken);

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    return checked_threads_lock(lock);
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    checked_threads_unlock(lock, state);
}

static inline uintptr_t vmem_port_self(void)
{
    return checked_threads_self();
}

static inline unsigned vmem_port_pin(unsigned long *state)
{
    return checked_threads_pin(state);
}

static inline void vmem_port_unpin(unsigned long state)
{
    checked_threads_unpin(state);
}

#endif

#endif
