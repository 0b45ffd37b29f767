/* SPDX-License-Identifier: MIT */
/*
 * pressure.c - what an allocation does before it fails.
 *
 * What an arena lacks may lie with others, unused: in caches over the arena, and, in pieces as
 * large as spans, with arenas that import from it and the caches over those. All of them are asked
 * to give back what they keep without need. Those that import come first, the youngest first, so
 * that what a cache over one of them gives up empties a span, which goes back to the next, and so
 * on down to here. (The arena's own quantum caches have been reaped before: alloc.c.)
 *
 * A reclaim function may itself allocate from the arena, and miss. So the thread that has them
 * called for an arena is recorded, and does not do so again from within; another thread leaves it
 * to that one.
 *
 * Cost: O(arenas and caches), and O(1) for each object and span that is given back.
 */
#include "cache.h"

/* Whether this thread is to call reclaim functions for the arena. */
static bool begin(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    bool mine = arena->reclaiming == 0;

    if (mine)
        arena->reclaiming = vmem_port_self();
    vmem_port_unlock(&arena->lock, state);
    return mine;
}

static void end(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);

    arena->reclaiming = 0;
    vmem_port_unlock(&arena->lock, state);
}

void vmem_reap_caches(vmem_t *arena)
{
    bool reclaim = begin(arena);
    uint32_t after = 0;
    vmem_cache_t *cache;

    while ((cache = vmem_cache_pin_next(arena, after)) != NULL) {
        after = cache->id;
        if (reclaim)
            vmem_cache_reap(cache);
        else
            vmem_cache_strip(cache);
        vmem_cache_unpin(cache);
    }
    if (reclaim)
        end(arena);
}

static bool imports_from(const vmem_t *arena, const vmem_t *source)
{
    while (arena != NULL && arena != source)
        arena = arena->source;
    return arena != NULL;
}

bool vmem_relieve(vmem_t *source)
{
    uint32_t before = UINT32_MAX;
    vmem_t *arena;

    if (source->children == 0 && source->caches == NULL)
        return false;
    while (source->children > 0 && (arena = vmem_pin_before(before)) != NULL) {
        before = arena->id > source->id ? arena->id : 0;
        if (before > 0 && imports_from(arena, source)) {
            vmem_reap_caches(arena);
            (void)vmem_release_kept(arena);
        }
        vmem_unpin(arena);
    }
    vmem_reap_caches(source);
    return true;
}
