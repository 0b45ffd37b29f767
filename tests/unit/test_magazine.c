/* SPDX-License-Identifier: MIT */
/*
 * test_magazine.c - the magazine layer: on one thread that goes from CPU to CPU.
 */
#include "support.h"

#include "cache.h"

#include <string.h>

enum { MEMORY = 1 << 20 };

static void on_cpu(unsigned cpu)
{
    checked_port_cpu = cpu;
}

static size_t in_magazines(vmem_cache_t *cache)
{
    return cache_stats(cache).in_magazines;
}

/*
 * Which CPUs have magazines. The first test, since what is online stays so.
 */

static void pair(vmem_cache_t *cache)
{
    vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
}

static void only_cpus_that_are_online_have_magazines(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

    (void)state;
    on_cpu(0);
    pair(cache);
    assert_int_equal(in_magazines(cache), 0);
    assert_int_equal(cache_stats(cache).misses, 2);
    vmem_cpus_online(2);
    on_cpu(2);
    pair(cache);
    assert_int_equal(in_magazines(cache), 0);
    on_cpu(1);
    pair(cache);
    assert_true(in_magazines(cache) > 0);
    vmem_cpu_drain(1);
    assert_int_equal(in_magazines(cache), 0);
    vmem_cpus_online(1000); /* counts as all that there can be */
    on_cpu(VMEM_PORT_CPUS - 1);
    pair(cache);
    assert_true(in_magazines(cache) > 0);
    check_cache(cache);
}

static void a_cpu_without_a_number_has_no_magazines(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

    (void)state;
    on_cpu(VMEM_PORT_CPUS);
    pair(cache);
    assert_int_equal(in_magazines(cache), 0);
    assert_int_equal(cache_stats(cache).misses, 2);
    on_cpu(0);
    pair(cache);
    assert_true(in_magazines(cache) > 0);
    check_cache(cache);
}

static void objects_that_were_out_before_go_into_magazines(void **state)
{
    static struct holding held;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
    on_cpu(VMEM_PORT_CPUS);
    while (held.count < 100)
        assert_true(hold(&held, 0));
    on_cpu(0);
    drop_all(&held);
    check_cache(held.cache);
    assert_int_equal(in_magazines(held.cache), 100);
}

/*
 * The common path
 */

static void a_pair_is_served_by_the_magazine_without_a_lock(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    struct vmem_cache_stats before, after;
    void *object;
    unsigned long locks;

    (void)state;
    pair(cache);
    before = cache_stats(cache);
    locks = checked_port_locks;
    object = vmem_cache_alloc(cache, 0);
    for (unsigned i = 0; i < 100; i++) {
        vmem_cache_free(cache, object);
        assert_ptr_equal(vmem_cache_alloc(cache, 0), object);
    }
    vmem_cache_free(cache, object);
    if (!VMEM_CONFIG_DEBUG) /* where each object is noted */
        assert_int_equal(checked_port_locks, locks);
    after = cache_stats(cache);
    assert_int_equal(after.misses, before.misses);
    assert_int_equal(after.allocs, before.allocs + 101);
    assert_int_equal(after.frees, before.frees + 101);
    check_cache(cache);
}

/* Whatever the mixture: a miss is paid for by a magazine's worth of operations. */
static void misses_are_rare_even_at_the_edge_of_a_magazine(void **state)
{
    static struct holding held;
    struct vmem_cache_stats before, after;
    size_t size;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
    while (held.count < 400)
        assert_true(hold(&held, 0));
    while (held.count > 200)
        drop(&held, held.count - 1);
    size = cache_stats(held.cache).magazine_size;
    assert_true(size > 2);
    for (unsigned burst = 1; burst < 40; burst++) {
        unsigned operations = 0;

        before = cache_stats(held.cache);
        for (unsigned i = 0; i < 10; i++) {
            for (unsigned k = 0; k < burst; k++, operations++)
                assert_true(hold(&held, 0));
            for (unsigned k = 0; k < burst; k++, operations++)
                drop(&held, held.count - 1);
        }
        after = cache_stats(held.cache);
        assert_true((after.misses - before.misses) * size <= operations + 2 * size);
        assert_int_equal(after.misses - before.misses, after.exchanges - before.exchanges);
    }
    drop_all(&held);
    check_cache(held.cache);
}

