/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.h - a port for tests, on one thread, whose lock guards nothing and
 * instead checks how it is used: initialised, no recursion, no unlock without a lock, the state
 * handed back as it was handed out, at most two locks at a time, always in the same order, and none
 * held when a hook is called. Of its CPUs, the test says on which it is. A pin checks that it is
 * not nested, that locks taken before and after it nest with it, and that no hook is called
 * meanwhile. A violation ends the program with a line that says what was wrong.
 */
#ifndef TESTS_SUPPORT_CHECKED_PORT_H
#define TESTS_SUPPORT_CHECKED_PORT_H

#include <vmem/port.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct checked_port_lock {
    unsigned long state; /* 0: not held; else what vmem_port_lock returned */
    unsigned long mark;  /* it was initialised */
} vmem_port_lock_t;

#define CHECKED_PORT_MARK 0x10c

/* clang-format off */
#define VMEM_PORT_LOCK_INIT {0, CHECKED_PORT_MARK}
/* clang-format on */

unsigned long checked_port_lock(vmem_port_lock_t *lock);
void checked_port_unlock(vmem_port_lock_t *lock, unsigned long state);

/* Locks taken so far. */
extern unsigned long checked_port_locks;

/*
 * Another thread's turn: called at every moment from which on no lock is held, and the CPU not
 * pinned, but not from within itself. NULL: nobody's.
 */
extern void (*checked_port_meanwhile)(void);

/* Ends the program if a lock is held, or the CPU pinned. For hooks, and for the end of a test. */
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

#ifdef __cplusplus
}
#endif

#endif
