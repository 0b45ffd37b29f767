/* SPDX-License-Identifier: MIT */
/*
 * objects.c - caches, the slab layer alone, quantum caches and a heap, with n objects handed out.
 *
 * Objects of a cache are addresses that nobody looks at; only the heap's stand for memory, since it
 * marks what waits.
 */
#include "meter.h"

#include <cache.h>
#include <vmem/cache.h>
#include <vmem/heap.h>
#include <vmem/vmem.h>

enum { PAIRS = 20000, BURSTS = 50, BURST = 1000, OBJECT = 64, CACHED = 8, BLOCK = 48, PAGE = 4096 };

static int construct(void *object, void *ctx, unsigned flags)
{
    (void)object;
    (void)ctx;
    (void)flags;
    return 0;
}

static void destruct(void *object, void *ctx)
{
    (void)object;
    (void)ctx;
}

static vmem_t *create_arena(vmem_addr_t base, vmem_size_t size, vmem_size_t quantum,
                            vmem_size_t qcache_max)
{
    const struct vmem_params params = {.name = "objects",
                                       .base = base,
                                       .size = size,
                                       .quantum = quantum,
                                       .qcache_max = qcache_max};
    vmem_t *arena = NULL;

    expect(vmem_create(&params, &arena) == 0, "an arena is created");
    meter_know(&arena->lock, LOCK_ARENA);
    return arena;
}

/* How objects come and go: of a cache, an arena with quantum caches, or a heap. */
struct way {
    void (*alloc)(struct segment *object);
    void (*give)(const struct segment *object);
};

static vmem_cache_t *cache;
static vmem_t *arena;
static vmem_heap_t *heap;

static void cache_alloc(struct segment *object)
{
    object->addr = (vmem_addr_t)(uintptr_t)vmem_cache_alloc(cache, 0);
}

static void cache_give(const struct segment *object)
{
    vmem_cache_free(cache, (void *)(uintptr_t)object->addr);
}

static void quantum_alloc(struct segment *object)
{
    if (vmem_alloc(arena, object->size, VMEM_INSTANTFIT, &object->addr) != 0)
        object->addr = 0;
}

static void quantum_give(const struct segment *object)
{
    vmem_free(arena, object->addr, object->size);
}

static void block_alloc(struct segment *object)
{
    object->addr = (vmem_addr_t)(uintptr_t)vmem_heap_alloc(heap, object->size, 0);
}

static void block_give(const struct segment *object)
{
    vmem_heap_free(heap, (void *)(uintptr_t)object->addr);
}

static const struct way of_cache = {cache_alloc, cache_give};
static const struct way of_quanta = {quantum_alloc, quantum_give};
static const struct way of_heap = {block_alloc, block_give};

static void alloc(const struct way *way, struct segment *object, enum operation operation)
{
    measure(operation);
    way->alloc(object);
    measure(NOTHING);
    expect(object->addr != 0, "there is an object");
}

static void give(const struct way *way, const struct segment *object, enum operation operation)
{
    measure(operation);
    way->give(object);
    measure(NOTHING);
}

static void grow(const struct way *way, size_t n, uint32_t largest, enum operation operation)
{
    for (size_t i = 0; i < n; i++) {
        live[i].size = 1 + random_to(largest);
        alloc(way, &live[i], operation);
    }
}

static void shrink(const struct way *way, size_t n, enum operation operation)
{
    for (; n > 0; n--) {
        size_t i = random_to((uint32_t)n);

        give(way, &live[i], operation);
        live[i] = live[n - 1];
    }
}

static void churn(const struct way *way, size_t n, enum operation operation)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        struct segment *object = &live[random_to((uint32_t)n)];

        give(way, object, operation);
        alloc(way, object, operation);
    }
}

/* Frees many and allocates as many again. */
static void burst(const struct way *way, size_t n, enum operation operation)
{
    size_t length = n < BURST ? n : BURST;

    for (unsigned i = 0; i < BURSTS; i++) {
        struct segment *first = &live[random_to((uint32_t)(n - length + 1))];

        for (size_t k = 0; k < length; k++)
            give(way, first + k, operation);
        for (size_t k = 0; k < length; k++)
            alloc(way, first + k, operation);
    }
}

