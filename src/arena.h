/* SPDX-License-Identifier: MIT */
/*
 * arena.h - what an arena is, and what the files of the library ask of each other.
 *
 *     alloc.c free.c resize.c     what a caller asks for
 *     arena.c span.c reap.c       arenas, their spans, import and release, giving back
 *     fit.c                       arithmetic of constraints
 *     segment.h                   cutting and merging of segments, on
 *     freelist.[ch] tree.[ch]        the two indexes of free segments,
 *     hash.[ch]                      the index of allocated ones,
 *     tag.h pool.[ch]                and tags
 *     cache.[ch] magazine.[ch] slab.[ch]  object caches; quantum.[ch] over an arena's own segments
 *     pressure.c sleep.[ch]       what an allocation does before it fails, and in place of it
 *     id.[ch] bitmap.[ch]         ID spaces, and the bitmaps under them
 *     check.c walk.c print.c fault.c  seeing inside
 */
#ifndef VMEM_ARENA_H
#define VMEM_ARENA_H

#include <vmem/debug.h>
#include <vmem/vmem.h>

#include VMEM_PORT_HEADER

#include "bits.h"
#include "pool.h"
#include "tag.h"

/* Whether requests can wait. A program on a host may name a port that cannot: there VMEM_SLEEP is a
 * wish that is not granted. */
#if VMEM_CONFIG_SLEEP && defined(VMEM_PORT_WAITS)
#define VMEM_SLEEPS 1
#elif VMEM_CONFIG_SLEEP && !__STDC_HOSTED__
#error "VMEM_CONFIG_SLEEP needs a port that waits: VMEM_PORT_WAITS, in vmem/port.h"
#else
#define VMEM_SLEEPS 0
#endif
#if VMEM_CONFIG_SLEEP
enum { VMEM_FLAG_SLEEP = VMEM_SLEEP };
#else
enum { VMEM_FLAG_SLEEP = 0 };
#endif

/* The four functions that the objects may need, without <string.h>. */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *at, int byte, size_t size);

struct vmem_hash {
    vmem_link_t *buckets; /* 2^bits chains */
    vmem_link_t *next;    /* the table that is being moved to; NULL: none */
    vmem_link_t *old;     /* moved away from, to be given back; NULL: none */
    size_t moved;         /* buckets before this have been moved */
    size_t count;         /* allocated segments */
    size_t grow_from;     /* as many segments want a larger table, */
    size_t shrink_below;  /*    fewer a smaller one */
    size_t short_below;   /* with fewer, an insertion may take the short way; */
    size_t short_above;   /*    with more, a removal */
    uint8_t shift;        /* of a hash value, to its bucket: word bits less `bits` */
    uint8_t next_shift;
    uint8_t old_shift;
    bool long_way;            /* removals always take it, */
    bool awaited;             /*    or while somebody waits for what they make free */
    vmem_link_t smallest[16]; /* the table of a small arena */
};

struct vmem_freelist {
    vmem_word_t *map;     /* a bit a list: not empty */
    vmem_link_t *heads;   /* behind the map, in the same block */
    vmem_word_t summary;  /* a bit a word of the map: not 0 */
    uint32_t lists;       /* 0 in an ordered arena */
    uint32_t sublists;    /* every power of two is cut into so many, */
    int32_t sublist_bits; /*   two to this */
};

struct vmem {
    vmem_port_lock_t lock;
    uint32_t flags; /* VMEM_ARENA_* */
    vmem_size_t quantum;
    int32_t quantum_shift;
    uint8_t depth; /* arenas that it imports through */
    bool imports;
    uint32_t awaited; /* requests that wait, for this or one that imports from it: sleep.c */
    struct vmem_freelist freelist; /* of free segments: one of these two */
    vmem_link_t tree;
    vmem_link_t anchor;         /* of the address-ordered list */
    vmem_link_t spans;          /* tree of span markers */
    vmem_link_t kept;           /* a span that was wholly free when last looked at */
    struct vmem_stash stash[2]; /* for segments, for spans */
    struct vmem_hash hash;
    vmem_addr_t cursor; /* next fit: the end of the last allocation */

    /* Quantum caches: one for each size, in quanta, that is cached (quantum.c). */
    vmem_size_t qcache_max; /* 0: none */
    struct vmem_cache **qcaches;

