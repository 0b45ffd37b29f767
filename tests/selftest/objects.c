/* SPDX-License-Identifier: MIT */
/*
 * objects.c - the parts of the self-test about what stands on arenas: caches, quantum caches, the
 * heap, ID spaces, and how they make room for one another.
 *
 * Whoever has an object fills it with a pattern of its own, and verifies it before the object is
 * freed: two that share a byte are found.
 */
#include "parts.h"

#include <vmem/cache.h>
#include <vmem/heap.h>
#include <vmem/id.h>

enum { MEMORY_PAGES = 256, OBJECTS = 512 };

static struct page memory[MEMORY_PAGES];

/* What is handed out. */
static struct {
    unsigned char *at;
    size_t size;
} objects[OBJECTS];
static unsigned object_count;

static void fill(unsigned which)
{
    for (size_t i = 0; i < objects[which].size; i++)
        objects[which].at[i] = (unsigned char)(which * 31 + i);
}

/* Whether the first bytes of an object are as they were filled. */
static bool is_whole(unsigned which, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (objects[which].at[i] != (unsigned char)(which * 31 + i))
            return false;
    return true;
}

static bool hold(void *at, size_t size)
{
    if (at == NULL || object_count == OBJECTS)
        return false;
    objects[object_count].at = at;
    objects[object_count].size = size;
    fill(object_count++);
    return true;
}

static bool are_whole(void)
{
    for (unsigned i = 0; i < object_count; i++)
        if (!is_whole(i, objects[i].size))
            return false;
    return true;
}

static vmem_t *create_memory(size_t size, unsigned flags)
{
    const struct vmem_params params = {.name = "memory",
                                       .base = (uintptr_t)memory,
                                       .size = size,
                                       .quantum = VMEM_PAGE_SIZE,
                                       .flags = flags};
    vmem_t *arena = NULL;

    CHECK(size <= sizeof(memory) && vmem_create(&params, &arena) == 0);
    object_count = 0;
    return arena;
}

/* Nothing is left of whatever stood on the arena. */
static void destroy_memory(vmem_t *arena)
{
    CHECK(stats_of(arena).in_use == 0 && vmem_check(arena) == 0);
    CHECK(vmem_destroy(arena) == 0);
}

static struct vmem_cache_stats cache_stats(vmem_cache_t *cache)
{
    struct vmem_cache_stats stats;

    vmem_cache_stat(cache, &stats);
    return stats;
}

static vmem_cache_t *create_cache(const char *name, size_t size, vmem_t *arena)
{
    const struct vmem_cache_params params = {.name = name, .size = size, .arena = arena};
    vmem_cache_t *cache = NULL;

    CHECK(vmem_cache_create(&params, &cache) == 0);
    return cache;
}

static void hold_all(vmem_cache_t *cache, size_t size)
{
    while (object_count < OBJECTS && hold(vmem_cache_alloc(cache, 0), size))
        continue;
}

static void free_all(vmem_cache_t *cache)
{
    CHECK(are_whole());
    while (object_count > 0)
        vmem_cache_free(cache, objects[--object_count].at);
}

/*
 * Caches
 */

/* What is constructed stays so while the object is free: its last word, which no one else writes.
 */
enum { BUILT_SIZE = 200, BUILT_AT = BUILT_SIZE - 8 };
static unsigned built;
static bool refuses_to_build;

static int build(void *object, void *ctx, unsigned flags)
{
    (void)flags;
    if (refuses_to_build)
        return -VMEM_ENOSPC;
    ((unsigned char *)object)[BUILT_AT] = *(unsigned char *)ctx;
    built++;
    return 0;
}

static void unbuild(void *object, void *ctx)
{
    CHECK(((unsigned char *)object)[BUILT_AT] == *(unsigned char *)ctx);
    built--;
}

