/* SPDX-License-Identifier: MIT */
/*
 * test_alloc.c - allocation: every policy and every constraint, on both indexes.
 */
#include "support.h"

/*
 * Sixteen quanta with holes of 3, 1, 2 and 4:
 *
 *     0   3 4 5 6 7  9   11  12  16
 *     ... # . # # .. ##  #   ....
 */
static vmem_t *make_holes(unsigned index)
{
    vmem_t *arena = make(0, 16, 1, index);

    (void)take_at(arena, 3, 1);
    (void)take_at(arena, 5, 2);
    (void)take_at(arena, 9, 3);
    assert_layout(arena, 1, "[.3#1.1#2.2#3.4]");
    return arena;
}

static void alloc_rounds_the_size_up_to_the_quantum(void **state)
{
    vmem_t *arena = make(0, 0x100, 0x10, INDEX(state));
    vmem_addr_t addr = take(arena, 1, POLICY(state));
    struct vmem_stats stats;

    assert_int_equal(addr % 0x10, 0);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, 0x10);
    give(arena, addr, 1);
    addr = take(arena, 0x11, POLICY(state));
    vmem_stat(arena, &stats);
    assert_int_equal(stats.in_use, 0x20);
    give(arena, addr, 0x11);
    assert_layout(arena, 0x10, "[.16]");
}

static void alloc_takes_the_whole_of_an_arena(void **state)
{
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    assert_int_equal(take(arena, 0x1000, POLICY(state)), 0x1000);
    assert_layout(arena, 0x10, "[#256]");
    refused(arena, 0x10, POLICY(state), -VMEM_ENOSPC);
}

static void alloc_hands_out_every_quantum_once(void **state)
{
    vmem_t *arena = make(0, 64, 1, INDEX(state));
    bool taken[64] = {false};

    for (unsigned i = 0; i < 64; i++) {
        vmem_addr_t addr = take(arena, 1, POLICY(state));

        assert_true(addr < 64 && !taken[addr]);
        taken[addr] = true;
    }
    refused(arena, 1, POLICY(state), -VMEM_ENOSPC);
}

static void alloc_hands_out_the_first_and_the_last_address_of_the_space(void **state)
{
    vmem_t *low = make(0, 1, 1, INDEX(state));
    vmem_t *high = make(VMEM_ADDR_MAX, 1, 1, INDEX(state));

    assert_int_equal(take(low, 1, POLICY(state)), 0);
    assert_int_equal(take(high, 1, POLICY(state)), VMEM_ADDR_MAX);
    give(low, 0, 1);
    give(high, VMEM_ADDR_MAX, 1);
    assert_layout(low, 1, "[.1]");
    assert_layout(high, 1, "[.1]");
}

static void alloc_takes_the_smallest_hole_under_best_fit(void **state)
{
    vmem_t *arena = make_holes(INDEX(state));

    assert_int_equal(take(arena, 2, VMEM_BESTFIT), 7);
    assert_int_equal(take(arena, 1, VMEM_BESTFIT), 4);
    assert_int_equal(take(arena, 2, VMEM_BESTFIT), 0);
    assert_int_equal(take(arena, 1, VMEM_BESTFIT), 2);
    assert_layout(arena, 1, "[#2#1#1#1#2#2#3.4]");
}

static void alloc_takes_the_lowest_hole_under_first_fit(void **state)
{
    vmem_t *arena = make_holes(INDEX(state));

    assert_int_equal(take(arena, 1, VMEM_FIRSTFIT), 0);
    assert_int_equal(take(arena, 3, VMEM_FIRSTFIT), 12);
    assert_int_equal(take(arena, 2, VMEM_FIRSTFIT), 1);
    assert_int_equal(take(arena, 2, VMEM_FIRSTFIT), 7);
    assert_int_equal(take(arena, 1, VMEM_FIRSTFIT), 4);
}

static void alloc_takes_the_end_of_the_highest_hole_under_last_fit(void **state)
{
    vmem_t *arena = make_holes(INDEX(state));

    assert_int_equal(take(arena, 1, VMEM_LASTFIT), 15);
    assert_int_equal(take(arena, 3, VMEM_LASTFIT), 12);
    assert_int_equal(take(arena, 3, VMEM_LASTFIT), 0);
    assert_int_equal(take(arena, 1, VMEM_LASTFIT), 8);
}

