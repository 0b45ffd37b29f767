/* SPDX-License-Identifier: MIT */
/*
 * test_free.c - freeing: neighbours merge, misuse is told apart and changes nothing.
 */
#include "support.h"

static void free_merges_with_the_free_segment_before(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 2, 2);
    (void)take_at(arena, 4, 4);
    give(arena, 2, 2);
    assert_layout(arena, 1, "[.4#4]");
}

static void free_merges_with_the_free_segment_behind(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 2, 2);
    give(arena, 2, 2);
    assert_layout(arena, 1, "[#2.6]");
}

static void free_merges_on_both_sides(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 2, 4);
    give(arena, 2, 4);
    assert_layout(arena, 1, "[.8]");
}

static void free_between_two_allocated_segments_merges_with_neither(void **state)
{
    vmem_t *arena = make(0, 6, 1, INDEX(state));

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 2, 2);
    (void)take_at(arena, 4, 2);
    give(arena, 2, 2);
    assert_layout(arena, 1, "[#2.2#2]");
}

static void free_does_not_merge_across_spans_that_touch(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 4, 4, 0), arena);
    (void)take_at(arena, 0, 4);
    (void)take_at(arena, 4, 4);
    give(arena, 0, 4);
    give(arena, 4, 4);
    assert_layout(arena, 1, "[.4][.4]");
}

static void free_rounds_the_size_up_to_the_quantum(void **state)
{
    vmem_t *arena = make(0, 0x100, 0x10, INDEX(state));

    give(arena, take(arena, 0x11, POLICY(state)), 0x20);
    give(arena, take(arena, 0x20, POLICY(state)), 0x11);
    assert_layout(arena, 0x10, "[.16]");
}

static void xfree_is_free(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_constraints c = {.align = 4};

    vmem_xfree(arena, xtake(arena, 2, &c, POLICY(state)), 2);
    check(arena);
    assert_layout(arena, 1, "[.8]");
}

static void free_takes_no_memory(void **state)
{
    vmem_t *arena = make(0, 512, 1, INDEX(state));
    unsigned long calls;

    for (unsigned i = 0; i < 512; i++)
        (void)take(arena, 1, POLICY(state));
    lender.refuse_all = true;
    calls = lender.calls;
    for (unsigned i = 0; i < 512; i += 2)
        give(arena, i, 1);
    for (unsigned i = 1; i < 512; i += 2)
        give(arena, i, 1);
    assert_int_equal(lender.calls, calls);
    assert_layout(arena, 1, "[.512]");
}

static void free_in_any_order_leaves_one_segment(void **state)
{
    vmem_t *arena = make(0x40, 256, 1, INDEX(state));
    vmem_addr_t addrs[64];
    uint64_t seed = 7;

    for (unsigned i = 0; i < 64; i++)
        addrs[i] = take(arena, 4, POLICY(state));
    for (unsigned left = 64; left > 0; left--) {
        unsigned i = (unsigned)(next_random(&seed) % left);

        give(arena, addrs[i], 4);
        addrs[i] = addrs[left - 1];
    }
    assert_layout(arena, 1, "[.256]");
}

/* Misuse. Quanta of 16: [0, 32) free, [32, 64) allocated, [64, 96) allocated, the rest free. */

static vmem_t *make_victim(void **state)
{
    vmem_t *arena = make(0x1000, 0x100, 0x10, INDEX(state));

    (void)take_at(arena, 0x1020, 0x20);
    (void)take_at(arena, 0x1040, 0x20);
    return arena;
}

static void misuse(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, enum vmem_fault_kind kind,
                   vmem_addr_t expected_addr, vmem_size_t expected_size)
{
    static struct snapshot before;
    static void (*const calls[])(vmem_t *, vmem_addr_t, vmem_size_t) = {vmem_free, vmem_xfree};
    static const char *const names[] = {"vmem_free", "vmem_xfree"};

    for (unsigned i = 0; i < 2; i++) {
        snapshot(arena, &before);
        calls[i](arena, addr, size);
        expect_fault(kind);
        assert_string_equal(last_fault.call, names[i]);
        assert_ptr_equal(last_fault.arena, arena);
        assert_string_equal(last_fault.arena_name, "test");
        assert_int_equal(last_fault.addr, addr);
        assert_int_equal(last_fault.size, size);
        assert_int_equal(last_fault.expected_addr, expected_addr);
        assert_int_equal(last_fault.expected_size, expected_size);
        check(arena);
        assert_same(arena, &before);
    }
}

