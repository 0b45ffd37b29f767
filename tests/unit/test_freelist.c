/* SPDX-License-Identifier: MIT */
/*
 * test_freelist.c - the two-level lists: which list a size belongs to, and what a search looks at.
 *
 * What a search looks at is seen with a bait: a segment that would serve, on a list that the search
 * has no business on. If it is taken, it was looked at.
 */
#include "support.h"

#include "arena.h"
#include "freelist.h"
#include "pool.h"

static void every_size_belongs_to_a_list_and_larger_ones_never_to_a_lower(void **state)
{
    static const vmem_size_t quanta[] = {1, 16, 4096};

    (void)state;
    for (size_t i = 0; i < LENGTH(quanta); i++) {
        vmem_size_t quantum = quanta[i];
        vmem_t *arena = make(0, quantum << 13, quantum, 0);
        unsigned list = 0;

        for (vmem_size_t size = quantum; size <= quantum << 13; size += quantum) {
            unsigned next = vmem_freelist_of(arena, size);

            assert_true(next == list || next == list + 1);
            assert_true(next < arena->freelist.lists);
            list = next;
        }
    }
}

static void the_sizes_of_a_list_differ_by_less_than_an_eighth(void **state)
{
    vmem_t *arena = make(0, 1 << 13, 1, 0);
    vmem_size_t smallest = 1;

    (void)state;
    for (vmem_size_t size = 2; size <= 1 << 13; size++) {
        if (vmem_freelist_of(arena, size) != vmem_freelist_of(arena, smallest))
            smallest = size;
        assert_true((size - smallest) * 8 < smallest);
    }
}

static void a_large_arena_has_twice_as_many_lists_an_octave(void **state)
{
    vmem_t *arena = make(0, (vmem_size_t)1 << 24, 1, 0);
    vmem_size_t smallest = 1;

    (void)state;
    for (vmem_size_t size = 2; size <= 1 << 13; size++) {
        if (vmem_freelist_of(arena, size) != vmem_freelist_of(arena, smallest))
            smallest = size;
        assert_true((size - smallest) * 16 < smallest);
    }
}

static void the_list_above_a_size_holds_it_and_none_lower_surely_does(void **state)
{
    vmem_t *arena = make(0, 1 << 13, 1, 0);

    (void)state;
    for (vmem_size_t size = 1; size < 1 << 12; size++) {
        unsigned above = vmem_freelist_above(arena, size);
        unsigned own = vmem_freelist_of(arena, size);
        bool begins = size == 1 || vmem_freelist_of(arena, size - 1) != own;

        assert_int_equal(above, begins ? own : own + 1);
    }
}

static void the_lists_reach_the_largest_size_there_is(void **state)
{
    vmem_t *arena = make(0, VMEM_ADDR_MAX, 1, 0);

    (void)state;
    assert_int_equal(vmem_freelist_of(arena, VMEM_ADDR_MAX), arena->freelist.lists - 1);
    assert_int_equal(take(arena, VMEM_ADDR_MAX, 0), 0);
}

static void a_larger_span_brings_more_lists_and_loses_no_segment(void **state)
{
    vmem_t *arena = make(0, 64, 1, 0);
    unsigned lists = arena->freelist.lists;

    (void)state;
    for (vmem_addr_t at = 1; at < 64; at += 3)
        (void)take_at(arena, at, 1);
    expect(0, vmem_add(arena, 1 << 20, (vmem_size_t)1 << 20, 0), arena);
    assert_true(arena->freelist.lists > lists);
    assert_int_equal(take(arena, 1 << 20, 0), 1 << 20);
    assert_int_equal(take(arena, 2, 0) % 3, 2);
}

/* Two threads add a large span: while one is with the port, the other finds a table in stock. */
static vmem_t *raced;

static void *be_faster(size_t size)
{
    lender.alloc = NULL;
    checked_port_thread = 2;
    release_blocks();
    (void)vmem_add(raced, 1 << 17, (vmem_size_t)1 << 16, 0);
    checked_port_thread = 1;
    return lend_memory(size);
}

