/* SPDX-License-Identifier: MIT */
/*
 * quantum.c - quantum caches: object caches over an arena's own segments, one for each
 * multiple of the quantum up to qcache_max (Bonwick and Adams 2001, 4.4.4).
 *
 * Concepts
 * --------
 * 1. A cache is made when its size is first asked for. Until then, vmem_no_cache stands in its
 *    place, from which nothing comes and into which nothing goes.
 * 2. All caches of an arena have slabs of one size: three times qcache_max rounded up to a power
 *    of two, so that slabs fill each other's holes and pack well. That size is also the least that
 *    the arena imports.
 * 3. Whatever fails here, for want of memory or of room for a slab, is served by the arena itself,
 *    as if there were no caches. So an address that is freed may be in no slab: such a loose
 *    segment goes into the magazine all the same, since it is as good as any object of that size,
 *    and the slab layer hands it to the arena when the magazine is emptied. A policy that is
 *    named, and every vmem_xalloc(), makes loose segments too.
 * 4. To whoever looks at the arena, an object in a slab is a segment, and what is in a
 *    magazine or free in a slab is free.
 */
#include "quantum.h"

#include "magazine.h"
#include "slab.h"
#include "sleep.h"

struct vmem_cache vmem_no_cache;

enum { QUANTA_MAX = 64 };

/*
 * Creation
 */

vmem_size_t vmem_quantum_slab(const vmem_t *arena)
{
    vmem_size_t slab = arena->quantum;

    if (arena->qcache_max == 0)
        return 0;
    while (slab < 3 * arena->qcache_max)
        slab <<= 1;
    return slab;
}

static size_t cache_count(const vmem_t *arena)
{
    return (size_t)vmem_shift_right(arena->qcache_max, (unsigned)arena->quantum_shift);
}

bool vmem_quantum_init(vmem_t *arena, vmem_size_t qcache_max)
{
    vmem_size_t quanta = vmem_shift_right(qcache_max, (unsigned)arena->quantum_shift);

    if (qcache_max == 0 || arena->quantum > VMEM_ADDR_MAX / 8 / QUANTA_MAX)
        return true; /* so large a quantum leaves no room for a slab */
    if ((qcache_max & (arena->quantum - 1)) != 0)
        quanta++;
    if (quanta > QUANTA_MAX)
        quanta = QUANTA_MAX;
    arena->qcaches = (vmem_cache_t **)vmem_pool_alloc((size_t)quanta * sizeof(vmem_cache_t *));
    if (arena->qcaches == NULL)
        return false;
    vmem_cache_init_none();
    for (size_t i = 0; i < quanta; i++)
        arena->qcaches[i] = &vmem_no_cache;
    arena->qcache_max = quanta * arena->quantum;
    return true;
}

/* Puts a new cache in its place, where another thread may have been faster. */
static bool install(vmem_t *arena, size_t i, vmem_cache_t *cache)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    bool first = arena->qcaches[i] == &vmem_no_cache;

    if (first)
        VMEM_WRITE_RELEASE(arena->qcaches[i], cache);
    vmem_port_unlock(&arena->lock, state);
    return first;
}

/* The cache of a size; NULL: it cannot be made. */
static vmem_cache_t *cache_of(vmem_t *arena, vmem_size_t size)
{
    struct vmem_cache_params params = {.name = arena->name, .arena = arena};
    size_t i = vmem_quantum_index(arena, size);
    vmem_cache_t *cache = VMEM_READ_ACQUIRE(arena->qcaches[i]);

    if (cache != &vmem_no_cache)
        return cache;
    if (vmem_pool_is_nested())
        return NULL;
    cache = vmem_cache_make(&params, (i + 1) * arena->quantum, arena->quantum,
                            vmem_quantum_slab(arena), VMEM_CACHE_QUANTUM);
    if (cache == NULL)
        return NULL;
    if (install(arena, i, cache))
        vmem_cache_enlist(cache);
    else
        vmem_cache_dismantle(cache);
    return arena->qcaches[i];
}

/*
 * The slow ways
 */

