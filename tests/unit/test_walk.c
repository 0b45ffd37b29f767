/* SPDX-License-Identifier: MIT */
/*
 * test_walk.c - going through an arena while others change it, and looking up an address.
 */
#include "support.h"

static vmem_t *make_sample(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    expect(0, vmem_add(arena, 8, 4, 0), arena);
    (void)take_at(arena, 2, 3);
    (void)take_at(arena, 8, 4);
    assert_layout(arena, 1, "[.2#3.3][#4]");
    return arena;
}

static void next_is(vmem_t *arena, struct vmem_cursor *cursor, enum vmem_segment_kind kind,
                    vmem_addr_t addr, vmem_size_t size)
{
    struct vmem_segment segment;

    assert_true(vmem_walk_next(arena, cursor, &segment));
    assert_int_equal(segment.kind, kind);
    assert_int_equal(segment.addr, addr);
    assert_int_equal(segment.size, size);
    assert_false(segment.imported);
}

static void ends(vmem_t *arena, struct vmem_cursor *cursor)
{
    struct vmem_segment segment;

    assert_false(vmem_walk_next(arena, cursor, &segment));
    assert_false(vmem_walk_next(arena, cursor, &segment));
}

static void walk_shows_each_span_and_then_its_segments(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_cursor cursor = {0};

    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 0, 2);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 2, 3);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 5, 3);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 8, 4);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 8, 4);
    ends(arena, &cursor);
}

static void walk_of_an_empty_arena_ends_at_once(void **state)
{
    struct vmem_cursor cursor = {0};

    ends(make(0, 0, 1, INDEX(state)), &cursor);
}

static void walk_ends_at_the_last_address_of_the_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 7, 8, 1, INDEX(state));
    struct vmem_cursor cursor = {0};

    (void)take_at(arena, VMEM_ADDR_MAX, 1);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, VMEM_ADDR_MAX - 7, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, VMEM_ADDR_MAX - 7, 7);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, VMEM_ADDR_MAX, 1);
    ends(arena, &cursor);
}

static void walk_says_which_spans_are_imported(void **state)
{
    vmem_t *source = make(0x1000, 0x1000, 0x1000, INDEX(state));
    vmem_t *child = make_child(source, 0x1000, INDEX(state));
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;

    (void)take(child, 0x1000, 0);
    assert_true(vmem_walk_next(child, &cursor, &segment));
    assert_int_equal(segment.kind, VMEM_SEGMENT_SPAN);
    assert_true(segment.imported);
    assert_true(vmem_walk_next(child, &cursor, &segment));
    assert_false(segment.imported);
}

static void walk_goes_on_behind_a_segment_that_was_freed_under_it(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_cursor cursor = {0};

    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 0, 2);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 2, 3);
    give(arena, 2, 3);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 5, 3);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 8, 4);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 8, 4);
    ends(arena, &cursor);
}

static void walk_sees_what_was_allocated_ahead_of_it(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_cursor cursor = {0};

    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 0, 2);
    (void)take_at(arena, 6, 1);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 2, 3);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 5, 1);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 6, 1);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 7, 1);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 8, 4);
}

static void walk_shows_nothing_twice_when_a_hole_it_showed_is_cut(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_cursor cursor = {0};

    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 0, 8);
    (void)take_at(arena, 3, 1);
    ends(arena, &cursor);
}

static void walk_goes_on_when_the_segments_before_it_merge_and_are_taken_again(void **state)
{
    vmem_t *arena = make(0, 16, 1, INDEX(state));
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    vmem_addr_t last = 0;

    for (vmem_addr_t at = 0; at < 16; at++)
        (void)take_at(arena, at, 1);
    (void)vmem_walk_next(arena, &cursor, &segment);
    while (vmem_walk_next(arena, &cursor, &segment)) {
        assert_true(segment.addr == 0 || segment.addr > last);
        last = segment.addr;
        if (segment.kind == VMEM_SEGMENT_ALLOCATED)
            give(arena, segment.addr, segment.size);
    }
    assert_int_equal(last, 15);
    assert_layout(arena, 1, "[.16]");
}

static void walk_ends_although_a_segment_is_taken_at_every_step(void **state)
{
    vmem_t *arena = make(0, 1000, 1, INDEX(state));
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    unsigned steps = 0;

    while (vmem_walk_next(arena, &cursor, &segment)) {
        vmem_addr_t addr;

        assert_true(++steps <= 2001);
        (void)vmem_alloc(arena, 1, steps % 2 == 0 ? VMEM_LASTFIT : VMEM_FIRSTFIT, &addr);
    }
}

