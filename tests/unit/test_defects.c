/* SPDX-License-Identifier: MIT */
/*
 * test_defects.c - what other allocators of this kind get wrong and this one must not: thirteen
 * defects that were found in them, each with a test that would show it. Costs are seen in what
 * the structures look like and in what was looked at, never in time.
 */
#include "support.h"

#include "arena.h"
#include "freelist.h"
#include "hash.h"
#include "tree.h"

#include <string.h>

/* Allocates all of an arena in segments of `size`, as they come. */
static unsigned fill(vmem_t *arena, vmem_size_t size)
{
    unsigned count = 0;
    vmem_addr_t addr;

    while (vmem_alloc(arena, size, VMEM_FIRSTFIT, &addr) == 0)
        count++;
    return count;
}

/*
 * 1. Instant fit that scans a list when no larger one is populated.
 *
 * A thousand holes of 64, then one of 66: all on the list to which 65 belongs. While a larger hole
 * is there, it is taken, and the exact one stays: no look at the list. Where none is, one look at
 * this one list is the last step; a strict arena never takes it.
 */
static vmem_t *make_thousand_holes(unsigned flags, bool larger)
{
    vmem_t *arena = make(0, 66 * 1001, 1, flags);

    for (vmem_addr_t i = 0; i <= 1000; i++) {
        vmem_addr_t addr;

        assert_int_equal(vmem_alloc(arena, 65, VMEM_FIRSTFIT, &addr), 0);
        assert_int_equal(vmem_alloc(arena, 1, VMEM_FIRSTFIT, &addr), 0);
    }
    if (larger)
        assert_int_equal(vmem_add(arena, 1 << 20, 200, 0), 0);
    vmem_free(arena, 0, 65);
    for (vmem_addr_t i = 1; i <= 1000; i++) {
        assert_int_equal(vmem_resize(arena, 66 * i, 65, 1, 0), 0);
    }
    check(arena);
    return arena;
}

static void defect_1_instant_fit_scans_a_list(void **state)
{
    vmem_t *arena = make_thousand_holes(0, true);

    (void)state;
    assert_int_equal(take(arena, 65, VMEM_INSTANTFIT), 1 << 20);
}

static void defect_1_instant_fit_scans_more_than_one_list_before_it_fails(void **state)
{
    vmem_t *arena = make_thousand_holes(0, false);

    (void)state;
    assert_int_equal(take(arena, 65, VMEM_INSTANTFIT), 0);
    refused(arena, 65, VMEM_INSTANTFIT, -VMEM_ENOSPC);
}

static void defect_1_instant_fit_scans_a_list_of_a_strict_arena(void **state)
{
    vmem_t *arena = make_thousand_holes(VMEM_ARENA_STRICT, false);

    (void)state;
    refused(arena, 65, VMEM_INSTANTFIT, -VMEM_ENOSPC);
}

/*
 * 2. A constrained request that is refused although a segment satisfies it.
 *
 * Forty large holes that begin and end in the wrong place, and a small one in the right one.
 */
static void defect_2_a_constrained_request_is_refused_although_a_segment_satisfies_it(void **state)
{
    vmem_t *arena = make(0, 64 * 41, 1, INDEX(state));
    const struct vmem_constraints aligned = {.align = 64};
    const struct vmem_constraints window = {.min = 64 * 40, .limit = 64 * 40 + 5};

    (void)fill(arena, 64);
    for (vmem_addr_t i = 0; i < 40; i++) { /* [64 i + 1, 64 i + 64) */
        expect(0, vmem_split(arena, 64 * i, 64, 1), arena);
        give(arena, 64 * i + 1, 63);
    }
    expect(0, vmem_split(arena, 64 * 40, 64, 5), arena);
    give(arena, 64 * 40, 5);
    assert_int_equal(xtake(arena, 5, &aligned, POLICY(state)), 64 * 40);
    give(arena, 64 * 40, 5);
    assert_int_equal(xtake(arena, 5, &window, POLICY(state)), 64 * 40);
}

/*
 * 3. A hash that is rehashed all at once, or only by a timer.
 */
static void defect_3_the_hash_is_rehashed_all_at_once(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    const struct vmem_hash *hash = &arena->hash;
    vmem_addr_t addr;
    size_t moved = 0;

    for (unsigned i = 0; i < 1 << 14; i++) {
        unsigned shift = hash->shift;

        assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
        if (hash->shift == shift)
            assert_true(hash->moved <= moved + VMEM_HASH_STEP);
        moved = hash->moved;
        assert_true(hash->count <= (size_t)4 << (VMEM_WORD_BITS - hash->shift));
    }
}

