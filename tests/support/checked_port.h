/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.h - a port for tests, on one thread, whose lock guards nothing and whose
 * hooks check how they are used: see discipline.h. Of its CPUs, the test says on which it is.
 */
#ifndef TESTS_SUPPORT_CHECKED_PORT_H
#define TESTS_SUPPORT_CHECKED_PORT_H

#include <vmem/port.h>

#include "discipline.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct discipline_lock vmem_port_lock_t;
#define VMEM_PORT_LOCK_INIT DISCIPLINE_LOCK_INIT

unsigned long checked_port_lock(vmem_port_lock_t *lock);
void checked_port_unlock(vmem_port_lock_t *lock, unsigned long state);

/* Locks taken so far. */
extern unsigned long checked_port_locks;

/*
 * Another thread's turn: called at every moment from which on no lock is held, and the CPU not
 * pinned, but not from within itself. NULL: nobody's.
 */
extern void (*checked_port_meanwhile)(void);

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

#define VMEM_PORT_CPUS 4

/* The CPU that the test is on; VMEM_PORT_CPUS: one that has no magazines. */
extern unsigned checked_port_cpu;

/* The thread moves on to the next CPU whenever it is unpinned. */
extern bool checked_port_moves;

unsigned checked_port_pin(unsigned long *state);
void checked_port_unpin(unsigned long state);

static inline unsigned vmem_port_pin(unsigned long *state)
{
    return checked_port_pin(state);
}

static inline void vmem_port_unpin(unsigned long state)
{
    checked_port_unpin(state);
}

/*
 * Waiting. While a request waits, a function of the test's is called, and plays the other threads:
 * what it does is done by a thread of another number. When it returns, the request must have been
 * woken, and the port been told. NULL: there are no others, so that the request would wait for
 * ever; that is a violation, and so is to wait too often. Within the function it is NULL.
 */
#define VMEM_PORT_WAITS
void vmem_port_wait(const uint32_t *woken);
void vmem_port_wake(const uint32_t *woken);

extern void (*checked_port_others)(void);
extern bool checked_port_returns_early;  /* a wait may end although nobody woke the request */
extern unsigned long checked_port_waits; /* since the test set it to 0 */
extern unsigned long checked_port_wakes;

#ifdef __cplusplus
}
#endif

#endif