void part_caches(unsigned flags)
{
    unsigned char mark = 0xa5;
    vmem_t *arena = create_memory(16 * VMEM_PAGE_SIZE, flags);
    const struct vmem_cache_params params = {.name = "built",
                                             .size = BUILT_SIZE,
                                             .construct = build,
                                             .destruct = unbuild,
                                             .ctx = &mark,
                                             .arena = arena};
    vmem_cache_t *cache = NULL;
    unsigned all;

    CHECK(vmem_cache_create(&params, &cache) == 0);
    refuses_to_build = true;
    CHECK(vmem_cache_alloc(cache, 0) == NULL && built == 0);
    refuses_to_build = false;
    hold_all(cache, BUILT_AT);
    all = object_count;
    CHECK(all >= 16 * (VMEM_PAGE_SIZE / BUILT_SIZE) * 7 / 8 || all == OBJECTS);
    CHECK(cache_stats(cache).in_use == all && built >= all && vmem_check(arena) == 0);
    CHECK(vmem_cache_destroy(cache) == -VMEM_EBUSY && fault_was(VMEM_FAULT_BUSY));
    free_all(cache);
    CHECK(cache_stats(cache).in_use == 0 && vmem_check(arena) == 0);
    hold_all(cache, BUILT_AT);
    for (unsigned i = 0; i < object_count; i++)
        CHECK(objects[i].at[BUILT_AT] == mark);
    CHECK(object_count == all && vmem_check(arena) == 0);
    free_all(cache);
    vmem_cache_reap(cache);
    CHECK(built == 0 && cache_stats(cache).slabs == 0 && stats_of(arena).in_use == 0);

    CHECK(hold(vmem_cache_alloc(cache, 0), BUILT_AT));
    vmem_cache_free(cache, objects[0].at);
    vmem_cache_free(cache, objects[0].at);
    CHECK(fault_was(VMEM_FAULT_DOUBLE_FREE) && vmem_check(arena) == 0);
    CHECK(vmem_cache_destroy(cache) == 0 && built == 0);
    destroy_memory(arena);
}

/* One CPU has magazines from the start: what comes and goes there never sees a slab. */
void part_magazines(unsigned flags)
{
    vmem_t *arena = create_memory(16 * VMEM_PAGE_SIZE, flags);
    vmem_cache_t *cache = create_cache("hot", 64, arena);
    struct vmem_cache_stats before, after;

    for (unsigned i = 0; i < 2; i++) /* fills the magazines: they hold twice as many */
        vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    before = cache_stats(cache);
    for (unsigned i = 0; i < 1000; i++)
        vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    after = cache_stats(cache);
    CHECK(after.misses == before.misses && after.allocs == before.allocs + 1000);
    CHECK(after.frees == before.frees + 1000 && after.in_use == 0 && after.in_magazines > 0);
    CHECK(vmem_check(arena) == 0);
    for (unsigned round = 0; round < 8; round++) { /* now through the depot */
        while (object_count < 200)
            CHECK(hold(vmem_cache_alloc(cache, 0), 64));
        CHECK(vmem_check(arena) == 0);
        free_all(cache);
        CHECK(vmem_check(arena) == 0);
    }
    CHECK(cache_stats(cache).exchanges > 0 && cache_stats(cache).full_magazines > 0);
    vmem_cpu_drain(0);
    for (unsigned i = 0; i < 100 && vmem_cache_trim(cache); i++)
        continue;
    vmem_cache_reap(cache);
    after = cache_stats(cache);
    CHECK(after.in_magazines == 0 && after.slabs == 0 && stats_of(arena).in_use == 0);
    CHECK(vmem_cache_destroy(cache) == 0);
    destroy_memory(arena);
}

/*
 * Quantum caches, over integers from 0 on
 */

enum { NUMBERS = 2048, QCACHE_MAX = 8 };

static unsigned char owner[NUMBERS];

/* Takes [addr, addr + size) for an owner, or gives it back to nobody (0). */
static bool own(vmem_addr_t addr, vmem_size_t size, unsigned char who)
{
    for (vmem_size_t i = 0; i < size; i++) {
        if (addr + i >= NUMBERS || (owner[addr + i] == 0) != (who != 0))
            return false;
        owner[addr + i] = who;
    }
    return true;
}