static void an_object_freed_on_one_cpu_is_not_handed_out_on_another_meanwhile(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    void *object = vmem_cache_alloc(cache, 0);

    (void)state;
    vmem_cache_free(cache, object);
    on_cpu(1);
    held = (struct holding){.cache = cache, .size = 64};
    while (held.count < 500) {
        assert_true(hold(&held, 0));
        assert_ptr_not_equal(held.objects[held.count - 1].object, object);
    }
    on_cpu(0);
    assert_ptr_equal(vmem_cache_alloc(cache, 0), object);
    vmem_cache_free(cache, object);
    drop_all(&held);
    check_cache(cache);
}

/* What one CPU allocates and another frees goes round by way of the depot, past the slabs. */
static void rounds_travel_from_consumer_to_producer(void **state)
{
    static struct holding held;
    struct vmem_cache_stats before, after;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
    for (unsigned i = 0; i < 20; i++) {
        if (i == 10)
            before = cache_stats(held.cache);
        on_cpu(0);
        while (held.count < 300)
            assert_true(hold(&held, 0));
        check_cache(held.cache);
        on_cpu(1);
        while (held.count > 0)
            drop(&held, (size_t)i * 31 % held.count);
        check_cache(held.cache);
    }
    after = cache_stats(held.cache);
    assert_int_equal(after.misses - before.misses, after.exchanges - before.exchanges);
    assert_true(after.exchanges > before.exchanges);
    assert_int_equal(after.slab_allocs, before.slab_allocs);
}

/*
 * Threads that come in each other's way: the page hook plays another one, on the same CPU.
 */

static vmem_cache_t *shared;

static void *lend_after_a_pair(size_t size)
{
    lender.alloc = NULL;
    checked_port_thread = 2;
    pair(shared);
    checked_port_thread = 1;
    return lend_memory(size);
}

static void two_threads_may_be_the_first_to_use_a_cpu(void **state)
{
    void *object;

    (void)state;
    shared = make_cache(make_memory(MEMORY), 64, 0);
    on_cpu(VMEM_PORT_CPUS);
    object = vmem_cache_alloc(shared, 0);
    on_cpu(0);
    hold_blocks(64);
    lender.alloc = lend_after_a_pair;
    vmem_cache_free(shared, object);
    assert_null(lender.alloc);
    release_blocks();
    check_cache(shared);
    assert_int_equal(cache_stats(shared).in_use, 0);
    assert_true(in_magazines(shared) > 0);
}

/* From one with magazines to one without, too, and into those of each CPU for the first time. */
static void a_thread_may_move_on_whenever_it_is_not_pinned(void **state)
{
    static struct holding held;

    (void)state;
    for (unsigned cpu = 0; cpu <= VMEM_PORT_CPUS; cpu++) {
        held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
        checked_port_moves = true;
        for (unsigned i = 0; i < 200; i++) {
            on_cpu((cpu + i / 3) % (VMEM_PORT_CPUS + 1));
            assert_true(hold(&held, 0));
            if (i % 3 != 0)
                drop(&held, i % held.count);
            check_cache(held.cache);
            assert_int_equal(cache_stats(held.cache).in_use, held.count);
        }
        drop_all(&held);
        vmem_cache_reap(held.cache);
        check_cache(held.cache);
        checked_port_moves = false;
        assert_int_equal(cache_stats(held.cache).in_use, 0);
        unmake_cache(held.cache);
    }
}