static void create_cache(unsigned flags)
{
    const struct vmem_cache_params params = {.name = "object",
                                             .size = OBJECT,
                                             .construct = construct,
                                             .destruct = destruct,
                                             .arena = arena,
                                             .flags = flags};

    expect(vmem_cache_create(&params, &cache) == 0, "a cache is created");
    meter_know(&cache->lock, LOCK_CACHE);
}

static void destroy_cache(void)
{
    expect(vmem_cache_check(cache) == 0, "every invariant holds in a cache");
    expect(vmem_cache_destroy(cache) == 0, "a cache is destroyed");
    expect(vmem_destroy(arena) == 0, "its arena is destroyed");
}

static void with_magazines(size_t n)
{
    struct vmem_cache_stats stats;

    arena = create_arena(PAGE, (2 * n * OBJECT + 16 * PAGE) & ~(vmem_size_t)(PAGE - 1), PAGE, 0);
    create_cache(0);
    grow(&of_cache, n, 1, OBJECT_GROWING);
    churn(&of_cache, n, OBJECT_RANDOM);
    burst(&of_cache, n, OBJECT_BURST);
    shrink(&of_cache, n, OBJECT_SHRINKING);
    measure(OBJECT_STAT);
    vmem_cache_stat(cache, &stats);
    measure(OBJECT_TRIM);
    for (unsigned i = 0; i < 4; i++)
        (void)vmem_cache_trim(cache);
    measure(OBJECT_REAP);
    vmem_cache_reap(cache);
    measure(NOTHING);
    destroy_cache();
}

static void without_magazines(size_t n)
{
    arena = create_arena(PAGE, (2 * n * OBJECT + 16 * PAGE) & ~(vmem_size_t)(PAGE - 1), PAGE, 0);
    create_cache(VMEM_CACHE_NO_MAGAZINES);
    grow(&of_cache, n, 1, SLAB_GROWING);
    churn(&of_cache, n, SLAB_RANDOM);
    shrink(&of_cache, n, SLAB_SHRINKING);
    destroy_cache();
}

/* The quantum caches are made as their sizes come up, and so are learned. */
static void quanta(size_t n)
{
    arena = create_arena(1, 8 * CACHED * n + 4096, 1, CACHED);
    for (vmem_size_t size = 1; size <= CACHED; size++) {
        struct segment first = {.size = size};

        quantum_alloc(&first);
        quantum_give(&first);
        meter_know(&arena->qcaches[size - 1]->lock, LOCK_CACHE);
    }
    meter_know(&arena->lock, LOCK_ARENA);
    grow(&of_quanta, n, CACHED, QUANTUM_GROWING);
    burst(&of_quanta, n, QUANTUM_BURST);
    shrink(&of_quanta, n, QUANTUM_SHRINKING);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
}

/* Blocks of up to 48 bytes, which are classes 16, 32 and 48. */
static void blocks(size_t n)
{
    static void *memory;
    static size_t memory_size;
    struct vmem_heap_params params = {.name = "heap"};

    if (memory_size < 2 * BLOCK * n + 64 * PAGE) {
        memory_size = (2 * BLOCK * n + 64 * PAGE) & ~(size_t)(PAGE - 1);
        memory = memory_take(memory_size);
    }
    expect(memory != NULL, "there is memory for blocks");
    arena = create_arena((vmem_addr_t)(uintptr_t)memory, memory_size, PAGE, 0);
    params.arena = arena;
    expect(vmem_heap_create(&params, &heap) == 0, "a heap is created");
    for (size_t size = 16; size <= BLOCK; size += 16)
        vmem_heap_free(heap, vmem_heap_alloc(heap, size, 0));
    for (const vmem_cache_t *own = arena->caches; own != NULL; own = own->next)
        meter_know(&own->lock, LOCK_CACHE);
    meter_know(&arena->lock, LOCK_ARENA);
    grow(&of_heap, n, BLOCK, BLOCK_GROWING);
    churn(&of_heap, n, BLOCK_RANDOM);
    shrink(&of_heap, n, BLOCK_SHRINKING);
    expect(vmem_heap_destroy(heap) == 0, "a heap is destroyed");
    expect(vmem_destroy(arena) == 0, "its arena is destroyed");
}

void objects_run(size_t n)
{
    with_magazines(n);
    without_magazines(n);
    quanta(n);
    blocks(n);
}
