/* SPDX-License-Identifier: MIT */
/*
 * test_slab.c - the slab layer: where objects stand, how slabs come and go, and that no memory need
 * stand behind them.
 */
#include "support.h"

#include "slab.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY = 1 << 18, OBJECTS_MAX = 1 << 14 };

static vmem_addr_t address(const void *object)
{
    return (vmem_addr_t)(uintptr_t)object;
}

static int by_address(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;

    return x < y ? -1 : x > y;
}

/*
 * Geometry
 */

struct geometry {
    vmem_cache_t *cache;
    struct vmem_cache_stats stats;
    size_t count;
    char *objects[OBJECTS_MAX];
};

/* A little more than one slab of objects, in the order of their addresses. */
static struct geometry *look_at(vmem_cache_t *cache)
{
    static struct geometry geometry;

    geometry.cache = cache;
    geometry.stats = cache_stats(cache);
    assert_true(geometry.stats.objects_per_slab < OBJECTS_MAX);
    for (geometry.count = 0; geometry.count <= geometry.stats.objects_per_slab; geometry.count++) {
        geometry.objects[geometry.count] = vmem_cache_alloc(cache, 0);
        assert_non_null(geometry.objects[geometry.count]);
    }
    qsort(geometry.objects, geometry.count, sizeof(geometry.objects[0]), by_address);
    return &geometry;
}

static void give_all_back(const struct geometry *geometry)
{
    for (size_t i = 0; i < geometry->count; i++)
        vmem_cache_free(geometry->cache, geometry->objects[i]);
    check_cache(geometry->cache);
}

static void assert_sound(const struct geometry *geometry, size_t size, size_t align)
{
    const struct vmem_cache_stats *stats = &geometry->stats;

    assert_true(stats->object_size >= size);
    assert_int_equal(stats->object_size % align, 0);
    assert_true(stats->object_size - size < (align > 8 ? align : 64));
    assert_int_equal(stats->slab_size & (stats->slab_size - 1), 0);
    assert_in_range(stats->objects_per_slab * stats->object_size, stats->slab_size / 8 * 7,
                    stats->slab_size);
    for (size_t i = 0; i < geometry->count; i++) {
        vmem_addr_t first = address(geometry->objects[i]);
        vmem_addr_t last = first + stats->object_size - 1;

        assert_int_equal(first % align, 0);
        assert_int_equal(first / stats->slab_size, last / stats->slab_size);
        if (i > 0)
            assert_true(address(geometry->objects[i - 1]) + stats->object_size <= first);
    }
}

static void objects_of_every_size_and_alignment_stand_apart_in_their_slabs(void **state)
{
    /* No memory: only the addresses matter. */
    vmem_t *arena = make((vmem_addr_t)1 << 26, 1 << 26, 4096, 0);

    (void)state;
    for (size_t size = 1; size <= VMEM_CACHE_SIZE_MAX; size += size / 5 + 1) {
        for (size_t align = 1; align <= VMEM_CACHE_SIZE_MAX; align *= 4) {
            vmem_cache_t *cache = make_cache(arena, size, align);
            struct geometry *geometry = look_at(cache);

            assert_sound(geometry, size, align);
            give_all_back(geometry);
            unmake_cache(cache);
        }
    }
}

static void sizes_next_to_a_power_of_two_stand_apart_in_their_slabs(void **state)
{
    vmem_t *arena = make((vmem_addr_t)1 << 26, 1 << 26, 4096, 0);

    (void)state;
    for (size_t power = 2; power <= VMEM_CACHE_SIZE_MAX; power *= 2) {
        for (size_t size = power - 1; size <= power + 1 && size <= VMEM_CACHE_SIZE_MAX; size++) {
            vmem_cache_t *cache = make_cache(arena, size, 1);
            struct geometry *geometry = look_at(cache);

            assert_int_equal(geometry->stats.object_size, size);
            assert_sound(geometry, size, 1);
            give_all_back(geometry);
            unmake_cache(cache);
        }
    }
}

static void slabs_are_in_quanta_of_their_arena(void **state)
{
    (void)state;
    for (vmem_size_t quantum = 1; quantum <= 1 << 20; quantum *= 16) {
        vmem_t *arena = make((vmem_addr_t)1 << 26, 1 << 26, quantum, 0);
        vmem_cache_t *cache = make_cache(arena, 96, 0);
        struct geometry *geometry = look_at(cache);
        struct vmem_stats stats;

        assert_int_equal(geometry->stats.slab_size % quantum, 0);
        assert_sound(geometry, 96, 32);
        vmem_stat(arena, &stats);
        assert_int_equal(stats.in_use, 2 * geometry->stats.slab_size);
        give_all_back(geometry);
        unmake_cache(cache);
    }
}

