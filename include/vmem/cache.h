/* SPDX-License-Identifier: MIT */
/*
 * cache.h - object caches: many objects of one size, handed out and taken back fast.
 *
 * A cache cuts slabs, which it imports from an arena, into objects. It is the slab
 * allocator of Bonwick, "The Slab Allocator" (USENIX 1994), with the magazines of
 * Bonwick and Adams, "Magazines and Vmem" (USENIX 2001), section 3:
 *
 *     slab       a power of two of units, aligned to its size, cut into objects
 *     magazine   an array of free objects; each is a round
 *     depot      a cache's magazines that no CPU holds, full and empty ones
 *
 * Each CPU has two magazines of every cache. An allocation takes a round from them and
 * a free puts one in: no lock, no line of memory that another CPU writes. Only when
 * both are empty (full) does it exchange one at the depot, and only when the depot has
 * none does it go to the slabs. Magazines need level 3 of the port (vmem/port.h) and
 * vmem_cpus_online(); without, the slabs serve alone.
 *
 * An object that is free is never written or read: what is in it stays, and it need not be
 * memory at all (quantum caches use the same code). So a constructor may set up what
 * all objects have in common, once:
 *
 *     static vmem_cache_t *threads;
 *     const struct vmem_cache_params params = {
 *         .name = "thread", .size = sizeof(struct thread), .arena = heap,
 *         .construct = thread_construct, .destruct = thread_destruct,
 *     };
 *     int error = vmem_cache_create(&params, &threads);
 *     ...
 *     struct thread *thread = vmem_cache_alloc(threads, 0);
 *     ...
 *     vmem_cache_free(threads, thread);      with its locks free and its lists empty
 *
 * CONTEXT. As for arenas (vmem/vmem.h): nothing sleeps but vmem_cache_alloc() with VMEM_SLEEP, no
 * hook is called with a lock held, and what does not sleep may be called from an interrupt handler.
 * That may come in the middle of the common path of an allocation on the same
 * CPU: either the port's pin keeps it out, or the handler finds its CPU pinned and goes without
 * magazines (vmem/port.h). The constructor, destructor and reclaim function are hooks too; they may
 * use any function of this library, but not on their own cache (reclaim may free to it). Several
 * threads may be in them at once. What they allocate fails rather than reap once more.
 *
 * No cache may be NULL where its function does not say what then happens.
 */
#ifndef VMEM_CACHE_H
#define VMEM_CACHE_H

#include <vmem/vmem.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmem_cache vmem_cache_t;

/* Flags of a cache. */
enum vmem_cache_flags {
    VMEM_CACHE_NO_MAGAZINES = 0x1 /* for objects so large or so rarely used that none should wait
                                     on a CPU: the slabs serve alone */
};

/* The largest object, in bytes (or units, in a quantum cache). */
#define VMEM_CACHE_SIZE_MAX ((size_t)512 * 1024)

struct vmem_cache_params {
    const char *name; /* for reports; kept by reference */
    size_t size;      /* bytes, 1 to VMEM_CACHE_SIZE_MAX; rounded up to a multiple of align */
    size_t align;     /* power of two up to VMEM_CACHE_SIZE_MAX; 0: natural, which is the largest
                         power of two that divides size rounded up to 8, but at most 64 */
    /*
     * Prepares an object that has not been handed out since its slab was made: 0, or a negative
     * error, and then the allocation fails and the object stays as it is. `flags` are those of the
     * allocation. `destruct` undoes it when the slab is given back. Either may be NULL.
     */
    int (*construct)(void *object, void *ctx, unsigned flags);
    void (*destruct)(void *object, void *ctx);
    void (*reclaim)(void *ctx); /* asked to free objects that can be spared, before a reap */
    void *ctx;
    vmem_t *arena;  /* where slabs come from: its addresses are memory */
    unsigned flags; /* enum vmem_cache_flags */
};

struct vmem_cache_stats {
    vmem_size_t object_size; /* from one object to the next */
    vmem_size_t slab_size;   /* a power of two */
    size_t objects_per_slab; /*    of which at most 1/8 is wasted */
    size_t slabs;            /* of them, */
    size_t empty_slabs;      /*    without an object in use or in a magazine */
    size_t in_use;           /* objects handed out */
    size_t in_magazines;     /* free objects in magazines: in use to the slabs */
    size_t magazine_size;    /* rounds of a new magazine; 0: there are none */
    size_t full_magazines;   /* in the depot: with rounds, */
    size_t empty_magazines;  /*    and without */
    uint64_t allocs;         /* that succeeded */
    uint64_t frees;
    uint64_t fails;       /* allocations refused */
    uint64_t misses;      /* allocations and frees that the CPU's two magazines did not serve, */
    uint64_t exchanges;   /*    of which the depot did so many */
    uint64_t slab_allocs; /* slabs imported, */
    uint64_t slab_frees;  /*    and given back */
};

/*
 * Makes a cache, without a slab yet.
 *
 * 0 and the cache in *cachep; or
 *   -VMEM_EINVAL  params, cachep, name or arena NULL; size 0 or above VMEM_CACHE_SIZE_MAX; an align
 *                 that is no power of two or above VMEM_CACHE_SIZE_MAX; destruct without construct;
 *                 unknown flags; an arena whose quantum is above 1 MiB: reported as
 *                 VMEM_FAULT_PARAMETER
 *   -VMEM_ENOMEM  no memory.
 * O(1). Calls pages. The cache takes about 500 bytes of the tag pool and one pointer a CPU; each
 * CPU that uses it 64 bytes and two magazines; each slab 64 bytes, and a bit an object where it has
 * more than 128. Source: Bonwick 1994, 2.3.
 */
