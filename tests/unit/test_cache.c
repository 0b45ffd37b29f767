/* SPDX-License-Identifier: MIT */
/*
 * test_cache.c - what vmem/cache.h promises, with magazines and without: parameters, objects in and
 * out, constructors, misuse, reap, and what is left when something is refused.
 */
#include "support.h"

#include "cache.h"

#include <string.h>

enum { MEMORY = 1 << 18 };

/*
 * Creation
 */

static int construct_nothing(void *object, void *ctx, unsigned flags)
{
    (void)object;
    (void)ctx;
    (void)flags;
    return 0;
}

static void destruct_nothing(void *object, void *ctx)
{
    (void)object;
    (void)ctx;
}

static void create_rejects(const struct vmem_cache_params *params)
{
    vmem_cache_t *cache = NULL;

    assert_int_equal(vmem_cache_create(params, &cache), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_cache_create");
    assert_null(cache);
}

static void create_rejects_what_is_no_cache(void **state)
{
    vmem_t *arena = make_memory(MEMORY), *coarse = make(0, 1 << 24, 1 << 21, 0);
    const struct vmem_cache_params rows[] = {
        {.name = NULL, .size = 8, .arena = arena},
        {.name = "no arena", .size = 8},
        {.name = "no size", .arena = arena},
        {.name = "large", .size = VMEM_CACHE_SIZE_MAX + 1, .arena = arena},
        {.name = "largest", .size = SIZE_MAX, .arena = arena},
        {.name = "align 3", .size = 8, .align = 3, .arena = arena},
        {.name = "align 24", .size = 48, .align = 24, .arena = arena},
        {.name = "align", .size = 8, .align = 2 * VMEM_CACHE_SIZE_MAX, .arena = arena},
        {.name = "align", .size = 8, .align = SIZE_MAX / 2 + 1, .arena = arena},
        {.name = "destruct", .size = 8, .destruct = destruct_nothing, .arena = arena},
        {.name = "flags", .size = 8, .arena = arena, .flags = 2},
        {.name = "flags", .size = 8, .arena = arena, .flags = 0x80000000},
        {.name = "quantum", .size = 8, .arena = coarse},
    };
    struct vmem_stats stats;

    (void)state;
    create_rejects(NULL);
    assert_int_equal(vmem_cache_create(
                         &(struct vmem_cache_params){.name = "x", .size = 8, .arena = arena}, NULL),
                     -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    for (size_t i = 0; i < LENGTH(rows); i++)
        create_rejects(&rows[i]);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.allocs + stats.fails, 0);
}

static void create_accepts_the_largest_of_each(void **state)
{
    const struct vmem_cache_params params = {.name = "large",
                                             .size = VMEM_CACHE_SIZE_MAX,
                                             .align = VMEM_CACHE_SIZE_MAX,
                                             .construct = construct_nothing,
                                             .arena = make(0, 1 << 24, 1 << 20, 0),
                                             .flags = VMEM_CACHE_NO_MAGAZINES};
    vmem_cache_t *cache = make_cache_params(&params);
    void *object = vmem_cache_alloc(cache, 0);

    (void)state;
    assert_non_null(object);
    assert_int_equal((uintptr_t)object % VMEM_CACHE_SIZE_MAX, 0);
    vmem_cache_free(cache, object);
}

static void create_without_memory_changes_nothing(void **state)
{
    const struct vmem_cache_params params = {
        .name = "refused", .size = 8, .arena = make_memory(MEMORY)};
    vmem_cache_t *cache = NULL;
    unsigned long refuse;

    (void)state;
    for (refuse = 1;; refuse++) {
        hold_blocks(sizeof(struct vmem_cache));
        lender.refuse = refuse;
        if (vmem_cache_create(&params, &cache) == 0)
            break;
        release_blocks();
        assert_null(cache);
        assert_int_equal(lender.refuse, 0);
        check(params.arena);
    }
    assert_true(refuse > 1);
    lender.refuse = 0;
    release_blocks();
    unmake_cache(cache);
}

static void a_new_cache_takes_nothing_from_its_arena(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats = cache_stats(make_cache(arena, 100, 0));
    struct vmem_stats of_arena;

    (void)state;
    vmem_stat(arena, &of_arena);
    assert_int_equal(of_arena.allocs, 0);
    assert_int_equal(stats.slabs + stats.empty_slabs + stats.in_use + stats.in_magazines, 0);
    assert_int_equal(stats.full_magazines + stats.empty_magazines, 0);
    assert_int_equal(stats.allocs + stats.frees + stats.fails + stats.misses + stats.exchanges, 0);
    assert_int_equal(stats.slab_allocs + stats.slab_frees, 0);
    assert_true(stats.objects_per_slab > 0);
}

static void without_an_align_it_is_the_natural_one(void **state)
{
    static const struct {
        size_t size, align;
    } rows[] = {{1, 8},   {3, 8},    {8, 8},     {9, 16},   {16, 16},   {17, 8},   {24, 8},
                {48, 16}, {64, 64},  {96, 32},   {100, 8},  {128, 64},  {192, 64}, {200, 8},
                {1, 8},   {320, 64}, {4096, 64}, {4097, 8}, {65536, 64}};
    vmem_t *arena = make_memory(1 << 21);

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vmem_cache_t *cache = make_cache(arena, rows[i].size, 0);
        size_t rounded = (rows[i].size + rows[i].align - 1) / rows[i].align * rows[i].align;
        void *a = vmem_cache_alloc(cache, 0), *b = vmem_cache_alloc(cache, 0);

        assert_int_equal(cache_stats(cache).object_size, rounded);
        assert_int_equal((uintptr_t)a % rows[i].align, 0);
        assert_int_equal((uintptr_t)b % rows[i].align, 0);
        vmem_cache_free(cache, a);
        vmem_cache_free(cache, b);
        unmake_cache(cache);
    }
}

