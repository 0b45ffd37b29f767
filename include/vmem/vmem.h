/* SPDX-License-Identifier: MIT */
/*
 * vmem.h - arenas: allocators of integers.
 *
 * An arena hands out segments of the integers that it was given: addresses,
 * page frames, interrupt vectors, process IDs. It never looks at what they
 * stand for. It is the vmem of Bonwick and Adams, "Magazines and Vmem:
 * Extending the Slab Allocator to Many CPUs and Arbitrary Resources" (USENIX
 * 2001), section 4.
 *
 *     span      a range given to an arena, by vmem_create, vmem_add or an import
 *     segment   a part of a span, free or allocated; segments never cross spans
 *     quantum   the unit: every address and size in an arena is a multiple of it
 *     source    the arena from which another imports its spans
 *
 * In a nutshell:
 *
 *     static vmem_t *pids;
 *     const struct vmem_params params = {
 *         .name = "pid", .base = 1, .size = 32767, .quantum = 1,
 *         .flags = VMEM_ARENA_ORDERED,
 *     };
 *     vmem_addr_t pid;
 *     int error = vmem_create(&params, &pids);
 *     if (error == 0)
 *         error = vmem_alloc(pids, 1, VMEM_NEXTFIT, &pid);
 *     ...
 *     vmem_free(pids, pid, 1);
 *
 * Results come through an out-parameter and the return value is 0 or a negative
 * error, since 0 is an address like any other. A call that fails has changed
 * nothing, except that an arena may have given an empty span back to its source. Misuse is told to
 * vmem_port_fault() (vmem/port.h) in full; where that returns, nothing has changed either.
 *
 * COSTS are given with n for the segments of the arena. A "freelist arena" is
 * one without VMEM_ARENA_ORDERED.
 *
 * CONTEXT. No function here sleeps, but for an allocation with VMEM_SLEEP. Each takes the arena's
 * lock for the time that its cost says. Whatever does not sleep may be called from an interrupt
 * handler, if the port's lock keeps interrupts out and its self tells a handler from the thread
 * below it (vmem/port.h), and if the hooks that the function calls may be called there too; only
 * that vmem_check, vmem_reap and vmem_destroy take long. Hooks are never called with a lock held.
 * Which functions call which: "pages" is vmem_port_pages_alloc/free, "import" and "release" are the
 * arena's, "wait" is vmem_port_wait and "wake" vmem_port_wake, which is called where a request
 * waits and something has become free.
 *
 * WAITING. With VMEM_CONFIG_SLEEP, a request with VMEM_SLEEP waits where it would return
 * -VMEM_ENOSPC or -VMEM_ENOMEM. It makes attempts, each as it would without the flag, and sleeps
 * between them in the port's hook with nothing in hand: no lock, no tag, no span. It is woken by
 *
 *     a free, a resize that shrinks, an added span   in its arena, or in one that this imports
 *                                                    from, a returned span there included,
 *     an object freed                                to the cache that it waits for,
 *     a reap                                         of one of these arenas (or of all), and
 *     tags that come back to the pool                where it had found no memory for them.
 *
 * While it waits, nothing is kept back from it: frees go past the magazines, empty slabs and spans
 * go back at once. No wakeup is lost: the attempt before it sleeps takes the lock that every free
 * takes. What the library cannot see, such as pages behind an import hook that have come back, only
 * shows at the next attempt: let vmem_port_wait() return now and then, or call vmem_reap(arena).
 *
 * Requests that wait for the same arena are served in the order in which they came, so that a large
 * one is not starved by small ones: while it waits, none that came later makes an attempt, even if
 * there is room for it. Two whose windows (min, limit) do not overlap do not wait for each other. A
 * request without VMEM_SLEEP is never held up; it takes what it finds. A thread that holds segments
 * and waits for more of the same arena can wait for itself.
 */
#ifndef VMEM_VMEM_H
#define VMEM_VMEM_H

