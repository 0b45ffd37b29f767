/* SPDX-License-Identifier: MIT */
/*
 * port/posix.h - the port for programs on a host: POSIX threads and mmap, with
 * src/port/posix.c.
 *
 *     cc -Iinclude -DVMEM_PORT_HEADER='"vmem/port/posix.h"' \
 *        src/<all>.c src/port/posix.c prog.c -pthread
 */
#ifndef VMEM_PORT_POSIX_H
#define VMEM_PORT_POSIX_H

#include <pthread.h>
#include <vmem/port.h>

typedef pthread_mutex_t vmem_port_lock_t;
#define VMEM_PORT_LOCK_INIT PTHREAD_MUTEX_INITIALIZER

/*
 * What vmem_port_fault() does on a host: NULL, the default, prints the report
 * to standard error and goes on, since nothing has changed. Set it before the
 * program has threads.
 */
extern void (*vmem_posix_on_fault)(const struct vmem_fault *fault);

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    (void)pthread_mutex_lock(lock);
    return 0;
}

static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    (void)state;
    (void)pthread_mutex_unlock(lock);
}

/* The address of a thread's own errno: a different one for each thread, and never 0. */
uintptr_t vmem_posix_self(void);

static inline uintptr_t vmem_port_self(void)
{
    return vmem_posix_self();
}

/*
 * Magazines: a thread is a CPU. Each has a number of its own for as long as it lives, and its
 * magazines are drained when it ends. Threads beyond so many at once have none.
 */
#define VMEM_PORT_CPUS 64

extern __thread unsigned vmem_posix_cpu; /* one more than its number; 0: not yet known */

unsigned vmem_posix_assign_cpu(void);

static inline unsigned vmem_port_pin(unsigned long *state)
{
    unsigned cpu = vmem_posix_cpu;

    *state = 0;
    return __builtin_expect(cpu != 0, 1) ? cpu - 1 : vmem_posix_assign_cpu();
}

static inline void vmem_port_unpin(unsigned long state)
{
    (void)state;
}

#endif