static void alloc_goes_round_under_next_fit(void **state)
{
    vmem_t *arena = make(10, 4, 1, INDEX(state));

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 4; i++) {
            vmem_addr_t addr = take(arena, 1, VMEM_NEXTFIT);

            assert_int_equal(addr, 10 + i);
            give(arena, addr, 1);
            assert_layout(arena, 1, "[.4]");
        }
    }
}

static void alloc_goes_on_in_the_middle_of_a_hole_under_next_fit(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    vmem_addr_t first = take(arena, 3, VMEM_NEXTFIT);

    assert_int_equal(first, 0);
    give(arena, first, 3);
    assert_int_equal(take(arena, 2, VMEM_NEXTFIT), 3);
    assert_int_equal(take(arena, 3, VMEM_NEXTFIT), 5);
    assert_int_equal(take(arena, 3, VMEM_NEXTFIT), 0);
    assert_layout(arena, 1, "[#3#2#3]");
}

static void alloc_goes_on_in_the_next_span_under_next_fit(void **state)
{
    vmem_t *arena = make(0, 2, 1, INDEX(state));

    expect(0, vmem_add(arena, 100, 2, 0), arena);
    expect(0, vmem_add(arena, 50, 2, 0), arena);
    assert_int_equal(take(arena, 2, VMEM_NEXTFIT), 0);
    assert_int_equal(take(arena, 1, VMEM_NEXTFIT), 50);
    give(arena, 0, 2);
    assert_int_equal(take(arena, 2, VMEM_NEXTFIT), 100);
    assert_int_equal(take(arena, 1, VMEM_NEXTFIT), 0);
}

static void alloc_remembers_its_place_when_the_cursor_s_neighbours_are_freed(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    for (unsigned i = 0; i < 4; i++)
        (void)take(arena, 1, VMEM_NEXTFIT);
    give(arena, 3, 1);
    give(arena, 2, 1);
    assert_layout(arena, 1, "[#1#1.6]");
    assert_int_equal(take(arena, 1, VMEM_NEXTFIT), 4);
}

static void alloc_by_instant_fit_on_the_tree_is_first_fit(void **state)
{
    vmem_t *arena = make_holes(VMEM_ARENA_ORDERED);

    (void)state;
    assert_int_equal(take(arena, 1, VMEM_INSTANTFIT), 0);
    assert_int_equal(take(arena, 3, VMEM_INSTANTFIT), 12);
}

static void alloc_from_several_spans_never_crosses_their_border(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 4, 4, 0), arena);
    refused(arena, 5, POLICY(state), -VMEM_ENOSPC);
    (void)take(arena, 3, POLICY(state));
    (void)take(arena, 3, POLICY(state));
    refused(arena, 2, POLICY(state), -VMEM_ENOSPC);
}

static void alloc_refuses_a_size_that_wraps_when_it_is_rounded(void **state)
{
    vmem_t *arena = make(0, 0x10000, 0x1000, INDEX(state));

    refused(arena, VMEM_ADDR_MAX, POLICY(state), -VMEM_ENOSPC);
    refused(arena, VMEM_ADDR_MAX - 0xffe, POLICY(state), -VMEM_ENOSPC);
    refused(arena, VMEM_ADDR_MAX / 2 + 1, POLICY(state), -VMEM_ENOSPC);
}

static void alloc_counts_a_refusal(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_stats stats;

    refused(arena, 9, POLICY(state), -VMEM_ENOSPC);
    vmem_stat(arena, &stats);
    assert_int_equal(stats.fails, 1);
    assert_int_equal(stats.allocs, 0);
}

static void alloc_rejects_size_zero(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    refused(arena, 0, POLICY(state), -VMEM_EINVAL);
    assert_string_equal(last_fault.call, "vmem_alloc");
    xrefused(arena, 0, &(struct vmem_constraints){.align = 2}, POLICY(state), -VMEM_EINVAL);
    assert_string_equal(last_fault.call, "vmem_xalloc");
}