static bool take(vmem_cache_t *cache, vmem_addr_t *addrp, uintptr_t caller)
{
    if (!vmem_magazine_pop(cache, addrp) && vmem_cache_take(cache, VMEM_INSTANTFIT, addrp) != 0)
        return false;
#if VMEM_CONFIG_DEBUG
    vmem_cache_note_out(cache, *addrp, caller);
#else
    (void)caller;
#endif
    return true;
}

struct wish {
    vmem_t *arena;
    vmem_size_t size;
    vmem_addr_t *addrp;
    uintptr_t caller;
};

static int attempt(void *request)
{
    const struct wish *wish = request;
    vmem_cache_t *cache = cache_of(wish->arena, wish->size);
    int error;

    if (cache != NULL && take(cache, wish->addrp, wish->caller))
        return 0;
    error = vmem_try(wish->arena, wish->size, NULL, VMEM_INSTANTFIT, wish->addrp, "vmem_alloc",
                     wish->caller);
    if (error == -VMEM_ENOSPC && cache != NULL && take(cache, wish->addrp, wish->caller))
        error = 0; /* the reap for it has filled slabs that stay */
    return error;
}

int vmem_quantum_alloc(vmem_t *arena, vmem_size_t size, unsigned flags, vmem_addr_t *addrp,
                       uintptr_t caller)
{
    struct wish wish = {.arena = arena, .size = size, .caller = caller};
    struct vmem_waiter waiter = {.arena = arena, .max = VMEM_ADDR_MAX};
    int error;

    wish.addrp = addrp;
    error = vmem_may_sleep(flags) ? vmem_sleep(&waiter, attempt, &wish) : attempt(&wish);
    if (error != 0)
        vmem_count_failure(arena);
    return error;
}

void vmem_quantum_free(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, uintptr_t caller)
{
    if (VMEM_CONFIG_DEBUG || vmem_quantum_cache(arena, size) == &vmem_no_cache)
        vmem_free_segment(arena, addr, size, "vmem_free", caller); /* and looks into the caches */
    else
        vmem_cache_put(vmem_quantum_cache(arena, size), addr, "vmem_free", caller);
}

/* The cache in whose slab an address is; NULL: none. */
static vmem_cache_t *find(const vmem_t *arena, vmem_addr_t addr, struct vmem_object *object)
{
    for (size_t i = 0; i < cache_count(arena); i++) {
        vmem_cache_t *cache = VMEM_READ_ACQUIRE(arena->qcaches[i]);

        if (cache != &vmem_no_cache && vmem_cache_find(cache, addr, object))
            return cache;
    }
    return NULL;
}

static enum vmem_fault_kind what_is_wrong(const vmem_t *arena, const struct vmem_object *object,
                                          vmem_addr_t addr, vmem_size_t size)
{
    if (object->size == 0 || object->addr != addr)
        return VMEM_FAULT_MISALIGNED;
    if (!object->out)
        return VMEM_FAULT_DOUBLE_FREE;
    return object->size == vmem_round(arena, size) ? VMEM_FAULT_NONE : VMEM_FAULT_WRONG_SIZE;
}

enum vmem_quantum_answer vmem_quantum_look(vmem_t *arena, vmem_addr_t addr, vmem_size_t size,
                                           const char *call, uintptr_t caller,
                                           vmem_cache_t **cachep)
{
    struct vmem_object object;
    enum vmem_fault_kind kind;

    *cachep = find(arena, addr, &object);
    if (*cachep != NULL &&
        object.in_magazine) /* or it was, as this CPU sees another's: once more */
        *cachep = find(arena, addr, &object);
    if (*cachep == NULL)
        return VMEM_QUANTUM_ELSEWHERE;
    kind = what_is_wrong(arena, &object, addr, size);
    if (kind == VMEM_FAULT_NONE)
        return VMEM_QUANTUM_OBJECT;
    vmem_cache_report(*cachep, kind, call, addr, size, &object, caller);
    return VMEM_QUANTUM_MISUSE;
}

bool vmem_quantum_may_own(const vmem_t *arena, vmem_link_t link, vmem_size_t size)
{
    return link == 0 || vmem_tag_at(link)->size != vmem_round(arena, size) ||
           vmem_tag_at(link)->size == vmem_quantum_slab(arena);
}