static void without_memory_for_a_magazine_the_slabs_serve(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

    (void)state;
    held = (struct holding){.cache = cache, .size = 64};
    on_cpu(VMEM_PORT_CPUS);
    while (held.count < 100)
        assert_true(hold(&held, 0));
    on_cpu(0);
    hold_blocks(64);
    lender.refuse_all = true;
    while (held.count > 50)
        drop(&held, held.count / 2);
    check_cache(cache);
    assert_int_equal(in_magazines(cache), 0);
    lender.refuse_all = false;
    release_blocks();
    drop_all(&held);
    assert_int_equal(in_magazines(cache), 50);
    check_cache(cache);
}

/*
 * Reap, drain, trim
 */

/* Leaves rounds on each of the first `cpus`, and in the depot; returns how many there are. */
static size_t spread(struct holding *held, vmem_cache_t *cache, unsigned cpus)
{
    size_t count;

    *held = (struct holding){.cache = cache, .size = 64};
    on_cpu(0);
    while (held->count < 1000 * cpus)
        assert_true(hold(held, 0));
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        on_cpu(cpu);
        for (unsigned i = 0; i < 1000; i++)
            drop(held, held->count / 2);
    }
    check_cache(cache);
    count = in_magazines(cache);
    assert_true(cache_stats(cache).full_magazines > 0);
    return count;
}

static void reap_asks_other_cpus_who_bring_theirs_at_the_next_free(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    void *objects[3];
    size_t others;

    (void)state;
    on_cpu(0);
    for (unsigned i = 0; i < 3; i++)
        objects[i] = vmem_cache_alloc(cache, 0);
    (void)spread(&held, cache, 4);
    on_cpu(0);
    vmem_cache_reap(cache);
    check_cache(cache);
    others = in_magazines(cache);
    assert_in_range(others, 3, 3 * 2 * cache_stats(cache).magazine_size);
    assert_int_equal(cache_stats(cache).full_magazines, 0);
    for (unsigned cpu = 1; cpu < 4; cpu++) {
        size_t before = in_magazines(cache);

        on_cpu(cpu);
        vmem_cache_free(cache, objects[cpu - 1]);
        assert_true(in_magazines(cache) < before);
        check_cache(cache);
    }
    assert_true(in_magazines(cache) <= 3); /* no more than these three */
    assert_int_equal(cache_stats(cache).in_use, 0);
}

/* Not obliged to free, it goes on allocating from what it has, or from the slabs. */
static void a_cpu_that_was_asked_may_still_allocate(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

    (void)state;
    (void)spread(&held, cache, 2);
    on_cpu(0);
    vmem_cache_reap(cache);
    on_cpu(1);
    while (held.count < 1000) {
        assert_true(hold(&held, 0));
        if (held.count % 50 == 0)
            check_cache(cache);
    }
    drop_all(&held);
    check_cache(cache);
    vmem_cache_reap(cache);
    assert_int_equal(cache_stats(cache).slabs, 0);
}

static void a_cpu_that_was_asked_has_all_of_its_rounds_before_it_fails(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(1 << 16), 64, 0);
    size_t all;

    (void)state;
    held = (struct holding){.cache = cache, .size = 64};
    on_cpu(1);
    hold_all(&held);
    all = held.count;
    for (size_t i = cache_stats(cache).magazine_size * 3 / 2; i > 0; i--)
        drop(&held, held.count * 2 / 3);
    on_cpu(0);
    vmem_cache_reap(cache);
    on_cpu(1);
    hold_all(&held);
    assert_int_equal(held.count, all);
    assert_int_equal(in_magazines(cache), 0);
    check_cache(cache);
    drop_all(&held);
}

/* Frees the first that is not the last one out of its slab. */
static void drop_beside_another(struct holding *held, uintptr_t slab_size)
{
    for (size_t i = 0; i < held->count; i++) {
        for (size_t k = 0; k < held->count; k++) {
            if (k != i && (uintptr_t)held->objects[k].object / slab_size ==
                              (uintptr_t)held->objects[i].object / slab_size) {
                drop(held, i);
                return;
            }
        }
    }
    fail();
}