static bool is_walked_as_allocated(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    struct vmem_segment segment;

    return vmem_find(arena, addr, &segment) && segment.kind == VMEM_SEGMENT_ALLOCATED &&
           segment.addr == addr && segment.size == size;
}

void part_quantum_caches(unsigned flags)
{
    static vmem_addr_t addrs[OBJECTS];
    const struct vmem_params params = {
        .name = "cached", .size = NUMBERS, .quantum = 1, .qcache_max = QCACHE_MAX, .flags = flags};
    vmem_t *arena = NULL;
    vmem_size_t used = 0;
    vmem_addr_t addr;
    unsigned count = 0;

    CHECK(vmem_create(&params, &arena) == 0);
    while (count < OBJECTS && vmem_alloc(arena, 1 + count % QCACHE_MAX, 0, &addrs[count]) == 0) {
        CHECK(own(addrs[count], 1 + count % QCACHE_MAX, 1));
        used += 1 + count++ % QCACHE_MAX;
    }
    CHECK(used > NUMBERS / 2 && owner[0] == 1); /* address 0 is one like any other */
    CHECK(stats_of(arena).in_use == used && stats_of(arena).free == NUMBERS - used);
    CHECK(vmem_check(arena) == 0);
    CHECK(is_walked_as_allocated(arena, addrs[1], 2));
    CHECK(vmem_destroy(arena) == -VMEM_EBUSY && fault_was(VMEM_FAULT_BUSY));
    for (unsigned i = 0; i < count; i++) {
        CHECK(own(addrs[i], 1 + i % QCACHE_MAX, 0));
        vmem_free(arena, addrs[i], 1 + i % QCACHE_MAX);
    }
    CHECK(stats_of(arena).in_use == 0 && vmem_check(arena) == 0);
    /* Under pressure the caches give all of it back. */
    CHECK(STEP(arena, vmem_alloc(arena, NUMBERS, 0, &addr)) && addr == 0);
    vmem_free(arena, addr, NUMBERS);
    CHECK(STEP(arena, vmem_alloc(arena, 3, 0, &addr)));
    vmem_free(arena, addr, 3);
    vmem_reap(arena);
    CHECK(stats_of(arena).largest_free == NUMBERS);
    CHECK(STEP(arena, vmem_alloc(arena, 3, VMEM_LASTFIT, &addr)) && addr == NUMBERS - 3);
    vmem_xfree(arena, addr, 3);
    CHECK(vmem_destroy(arena) == 0);
}

/*
 * The heap
 */

static const size_t heap_sizes[] = {0,   1,    16,   17,   100,  128,   129,   500,
                                    512, 1000, 1024, 2049, 4096, 10000, 32768, 50000};
enum { HEAP_SIZES = sizeof(heap_sizes) / sizeof(heap_sizes[0]) };

static void take_blocks(vmem_heap_t *heap)
{
    for (unsigned i = 0; i < 3 * HEAP_SIZES; i++) {
        size_t size = heap_sizes[i % HEAP_SIZES];
        unsigned char *block = vmem_heap_alloc(heap, size, 0);

        CHECK((uintptr_t)block % 16 == 0 && vmem_heap_usable_size(heap, block) >= size);
        CHECK(hold(block, size));
    }
}

/* Every block becomes as large as the one behind it was. */
static void resize_blocks(vmem_heap_t *heap)
{
    for (unsigned i = 0; i < object_count; i++) {
        size_t size = heap_sizes[(i + 1) % HEAP_SIZES];
        size_t kept = size < objects[i].size ? size : objects[i].size;
        unsigned char *block = vmem_heap_realloc(heap, objects[i].at, size, 0);

        if (!CHECK(block != NULL))
            continue;
        objects[i].at = block;
        CHECK(is_whole(i, kept));
        objects[i].size = size;
        fill(i);
    }
}

static void free_blocks(vmem_heap_t *heap)
{
    CHECK(are_whole());
    while (object_count-- > 0) {
        if (object_count % 2 == 0)
            vmem_heap_free(heap, objects[object_count].at);
        else
            vmem_heap_free_sized(heap, objects[object_count].at, objects[object_count].size);
    }
    object_count = 0;
}