static void a_thread_that_loses_the_race_for_longer_lists_goes_on_with_the_other_s(void **state)
{
    (void)state;
    raced = make(0, 0, 1, 0);
    expect(0, vmem_add(raced, 0, 1 << 10, 0), raced);
    hold_blocks(868); /* as large as the table for 2^16 quanta */
    lender.alloc = be_faster;
    expect(0, vmem_add(raced, 1 << 16, (vmem_size_t)1 << 16, 0), raced);
    assert_null(lender.alloc);
    assert_layout(raced, 1, "[.1024][.65536][.65536]");
}

static void an_arena_of_ids_costs_less_than_a_kibibyte(void **state)
{
    vmem_t *arena = make(0, 1 << 15, 1, 0);
    const struct vmem_freelist *lists = &arena->freelist;
    size_t words = (lists->lists + VMEM_WORD_BITS - 1) / VMEM_WORD_BITS;
    size_t table = words * sizeof(vmem_word_t) + lists->lists * sizeof(vmem_link_t);
    size_t tags = 2 * sizeof(struct vmem_tag) + sizeof(struct vmem_node);

    (void)state;
    if (!VMEM_CONFIG_DEBUG)
        assert_true(sizeof(*arena) + table + tags <= 1024);
}

/*
 * Instant fit
 */

/* Holes of the sizes in turn, each followed by one allocated quantum; the rest is allocated. */
static vmem_t *make_holes(unsigned flags, const vmem_size_t *sizes, unsigned count)
{
    vmem_t *arena = make(0, 4096, 1, flags);
    vmem_addr_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        (void)take_at(arena, at + sizes[i], 1);
        at += sizes[i] + 1;
    }
    (void)take_at(arena, at, 4096 - at);
    return arena;
}

static void
instant_fit_takes_a_segment_that_surely_fits_without_a_look_at_its_own_list(void **state)
{
    /* 65 shares its list with 64..71: of the two that would do, the larger is sure to. */
    static const vmem_size_t sizes[] = {64, 65, 66, 72};
    vmem_t *arena = make_holes(0, sizes, 4);

    (void)state;
    assert_int_equal(take(arena, 65, VMEM_INSTANTFIT), 64 + 1 + 65 + 1 + 66 + 1);
}

static void instant_fit_scans_its_own_list_rather_than_refuse(void **state)
{
    static const vmem_size_t sizes[] = {66, 64, 64, 64};
    vmem_t *arena = make_holes(0, sizes, 4);

    (void)state;
    assert_int_equal(take(arena, 65, VMEM_INSTANTFIT), 0);
    refused(arena, 65, VMEM_INSTANTFIT, -VMEM_ENOSPC);
}

static void a_strict_arena_refuses_rather_than_scan(void **state)
{
    static const vmem_size_t sizes[] = {66, 64, 64, 64};
    vmem_t *arena = make_holes(VMEM_ARENA_STRICT, sizes, 4);

    (void)state;
    refused(arena, 65, VMEM_INSTANTFIT, -VMEM_ENOSPC);
    assert_true(take(arena, 64, VMEM_INSTANTFIT) < 4096);
    assert_int_equal(take(arena, 65, VMEM_FIRSTFIT), 0);
}

static void a_strict_arena_scans_for_constraints_all_the_same(void **state)
{
    static const vmem_size_t sizes[] = {66, 64, 64, 64};
    vmem_t *arena = make_holes(VMEM_ARENA_STRICT, sizes, 4);
    const struct vmem_constraints c = {.limit = 66};

    (void)state;
    assert_int_equal(xtake(arena, 66, &c, VMEM_INSTANTFIT), 0);
}

static void the_scan_before_a_refusal_looks_at_one_list(void **state)
{
    static const vmem_size_t sizes[] = {64, 63, 64, 40};
    vmem_t *arena = make_holes(0, sizes, 4);
    struct vmem_tag *bait = vmem_tag_at(arena->freelist.heads[vmem_freelist_of(arena, 40)]);

    (void)state;
    bait->size = 70; /* on the list for 40 */
    assert_int_equal(vmem_alloc(arena, 65, VMEM_INSTANTFIT, &(vmem_addr_t){0}), -VMEM_ENOSPC);
    bait->size = 40;
    check(arena);
}