static void walk_goes_on_in_the_next_span_when_its_own_was_removed(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_cursor cursor = {0};

    expect(0, vmem_add(arena, 16, 4, 0), arena);
    expect(0, vmem_add(arena, 32, 4, 0), arena);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 16, 4);
    expect(0, vmem_remove(arena, 16, 4), arena);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 32, 4);
    expect(0, vmem_remove(arena, 32, 4), arena);
    ends(arena, &cursor);
}

static void walk_skips_a_segment_that_grew_over_its_place(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_cursor cursor = {0};

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 6, 2);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 0, 2);
    expect(0, vmem_resize(arena, 0, 2, 4, 0), arena);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 4, 2);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 6, 2);
    ends(arena, &cursor);
}

/* The tree of spans is a nearer way in than an allocated segment many spans behind. */
static void walk_leaves_its_landmark_behind_at_the_next_span(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_cursor cursor = {0};

    (void)take_at(arena, 0, 8);
    for (vmem_addr_t addr = 16; addr < 80; addr += 16)
        expect(0, vmem_add(arena, addr, 8, 0), arena);
    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 0, 8);
    assert_true(cursor.has_landmark);
    for (vmem_addr_t addr = 16; addr < 80; addr += 16) {
        next_is(arena, &cursor, VMEM_SEGMENT_SPAN, addr, 8);
        assert_false(cursor.has_landmark);
        next_is(arena, &cursor, VMEM_SEGMENT_FREE, addr, 8);
        assert_false(cursor.has_landmark);
    }
    ends(arena, &cursor);
}

static void cursor_may_be_copied(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_cursor cursor = {0}, copy;

    next_is(arena, &cursor, VMEM_SEGMENT_SPAN, 0, 8);
    next_is(arena, &cursor, VMEM_SEGMENT_FREE, 0, 2);
    copy = cursor;
    next_is(arena, &cursor, VMEM_SEGMENT_ALLOCATED, 2, 3);
    next_is(arena, &copy, VMEM_SEGMENT_ALLOCATED, 2, 3);
}

struct visitor {
    unsigned count, stop;
    vmem_addr_t sum;
};

static int visit(void *ctx, const struct vmem_segment *segment)
{
    struct visitor *visitor = ctx;

    checked_port_no_lock("a walk's callback");
    visitor->count++;
    visitor->sum += segment->addr;
    return visitor->count == visitor->stop ? -5 : 0;
}

static void walk_calls_back_for_the_kinds_that_are_asked_for(void **state)
{
    static const struct {
        unsigned kinds, count;
        vmem_addr_t sum;
    } rows[] = {
        {VMEM_SEGMENT_FREE, 2, 5},
        {VMEM_SEGMENT_ALLOCATED, 2, 10},
        {VMEM_SEGMENT_SPAN, 2, 8},
        {VMEM_SEGMENT_FREE | VMEM_SEGMENT_ALLOCATED, 4, 15},
        {VMEM_SEGMENT_FREE | VMEM_SEGMENT_ALLOCATED | VMEM_SEGMENT_SPAN, 6, 23},
        {0, 0, 0},
    };
    vmem_t *arena = make_sample(state);

    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct visitor visitor = {.stop = 0};

        assert_int_equal(vmem_walk(arena, rows[i].kinds, visit, &visitor), 0);
        assert_int_equal(visitor.count, rows[i].count);
        assert_int_equal(visitor.sum, rows[i].sum);
    }
}

static void walk_stops_when_the_callback_says_so(void **state)
{
    struct visitor visitor = {.stop = 2};

    assert_int_equal(vmem_walk(make_sample(state), 7, visit, &visitor), -5);
    assert_int_equal(visitor.count, 2);
}

static int free_it(void *ctx, const struct vmem_segment *segment)
{
    vmem_free(ctx, segment->addr, segment->size);
    return 0;
}

static void walk_s_callback_may_free_what_it_is_shown(void **state)
{
    vmem_t *arena = make_sample(state);

    assert_int_equal(vmem_walk(arena, VMEM_SEGMENT_ALLOCATED, free_it, arena), 0);
    check(arena);
    assert_layout(arena, 1, "[.8][.4]");
}

