/* SPDX-License-Identifier: MIT */
/*
 * test_resize.c - an allocated segment grows and shrinks where it stands, and is split in two.
 */
#include "support.h"

static void resize_grows_into_the_free_segment_behind(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    expect(0, vmem_resize(arena, 0, 2, 5, 0), arena);
    assert_layout(arena, 1, "[#5.3]");
}

static void resize_grows_over_the_whole_of_the_free_segment_behind(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 4, 4);
    expect(0, vmem_resize(arena, 0, 2, 4, 0), arena);
    assert_layout(arena, 1, "[#4#4]");
    give(arena, 0, 4);
    assert_layout(arena, 1, "[.4#4]");
}

static void resize_shrinks_and_frees_the_rest(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 4);
    (void)take_at(arena, 4, 4);
    expect(0, vmem_resize(arena, 0, 4, 1, 0), arena);
    assert_layout(arena, 1, "[#1.3#4]");
}

static void resize_shrinks_into_the_free_segment_behind(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 4);
    expect(0, vmem_resize(arena, 0, 4, 1, 0), arena);
    assert_layout(arena, 1, "[#1.7]");
}

static void resize_within_the_quantum_changes_nothing(void **state)
{
    vmem_t *arena = make(0, 0x100, 0x10, INDEX(state));

    (void)take_at(arena, 0, 0x20);
    expect(0, vmem_resize(arena, 0, 0x20, 0x11, 0), arena);
    expect(0, vmem_resize(arena, 0, 0x11, 0x1f, 0), arena);
    assert_layout(arena, 0x10, "[#2.14]");
}

static void resize_keeps_the_counters_true(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_stats stats;

    (void)take_at(arena, 0, 2);
    expect(0, vmem_resize(arena, 0, 2, 6, 0), arena);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, 6);
    assert_int_equal(stats.free, 2);
    assert_int_equal(stats.largest_free, 2);
    assert_int_equal(stats.segments, 1);
    expect(0, vmem_resize(arena, 0, 6, 1, 0), arena);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, 1);
    assert_int_equal(stats.free, 7);
}

static void resize_up_to_the_end_of_the_address_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 7, 8, 1, INDEX(state));

    (void)take_at(arena, VMEM_ADDR_MAX - 7, 2);
    expect(0, vmem_resize(arena, VMEM_ADDR_MAX - 7, 2, 8, 0), arena);
    assert_layout(arena, 1, "[#8]");
    expect(0, vmem_resize(arena, VMEM_ADDR_MAX - 7, 8, 7, 0), arena);
    assert_layout(arena, 1, "[#7.1]");
}

static void no_room(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, vmem_size_t new_size)
{
    static struct snapshot before;

    snapshot(arena, &before);
    assert_int_equal(vmem_resize(arena, addr, size, new_size, 0), -VMEM_ENOSPC);
    check(arena);
    assert_same(arena, &before);
}

static void resize_refuses_to_grow_over_an_allocated_segment(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 2, 1);
    no_room(arena, 0, 2, 3);
}

static void resize_refuses_to_grow_beyond_the_free_segment_behind(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 5, 1);
    no_room(arena, 0, 2, 6);
    no_room(arena, 0, 2, 8);
}

static void resize_refuses_to_grow_over_the_end_of_the_span(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 4, 4, 0), arena);
    (void)take_at(arena, 0, 2);
    no_room(arena, 0, 2, 5);
    (void)take_at(arena, 2, 2);
    no_room(arena, 2, 2, 3);
}

static void resize_refuses_a_size_that_wraps(void **state)
{
    vmem_t *arena = make(0x1000, 0x100, 0x10, INDEX(state));

    (void)take_at(arena, 0x1000, 0x10);
    no_room(arena, 0x1000, 0x10, VMEM_ADDR_MAX);
    no_room(arena, 0x1000, 0x10, VMEM_ADDR_MAX - 0xf);
    no_room(arena, 0x1000, 0x10, VMEM_ADDR_MAX / 2 + 1);
}

typedef int call_t(vmem_t *arena, vmem_addr_t addr, vmem_size_t size);

static int grow(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    return vmem_resize(arena, addr, size, 0x30, 0);
}

static int shrink(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    return vmem_resize(arena, addr, size, 0x10, 0);
}

static int split(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    return vmem_split(arena, addr, size, 0x10);
}

static void misuse(vmem_t *arena, call_t *call, vmem_addr_t addr, vmem_size_t size,
                   enum vmem_fault_kind kind)
{
    static struct snapshot before;

    snapshot(arena, &before);
    assert_int_equal(call(arena, addr, size), -VMEM_EINVAL);
    expect_fault(kind);
    assert_string_equal(last_fault.call, call == split ? "vmem_split" : "vmem_resize");
    assert_int_equal(last_fault.addr, addr);
    assert_int_equal(last_fault.size, size);
    check(arena);
    assert_same(arena, &before);
}