static void alloc_rejects_unknown_flags(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    for (unsigned flags = 0; flags < 0x20; flags++)
        if ((flags & ~(unsigned)VMEM_SLEEP) > VMEM_LASTFIT)
            refused(arena, 1, flags, -VMEM_EINVAL);
    refused(arena, 1, POLICY(state) | 0x80000000, -VMEM_EINVAL);
    xrefused(arena, 1, &(struct vmem_constraints){.align = 2}, 0x100, -VMEM_EINVAL);
}

static void alloc_rejects_a_missing_arena_or_address(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));
    struct vmem_constraints c = {.align = 2};
    vmem_addr_t addr;

    assert_int_equal(vmem_alloc(arena, 1, POLICY(state), NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_xalloc(arena, 1, &c, POLICY(state), NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_alloc(NULL, 1, POLICY(state), &addr), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_xalloc(NULL, 1, &c, POLICY(state), &addr), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_layout(arena, 1, "[.8]");
}

static void xalloc_without_constraints_is_alloc(void **state)
{
    vmem_t *one = make_holes(INDEX(state)), *other = make_holes(INDEX(state));
    static const vmem_size_t sizes[] = {2, 1, 3, 1, 2};
    const struct vmem_constraints none = {0};

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        vmem_addr_t addr = 0, expected = take(one, sizes[i], POLICY(state));

        if (i % 2 == 0)
            addr = xtake(other, sizes[i], &none, POLICY(state));
        else
            assert_int_equal(vmem_xalloc(other, sizes[i], NULL, POLICY(state), &addr), 0);
        assert_int_equal(addr, expected);
    }
}

static void xalloc_aligns(void **state)
{
    vmem_t *arena = make(0x130, 0x1000, 0x10, INDEX(state));

    for (vmem_size_t align = 1; align <= 0x400; align *= 2) {
        struct vmem_constraints c = {.align = align};

        assert_int_equal(xtake(arena, 0x20, &c, POLICY(state)) % align, 0);
    }
}

static void xalloc_aligns_the_first_address_of_the_space_to_anything(void **state)
{
    vmem_t *arena = make(0, 0x100, 1, INDEX(state));
    struct vmem_constraints c = {.align = VMEM_ADDR_MAX / 2 + 1};

    assert_int_equal(xtake(arena, 1, &c, POLICY(state)), 0);
    xrefused(arena, 1, &c, POLICY(state), -VMEM_ENOSPC);
}

static void xalloc_gives_the_phase_that_was_asked_for(void **state)
{
    vmem_t *arena = make(0x130, 0x1000, 0x10, INDEX(state));

    for (vmem_size_t phase = 0; phase < 0x100; phase += 0x10) {
        struct vmem_constraints c = {.align = 0x100, .phase = phase};

        assert_int_equal(xtake(arena, 0x20, &c, POLICY(state)) % 0x100, phase);
    }
}

static void xalloc_finds_the_only_place_of_a_phase_above_the_start_of_the_span(void **state)
{
    vmem_t *arena = make(0x10, 0x100, 1, INDEX(state));
    struct vmem_constraints c = {.align = 0x1000, .phase = 0x10f};

    assert_int_equal(xtake(arena, 1, &c, POLICY(state)), 0x10f);
    xrefused(arena, 1, &c, POLICY(state), -VMEM_ENOSPC);
}

static void xalloc_crosses_no_multiple_of_nocross(void **state)
{
    vmem_t *arena = make(0x130, 0x1000, 0x10, INDEX(state));
    struct vmem_constraints c = {.nocross = 0x100};
    unsigned count = 0;
    vmem_addr_t addr;

    while (vmem_xalloc(arena, 0xa0, &c, POLICY(state), &addr) == 0) {
        assert_true(legal(addr, 0xa0, 0x10, &c));
        check(arena);
        count++;
    }
    assert_int_equal(count, 16);
}

static void xalloc_fills_a_nocross_block_to_the_edge(void **state)
{
    vmem_t *arena = make(0x1f, 0x102, 1, INDEX(state));
    struct vmem_constraints c = {.nocross = 0x100};

    assert_int_equal(xtake(arena, 0xe1, &c, POLICY(state)), 0x1f);
    assert_int_equal(xtake(arena, 0x21, &c, POLICY(state)), 0x100);
}

static void xalloc_stays_within_the_window(void **state)
{
    vmem_t *arena = make(0, 0x1000, 0x10, INDEX(state));
    struct vmem_constraints c = {.min = 0x234, .limit = 0x2ff};

    for (unsigned i = 0; i < 11; i++)
        assert_true(legal(xtake(arena, 0x10, &c, POLICY(state)), 0x10, 0x10, &c));
    xrefused(arena, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    assert_layout(arena, 0x10, "[.36#1#1#1#1#1#1#1#1#1#1#1.209]");
}

static void xalloc_takes_a_window_that_ends_with_the_address_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 0xff, 0x100, 1, INDEX(state));
    struct vmem_constraints c = {.min = VMEM_ADDR_MAX};

    assert_int_equal(xtake(arena, 1, &c, POLICY(state)), VMEM_ADDR_MAX);
    c.min = VMEM_ADDR_MAX - 2;
    c.limit = VMEM_ADDR_MAX;
    assert_int_equal(xtake(arena, 2, &c, POLICY(state)), VMEM_ADDR_MAX - 2);
}

