/* SPDX-License-Identifier: MIT */
/*
 * cache.h - what an object cache is, and what its files ask of each other.
 *
 *     cache.c               caches from creation to destruction, their list, alloc and free
 *     magazine.[ch]         the magazine layer: CPUs and the depot
 *     slab.[ch]             the slab layer
 *     quantum.[ch]          caches over an arena's own segments
 *
 * Objects are addresses in the units of the arena: vmem_addr_t throughout, so that the same code
 * serves memory and integers. Only constructors, in cache.c, see pointers.
 */
#ifndef VMEM_SRC_CACHE_H
#define VMEM_SRC_CACHE_H

#include <vmem/cache.h>

#include "arena.h"

/* The most CPUs; 0: the port has no level 3. */
#ifdef VMEM_PORT_CPUS
#define VMEM_CPUS VMEM_PORT_CPUS
#else
#define VMEM_CPUS 0
#endif

/* What an address in a slab of a cache is. */
struct vmem_object {
    vmem_addr_t slab; /* where the slab begins, */
    vmem_addr_t addr; /*    and the object that contains the address; */
    vmem_size_t size; /*    0: it lies between the objects */
    bool in_slab;     /* free in its slab, */
    bool in_magazine; /*    or seen in a magazine (where it may just have been), */
    bool out;         /*    or handed out: certain with VMEM_CONFIG_DEBUG */
    uintptr_t caller; /* who allocated it: 0 without VMEM_CONFIG_DEBUG */
};

/* Free objects. What it holds is the slab layer's "allocated". */
struct vmem_magazine {
    struct vmem_magazine *next; /* in the depot */
    uint32_t rounds;            /* while no CPU has it loaded */
    uint32_t capacity;
    vmem_addr_t round[];
};

/*
 * What a CPU has of a cache. Written by that CPU alone, but for `limit` and `wanted`. What the
 * loaded magazine served is counted by its frees, and by how many rounds came in and went out with
 * magazines: the allocations are what remains.
 */
struct vmem_cpu {
    vmem_addr_t *top;    /* behind the last round of the loaded magazine; */
    vmem_addr_t *bottom; /*    at its first, */
    vmem_addr_t *limit;  /*    and behind its last place; NULL: the slow way is wanted */
    struct vmem_magazine *loaded;
    struct vmem_magazine *previous;
    vmem_word_t frees;    /* into the loaded magazine */
    vmem_word_t received; /* rounds with magazines loaded, less those with magazines unloaded */
    vmem_word_t wanted;   /* another CPU asks to have it all back */
};

/* In the place of a CPU that has no magazines: nothing to take, no room. */
extern struct vmem_cpu vmem_no_cpu;

/* Magazines in the depot, under the cache's lock. */
struct vmem_depot_list {
    struct vmem_magazine *first;
    uint32_t count;
    uint32_t least; /* the count, at its least since the last trim: so many nobody needed */
};

/* Slabs in one state, linked by their tags. */
struct vmem_slab_list {
    vmem_link_t first;
    uint32_t count;
};

struct vmem_cache {
    /* Constant, or nearly so: what the common paths read. */
    struct vmem_cpu *cpus[VMEM_CPUS + 1]; /* the last is for whoever has none */
    vmem_t *arena;
    vmem_size_t size;      /* from one object to the next, in units */
    vmem_size_t slab_size; /* power of two */
    uint32_t capacity;     /* objects in a slab */
    uint32_t batch;        /* objects that go from a slab to a magazine at once */
    uint32_t reciprocal;   /* of the size, with two shifts: see slab.h */
    uint8_t unit_shift;
    uint8_t reciprocal_shift;
    bool constructs;
    uint32_t flags;    /* VMEM_CACHE_*, public and internal */
    uint32_t map_size; /* of a slab's bitmaps, in bytes; 0: they stand in its descriptor */
    uint32_t map_words;
    uint32_t colour_step;
    uint32_t colour_max;
    const char *name;
    int (*construct)(void *object, void *ctx, unsigned flags);
    void (*destruct)(void *object, void *ctx);
    void (*reclaim)(void *ctx);
    void *ctx;
    /* A heap's: told of each slab that comes, which it may refuse, and goes. Without the lock. */
    int (*slab_made)(struct vmem_cache *cache, vmem_addr_t addr);
    void (*slab_gone)(struct vmem_cache *cache, vmem_addr_t addr);
    void *owner;