/* Where objects of each slab begin, in addresses from the start of the slab. */
static void colours(const struct geometry *geometry, vmem_addr_t *first, vmem_addr_t *second)
{
    vmem_size_t mask = geometry->stats.slab_size - 1;

    *first = address(geometry->objects[0]) & mask;
    *second = address(geometry->objects[geometry->count - 1]) & mask;
    *first %= geometry->stats.object_size;
    *second %= geometry->stats.object_size;
}

static void slabs_with_room_to_spare_begin_at_different_offsets(void **state)
{
    vmem_t *arena = make_memory(1 << 20);
    unsigned with_room = 0;

    (void)state;
    for (size_t size = 16; size < 1200; size += 16) {
        vmem_cache_t *cache = make_cache(arena, size, 16);
        struct geometry *geometry = look_at(cache);
        const struct vmem_cache_stats *stats = &geometry->stats;
        vmem_addr_t first, second;

        colours(geometry, &first, &second);
        if (stats->slab_size - stats->objects_per_slab * stats->object_size >= 16) {
            with_room++;
            assert_int_not_equal(first, second);
        } else {
            assert_int_equal(first, second);
        }
        assert_sound(geometry, size, 16);
        give_all_back(geometry);
        unmake_cache(cache);
    }
    assert_true(with_room > 20);
}

/*
 * Slabs come and go
 */

static void few_empty_slabs_are_kept_and_the_rest_returned(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;
    struct vmem_stats of_arena;
    size_t kept;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 250, 0), .size = 250};
    hold_all(&held);
    stats = cache_stats(held.cache);
    assert_true(stats.slabs > 20);
    while (held.count > 0) {
        kept = stats.empty_slabs;
        drop(&held, held.count / 2);
        check_cache(held.cache);
        stats = cache_stats(held.cache);
        assert_in_range(stats.empty_slabs, kept, 3);
        assert_true(stats.slabs * stats.objects_per_slab >= held.count);
    }
    assert_int_equal(stats.slabs, stats.empty_slabs);
    assert_true(stats.slabs > 0);
    assert_int_equal(stats.slab_allocs - stats.slab_frees, stats.slabs);
    vmem_stat(arena, &of_arena);
    assert_int_equal(of_arena.in_use, stats.slabs * stats.slab_size);
    check(arena);
}

static void
an_object_that_comes_and_goes_at_the_edge_of_a_slab_costs_no_slab_each_time(void **state)
{
    static struct holding held;
    struct vmem_cache_stats stats;
    uint64_t slab_allocs;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 512, 0), .size = 512};
    stats = cache_stats(held.cache);
    while (held.count < 4 * stats.objects_per_slab)
        assert_true(hold(&held, 0));
    slab_allocs = cache_stats(held.cache).slab_allocs;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(hold(&held, 0));
        drop(&held, held.count - 1);
    }
    assert_int_equal(cache_stats(held.cache).slab_allocs, slab_allocs + 1);
    drop_all(&held);
}

static void objects_come_from_slabs_in_use_before_empty_ones(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 512, 0), .size = 512};
    stats = cache_stats(held.cache);
    while (held.count < 3 * stats.objects_per_slab)
        assert_true(hold(&held, 0));
    for (size_t i = held.count; i > 0; i--) /* one object stays of the first slab, one is empty */
        if (i <= stats.objects_per_slab ? i > 1 : i <= 2 * stats.objects_per_slab)
            drop(&held, i - 1);
    assert_int_equal(cache_stats(held.cache).empty_slabs, 1);
    while (held.count < 2 * stats.objects_per_slab) {
        assert_true(hold(&held, 0));
        assert_int_equal(cache_stats(held.cache).empty_slabs, 1);
    }
    assert_true(hold(&held, 0));
    assert_int_equal(cache_stats(held.cache).empty_slabs, 0);
    drop_all(&held);
}

static void many_slabs_are_found(void **state)
{
    enum { COUNT = 1500 };
    static void *objects[COUNT];
    vmem_t *arena = make((vmem_addr_t)1 << 26, 1 << 26, 4096, VMEM_ARENA_ORDERED);
    vmem_cache_t *cache = make_cache(arena, 4096, 0);

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        objects[i] = vmem_cache_alloc(cache, 0);
    assert_true(cache_stats(cache).slabs >= 64);
    check_cache(cache);
    for (unsigned i = 0; i < COUNT; i++)
        vmem_cache_free(cache, objects[(i * 7) % COUNT]);
    check_cache(cache);
    assert_int_equal(cache_stats(cache).in_use, 0);
    vmem_cache_reap(cache);
    assert_int_equal(cache_stats(cache).slabs, 0);
    check(arena);
}