static void misuse_heap(vmem_heap_t *heap)
{
    unsigned char *block = vmem_heap_alloc(heap, 100, 0);
    unsigned char *zeros = vmem_heap_zalloc(heap, 100, 0);
    unsigned char *aligned = vmem_heap_memalign(heap, 8192, 5000, 0);
    unsigned sum = 0;

    for (unsigned i = 0; i < 100; i++)
        sum += zeros[i];
    CHECK(sum == 0 && (uintptr_t)aligned % 8192 == 0);
    vmem_heap_free(heap, block + 16);
    CHECK(fault_was(VMEM_FAULT_MISALIGNED));
    vmem_heap_free(heap, &sum);
    CHECK(fault_was(VMEM_FAULT_FOREIGN));
    vmem_heap_free(heap, block);
    vmem_heap_free(heap, block);
    CHECK(fault_was(VMEM_FAULT_DOUBLE_FREE));
    CHECK(vmem_heap_alloc(heap, SIZE_MAX, 0) == NULL);
    CHECK(vmem_heap_destroy(heap) == -VMEM_EBUSY && fault_was(VMEM_FAULT_BUSY));
    vmem_heap_free(heap, zeros);
    vmem_heap_free(heap, aligned);
}

void part_heap(unsigned flags)
{
    vmem_t *arena = create_memory(sizeof(memory), flags);
    const struct vmem_heap_params params = {.name = "heap", .arena = arena};
    struct vmem_heap_stats stats;
    vmem_heap_t *heap = NULL;

    CHECK(vmem_heap_create(&params, &heap) == 0);
    take_blocks(heap);
    CHECK(vmem_heap_check(heap) == 0 && vmem_check(arena) == 0 && are_whole());
    resize_blocks(heap);
    CHECK(vmem_heap_check(heap) == 0 && are_whole());
    vmem_heap_stat(heap, &stats);
    CHECK(stats.blocks == object_count && stats.in_use <= stats.held);
    CHECK(stats.held <= stats_of(arena).in_use);
    free_blocks(heap);
    CHECK(vmem_heap_check(heap) == 0);
    misuse_heap(heap);
    vmem_heap_reap(heap);
    vmem_heap_stat(heap, &stats);
    CHECK(stats.blocks == 0 && stats.held == 0 && stats_of(arena).in_use == 0);
    CHECK(vmem_heap_check(heap) == 0);
    CHECK(vmem_heap_destroy(heap) == 0);
    destroy_memory(arena);
}

/*
 * ID spaces. The numbers are those of PIDs: the first round begins at 1, the others at a floor.
 */

enum { ID_FLOOR = 300, ID_MAX = 1200 };

static bool next_id_is(vmem_id_t *space, vmem_addr_t expected)
{
    vmem_addr_t id = 0;

    return vmem_id_alloc(space, 0, &id) == 0 && id == expected;
}

static void try_one_mode(vmem_id_t *space, bool cyclic)
{
    vmem_addr_t id;

    for (vmem_addr_t i = 1; i <= 10; i++)
        CHECK(next_id_is(space, i));
    vmem_id_free(space, 4);
    CHECK(next_id_is(space, cyclic ? 11 : 4));
    CHECK(vmem_id_take(space, 500) == 0 && vmem_id_take(space, 500) == -VMEM_EBUSY);
    CHECK(vmem_id_alloc_in(space, 500, 510, 0, &id) == 0 && id == 501);
    CHECK(vmem_id_alloc_range(space, 32, 32, 0, &id) == 0 && id == 32);
    CHECK(vmem_id_is_allocated(space, 63) && !vmem_id_is_allocated(space, 64));
    CHECK(vmem_id_next(space, 64, &id) && id == 500);
    vmem_id_free(space, 700);
    CHECK(fault_was(VMEM_FAULT_DOUBLE_FREE));
    vmem_id_free(space, ID_MAX + 1);
    CHECK(fault_was(VMEM_FAULT_FOREIGN));
    CHECK(vmem_id_check(space) == 0);
    CHECK(vmem_id_destroy(space) == -VMEM_EBUSY && fault_was(VMEM_FAULT_BUSY));
}