/*
 * 4. Next fit that is linear in the number of allocated IDs; a cursor that keeps neighbours from
 * coalescing or pins an empty span.
 */
static void defect_4_next_fit_is_linear_in_allocated_ids(void **state)
{
    vmem_t *arena = make(1, 1 << 12, 1, VMEM_ARENA_ORDERED);

    (void)state;
    (void)fill(arena, 1);
    vmem_free(arena, 1000, 1);
    /* The tree of what is free is all that a search sees: one node. */
    assert_int_equal(vmem_tree_recount(arena->tree, 1), 1);
    assert_int_equal(take(arena, 1, VMEM_NEXTFIT), 1000);
}

static void defect_4_the_cursor_keeps_neighbours_from_coalescing(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    for (unsigned i = 0; i < 4; i++)
        (void)take(arena, 2, VMEM_NEXTFIT);
    give(arena, 2, 2);
    give(arena, 0, 2);
    (void)take(arena, 1, VMEM_NEXTFIT);
    give(arena, 0, 1);
    give(arena, 4, 2);
    give(arena, 6, 2);
    assert_layout(arena, 1, "[.8]");
}

static void defect_4_the_cursor_pins_an_empty_span(void **state)
{
    vmem_t *source = make(0x1000, 0x1000, 0x100, INDEX(state));
    vmem_t *child = make_child(source, 0x100, INDEX(state));

    give(child, take(child, 0x100, VMEM_NEXTFIT), 0x100);
    vmem_reap(child);
    check(child);
    assert_layout(child, 0x100, "");
    assert_layout(source, 0x100, "[.16]");
}

/*
 * 5. start - phase and size + align that wrap near the top of the address space.
 */