static void xalloc_takes_the_one_address_that_is_named(void **state)
{
    vmem_t *arena = make(0, 0x100, 1, INDEX(state));
    struct vmem_constraints c = {.min = 0x42, .limit = 0x43};

    assert_int_equal(xtake(arena, 1, &c, POLICY(state)), 0x42);
    xrefused(arena, 1, &c, POLICY(state), -VMEM_ENOSPC);
    c.min = 0;
    c.limit = 1;
    assert_int_equal(xtake(arena, 1, &c, POLICY(state)), 0);
    assert_layout(arena, 1, "[#1.65#1.189]");
}

static void xalloc_refuses_a_window_smaller_than_the_size(void **state)
{
    vmem_t *arena = make(0, 0x100, 1, INDEX(state));
    struct vmem_constraints c = {.min = 0x10, .limit = 0x1f};

    xrefused(arena, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    c.min = VMEM_ADDR_MAX;
    c.limit = 0;
    xrefused(arena, 2, &c, POLICY(state), -VMEM_ENOSPC);
}

static void xalloc_obeys_every_constraint_at_once(void **state)
{
    vmem_t *arena = make(0x100, 0x10000, 1, INDEX(state));
    struct vmem_constraints c = {
        .align = 0x40, .phase = 0x10, .nocross = 0x100, .min = 0x401, .limit = 0x600};

    for (unsigned i = 0; i < 6; i++)
        assert_true(legal(xtake(arena, 0x40, &c, POLICY(state)), 0x40, 1, &c));
    xrefused(arena, 0x40, &c, POLICY(state), -VMEM_ENOSPC);
}

static void xalloc_takes_the_lowest_and_the_highest_legal_address(void **state)
{
    vmem_t *arena = make(0x130, 0x1000, 0x10, INDEX(state));
    struct vmem_constraints c = {.align = 0x100, .phase = 0x80, .min = 0x200, .limit = 0xf10};

    assert_int_equal(xtake(arena, 0x90, &c, VMEM_FIRSTFIT), 0x280);
    assert_int_equal(xtake(arena, 0x90, &c, VMEM_LASTFIT), 0xe80);
    assert_int_equal(xtake(arena, 0x90, &c, VMEM_FIRSTFIT), 0x380);
    assert_int_equal(xtake(arena, 0x90, &c, VMEM_LASTFIT), 0xd80);
}

static void xalloc_goes_round_within_the_window_under_next_fit(void **state)
{
    vmem_t *arena = make(0, 100, 1, INDEX(state));
    struct vmem_constraints c = {.min = 10, .limit = 13};

    for (unsigned i = 0; i < 7; i++) {
        vmem_addr_t addr = xtake(arena, 1, &c, VMEM_NEXTFIT);

        assert_int_equal(addr, 10 + i % 3);
        give(arena, addr, 1);
    }
}

static void xalloc_takes_the_smallest_hole_that_serves_under_best_fit(void **state)
{
    vmem_t *arena = make_holes(INDEX(state));
    struct vmem_constraints c = {.align = 4};

    assert_int_equal(xtake(arena, 1, &c, VMEM_BESTFIT), 4);
    assert_int_equal(xtake(arena, 1, &c, VMEM_BESTFIT), 8);
    assert_int_equal(xtake(arena, 1, &c, VMEM_BESTFIT), 0);
    assert_int_equal(xtake(arena, 1, &c, VMEM_BESTFIT), 12);
    xrefused(arena, 1, &c, VMEM_BESTFIT, -VMEM_ENOSPC);
}

static void xalloc_rejects_constraints_that_can_never_be_right(void **state)
{
    static const struct vmem_constraints wrong[] = {
        {.align = 3},
        {.align = VMEM_ADDR_MAX},
        {.align = 0x100, .phase = 0x100},
        {.align = 0x100, .phase = 0x8},
        {.phase = 0x10},
        {.nocross = 0x30},
        {.nocross = 0x10},
        {.min = 0x100, .limit = 0x100},
        {.min = 0x200, .limit = 0x100},
    };
    vmem_t *arena = make(0, 0x1000, 0x10, INDEX(state));

    for (size_t i = 0; i < LENGTH(wrong); i++)
        xrefused(arena, 0x20, &wrong[i], POLICY(state), -VMEM_EINVAL);
}

static void xalloc_refuses_what_wraps_at_the_top_of_the_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 0xff, 0x100, 1, INDEX(state));
    struct vmem_constraints c = {.align = 0x1000};

    xrefused(arena, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    c.phase = 0xff8;
    xrefused(arena, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    assert_int_equal(xtake(arena, 8, &c, POLICY(state)), VMEM_ADDR_MAX - 7);
    c.nocross = 0x1000;
    xrefused(arena, VMEM_ADDR_MAX, &c, POLICY(state), -VMEM_EINVAL);
    c.nocross = 0;
    xrefused(arena, VMEM_ADDR_MAX, &c, POLICY(state), -VMEM_ENOSPC);
}

/* Whether any address of the arena would do: free there, and legal. In plain words, slowly. */
static unsigned legal_places(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                             vmem_addr_t *lowest, vmem_addr_t *highest)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    unsigned count = 0;

    while (vmem_walk_next(arena, &cursor, &segment)) {
        if (segment.kind != VMEM_SEGMENT_FREE || segment.size < size)
            continue;
        for (vmem_addr_t at = segment.addr; at - segment.addr <= segment.size - size; at++) {
            if (!legal(at, size, 1, c))
                continue;
            if (count++ == 0)
                *lowest = at;
            *highest = at;
        }
    }
    return count;
}