bool vmem_quantum_return(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *call,
                         uintptr_t caller)
{
    vmem_cache_t *cache;

    switch (vmem_quantum_look(arena, addr, size, call, caller, &cache)) {
    case VMEM_QUANTUM_ELSEWHERE:
        return false;
    case VMEM_QUANTUM_MISUSE:
        return true;
    case VMEM_QUANTUM_OBJECT:
        break;
    }
#if VMEM_CONFIG_DEBUG
    if (!vmem_cache_note_back(cache, addr, size, call, caller))
        return true;
#endif
    if (!vmem_magazine_push(cache, addr))
        vmem_cache_put(cache, addr, call, caller);
    return true;
}

/*
 * All caches of an arena
 */

void vmem_quantum_strip(vmem_t *arena)
{
    if (!vmem_reap_begin())
        return;
    for (size_t i = 0; i < cache_count(arena); i++) {
        vmem_cache_t *cache = VMEM_READ_ACQUIRE(arena->qcaches[i]);

        if (cache != &vmem_no_cache)
            vmem_cache_strip(cache);
    }
    vmem_reap_end();
}

void vmem_quantum_stat(vmem_t *arena, struct vmem_stats *stats)
{
    for (size_t i = 0; i < cache_count(arena); i++) {
        vmem_cache_t *cache = VMEM_READ_ACQUIRE(arena->qcaches[i]);
        struct vmem_cache_stats own;
        unsigned long state;
        vmem_size_t out;
        size_t loose;

        if (cache == &vmem_no_cache)
            continue;
        vmem_cache_stat(cache, &own);
        state = vmem_port_lock(&cache->lock);
        loose = cache->loose;
        vmem_port_unlock(&cache->lock, state);
        out = (vmem_size_t)(intptr_t)own.in_use; /* below 0 where more loose ones came in */
        stats->in_use += out * own.object_size - own.slabs * own.slab_size;
        stats->segments += own.in_use - own.slabs;
        stats->allocs += own.allocs - own.slab_allocs;
        stats->frees += own.frees - own.slab_frees - loose;
    }
    if (stats->in_use > stats->total)
        stats->in_use = 0; /* a slab has come while we looked */
    stats->free = stats->total - stats->in_use;
}

void vmem_quantum_destroy(vmem_t *arena)
{
    for (size_t i = 0; i < cache_count(arena); i++) {
        vmem_cache_t *cache = arena->qcaches[i];

        if (cache == &vmem_no_cache)
            continue;
        (void)vmem_cache_delist(cache); /* nobody has it pinned */
        arena->qcaches[i] = &vmem_no_cache;
        vmem_cache_dismantle(cache);
    }
    if (arena->qcaches != NULL)
        vmem_pool_free((void *)arena->qcaches, cache_count(arena) * sizeof(vmem_cache_t *));
    arena->qcaches = NULL;
    arena->qcache_max = 0;
}

/*
 * Looking through slabs
 */

bool vmem_quantum_segment(vmem_t *arena, vmem_addr_t slab, vmem_addr_t addr,
                          struct vmem_segment *segment)
{
    struct vmem_object object;
    vmem_cache_t *cache = find(arena, addr, &object);

    if (cache == NULL || object.slab != slab)
        return false;
    segment->imported = false;
    segment->caller = object.caller;
    if (object.size != 0 && !object.in_slab && !object.in_magazine) {
        segment->kind = VMEM_SEGMENT_ALLOCATED;
        segment->addr = object.addr;
        segment->size = object.size;
        return true;
    }
    segment->kind = VMEM_SEGMENT_FREE;
    segment->caller = 0;
    segment->addr = object.size != 0 ? object.addr : addr;
    segment->size = object.size != 0 ? object.size : slab + cache->slab_size - addr;
    return true;
}

bool vmem_quantum_waits(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    vmem_cache_t *cache;

    if (!vmem_quantum_serves(arena, size))
        return false;
    cache = vmem_quantum_cache(arena, size);
    return cache != &vmem_no_cache && vmem_cache_waits(cache, addr);
}
