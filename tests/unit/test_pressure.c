/* SPDX-License-Identifier: MIT */
/*
 * test_pressure.c - before an allocation fails, what others keep without need comes back: empty
 * slabs, magazines, quantum caches, spans kept, and what reclaim functions can spare.
 */
#include "support.h"

#include "arena.h"

enum { MEMORY = 1 << 16 };

static vmem_t *make_cached_child(vmem_t *source, vmem_size_t quantum, vmem_size_t qcache_max)
{
    const struct vmem_params params = {
        .name = "child", .quantum = quantum, .qcache_max = qcache_max, .source = source};

    return make_params(&params);
}

/* Takes all that an arena has in one piece, and gives it back. */
static void assert_all_to_be_had(vmem_t *arena, vmem_size_t size)
{
    give(arena, take(arena, size, VMEM_INSTANTFIT), size);
}

/*
 * Caches that share an arena
 */

static void what_one_cache_keeps_another_can_have(void **state)
{
    static struct holding a, b;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;

    (void)state;
    a = (struct holding){.cache = make_cache(arena, 100, 0), .size = 100};
    b = (struct holding){.cache = make_cache(arena, 248, 0), .size = 248};
    for (unsigned i = 0; i < 3; i++) {
        hold_all(&a);
        assert_false(hold(&b, 0));
        drop_all(&a);
        assert_true(cache_stats(a.cache).slabs > 0);
        hold_all(&b);
        stats = cache_stats(b.cache);
        assert_int_equal(stats.slabs * stats.slab_size, MEMORY);
        assert_int_equal(b.count, stats.slabs * stats.objects_per_slab);
        assert_int_equal(cache_stats(a.cache).slabs, 0);
        check(arena);
        drop_all(&b);
    }
}

static void what_is_out_stays_out(void **state)
{
    static struct holding a, b;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;

    (void)state;
    a = (struct holding){.cache = make_cache(arena, 100, 0), .size = 100};
    b = (struct holding){.cache = make_cache(arena, 248, 0), .size = 248};
    hold_all(&a);
    while (a.count > 2)
        drop(&a, 1 + a.count % 2);
    hold_all(&b);
    stats = cache_stats(a.cache);
    assert_in_range(stats.slabs, 1, 2);
    assert_int_equal(stats.in_use, 2);
    assert_int_equal(stats.slabs * stats.slab_size +
                         cache_stats(b.cache).slabs * cache_stats(b.cache).slab_size,
                     MEMORY);
    check(arena);
    drop_all(&b);
    drop_all(&a);
}

static void what_caches_keep_the_arena_can_have(void **state)
{
    static struct holding a;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    a = (struct holding){.cache = make_cache(arena, 100, 0), .size = 100};
    for (unsigned policy = VMEM_INSTANTFIT; policy <= VMEM_LASTFIT; policy++) {
        const struct vmem_constraints aligned = {.align = MEMORY};
        vmem_addr_t addr;

        hold_all(&a);
        drop_all(&a);
        give(arena, take(arena, MEMORY, policy), MEMORY);
        hold_all(&a);
        drop_all(&a);
        assert_int_equal(vmem_xalloc(arena, MEMORY, &aligned, policy, &addr), 0);
        give(arena, addr, MEMORY);
    }
}

static void what_waits_on_another_cpu_has_to_be_drained(void **state)
{
    static struct holding a;
    vmem_t *arena = make_memory(MEMORY);
    vmem_addr_t addr;

    (void)state;
    a = (struct holding){.cache = make_cache(arena, 100, 0), .size = 100};
    checked_port_cpu = 1;
    hold_all(&a);
    drop_all(&a);
    checked_port_cpu = 0;
    assert_int_equal(vmem_alloc(arena, MEMORY, 0, &addr), -VMEM_ENOSPC);
    assert_true(cache_stats(a.cache).in_magazines > 0);
    check(arena);
    vmem_cpu_drain(1);
    assert_all_to_be_had(arena, MEMORY);
}

/*
 * Reclaim
 */

struct spare {
    vmem_t *arena;       /* from which reclaim takes something, too; NULL: it does not */
    vmem_cache_t *cache; /* to which it frees */
    struct holding held;
    unsigned calls, depth;
};

