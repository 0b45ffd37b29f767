/* SPDX-License-Identifier: MIT */
/*
 * object_caches.c - object caches, against the model; see world.h.
 *
 * A constructor writes a pattern over the whole object, and it must be there whenever the object
 * is handed out, and when it is destructed. What the test writes in between it takes back before
 * it frees. So nobody else can have written to an object, constructed or free.
 */
#include "world.h"

#include <inttypes.h>

#include "checked_port.h"

/* Hooks. */

/* What the constructor leaves in an object. */
static struct interval as_constructed(const struct object_cache *cache, vmem_addr_t addr)
{
    return (struct interval){
        .addr = addr,
        .size = cache->params.size,
        .filled = cache->params.size,
        .pattern = addr * 31,
        .owner = cache,
    };
}

static unsigned flags_of_alloc; /* of the allocation under way */

static int construct(void *object, void *ctx, unsigned flags)
{
    struct object_cache *cache = ctx;
    struct interval made = as_constructed(cache, (uintptr_t)object);

    checked_port_no_lock("a constructor");
    if (flags != flags_of_alloc)
        disagree("the constructor gets other flags");
    if (cache->refuse_in > 0 && chance(1, cache->refuse_in)) {
        cache->refused = true;
        return -77;
    }
    trace("    construct 0x%" PRIxPTR "\n", (uintptr_t)object);
    if (!intervals_add(&cache->constructed, &made))
        disagree("an object is constructed twice");
    if (intervals_find(&world.out, made.addr) != SIZE_MAX)
        disagree("an object is constructed that is handed out");
    pattern_write(&made);
    return 0;
}

static void destruct(void *object, void *ctx)
{
    struct object_cache *cache = ctx;
    size_t index = intervals_find(&cache->constructed, (uintptr_t)object);

    checked_port_no_lock("a destructor");
    trace("    destruct 0x%" PRIxPTR "\n", (uintptr_t)object);
    if (index == SIZE_MAX || cache->constructed.at[index].addr != (uintptr_t)object)
        disagree("an object is destructed that was not constructed");
    if (intervals_find(&world.out, (uintptr_t)object) != SIZE_MAX)
        disagree("an object is destructed that is handed out");
    if (!pattern_holds(&cache->constructed.at[index], (uintptr_t)object, cache->params.size))
        disagree("somebody wrote into an object that is free");
    intervals_remove(&cache->constructed, index);
}

static void reclaim(void *ctx)
{
    struct object_cache *cache = ctx;
    unsigned expected = fault_hook.count;
    size_t index;

    checked_port_no_lock("reclaim");
    for (unsigned i = world.nothing_to_spare ? cache->spares : 0;
         i < cache->spares && world_some(cache, &index); i++) {
        cache_free(cache, index);
        world.reclaimed++;
    }
    if (fault_hook.count != expected)
        disagree("a fault in reclaim");
}

/* Life. */

static size_t some_object_size(void)
{
    switch (below(4)) {
    case 0:
        return 1 + (size_t)below(64);
    case 1:
        return 1 + (size_t)below(4096);
    default:
        return (size_t)8 << below(9);
    }
}

void cache_create(struct object_cache *cache, struct space *space)
{
    static const char *const names[CACHES] = {"first", "second", "third"};
    uint64_t refusals = page_hook.refusals;
    bool constructs = space->memory && chance(1, 2);
    int error;

    cache->params = (struct vmem_cache_params){
        .name = names[cache - world.caches],
        .size = some_object_size(),
        .align = chance(1, 2) ? 0 : (size_t)1 << below(13),
        .construct = constructs ? construct : NULL,
        .destruct = constructs ? destruct : NULL,
        .reclaim = chance(1, 2) ? reclaim : NULL,
        .ctx = cache,
        .arena = space->arena,
        .flags = chance(1, 4) ? VMEM_CACHE_NO_MAGAZINES : 0,
    };
    cache->space = space;
    cache->tally = (struct tally){0};
    cache->refuse_in = constructs && chance(1, 3) ? 2 + (unsigned)below(20) : 0;
    cache->spares = (unsigned)below(4);
    error = vmem_cache_create(&cache->params, &cache->cache);
    trace("create cache %s over %s: size %zu align %zu flags %u -> %d\n", cache->params.name,
          space->name, cache->params.size, cache->params.align, cache->params.flags, error);
    expect_fault(VMEM_FAULT_NONE, "vmem_cache_create");
    if (error == -VMEM_ENOMEM && page_hook.refusals > refusals)
        cache->cache = NULL;
    else if (error != 0)
        disagree("vmem_cache_create failed with %d", error);
}