#include <vmem/config.h>

#ifdef __cplusplus
extern "C" {
#endif

#if VMEM_CONFIG_ADDR64
typedef uint64_t vmem_addr_t;
typedef uint64_t vmem_size_t;
#define VMEM_ADDR_MAX UINT64_MAX
#else
typedef uintptr_t vmem_addr_t;
typedef uintptr_t vmem_size_t;
#define VMEM_ADDR_MAX UINTPTR_MAX
#endif

typedef struct vmem vmem_t;

/* Errors, returned negated: the numbers of errno, so that a kernel may pass them on. */
enum {
    VMEM_ENOMEM = 12, /* no memory for a boundary tag, an arena or a table */
    VMEM_EBUSY = 16,  /* something is still in use */
    VMEM_EEXIST = 17, /* the range overlaps a span */
    VMEM_EINVAL = 22, /* a parameter that can never be right; also told to the fault hook */
    VMEM_ENOSPC = 28  /* no free segment satisfies the request, and none could be imported */
};

/* Flags of an allocation: one policy, and whether to wait. */
enum vmem_flags {
    VMEM_INSTANTFIT = 0x0, /* any that fits, at constant cost, packed nearly as best fit */
    VMEM_BESTFIT = 0x1,    /* the smallest that fits */
    VMEM_NEXTFIT = 0x2,    /* the first at or after the end of the last allocation, or else the
                              first of all: numbers come round before they are used again */
    VMEM_FIRSTFIT = 0x3,   /* the lowest address */
    VMEM_LASTFIT = 0x4,    /* the highest address */
    VMEM_NOSLEEP = 0x0,    /* the default: fail rather than wait */
#if VMEM_CONFIG_SLEEP
    VMEM_SLEEP = 0x8 /* wait rather than fail, where the port can (see WAITING below) */
#define VMEM_SLEEP VMEM_SLEEP
#endif
};

/* Flags of an arena. */
enum vmem_arena_flags {
    VMEM_ARENA_ORDERED = 0x1, /* a tree in place of freelists: lowest, highest, next and windows in
                                 O(log n), for IDs and user address spaces; tags of 64 bytes */
    VMEM_ARENA_STRICT = 0x2   /* freelists: instant and best fit never scan a list. An unconstrained
                                 request costs O(1) even when it fails, and may be refused although
                                 a segment less than 1/8 larger than it would have served */
};

struct vmem_constraints {
    vmem_size_t align;   /* the address is `phase` more than a multiple of this power of two; */
    vmem_size_t phase;   /*    0: the quantum. `phase` is below `align`, in quanta */
    vmem_size_t nocross; /* power of two: no multiple of it lies inside the segment; 0: none */
    vmem_addr_t min;     /* the segment lies in [min, limit), */
    vmem_addr_t limit;   /*    where 0 is the end of the address space */
};

struct vmem_params {
    const char *name;    /* for reports; kept by reference */
    vmem_addr_t base;    /* the first span, where size > 0 */
    vmem_size_t size;    /*    0: none, spans come later or by import */
    vmem_size_t quantum; /* power of two, 1 or more */
    /*
     * Quantum caches: sizes up to this, rounded to the quantum, are served by object caches
     * (vmem/cache.h), one a multiple of the quantum, over slabs of this arena. 0: none; more than
     * 64 quanta counts as 64. For memory that comes and goes fast, on many CPUs.
     */
    vmem_size_t qcache_max;
    vmem_t *source; /* arena to import from, or NULL */
    /*
     * How to get a span of `size` that satisfies `c`, and how to give it back.
     * Both NULL with a source: vmem_xalloc() and vmem_xfree() on it. `size` is a
     * multiple of the larger quantum of the two arenas, `c->align` is set and at
     * least the quantum, `flags` are the policy of the allocation (without VMEM_SLEEP: the library
     * waits by itself, and tries again). `import` returns 0 and the address, or a negative error,
     * which the allocation then returns. A span that is not in quanta or passes the end is reported
     * (VMEM_FAULT_IMPORT) and released; one that overlaps a span of the arena is reported and left
     * alone; the allocation returns -VMEM_EINVAL. Both are called without a lock and may use any
     * function of this library, but only on other arenas.
     */
    int (*import)(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp);
    void (*release)(void *ctx, vmem_addr_t addr, vmem_size_t size);
    void *ctx;
    unsigned flags; /* enum vmem_arena_flags */
};

/*
 * Sizes are in the units of the arena, counts since its creation. What waits in quantum caches
 * counts as free; it is not one segment, though, and not in `largest_free`.
 */
struct vmem_stats {
    vmem_size_t in_use;       /* allocated; */
    vmem_size_t free;         /*    and not: the two make up the total */
    vmem_size_t total;        /* of all spans; VMEM_ADDR_MAX where the sum is the whole space */
    vmem_size_t imported;     /* of that, in imported spans */
    vmem_size_t largest_free; /* the largest single free segment */
    size_t segments;          /* allocated segments */
    size_t spans;
    uint64_t allocs; /* that succeeded */
    uint64_t frees;
    uint64_t fails;    /* allocations refused */
    uint64_t imports;  /* spans imported, */
    uint64_t releases; /*    and given back */
    uint64_t waits;    /* allocations that had to wait, */
    size_t waiting;    /*    and those that wait now, for this arena or one that imports from it */
};

/*
 * Makes an arena, with one span where params->size > 0.
 *
 * 0 and the arena in *arenap; or
 *   -VMEM_EINVAL  arenap, params or its name NULL; a quantum that is no power of two; base or size
 *                 not multiples of it; a span that passes the end of the address space; unknown
 *                 flags; import without release or the reverse; an import chain longer than
 *                 VMEM_CONFIG_IMPORT_DEPTH: each also reported as VMEM_FAULT_PARAMETER
 *   -VMEM_ENOMEM  no memory.
 * The arena itself takes 448 bytes of the tag pool, its freelists up to a page more
 * (448 bytes for 2^15 quanta).
 * O(1). Calls pages. Source: Bonwick and Adams 4.1 (vmem_create).
 */
int vmem_create(const struct vmem_params *params, vmem_t **arenap);

/*
 * Ends an arena, its quantum caches first. Imported spans that are empty go back to their source.
 *
 * 0; or -VMEM_EBUSY with nothing changed: something is allocated, a request waits for it, another
 * arena imports from it, or a cache or heap uses it, which is reported as VMEM_FAULT_BUSY; or, not
 * reported, another thread looks at it at this moment (vmem_reap, vmem_check and the like of all
 * arenas, vmem_print, an allocation under pressure, vmem_cpu_drain): try again. NULL: -VMEM_EINVAL,
 * VMEM_FAULT_PARAMETER. O(spans + n). Calls release, pages.
 */
int vmem_destroy(vmem_t *arena);

/*
 * Adds the span [base, base + size). It may touch other spans (segments still never cross from one
 * to the other) and may end with the address space. `flags` must be 0.
 *
 * 0; or
 *   -VMEM_EINVAL  size 0, not in quanta, past the end of the address space, flags: reported as
 *                 VMEM_FAULT_PARAMETER
 *   -VMEM_EEXIST  overlaps a span of this arena: reported as VMEM_FAULT_OVERLAP
 *   -VMEM_ENOMEM  no memory for its tags.
 * O(log spans). Calls pages, wake. Source: Bonwick and Adams 4.1 (vmem_add).
 */
int vmem_add(vmem_t *arena, vmem_addr_t base, vmem_size_t size, unsigned flags);

/*
 * Takes the span [base, base + size) away again: all of what one vmem_add or vmem_create gave.
 *
 * 0; or -VMEM_EBUSY: something in it is allocated; or -VMEM_EINVAL: no such span, or it was
 * imported (reported as VMEM_FAULT_PARAMETER).
 * O(log spans).
 */
int vmem_remove(vmem_t *arena, vmem_addr_t base, vmem_size_t size);

/*
 * Allocates `size` units, rounded up to the quantum, by the policy in `flags`.
 *
 * 0 and the address in *addrp; or
 *   -VMEM_EINVAL  size 0, addrp NULL or unknown flags: reported as VMEM_FAULT_PARAMETER
 *   -VMEM_ENOSPC  no free segment is large enough, and the source, where there is one, said no
 *   -VMEM_ENOMEM  no memory for a boundary tag; or what the import hook returned.
 *
 *                 freelist arena                         ordered arena
 *   INSTANTFIT    O(1); before failing, or importing,    O(log n) (it is FIRSTFIT)
 *                 one scan of one list (unless STRICT)
 *   BESTFIT       O(1): the best of the first 4 of a     O(n)
 *                 list of nearly equal sizes, or
 *                 if none of 32 fits, the next list
 *   NEXTFIT       O(n)                                   O(log n)
 *   FIRSTFIT      O(n)                                   O(log n)
 *   LASTFIT       O(n)                                   O(log n)
 *
 * plus an import, where one is needed: O(log spans), and what the hook costs.
 *
 * INSTANTFIT of up to qcache_max: O(1) and without a lock, from the quantum cache of its size,
 * where the CPU's magazines serve. A policy that is named goes past the caches, to what is free in
 * the arena itself.
 *
 * UNDER PRESSURE. Before it fails, an allocation has back what others keep without need: the
 * quantum caches are reaped, the source is asked, then the caches over this arena and over the
 * arenas that import from it are asked to reclaim and are reaped, and so are the empty spans that
 * those keep. That is O(what they keep), and where they keep nothing, O(arenas and caches).
 *
 * Calls pages, import, release, and construct (destruct, reclaim) of caches; with VMEM_SLEEP, wait.
 * Source: Bonwick and Adams 4.4.2 (instant fit); the two-level lists are Masmano, Ripoll, Crespo
 * and Real, "TLSF" (ECRTS 2004).
 */
int vmem_alloc(vmem_t *arena, vmem_size_t size, unsigned flags, vmem_addr_t *addrp);

/*
 * Allocates under constraints; every policy, with imports too (the constraints are passed on to the
 * source). `c` NULL or all zero: vmem_alloc(), but past the quantum caches. A request for one
 * address has min = it, limit = it + size.
 *
 * As vmem_alloc(), and -VMEM_EINVAL for an align or nocross that is no power of two, a phase that
 * is not below align or not in quanta, a nocross below size, min at or past limit (limit > 0).
 * It is refused only when no hole in the arena satisfies it and no import can; what is free in a
 * slab of the quantum caches beside objects in use is no hole. Best fit in a freelist arena is then
 * the best of the first 4 of each list.
 *
 * Freelist arena: align and nocross O(1) where a segment that is large enough in any position is
 * free, a window or else O(n). Ordered arena: O(log n + k), where k counts the holes within the
 * window that are large enough but whose position does not serve.
 * Calls pages, import, release. Source: Bonwick and Adams 4.1 (vmem_xalloc).
 */
int vmem_xalloc(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                vmem_addr_t *addrp);

/*
 * Frees what vmem_alloc (vmem_free) or vmem_xalloc (vmem_xfree) returned, or one part of it after
 * vmem_split. `size` must be that of the allocation. Either takes what the other should; vmem_free
 * of up to qcache_max puts it into the quantum cache of its size. Needs no memory and cannot fail.
 * An imported span that becomes wholly free is kept until the next one does, so that a single
 * allocation made and freed in a loop does not import each time.
 *
 * Misuse is reported and nothing changes: VMEM_FAULT_DOUBLE_FREE (the address is free),
 * VMEM_FAULT_WRONG_SIZE, VMEM_FAULT_MISALIGNED (inside an allocated segment, or not in quanta),
 * VMEM_FAULT_FOREIGN (in no span of this arena), VMEM_FAULT_PARAMETER (arena NULL). For sizes up to
 * qcache_max that is at once with VMEM_CONFIG_DEBUG; without, when the cache is reaped.
 *
 * O(1) in a freelist arena, O(log n) in an ordered one (expected: the hash), and O(log spans) where
 * a span is released. To tell misuse apart O(n). Calls release, wake. Source: Bonwick and Adams 4.4
 * (boundary tags).
 */
void vmem_free(vmem_t *arena, vmem_addr_t addr, vmem_size_t size);
void vmem_xfree(vmem_t *arena, vmem_addr_t addr, vmem_size_t size);

/*
 * Changes the size of an allocated segment where it stands: growth takes from the free segment
 * that follows it, if that suffices. Constraints of the allocation are not looked at again.
 *
 * 0; or
 *   -VMEM_ENOSPC  growth: what follows is not free, or too small, or not in the same span; or the
 *                 segment is a quantum cache's, which can only stay as it is
 *   -VMEM_ENOMEM  shrinking: no memory for the tag of what becomes free
 *   -VMEM_EINVAL  new_size 0, unknown flags, or addr and old_size are not an allocated segment:
 *                 reported as for vmem_free.
 * It does not wait: VMEM_SLEEP in `flags` means nothing here.
 * O(1) in a freelist arena, O(log n) in an ordered one. Calls pages, wake.
 */
int vmem_resize(vmem_t *arena, vmem_addr_t addr, vmem_size_t old_size, vmem_size_t new_size,
                unsigned flags);

/*
 * Makes two segments of an allocated one: [addr, addr + offset) and the rest, each freed alone. It
 * is what unmapping the middle of a mapping needs.
 *
 * 0; or
 *   -VMEM_ENOMEM  no memory for the tag
 *   -VMEM_ENOSPC  the segment is a quantum cache's: vmem_xalloc() what is to be split
 *   -VMEM_EINVAL  offset 0, not below size, or not in quanta (VMEM_FAULT_PARAMETER); addr and size
 *                 not an allocated segment (reported as for vmem_free).
 * O(1). Calls pages.
 */
int vmem_split(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, vmem_size_t offset);

/* Whether [addr, addr + size) lies within one span. size 0: no. O(log spans). Calls nothing. */
bool vmem_contains(const vmem_t *arena, vmem_addr_t addr, vmem_size_t size);

/*
 * Copies the counters; the arena is not NULL. O(1), except for the largest free segment of a
 * freelist arena: a look at every segment of the topmost list that is in use. Calls nothing.
 */
void vmem_stat(vmem_t *arena, struct vmem_stats *stats);

/*
 * Gives back what an arena (NULL: every arena) holds without need: what its caches do (the quantum
 * caches, and every cache over it: vmem_cache_reap()), the empty span kept back to its
 * source, the unused tags to the pool, and then the pool's wholly free pages to the port. Also
 * ends a hash's growth or shrinking, and moves boundary tags together, so that their pages become
 * free. O(n), the lock held for 16 tags or 64 chains of the hash at a time.
 * Calls pages, release, reclaim, destruct, wake.
 */
void vmem_reap(vmem_t *arena);

/*
 * Verifies every invariant of an arena and of the slabs of the caches over it (NULL: of all arenas,
 * their caches with what waits in magazines, all ID spaces and the tag pool, while nothing else
 * runs): address order, no overlap, no two free neighbours,
 * each free segment in its place in the index, bitmap bits, the hash, sums, counters, tags.
 *
 * 0, or a positive enum vmem_fault_kind (vmem/port.h), which is also reported.
 * O(n log n). Holds the lock throughout. Calls nothing.
 */
int vmem_check(vmem_t *arena);

#ifdef __cplusplus
}
#endif

#endif