static void reclaim(void *ctx)
{
    struct spare *spare = ctx;
    vmem_addr_t addr;

    checked_port_no_lock("reclaim");
    spare->calls++;
    assert_true(++spare->depth < 4);
    if (spare->arena != NULL && vmem_alloc(spare->arena, MEMORY, 0, &addr) == 0)
        vmem_free(spare->arena, addr, MEMORY);
    if (spare->held.count > 0)
        drop_all(&spare->held);
    spare->depth--;
}

/* All that the arena has is out, but can be spared. */
static void make_spare(struct spare *spare, vmem_t *arena)
{
    struct vmem_cache_stats stats;
    const struct vmem_cache_params params = {
        .name = "spare", .size = 500, .reclaim = reclaim, .ctx = spare, .arena = arena};

    spare->arena = NULL;
    spare->cache = make_cache_params(&params);
    spare->held = (struct holding){.cache = spare->cache, .size = 500};
    stats = cache_stats(spare->cache);
    while (spare->held.count < MEMORY / stats.slab_size * stats.objects_per_slab)
        assert_true(hold(&spare->held, 0));
    spare->calls = spare->depth = 0;
}

static void what_can_be_spared_is_asked_for_once_a_miss(void **state)
{
    static struct spare spare;
    vmem_t *arena = make_memory(MEMORY);
    vmem_addr_t addr;

    (void)state;
    make_spare(&spare, arena);
    addr = take(arena, MEMORY, 0);
    assert_int_equal(spare.calls, 1);
    for (unsigned i = 2; i < 5; i++) {
        refused(arena, MEMORY, 0, -VMEM_ENOSPC);
        assert_int_equal(spare.calls, i);
    }
    give(arena, addr, MEMORY);
    give(arena, take(arena, MEMORY / 2, 0), MEMORY / 2); /* is no miss */
    assert_int_equal(spare.calls, 4);
}

static void a_cache_has_what_another_can_spare(void **state)
{
    static struct spare spare;
    static struct holding a;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    make_spare(&spare, arena);
    a = (struct holding){.cache = make_cache(arena, 64, 0), .size = 64};
    assert_true(hold(&a, 0));
    assert_int_equal(spare.calls, 1);
    assert_int_equal(spare.held.count, 0);
    hold_all(&a);
    assert_int_equal(spare.calls, 2);
    assert_int_equal(cache_stats(a.cache).slabs * cache_stats(a.cache).slab_size, MEMORY);
    drop_all(&a);
}

static void a_cache_that_misses_may_spare_objects_of_its_own(void **state)
{
    static struct spare spare;
    vmem_t *arena = make_memory(MEMORY);
    void *object;

    (void)state;
    make_spare(&spare, arena);
    object = vmem_cache_alloc(spare.cache, 0);
    assert_non_null(object);
    assert_int_equal(spare.held.count, 0);
    check(arena);
    vmem_cache_free(spare.cache, object);
}

static void reclaim_that_allocates_from_the_arena_ends(void **state)
{
    static struct spare spares[3];
    vmem_t *arena = make_memory(MEMORY);
    vmem_addr_t addr;

    (void)state;
    for (unsigned i = 0; i < LENGTH(spares); i++) {
        make_spare(&spares[i], arena);
        spares[i].arena = arena;
    }
    addr = take(arena, MEMORY, 0);
    refused(arena, MEMORY, 0, -VMEM_ENOSPC);
    for (unsigned i = 0; i < LENGTH(spares); i++)
        assert_in_range(spares[i].calls, 1, 20);
    give(arena, addr, MEMORY);
}

/*
 * Hooks of caches that themselves allocate, from an arena that has nothing left
 */

struct missing {
    vmem_t *arena;
    unsigned calls, depth, deepest;
};

static void miss(void *ctx)
{
    struct missing *missing = ctx;
    vmem_addr_t addr;

    missing->calls++;
    missing->depth++;
    if (missing->depth > missing->deepest)
        missing->deepest = missing->depth;
    assert_int_equal(vmem_alloc(missing->arena, MEMORY, 0, &addr), -VMEM_ENOSPC);
    missing->depth--;
}

static int construct(void *object, void *ctx, unsigned flags)
{
    (void)object;
    (void)ctx;
    (void)flags;
    return 0;
}