static void free_reports_a_double_free(void **state)
{
    vmem_t *arena = make_victim(state);

    give(arena, 0x1040, 0x20);
    misuse(arena, 0x1040, 0x20, VMEM_FAULT_DOUBLE_FREE, 0x1040, 0xc0);
    misuse(arena, 0x1010, 0x10, VMEM_FAULT_DOUBLE_FREE, 0x1000, 0x20);
}

static void free_reports_a_wrong_size(void **state)
{
    vmem_t *arena = make_victim(state);

    misuse(arena, 0x1020, 0x10, VMEM_FAULT_WRONG_SIZE, 0x1020, 0x20);
    misuse(arena, 0x1020, 0x40, VMEM_FAULT_WRONG_SIZE, 0x1020, 0x20);
    misuse(arena, 0x1020, 0, VMEM_FAULT_WRONG_SIZE, 0x1020, 0x20);
    misuse(arena, 0x1020, VMEM_ADDR_MAX, VMEM_FAULT_WRONG_SIZE, 0x1020, 0x20);
}

static void free_reports_the_middle_of_a_segment(void **state)
{
    misuse(make_victim(state), 0x1030, 0x10, VMEM_FAULT_MISALIGNED, 0x1020, 0x20);
}

static void free_reports_an_address_that_is_not_in_quanta(void **state)
{
    vmem_t *arena = make_victim(state);

    misuse(arena, 0x1021, 0x20, VMEM_FAULT_MISALIGNED, 0x1020, 0x20);
    vmem_free(arena, 0x1001, 0x10);
    expect_fault(VMEM_FAULT_MISALIGNED);
}

static void free_reports_a_foreign_address(void **state)
{
    vmem_t *arena = make_victim(state);

    misuse(arena, 0xff0, 0x10, VMEM_FAULT_FOREIGN, 0, 0);
    misuse(arena, 0x1100, 0x10, VMEM_FAULT_FOREIGN, 0, 0);
    misuse(arena, 0, 0x10, VMEM_FAULT_FOREIGN, 0, 0);
    misuse(arena, VMEM_ADDR_MAX - 0xf, 0x10, VMEM_FAULT_FOREIGN, 0, 0);
}

static void free_reports_a_foreign_address_in_an_arena_without_spans(void **state)
{
    misuse(make(0, 0, 1, INDEX(state)), 0, 1, VMEM_FAULT_FOREIGN, 0, 0);
}

static void free_reports_an_address_of_another_arena(void **state)
{
    vmem_t *arena = make_victim(state);
    vmem_t *other = make(0x2000, 0x100, 0x10, INDEX(state));

    (void)take(other, 0x20, 0);
    misuse(arena, 0x2000, 0x20, VMEM_FAULT_FOREIGN, 0, 0);
}

static void free_reports_a_missing_arena(void **state)
{
    (void)state;
    vmem_free(NULL, 0, 1);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_null(last_fault.arena);
    assert_string_equal(last_fault.arena_name, "-");
    vmem_xfree(NULL, 0, 1);
    expect_fault(VMEM_FAULT_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(free_merges_with_the_free_segment_before),
        ON_BOTH(free_merges_with_the_free_segment_behind),
        ON_BOTH(free_merges_on_both_sides),
        ON_BOTH(free_between_two_allocated_segments_merges_with_neither),
        ON_BOTH(free_does_not_merge_across_spans_that_touch),
        ON_ALL(free_rounds_the_size_up_to_the_quantum),
        ON_ALL(xfree_is_free),
        ON_ALL(free_takes_no_memory),
        ON_ALL(free_in_any_order_leaves_one_segment),
        ON_BOTH(free_reports_a_double_free),
        ON_BOTH(free_reports_a_wrong_size),
        ON_BOTH(free_reports_the_middle_of_a_segment),
        ON_BOTH(free_reports_an_address_that_is_not_in_quanta),
        ON_BOTH(free_reports_a_foreign_address),
        ON_BOTH(free_reports_a_foreign_address_in_an_arena_without_spans),
        ON_BOTH(free_reports_an_address_of_another_arena),
        ONCE(free_reports_a_missing_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