static void defect_5_sums_wrap_near_the_top_of_the_address_space(void **state)
{
    const vmem_addr_t base = VMEM_ADDR_MAX - 0xfff;
    vmem_t *arena = make(base, 0x1000, 1, INDEX(state));
    struct vmem_constraints c = {.align = 0x1000, .phase = 0xff0};

    assert_int_equal(xtake(arena, 0x10, &c, POLICY(state)), VMEM_ADDR_MAX - 0xf);
    xrefused(arena, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    c = (struct vmem_constraints){.align = 0x2000};
    xrefused(arena, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    c = (struct vmem_constraints){.align = 0x800, .phase = 0x7ff, .nocross = 0x800};
    assert_int_equal(xtake(arena, 1, &c, POLICY(state)), base + 0x7ff);
    xrefused(arena, 2, &c, POLICY(state), -VMEM_ENOSPC);
    refused(arena, VMEM_ADDR_MAX - 1, POLICY(state), -VMEM_ENOSPC);
}

/*
 * 6. min/max, nocross or align that turn imports off.
 */
static void defect_6_constraints_turn_imports_off(void **state)
{
    static const struct vmem_constraints wishes[] = {
        {.min = 0x3000, .limit = 0x3100}, {.nocross = 0x1000}, {.align = 0x1000}};

    for (size_t i = 0; i < LENGTH(wishes); i++) {
        vmem_t *source = make(0x1010, 0x8000, 0x10, INDEX(state));
        vmem_t *child = make_child(source, 0x10, INDEX(state));
        vmem_addr_t addr = xtake(child, 0x20, &wishes[i], POLICY(state));

        assert_true(legal(addr, 0x20, 0x10, &wishes[i]));
    }
}

static int import_anything(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                           unsigned flags, vmem_addr_t *addrp)
{
    unsigned *calls = ctx;

    (void)size;
    (void)c;
    (void)flags;
    *addrp = 0x10000 * (vmem_addr_t)++ * calls + 0x10;
    return 0;
}

static unsigned released;

static void release_anything(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    (void)ctx;
    (void)addr;
    (void)size;
    released++;
}

static void defect_6_an_import_that_cannot_satisfy_is_asked_for_without_end(void **state)
{
    unsigned calls = 0;
    struct vmem_params params = {.name = "child",
                                 .quantum = 0x10,
                                 .import = import_anything,
                                 .release = release_anything,
                                 .ctx = &calls,
                                 .flags = INDEX(state)};
    vmem_t *arena = make_params(&params);
    const struct vmem_constraints c = {.align = 0x10000};
    vmem_addr_t addr;

    released = 0;
    assert_int_equal(vmem_xalloc(arena, 0x20, &c, POLICY(state), &addr), -VMEM_ENOSPC);
    check(arena);
    assert_true(calls >= 1 && calls <= 4);
    assert_int_equal(released, calls);
    assert_layout(arena, 1, "");
}

/*
 * 7. An import and a release for every pair at an empty arena.
 */
static void defect_7_every_pair_imports_and_releases(void **state)
{
    vmem_t *source = make(0, 0x10000, 0x100, INDEX(state));
    vmem_t *child = make_child(source, 0x100, INDEX(state));
    struct vmem_stats stats;

    for (unsigned i = 0; i < 100; i++)
        give(child, take(child, 0x100, POLICY(state)), 0x100);
    vmem_stat(child, &stats);
    assert_int_equal(stats.imports, 1);
    assert_int_equal(stats.releases, 0);
}

/*
 * 8. Overlapping or enclosing spans accepted by add.
 */
static void defect_8_add_accepts_a_span_that_overlaps(void **state)
{
    static const struct vmem_segment spans[] = {{.addr = 0x1000, .size = 0x1000},
                                                {.addr = 0x0800, .size = 0x1000},
                                                {.addr = 0x1800, .size = 0x1000},
                                                {.addr = 0x1400, .size = 0x100},
                                                {.addr = 0x0800, .size = 0x2000}};
    vmem_t *arena = make(0x1000, 0x1000, 1, INDEX(state));

    for (size_t i = 0; i < LENGTH(spans); i++) {
        assert_int_equal(vmem_add(arena, spans[i].addr, spans[i].size, 0), -VMEM_EEXIST);
        expect_fault(VMEM_FAULT_OVERLAP);
        check(arena);
    }
    assert_layout(arena, 1, "[.4096]");
}

/*
 * 9. Free that can fail or needs memory.
 */
static void defect_9_free_needs_memory(void **state)
{
    vmem_t *arena = make(0, 1000, 1, INDEX(state));
    unsigned long calls;

    (void)fill(arena, 1);
    vmem_reap(NULL); /* not a tag in stock */
    lender.refuse_all = true;
    calls = lender.calls;
    for (vmem_addr_t i = 0; i < 1000; i += 2) /* each becomes a segment of its own */
        give(arena, i, 1);
    assert_int_equal(lender.calls, calls);
    lender.refuse_all = false;
}

/*
 * 10. Double free, wrong size, foreign address: not reported, or something has changed.
 */
static void defect_10_misuse_of_free_passes_or_does_harm(void **state)
{
    static const struct {
        vmem_addr_t addr;
        vmem_size_t size;
        enum vmem_fault_kind kind;
    } rows[] = {
        {0x1000, 0x10, VMEM_FAULT_DOUBLE_FREE}, {0x1010, 0x10, VMEM_FAULT_WRONG_SIZE},
        {0x1010, 0x30, VMEM_FAULT_WRONG_SIZE},  {0x1020, 0x10, VMEM_FAULT_MISALIGNED},
        {0x2000, 0x10, VMEM_FAULT_FOREIGN},     {0, 0x10, VMEM_FAULT_FOREIGN},
    };
    static struct snapshot before;
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    give(arena, take_at(arena, 0x1000, 0x10), 0x10);
    (void)take_at(arena, 0x1010, 0x20);
    snapshot(arena, &before);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vmem_free(arena, rows[i].addr, rows[i].size);
        expect_fault(rows[i].kind);
        assert_ptr_equal(last_fault.arena, arena);
        assert_int_equal(last_fault.addr, rows[i].addr);
        assert_int_equal(last_fault.size, rows[i].size);
        if (rows[i].kind == VMEM_FAULT_WRONG_SIZE) {
            assert_int_equal(last_fault.expected_addr, 0x1010);
            assert_int_equal(last_fault.expected_size, 0x20);
            assert_int_equal(last_fault.allocated_by != 0, VMEM_CONFIG_DEBUG);
        }
        check(arena);
        assert_same(arena, &before);
    }
}

/*
 * 11. Address 0 lost on the way. (There are no caches yet: here, on the way through an import.)
 */
static void defect_11_address_zero_is_lost(void **state)
{
    vmem_t *source = make(0, 0x10, 0x10, INDEX(state));
    vmem_t *middle = make_child(source, 0x10, INDEX(state));
    vmem_t *child = make_child(middle, 1, INDEX(state));

    for (unsigned i = 0; i < 3; i++) {
        for (vmem_addr_t at = 0; at < 0x10; at++)
            assert_true(take(child, 1, POLICY(state)) < 0x10);
        refused(child, 1, POLICY(state), -VMEM_ENOSPC);
        for (vmem_addr_t at = 0x10; at > 0; at--)
            give(child, at - 1, 1);
        if (i % 2 == 1)
            vmem_reap(NULL);
    }
}

/*
 * 12. A refill of tags that recurses, deadlocks, or drains another thread's reserve: the page hook
 * allocates from the very arena that is being refilled, as much as a port that maps pages would.
 */
static vmem_t *refilled, *others[2];
static unsigned depth, depth_max, nested_failures, refills;

static void *allocating_hook(size_t size)
{
    vmem_t *const arenas[] = {refilled, others[0], others[1]};

    depth++;
    refills++;
    depth_max = depth > depth_max ? depth : depth_max;
    for (size_t i = 0; i < LENGTH(arenas) && depth == 1; i++) {
        struct vmem_constraints c = {.align = 64, .phase = 32, .min = 1 << 20};
        vmem_addr_t addr;

        if (vmem_xalloc(arenas[i], 2, &c, VMEM_FIRSTFIT, &addr) != 0)
            nested_failures++;
    }
    depth--;
    return lend_memory(size);
}

static void defect_12_a_refill_of_tags_recurses_or_deadlocks(void **state)
{
    vmem_addr_t addr;

    others[0] = make(0, 1 << 24, 1, INDEX(state));
    others[1] = make(0, 1 << 24, 1, INDEX(state) ^ VMEM_ARENA_ORDERED);
    refilled = make(0, 1 << 24, 1, INDEX(state));
    depth = depth_max = nested_failures = refills = 0;
    lender.alloc = allocating_hook;
    for (unsigned i = 0; i < 4000; i++)
        assert_int_equal(vmem_alloc(refilled, 1, POLICY(state), &addr), 0);
    lender.alloc = NULL;
    assert_true(refills > 10);
    assert_int_equal(depth_max, 1);
    assert_int_equal(nested_failures, 0);
    assert_int_equal(vmem_check(NULL), 0);
}

/*
 * 13. A tag pool that only grows.
 */
static void defect_13_the_tag_pool_only_grows(void **state)
{
    vmem_t *arena = make(0, 1 << 14, 1, INDEX(state));
    struct vmem_pool_stats before, full, after;

    vmem_pool_stat(&before);
    assert_int_equal(fill(arena, 1), 1 << 14);
    vmem_pool_stat(&full);
    assert_true(full.lent_pages > before.lent_pages + 100);
    for (vmem_addr_t i = 0; i < 1 << 14; i++)
        vmem_free(arena, i, 1);
    for (unsigned i = 0; i < 10; i++)
        vmem_reap(NULL); /* the hash comes down one size at a time */
    vmem_pool_stat(&after);
    assert_true(after.lent_pages <= before.lent_pages + 2);
    assert_int_equal(after.lent_pages, lender.pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(defect_1_instant_fit_scans_a_list),
        ONCE(defect_1_instant_fit_scans_more_than_one_list_before_it_fails),
        ONCE(defect_1_instant_fit_scans_a_list_of_a_strict_arena),
        ON_ALL(defect_2_a_constrained_request_is_refused_although_a_segment_satisfies_it),
        ON_BOTH(defect_3_the_hash_is_rehashed_all_at_once),
        ONCE(defect_4_next_fit_is_linear_in_allocated_ids),
        ON_BOTH(defect_4_the_cursor_keeps_neighbours_from_coalescing),
        ON_BOTH(defect_4_the_cursor_pins_an_empty_span),
        ON_ALL(defect_5_sums_wrap_near_the_top_of_the_address_space),
        ON_ALL(defect_6_constraints_turn_imports_off),
        ON_ALL(defect_6_an_import_that_cannot_satisfy_is_asked_for_without_end),
        ON_ALL(defect_7_every_pair_imports_and_releases),
        ON_BOTH(defect_8_add_accepts_a_span_that_overlaps),
        ON_BOTH(defect_9_free_needs_memory),
        ON_BOTH(defect_10_misuse_of_free_passes_or_does_harm),
        ON_ALL(defect_11_address_zero_is_lost),
        ON_ALL(defect_12_a_refill_of_tags_recurses_or_deadlocks),
        ON_BOTH(defect_13_the_tag_pool_only_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
