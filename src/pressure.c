/* SPDX-License-Identifier: MIT */
/*
 * pressure.c - what an allocation does before it fails, and reaps of caches.
 *
 * What an arena lacks may lie with others, unused: in caches over the arena, and, in pieces as
 * large as spans, with arenas that import from it and the caches over those. All of them are asked
 * to give back what they keep without need. Those that import come first, the youngest first, so
 * that what a cache over one of them gives up empties a span, which goes back to the next, and so
 * on down to here. (The arena's own quantum caches have been reaped before: alloc.c.)
 *
 * In a reap, reclaim functions and destructors run, which may themselves allocate, and miss. So who
 * is reaping is recorded, and does not reap from within: the stack stays bounded. There is room
 * for as many reapers as there can be CPUs, and some more; one that finds no room does without.
 *
 * Cost: O(arenas and caches), and O(1) for each object and span that is given back.
 */
#include "cache.h"

enum { REAPERS = 16 + 4 * VMEM_CPUS };

static struct {
    vmem_port_lock_t lock;
    uintptr_t inside[REAPERS]; /* the first so many: */
    unsigned count;
} reapers = {.lock = VMEM_PORT_LOCK_INIT};

/* The place of a thread; reapers.count: it has none. With the lock. */
static unsigned place_of(uintptr_t self)
{
    unsigned place = 0;

    while (place < reapers.count && reapers.inside[place] != self)
        place++;
    return place;
}

bool vmem_is_reaping(void)
{
    unsigned long state = vmem_port_lock(&reapers.lock);
    bool inside = place_of(vmem_port_self()) < reapers.count;

    vmem_port_unlock(&reapers.lock, state);
    return inside;
}

bool vmem_reap_begin(void)
{
    uintptr_t self = vmem_port_self();
    unsigned long state = vmem_port_lock(&reapers.lock);
    bool begins = reapers.count < REAPERS && place_of(self) == reapers.count;

    if (begins)
        reapers.inside[reapers.count++] = self;
    vmem_port_unlock(&reapers.lock, state);
    return begins;
}

void vmem_reap_end(void)
{
    uintptr_t self = vmem_port_self();
    unsigned long state = vmem_port_lock(&reapers.lock);

    reapers.inside[place_of(self)] = reapers.inside[reapers.count - 1];
    reapers.count--;
    vmem_port_unlock(&reapers.lock, state);
}

static void reap_caches(vmem_t *arena)
{
    uint32_t after = 0;
    vmem_cache_t *cache;

    while ((cache = vmem_cache_pin_next(arena, after)) != NULL) {
        after = cache->id;
        vmem_cache_strip(cache);
        vmem_cache_unpin(cache);
    }
}

void vmem_reap_caches(vmem_t *arena)
{
    if (!vmem_reap_begin())
        return;
    reap_caches(arena);
    vmem_reap_end();
}

static uint64_t frees_of(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    uint64_t frees = arena->frees;

    vmem_port_unlock(&arena->lock, state);
    return frees;
}

bool vmem_relieve(vmem_t *source)
{
    uint64_t frees = frees_of(source);
    uint32_t before = UINT32_MAX;
    vmem_t *arena;

    if (!vmem_reap_begin())
        return false;
    while ((arena = vmem_pin_before(before, source)) != NULL) {
        before = arena->id;
        reap_caches(arena);
        (void)vmem_release_kept(arena);
        vmem_unpin(arena);
    }
    reap_caches(source);
    vmem_reap_end();
    return frees_of(source) != frees;
}