/* Where a slab has so few objects that they come one at a time, too; and no failure is counted. */
static void a_cpu_that_was_asked_finds_all_that_is_free(void **state)
{
    enum { SIZE = 13000, SLAB = 65536 };
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(4 * SLAB), SIZE, 0);
    uint64_t fails;
    size_t all;

    (void)state;
    assert_int_equal(cache->slab_size, SLAB);
    assert_int_equal(cache->batch, 1);
    held = (struct holding){.cache = cache, .size = SIZE};
    on_cpu(1);
    hold_all(&held);
    all = held.count;
    for (size_t freed = 1; freed <= all - 4; freed++) {
        while (held.count > all - freed)
            drop_beside_another(&held, SLAB);
        on_cpu(0);
        vmem_cache_reap(cache);
        on_cpu(1);
        fails = cache_stats(cache).fails;
        while (held.count < all)
            assert_true(hold(&held, 0));
        assert_int_equal(cache_stats(cache).fails, fails);
        assert_false(hold(&held, 0));
        assert_int_equal(cache_stats(cache).fails, fails + 1);
        check_cache(cache);
    }
    drop_all(&held);
}

static void drain_brings_the_rounds_of_one_cpu(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    vmem_cache_t *other = make_cache(make_memory(MEMORY), 200, 0);

    (void)state;
    on_cpu(2);
    pair(other);
    (void)spread(&held, cache, 3);
    on_cpu(0);
    vmem_cache_reap(cache);
    assert_true(in_magazines(cache) > 0);
    on_cpu(1);
    vmem_cpu_drain(1); /* on that CPU */
    assert_true(in_magazines(cache) > 0);
    check_cache(cache);
    assert_true(in_magazines(other) > 0);
    on_cpu(VMEM_PORT_CPUS);
    vmem_cpu_drain(2); /* which has gone offline, from elsewhere: of all caches */
    assert_int_equal(in_magazines(cache) + in_magazines(other), 0);
    check_cache(cache);
    check_cache(other);
    vmem_cpu_drain(3); /* which has none */
    vmem_cpu_drain(VMEM_PORT_CPUS);
    vmem_cpu_drain(UINT32_MAX);
    on_cpu(2);
    pair(cache); /* and goes on */
    assert_true(in_magazines(cache) > 0);
    check_cache(cache);
}

/*
 * CPUs that come and go
 */

/* What a CPU has of a cache, once it has worked with it for a while. */
static bool has_magazines_now(vmem_cache_t *cache, unsigned cpu)
{
    on_cpu(cpu);
    for (unsigned i = 0; i < 8; i++)
        pair(cache);
    check_cache(cache);
    return cache->cpus[cpu]->loaded != NULL;
}

static void a_cpu_that_goes_offline_gives_its_magazines_back_and_gets_none(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    vmem_cache_t *other = make_cache(make_memory(MEMORY), 200, 0);
    size_t in_depot;

    (void)state;
    (void)spread(&held, cache, 3);
    on_cpu(2);
    pair(other);
    for (unsigned there = 0; there < 2; there++) { /* called on that CPU, or from elsewhere */
        assert_true(has_magazines_now(cache, 2));
        on_cpu(there == 0 ? 2 : 0);
        vmem_cpu_offline(2);
        assert_null(cache->cpus[2]->loaded);
        assert_null(cache->cpus[2]->previous);
        assert_int_equal(in_magazines(other), 0); /* nobody else has used it */
        assert_non_null(cache->cpus[1]->loaded);
        in_depot = cache_stats(cache).full_magazines;
        assert_true(in_depot > 0); /* from which it is not to take any */
        assert_false(has_magazines_now(cache, 2));
        assert_false(has_magazines_now(other, 2));
        assert_true(has_magazines_now(cache, 1));
        vmem_cpu_online(2);
    }
}