static void small_sizes_have_lists_of_their_own(void **state)
{
    static const vmem_size_t sizes[] = {7, 6, 5, 4, 3, 2, 1};
    vmem_t *arena = make_holes(VMEM_ARENA_STRICT, sizes, 7);

    (void)state;
    assert_int_equal(take(arena, 1, VMEM_INSTANTFIT), 7 + 6 + 5 + 4 + 3 + 2 + 6);
    assert_int_equal(take(arena, 7, VMEM_INSTANTFIT), 0);
    assert_int_equal(take(arena, 4, VMEM_INSTANTFIT), 7 + 6 + 5 + 3);
    assert_int_equal(take(arena, 6, VMEM_INSTANTFIT), 8);
}

/*
 * Best fit
 */

static void best_fit_looks_at_no_more_than_so_many_segments_of_a_list(void **state)
{
    vmem_size_t sizes[VMEM_FIT_LOOK + 8];
    vmem_addr_t exact, at = 0;
    vmem_t *arena;

    (void)state;
    /* The lists are stacks: what is freed last is looked at first. */
    for (unsigned i = 0; i < LENGTH(sizes); i++)
        sizes[i] = 70;
    sizes[0] = 65;
    arena = make_holes(0, sizes, LENGTH(sizes));
    for (unsigned i = 0; i < LENGTH(sizes); i++) { /* to the top of the list, in this order */
        (void)take_at(arena, at, sizes[i]);
        give(arena, at, sizes[i]);
        at += sizes[i] + 1;
    }
    exact = take(arena, 65, VMEM_BESTFIT);
    assert_int_not_equal(exact, 0);
    give(arena, exact, 65);
    (void)take_at(arena, 0, 65);
    give(arena, 0, 65);
    assert_int_equal(take(arena, 65, VMEM_BESTFIT), 0);
}

static void best_fit_goes_to_the_next_list_where_its_own_has_only_smaller_ones(void **state)
{
    static const vmem_size_t sizes[] = {64, 100, 64, 72, 64};
    vmem_t *arena = make_holes(0, sizes, 5);

    (void)state;
    assert_int_equal(take(arena, 65, VMEM_BESTFIT), 64 + 1 + 100 + 1 + 64 + 1);
    assert_int_equal(take(arena, 65, VMEM_BESTFIT), 64 + 1);
    refused(arena, 65, VMEM_BESTFIT, -VMEM_ENOSPC);
}

static void best_fit_scans_its_list_to_the_end_rather_than_refuse(void **state)
{
    vmem_size_t sizes[VMEM_FIT_LOOK + 8];
    vmem_addr_t at = 0;
    vmem_t *arena, *strict;

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++)
        sizes[i] = 64;
    sizes[0] = 65;
    arena = make_holes(0, sizes, LENGTH(sizes));
    strict = make_holes(VMEM_ARENA_STRICT, sizes, LENGTH(sizes));
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        (void)take_at(arena, at, sizes[i]);
        give(arena, at, sizes[i]);
        (void)take_at(strict, at, sizes[i]);
        give(strict, at, sizes[i]);
        at += sizes[i] + 1;
    }
    refused(strict, 65, VMEM_BESTFIT, -VMEM_ENOSPC);
    assert_int_equal(take(arena, 65, VMEM_BESTFIT), 0);
}

/*
 * Constraints
 */

static void a_segment_large_enough_in_any_position_is_taken_without_a_scan(void **state)
{
    /* The holes of 20 all lie so that 16 on a multiple of 16 does not fit, but the last. */
    vmem_size_t sizes[40];
    vmem_t *arena;
    const struct vmem_constraints c = {.align = 16};

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++)
        sizes[i] = 15;
    sizes[39] = 31;
    arena = make_holes(0, sizes, LENGTH(sizes));
    assert_int_equal(xtake(arena, 16, &c, VMEM_INSTANTFIT) % 16, 0);
    xrefused(arena, 16, &c, VMEM_INSTANTFIT, -VMEM_ENOSPC);
}

/* Whether any free segment has a place for the request. */
static bool has_place(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;

    while (vmem_walk_next(arena, &cursor, &segment)) {
        if (segment.kind != VMEM_SEGMENT_FREE || segment.size < size)
            continue;
        for (vmem_size_t at = 0; at <= segment.size - size; at++)
            if (legal(segment.addr + at, size, 1, c))
                return true;
    }
    return false;
}