static void destruct_and_miss(void *object, void *ctx)
{
    (void)object;
    checked_port_no_lock("destruct");
    miss(ctx);
}

static void reclaim_and_miss(void *ctx)
{
    checked_port_no_lock("reclaim");
    miss(ctx);
}

/* Every way in which a cache that was full and is empty gives back its slabs. */
static void give_back_in_every_way(struct missing *missing, struct holding *held)
{
    vmem_addr_t addr;

    for (unsigned way = 0; way < 5; way++) {
        hold_all(held);
        missing->calls = 0;
        drop_all(held);
        if (way == 0)
            vmem_cache_reap(held->cache);
        else if (way == 1)
            vmem_reap(missing->arena);
        else if (way == 2)
            vmem_reap(NULL);
        else if (way == 3)
            assert_int_equal(vmem_alloc(missing->arena, MEMORY, 0, &addr), -VMEM_ENOSPC);
        else
            unmake_cache(held->cache);
        assert_true(missing->calls > 0 || way == 4); /* destroy does not ask for anything */
        check(missing->arena);
    }
}

static void a_destructor_that_misses_does_not_bring_about_others(void **state)
{
    static struct holding held;
    struct missing missing = {.arena = make_memory(MEMORY)};
    const struct vmem_cache_params params = {.name = "destructs",
                                             .size = 512,
                                             .construct = construct,
                                             .destruct = destruct_and_miss,
                                             .ctx = &missing,
                                             .arena = missing.arena};

    (void)state;
    (void)take(missing.arena, MEMORY_QUANTUM, 0);
    held = (struct holding){.cache = make_cache_params(&params), .size = 512};
    give_back_in_every_way(&missing, &held);
    assert_in_range(missing.deepest, 1, 2); /* 2: from a free, which is no reap, to one */
}

static void a_reclaim_function_that_misses_does_not_bring_about_others(void **state)
{
    static struct holding held;
    struct missing missing = {.arena = make_memory(MEMORY)};
    const struct vmem_cache_params params = {.name = "reclaims",
                                             .size = 512,
                                             .reclaim = reclaim_and_miss,
                                             .ctx = &missing,
                                             .arena = missing.arena};

    (void)state;
    (void)take(missing.arena, MEMORY_QUANTUM, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)make_cache_params(&params);
    held = (struct holding){.cache = make_cache_params(&params), .size = 512};
    give_back_in_every_way(&missing, &held);
    assert_int_equal(missing.deepest, 1);
}

/*
 * Spans kept
 */

static void make_a_child_keep(vmem_t *child, vmem_size_t size)
{
    struct vmem_stats stats;

    give(child, take(child, size, 0), size);
    vmem_stat(child, &stats);
    assert_true(stats.total >= size);
}

static void a_source_that_misses_has_the_span_that_a_child_keeps(void **state)
{
    vmem_t *source = make(0, 64, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));

    for (unsigned i = 0; i < 3; i++) {
        make_a_child_keep(child, 40);
        assert_all_to_be_had(source, 64);
        assert_layout(child, 1, "");
    }
}

static void a_child_that_misses_has_the_span_that_another_keeps(void **state)
{
    vmem_t *source = make(0, 64, 1, INDEX(state));
    vmem_t *a = make_child(source, 1, INDEX(state)), *b = make_child(source, 1, INDEX(state));

    for (unsigned i = 0; i < 3; i++) {
        make_a_child_keep(a, 40);
        make_a_child_keep(b, 64);
        assert_layout(a, 1, "");
        assert_int_equal(vmem_check(source), 0);
    }
}