static void a_cpu_that_comes_online_again_has_magazines_again(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        vmem_cpu_offline(1);
        assert_false(has_magazines_now(cache, 1));
        vmem_cpu_online(1);
        assert_true(has_magazines_now(cache, 1));
    }
}

static void a_cpu_that_first_comes_online_late_has_magazines_from_then_on(void **state)
{
    static struct holding held;

    (void)state;
    vmem_cpu_offline(3);
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
    on_cpu(3);
    while (held.count < 100)
        assert_true(hold(&held, 0));
    assert_int_equal(in_magazines(held.cache), 0);
    vmem_cpu_online(3);
    drop_all(&held);
    assert_int_equal(in_magazines(held.cache), 100);
}

static void cpus_that_the_port_does_not_have_are_ignored(void **state)
{
    static const unsigned beyond[] = {VMEM_PORT_CPUS, VMEM_PORT_CPUS + 1, UINT32_MAX};
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

    (void)state;
    for (size_t i = 0; i < LENGTH(beyond); i++) {
        vmem_cpu_online(beyond[i]);
        assert_false(has_magazines_now(cache, VMEM_PORT_CPUS));
        vmem_cpu_offline(beyond[i]);
        for (unsigned cpu = 0; cpu < VMEM_PORT_CPUS; cpu++)
            assert_true(has_magazines_now(cache, cpu));
    }
}

static void cpus_online_means_those_from_0_on(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= VMEM_PORT_CPUS + 1; count++) {
        vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);

        for (unsigned cpu = 0; cpu < VMEM_PORT_CPUS; cpu++)
            vmem_cpu_offline(cpu);
        vmem_cpus_online(count);
        for (unsigned cpu = 0; cpu < VMEM_PORT_CPUS; cpu++)
            assert_true(has_magazines_now(cache, cpu) == (cpu < count));
    }
}

static size_t magazines(vmem_cache_t *cache)
{
    struct vmem_cache_stats stats = cache_stats(cache);

    return stats.full_magazines + stats.empty_magazines;
}

static void trim_gives_back_a_bounded_number_of_unused_magazines_at_a_time(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    size_t before;
    bool more;

    (void)state;
    (void)spread(&held, cache, 4);
    while (vmem_cache_trim(cache)) /* all that was there has been touched since; from now on not */
        check_cache(cache);
    assert_true(magazines(cache) > 16);
    do {
        before = magazines(cache);
        more = vmem_cache_trim(cache);
        check_cache(cache);
        assert_in_range(before - magazines(cache), more ? 8 : 0, 8);
    } while (more);
    assert_int_equal(magazines(cache), 0);
    assert_false(vmem_cache_trim(cache));
}

static void trim_gives_back_empty_magazines_as_well(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    size_t before;
    bool more;

    (void)state;
    (void)spread(&held, cache, 2);
    on_cpu(0);
    while (cache_stats(cache).full_magazines > 0) /* each leaves one that is empty */
        assert_true(hold(&held, 0));
    while (vmem_cache_trim(cache))
        ;
    assert_true(cache_stats(cache).empty_magazines > 8);
    do {
        before = magazines(cache);
        more = vmem_cache_trim(cache);
        assert_in_range(before - magazines(cache), more ? 8 : 0, 8);
    } while (more);
    assert_int_equal(magazines(cache), 0);
    check_cache(cache);
    drop_all(&held);
}

static void work(struct holding *held)
{
    on_cpu(0);
    while (held->count < 150)
        assert_true(hold(held, 0));
    on_cpu(1);
    drop_all(held);
}

static void trim_keeps_the_working_set(void **state)
{
    static struct holding held;
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    struct vmem_cache_stats before, after;

    (void)state;
    (void)spread(&held, cache, 4);
    for (unsigned interval = 0; interval < 7; interval++) {
        if (interval == 3)
            before = cache_stats(cache);
        for (unsigned i = 0; i < 4; i++)
            work(&held);
        while (vmem_cache_trim(cache))
            ;
        check_cache(cache);
    }
    after = cache_stats(cache);
    assert_in_range(after.in_magazines, 150, 150 + 10 * after.magazine_size);
    assert_int_equal(after.misses - before.misses, after.exchanges - before.exchanges);
    for (unsigned interval = 0; interval < 3; interval++) /* and lets it go with the work */
        while (vmem_cache_trim(cache))
            ;
    assert_int_equal(magazines(cache), 0);
}