/*
 * Objects out and in
 */

static void alloc_hands_out_every_object_of_an_arena_once(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 120, 0), .size = 120};
    hold_all(&held);
    stats = cache_stats(held.cache);
    assert_int_equal(stats.slabs, MEMORY / stats.slab_size);
    assert_int_equal(held.count, stats.slabs * stats.objects_per_slab);
    assert_int_equal(stats.in_use, held.count);
    check(arena);
    drop_all(&held);
    check(arena);
}

static void alloc_that_finds_no_room_says_so_and_counts_it(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;
    void *object;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 1000, 0), .size = 1000};
    hold_all(&held);
    stats = cache_stats(held.cache);
    assert_int_equal(stats.fails, 1);
    assert_null(vmem_cache_alloc(held.cache, VMEM_BESTFIT));
    assert_int_equal(cache_stats(held.cache).fails, 2);
    assert_cache_same(held.cache, &stats);
    object = held.objects[7].object;
    drop(&held, 7);
    assert_ptr_equal(vmem_cache_alloc(held.cache, 0), object);
    vmem_cache_free(held.cache, object);
    drop_all(&held);
}

static void alloc_rejects_unknown_flags(void **state)
{
    static const unsigned flags[] = {5, 5 | VMEM_SLEEP, 0x10, 0x80000000};
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    struct vmem_cache_stats before;

    (void)state;
    vmem_cache_free(cache, vmem_cache_alloc(cache, 0)); /* one waits in a magazine, if there are */
    before = cache_stats(cache);
    for (size_t i = 0; i < LENGTH(flags); i++) {
        assert_null(vmem_cache_alloc(cache, flags[i]));
        expect_fault(VMEM_FAULT_PARAMETER);
        assert_string_equal(last_fault.call, "vmem_cache_alloc");
        assert_cache_same(cache, &before);
    }
    assert_null(vmem_cache_alloc(NULL, 0));
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void alloc_finds_its_slab_by_the_policy(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_cache_t *low = make_cache(arena, 64, 0), *high = make_cache(arena, 64, 0);
    vmem_addr_t base = 0;
    void *a, *b;

    (void)state;
    assert_int_equal(vmem_alloc(arena, MEMORY, 0, &base), 0);
    vmem_free(arena, base, MEMORY);
    a = vmem_cache_alloc(low, VMEM_FIRSTFIT);
    b = vmem_cache_alloc(high, VMEM_LASTFIT);
    assert_in_range((vmem_addr_t)(uintptr_t)a, base, base + cache_stats(low).slab_size - 1);
    assert_in_range((vmem_addr_t)(uintptr_t)b, base + MEMORY - cache_stats(high).slab_size,
                    base + MEMORY - 1);
    vmem_cache_free(low, a);
    vmem_cache_free(high, b);
}

static void freed_objects_are_handed_out_again_before_a_new_slab(void **state)
{
    static struct holding held;
    struct vmem_cache_stats stats;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 200, 0), .size = 200};
    for (unsigned i = 0; i < 300; i++)
        assert_true(hold(&held, 0));
    stats = cache_stats(held.cache);
    for (unsigned i = 0; i < 100; i++)
        drop(&held, (i * 61) % held.count);
    for (unsigned i = 0; i < 100; i++)
        assert_true(hold(&held, 0));
    assert_int_equal(cache_stats(held.cache).slab_allocs, stats.slab_allocs);
    check_cache(held.cache);
    drop_all(&held);
}

static void counters_count_what_happened(void **state)
{
    static struct holding held;
    struct vmem_cache_stats stats;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 48, 0), .size = 48};
    for (unsigned i = 0; i < 500; i++)
        assert_true(hold(&held, 0));
    while (held.count > 200)
        drop(&held, 0);
    stats = cache_stats(held.cache);
    assert_int_equal(stats.allocs, 500);
    assert_int_equal(stats.frees, 300);
    assert_int_equal(stats.in_use, 200);
    assert_int_equal(stats.slabs, stats.slab_allocs - stats.slab_frees);
    assert_true(stats.exchanges <= stats.misses && stats.misses <= 800);
    if (has_magazines()) {
        assert_in_range(stats.in_magazines, 1, stats.slabs * stats.objects_per_slab - 200);
        assert_in_range(stats.misses, 1, 400);
    } else {
        assert_int_equal(stats.in_magazines, 0);
        assert_int_equal(stats.misses, 800);
        assert_int_equal(stats.exchanges, 0);
    }
    drop_all(&held);
    stats = cache_stats(held.cache);
    assert_int_equal(stats.frees, 500);
    assert_int_equal(stats.in_use, 0);
}

