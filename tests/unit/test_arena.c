/* SPDX-License-Identifier: MIT */
/*
 * test_arena.c - making arenas, ending them, and asking them: create, destroy, stat, contains.
 */
#include "support.h"

#include "arena.h"

#include <string.h>

static const struct vmem_params good = {
    .name = "good", .base = 0x1000, .size = 0x1000, .quantum = 0x10};

static void create_makes_an_arena_with_one_span(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    assert_layout(arena, 0x10, "[.256]");
}

static void create_without_a_size_makes_an_arena_without_a_span(void **state)
{
    vmem_t *arena = make(0, 0, 1, INDEX(state));

    assert_layout(arena, 1, "");
    refused(arena, 1, 0, -VMEM_ENOSPC);
}

static void create_accepts_a_span_at_address_zero(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    assert_true(vmem_contains(arena, 0, 8));
    assert_int_equal(take(arena, 8, 0), 0);
}

static void create_accepts_a_span_that_ends_with_the_address_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 7, 8, 1, INDEX(state));

    assert_true(vmem_contains(arena, VMEM_ADDR_MAX, 1));
    assert_int_equal(take(arena, 8, 0), VMEM_ADDR_MAX - 7);
}

static void create_accepts_the_largest_quantum(void **state)
{
    const vmem_size_t half = VMEM_ADDR_MAX / 2 + 1;
    vmem_t *arena = make(half, half, half, INDEX(state));

    assert_int_equal(take(arena, 1, 0), half);
    assert_layout(arena, half, "[#1]");
}

static void create_accepts_a_quantum_cache_that_is_not_there_yet(void **state)
{
    struct vmem_params params = good;
    vmem_t *arena;

    params.flags = INDEX(state);
    params.qcache_max = 0x80;
    arena = make_params(&params);
    assert_int_equal(take(arena, 0x1000, 0), 0x1000);
}

static void create_accepts_every_flag_at_once(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state) | VMEM_ARENA_STRICT);

    (void)take(arena, 8, 0);
}

static void create_rejects(const struct vmem_params *params)
{
    vmem_t *const untouched = (vmem_t *)(uintptr_t)0x1000;
    vmem_t *arena = untouched;

    assert_int_equal(vmem_create(params, &arena), -VMEM_EINVAL);
    assert_ptr_equal(arena, untouched);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_null(last_fault.arena);
    assert_string_equal(last_fault.call, "vmem_create");
}

static void create_rejects_a_missing_parameter(void **state)
{
    struct vmem_params params = good;

    (void)state;
    create_rejects(NULL);
    params.name = NULL;
    create_rejects(&params);
    assert_int_equal(vmem_create(&good, NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void create_rejects_a_quantum_that_is_no_power_of_two(void **state)
{
    static const vmem_size_t wrong[] = {0, 3, 0x18, VMEM_ADDR_MAX};
    struct vmem_params params = good;

    (void)state;
    params.size = 0;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        params.quantum = wrong[i];
        create_rejects(&params);
    }
}

static void create_rejects_a_span_that_is_not_in_quanta(void **state)
{
    struct vmem_params params = good;

    (void)state;
    params.base = 0x1008;
    create_rejects(&params);
    params = good;
    params.size = 0x1008;
    create_rejects(&params);
}

static void create_rejects_a_span_that_passes_the_end_of_the_address_space(void **state)
{
    struct vmem_params params = good;

    (void)state;
    params.base = VMEM_ADDR_MAX - 0xfff;
    params.size = 0x1010;
    create_rejects(&params);
    params.base = 0x20;
    params.size = VMEM_ADDR_MAX - 0xf;
    create_rejects(&params);
}

static void create_rejects_unknown_flags(void **state)
{
    struct vmem_params params = good;

    (void)state;
    params.flags = 0x4;
    create_rejects(&params);
    params.flags = 0x80000000;
    create_rejects(&params);
}

static int no_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                     vmem_addr_t *addrp)
{
    (void)ctx;
    (void)size;
    (void)c;
    (void)flags;
    (void)addrp;
    return -VMEM_ENOSPC;
}

static void no_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    (void)ctx;
    (void)addr;
    (void)size;
}