void cache_destroy(struct object_cache *cache)
{
    trace("destroy cache %s\n", cache->params.name);
    if (vmem_cache_destroy(cache->cache) != 0)
        disagree("vmem_cache_destroy failed");
    expect_fault(VMEM_FAULT_NONE, "vmem_cache_destroy");
    if (cache->constructed.count != 0)
        disagree("%zu objects are not destructed", cache->constructed.count);
    cache->cache = NULL;
}

/* Allocation and free. */

/* Whatever other caches keep over this arena without need, they have been asked for it. */
static void expect_stripped(const struct object_cache *cache)
{
    for (size_t i = 0; i < CACHES; i++) {
        struct vmem_cache_stats stats;

        if (world.caches[i].cache == NULL || world.caches[i].space != cache->space)
            continue;
        vmem_cache_stat(world.caches[i].cache, &stats);
        if (stats.empty_slabs > 0 || stats.full_magazines > 0)
            disagree("cache %s keeps %zu slabs and %zu magazines under pressure",
                     world.caches[i].params.name, stats.empty_slabs, stats.full_magazines);
    }
}

static void judge_refusal(struct object_cache *cache, bool excused)
{
    struct vmem_cache_stats stats;

    cache->tally.fails++;
    if (excused || cache->refused)
        return;
    vmem_cache_stat(cache->cache, &stats);
    space_expect_full(cache->space, stats.slab_size, stats.slab_size);
    expect_stripped(cache);
}

void cache_alloc(struct object_cache *cache)
{
    uint64_t before = excuses();
    size_t align = cache->params.align > 0 ? cache->params.align : 8;
    struct interval object;
    size_t index;
    void *p;

    cache->refused = false;
    flags_of_alloc = some_policy();
    p = vmem_cache_alloc(cache->cache, flags_of_alloc);
    trace("alloc cache %s -> %p\n", cache->params.name, p);
    expect_fault(VMEM_FAULT_NONE, "vmem_cache_alloc");
    if (p == NULL) {
        judge_refusal(cache, excuses() > before);
        return;
    }
    object = as_constructed(cache, (uintptr_t)p);
    if (object.addr % align != 0)
        disagree("an object is not aligned");
    index = intervals_find(&cache->constructed, object.addr);
    if (cache->params.construct != NULL &&
        (index == SIZE_MAX || cache->constructed.at[index].addr != object.addr))
        disagree("an object is handed out that is not constructed");
    if (cache->params.construct != NULL && !pattern_holds(&object, object.addr, object.size))
        disagree("an object is handed out otherwise than constructed");
    cache->tally.allocs++;
    cache->out++;
    object.asked = object.size;
    object.align = align;
    object.pattern = rng_next(&world_rng);
    object.filled = cache->space->memory ? object.size : 0;
    world_take(&object);
}

void cache_free(struct object_cache *cache, size_t index)
{
    vmem_addr_t addr = world.out.at[index].addr;
    struct interval object = as_constructed(cache, addr);

    world_give(index);
    if (cache->params.construct != NULL)
        pattern_write(&object);
    cache->tally.frees++;
    cache->out--;
    trace("free cache %s: 0x%" PRIxPTR "\n", cache->params.name, (uintptr_t)addr);
    vmem_cache_free(cache->cache, (void *)(uintptr_t)addr);
    expect_fault(VMEM_FAULT_NONE, "vmem_cache_free");
}

/* Misuse. */

/*
 * Of all misuse, twice in a row is noticed at once without VMEM_CONFIG_DEBUG too: unless there was
 * no memory for a magazine the first time.
 */