/* Takes all there are; in turn, those below the floor do not come back. */
static void fill_space(vmem_id_t *space, bool cyclic)
{
    struct vmem_id_stats stats;
    vmem_addr_t id;

    while (vmem_id_alloc(space, 0, &id) == 0)
        continue;
    vmem_id_stat(space, &stats);
    CHECK(stats.in_use + stats.free == ID_MAX && stats.fails > 0 && vmem_id_check(space) == 0);
    CHECK(stats.free == (cyclic ? 1 : 0)); /* 4, which was freed behind the cursor */
    vmem_id_free(space, 2);
    vmem_id_free(space, 301);
    CHECK(next_id_is(space, cyclic ? 301 : 2));
}

void part_ids(unsigned flags)
{
    const bool cyclic = flags != 0;
    const struct vmem_id_params params = {.name = "ids",
                                          .min = 1,
                                          .max = ID_MAX,
                                          .wrap = cyclic ? ID_FLOOR : 0,
                                          .flags = cyclic ? VMEM_ID_CYCLIC : VMEM_ID_LOWEST};
    struct vmem_id_stats stats;
    vmem_id_t *space = NULL;

    CHECK(vmem_id_create(&params, &space) == 0);
    try_one_mode(space, cyclic);
    fill_space(space, cyclic);
    for (vmem_addr_t id = 0; vmem_id_next(space, id, &id); id++)
        vmem_id_free(space, id);
    vmem_id_stat(space, &stats);
    CHECK(stats.in_use == 0 && stats.allocs == stats.frees && vmem_id_check(space) == 0);
    CHECK(vmem_id_destroy(space) == 0);
}

/*
 * Two caches in one arena, and objects without memory for their bookkeeping
 */

void part_pressure(unsigned flags)
{
    vmem_t *arena = create_memory(16 * VMEM_PAGE_SIZE, flags);
    vmem_cache_t *first = create_cache("first", VMEM_PAGE_SIZE / 4, arena);
    vmem_cache_t *second = create_cache("second", VMEM_PAGE_SIZE / 2, arena);

    hold_all(first, VMEM_PAGE_SIZE / 4);
    CHECK(object_count > 0 && vmem_cache_alloc(second, 0) == NULL);
    free_all(first);
    CHECK(stats_of(arena).in_use > 0); /* it keeps some of it */
    hold_all(second, VMEM_PAGE_SIZE / 2);
    CHECK(object_count > 0 && cache_stats(first).slabs == 0);
    CHECK(vmem_check(arena) == 0);
    free_all(second);
    CHECK(vmem_cache_destroy(first) == 0 && vmem_cache_destroy(second) == 0);
    destroy_memory(arena);
}

void part_refused_objects(unsigned flags)
{
    vmem_t *arena = create_memory(sizeof(memory), flags);
    const struct vmem_heap_params params = {.name = "heap", .arena = arena};
    vmem_heap_t *heap = NULL;
    unsigned refused = 0;

    CHECK(vmem_heap_create(&params, &heap) == 0);
    lend_pages(false);
    for (size_t size = 1; object_count < OBJECTS && refused < 20; size = size * 5 / 4 + 1) {
        if (size > 3 * VMEM_PAGE_SIZE)
            size = 1;
        refused += hold(vmem_heap_alloc(heap, size, 0), size) ? 0 : 1;
    }
    CHECK(object_count > 0 && vmem_heap_check(heap) == 0 && vmem_check(arena) == 0);
    free_blocks(heap); /* which needs no memory */
    lend_pages(true);
    CHECK(vmem_heap_check(heap) == 0);
    CHECK(hold(vmem_heap_alloc(heap, 3 * VMEM_PAGE_SIZE, 0), 3 * VMEM_PAGE_SIZE));
    free_blocks(heap);
    CHECK(vmem_heap_destroy(heap) == 0);
    destroy_memory(arena);
}