/* Fills the depot (or empties it) until it has so many magazines with rounds. */
static void fill_depot(struct holding *held, size_t full)
{
    while (cache_stats(held->cache).full_magazines < full)
        drop(held, held->count - 1);
    while (cache_stats(held->cache).full_magazines > full)
        assert_true(hold(held, 0));
}

static void trim_takes_what_nobody_needed_since_the_last_and_no_more(void **state)
{
    static const size_t needed[] = {0, 1, 7, 8, 9, 16, 20, 39, 40};
    static struct holding held;

    (void)state;
    for (size_t i = 0; i < LENGTH(needed); i++) {
        size_t least = 40 - needed[i];

        held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
        while (held.count < 70 * cache_stats(held.cache).magazine_size)
            assert_true(hold(&held, 0));
        fill_depot(&held, 40);
        while (vmem_cache_trim(held.cache)) /* from now on it is counted */
            ;
        fill_depot(&held, 40);
        fill_depot(&held, least);
        fill_depot(&held, 60);
        while (vmem_cache_trim(held.cache))
            ;
        assert_int_equal(cache_stats(held.cache).full_magazines, 60 - least);
        check_cache(held.cache);
        drop_all(&held);
        unmake_cache(held.cache);
    }
}

/*
 * The size of magazines
 */

/* Two CPUs visit the depot in turn. */
static void contend(struct holding *held)
{
    size_t size = cache_stats(held->cache).magazine_size;

    for (unsigned i = 0; i < 200 && cache_stats(held->cache).magazine_size == size; i++) {
        on_cpu(0);
        for (size_t n = 0; n <= size; n++)
            assert_true(hold(held, 0));
        on_cpu(1);
        for (size_t n = 0; n <= size; n++)
            drop(held, held->count * 5 / 7);
        check_cache(held->cache);
        assert_int_equal(cache_stats(held->cache).in_use, held->count);
    }
}

static void contention_at_the_depot_makes_magazines_larger_and_reap_smaller(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    size_t least, size;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 64, 0), .size = 64};
    least = cache_stats(held.cache).magazine_size;
    while (held.count < 100)
        assert_true(hold(&held, 0));
    for (unsigned round = 0; round < 2; round++) {
        contend(&held);
        size = cache_stats(held.cache).magazine_size;
        assert_true(size > least);
        contend(&held); /* once more, or not, if that was the largest */
        check(arena);
        vmem_cache_reap(held.cache);
        assert_int_equal(cache_stats(held.cache).magazine_size, least);
        check_cache(held.cache);
        for (unsigned i = 0; i < 3; i++) { /* small and large ones side by side */
            on_cpu(i);
            for (unsigned n = 0; n < 200; n++)
                assert_true(hold(&held, 0));
            for (unsigned n = 0; n < 200; n++)
                drop(&held, held.count / 3);
            check_cache(held.cache);
        }
    }
    drop_all(&held);
    assert_int_equal(cache_stats(held.cache).in_use, 0);
}

static void a_cpu_that_is_alone_leaves_the_size_as_it_is(void **state)
{
    static struct holding held;
    size_t size;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 64, 0), .size = 64};
    size = cache_stats(held.cache).magazine_size;
    for (unsigned i = 0; i < 50; i++) {
        while (held.count < 300)
            assert_true(hold(&held, 0));
        drop_all(&held);
    }
    assert_true(cache_stats(held.cache).exchanges > 100);
    assert_int_equal(cache_stats(held.cache).magazine_size, size);
}

/*
 * Everything at random, beside a list of what is out. Wherever a hook is called, and so no lock is
 * held, another thread may come in between on another CPU: the hook plays it.
 */