static void create_rejects_an_import_without_a_release_and_the_reverse(void **state)
{
    struct vmem_params params = good;

    (void)state;
    params.import = no_import;
    create_rejects(&params);
    params.import = NULL;
    params.release = no_release;
    create_rejects(&params);
}

static void create_rejects_a_chain_longer_than_the_configured_depth(void **state)
{
    vmem_t *arena = make(0, 0x1000, 1, INDEX(state));
    struct vmem_params params = {.name = "link", .quantum = 1, .flags = INDEX(state)};

    for (unsigned depth = 1; depth <= VMEM_CONFIG_IMPORT_DEPTH; depth++)
        arena = make_child(arena, 1, INDEX(state));
    (void)take(arena, 1, 0);
    params.source = arena;
    create_rejects(&params);
}

static void create_that_finds_no_memory_leaves_nothing_behind(void **state)
{
    struct vmem_params params = good;
    struct vmem_pool_stats before, after;
    vmem_t *filler[512];
    size_t count = 0;
    int error = 0;

    params.flags = INDEX(state);
    lender.refuse_all = true;
    while (count < LENGTH(filler) && (error = vmem_create(&params, &filler[count])) == 0)
        count++;
    assert_int_equal(error, -VMEM_ENOMEM);
    vmem_pool_stat(&before);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(vmem_create(&params, &filler[count]), -VMEM_ENOMEM);
    vmem_pool_stat(&after);
    assert_int_equal(before.tags_used, after.tags_used);
    assert_int_equal(before.tags_free, after.tags_free);
    while (count > 0)
        assert_int_equal(vmem_destroy(filler[--count]), 0);
}