static void a_span_that_is_in_use_stays(void **state)
{
    vmem_t *source = make(0, 64, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    vmem_addr_t addr;

    (void)take(child, 16, 0);
    make_a_child_keep(child, 20);
    assert_int_equal(vmem_alloc(source, 64, 0, &addr), -VMEM_ENOSPC);
    (void)take(source, 48, 0);
    assert_layout(child, 1, "[#16]");
}

static void spans_come_back_through_a_chain_of_arenas(void **state)
{
    vmem_t *source = make(0, 256, 1, INDEX(state));
    vmem_t *middle = make_child(source, 1, INDEX(state));
    vmem_t *leaf = make_child(middle, 1, INDEX(state));
    vmem_t *other = make_child(source, 1, INDEX(state));

    make_a_child_keep(leaf, 200);
    assert_all_to_be_had(source, 256);
    assert_layout(leaf, 1, "");
    assert_layout(middle, 1, "");
    make_a_child_keep(leaf, 200);
    make_a_child_keep(other, 256); /* of a sibling of its source */
    make_a_child_keep(leaf, 256);
    assert_layout(other, 1, "");
    assert_int_equal(vmem_check(source), 0);
    assert_int_equal(vmem_check(middle), 0);
}

static void caches_over_the_arenas_that_import_from_it_give_back(void **state)
{
    static struct holding held;
    static struct spare spare;
    vmem_t *memory = make_memory(MEMORY);
    vmem_t *child = make_child(memory, 4096, 0), *leaf = make_child(child, 4096, 0);

    (void)state;
    held = (struct holding){.cache = make_cache(leaf, 100, 0), .size = 100};
    for (unsigned i = 0; i < 2; i++) {
        hold_all(&held);
        drop_all(&held);
        assert_all_to_be_had(memory, MEMORY);
        assert_int_equal(cache_stats(held.cache).slabs, 0);
    }
    make_spare(&spare, leaf);
    assert_all_to_be_had(memory, MEMORY);
    assert_int_equal(spare.calls, 1);
    check(child);
    check(leaf);
}

static void quantum_caches_of_the_arenas_that_import_from_it_give_back(void **state)
{
    vmem_t *source = make(0, 1024, 1, 0);
    vmem_t *a = make_cached_child(source, 1, 16), *b = make_cached_child(source, 1, 32);
    vmem_addr_t addr;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (vmem_size_t size = 1; size < 16; size++)
            give(a, take(a, size, 0), size);
        assert_int_equal(vmem_alloc(b, 1000, 0, &addr), 0);
        give(b, addr, 1000);
        for (vmem_size_t size = 1; size < 32; size++)
            give(b, take(b, size, 0), size);
        assert_all_to_be_had(source, 1024);
        assert_layout(a, 1, "");
        assert_layout(b, 1, "");
    }
}

static void a_quantum_cache_that_misses_has_what_those_of_other_sizes_keep(void **state)
{
    vmem_t *arena = make_cached_child(make(0, 512, 1, 0), 1, 16);
    vmem_addr_t addrs[512 + 1];
    unsigned count;

    (void)state;
    for (vmem_size_t size = 1; size <= 16; size++) {
        count = 0;
        while (vmem_alloc(arena, size, 0, &addrs[count]) == 0)
            count++;
        check(arena);
        assert_in_range(count * size, 512 - 512 / 64 * (size - 1), 512); /* slabs of 64 */
        while (count > 0)
            vmem_free(arena, addrs[--count], size);
    }
}

/*
 * Chains
 */

static uint64_t fails_of(vmem_t *arena)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    return stats.fails;
}

/* What a request at the end of a chain of so many arenas that fails costs at its root. */
static uint64_t requests_at_the_root(unsigned length, vmem_size_t qcache_max, vmem_size_t size)
{
    vmem_t *arenas[5] = {make(0, 64, 1, 0)};
    vmem_addr_t addr;
    uint64_t before;

    (void)take(arenas[0], 63, VMEM_FIRSTFIT);
    for (unsigned i = 1; i <= length; i++)
        arenas[i] = make_cached_child(arenas[i - 1], 1, qcache_max);
    before = fails_of(arenas[0]);
    assert_int_equal(vmem_alloc(arenas[length], size, 0, &addr), -VMEM_ENOSPC);
    assert_int_equal(fails_of(arenas[length]), 1);
    before = fails_of(arenas[0]) - before;
    for (unsigned i = length + 1; i-- > 0;)
        unmake(arenas[i]);
    return before;
}

/* And not once more for each time that an arena on the way has asked. */
static void a_request_that_fails_asks_the_root_about_once(void **state)
{
    (void)state;
    for (unsigned length = 1; length <= 4; length++) {
        assert_int_equal(requests_at_the_root(length, 0, 8), 1);
        /* With caches, each arena asks for a slab, too, and then for as much as it needs. */
        assert_in_range(requests_at_the_root(length, 8, 8), 1, length + 3);
        assert_in_range(requests_at_the_root(length, 8, 20), 1, length + 3);
    }
}