static struct vmem_constraints random_constraints(uint64_t *seed, vmem_addr_t base,
                                                  vmem_size_t size)
{
    struct vmem_constraints c = {.align = (vmem_size_t)1 << next_random(seed) % 6};

    if (next_random(seed) % 2 == 0)
        c.phase = (vmem_size_t)(next_random(seed) % c.align);
    if (next_random(seed) % 2 == 0)
        for (c.nocross = 1; c.nocross < size; c.nocross *= 2)
            ;
    if (c.nocross != 0)
        c.nocross <<= next_random(seed) % 3;
    if (next_random(seed) % 2 == 0)
        c.min = base + (vmem_addr_t)(next_random(seed) % 128);
    if (next_random(seed) % 2 == 0) {
        c.limit = (vmem_addr_t)((c.min > 0 ? c.min : base) + 1 + next_random(seed) % 128);
        if (c.limit <= c.min)
            c.limit = 0;
    }
    return c;
}

static void try_one_request(vmem_t *arena, vmem_addr_t base, unsigned policy, uint64_t *seed)
{
    vmem_size_t size = 1 + (vmem_size_t)(next_random(seed) % 12);
    struct vmem_constraints c = random_constraints(seed, base, size);
    vmem_addr_t addr, lowest = 0, highest = 0;
    unsigned places = legal_places(arena, size, &c, &lowest, &highest);

    if (places == 0) {
        xrefused(arena, size, &c, policy, -VMEM_ENOSPC);
        return;
    }
    addr = xtake(arena, size, &c, policy);
    assert_true(legal(addr, size, 1, &c));
    if (policy == VMEM_FIRSTFIT)
        assert_int_equal(addr, lowest);
    if (policy == VMEM_LASTFIT)
        assert_int_equal(addr, highest);
}