static void destroy_of_nothing_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(vmem_destroy(NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void destroy_gives_back_all_that_the_arena_took(void **state)
{
    struct vmem_params params = good;
    struct vmem_pool_stats before, after;
    vmem_t *arena = NULL;

    params.flags = INDEX(state);
    vmem_pool_stat(&before);
    assert_int_equal(vmem_create(&params, &arena), 0);
    assert_int_equal(vmem_add(arena, 0, 0x1000, 0), 0);
    assert_int_equal(vmem_destroy(arena), 0);
    vmem_reap(NULL);
    vmem_pool_stat(&after);
    assert_int_equal(before.tags_used, after.tags_used);
    assert_int_equal(before.static_pages, after.static_pages);
    assert_int_equal(before.lent_pages, after.lent_pages);
}

static void destroy_is_refused_while_something_is_allocated(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    vmem_addr_t addr = take(arena, 1, 0);

    assert_int_equal(vmem_destroy(arena), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_ptr_equal(last_fault.arena, arena);
    assert_string_equal(last_fault.arena_name, "test");
    give(arena, addr, 1);
    unmake(arena);
}

static void destroy_is_refused_while_another_arena_imports_from_it(void **state)
{
    vmem_t *source = make(0, 0x1000, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));

    assert_int_equal(vmem_destroy(source), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    unmake(child);
    unmake(source);
}

static void try_to_destroy(void *ctx, const char *string)
{
    (void)string;
    assert_int_equal(vmem_destroy(ctx), -VMEM_EBUSY); /* which is not reported */
}

static void destroy_is_refused_while_the_arena_is_printed(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    assert_int_equal(vmem_whatis(0, try_to_destroy, arena), 1);
    unmake(arena);
}

static vmem_t *pin(const vmem_t *wanted)
{
    uint32_t after = 0;
    vmem_t *arena;

    while ((arena = vmem_pin_next(after)) != wanted) {
        assert_non_null(arena);
        after = arena->id;
        vmem_unpin(arena);
    }
    return arena;
}

/* It is nobody's fault that another thread is going through the arenas. */
static void destroy_of_a_pinned_arena_is_to_be_tried_again(void **state)
{
    struct vmem_params params = good;
    static struct snapshot before;
    vmem_t *arena;

    params.qcache_max = 0x80;
    params.flags = INDEX(state);
    arena = make_params(&params);
    give(arena, take(arena, 0x30, 0), 0x30);
    give(arena, take(arena, 0x80, 0), 0x80);
    snapshot(arena, &before);
    assert_ptr_equal(pin(arena), arena);
    expect(-VMEM_EBUSY, vmem_destroy(arena), arena);
    assert_int_equal(fault_count, 0);
    assert_same(arena, &before);
    give(arena, take(arena, 0x30, 0), 0x30);
    vmem_unpin(arena);
    unmake(arena);
}

static void destroy_of_a_pinned_arena_that_is_in_use_is_reported(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    vmem_addr_t addr = take(arena, 1, 0);

    assert_ptr_equal(pin(arena), arena);
    assert_int_equal(vmem_destroy(arena), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    vmem_unpin(arena);
    give(arena, addr, 1);
    unmake(arena);
}

static void destroy_gives_the_empty_span_back_to_the_source(void **state)
{
    vmem_t *source = make(0, 0x100000, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    struct vmem_stats stats;

    give(child, take(child, 1, 0), 1);
    vmem_stat(source, &stats);
    assert_true(stats.in_use > 0);
    unmake(child);
    vmem_stat(source, &stats);
    assert_int_equal(stats.in_use, 0);
}

static void stat_of_a_new_arena(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));
    struct vmem_stats stats,
        expected = {.free = 0x1000, .total = 0x1000, .largest_free = 0x1000, .spans = 1};

    vmem_stat(arena, &stats);
    assert_memory_equal(&stats, &expected, sizeof(stats));
}

static void stat_counts_what_happens(void **state)
{
    vmem_t *arena = make(0, 0x100, 0x10, INDEX(state));
    struct vmem_stats stats;

    assert_int_equal(vmem_add(arena, 0x1000, 0x40, 0), 0);
    (void)take_at(arena, 0, 0x20);
    (void)take_at(arena, 0x80, 0x10);
    give(arena, take(arena, 0x10, VMEM_FIRSTFIT), 0x10);
    refused(arena, 0x200, 0, -VMEM_ENOSPC);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, 0x30);
    assert_int_equal(stats.free, 0x110);
    assert_int_equal(stats.total, 0x140);
    assert_int_equal(stats.imported, 0);
    assert_int_equal(stats.largest_free, 0x70);
    assert_int_equal(stats.segments, 2);
    assert_int_equal(stats.spans, 2);
    assert_int_equal(stats.allocs, 3);
    assert_int_equal(stats.frees, 1);
    assert_int_equal(stats.fails, 1);
    assert_int_equal(stats.imports, 0);
    assert_int_equal(stats.releases, 0);
    assert_int_equal(stats.waits, 0);
}

static void stat_knows_the_largest_free_segment_at_every_moment(void **state)
{
    vmem_t *arena = make(0, 0x400, 1, INDEX(state));
    struct vmem_stats stats;

    (void)take_at(arena, 0x100, 0x10);
    (void)take_at(arena, 0x300, 0x10);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.largest_free, 0x1f0);
    (void)take_at(arena, 0x110, 0x1f0);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.largest_free, 0x100);
    (void)take_at(arena, 0, 0x100);
    (void)take_at(arena, 0x310, 0xf0);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.largest_free, 0);
}

static void stat_of_the_whole_address_space(void **state)
{
    vmem_t *arena = make(0, VMEM_ADDR_MAX, 1, INDEX(state));
    struct vmem_stats stats;

    expect(0, vmem_add(arena, VMEM_ADDR_MAX, 1, 0), arena);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.total, VMEM_ADDR_MAX);
    assert_int_equal(stats.free, VMEM_ADDR_MAX);
    assert_int_equal(take(arena, 1, VMEM_LASTFIT), VMEM_ADDR_MAX);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, 1);
    assert_int_equal(stats.free, VMEM_ADDR_MAX);
    assert_int_equal(take(arena, VMEM_ADDR_MAX, 0), 0);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, VMEM_ADDR_MAX);
    assert_int_equal(stats.free, 0);
}

static void contains_what_lies_within_one_span(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    assert_true(vmem_contains(arena, 0x1000, 0x1000));
    assert_true(vmem_contains(arena, 0x1000, 1));
    assert_true(vmem_contains(arena, 0x1fff, 1));
    assert_true(vmem_contains(arena, 0x1234, 0x10));
}