/*
 * Hooks
 */

struct broker {
    vmem_t *source;
    unsigned imports, releases;
};

static int broker_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                         unsigned flags, vmem_addr_t *addrp)
{
    struct broker *broker = ctx;

    checked_port_no_lock("import");
    broker->imports++;
    return vmem_xalloc(broker->source, size, c, flags, addrp);
}

static void broker_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    struct broker *broker = ctx;

    checked_port_no_lock("release");
    broker->releases++;
    vmem_xfree(broker->source, addr, size);
}

/* A child whose hooks map what they import names its source as well. */
static void a_hook_in_between_hinders_nothing(void **state)
{
    static struct broker broker;
    struct vmem_params params = {.name = "mapped",
                                 .quantum = 1,
                                 .import = broker_import,
                                 .release = broker_release,
                                 .ctx = &broker,
                                 .flags = INDEX(state)};
    vmem_t *child;

    broker = (struct broker){.source = make(0, 64, 1, INDEX(state))};
    params.source = broker.source;
    child = make_params(&params);
    make_a_child_keep(child, 40);
    assert_all_to_be_had(broker.source, 64);
    assert_int_equal(broker.releases, 1);
    assert_layout(child, 1, "");
    check(child);
}

/* An import hook that cannot have memory makes the same arena's caches give theirs back. */
static void a_miss_in_a_hook_is_a_miss_like_any_other(void **state)
{
    static struct broker broker;
    static struct holding held, other;
    struct vmem_params params = {.name = "mapped",
                                 .quantum = MEMORY_QUANTUM,
                                 .import = broker_import,
                                 .release = broker_release,
                                 .ctx = &broker};
    vmem_t *child;

    (void)state;
    broker = (struct broker){.source = make_memory(MEMORY)};
    child = make_params(&params);
    held = (struct holding){.cache = make_cache(broker.source, 64, 0), .size = 64};
    other = (struct holding){.cache = make_cache(child, 64, 0), .size = 64};
    for (unsigned i = 0; i < 2; i++) {
        hold_all(&held);
        drop_all(&held);
        hold_all(&other);
        assert_int_equal(cache_stats(held.cache).slabs, 0);
        assert_int_equal(cache_stats(other.cache).slabs * cache_stats(other.cache).slab_size,
                         MEMORY);
        drop_all(&other);
        vmem_reap(child); /* the source does not know of it */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_AND_WITHOUT(what_one_cache_keeps_another_can_have),
        WITH_AND_WITHOUT(what_is_out_stays_out),
        WITH_AND_WITHOUT(what_caches_keep_the_arena_can_have),
        WITH_MAGAZINES(what_waits_on_another_cpu_has_to_be_drained),

        WITH_AND_WITHOUT(what_can_be_spared_is_asked_for_once_a_miss),
        WITH_AND_WITHOUT(a_cache_has_what_another_can_spare),
        WITH_AND_WITHOUT(a_cache_that_misses_may_spare_objects_of_its_own),
        WITH_AND_WITHOUT(reclaim_that_allocates_from_the_arena_ends),

        WITH_AND_WITHOUT(a_destructor_that_misses_does_not_bring_about_others),
        WITH_AND_WITHOUT(a_reclaim_function_that_misses_does_not_bring_about_others),

        ON_BOTH(a_source_that_misses_has_the_span_that_a_child_keeps),
        ON_BOTH(a_child_that_misses_has_the_span_that_another_keeps),
        ON_BOTH(a_span_that_is_in_use_stays),
        ON_BOTH(spans_come_back_through_a_chain_of_arenas),
        WITH_AND_WITHOUT(caches_over_the_arenas_that_import_from_it_give_back),
        WITH_AND_WITHOUT(quantum_caches_of_the_arenas_that_import_from_it_give_back),
        WITH_AND_WITHOUT(a_quantum_cache_that_misses_has_what_those_of_other_sizes_keep),

        WITH_AND_WITHOUT(a_request_that_fails_asks_the_root_about_once),

        ON_BOTH(a_hook_in_between_hinders_nothing),
        WITH_AND_WITHOUT(a_miss_in_a_hook_is_a_miss_like_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