/*
 * Integers
 */

static void no_memory_need_stand_behind_an_object(void **state)
{
    vmem_t *arena = make(1 << 12, 1 << 20, 1 << 10, INDEX(state)); /* below what can be mapped */
    static void *objects[OBJECTS_MAX];

    for (size_t size = 1; size <= 1 << 14; size *= 16) {
        vmem_cache_t *cache = make_cache(arena, size, 0);
        unsigned count = 0;

        while (count < OBJECTS_MAX && (objects[count] = vmem_cache_alloc(cache, 0)) != NULL)
            assert_in_range(address(objects[count++]), 1 << 12, (1 << 12) + (1 << 20) - 1);
        assert_true(count > 30);
        check(arena);
        for (unsigned i = 0; i < count; i += 2)
            vmem_cache_free(cache, objects[i]);
        check(arena);
        for (unsigned i = 1; i < count; i += 2)
            vmem_cache_free(cache, objects[i]);
        vmem_cache_reap(cache);
        assert_layout(arena, 1 << 20, "[.1]");
        unmake_cache(cache);
    }
}

static void the_last_slab_may_end_with_the_address_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 0xffff, 0x10000, 0x1000, INDEX(state));
    vmem_cache_t *cache;
    static void *objects[300];
    unsigned count = 0;

    if (VMEM_ADDR_MAX > UINTPTR_MAX) /* no pointer reaches there */
        skip();
    cache = make_cache(arena, 256, 0);
    while ((objects[count] = vmem_cache_alloc(cache, VMEM_LASTFIT)) != NULL)
        assert_true(++count < LENGTH(objects));
    assert_int_equal(count, 256);
    check(arena);
    while (count > 0)
        vmem_cache_free(cache, objects[--count]);
    check(arena);
}

/*
 * Check
 */

static void check_finds(vmem_cache_t *cache, enum vmem_fault_kind kind)
{
    assert_int_equal(vmem_cache_check(cache), kind);
    expect_fault(kind);
    assert_int_equal(vmem_check(cache->arena), kind);
    expect_fault(kind);
}

static void check_finds_a_count_that_is_wrong(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    void *object = vmem_cache_alloc(cache, 0);

    (void)state;
    cache->taken++;
    check_finds(cache, VMEM_FAULT_SUM);
    cache->taken--;
    cache->partial.count++;
    check_finds(cache, VMEM_FAULT_SUM);
    cache->partial.count--;
    vmem_cache_free(cache, object);
    check_cache(cache);
}

static void check_finds_what_is_wrong_with_a_slab(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    void *object = vmem_cache_alloc(cache, 0);
    struct vmem_slab *slab = vmem_slab_at(cache->partial.first);
    uint32_t used = slab->used;

    (void)state;
    slab->used = 0; /* on the list of those that are not empty */
    check_finds(cache, VMEM_FAULT_ORDER);
    slab->used = used + 1;
    check_finds(cache, VMEM_FAULT_SUM);
    slab->used = used;
    slab->map[0] ^= 2; /* what is free, or not */
    check_finds(cache, VMEM_FAULT_SUM);
    slab->map[0] ^= 2;
    slab->tag.prev = cache->partial.first;
    check_finds(cache, VMEM_FAULT_ORDER);
    slab->tag.prev = 0;
    slab->tag.addr += cache_stats(cache).slab_size; /* where the hash does not find it */
    check_finds(cache, VMEM_FAULT_HASH);
    slab->tag.addr -= cache_stats(cache).slab_size;
    cache->slabs.count++;
    check_finds(cache, VMEM_FAULT_HASH);
    cache->slabs.count--;
    vmem_cache_free(cache, object);
    check_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(objects_of_every_size_and_alignment_stand_apart_in_their_slabs),
        ONCE(sizes_next_to_a_power_of_two_stand_apart_in_their_slabs),
        ONCE(slabs_are_in_quanta_of_their_arena),
        ONCE(slabs_with_room_to_spare_begin_at_different_offsets),

        ONCE(few_empty_slabs_are_kept_and_the_rest_returned),
        ONCE(an_object_that_comes_and_goes_at_the_edge_of_a_slab_costs_no_slab_each_time),
        ONCE(objects_come_from_slabs_in_use_before_empty_ones),
        ONCE(many_slabs_are_found),

        ON_BOTH(no_memory_need_stand_behind_an_object),
        ON_BOTH(the_last_slab_may_end_with_the_address_space),

        ONCE(check_finds_a_count_that_is_wrong),
        ONCE(check_finds_what_is_wrong_with_a_slab),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
