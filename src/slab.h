/* SPDX-License-Identifier: MIT */
/*
 * slab.h - the slab layer. See slab.c.
 */
#ifndef VMEM_SLAB_H
#define VMEM_SLAB_H

#include "cache.h"
#include "hash.h"

enum {
    VMEM_SLAB_BATCH = 16,     /* objects in one hold of the lock */
    VMEM_SLAB_EMPTY_KEPT = 2, /* empty slabs that a cache keeps */

    VMEM_SLAB_SIZE = 64, /* of a descriptor: a node of the tag pool */
    VMEM_SLAB_ROOM = VMEM_SLAB_SIZE - sizeof(struct vmem_tag) - sizeof(vmem_word_t *) - 8,
    VMEM_SLAB_WORDS = VMEM_SLAB_ROOM / (int)sizeof(vmem_word_t)
};

/*
 * A slab's descriptor. Its tag stands in the cache's hash by `chain` and on a list by `prev` and
 * `next`. The map is one bitmap or two, of map_words each: which objects are free, and, where the
 * cache constructs, which are raw, not constructed. With VMEM_CONFIG_DEBUG follow: which are
 * handed out, and who allocated each.
 */
struct vmem_slab {
    struct vmem_tag tag;
    vmem_word_t *map;
    uint32_t used;   /* objects given out */
    uint32_t colour; /* where the first object begins */
    vmem_word_t words[VMEM_SLAB_WORDS];
};

_Static_assert(sizeof(struct vmem_slab) <= VMEM_SLAB_SIZE, "a descriptor is a node");

static inline struct vmem_slab *vmem_slab_at(vmem_link_t link)
{
    return (struct vmem_slab *)(void *)vmem_tag_at(link);
}

/* An offset divided by the size, both in units of the largest power of two that divides the size.
 */
static inline uint32_t vmem_slab_divide(const vmem_cache_t *cache, vmem_size_t offset)
{
    uint32_t units = (uint32_t)vmem_shift_right(offset, cache->unit_shift);

    return (uint32_t)((uint64_t)units * cache->reciprocal >> 31) >> cache->reciprocal_shift;
}

static inline vmem_addr_t vmem_slab_first(const struct vmem_slab *slab)
{
    return slab->tag.addr + slab->colour;
}

static inline bool vmem_slab_bit(const vmem_word_t *map, uint32_t i)
{
    return (map[i / VMEM_WORD_BITS] >> (i % VMEM_WORD_BITS) & 1) != 0;
}

static inline void vmem_slab_set_bit(vmem_word_t *map, uint32_t i)
{
    map[i / VMEM_WORD_BITS] |= (vmem_word_t)1 << (i % VMEM_WORD_BITS);
}

static inline void vmem_slab_clear_bit(vmem_word_t *map, uint32_t i)
{
    map[i / VMEM_WORD_BITS] &= ~((vmem_word_t)1 << (i % VMEM_WORD_BITS));
}

/* Sets up all that follows from size (a multiple of align), align and slab_size (0: what suits). */
void vmem_slab_init(vmem_cache_t *cache, vmem_size_t size, vmem_size_t align,
                    vmem_size_t slab_size);

/*
 * Takes up to `want` (at most VMEM_SLAB_BATCH) objects, constructed; makes a slab if there is none
 * with a free object. Returns how many; 0 with *error: -VMEM_EINVAL if the constructor failed, else
 * that of the arena, which is asked without waiting. Without a lock.
 */
unsigned vmem_slab_take(vmem_cache_t *cache, unsigned want, unsigned flags, vmem_addr_t *objects,
                        int *error);

/* Gives objects back, reports what is none, and releases slabs that are empty beyond those kept.
 * Without a lock. */
void vmem_slab_give(vmem_cache_t *cache, const vmem_addr_t *objects, size_t count, const char *call,
                    uintptr_t caller);

/* Releases all slabs that are empty. Without a lock. */
void vmem_slab_reap(vmem_cache_t *cache);

/* The slab that contains addr; NULL: none. With the lock. */
struct vmem_slab *vmem_slab_find(const vmem_cache_t *cache, vmem_addr_t addr);

/* The object that contains addr, in that slab; false: it lies between them. */
bool vmem_slab_object(const vmem_cache_t *cache, const struct vmem_slab *slab, vmem_addr_t addr,
                      uint32_t *indexp);

static inline vmem_addr_t vmem_slab_object_at(const vmem_cache_t *cache,
                                              const struct vmem_slab *slab, uint32_t i)
{
    return vmem_slab_first(slab) + i * cache->size;
}

/* Verifies the slabs; with the lock. */
enum vmem_fault_kind vmem_slab_check(vmem_cache_t *cache, vmem_addr_t *at);

#if VMEM_CONFIG_DEBUG
/* The map of what is handed out, and who allocated it (NULL: not recorded). */
vmem_word_t *vmem_slab_out_map(const vmem_cache_t *cache, const struct vmem_slab *slab);
uintptr_t *vmem_slab_callers(const vmem_cache_t *cache, const struct vmem_slab *slab);
#endif

#endif
