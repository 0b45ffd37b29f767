/* SPDX-License-Identifier: MIT */
/*
 * port.h - everything a kernel supplies. This is the page for the porter.
 *
 * By level, so that a first boot needs one function:
 *
 *     0  vmem_port_fault                          always
 *     1  the lock, and who is running             once there are interrupts or CPUs
 *     2  vmem_port_pages_alloc, _free             once the static tags run out
 *     3  VMEM_PORT_CPUS, vmem_port_pin, _unpin    for magazines: object caches without a lock
 *     4  VMEM_PORT_WAITS, vmem_port_wait, _wake   for VMEM_SLEEP: requests that wait
 *
 * Level 0 and 2 are functions that the kernel links, under these names. A kernel
 * that has no pages to lend yet returns NULL. A hook that is missing fails at
 * link time, never at night. Level 1 and 3 are a header, because a lock is a type: name
 * yours in VMEM_PORT_HEADER. It may also bear the other hooks, as
 * `static inline` functions. What it must define, with an example:
 *
 *     #include <vmem/port.h>
 *
 *     typedef struct spinlock vmem_port_lock_t;        embedded in each arena
 *     #define VMEM_PORT_LOCK_INIT SPINLOCK_INIT        a static initialiser for it
 *
 *     static inline unsigned long vmem_port_lock(vmem_port_lock_t *lock)
 *     {                                                save and disable interrupts, then lock;
 *         unsigned long state = irq_save();            returns the state for unlock
 *         spin_lock(lock);
 *         return state;
 *     }
 *     static inline void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
 *     {
 *         spin_unlock(lock);
 *         irq_restore(state);
 *     }
 *     static inline uintptr_t vmem_port_self(void)     who is running: not 0, and different for
 *     {                                                any two that can be inside the library
 *         return (uintptr_t)current_thread() +         at once: threads, and interrupt handlers
 *                interrupt_depth();                    above them, if those allocate
 *     }
 *
 * and, for level 3, which a first port leaves out:
 *
 *     #define VMEM_PORT_CPUS 16                        the most CPUs that there can be
 *
 *     static inline unsigned vmem_port_pin(unsigned long *state)
 *     {                                                which CPU this is, below VMEM_PORT_CPUS;
 *         state[0] = irq_save();                       until unpin no one else on it is told so:
 *         return this_cpu();                           no other thread, and no interrupt handler,
 *     }                                                if those allocate
 *     static inline void vmem_port_unpin(unsigned long state)
 *     {
 *         irq_restore(state);
 *     }
 *
 * VMEM_PORT_CPUS itself, in place of a number, says that this CPU has no magazines now: the slabs
 * serve, under a lock. Pinning must work from the first use of a cache on: return it while there
 * are no per-CPU data yet. And instead of keeping interrupts out, a pin may keep only other threads
 * away (by disabling preemption, with a count for each CPU) and return it to a handler that
 * finds its CPU pinned already: examples/ports/smp.h does so. Other numbers count once
 * vmem_cpu_online() or vmem_cpus_online() (vmem/cache.h) has said that those CPUs are there; a port
 * of one CPU is online from the start. A few instructions are run between pin and unpin; locks may
 * be taken.
 *
 * And for level 4, beside -DVMEM_CONFIG_SLEEP=1, if threads can sleep:
 *
 *     #define VMEM_PORT_WAITS                          the port can wait
 *
 *     static inline void vmem_port_wait(const uint32_t *woken)
 *     {                                                sleeps until *woken is not 0
 *         unsigned long state = irq_save();
 *         spin_lock(&waiting);
 *         while (*(const volatile uint32_t *)woken == 0)
 *             thread_sleep(woken, &waiting);           gives the lock up while it sleeps
 *         spin_unlock(&waiting);
 *         irq_restore(state);
 *     }
 *     static inline void vmem_port_wake(const uint32_t *woken)
 *     {                                                wakes who sleeps on this address; *woken is
 *         unsigned long state = irq_save();            1 by now
 *         spin_lock(&waiting);
 *         thread_wake(woken);
 *         spin_unlock(&waiting);
 *         irq_restore(state);
 *     }
 *
 * Both are called without a lock of the library and not pinned; wake also from interrupt handlers
 * that free. Wake uses the address as a name only: the waiter may be gone, and whoever sleeps on
 * the same address by then may be woken. Wait may return early; that costs one more attempt. It
 * should after a second or so, where requests depend on what the library cannot see: memory behind
 * an import hook, or the last round that another CPU put into its magazine in the very moment in
 * which it was asked for it (until that CPU frees to the cache again, or calls vmem_cpu_drain).
 *
 * Locks nest at most two deep (a list of arenas or of waiters, then an arena; or an arena, then
 * the tag pool), are never taken twice, and no hook is called with one held.
 *
 * Hooks run where the call runs that needs them: those for faults and pages in interrupt handlers,
 * too, if handlers call the library.
 *
 * Shipped: vmem/port/single.h, the default: one CPU, and no interrupt that
 * allocates; vmem/port/posix.h with src/port/posix.c for programs on a host.
 */