static void free_twice(struct object_cache *cache, size_t index)
{
    uintptr_t addr = (uintptr_t)world.out.at[index].addr;
    uint64_t refusals = page_hook.refusals;

    cache_free(cache, index);
    if (page_hook.refusals > refusals && !VMEM_CONFIG_DEBUG)
        return;
    vmem_cache_free(cache->cache, (void *)addr);
    if (fault_hook.last.kind == VMEM_FAULT_FOREIGN) /* its slab has gone */
        expect_fault(VMEM_FAULT_FOREIGN, "free of what has gone");
    else
        expect_fault(VMEM_FAULT_DOUBLE_FREE, "free of what is free");
}

void cache_misuse(struct object_cache *cache)
{
    uintptr_t addr;
    size_t index;

    if (!world_some(cache, &index))
        return;
    addr = (uintptr_t)world.out.at[index].addr;
    trace("misuse cache %s\n", cache->params.name);
    if (chance(1, 4)) {
        if (vmem_cache_destroy(cache->cache) != -VMEM_EBUSY || fault_hook.last.size != cache->out)
            disagree("a cache in use is destroyed, or the fault does not say how many are out");
        expect_fault(VMEM_FAULT_BUSY, "vmem_cache_destroy of a cache in use");
    } else if (VMEM_CONFIG_DEBUG && cache->params.size > 1 && chance(1, 3)) {
        vmem_cache_free(cache->cache, (void *)(addr + 1));
        expect_fault(VMEM_FAULT_MISALIGNED, "free of a part of an object");
    } else if (VMEM_CONFIG_DEBUG && chance(1, 2)) {
        vmem_cache_free(cache->cache, &world);
        expect_fault(VMEM_FAULT_FOREIGN, "free of what is in no slab");
    } else {
        free_twice(cache, index);
    }
}

void cache_reap(struct object_cache *cache)
{
    struct vmem_cache_stats stats;

    if (chance(1, 2)) {
        trace("trim cache %s\n", cache->params.name);
        while (vmem_cache_trim(cache->cache))
            ;
        expect_fault(VMEM_FAULT_NONE, "vmem_cache_trim");
        return;
    }
    trace("reap cache %s\n", cache->params.name);
    vmem_cache_reap(cache->cache);
    expect_fault(VMEM_FAULT_NONE, "vmem_cache_reap");
    vmem_cache_stat(cache->cache, &stats);
    if (stats.empty_slabs > 0 || stats.full_magazines > 0 || stats.empty_magazines > 0)
        disagree("a reap leaves %zu empty slabs, %zu magazines", stats.empty_slabs,
                 stats.full_magazines + stats.empty_magazines);
}

/* Looking. */

void cache_check(struct object_cache *cache)
{
    struct vmem_cache_stats stats;
    size_t objects;

    vmem_cache_stat(cache->cache, &stats);
    objects = stats.slabs * stats.objects_per_slab;
    if (stats.in_use != cache->out)
        disagree("cache %s: %zu in use, expected %zu", cache->params.name, stats.in_use,
                 cache->out);
    if (stats.allocs != cache->tally.allocs || stats.frees != cache->tally.frees ||
        stats.fails != cache->tally.fails)
        disagree("cache %s: the counters are %" PRIu64 ", %" PRIu64 ", %" PRIu64
                 ", expected %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                 cache->params.name, stats.allocs, stats.frees, stats.fails, cache->tally.allocs,
                 cache->tally.frees, cache->tally.fails);
    if (stats.in_use + stats.in_magazines > objects || stats.empty_slabs > stats.slabs ||
        stats.slabs != stats.slab_allocs - stats.slab_frees || cache->constructed.count > objects)
        disagree("cache %s: the counters do not add up", cache->params.name);
    if (stats.objects_per_slab * stats.object_size < stats.slab_size / 8 * 7 ||
        stats.object_size < cache->params.size)
        disagree("cache %s wastes more than an eighth", cache->params.name);
    if (vmem_cache_check(cache->cache) != 0)
        disagree("cache %s: vmem_cache_check: %s", cache->params.name, fault_hook.last.what);
    expect_fault(VMEM_FAULT_NONE, "a look at a cache");
}