    vmem_size_t in_use;
    vmem_size_t total;
    vmem_size_t imported;
    size_t span_count;
    uint64_t frees;
    uint64_t splits;
    uint64_t fails;
    uint64_t import_count;
    uint64_t release_count;
    uint64_t waits;

    const char *name;
    vmem_t *source;
    int (*import)(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp);
    void (*release)(void *ctx, vmem_addr_t addr, vmem_size_t size);
    void *ctx;

    /* Under the lock of the list of arenas, not the arena's own. */
    vmem_t *next;
    struct vmem_cache *caches; /* over this arena (under their own lock): cache.c */
    uint32_t id;               /* in order of creation */
    uint32_t children;         /* arenas that import from this one */
    uint32_t pins;             /* threads that look at it from the list */
};

enum {
    VMEM_STASH_SEGMENTS,
    VMEM_STASH_SPANS,

    /* A cut out of the middle leaves a segment on either side, beside the one that there was. */
    VMEM_TAGS_PER_CUT = 2,
    VMEM_STASH_FILL = 16, /* tags taken at once */
    VMEM_STASH_MAX = 64,  /* more than this many, and half go back */
};

/* A request, normalised: what every search works on. */
struct vmem_request {
    vmem_size_t size;  /* in quanta, > 0 */
    vmem_size_t align; /* at least the quantum */
    vmem_size_t phase;
    vmem_size_t nocross; /* 0: none */
    vmem_addr_t min;     /* first address, */
    vmem_addr_t max;     /*    and last, both inclusive */
    unsigned policy;
    bool plain; /* no constraint */
};

/* Where a search says that the request should go. */
struct vmem_place {
    vmem_link_t segment;
    vmem_addr_t addr;
};

static inline bool vmem_is_ordered(const vmem_t *arena)
{
    return (arena->flags & VMEM_ARENA_ORDERED) != 0;
}

/* The policy that flags name; above VMEM_LASTFIT: some are unknown. */
static inline unsigned vmem_policy(unsigned flags)
{
    return flags & ~(unsigned)VMEM_FLAG_SLEEP;
}

static inline bool vmem_may_sleep(unsigned flags)
{
    return VMEM_SLEEPS && (flags & VMEM_FLAG_SLEEP) != 0;
}

/* What is wrong with the flags of an allocation; NULL: nothing. */
static inline const char *vmem_wrong_flags(unsigned flags)
{
    return vmem_policy(flags) > VMEM_LASTFIT ? "unknown flags" : NULL;
}

/* size rounded up to the quantum; 0 where that is 0 or passes the end. */
static inline vmem_size_t vmem_round(const vmem_t *arena, vmem_size_t size)
{
    vmem_size_t mask = arena->quantum - 1;

    return (size + mask) & ~mask;
}

/* fit.c */

/* The lowest (highest) address in [first, last] that the request can have. */
bool vmem_fit_low(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                  vmem_addr_t *addrp);
bool vmem_fit_high(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                   vmem_addr_t *addrp);

/* The one that its policy prefers. */
bool vmem_fit(const struct vmem_request *request, vmem_addr_t cursor, vmem_addr_t first,
              vmem_addr_t last, vmem_addr_t *addrp);

/* alloc.c */

/*
 * Fills the stashes up to `segments` and `spans` tags and does what had to wait until no lock was
 * held. Called without, returns with the lock, and 0 or -VMEM_ENOMEM: fewer are there.
 */
int vmem_prepare(vmem_t *arena, uint32_t segments, uint32_t spans, unsigned long *state);

/* Counts a refusal. Without the lock. */
void vmem_count_failure(vmem_t *arena);

/* Finds a place by the request's policy; false: there is none. With the lock. */
bool vmem_search(vmem_t *arena, const struct vmem_request *request, struct vmem_place *place);

/* Commits a place that a search found: 0, or -VMEM_ENOMEM with nothing done. With the lock. */
int vmem_commit(vmem_t *arena, const struct vmem_request *request, const struct vmem_place *place,
                uintptr_t caller);

/* vmem_xalloc on behalf of `caller`. */
int vmem_allocate(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp, const char *call, uintptr_t caller);

/* One attempt: the same, but it does not wait, and a refusal is not counted. */
int vmem_try(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
             vmem_addr_t *addrp, const char *call, uintptr_t caller);

/* The same for a slab of the arena's own: a refusal is not counted, and brings no pressure about.
 */
int vmem_allocate_slab(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                       vmem_addr_t *addrp, uintptr_t caller);

/* free.c */

