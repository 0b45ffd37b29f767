/* SPDX-License-Identifier: MIT */
/*
 * world.h - arenas with quantum caches, object caches and heaps over them, and the model of it all.
 *
 * The model knows what is handed out (`out`), to whom, and what was written there; which objects
 * are constructed; and what was counted. It does not foretell where anything will lie. Each
 * function here does one thing to the library, judges the answer, and makes it good in the model.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <vmem/cache.h>
#include <vmem/heap.h>

#include "hooks.h"
#include "intervals.h"

struct tally {
    uint64_t allocs, frees, fails;
};

/* An arena that segments are taken from. */
struct space {
    const char *name;
    vmem_t *arena; /* NULL: there is none */
    struct space *source;
    vmem_size_t quantum;
    vmem_size_t qcache_max;
    unsigned flags;
    bool memory;        /* its addresses can be written to */
    bool exact;         /* nobody but the test allocates from it: all its counters can be told */
    vmem_size_t in_use; /* segments handed out by name, and not to caches or to other arenas */
    size_t segments;
    uint64_t splits;
    struct tally tally;
};

struct object_cache {
    vmem_cache_t *cache; /* NULL: there is none */
    struct space *space;
    struct vmem_cache_params params;
    size_t out;
    struct tally tally;
    struct intervals constructed;
    unsigned refuse_in; /* the constructor says no about once in so many; 0: never */
    bool refused;       /* it did, since this was last set to false */
    unsigned spares;    /* objects that it would free if it were asked to, at once */
};

struct block_heap {
    vmem_heap_t *heap; /* NULL: there is none */
    struct space *space;
    const char *name;
    size_t blocks;
    vmem_size_t usable; /* of all blocks */
    struct tally tally;
};

enum { SPACES = 3, CACHES = 3, HEAPS = 2 };

struct world {
    struct space spaces[SPACES]; /* memory, a child of it, and numbers */
    struct object_cache caches[CACHES];
    struct block_heap heaps[HEAPS];
    struct intervals out;
    uint64_t reclaimed;    /* objects that caches freed when they were asked to; */
    bool nothing_to_spare; /*    now they have none */
};
extern struct world world;
extern struct rng world_rng;
extern bool world_trace;

/* Ends the test, and says how to repeat it. */
_Noreturn void disagree(const char *format, ...) __attribute__((format(printf, 1, 2)));
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline vmem_size_t below(vmem_size_t bound)
{
    return (vmem_size_t)rng_below(&world_rng, bound);
}

/* How memory is to be found: mostly the default. */
static inline unsigned some_policy(void)
{
    return (unsigned)(rng_chance(&world_rng, 1, 4) ? below(VMEM_LASTFIT + 1) : VMEM_INSTANTFIT);
}

static inline bool chance(unsigned one, unsigned in)
{
    return rng_chance(&world_rng, one, in);
}

/* No fault, or this one; then forgotten. */
void expect_fault(enum vmem_fault_kind kind, const char *what);

/* Something that was handed out: does it overlap, and does it still bear its pattern? */
void world_take(const struct interval *interval);
void world_give(size_t index); /* checks the pattern, and takes it off the model */
bool world_some(const void *owner, size_t *index); /* something that the owner handed out */

/* spaces.c */
void space_create(struct space *space, const struct vmem_params *params);
void space_destroy(struct space *space);
void space_alloc(struct space *space);
void space_free(struct space *space, size_t index);
void space_resize(struct space *space);
void space_split(struct space *space);
void space_misuse(struct space *space);
void space_reap(struct space *space);
void space_check(struct space *space);
/*
 * What may have led to a refusal without reason: pages refused, objects reclaimed too late. Where
 * there was none of that, there is indeed no room, as the arena itself says when it is asked
 * plainly.
 */
uint64_t excuses(void);
void space_expect_full(struct space *space, vmem_size_t size, vmem_size_t align);

/* object_caches.c */
void cache_create(struct object_cache *cache, struct space *space);
void cache_destroy(struct object_cache *cache); /* nothing is out of it */
void cache_alloc(struct object_cache *cache);
void cache_free(struct object_cache *cache, size_t index);
void cache_misuse(struct object_cache *cache);
void cache_reap(struct object_cache *cache);
void cache_check(struct object_cache *cache);

/* block_heaps.c */
void heap_create(struct block_heap *heap, struct space *space, const char *name);
void heap_destroy(struct block_heap *heap); /* nothing is out of it */
void heap_alloc(struct block_heap *heap);
void heap_realloc(struct block_heap *heap);
void heap_free(struct block_heap *heap, size_t index);
void heap_misuse(struct block_heap *heap);
void heap_reap(struct block_heap *heap);
void heap_check(struct block_heap *heap);

#endif