static struct {
    struct holding *held; /* NULL: hooks play nobody */
    uint64_t random;
    unsigned constructed;
} scene;

static unsigned dice(unsigned sides)
{
    return (unsigned)(next_random(&scene.random) % sides);
}

/* To another CPU, perhaps to stay there, perhaps to be moved on all the time. */
static void move(void)
{
    on_cpu(dice(VMEM_PORT_CPUS + 1));
    checked_port_moves = dice(3) == 0;
}

static void take_a_step(struct holding *held)
{
    unsigned choice = dice(1000);

    if (choice < 520)
        (void)hold(held, dice(5));
    else if (choice < 970 && held->count > 0)
        drop(held, dice((unsigned)held->count));
    else if (choice < 985)
        move();
    else if (choice < 988)
        vmem_cache_reap(held->cache);
    else if (choice < 993)
        vmem_cpu_drain(dice(VMEM_PORT_CPUS));
    else if (choice < 998)
        (void)vmem_cache_trim(held->cache);
    else
        lender.refuse = dice(4);
}

static void play_another_thread(void)
{
    struct holding *held = scene.held;
    unsigned cpu = checked_port_cpu;

    if (held == NULL || dice(3) == 0)
        return;
    scene.held = NULL;
    checked_port_thread = 2;
    move();
    for (unsigned i = dice(40); i > 0; i--)
        take_a_step(held);
    on_cpu(cpu);
    checked_port_moves = dice(3) == 0;
    checked_port_thread = 1;
    scene.held = held;
}

static int construct(void *object, void *ctx, unsigned flags)
{
    (void)ctx;
    (void)flags;
    checked_port_no_lock("construct");
    play_another_thread();
    if (dice(50) == 0)
        return -VMEM_ENOMEM;
    memcpy(object, &(void *){object}, sizeof(void *));
    scene.constructed++;
    return 0;
}

static void destruct(void *object, void *ctx)
{
    (void)ctx;
    checked_port_no_lock("destruct");
    play_another_thread();
    assert_memory_equal(object, &(void *){object}, sizeof(void *));
    memset(object, 0, sizeof(void *));
    scene.constructed--;
}

static void reclaim(void *ctx)
{
    (void)ctx;
    checked_port_no_lock("reclaim");
    play_another_thread();
}

static void *lend_and_play(size_t size)
{
    play_another_thread();
    return lend_memory(size);
}

static void play_through(vmem_t *arena, struct holding *held)
{
    for (unsigned step = 0; step < 3000; step++) {
        take_a_step(held);
        if (step % 32 == 0) {
            check(arena);
            assert_int_equal(cache_stats(held->cache).in_use, held->count);
        }
    }
    lender.refuse = 0;
    scene.held = NULL;
    check(arena);
    drop_all(held);
    check(arena);
    unmake_cache(held->cache);
    assert_int_equal(scene.constructed, 0);
    assert_layout(arena, 1 << 17, "[.1]");
}

static void nothing_is_lost_or_doubled(bool threads)
{
    static struct holding held;

    scene.random = UINT64_C(0x243f6a8885a308d3) + threads;
    for (unsigned round = 0; round < 12; round++) {
        vmem_t *arena = make_memory(1 << 17);
        const struct vmem_cache_params params = {.name = "random",
                                                 .size = 16 + dice(300),
                                                 .construct = construct,
                                                 .destruct = destruct,
                                                 .reclaim = reclaim,
                                                 .arena = arena};

        print_message("seed %#llx, size %zu\n", (unsigned long long)scene.random, params.size);
        held = (struct holding){.size = params.size, .spared = sizeof(void *)};
        held.cache = make_cache_params(&params);
        scene.held = threads ? &held : NULL;
        lender.alloc = threads ? lend_and_play : NULL;
        play_through(arena, &held);
    }
}