/* Frees what may be a segment, or an object of a quantum cache. */
void vmem_free_segment(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *call,
                       uintptr_t caller);

/* Moves a surplus of the stashes to `surplus`, for the pool. With the lock. */
void vmem_take_surplus(vmem_t *arena, struct vmem_stash *surplus);

/* span.c */

/* Imports a span for a request that the arena could not serve, and serves it. Without the lock. */
int vmem_import(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                uintptr_t caller);

/* The unit of imports: the larger quantum of the arena and its source. */
vmem_size_t vmem_import_block(const vmem_t *arena);

/* The span that contains addr, or else the first above; 0: none. With the lock. */
vmem_link_t vmem_span_at(const vmem_t *arena, vmem_addr_t addr);

/* Takes a span that is wholly free out of the arena. With the lock. */
void vmem_span_detach(vmem_t *arena, vmem_link_t span);

/* Whether a span is one free segment. With the lock. */
bool vmem_span_is_empty(vmem_link_t span);

/* Tells the source that a detached span comes back. Without the lock. */
void vmem_span_release(vmem_t *arena, vmem_addr_t addr, vmem_size_t size);

/* Releases the empty span kept back; false: there is none. Without the lock. */
bool vmem_release_kept(vmem_t *arena);

/* arena.c */

/*
 * The arena with the smallest id above `after`, pinned; NULL: none. An arena that is pinned cannot
 * be destroyed. For those who go through all arenas without a lock.
 */
vmem_t *vmem_pin_next(uint32_t after);

/*
 * The same with the largest id below `before`: what imports comes before what it imports from.
 * source: only of arenas that import from it, through others or not; NULL: of all.
 */
vmem_t *vmem_pin_before(uint32_t before, const vmem_t *source);
void vmem_unpin(vmem_t *arena);

/* pressure.c */

/*
 * Has the caches over an arena, and the arenas that import from it, give up what they keep;
 * whether anything has come back to it. Without the lock.
 */
bool vmem_relieve(vmem_t *source);

/* Reaps all caches over an arena, unless this thread is inside a reap. Without the lock. */
void vmem_reap_caches(vmem_t *arena);

/* Whether this thread is inside a reap. */
bool vmem_is_reaping(void);

/* Around a reap; false: this thread is inside one, and is not to begin another. */
bool vmem_reap_begin(void);
void vmem_reap_end(void);

/* walk.c */

/* The segment that contains addr; 0: it is in no span. With the lock. */
vmem_link_t vmem_segment_at(vmem_t *arena, vmem_addr_t addr);

/* One step of a walk; 0: it is at its end. With the lock. */
vmem_link_t vmem_walk_step(vmem_t *arena, struct vmem_cursor *cursor, struct vmem_segment *segment);

/* fault.c */

/* Reports a fault that needs no look at the segments. Without the lock. Returns -VMEM_EINVAL. */
int vmem_fault_report(const vmem_t *arena, enum vmem_fault_kind kind, const char *call,
                      const char *what, vmem_addr_t addr, vmem_size_t size, uintptr_t caller);

/*
 * The same for what has a name but is no arena: a cache, a heap, an ID space; with what is really
 * there and who allocated it, where that is known, else 0. Without the lock. Returns -VMEM_EINVAL.
 */
int vmem_fault_named(const char *name, enum vmem_fault_kind kind, const char *call,
                     const char *what, vmem_addr_t addr, vmem_size_t size,
                     vmem_addr_t expected_addr, vmem_size_t expected_size, uintptr_t allocated_by,
                     uintptr_t caller);

/* The same with an arena, and with an object that is there (NULL: none). */
struct vmem_object;
int vmem_fault_object(const vmem_t *arena, const char *name, enum vmem_fault_kind kind,
                      const char *call, const char *what, vmem_addr_t addr, vmem_size_t size,
                      const struct vmem_object *there, uintptr_t caller);

/* Reports a fault in which `found`, a segment or span (0: none), is in the way. Drops the lock. */
void vmem_fault_found(vmem_t *arena, enum vmem_fault_kind kind, const char *call, vmem_addr_t addr,
                      vmem_size_t size, vmem_link_t found, uintptr_t caller, unsigned long state);

/* [addr, addr + size) is not an allocated segment: reports what is there. Drops the lock. */
void vmem_fault_misuse(vmem_t *arena, const char *call, vmem_addr_t addr, vmem_size_t size,
                       uintptr_t caller, unsigned long state);

#endif