/* What is in a free object stays, whatever happens to the cache. */
static void nothing_that_is_free_is_written(void **state)
{
    static const size_t sizes[] = {8, 40, 256, 3000, 20000};

    (void)state;
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        static struct holding held;
        static unsigned char before[MEMORY];
        vmem_t *arena = make_memory(MEMORY);
        vmem_cache_t *cache = make_cache(arena, sizes[s], 0);
        vmem_addr_t base = 0;
        const void *memory;

        assert_int_equal(vmem_alloc(arena, MEMORY, 0, &base), 0);
        vmem_free(arena, base, MEMORY);
        memory = (const void *)(uintptr_t)base;
        held = (struct holding){.cache = cache, .size = sizes[s]};
        while (held.count < 4000 && hold(&held, 0))
            ;
        memcpy(before, memory, MEMORY);
        while (held.count > 10)
            drop(&held, held.count / 3);
        for (unsigned i = 0; i < 100; i++) {
            void *object = vmem_cache_alloc(cache, 0);

            assert_non_null(object);
            vmem_cache_free(cache, object);
        }
        drop_all(&held);
        (void)vmem_cache_trim(cache);
        vmem_cache_reap(cache);
        unmake_cache(cache);
        assert_memory_equal(memory, before, MEMORY);
    }
}

static void a_cache_without_magazines_has_none(void **state)
{
    const struct vmem_cache_params params = {.name = "slabs",
                                             .size = 64,
                                             .arena = make_memory(MEMORY),
                                             .flags = VMEM_CACHE_NO_MAGAZINES};
    vmem_cache_t *cache = make_cache_params(&params);
    struct vmem_cache_stats stats;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    stats = cache_stats(cache);
    assert_int_equal(stats.magazine_size, 0);
    assert_int_equal(stats.in_magazines + stats.full_magazines + stats.empty_magazines, 0);
    assert_int_equal(stats.misses, 200);
    assert_int_equal(stats.exchanges, 0);
    assert_int_equal(stats.allocs, 100);
    assert_int_equal(stats.empty_slabs, 1);
    check_cache(cache);
}

/*
 * Constructors. An object is a thing; who made it is noted in it, and that it stands.
 */

struct maker {
    unsigned constructed, destructed;
    unsigned calls, fail_at; /* the call that fails; 0: none */
    unsigned flags;          /* of the last call */
    vmem_cache_t *other;     /* from which the constructor takes an object, too */
};

struct thing {
    struct maker *maker; /* constructed, if both say so */
    struct thing *self;
    void *part;
    unsigned char body[40];
};

static int construct(void *object, void *ctx, unsigned flags)
{
    struct thing *thing = object;
    struct maker *maker = ctx;

    checked_port_no_lock("construct");
    assert_false(thing->maker == maker && thing->self == thing);
    maker->flags = flags;
    if (++maker->calls == maker->fail_at)
        return -VMEM_ENOMEM;
    if (maker->other != NULL) {
        thing->part = vmem_cache_alloc(maker->other, flags);
        if (thing->part == NULL)
            return -VMEM_ENOMEM;
    }
    thing->maker = maker;
    thing->self = thing;
    maker->constructed++;
    return 0;
}

static void destruct(void *object, void *ctx)
{
    struct thing *thing = object;
    struct maker *maker = ctx;

    checked_port_no_lock("destruct");
    assert_ptr_equal(thing->maker, maker);
    assert_ptr_equal(thing->self, thing);
    if (maker->other != NULL)
        vmem_cache_free(maker->other, thing->part);
    thing->maker = NULL;
    maker->destructed++;
}

static vmem_cache_t *make_things(vmem_t *arena, struct maker *maker)
{
    const struct vmem_cache_params params = {.name = "thing",
                                             .size = sizeof(struct thing),
                                             .construct = construct,
                                             .destruct = destruct,
                                             .ctx = maker,
                                             .arena = arena};

    return make_cache_params(&params);
}

static void assert_stands(const void *object, const struct maker *maker)
{
    const struct thing *thing = object;

    assert_ptr_equal(thing->maker, maker);
    assert_ptr_equal(thing->self, thing);
}

static void objects_are_constructed_once_and_stay_so(void **state)
{
    static struct holding held;
    static struct maker maker;

    (void)state;
    maker = (struct maker){.constructed = 0};
    held = (struct holding){.cache = make_things(make_memory(MEMORY), &maker),
                            .size = sizeof(struct thing),
                            .spared = offsetof(struct thing, body)};
    for (unsigned round = 0; round < 3; round++) {
        while (held.count < 200) {
            assert_true(hold(&held, 0));
            assert_stands(held.objects[held.count - 1].object, &maker);
        }
        while (held.count > 60 * round)
            drop(&held, held.count / 2);
        check_cache(held.cache);
    }
    assert_true(maker.constructed >= 200);
    assert_int_equal(maker.calls, maker.constructed);
    drop_all(&held);
    unmake_cache(held.cache);
    assert_int_equal(maker.destructed, maker.constructed);
}