static void contains_nothing_that_leaves_the_span(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    assert_false(vmem_contains(arena, 0xfff, 1));
    assert_false(vmem_contains(arena, 0xfff, 2));
    assert_false(vmem_contains(arena, 0x2000, 1));
    assert_false(vmem_contains(arena, 0x1fff, 2));
    assert_false(vmem_contains(arena, 0x1000, 0x1001));
    assert_false(vmem_contains(arena, 0x1000, VMEM_ADDR_MAX));
    assert_false(vmem_contains(arena, VMEM_ADDR_MAX, 0x1800));
}

static void contains_no_empty_range(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    assert_false(vmem_contains(arena, 0x1000, 0));
    assert_false(vmem_contains(arena, 0, 0));
}

static void contains_nothing_across_two_spans_that_touch(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    expect(0, vmem_add(arena, 0x2000, 0x1000, 0), arena);
    assert_true(vmem_contains(arena, 0x2000, 0x1000));
    assert_false(vmem_contains(arena, 0x1ff0, 0x20));
}

static void contains_the_first_and_the_last_address_of_the_space(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    expect(0, vmem_add(arena, VMEM_ADDR_MAX - 7, 8, 0), arena);
    assert_true(vmem_contains(arena, 0, 8));
    assert_true(vmem_contains(arena, VMEM_ADDR_MAX - 7, 8));
    assert_false(vmem_contains(arena, VMEM_ADDR_MAX - 7, 9));
    assert_false(vmem_contains(arena, VMEM_ADDR_MAX, 2));
}

static void contains_nothing_where_there_is_no_arena(void **state)
{
    (void)state;
    assert_false(vmem_contains(NULL, 0, 1));
}

static void contains_nothing_in_an_arena_without_a_span(void **state)
{
    vmem_t *arena = make(0, 0, 1, INDEX(state));

    assert_false(vmem_contains(arena, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(create_makes_an_arena_with_one_span),
        ON_BOTH(create_without_a_size_makes_an_arena_without_a_span),
        ON_BOTH(create_accepts_a_span_at_address_zero),
        ON_BOTH(create_accepts_a_span_that_ends_with_the_address_space),
        ON_BOTH(create_accepts_the_largest_quantum),
        ON_BOTH(create_accepts_a_quantum_cache_that_is_not_there_yet),
        ON_BOTH(create_accepts_every_flag_at_once),
        ONCE(create_rejects_a_missing_parameter),
        ONCE(create_rejects_a_quantum_that_is_no_power_of_two),
        ONCE(create_rejects_a_span_that_is_not_in_quanta),
        ONCE(create_rejects_a_span_that_passes_the_end_of_the_address_space),
        ONCE(create_rejects_unknown_flags),
        ONCE(create_rejects_an_import_without_a_release_and_the_reverse),
        ON_BOTH(create_rejects_a_chain_longer_than_the_configured_depth),
        ON_BOTH(create_that_finds_no_memory_leaves_nothing_behind),
        ONCE(destroy_of_nothing_is_an_error),
        ON_BOTH(destroy_gives_back_all_that_the_arena_took),
        ON_BOTH(destroy_is_refused_while_something_is_allocated),
        ON_BOTH(destroy_is_refused_while_another_arena_imports_from_it),
        ON_BOTH(destroy_is_refused_while_the_arena_is_printed),
        ON_BOTH(destroy_of_a_pinned_arena_is_to_be_tried_again),
        ON_BOTH(destroy_of_a_pinned_arena_that_is_in_use_is_reported),
        ON_BOTH(destroy_gives_the_empty_span_back_to_the_source),
        ON_BOTH(stat_of_a_new_arena),
        ON_BOTH(stat_counts_what_happens),
        ON_BOTH(stat_knows_the_largest_free_segment_at_every_moment),
        ON_BOTH(stat_of_the_whole_address_space),
        ON_BOTH(contains_what_lies_within_one_span),
        ON_BOTH(contains_nothing_that_leaves_the_span),
        ON_BOTH(contains_no_empty_range),
        ON_BOTH(contains_nothing_across_two_spans_that_touch),
        ON_BOTH(contains_the_first_and_the_last_address_of_the_space),
        ON_BOTH(contains_nothing_in_an_arena_without_a_span),
        ONCE(contains_nothing_where_there_is_no_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