static void free_some(vmem_t *arena, uint64_t *seed)
{
    static struct snapshot shot;

    snapshot(arena, &shot);
    for (size_t i = 0; i < shot.count; i++)
        if (shot.segments[i].kind == VMEM_SEGMENT_ALLOCATED && next_random(seed) % 3 == 0)
            give(arena, shot.segments[i].addr, shot.segments[i].size);
}

static void xalloc_is_refused_only_when_no_hole_serves(void **state)
{
    const vmem_addr_t bases[] = {0, 0x1000 - 64, VMEM_ADDR_MAX - 127};
    uint64_t seed = 20011;

    for (size_t i = 0; i < LENGTH(bases); i++) {
        vmem_t *arena = make(bases[i], 64, 1, INDEX(state));

        expect(0, vmem_add(arena, bases[i] + 64, 64, 0), arena);
        for (unsigned round = 0; round < 12; round++) {
            for (unsigned request = 0; request < 20; request++)
                try_one_request(arena, bases[i], POLICY(state), &seed);
            free_some(arena, &seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(alloc_rounds_the_size_up_to_the_quantum),
        ON_ALL(alloc_takes_the_whole_of_an_arena),
        ON_ALL(alloc_hands_out_every_quantum_once),
        ON_ALL(alloc_hands_out_the_first_and_the_last_address_of_the_space),
        ON_BOTH(alloc_takes_the_smallest_hole_under_best_fit),
        ON_BOTH(alloc_takes_the_lowest_hole_under_first_fit),
        ON_BOTH(alloc_takes_the_end_of_the_highest_hole_under_last_fit),
        ON_BOTH(alloc_goes_round_under_next_fit),
        ON_BOTH(alloc_goes_on_in_the_middle_of_a_hole_under_next_fit),
        ON_BOTH(alloc_goes_on_in_the_next_span_under_next_fit),
        ON_BOTH(alloc_remembers_its_place_when_the_cursor_s_neighbours_are_freed),
        ONCE(alloc_by_instant_fit_on_the_tree_is_first_fit),
        ON_ALL(alloc_from_several_spans_never_crosses_their_border),
        ON_ALL(alloc_refuses_a_size_that_wraps_when_it_is_rounded),
        ON_ALL(alloc_counts_a_refusal),
        ON_ALL(alloc_rejects_size_zero),
        ON_ALL(alloc_rejects_unknown_flags),
        ON_ALL(alloc_rejects_a_missing_arena_or_address),
        ON_ALL(xalloc_without_constraints_is_alloc),
        ON_ALL(xalloc_aligns),
        ON_ALL(xalloc_aligns_the_first_address_of_the_space_to_anything),
        ON_ALL(xalloc_gives_the_phase_that_was_asked_for),
        ON_ALL(xalloc_finds_the_only_place_of_a_phase_above_the_start_of_the_span),
        ON_ALL(xalloc_crosses_no_multiple_of_nocross),
        ON_ALL(xalloc_fills_a_nocross_block_to_the_edge),
        ON_ALL(xalloc_stays_within_the_window),
        ON_ALL(xalloc_takes_a_window_that_ends_with_the_address_space),
        ON_ALL(xalloc_takes_the_one_address_that_is_named),
        ON_ALL(xalloc_refuses_a_window_smaller_than_the_size),
        ON_ALL(xalloc_obeys_every_constraint_at_once),
        ON_BOTH(xalloc_takes_the_lowest_and_the_highest_legal_address),
        ON_BOTH(xalloc_goes_round_within_the_window_under_next_fit),
        ON_BOTH(xalloc_takes_the_smallest_hole_that_serves_under_best_fit),
        ON_ALL(xalloc_rejects_constraints_that_can_never_be_right),
        ON_ALL(xalloc_refuses_what_wraps_at_the_top_of_the_space),
        ON_ALL(xalloc_is_refused_only_when_no_hole_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