static void the_constructor_is_told_the_flags_of_the_allocation(void **state)
{
    static struct maker maker;
    vmem_cache_t *cache;

    (void)state;
    maker = (struct maker){.flags = 77};
    cache = make_things(make_memory(MEMORY), &maker);
    vmem_cache_free(cache, vmem_cache_alloc(cache, VMEM_LASTFIT));
    assert_int_equal(maker.flags, VMEM_LASTFIT);
    unmake_cache(cache);
}

static void objects_are_destructed_when_their_slab_is_given_back(void **state)
{
    static struct holding held;
    static struct maker maker;
    struct vmem_cache_stats stats;

    (void)state;
    maker = (struct maker){.constructed = 0};
    held = (struct holding){.cache = make_things(make_memory(MEMORY), &maker),
                            .size = sizeof(struct thing),
                            .spared = offsetof(struct thing, body)};
    hold_all(&held);
    assert_int_equal(maker.constructed, held.count);
    assert_int_equal(maker.destructed, 0);
    drop_all(&held);
    stats = cache_stats(held.cache);
    assert_int_equal(maker.destructed, stats.slab_frees * stats.objects_per_slab);
    vmem_cache_reap(held.cache);
    assert_int_equal(cache_stats(held.cache).slabs, 0);
    assert_int_equal(maker.destructed, maker.constructed);
    vmem_cache_free(held.cache, vmem_cache_alloc(held.cache, 0));
    assert_true(maker.constructed > maker.destructed);
    unmake_cache(held.cache);
    assert_int_equal(maker.destructed, maker.constructed);
}

/* Takes and frees a few hundred, and sees that the counts are right at each step. */
static unsigned churn_things(vmem_cache_t *cache, struct maker *maker)
{
    static struct holding held;
    unsigned refused = 0;

    held = (struct holding){
        .cache = cache, .size = sizeof(struct thing), .spared = offsetof(struct thing, body)};
    for (unsigned i = 0; i < 150; i++) {
        struct vmem_cache_stats stats;

        if (hold(&held, 0))
            assert_stands(held.objects[held.count - 1].object, maker);
        else
            refused++;
        if (i % 4 == 3)
            drop(&held, i % held.count);
        stats = cache_stats(cache);
        assert_int_equal(stats.in_use, held.count);
        assert_int_equal(stats.allocs - stats.frees, held.count);
        check_cache(cache);
    }
    drop_all(&held);
    assert_int_equal(cache_stats(cache).fails, refused);
    return refused;
}

static void a_constructor_that_fails_at_any_call_loses_nothing(void **state)
{
    unsigned fail_at = 0;
    static struct maker maker;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    do {
        vmem_cache_t *cache;
        unsigned refused;

        maker = (struct maker){.fail_at = ++fail_at};
        cache = make_things(arena, &maker);
        refused = churn_things(cache, &maker);
        if (!has_magazines()) /* from where one may be had that was constructed before */
            assert_int_equal(refused, maker.calls >= fail_at);
        unmake_cache(cache);
        assert_int_equal(maker.destructed, maker.constructed);
        assert_layout(arena, MEMORY, "[.1]");
    } while (maker.calls >= fail_at);
    assert_true(fail_at > 100);
}

static void a_constructor_that_always_fails_leaves_nothing_behind(void **state)
{
    static struct maker maker;
    vmem_t *arena = make_memory(MEMORY);
    vmem_cache_t *cache;

    (void)state;
    maker = (struct maker){.calls = 0};
    cache = make_things(arena, &maker);
    for (unsigned i = 1; i < 10; i++) {
        maker.fail_at = maker.calls + 1;
        assert_null(vmem_cache_alloc(cache, 0));
        assert_int_equal(cache_stats(cache).fails, i);
        assert_int_equal(cache_stats(cache).in_use, 0);
        check_cache(cache);
    }
    vmem_cache_reap(cache);
    assert_layout(arena, MEMORY, "[.1]");
    assert_int_equal(maker.constructed, 0);
}

static void a_constructor_may_use_another_cache_over_the_same_arena(void **state)
{
    static struct holding held;
    static struct maker maker;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    maker = (struct maker){.other = make_cache(arena, 200, 0)};
    held = (struct holding){.cache = make_things(arena, &maker),
                            .size = sizeof(struct thing),
                            .spared = offsetof(struct thing, body)};
    hold_all(&held); /* until one of the two caches finds no slab */
    assert_true(held.count > 500);
    assert_int_equal(cache_stats(maker.other).in_use, maker.constructed);
    drop_all(&held);
    check(arena);
    unmake_cache(held.cache);
    assert_int_equal(maker.destructed, maker.constructed);
    assert_int_equal(cache_stats(maker.other).in_use, 0);
}