static void resize_and_split_report_what_is_no_allocated_segment(void **state)
{
    static call_t *const calls[] = {grow, shrink, split};
    vmem_t *arena = make(0x1000, 0x100, 0x10, INDEX(state));

    (void)take_at(arena, 0x1020, 0x20);
    for (size_t i = 0; i < LENGTH(calls); i++) {
        misuse(arena, calls[i], 0x1050, 0x20, VMEM_FAULT_DOUBLE_FREE);
        misuse(arena, calls[i], 0x1020, 0x30, VMEM_FAULT_WRONG_SIZE);
        misuse(arena, calls[i], 0x1030, 0x20, VMEM_FAULT_MISALIGNED);
        misuse(arena, calls[i], 0x1021, 0x20, VMEM_FAULT_MISALIGNED);
        misuse(arena, calls[i], 0x2000, 0x20, VMEM_FAULT_FOREIGN);
        misuse(arena, calls[i], 0xff0, 0x20, VMEM_FAULT_FOREIGN);
    }
}

static void resize_rejects_size_zero_unknown_flags_and_no_arena(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    assert_int_equal(vmem_resize(arena, 0, 2, 0, 0), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_resize(arena, 0, 2, 3, 0x100), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_resize(NULL, 0, 2, 3, 0), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    check(arena);
    assert_layout(arena, 1, "[#2.6]");
}

static void split_makes_two_segments_of_one(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 1, 6);
    expect(0, vmem_split(arena, 1, 6, 2), arena);
    assert_layout(arena, 1, "[.1#2#4.1]");
}

static void split_segments_are_freed_each_alone(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 8);
    expect(0, vmem_split(arena, 0, 8, 2), arena);
    expect(0, vmem_split(arena, 2, 6, 4), arena);
    give(arena, 2, 4);
    assert_layout(arena, 1, "[#2.4#2]");
    give(arena, 6, 2);
    give(arena, 0, 2);
    assert_layout(arena, 1, "[.8]");
}

static void split_segments_are_no_longer_freed_as_one(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 8);
    expect(0, vmem_split(arena, 0, 8, 2), arena);
    vmem_free(arena, 0, 8);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    assert_layout(arena, 1, "[#2#6]");
}

static void split_segments_are_resized_each_alone(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 6);
    expect(0, vmem_split(arena, 0, 6, 4), arena);
    expect(0, vmem_resize(arena, 4, 2, 4, 0), arena);
    expect(0, vmem_resize(arena, 0, 4, 1, 0), arena);
    assert_layout(arena, 1, "[#1.3#4]");
}

static void split_counts_one_more_segment_in_use(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_stats stats;

    (void)take_at(arena, 0, 8);
    expect(0, vmem_split(arena, 0, 8, 1), arena);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.segments, 2);
    assert_int_equal(stats.in_use, 8);
    assert_int_equal(stats.allocs, 1);
    give(arena, 0, 1);
    give(arena, 1, 7);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.allocs, 1);
    assert_int_equal(stats.frees, 2);
}

static void split_rejects_an_offset_that_leaves_no_two_segments(void **state)
{
    static const vmem_size_t wrong[] = {0, 0x20, 0x30, 0x8, VMEM_ADDR_MAX};
    static struct snapshot before;
    vmem_t *arena = make(0x1000, 0x100, 0x10, INDEX(state));

    (void)take_at(arena, 0x1000, 0x20);
    snapshot(arena, &before);
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        assert_int_equal(vmem_split(arena, 0x1000, 0x20, wrong[i]), -VMEM_EINVAL);
        expect_fault(VMEM_FAULT_PARAMETER);
        check(arena);
        assert_same(arena, &before);
    }
    assert_int_equal(vmem_split(NULL, 0x1000, 0x20, 0x10), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(resize_grows_into_the_free_segment_behind),
        ON_BOTH(resize_grows_over_the_whole_of_the_free_segment_behind),
        ON_BOTH(resize_shrinks_and_frees_the_rest),
        ON_BOTH(resize_shrinks_into_the_free_segment_behind),
        ON_BOTH(resize_within_the_quantum_changes_nothing),
        ON_BOTH(resize_keeps_the_counters_true),
        ON_BOTH(resize_up_to_the_end_of_the_address_space),
        ON_BOTH(resize_refuses_to_grow_over_an_allocated_segment),
        ON_BOTH(resize_refuses_to_grow_beyond_the_free_segment_behind),
        ON_BOTH(resize_refuses_to_grow_over_the_end_of_the_span),
        ON_BOTH(resize_refuses_a_size_that_wraps),
        ON_BOTH(resize_and_split_report_what_is_no_allocated_segment),
        ON_BOTH(resize_rejects_size_zero_unknown_flags_and_no_arena),
        ON_BOTH(split_makes_two_segments_of_one),
        ON_BOTH(split_segments_are_freed_each_alone),
        ON_BOTH(split_segments_are_no_longer_freed_as_one),
        ON_BOTH(split_segments_are_resized_each_alone),
        ON_BOTH(split_counts_one_more_segment_in_use),
        ON_BOTH(split_rejects_an_offset_that_leaves_no_two_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