    /* Under the lock. */
    vmem_port_lock_t lock;
    struct vmem_hash slabs; /* by address */
    struct vmem_slab_list full, partial, empty;
    size_t taken;    /* objects that the slabs have given out */
    uint32_t colour; /* of the next slab */
    struct vmem_depot_list full_magazines, empty_magazines;
    size_t depot_rounds;
    uint32_t magazine_type; /* of new ones: see magazine.c */
    uint32_t least_type;
    uint32_t last_cpu;  /* that came to the depot */
    uint32_t visits;    /* since the size was last looked at, */
    uint32_t contended; /*    of which after another CPU's */
    size_t loose;       /* segments that came in without a slab, and left for the arena */
    uint64_t allocs;    /* that the slabs or the slow way served */
    uint64_t frees;
    uint64_t fails;
    uint64_t misses;
    uint64_t exchanges;
    uint64_t slab_allocs;
    uint64_t slab_frees;

    /* Under the lock of the list of caches. */
    struct vmem_cache *next; /* over the same arena */
    uint32_t id;
    uint32_t pins;
};

/* Internal flags of a cache. */
enum {
    VMEM_CACHE_QUANTUM = 0x100,   /* over an arena's own segments: address 0 is one like any other,
                                     and what is freed may be a segment of the arena itself (loose) */
    VMEM_CACHE_NO_COLOUR = 0x200, /* every slab begins with an object */
    VMEM_CACHE_PUBLIC_FLAGS = VMEM_CACHE_NO_MAGAZINES
};

/* cache.c */

/* Makes sure that vmem_no_cache has nothing for any CPU. */
void vmem_cache_init_none(void);

/* Reports misuse of an object; `object` is what is there. */
void vmem_cache_report(const vmem_cache_t *cache, enum vmem_fault_kind kind, const char *call,
                       vmem_addr_t addr, vmem_size_t size, const struct vmem_object *object,
                       uintptr_t caller);

/* The largest quantum of an arena that memory caches take slabs from. */
#define VMEM_CACHE_QUANTUM_MAX ((vmem_size_t)1 << 20)

/* A cache as vmem_cache_create() makes it, from what has been checked; NULL: no memory. The caller
 * sets the hooks of a heap, then enlists it. slab_size 0: what suits the size. */
vmem_cache_t *vmem_cache_make(const struct vmem_cache_params *params, vmem_size_t size,
                              vmem_size_t align, vmem_size_t slab_size, unsigned flags);
void vmem_cache_enlist(vmem_cache_t *cache);

/* Takes a cache off the list; false: somebody has it pinned. */
bool vmem_cache_delist(vmem_cache_t *cache);

/* Empties a cache that is off the list, from which nothing is out, and gives it back. */
void vmem_cache_dismantle(vmem_cache_t *cache);

/*
 * The slow way of an allocation and a free: everything that the inline functions of magazine.h
 * leave. 0 or an error. It does not wait; with VMEM_SLEEP, the caller does, and counts an error.
 */
int vmem_cache_take(vmem_cache_t *cache, unsigned flags, vmem_addr_t *addrp);
void vmem_cache_put(vmem_cache_t *cache, vmem_addr_t addr, const char *call, uintptr_t caller);

/* Gives back all that is not in use. The caller has begun a reap (vmem_reap_begin). */
void vmem_cache_strip(vmem_cache_t *cache);

/* Verifies the slabs, and leaves alone what moves while others use the cache. */
int vmem_cache_check_slabs(vmem_cache_t *cache);

/* Objects handed out, less loose segments taken in: exact while nobody else uses the cache. */
vmem_word_t vmem_cache_out(const vmem_cache_t *cache);

/*
 * The cache over an arena with the smallest id above `after`, pinned; NULL: none. A cache that is
 * pinned cannot be destroyed, nor can its arena.
 */
vmem_cache_t *vmem_cache_pin_next(vmem_t *arena, uint32_t after);
void vmem_cache_unpin(vmem_cache_t *cache);

/* Gives back what this CPU has of the caches over arenas that are awaited. */
void vmem_cache_drain_awaited(void);

/* Whether all caches over an arena are its own quantum caches, and none is *pinned. */
bool vmem_cache_are_quantum(vmem_t *arena, bool *pinned);

/* False: the address is in no slab of this cache. O(rounds of the cache). Without a lock. */
bool vmem_cache_find(vmem_cache_t *cache, vmem_addr_t addr, struct vmem_object *object);

/* Whether an address waits in a magazine. O(rounds). Without a lock. */
bool vmem_cache_waits(vmem_cache_t *cache, vmem_addr_t addr);

#if VMEM_CONFIG_DEBUG
/* Notes that an object is handed out; whether it was, and now is back. Without the lock. */
void vmem_cache_note_out(vmem_cache_t *cache, vmem_addr_t addr, uintptr_t caller);
bool vmem_cache_note_back(vmem_cache_t *cache, vmem_addr_t addr, vmem_size_t size, const char *call,
                          uintptr_t caller);
#endif

#endif