static void nothing_is_lost_or_doubled_on_many_cpus(void **state)
{
    (void)state;
    nothing_is_lost_or_doubled(false);
}

static void nothing_is_lost_or_doubled_by_many_threads(void **state)
{
    (void)state;
    nothing_is_lost_or_doubled(true);
}

/*
 * Check
 */

static void check_finds_a_round_that_is_not_out(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    vmem_addr_t *round, good;

    (void)state;
    pair(cache);
    round = &cache->cpus[0]->loaded->round[0];
    good = *round;
    *round = good + 1; /* inside an object */
    assert_int_equal(vmem_cache_check(cache), VMEM_FAULT_INDEX);
    expect_fault(VMEM_FAULT_INDEX);
    *round = good & ~((vmem_addr_t)MEMORY_QUANTUM - 1); /* the slab's last object, which is free */
    *round += cache_stats(cache).slab_size - cache_stats(cache).object_size;
    assert_int_equal(vmem_cache_check(cache), VMEM_FAULT_INDEX);
    expect_fault(VMEM_FAULT_INDEX);
    *round = 64; /* in no slab */
    assert_int_equal(vmem_check(NULL), VMEM_FAULT_INDEX);
    expect_fault(VMEM_FAULT_INDEX);
    *round = good;
    check_cache(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(only_cpus_that_are_online_have_magazines),
        WITH_MAGAZINES(a_cpu_without_a_number_has_no_magazines),
        WITH_MAGAZINES(objects_that_were_out_before_go_into_magazines),

        WITH_MAGAZINES(a_pair_is_served_by_the_magazine_without_a_lock),
        WITH_MAGAZINES(misses_are_rare_even_at_the_edge_of_a_magazine),
        WITH_MAGAZINES(an_object_freed_on_one_cpu_is_not_handed_out_on_another_meanwhile),
        WITH_MAGAZINES(rounds_travel_from_consumer_to_producer),

        WITH_MAGAZINES(two_threads_may_be_the_first_to_use_a_cpu),
        WITH_MAGAZINES(a_thread_may_move_on_whenever_it_is_not_pinned),
        WITH_MAGAZINES(without_memory_for_a_magazine_the_slabs_serve),

        WITH_MAGAZINES(reap_asks_other_cpus_who_bring_theirs_at_the_next_free),
        WITH_MAGAZINES(a_cpu_that_was_asked_may_still_allocate),
        WITH_MAGAZINES(a_cpu_that_was_asked_has_all_of_its_rounds_before_it_fails),
        WITH_MAGAZINES(a_cpu_that_was_asked_finds_all_that_is_free),
        WITH_MAGAZINES(drain_brings_the_rounds_of_one_cpu),

        WITH_MAGAZINES(a_cpu_that_goes_offline_gives_its_magazines_back_and_gets_none),
        WITH_MAGAZINES(a_cpu_that_comes_online_again_has_magazines_again),
        WITH_MAGAZINES(a_cpu_that_first_comes_online_late_has_magazines_from_then_on),
        WITH_MAGAZINES(cpus_that_the_port_does_not_have_are_ignored),
        WITH_MAGAZINES(cpus_online_means_those_from_0_on),

        WITH_MAGAZINES(trim_gives_back_a_bounded_number_of_unused_magazines_at_a_time),
        WITH_MAGAZINES(trim_gives_back_empty_magazines_as_well),
        WITH_MAGAZINES(trim_takes_what_nobody_needed_since_the_last_and_no_more),
        WITH_MAGAZINES(trim_keeps_the_working_set),

        WITH_MAGAZINES(contention_at_the_depot_makes_magazines_larger_and_reap_smaller),
        WITH_MAGAZINES(a_cpu_that_is_alone_leaves_the_size_as_it_is),

        WITH_MAGAZINES(nothing_is_lost_or_doubled_on_many_cpus),
        WITH_MAGAZINES(nothing_is_lost_or_doubled_by_many_threads),
        WITH_MAGAZINES(check_finds_a_round_that_is_not_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