/*
 * Reap
 */

static void reap_gives_everything_back(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 56, 0), .size = 56};
    for (unsigned round = 0; round < 2; round++) {
        hold_all(&held);
        drop_all(&held);
        vmem_cache_reap(held.cache);
        stats = cache_stats(held.cache);
        assert_int_equal(stats.slabs + stats.empty_slabs, 0);
        assert_int_equal(stats.in_magazines + stats.full_magazines + stats.empty_magazines, 0);
        assert_int_equal(stats.slab_frees, stats.slab_allocs);
        assert_layout(arena, MEMORY, "[.1]");
        check(arena);
    }
}

static void reap_keeps_what_is_out(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    struct vmem_cache_stats stats;
    struct vmem_stats of_arena;

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 1024, 0), .size = 1024};
    hold_all(&held);
    while (held.count > 1)
        drop(&held, held.count - 1);
    vmem_cache_reap(held.cache);
    stats = cache_stats(held.cache);
    assert_int_equal(stats.slabs, 1);
    assert_int_equal(stats.empty_slabs, 0);
    assert_int_equal(stats.in_use, 1);
    assert_int_equal(stats.in_magazines, 0);
    vmem_stat(arena, &of_arena);
    assert_int_equal(of_arena.in_use, stats.slab_size);
    drop_all(&held);
}

static void reap_of_the_arena_or_of_all_reaches_its_caches(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_cache_t *a = make_cache(arena, 64, 0), *b = make_cache(arena, 100, 0);

    (void)state;
    for (unsigned all = 0; all < 2; all++) {
        vmem_cache_free(a, vmem_cache_alloc(a, 0));
        vmem_cache_free(b, vmem_cache_alloc(b, 0));
        vmem_reap(all ? NULL : arena);
        assert_int_equal(cache_stats(a).slabs + cache_stats(b).slabs, 0);
        assert_layout(arena, MEMORY, "[.1]");
    }
}

/* Others get a turn: the lock is taken anew for every 16 objects. */
static void reap_holds_the_lock_for_a_few_objects_at_a_time(void **state)
{
    static struct holding held;
    unsigned long locks;
    size_t rounds;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 16, 0), .size = 16};
    while (held.count < 5000)
        assert_true(hold(&held, 0));
    drop_all(&held);
    rounds = cache_stats(held.cache).in_magazines;
    assert_true(rounds >= 5000);
    locks = checked_port_locks;
    vmem_cache_reap(held.cache);
    assert_true(checked_port_locks - locks >= rounds / 16);
    assert_int_equal(cache_stats(held.cache).slabs, 0);
}

static void reap_of_no_cache_does_nothing(void **state)
{
    (void)state;
    vmem_cache_reap(NULL);
    assert_int_equal(fault_count, 0);
}

/* Spare objects, which reclaim frees. */
struct spare {
    vmem_cache_t *cache;
    void *objects[50];
    unsigned count, calls;
};

static void reclaim(void *ctx)
{
    struct spare *spare = ctx;

    checked_port_no_lock("reclaim");
    spare->calls++;
    while (spare->count > 0)
        vmem_cache_free(spare->cache, spare->objects[--spare->count]);
}

static void reap_asks_for_what_can_be_spared_first(void **state)
{
    static struct spare spare;
    vmem_t *arena = make_memory(MEMORY);
    const struct vmem_cache_params params = {
        .name = "spare", .size = 500, .reclaim = reclaim, .ctx = &spare, .arena = arena};

    (void)state;
    spare = (struct spare){.cache = make_cache_params(&params)};
    while (spare.count < LENGTH(spare.objects))
        spare.objects[spare.count++] = vmem_cache_alloc(spare.cache, 0);
    assert_int_equal(spare.calls, 0);
    vmem_cache_reap(spare.cache);
    assert_int_equal(spare.calls, 1);
    assert_int_equal(cache_stats(spare.cache).slabs, 0);
    assert_layout(arena, MEMORY, "[.1]");
    vmem_reap(arena);
    assert_int_equal(spare.calls, 2);
}

/*
 * Destruction
 */