static void borders_and_alignment_together_hide_no_hole(void **state)
{
    static const vmem_size_t sizes[] = {100, 30, 300, 17, 40, 41, 42, 43};
    const struct vmem_constraints c = {.align = 16, .nocross = 32};
    vmem_t *arena = make_holes(0, sizes, 8);
    vmem_addr_t addr;

    (void)state;
    while (vmem_xalloc(arena, 17, &c, VMEM_INSTANTFIT, &addr) == 0) {
        assert_true(legal(addr, 17, 1, &c));
        check(arena);
    }
    assert_false(has_place(arena, 17, &c));
}

static void an_alignment_that_wraps_the_size_is_refused(void **state)
{
    vmem_t *arena = make(0x10, 0x1000, 1, 0);
    const struct vmem_constraints wide = {.align = VMEM_ADDR_MAX / 2 + 1, .nocross = 0x100};

    (void)state;
    xrefused(arena, 0x100, &wide, VMEM_INSTANTFIT, -VMEM_ENOSPC);
    xrefused(arena, VMEM_ADDR_MAX / 2 + 2, &(struct vmem_constraints){.align = wide.align},
             VMEM_BESTFIT, -VMEM_ENOSPC);
}

static void best_fit_under_constraints_takes_the_smallest_of_a_list(void **state)
{
    static const vmem_size_t sizes[] = {71, 66, 65, 68};
    vmem_t *arena = make_holes(0, sizes, 4);
    const struct vmem_constraints c = {.limit = 1000};

    (void)state;
    assert_int_equal(xtake(arena, 65, &c, VMEM_BESTFIT), 72 + 67);
    assert_int_equal(xtake(arena, 65, &c, VMEM_BESTFIT), 72);
    assert_int_equal(xtake(arena, 65, &c, VMEM_BESTFIT), 72 + 67 + 66);
    assert_int_equal(xtake(arena, 65, &c, VMEM_BESTFIT), 0);
}

static void largest_looks_at_the_whole_of_the_topmost_list(void **state)
{
    static const vmem_size_t sizes[] = {64, 71, 66, 65};
    vmem_t *arena = make_holes(0, sizes, 4);
    struct vmem_stats stats;

    (void)state;
    vmem_stat(arena, &stats);
    assert_int_equal(stats.largest_free, 71);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(every_size_belongs_to_a_list_and_larger_ones_never_to_a_lower),
        ONCE(the_sizes_of_a_list_differ_by_less_than_an_eighth),
        ONCE(a_large_arena_has_twice_as_many_lists_an_octave),
        ONCE(the_list_above_a_size_holds_it_and_none_lower_surely_does),
        ONCE(the_lists_reach_the_largest_size_there_is),
        ONCE(a_larger_span_brings_more_lists_and_loses_no_segment),
        ONCE(a_thread_that_loses_the_race_for_longer_lists_goes_on_with_the_other_s),
        ONCE(an_arena_of_ids_costs_less_than_a_kibibyte),
        ONCE(instant_fit_takes_a_segment_that_surely_fits_without_a_look_at_its_own_list),
        ONCE(instant_fit_scans_its_own_list_rather_than_refuse),
        ONCE(a_strict_arena_refuses_rather_than_scan),
        ONCE(a_strict_arena_scans_for_constraints_all_the_same),
        ONCE(the_scan_before_a_refusal_looks_at_one_list),
        ONCE(small_sizes_have_lists_of_their_own),
        ONCE(best_fit_looks_at_no_more_than_so_many_segments_of_a_list),
        ONCE(best_fit_goes_to_the_next_list_where_its_own_has_only_smaller_ones),
        ONCE(best_fit_scans_its_list_to_the_end_rather_than_refuse),
        ONCE(a_segment_large_enough_in_any_position_is_taken_without_a_scan),
        ONCE(borders_and_alignment_together_hide_no_hole),
        ONCE(an_alignment_that_wraps_the_size_is_refused),
        ONCE(best_fit_under_constraints_takes_the_smallest_of_a_list),
        ONCE(largest_looks_at_the_whole_of_the_topmost_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