#ifndef VMEM_PORT_H
#define VMEM_PORT_H

#include <vmem/vmem.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong. From VMEM_FAULT_ORDER on: an invariant that vmem_check() found broken. */
enum vmem_fault_kind {
    VMEM_FAULT_NONE,
    VMEM_FAULT_DOUBLE_FREE, /* freed, resized or split: an address that is free */
    VMEM_FAULT_WRONG_SIZE,  /* an allocated segment, but of another size */
    VMEM_FAULT_MISALIGNED,  /* not the start of a segment, or not a multiple of the quantum */
    VMEM_FAULT_FOREIGN,     /* in no span of this arena */
    VMEM_FAULT_OVERLAP,     /* a span to add overlaps one that is there */
    VMEM_FAULT_BUSY,        /* destroyed while in use */
    VMEM_FAULT_PARAMETER,   /* a parameter that can never be right */
    VMEM_FAULT_IMPORT,      /* an import hook returned a span that cannot be added */
    VMEM_FAULT_ORDER,       /* segments out of address order, overlapping or leaving a gap */
    VMEM_FAULT_NEIGHBOURS,  /* two neighbouring free segments */
    VMEM_FAULT_INDEX,       /* a free segment not in its place in the index, or bitmap bits wrong */
    VMEM_FAULT_HASH,        /* an allocated segment that the hash does not find */
    VMEM_FAULT_SUM,         /* counters that differ from a recount */
    VMEM_FAULT_TAGS         /* tags lost or used twice */
};

struct vmem_fault {
    enum vmem_fault_kind kind;
    const char *call;       /* the function that was called: "vmem_free" */
    const char *what;       /* what is wrong, in words */
    const vmem_t *arena;    /* NULL where there is none */
    const char *arena_name; /* "-" where there is none */
    vmem_addr_t addr;       /* as the caller gave them */
    vmem_size_t size;
    vmem_addr_t expected_addr; /* the segment or span that is really there; */
    vmem_size_t expected_size; /*    both 0 where nothing is */
    uintptr_t caller;          /* who called this time, and */
    uintptr_t allocated_by;    /* who allocated the segment: 0 without VMEM_CONFIG_DEBUG */
};

/*
 * Level 0. Something was misused, or is corrupt. Called without a lock, on the
 * stack of the caller. Print it (vmem_fault_print in vmem/debug.h makes one line
 * of it) and panic, or log and return: after a return nothing has changed.
 */
void vmem_port_fault(const struct vmem_fault *fault);

/*
 * Level 2. Lends the library `size` bytes of memory, a multiple of VMEM_PAGE_SIZE
 * and aligned to it; NULL to refuse. One page is asked for at a time, except by
 * what can live with a no (a larger hash). Called without a lock, perhaps by several
 * threads at once, but never by one that is inside it already. So it may allocate
 * from any arena, the one that ran out of tags included: one allocation at a time,
 * through a chain of imports, is sure to find its tags. A hook that refuses gives
 * back first what it allocated. 64-bit: the pages may lie in up to 63
 * regions of 2 GiB, aligned to that; a page from one more region is given back
 * and counts as refused.
 */
void *vmem_port_pages_alloc(size_t size);

/* Level 2. Takes back what vmem_port_pages_alloc lent: the same address and size. */
void vmem_port_pages_free(void *pages, size_t size);

#ifdef __cplusplus
}
#endif

#endif
