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

#ifdef __cplusplus
extern "C" {
#endif

#define VMEM_PORT_WAITS

typedef pthread_mutex_t vmem_port_lock_t;
#define VMEM_PORT_LOCK_INIT PTHREAD_MUTEX_INITIALIZER

/*
 * What vmem_port_fault() does on a host: NULL, the default, prints the report
 * to standard error and goes on, since nothing has changed. Set it before the
 * program has threads.
 */
extern void (*vmem_posix_on_fault)(const struct vmem_fault *fault);

/*
 * Magazines: a thread is a CPU. Each is given a number of its own when it first takes a lock, the
 * lowest that is free, and keeps it for as long as it lives; its magazines are drained when it
 * ends. Threads beyond so many at once have none. (Not when it first pins: that the common paths
 * do, which are shorter where nothing is called.)
 */
#define VMEM_PORT_CPUS 64

extern __thread unsigned vmem_posix_cpu; /* its number; VMEM_PORT_CPUS: none */
extern __thread bool vmem_posix_counted; /* it has been given one, if there was one */

void vmem_posix_assign_cpu(void);

static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    if (__builtin_expect(!vmem_posix_counted, 0))
        vmem_posix_assign_cpu();
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

static inline unsigned vmem_port_pin(unsigned long *state)
{
    *state = 0;
    return vmem_posix_cpu;
}

static inline void vmem_port_unpin(unsigned long state)
{
    (void)state;
}

/* Waiting: a waiter looks again after a tenth of a second, if nobody wakes it. */
void vmem_port_wait(const uint32_t *woken);
void vmem_port_wake(const uint32_t *woken);

/*
 * The gate: for programs that fork while they have threads. A fork copies what other threads are
 * in the middle of, and in the child nobody ends it. So such a program calls
 * vmem_posix_fork_safe() once, before it has threads, and uses the library between an enter and its
 * leave:
 *
 *     unsigned place = vmem_posix_enter();
 *     block = vmem_heap_alloc(heap, size, 0);
 *     vmem_posix_leave(place);
 *
 * A fork then closes the gate: it waits until all who entered have left, and lets nobody in until
 * it is done. The numbers of threads that the child does not have are not used again there.
 * Enter and leave cost one locked instruction each, on a line that no other thread writes.
 */
void vmem_posix_fork_safe(void);
unsigned vmem_posix_enter(void);
void vmem_posix_leave(unsigned place);

/*
 * What a fork does, for those who need the library to stand still: vmem_check(NULL) while threads
 * go on, for one. From outside of it. The thread itself may go on using the library meanwhile.
 */
void vmem_posix_close(void);
void vmem_posix_open(void);

#ifdef __cplusplus
}
#endif

#endif