static void destroy_is_refused_while_objects_are_out(void **state)
{
    static struct holding held;
    struct vmem_cache_stats before;
    static struct maker maker;

    (void)state;
    maker = (struct maker){.constructed = 0};
    held = (struct holding){.cache = make_things(make_memory(MEMORY), &maker),
                            .size = sizeof(struct thing),
                            .spared = offsetof(struct thing, body)};
    for (unsigned i = 0; i < 100; i++)
        assert_true(hold(&held, 0));
    while (held.count > 3)
        drop(&held, 5 % held.count);
    before = cache_stats(held.cache);
    assert_int_equal(vmem_cache_destroy(held.cache), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_string_equal(last_fault.call, "vmem_cache_destroy");
    assert_string_equal(last_fault.arena_name, "thing");
    assert_int_equal(last_fault.size, 3);
    assert_cache_same(held.cache, &before);
    drop_all(&held);
    unmake_cache(held.cache);
    assert_int_equal(maker.destructed, maker.constructed);
}

static void destroy_of_no_cache_is_reported(void **state)
{
    (void)state;
    assert_int_equal(vmem_cache_destroy(NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_cache_destroy");
}

/* A reaper looks at the cache, and reclaim plays another thread, which wants to be rid of it. */
static int destroyed;

static void reclaim_and_destroy(void *ctx)
{
    vmem_cache_t **cachep = ctx;

    checked_port_thread = 2;
    destroyed = vmem_cache_destroy(*cachep);
    checked_port_thread = 1;
}

static void destroy_waits_for_who_looks_at_the_cache(void **state)
{
    static vmem_cache_t *cache;
    struct vmem_cache_params params = {.name = "wanted",
                                       .size = 64,
                                       .reclaim = reclaim_and_destroy,
                                       .ctx = &cache,
                                       .arena = make_memory(MEMORY)};

    (void)state;
    cache = make_cache_params(&params);
    vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    vmem_reap(params.arena);
    assert_int_equal(destroyed, -VMEM_EBUSY);
    assert_int_equal(fault_count, 0);
    check_cache(cache);
    unmake_cache(cache);
}

static void destroy_gives_everything_back(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    held = (struct holding){.cache = make_cache(arena, 64, 0), .size = 64};
    hold_all(&held);
    drop_all(&held);
    unmake_cache(held.cache);
    assert_layout(arena, MEMORY, "[.1]");
}

static void an_arena_cannot_go_before_its_caches(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_cache_t *cache = make_cache(arena, 64, 0);

    (void)state;
    assert_int_equal(vmem_destroy(arena), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    check(arena);
    vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    check_cache(cache);
    unmake_cache(cache);
    unmake(arena);
}

/*
 * Misuse
 */

static void free_of_nothing_is_reported(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    struct vmem_cache_stats before;

    (void)state;
    vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    before = cache_stats(cache);
    vmem_cache_free(cache, NULL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_cache_free");
    assert_cache_same(cache, &before);
}

static void an_object_freed_twice_in_a_row_is_reported(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    void *a = vmem_cache_alloc(cache, 0), *b = vmem_cache_alloc(cache, 0);
    struct vmem_cache_stats before;

    (void)state;
    vmem_cache_free(cache, a);
    before = cache_stats(cache);
    vmem_cache_free(cache, a);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    assert_string_equal(last_fault.call, "vmem_cache_free");
    assert_int_equal(last_fault.addr, (uintptr_t)a);
    assert_cache_same(cache, &before);
    vmem_cache_free(cache, b);
    vmem_cache_free(cache, b);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
}

/* Frees what is no object, and sees that it is reported, and nothing else: at once, where the slabs
 * are looked at, or in the end. */
static void free_reports(vmem_cache_t *cache, void *object, enum vmem_fault_kind kind)
{
    struct vmem_cache_stats before = cache_stats(cache);

    vmem_cache_free(cache, object);
    if (!VMEM_CONFIG_DEBUG && has_magazines() && fault_count == 0)
        vmem_cache_reap(cache);
    expect_fault(kind);
    assert_int_equal(last_fault.addr, (uintptr_t)object);
    assert_string_equal(last_fault.arena_name, "cache");
    if (VMEM_CONFIG_DEBUG)
        assert_cache_same(cache, &before);
    check_cache(cache);
}

static void an_object_freed_again_later_is_reported(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    void *a = vmem_cache_alloc(cache, 0), *b = vmem_cache_alloc(cache, 0);
    void *c = vmem_cache_alloc(cache, 0);

    (void)state;
    vmem_cache_free(cache, a);
    vmem_cache_free(cache, b);
    free_reports(cache, a, VMEM_FAULT_DOUBLE_FREE);
    if (VMEM_CONFIG_DEBUG)
        assert_true(last_fault.allocated_by != 0);
    vmem_cache_free(cache, c);
    vmem_cache_reap(cache);
    assert_int_equal(cache_stats(cache).slabs, 0);
}

static void an_address_inside_an_object_is_reported(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(MEMORY), 64, 0);
    char *object = vmem_cache_alloc(cache, 0);

    (void)state;
    free_reports(cache, object + 1, VMEM_FAULT_MISALIGNED);
    assert_int_equal(last_fault.expected_addr, (uintptr_t)object);
    assert_int_equal(last_fault.expected_size, 64);
    if (VMEM_CONFIG_DEBUG)
        assert_true(last_fault.allocated_by != 0);
    free_reports(cache, object + 63, VMEM_FAULT_MISALIGNED);
    vmem_cache_free(cache, object);
}

/* Where a slab begins with a colour, or what is left at its end. */
static void an_address_between_the_objects_is_reported(void **state)
{
    static struct holding held;
    vmem_addr_t slab, first, end;
    struct vmem_cache_stats stats;

    (void)state;
    held = (struct holding){.cache = make_cache(make_memory(MEMORY), 300, 4), .size = 300};
    stats = cache_stats(held.cache);
    assert_true(stats.objects_per_slab * stats.object_size < stats.slab_size);
    while (held.count < 2 * stats.objects_per_slab)
        assert_true(hold(&held, 0));
    slab = (vmem_addr_t)(uintptr_t)held.objects[held.count - 1].object & ~(stats.slab_size - 1);
    first = (vmem_addr_t)(uintptr_t)held.objects[held.count - 1].object;
    first = slab + (first - slab) % stats.object_size;
    end = first + stats.objects_per_slab * stats.object_size;
    if (first > slab)
        free_reports(held.cache, (void *)(uintptr_t)slab, VMEM_FAULT_MISALIGNED);
    if (end < slab + stats.slab_size)
        free_reports(held.cache, (void *)(uintptr_t)end, VMEM_FAULT_MISALIGNED);
    assert_string_equal(last_fault.arena_name, "cache"); /* one at least was there */
    drop_all(&held);
}

static void an_object_of_another_cache_is_reported(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_cache_t *cache = make_cache(arena, 64, 0), *other = make_cache(arena, 64, 0);
    void *own = vmem_cache_alloc(cache, 0), *foreign = vmem_cache_alloc(other, 0);
    char on_the_stack[64];

    (void)state;
    free_reports(cache, foreign, VMEM_FAULT_FOREIGN);
    free_reports(cache, on_the_stack, VMEM_FAULT_FOREIGN);
    free_reports(cache, (void *)(UINTPTR_MAX - 63), VMEM_FAULT_FOREIGN);
    vmem_cache_free(cache, own);
    vmem_cache_free(other, foreign);
}

/*
 * Refusals
 */

static void no_object_of_memory_stands_at_address_0(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 4096, 0); /* where no memory is: nothing may be touched */
    vmem_cache_t *cache = make_cache(arena, 512, 0);
    static void *objects[200];
    unsigned count = 0;
    struct vmem_cache_stats stats;

    (void)state;
    while ((objects[count] = vmem_cache_alloc(cache, VMEM_FIRSTFIT)) != NULL)
        assert_true(++count < LENGTH(objects));
    stats = cache_stats(cache);
    assert_int_equal(stats.allocs, count);
    assert_int_equal(stats.fails, 1);
    assert_true(count * 512 + stats.slab_size >= 1 << 16); /* at most the first slab is lost */
    while (count > 0)
        vmem_cache_free(cache, objects[--count]);
    check(arena);
}

/* A life of two caches over a small arena, in which anything may be refused and nothing get lost.
 */

static struct life {
    struct holding held;
    struct maker maker;
} lives[2];

static unsigned refused;

static void begin(struct life *life, size_t size, vmem_t *arena)
{
    const struct vmem_cache_params params = {.name = "refused",
                                             .size = size,
                                             .construct = construct,
                                             .destruct = destruct,
                                             .ctx = &life->maker,
                                             .arena = arena};

    life->maker = (struct maker){.constructed = 0};
    life->held = (struct holding){.size = size, .spared = offsetof(struct thing, body)};
    if (vmem_cache_create(&params, &life->held.cache) != 0) {
        life->held.cache = NULL;
        refused++;
    }
}

static void live(struct life *life, unsigned i)
{
    if (life->held.cache == NULL)
        return;
    if (has_magazines())
        checked_port_cpu = i / 7 % VMEM_PORT_CPUS;
    if (i % 5 == 4 && life->held.count > 0)
        drop(&life->held, i % life->held.count);
    else if (!hold(&life->held, 0))
        refused++;
    assert_int_equal(cache_stats(life->held.cache).in_use, life->held.count);
}

static void end(struct life *life)
{
    if (life->held.cache == NULL)
        return;
    check_cache(life->held.cache);
    drop_all(&life->held);
    check_cache(life->held.cache);
    assert_int_equal(vmem_cache_destroy(life->held.cache), 0);
    assert_int_equal(life->maker.constructed, life->maker.destructed);
}

static void live_with_refusals(vmem_t *arena)
{
    begin(&lives[0], sizeof(struct thing), arena);
    begin(&lives[1], 900, arena);
    for (unsigned i = 0; i < 600; i++)
        live(&lives[i / 50 % 2], i);
    end(&lives[0]);
    end(&lives[1]);
}

static void a_page_refused_at_any_call_loses_nothing(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    unsigned long n = 0;
    bool reached;

    (void)state;
    refused = 0;
    do {
        vmem_reap(NULL);
        hold_blocks(sizeof(struct vmem_cache));
        lender.refuse = ++n;
        live_with_refusals(arena);
        reached = lender.refuse == 0;
        lender.refuse = 0;
        release_blocks();
        vmem_reap(arena);
        assert_layout(arena, MEMORY, "[.1]");
        check(arena);
    } while (reached);
    assert_true(n > 2);
    assert_true(refused > 0);
}

static void without_a_page_from_some_call_on_nothing_is_lost(void **state)
{
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    refused = 0;
    hold_blocks(sizeof(struct vmem_cache));
    lender.refuse_all = true;
    live_with_refusals(arena);
    lender.refuse_all = false;
    release_blocks();
    vmem_reap(arena);
    assert_layout(arena, MEMORY, "[.1]");
    check(arena);
    assert_true(refused > 0);
}

struct broker {
    vmem_t *source;
    unsigned calls, fail_at; /* from which on a few fail: the first is tried again */
};

static int broker_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                         unsigned flags, vmem_addr_t *addrp)
{
    struct broker *broker = ctx;

    checked_port_no_lock("import");
    broker->calls++;
    if (broker->calls >= broker->fail_at && broker->calls < broker->fail_at + 5)
        return -VMEM_ENOSPC;
    return vmem_xalloc(broker->source, size, c, flags, addrp);
}

static void broker_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    struct broker *broker = ctx;

    checked_port_no_lock("release");
    vmem_xfree(broker->source, addr, size);
}

static void an_import_refused_at_any_call_loses_nothing(void **state)
{
    static struct broker broker;
    const struct vmem_params params = {.name = "importer",
                                       .quantum = 4096,
                                       .import = broker_import,
                                       .release = broker_release,
                                       .ctx = &broker};
    unsigned n = 0;
    vmem_t *arena;

    (void)state;
    refused = 0;
    broker = (struct broker){.source = make_memory(MEMORY)};
    arena = make_params(&params);
    do {
        broker.calls = 0;
        broker.fail_at = ++n;
        live_with_refusals(arena);
        vmem_reap(arena);
        assert_layout(arena, MEMORY, "");
        assert_layout(broker.source, MEMORY, "[.1]");
    } while (broker.calls >= broker.fail_at);
    assert_true(n > 10);
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(create_rejects_what_is_no_cache),
        ONCE(create_accepts_the_largest_of_each),
        ONCE(create_without_memory_changes_nothing),
        ONCE(a_new_cache_takes_nothing_from_its_arena),
        WITH_AND_WITHOUT(without_an_align_it_is_the_natural_one),

        WITH_AND_WITHOUT(alloc_hands_out_every_object_of_an_arena_once),
        WITH_AND_WITHOUT(alloc_that_finds_no_room_says_so_and_counts_it),
        WITH_AND_WITHOUT(alloc_rejects_unknown_flags),
        WITH_AND_WITHOUT(alloc_finds_its_slab_by_the_policy),
        WITH_AND_WITHOUT(freed_objects_are_handed_out_again_before_a_new_slab),
        WITH_AND_WITHOUT(counters_count_what_happened),
        WITH_AND_WITHOUT(nothing_that_is_free_is_written),
        WITH_AND_WITHOUT(a_cache_without_magazines_has_none),

        WITH_AND_WITHOUT(objects_are_constructed_once_and_stay_so),
        WITH_AND_WITHOUT(the_constructor_is_told_the_flags_of_the_allocation),
        WITH_AND_WITHOUT(objects_are_destructed_when_their_slab_is_given_back),
        WITH_AND_WITHOUT(a_constructor_that_fails_at_any_call_loses_nothing),
        WITH_AND_WITHOUT(a_constructor_that_always_fails_leaves_nothing_behind),
        WITH_AND_WITHOUT(a_constructor_may_use_another_cache_over_the_same_arena),

        WITH_AND_WITHOUT(reap_gives_everything_back),
        WITH_AND_WITHOUT(reap_keeps_what_is_out),
        WITH_AND_WITHOUT(reap_of_the_arena_or_of_all_reaches_its_caches),
        WITH_MAGAZINES(reap_holds_the_lock_for_a_few_objects_at_a_time),
        ONCE(reap_of_no_cache_does_nothing),
        WITH_AND_WITHOUT(reap_asks_for_what_can_be_spared_first),

        WITH_AND_WITHOUT(destroy_is_refused_while_objects_are_out),
        ONCE(destroy_of_no_cache_is_reported),
        WITH_AND_WITHOUT(destroy_waits_for_who_looks_at_the_cache),
        WITH_AND_WITHOUT(destroy_gives_everything_back),
        WITH_AND_WITHOUT(an_arena_cannot_go_before_its_caches),

        WITH_AND_WITHOUT(free_of_nothing_is_reported),
        WITH_AND_WITHOUT(an_object_freed_twice_in_a_row_is_reported),
        WITH_AND_WITHOUT(an_object_freed_again_later_is_reported),
        WITH_AND_WITHOUT(an_address_inside_an_object_is_reported),
        WITH_AND_WITHOUT(an_address_between_the_objects_is_reported),
        WITH_AND_WITHOUT(an_object_of_another_cache_is_reported),

        WITH_AND_WITHOUT(no_object_of_memory_stands_at_address_0),
        WITH_AND_WITHOUT(a_page_refused_at_any_call_loses_nothing),
        WITH_AND_WITHOUT(without_a_page_from_some_call_on_nothing_is_lost),
        WITH_AND_WITHOUT(an_import_refused_at_any_call_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