static void walk_agrees_with_a_walk_from_scratch_at_every_place(void **state)
{
    vmem_t *arena = make(0, 256, 1, INDEX(state));
    static struct snapshot shot;
    uint64_t seed = 99;

    expect(0, vmem_add(arena, 1000, 64, 0), arena);
    for (unsigned i = 0; i < 60; i++)
        (void)take_at(arena, (vmem_addr_t)(4 * i + next_random(&seed) % 3), 1);
    snapshot(arena, &shot);
    for (size_t i = 0; i < shot.count; i++) {
        struct vmem_cursor cursor = {0};

        /* The landmark is dropped: the way back in goes over the span. */
        for (size_t j = 0; j < shot.count; j++) {
            if (j == i)
                cursor.has_landmark = false;
            next_is(arena, &cursor, shot.segments[j].kind, shot.segments[j].addr,
                    shot.segments[j].size);
        }
        ends(arena, &cursor);
    }
}

static void finds(vmem_t *arena, vmem_addr_t at, enum vmem_segment_kind kind, vmem_addr_t addr,
                  vmem_size_t size)
{
    struct vmem_segment segment;

    assert_true(vmem_find(arena, at, &segment));
    assert_int_equal(segment.kind, kind);
    assert_int_equal(segment.addr, addr);
    assert_int_equal(segment.size, size);
}

static void find_tells_the_segment_that_contains_an_address(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_segment segment;

    finds(arena, 0, VMEM_SEGMENT_FREE, 0, 2);
    finds(arena, 1, VMEM_SEGMENT_FREE, 0, 2);
    finds(arena, 2, VMEM_SEGMENT_ALLOCATED, 2, 3);
    finds(arena, 4, VMEM_SEGMENT_ALLOCATED, 2, 3);
    finds(arena, 7, VMEM_SEGMENT_FREE, 5, 3);
    finds(arena, 11, VMEM_SEGMENT_ALLOCATED, 8, 4);
    assert_false(vmem_find(arena, 12, &segment));
    assert_false(vmem_find(arena, VMEM_ADDR_MAX, &segment));
}

static void find_reaches_the_last_address_of_the_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 7, 8, 1, INDEX(state));
    struct vmem_segment segment;

    finds(arena, VMEM_ADDR_MAX, VMEM_SEGMENT_FREE, VMEM_ADDR_MAX - 7, 8);
    (void)take_at(arena, VMEM_ADDR_MAX, 1);
    finds(arena, VMEM_ADDR_MAX, VMEM_SEGMENT_ALLOCATED, VMEM_ADDR_MAX, 1);
    assert_false(vmem_find(arena, 0, &segment));
}

static void caller_is_recorded_where_the_configuration_says_so(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_segment segment;
    vmem_addr_t addr;

    assert_int_equal(vmem_alloc(arena, 1, 0, &addr), 0);
    assert_true(vmem_find(arena, addr, &segment));
#if VMEM_CONFIG_DEBUG
    assert_int_not_equal(segment.caller, 0);
#else
    assert_int_equal(segment.caller, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(walk_shows_each_span_and_then_its_segments),
        ON_BOTH(walk_of_an_empty_arena_ends_at_once),
        ON_BOTH(walk_ends_at_the_last_address_of_the_space),
        ON_BOTH(walk_says_which_spans_are_imported),
        ON_BOTH(walk_goes_on_behind_a_segment_that_was_freed_under_it),
        ON_BOTH(walk_sees_what_was_allocated_ahead_of_it),
        ON_BOTH(walk_shows_nothing_twice_when_a_hole_it_showed_is_cut),
        ON_BOTH(walk_goes_on_when_the_segments_before_it_merge_and_are_taken_again),
        ON_BOTH(walk_ends_although_a_segment_is_taken_at_every_step),
        ON_BOTH(walk_goes_on_in_the_next_span_when_its_own_was_removed),
        ON_BOTH(walk_skips_a_segment_that_grew_over_its_place),
        ON_BOTH(walk_leaves_its_landmark_behind_at_the_next_span),
        ON_BOTH(cursor_may_be_copied),
        ON_BOTH(walk_calls_back_for_the_kinds_that_are_asked_for),
        ON_BOTH(walk_stops_when_the_callback_says_so),
        ON_BOTH(walk_s_callback_may_free_what_it_is_shown),
        ON_BOTH(walk_agrees_with_a_walk_from_scratch_at_every_place),
        ON_BOTH(find_tells_the_segment_that_contains_an_address),
        ON_BOTH(find_reaches_the_last_address_of_the_space),
        ON_BOTH(caller_is_recorded_where_the_configuration_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