int vmem_cache_create(const struct vmem_cache_params *params, vmem_cache_t **cachep);

/*
 * Ends a cache: destructs its objects and gives its slabs back. No CPU may be using it.
 *
 * 0; or -VMEM_EBUSY with nothing changed: an object is out, or a request waits for one (reported as
 * VMEM_FAULT_BUSY, with how many are out in `size`), or another thread is reaping or printing it
 * (not reported: try again). NULL: -VMEM_EINVAL, VMEM_FAULT_PARAMETER. O(objects). Calls destruct,
 * release, pages.
 */
int vmem_cache_destroy(vmem_cache_t *cache);

/*
 * Hands out an object: constructed, where the cache has a constructor. `flags` say how a new slab
 * is found in the arena, as for vmem_alloc(). With VMEM_SLEEP it waits until there is room for a
 * slab, or an object is freed; the constructor is given the flags as they are, and may wait, too.
 *
 * NULL: the arena has no room for a slab, there is no memory for its descriptor (not so with
 * VMEM_SLEEP), or the constructor failed; also with an unknown flag or a cache that is NULL, which
 * is reported as VMEM_FAULT_PARAMETER. O(1), no lock, from the CPU's magazines; O(1) from the
 * depot; O(log n) or what the arena takes for a new slab. Calls construct, pages, import. Source:
 * Bonwick and Adams 3.1 (magazines), 3.3 (dynamic tuning).
 */
void *vmem_cache_alloc(vmem_cache_t *cache, unsigned flags);

/*
 * Takes an object back, as constructed as it was handed out. Cannot fail.
 *
 * With VMEM_CONFIG_DEBUG every misuse is reported and nothing changes: VMEM_FAULT_DOUBLE_FREE,
 * VMEM_FAULT_MISALIGNED (inside an object), VMEM_FAULT_FOREIGN (in no slab of this cache), with who
 * allocated it (unless it takes more than a page to record that for a slab). Without, an object
 * freed twice in a row is (as VMEM_FAULT_FOREIGN where its slab has gone back meanwhile), NULL is
 * (VMEM_FAULT_PARAMETER), and the rest when the magazine is emptied into the slabs. O(1), as for
 * vmem_cache_alloc(). Calls pages, and destruct and release where a slab becomes empty and enough
 * empty ones are kept.
 */
void vmem_cache_free(vmem_cache_t *cache, void *object);

/*
 * Asks the reclaim function to free what it can, then gives back all that the cache holds without
 * need: the rounds of the depot and of this CPU's magazines, and all empty slabs; and lowers the
 * size of magazines again. Other CPUs are asked to bring theirs: each does so at its next free to
 * this cache, or in vmem_cpu_drain(). NULL: -.
 * O(rounds + slabs), a lock held for at most 16 objects at a time. Calls reclaim, destruct,
 * release, pages.
 */
void vmem_cache_reap(vmem_cache_t *cache);

/*
 * Gives back what the working set does not need: those magazines of the depot that nobody has
 * touched since the last call for this cache. For a timer, every few seconds or so: a bounded step,
 * 8 magazines at most; true: there is more, which another call does.
 * Source: Bonwick and Adams 3.4 (working set).
 */
bool vmem_cache_trim(vmem_cache_t *cache);

/* Copies the counters: each is true for its moment only while other CPUs work. O(CPUs). */
void vmem_cache_stat(vmem_cache_t *cache, struct vmem_cache_stats *stats);

/*
 * Verifies every invariant of a cache while nobody uses it: slabs on their lists and in the hash,
 * bitmaps against counts, rounds against slabs, counters. vmem_check(arena) does it for all caches
 * over the arena. 0, or a positive enum vmem_fault_kind, which is also reported. O(objects).
 */
int vmem_cache_check(vmem_cache_t *cache);

/*
 * CPUs, for the magazine layer. Nothing here needs to be called where the port has one CPU or none.
 */

/*
 * A CPU may use magazines from now on: its per-CPU data are set up, and vmem_port_pin() works on
 * it. Numbers that the port does not have are ignored. Anywhere, in any context. O(1).
 */
void vmem_cpu_online(unsigned cpu);

/* The same for CPUs 0 to count - 1: at the end of the boot. O(count). */
void vmem_cpus_online(unsigned count);

/*
 * A CPU goes offline: its magazines go back, and it gets no others. Call it on that CPU, as the
 * last thing that it does with the library, or anywhere once it has stopped; what it may still do
 * before it comes online again goes to the slabs. As vmem_cpu_drain().
 */
void vmem_cpu_offline(unsigned cpu);

/*
 * Gives back what this CPU's magazines hold, of all caches. Call it on that CPU (when it goes idle,
 * or in an interrupt that another CPU sends it under memory pressure), or anywhere once it has gone
 * offline. O(caches + rounds). Calls destruct, release, pages.
 */
void vmem_cpu_drain(unsigned cpu);

#ifdef __cplusplus
}
#endif

#endif
