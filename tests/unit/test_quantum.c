/* SPDX-License-Identifier: MIT */
/*
 * test_quantum.c - quantum caches: what vmem_alloc() and vmem_free() promise of an arena holds with
 * them as without, and whoever looks at the arena sees what is handed out and not what is cached.
 */
#include "support.h"

#include "cache.h"
#include "pool.h"

#include <string.h>

static vmem_t *make_cached(vmem_addr_t base, vmem_size_t size, vmem_size_t quantum,
                           vmem_size_t qcache_max, unsigned flags)
{
    const struct vmem_params params = {.name = "cached",
                                       .base = base,
                                       .size = size,
                                       .quantum = quantum,
                                       .qcache_max = qcache_max,
                                       .flags = flags};

    return make_params(&params);
}

static vmem_t *make_cached_child(vmem_t *source, vmem_size_t quantum, vmem_size_t qcache_max,
                                 unsigned flags)
{
    const struct vmem_params params = {.name = "child",
                                       .quantum = quantum,
                                       .qcache_max = qcache_max,
                                       .source = source,
                                       .flags = flags};

    return make_params(&params);
}

static unsigned count_caches(const vmem_t *arena)
{
    unsigned count = 0;

    for (const vmem_cache_t *cache = arena->caches; cache != NULL; cache = cache->next)
        count++;
    return count;
}

static struct vmem_stats stats_of(vmem_t *arena)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    return stats;
}

/* A segment of a quantum cache cannot be split: that tells it from one of the arena's own. */
static bool is_cached(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, vmem_size_t quantum)
{
    int error = vmem_split(arena, addr, size, quantum);

    assert_true(error == 0 || error == -VMEM_ENOSPC);
    check(arena);
    return error != 0;
}

/*
 * Which requests are served by caches
 */

static void every_size_up_to_the_limit_is_served_by_its_cache(void **state)
{
    static const vmem_size_t quanta[] = {1, 16, 4096};

    for (size_t q = 0; q < LENGTH(quanta); q++) {
        vmem_size_t quantum = quanta[q], max = 9 * quantum;
        vmem_t *arena = make_cached(quantum, 8192 * quantum, quantum, max, INDEX(state));
        vmem_addr_t addrs[12];

        for (vmem_size_t size = quantum; size <= 12 * quantum; size += quantum) {
            vmem_size_t asked = size - (quantum > 1 ? 5 : 0); /* rounded up */

            for (unsigned i = 0; i < LENGTH(addrs); i++) {
                addrs[i] = take(arena, asked, VMEM_INSTANTFIT);
                assert_int_equal(addrs[i] % quantum, 0);
                assert_true(vmem_contains(arena, addrs[i], size));
                for (unsigned k = 0; k < i; k++)
                    assert_true(addrs[k] + size <= addrs[i] || addrs[i] + size <= addrs[k]);
            }
            assert_int_equal(stats_of(arena).in_use, LENGTH(addrs) * size);
            for (unsigned i = 1; i < LENGTH(addrs); i++)
                give(arena, addrs[i], asked);
            if (size > quantum && is_cached(arena, addrs[0], asked, quantum) != (size <= max))
                fail();
            if (size > max) { /* it could be split */
                give(arena, addrs[0], quantum);
                give(arena, addrs[0] + quantum, size - quantum);
            } else {
                give(arena, addrs[0], asked);
            }
            assert_int_equal(stats_of(arena).in_use, 0);
        }
        assert_int_equal(count_caches(arena), 9);
        vmem_reap(arena);
        assert_layout(arena, 8192 * quantum, "[.1]");
    }
}

static void more_than_64_quanta_count_as_64(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 20, 16, VMEM_ADDR_MAX, INDEX(state));
    vmem_addr_t addr = take(arena, 64 * 16, 0);

    assert_true(is_cached(arena, addr, 64 * 16, 16));
    give(arena, addr, 64 * 16);
    addr = take(arena, 65 * 16, 0);
    assert_false(is_cached(arena, addr, 65 * 16, 16));
}

static void caches_are_made_when_they_are_first_needed(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 16, 16, 1024, INDEX(state));

    assert_int_equal(count_caches(arena), 0);
    (void)take(arena, 2000, 0);
    (void)take(arena, 48, VMEM_BESTFIT);
    assert_int_equal(count_caches(arena), 0);
    (void)take(arena, 48, 0);
    assert_int_equal(count_caches(arena), 1);
    give(arena, take(arena, 33, 0), 33);
    assert_int_equal(count_caches(arena), 1);
    (void)take(arena, 49, 0);
    assert_int_equal(count_caches(arena), 2);
}

static void a_slab_has_room_for_three_of_the_largest(void **state)
{
    static const struct {
        vmem_size_t quanta, slab; /* qcache_max; three times that, up to a power of two */
    } rows[] = {{1, 4}, {2, 8}, {3, 16}, {5, 16}, {6, 32}, {21, 64}, {22, 128}, {64, 256}};

    for (size_t i = 0; i < LENGTH(rows); i++) {
        for (vmem_size_t quantum = 1; quantum <= 4096; quantum *= 64) {
            vmem_t *source = make(0, 4096 * quantum, quantum, INDEX(state));
            vmem_t *child =
                make_cached_child(source, quantum, rows[i].quanta * quantum, INDEX(state));

            (void)take(child, quantum, 0);
            assert_int_equal(stats_of(source).in_use % (rows[i].slab * quantum), 0);
            assert_true(stats_of(source).in_use > 0);
            unmake(child);
            unmake(source);
        }
    }
}

/* But for what remains at the end of a slab, too small for another. */
static void a_full_arena_is_full_of_objects(void **state)
{
    enum { SIZE = 1 << 12, SLAB = 32 };
    vmem_t *arena = make_cached(0, SIZE, 1, 8, INDEX(state));
    vmem_addr_t addr;

    for (vmem_size_t size = 1; size <= 8; size++) {
        vmem_size_t count = 0;

        while (vmem_alloc(arena, size, 0, &addr) == 0)
            count++;
        check(arena);
        assert_in_range(count * size, SIZE - SIZE / SLAB * (size - 1), SIZE);
        assert_int_equal(stats_of(arena).segments, count);
        assert_int_equal(stats_of(arena).in_use, count * size);
        while (stats_of(arena).segments > 0) {
            struct vmem_cursor cursor = {0};
            struct vmem_segment segment;

            while (vmem_walk_next(arena, &cursor, &segment))
                if (segment.kind == VMEM_SEGMENT_ALLOCATED)
                    vmem_free(arena, segment.addr, segment.size);
        }
        check(arena);
    }
}

static void a_named_policy_goes_past_the_caches(void **state)
{
    for (unsigned policy = VMEM_BESTFIT; policy <= VMEM_LASTFIT; policy++) {
        vmem_t *arena = make_cached(0, 1 << 12, 1, 16, INDEX(state));
        vmem_addr_t cached = take(arena, 8, 0), addr = take(arena, 8, policy);

        assert_true(is_cached(arena, cached, 8, 4));
        assert_false(is_cached(arena, addr, 8, 4));
        assert_int_not_equal(addr / 64, cached / 64); /* not from its slab */
        if (policy == VMEM_LASTFIT)
            assert_int_equal(addr, (1 << 12) - 8);
        unmake(arena);
    }
}

static void xalloc_goes_past_the_caches(void **state)
{
    static const struct vmem_constraints wishes[] = {
        {.align = 8}, {.nocross = 64}, {.min = 1}, {.limit = 1 << 11}};

    for (size_t i = 0; i < LENGTH(wishes); i++) {
        vmem_t *arena = make_cached(0, 1 << 12, 1, 16, INDEX(state));
        vmem_addr_t addr;

        (void)take(arena, 8, 0);
        addr = xtake(arena, 8, &wishes[i], 0);
        assert_false(is_cached(arena, addr, 8, 4));
        assert_true(legal(addr, 8, 1, &wishes[i]));
        unmake(arena);
    }
}

static void xalloc_without_a_constraint_goes_past_them_too(void **state)
{
    const struct vmem_constraints none = {.align = 0};
    vmem_t *arena = make_cached(0, 1 << 12, 1, 16, INDEX(state));
    vmem_addr_t addr;

    (void)take(arena, 8, 0);
    assert_int_equal(vmem_xalloc(arena, 8, NULL, 0, &addr), 0);
    assert_false(is_cached(arena, addr, 8, 4));
    addr = xtake(arena, 8, &none, 0);
    assert_false(is_cached(arena, addr, 8, 4));
}

static void a_pair_takes_no_lock(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 16, 16, 64, INDEX(state));
    unsigned long locks;
    vmem_addr_t addr;

    give(arena, take(arena, 48, 0), 48);
    locks = checked_port_locks;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(vmem_alloc(arena, 48, 0, &addr), 0);
        vmem_free(arena, addr, 48);
    }
    if (!VMEM_CONFIG_DEBUG && has_magazines())
        assert_int_equal(checked_port_locks, locks);
    else
        assert_true(checked_port_locks > locks);
    check(arena);
}

static void address_0_comes_through_a_cache(void **state)
{
    for (unsigned round = 0; round < 2; round++) {
        vmem_t *arena = make_cached(0, 256, 1, 8, INDEX(state));
        bool seen = false;
        vmem_addr_t addr;

        for (unsigned i = 0; i < 256 / 4; i++) {
            addr = take(arena, 4, 0);
            if (addr == 0) {
                assert_true(is_cached(arena, 0, 4, 1));
                seen = true;
                if (round == 1) { /* and back, and again */
                    give(arena, 0, 4);
                    assert_int_equal(take(arena, 4, 0), 0);
                }
            }
        }
        assert_true(seen);
        refused(arena, 4, 0, -VMEM_ENOSPC);
    }
}

static void the_last_address_comes_through_a_cache(void **state)
{
    vmem_t *arena = make_cached(VMEM_ADDR_MAX - 255, 256, 1, 8, INDEX(state));
    bool seen = false;

    for (unsigned i = 0; i < 256; i++) {
        if (take(arena, 1, 0) == VMEM_ADDR_MAX)
            seen = true;
    }
    assert_true(seen);
}

/*
 * Either free
 */

static void either_free_takes_what_the_other_should(void **state)
{
    const struct vmem_constraints any = {.align = 4};
    vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));

    for (unsigned i = 0; i < 3; i++) {
        vmem_addr_t cached = take(arena, 12, 0), constrained = xtake(arena, 12, &any, 0);
        vmem_addr_t policy = take(arena, 5, VMEM_FIRSTFIT);

        vmem_xfree(arena, cached, 12);
        check(arena);
        assert_int_equal(stats_of(arena).in_use, 17);
        give(arena, constrained, 12);
        give(arena, policy, 5);
        assert_int_equal(stats_of(arena).in_use, 0);
        assert_int_equal(stats_of(arena).segments, 0);
        assert_int_equal(stats_of(arena).free, 1 << 10);
    }
    vmem_reap(arena);
    assert_layout(arena, 1 << 10, "[.1]");
    assert_int_equal(vmem_check(NULL), 0);
}

static void a_segment_cut_smaller_may_be_freed_in_parts_through_the_caches(void **state)
{
    const struct vmem_constraints any = {.align = 4};
    vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));
    vmem_addr_t addr = xtake(arena, 40, &any, 0);

    expect(0, vmem_split(arena, addr, 40, 10), arena);
    expect(0, vmem_split(arena, addr + 10, 30, 20), arena);
    expect(0, vmem_resize(arena, addr + 30, 10, 7, 0), arena);
    give(arena, addr + 10, 20);
    give(arena, addr, 10);
    give(arena, addr + 30, 7);
    assert_int_equal(stats_of(arena).in_use, 0);
    vmem_reap(arena);
    assert_layout(arena, 1 << 10, "[.1]");
}

/*
 * resize and split
 */

static void a_cached_segment_stays_as_it_is(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 16, 256, INDEX(state));
    vmem_addr_t addr = take(arena, 64, 0);

    expect(-VMEM_ENOSPC, vmem_resize(arena, addr, 64, 80, 0), arena);
    expect(-VMEM_ENOSPC, vmem_resize(arena, addr, 64, 48, 0), arena);
    expect(-VMEM_ENOSPC, vmem_resize(arena, addr, 64, 1024, 0), arena);
    expect(0, vmem_resize(arena, addr, 64, 64, 0), arena);
    expect(0, vmem_resize(arena, addr, 64, 49, 0), arena);
    expect(-VMEM_ENOSPC, vmem_split(arena, addr, 64, 16), arena);
    assert_int_equal(stats_of(arena).in_use, 64);
    give(arena, addr, 64);
    assert_int_equal(stats_of(arena).in_use, 0);
}

#define rejects(kind, call, arena)            \
    do {                                      \
        assert_int_equal(call, -VMEM_EINVAL); \
        expect_fault(kind);                   \
        check(arena);                         \
    } while (0)

static void resize_and_split_reject_what_is_not_allocated(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 16, 256, INDEX(state));
    vmem_addr_t addr = take(arena, 64, 0);
    static struct snapshot before;

    snapshot(arena, &before);
    rejects(VMEM_FAULT_PARAMETER, vmem_split(arena, addr, 64, 0), arena);
    rejects(VMEM_FAULT_PARAMETER, vmem_split(arena, addr, 64, 64), arena);
    rejects(VMEM_FAULT_PARAMETER, vmem_resize(arena, addr, 64, 0, 0), arena);
    rejects(VMEM_FAULT_WRONG_SIZE, vmem_split(arena, addr, 128, 64), arena);
    rejects(VMEM_FAULT_WRONG_SIZE, vmem_resize(arena, addr, 48, 64, 0), arena);
    assert_int_equal(last_fault.size, 48);
    assert_int_equal(last_fault.expected_size, 64);
    rejects(VMEM_FAULT_MISALIGNED, vmem_split(arena, addr + 16, 48, 16), arena);
    rejects(VMEM_FAULT_FOREIGN, vmem_resize(arena, 1 << 12, 64, 80, 0), arena);
    assert_same(arena, &before);
    give(arena, addr, 64);
    if (!VMEM_CONFIG_DEBUG && has_magazines())
        return; /* what waits in a magazine is not told from what is out */
    rejects(VMEM_FAULT_DOUBLE_FREE, vmem_split(arena, addr, 64, 16), arena);
    rejects(VMEM_FAULT_DOUBLE_FREE, vmem_resize(arena, addr, 64, 80, 0), arena);
}

/*
 * Misuse
 */

/* At once with VMEM_CONFIG_DEBUG, and nothing has changed; or when the caches are reaped. */
static void free_reports(vmem_t *arena, vmem_addr_t addr, vmem_size_t size,
                         enum vmem_fault_kind kind)
{
    static struct snapshot before;

    snapshot(arena, &before);
    vmem_free(arena, addr, size);
    if (VMEM_CONFIG_DEBUG) {
        expect_fault(kind);
        assert_string_equal(last_fault.call, "vmem_free");
        assert_int_equal(last_fault.size, size);
        check(arena);
        assert_same(arena, &before);
    } else {
        vmem_reap(arena);
        if (fault_count == 1)
            kind = last_fault.kind; /* some: not all is known then */
        expect_fault(kind);
        check(arena);
    }
    assert_int_equal(last_fault.addr, addr);
}

static void a_free_of_what_is_not_out_is_reported(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 16, 256, INDEX(state));
    vmem_addr_t addr = take(arena, 64, 0), other = take(arena, 64, 0);
    vmem_addr_t past = take(arena, 64, VMEM_LASTFIT);

    free_reports(arena, addr, 80, VMEM_FAULT_WRONG_SIZE);
    if (VMEM_CONFIG_DEBUG) {
        assert_int_equal(last_fault.expected_addr, addr);
        assert_int_equal(last_fault.expected_size, 64);
        assert_true(last_fault.allocated_by != 0);
    }
    free_reports(arena, addr, 48, VMEM_FAULT_WRONG_SIZE);
    free_reports(arena, addr + 16, 64, VMEM_FAULT_MISALIGNED);
    free_reports(arena, addr + 8, 64, VMEM_FAULT_MISALIGNED);
    free_reports(arena, 1 << 12, 64, VMEM_FAULT_FOREIGN);
    free_reports(arena, past, 48, VMEM_FAULT_WRONG_SIZE);
    free_reports(arena, past + 16, 48, VMEM_FAULT_MISALIGNED);
    free_reports(arena, past - 64, 64, VMEM_FAULT_DOUBLE_FREE);
    assert_int_equal(stats_of(arena).in_use, 3 * 64);
    give(arena, addr, 64);
    free_reports(arena, addr, 64, VMEM_FAULT_DOUBLE_FREE);
    give(arena, past, 64);
    free_reports(arena, past, 64, VMEM_FAULT_DOUBLE_FREE);
    give(arena, other, 64);
    assert_int_equal(stats_of(arena).in_use, 0);
}

static void a_free_of_another_size_past_the_caches_is_reported_at_once(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 16, 256, INDEX(state));
    vmem_addr_t addr = take(arena, 64, 0);
    static struct snapshot before;

    snapshot(arena, &before);
    vmem_free(arena, addr, 512);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    assert_int_equal(last_fault.addr, addr);
    vmem_xfree(arena, addr, 48);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    vmem_xfree(arena, addr + 16, 48);
    expect_fault(VMEM_FAULT_MISALIGNED);
    check(arena);
    assert_same(arena, &before);
    give(arena, addr, 64);
    vmem_xfree(arena, addr, 64);
    if (!VMEM_CONFIG_DEBUG)
        vmem_reap(arena); /* at the latest */
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    check(arena);
}

/* Where it begins, the arena has an allocated segment of just that size. */
static void a_slab_is_not_taken_for_its_first_object(void **state)
{
    enum { QUANTUM = 16, SLAB = 1024, SIZE = 48 }; /* a slab has room for three of 256 */
    static struct snapshot before;
    vmem_t *source = make(0, 1 << 16, QUANTUM, INDEX(state));
    vmem_t *arenas[] = {make_cached(0, 1 << 12, QUANTUM, 256, INDEX(state)),
                        make_cached_child(source, QUANTUM, 256, INDEX(state))};

    for (unsigned i = 0; i < LENGTH(arenas); i++) {
        vmem_t *arena = arenas[i];
        vmem_addr_t slab;

        do
            slab = take(arena, SIZE, 0);
        while (slab % SLAB != 0);
        snapshot(arena, &before);
        rejects(VMEM_FAULT_WRONG_SIZE, vmem_resize(arena, slab, SLAB, SLAB, 0), arena);
        assert_int_equal(last_fault.expected_size, SIZE);
        rejects(VMEM_FAULT_WRONG_SIZE, vmem_resize(arena, slab, SLAB, SIZE, 0), arena);
        rejects(VMEM_FAULT_WRONG_SIZE, vmem_split(arena, slab, SLAB, SIZE), arena);
        vmem_free(arena, slab, SLAB);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
        assert_int_equal(last_fault.size, SLAB);
        assert_int_equal(last_fault.expected_size, SIZE);
        check(arena);
        vmem_xfree(arena, slab, SLAB);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
        check(arena);
        assert_same(arena, &before);
        give(arena, slab, SIZE);
    }
}

static void a_segment_of_the_size_of_a_slab_is_like_any_other(void **state)
{
    enum { QUANTUM = 16, SLAB = 1024 };
    vmem_t *arena = make_cached(0, 1 << 14, QUANTUM, 256, INDEX(state));
    vmem_addr_t addr;

    (void)take(arena, 48, 0);
    give(arena, take(arena, SLAB, 0), SLAB);
    addr = take(arena, SLAB, 0);
    expect(0, vmem_resize(arena, addr, SLAB, SLAB, 0), arena);
    expect(0, vmem_split(arena, addr, SLAB, 512), arena);
    give(arena, addr, 512);
    give(arena, addr + 512, 512);
    assert_int_equal(stats_of(arena).in_use, 48);
}

static void alloc_rejects_what_it_rejects_without_caches(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 16, 256, INDEX(state));

    give(arena, take(arena, 16, 0), 16);
    refused(arena, 0, 0, -VMEM_EINVAL);
    refused(arena, 16, 5, -VMEM_EINVAL);
    refused(arena, 16, 0x100, -VMEM_EINVAL);
    assert_int_equal(vmem_alloc(arena, 16, 0, NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    refused(arena, VMEM_ADDR_MAX, 0, -VMEM_ENOSPC);
    vmem_free(arena, 0, 0);
    assert_true(fault_count == 1);
    fault_count = 0;
    check(arena);
}

/*
 * Import
 */

static void where_no_slab_can_be_had_the_exact_size_is_imported(void **state)
{
    vmem_t *source = make(8, 24, 8, INDEX(state)); /* a slab would be 64 */
    vmem_t *child = make_cached_child(source, 8, 16, INDEX(state));
    vmem_addr_t addrs[3];

    for (unsigned i = 0; i < 3; i++) {
        addrs[i] = take(child, 8, 0);
        assert_int_equal(stats_of(source).in_use, (i + 1) * 8);
    }
    assert_int_equal(vmem_alloc(child, 8, 0, &addrs[0]), -VMEM_ENOSPC);
    for (unsigned i = 0; i < 3; i++)
        give(child, 8 + i * 8, 8);
    check(source);
    assert_int_equal(take(child, 16, 0) % 8, 0); /* which may need two of those back */
    check(source);
}

/* Room for a slab is the least that is asked for, so that spans are of a few sizes only. */
static void a_small_request_past_the_caches_imports_as_much_as_a_slab(void **state)
{
    const struct vmem_constraints aligned = {.align = 64};
    vmem_t *source = make(0, 1 << 16, 8, INDEX(state));
    vmem_t *child = make_cached_child(source, 8, 32, INDEX(state)); /* slabs of 128 */
    vmem_addr_t addr = take(child, 8, VMEM_BESTFIT);

    assert_int_equal(stats_of(source).in_use, 128);
    (void)take(child, 120, VMEM_BESTFIT);
    assert_int_equal(stats_of(source).in_use, 128);
    give(child, addr, 8);
    (void)take(child, 136, VMEM_BESTFIT);
    assert_int_equal(stats_of(source).in_use, 128 + 136);
    (void)xtake(child, 64, &aligned, 0);
    assert_int_equal(stats_of(source).in_use, 128 + 136 + 64);
}

static void slabs_are_imported_one_at_a_time(void **state)
{
    vmem_t *source = make(0, 1 << 16, 16, INDEX(state));
    vmem_t *child = make_cached_child(source, 16, 128, INDEX(state)); /* slabs of 512 */
    unsigned count = 0;

    while (stats_of(source).segments < 3) {
        (void)take(child, 64, 0);
        count++;
        assert_true(stats_of(source).in_use <= (count * 64 + 511) / 512 * 512 + 512);
    }
    assert_true(count >= 2 * 512 / 64);
    unmake(child);
    assert_layout(source, 1 << 16, "[.1]");
}

static void chained_arenas_may_all_have_caches(void **state)
{
    vmem_t *source = make_cached(0, 1 << 16, 16, 64, INDEX(state));
    vmem_t *middle = make_cached_child(source, 16, 64, INDEX(state));
    vmem_t *child = make_cached_child(middle, 16, 64, INDEX(state));
    vmem_addr_t addrs[100];

    for (unsigned i = 0; i < LENGTH(addrs); i++) {
        addrs[i] = take(child, 16 * (i % 5 + 1), 0);
        assert_int_equal(vmem_check(middle) + vmem_check(source), 0);
    }
    for (unsigned i = 0; i < LENGTH(addrs); i++)
        give(child, addrs[i], 16 * (i % 5 + 1));
    assert_int_equal(stats_of(child).in_use, 0);
    vmem_reap(child);
    vmem_reap(middle);
    assert_layout(child, 16, "");
    assert_layout(middle, 16, "");
    assert_layout(source, 1 << 16, "[.1]");
}

/*
 * Destroy, reap, remove
 */

static void an_arena_is_busy_while_a_cached_segment_is_out(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 1, 16, INDEX(state));
    vmem_addr_t addrs[40];
    static struct snapshot before;

    for (unsigned i = 0; i < LENGTH(addrs); i++)
        addrs[i] = take(arena, 3, 0);
    for (unsigned i = 1; i < LENGTH(addrs); i++)
        give(arena, addrs[i], 3);
    snapshot(arena, &before);
    assert_int_equal(vmem_destroy(arena), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    check(arena);
    assert_same(arena, &before);
    give(arena, addrs[0], 3);
    unmake(arena);
}

/* While all is reaped, a span is released, and there another thread comes in between. */
static vmem_t *reaped;

static int import_from(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                       unsigned flags, vmem_addr_t *addrp)
{
    return vmem_xalloc(ctx, size, c, flags, addrp);
}

static void release_and_destroy(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    vmem_t *child = reaped;

    vmem_xfree(ctx, addr, size);
    if (child == NULL)
        return;
    reaped = NULL;
    checked_port_thread = 2;
    assert_int_equal(vmem_destroy(child), -VMEM_EBUSY);
    checked_port_thread = 1;
}

static void an_arena_is_busy_while_all_are_reaped(void **state)
{
    vmem_t *source = make(0, 1 << 12, 1, INDEX(state));
    const struct vmem_params params = {.name = "child",
                                       .quantum = 1,
                                       .qcache_max = 8,
                                       .import = import_from,
                                       .release = release_and_destroy,
                                       .ctx = source,
                                       .flags = INDEX(state)};
    vmem_t *child = make_params(&params);
    vmem_addr_t addrs[64];

    for (unsigned i = 0; i < LENGTH(addrs); i++)
        addrs[i] = take(child, 7, 0);
    for (unsigned i = 0; i < LENGTH(addrs); i++)
        give(child, addrs[i], 7);
    reaped = child;
    vmem_reap(NULL);
    assert_null(reaped);
    check(child);
    give(child, take(child, 7, 0), 7);
    unmake(child);
    assert_layout(source, 1 << 12, "[.1]");
}

static void reap_gives_everything_back(void **state)
{
    vmem_t *source = make(0, 1 << 16, 1, INDEX(state));
    vmem_t *child = make_cached_child(source, 1, 16, INDEX(state));
    vmem_addr_t addrs[200];

    for (unsigned all = 0; all < 2; all++) {
        for (unsigned i = 0; i < LENGTH(addrs); i++)
            assert_int_equal(vmem_alloc(child, i % 16 + 1, 0, &addrs[i]), 0);
        check(child);
        for (unsigned i = 0; i < LENGTH(addrs); i++)
            vmem_free(child, addrs[i], i % 16 + 1);
        check(child);
        assert_true(stats_of(source).in_use > 0);
        vmem_reap(all ? NULL : child);
        assert_layout(child, 1, "");
        assert_layout(source, 1 << 16, "[.1]");
    }
}

static void a_span_can_be_removed_once_the_caches_are_reaped(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));

    give(arena, take(arena, 5, 0), 5);
    vmem_reap(arena);
    expect(0, vmem_remove(arena, 0, 1 << 10), arena);
    refused(arena, 5, 0, -VMEM_ENOSPC);
}

static void a_free_span_can_be_removed_whatever_the_caches_keep(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));
    vmem_addr_t addr;

    for (vmem_size_t size = 1; size <= 16; size++)
        give(arena, take(arena, size, 0), size);
    addr = take(arena, 5, 0);
    expect(-VMEM_EBUSY, vmem_remove(arena, 0, 1 << 10), arena);
    assert_int_equal(stats_of(arena).in_use, 5);
    give(arena, addr, 5);
    assert_int_equal(stats_of(arena).in_use, 0);
    expect(0, vmem_remove(arena, 0, 1 << 10), arena);
    assert_layout(arena, 1, "");
    refused(arena, 5, 0, -VMEM_ENOSPC);
}

static void before_it_fails_an_arena_has_back_what_its_caches_keep(void **state)
{
    for (unsigned policy = VMEM_INSTANTFIT; policy <= VMEM_LASTFIT; policy++) {
        vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));
        vmem_addr_t addrs[64];

        for (unsigned i = 0; i < LENGTH(addrs); i++)
            addrs[i] = take(arena, 16, 0);
        for (unsigned i = 0; i < LENGTH(addrs); i++)
            give(arena, addrs[i], 16);
        assert_int_equal(take(arena, 1 << 10, policy), 0);
        give(arena, 0, 1 << 10);
        for (vmem_size_t size = 1; size <= 16; size++)
            give(arena, take(arena, size, 0), size);
        assert_int_equal(
            xtake(arena, 1 << 10, &(struct vmem_constraints){.align = 1 << 10}, policy), 0);
        unmake(arena);
    }
}

/* Where no slab is empty, too, and the CPU was asked to bring its rounds, but has not yet. */
static void before_it_fails_an_arena_has_all_of_this_cpu_s_rounds(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));
    vmem_addr_t addrs[(1 << 10) / 4];

    for (unsigned i = 0; i < LENGTH(addrs); i++)
        addrs[i] = take(arena, 4, 0);
    for (unsigned i = 0; i < 40; i++)
        give(arena, addrs[i * 6], 4);
    checked_port_cpu = has_magazines() ? 1 : VMEM_PORT_CPUS;
    vmem_reap(arena);
    checked_port_cpu = has_magazines() ? 0 : VMEM_PORT_CPUS;
    for (unsigned i = 0; i < 40; i++)
        (void)take(arena, 4, 0);
    refused(arena, 4, 0, -VMEM_ENOSPC);
}

/* Where a slab has so few objects that they come one at a time, too. */
static void a_cpu_that_was_asked_hands_out_all_that_is_free_and_counts_no_failure(void **state)
{
    enum { SIZE = 5, SLAB = 16, OBJECTS = 64 / SLAB * 3 };
    vmem_t *arena = make_cached(0, 64, 1, SIZE, INDEX(state));
    vmem_addr_t addrs[OBJECTS];
    uint64_t fails;

    for (unsigned i = 0; i < OBJECTS; i++)
        addrs[i] = take(arena, SIZE, 0);
    refused(arena, SIZE, 0, -VMEM_ENOSPC);
    for (unsigned freed = 1; freed <= 8; freed++) {
        for (unsigned i = 0, n = 0; n < freed; i++) {
            unsigned slab = 0; /* of which the first object stays */

            for (unsigned k = 0; k < i; k++)
                slab += addrs[k] / SLAB == addrs[i] / SLAB;
            if (slab > 0) {
                give(arena, addrs[i], SIZE);
                addrs[i] = VMEM_ADDR_MAX;
                n++;
            }
        }
        checked_port_cpu = has_magazines() ? 1 : VMEM_PORT_CPUS;
        vmem_reap(arena);
        checked_port_cpu = has_magazines() ? 0 : VMEM_PORT_CPUS;
        fails = stats_of(arena).fails;
        for (unsigned i = 0; i < OBJECTS; i++)
            if (addrs[i] == VMEM_ADDR_MAX)
                addrs[i] = take(arena, SIZE, 0);
        assert_int_equal(stats_of(arena).fails, fails);
        refused(arena, SIZE, 0, -VMEM_ENOSPC);
        assert_int_equal(stats_of(arena).fails, fails + 1);
    }
}

static void before_it_imports_an_arena_has_back_what_its_caches_keep(void **state)
{
    vmem_t *source = make(1 << 12, 1 << 12, 1, INDEX(state));
    vmem_t *child = make_cached_child(source, 1, 16, INDEX(state));

    expect(0, vmem_add(child, 0, 1 << 10, 0), child);
    for (vmem_size_t size = 1; size <= 16; size++)
        give(child, take(child, size, 0), size);
    assert_int_equal(take(child, 1 << 10, 0), 0);
    assert_int_equal(stats_of(child).imports, 0);
}

/*
 * Without memory
 */

static void create_without_memory_leaves_nothing_behind(void **state)
{
    const struct vmem_params params = {.name = "refused",
                                       .size = 1 << 12,
                                       .quantum = 16,
                                       .qcache_max = 1024,
                                       .flags = INDEX(state)};
    unsigned long refuse;
    vmem_t *arena = NULL;

    for (refuse = 1;; refuse++) {
        hold_blocks(64 * sizeof(vmem_cache_t *));
        lender.refuse = refuse;
        if (vmem_create(&params, &arena) == 0)
            break;
        release_blocks();
        assert_null(arena);
        assert_int_equal(vmem_check(NULL), 0);
    }
    lender.refuse = 0;
    release_blocks();
    assert_true(refuse > 1);
    check(arena);
    assert_int_equal(vmem_destroy(arena), 0);
}

static void without_memory_for_a_cache_the_arena_itself_serves(void **state)
{
    vmem_t *arena = make_cached(0, 1 << 12, 16, 256, INDEX(state));
    vmem_addr_t addr;

    give(arena, take(arena, 512, 0), 512); /* has a stock of tags then */
    hold_blocks(sizeof(struct vmem_cache));
    lender.refuse_all = true;
    addr = take(arena, 64, 0);
    assert_int_equal(count_caches(arena), 0);
    assert_false(is_cached(arena, addr, 64, 32));
    give(arena, addr, 32);
    give(arena, addr + 32, 32);
    lender.refuse_all = false;
    release_blocks();
    assert_int_equal(stats_of(arena).in_use, 0);
    addr = take(arena, 64, 0);
    assert_true(is_cached(arena, addr, 64, 32));
}

/*
 * Page hooks that allocate from cached arenas: from one whose caches are not made yet, and their
 * pages themselves from the arena that is asking.
 */

static vmem_t *numbers;

static void *page_with_a_number(size_t size)
{
    vmem_addr_t addr;

    if (vmem_alloc(numbers, 3, 0, &addr) != 0)
        return NULL;
    vmem_free(numbers, addr, 3);
    return lend_memory(size);
}

static void the_page_hook_may_allocate_what_has_no_cache_yet(void **state)
{
    unsigned long calls;

    numbers = make_cached(0, 1 << 12, 1, 16, INDEX(state));
    hold_blocks(64);
    lender.alloc = page_with_a_number;
    calls = lender.calls;
    hold_blocks(sizeof(struct vmem_cache)); /* up to one from the hook */
    (void)take(numbers, 5, 0);
    check(numbers);
    assert_true(lender.calls > calls);
    lender.alloc = NULL;
    release_blocks();
    assert_true(stats_of(numbers).allocs > 1);
    assert_int_equal(stats_of(numbers).in_use, 5);
}

/*
 * Not aligned as slabs are: where all of it is slabs, the descriptor of a slab may come to lie on a
 * page of that very slab, and a reap, which does not move descriptors, cannot give either back.
 */
static _Alignas(32 * VMEM_PAGE_SIZE) unsigned char slabs_of_ram[72 * VMEM_PAGE_SIZE];
static unsigned char *const ram = slabs_of_ram + 8 * VMEM_PAGE_SIZE;
enum { RAM_SIZE = 64 * VMEM_PAGE_SIZE };
static vmem_t *frames;

static void *page_from_frames(size_t size)
{
    vmem_addr_t addr;

    return vmem_alloc(frames, size, 0, &addr) == 0 ? (void *)(uintptr_t)addr : NULL;
}

static void page_to_frames(void *page, size_t size)
{
    vmem_free(frames, (vmem_addr_t)(uintptr_t)page, size);
}

static void the_page_hook_may_take_its_pages_from_a_cached_arena(void **state)
{
    static vmem_addr_t addrs[64];
    size_t pages;
    unsigned count;

    frames = make_cached((vmem_addr_t)(uintptr_t)ram, RAM_SIZE, VMEM_PAGE_SIZE, 8 * VMEM_PAGE_SIZE,
                         INDEX(state));
    for (unsigned i = 1; i <= 3; i++) /* the caches themselves stay, on pages from elsewhere */
        give(frames, take(frames, i * VMEM_PAGE_SIZE, 0), i * VMEM_PAGE_SIZE);
    hold_blocks(64);
    pages = lender.pages;
    lender.alloc = page_from_frames;
    lender.free = page_to_frames;
    for (unsigned round = 0; round < 3; round++) {
        count = 0;
        while (vmem_alloc(frames, VMEM_PAGE_SIZE * (1 + count % 3), 0, &addrs[count]) == 0) {
            memset((void *)(uintptr_t)addrs[count], 0xdd, VMEM_PAGE_SIZE * (1 + count % 3));
            count++;
            check(frames);
        }
        assert_true(count > 15);
        while (count-- > 0)
            give(frames, addrs[count], VMEM_PAGE_SIZE * (1 + count % 3));
    }
    release_blocks();
    vmem_reap(NULL);
    assert_int_equal(vmem_check(NULL), 0);
    assert_true(lender.pages <= pages);
    assert_int_equal(stats_of(frames).in_use, 0);
    lender.alloc = NULL;
    lender.free = NULL;
}

/*
 * Looking
 */

/* Nothing stands in for it that could be taken for one. */
static void a_segment_of_a_size_whose_cache_was_not_made_is_seen(void **state)
{
    const struct vmem_constraints window = {.min = 16};
    vmem_t *arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));
    struct vmem_segment segment;
    vmem_addr_t addr = xtake(arena, 5, &window, VMEM_FIRSTFIT);

    assert_int_equal(addr, 16);
    assert_int_equal(count_caches(arena), 0);
    assert_layout(arena, 1, "[.16#5.1003]");
    assert_true(vmem_find(arena, 18, &segment));
    assert_int_equal(segment.kind, VMEM_SEGMENT_ALLOCATED);
    assert_int_equal(segment.addr, 16);
    assert_int_equal(segment.size, 5);
    (void)take(arena, 4, 0); /* of another size */
    assert_true(vmem_find(arena, 16, &segment));
    assert_int_equal(segment.kind, VMEM_SEGMENT_ALLOCATED);
    assert_int_equal(stats_of(arena).in_use, 9);
    give(arena, 16, 5);
    assert_true(vmem_find(arena, 16, &segment));
    assert_int_equal(segment.kind, VMEM_SEGMENT_FREE);
}

/* Another thread comes in between, at the nth moment. */
static struct {
    vmem_t *arena;
    unsigned moment;
    vmem_addr_t addrs[48];
    bool out;
} busy;

static void take_or_give_all(void)
{
    if (busy.moment == 0 || --busy.moment > 0)
        return;
    checked_port_thread = 2;
    for (unsigned i = 0; i < LENGTH(busy.addrs); i++) {
        vmem_size_t size = 1 + i % 16;

        if (busy.out)
            vmem_free(busy.arena, busy.addrs[i], size);
        else
            assert_int_equal(vmem_alloc(busy.arena, size, 0, &busy.addrs[i]), 0);
    }
    if (busy.out)
        vmem_reap(busy.arena);
    busy.out = !busy.out;
    checked_port_thread = 1;
}

static void never_is_more_in_use_than_there_is(void **state)
{
    struct vmem_stats stats;

    busy.arena = make_cached(0, 1 << 10, 1, 16, INDEX(state));
    busy.out = false;
    for (unsigned moment = 1; moment < 60; moment++) {
        for (unsigned i = 0; i < 2; i++) {
            busy.moment = moment;
            checked_port_meanwhile = take_or_give_all;
            vmem_stat(busy.arena, &stats);
            checked_port_meanwhile = NULL;
            assert_true(stats.in_use <= stats.total);
            assert_int_equal(stats.free, stats.total - stats.in_use);
            check(busy.arena);
        }
    }
}

/*
 * At random, beside a map of who has which quantum. Wherever a hook is called, and so no lock is
 * held, another thread may come in between on another CPU: the hook plays it.
 */

enum { QUANTA = 2048, OUT_MAX = 400 };

static struct model {
    vmem_t *arena;
    vmem_addr_t base;
    vmem_size_t quantum;
    unsigned count;
    uint64_t allocs, frees;
    struct {
        vmem_addr_t addr;
        vmem_size_t size;
    } out[OUT_MAX];
    uint16_t owner[QUANTA]; /* 0: free; else which of `out`, plus one */
} model;

static uint64_t chance;

static unsigned dice(vmem_size_t sides)
{
    return (unsigned)(next_random(&chance) % sides);
}

static void mark(unsigned i, uint16_t owner, uint16_t expected)
{
    vmem_size_t first = (model.out[i].addr - model.base) / model.quantum;
    vmem_size_t count = (model.out[i].size + model.quantum - 1) / model.quantum;

    for (vmem_size_t q = first; q < first + count; q++) {
        assert_true(q < QUANTA);
        assert_int_equal(model.owner[q], expected);
        model.owner[q] = owner;
    }
}

static void model_alloc(void)
{
    vmem_size_t size = 1 + dice(20 * model.quantum);
    unsigned way = dice(8);
    const struct vmem_constraints c = {.align = 2 * model.quantum};
    vmem_addr_t addr;

    if (model.count + 2 >= OUT_MAX) /* another thread may take one, too */
        return;
    if ((way == 7 ? vmem_xalloc(model.arena, size, &c, 0, &addr)
                  : vmem_alloc(model.arena, size, way < 5 ? 0 : way - 4, &addr)) != 0)
        return;
    assert_true(model.count < OUT_MAX);
    model.out[model.count].addr = addr;
    model.out[model.count].size = size;
    mark(model.count, (uint16_t)(model.count + 1), 0);
    model.count++;
    model.allocs++;
}

static void model_free(unsigned i, bool past)
{
    vmem_addr_t addr = model.out[i].addr;
    vmem_size_t size = model.out[i].size;

    mark(i, 0, (uint16_t)(i + 1));
    model.count--;
    if (i != model.count) {
        model.out[i] = model.out[model.count];
        mark(i, (uint16_t)(i + 1), (uint16_t)(model.count + 1));
    }
    model.frees++;
    if (past)
        vmem_xfree(model.arena, addr, size);
    else
        vmem_free(model.arena, addr, size);
}

/* A walk shows exactly what is out, and partitions the spans; the counters are its sums. */
static void assert_walk_agrees(void)
{
    struct vmem_stats stats = stats_of(model.arena);
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    vmem_addr_t end = 0;
    vmem_size_t in_use = 0, available = 0, total = 0, left = 0;
    unsigned count = 0;

    while (vmem_walk_next(model.arena, &cursor, &segment)) {
        if (segment.kind == VMEM_SEGMENT_SPAN) {
            assert_int_equal(left, 0);
            total += left = segment.size;
            end = segment.addr;
            continue;
        }
        assert_int_equal(segment.addr, end);
        assert_true(segment.size > 0 && segment.size <= left);
        left -= segment.size;
        end += segment.size;
        if (segment.kind == VMEM_SEGMENT_FREE) {
            available += segment.size;
        } else {
            unsigned owner = model.owner[(segment.addr - model.base) / model.quantum];

            assert_true(owner > 0);
            assert_int_equal(model.out[owner - 1].addr, segment.addr);
            assert_in_range(segment.size, model.out[owner - 1].size,
                            model.out[owner - 1].size + model.quantum - 1);
            in_use += segment.size;
            count++;
        }
    }
    assert_int_equal(left, 0);
    assert_int_equal(count, model.count);
    assert_int_equal(stats.segments, count);
    assert_int_equal(stats.in_use, in_use);
    assert_int_equal(stats.free, available);
    assert_int_equal(stats.total, total);
}

/* So does a look at any address. */
static void assert_find_agrees(void)
{
    for (vmem_size_t q = 0; q < QUANTA; q++) {
        vmem_addr_t addr = model.base + q * model.quantum + model.quantum / 2;
        unsigned owner = model.owner[q];
        struct vmem_segment segment;

        if (!vmem_find(model.arena, addr, &segment)) {
            assert_int_equal(owner, 0);
            continue;
        }
        assert_true(segment.addr <= addr && addr - segment.addr < segment.size);
        if (owner == 0) {
            assert_int_equal(segment.kind, VMEM_SEGMENT_FREE);
        } else {
            assert_int_equal(segment.kind, VMEM_SEGMENT_ALLOCATED);
            assert_int_equal(segment.addr, model.out[owner - 1].addr);
        }
    }
}

static unsigned cpus; /* with magazines */

/* To another CPU, perhaps to stay there, perhaps to be moved on all the time. */
static void move(void)
{
    checked_port_cpu = cpus > 0 ? dice(cpus + 1) : VMEM_PORT_CPUS;
    checked_port_moves = cpus > 0 && dice(3) == 0;
}

static void model_step(void)
{
    unsigned choice = dice(1000);

    if (choice < 500)
        model_alloc();
    else if (choice < 960 && model.count > 0)
        model_free(dice(model.count), choice < 600);
    else if (choice < 975 && cpus > 0)
        move();
    else if (choice < 980)
        vmem_reap(model.arena);
    else if (choice < 985)
        vmem_cpu_drain(dice(VMEM_PORT_CPUS));
    else if (choice < 990)
        lender.refuse = dice(3);
}

static bool others_play;

static void play_another_thread(void)
{
    unsigned cpu = checked_port_cpu;

    if (!others_play || dice(3) == 0)
        return;
    others_play = false;
    checked_port_thread = 2;
    move();
    for (unsigned i = dice(40); i > 0; i--)
        model_step();
    checked_port_cpu = cpu;
    checked_port_moves = cpus > 0 && dice(3) == 0;
    checked_port_thread = 1;
    others_play = true;
}

static void *lend_and_play(size_t size)
{
    play_another_thread();
    return lend_memory(size);
}

static void run_model(vmem_t *arena, vmem_addr_t base, vmem_size_t quantum, bool threads)
{
    print_message("seed %#llx, quantum %#llx\n", (unsigned long long)chance,
                  (unsigned long long)quantum);
    memset(&model, 0, sizeof(model));
    model.arena = arena;
    model.base = base;
    model.quantum = quantum;
    model.allocs = stats_of(arena).allocs;
    model.frees = stats_of(arena).frees;
    others_play = threads;
    cpus = has_magazines() ? VMEM_PORT_CPUS : 0;
    lender.alloc = threads ? lend_and_play : NULL;
    for (unsigned step = 0; step < 3000; step++) {
        model_step();
        if (step % 16 == 0) {
            check(arena);
            assert_walk_agrees();
        }
        if (step % 512 == 0)
            assert_find_agrees();
    }
    others_play = false;
    checked_port_moves = false;
    if (cpus > 0)
        checked_port_cpu = 0;
    lender.refuse = 0;
    assert_int_equal(stats_of(arena).allocs, model.allocs);
    assert_int_equal(stats_of(arena).frees, model.frees);
    while (model.count > 0)
        model_free(model.count - 1, false);
    assert_walk_agrees();
    for (unsigned cpu = 0; cpu < VMEM_PORT_CPUS; cpu++)
        vmem_cpu_drain(cpu);
    vmem_reap(arena);
    check(arena);
    assert_int_equal(stats_of(arena).in_use, 0);
}

static void walk_find_and_counters_see_through_the_caches(void **state)
{
    chance = UINT64_C(0x13198a2e03707344);
    for (unsigned threads = 0; threads < 2; threads++) {
        for (vmem_size_t quantum = 1; quantum <= 4096; quantum *= 64) {
            vmem_t *arena =
                make_cached(quantum, QUANTA * quantum, quantum, 16 * quantum, INDEX(state));

            run_model(arena, quantum, quantum, threads != 0);
            assert_layout(arena, QUANTA * quantum, "[.1]");
        }
    }
}

static int import_and_play(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                           unsigned flags, vmem_addr_t *addrp)
{
    int error;

    checked_port_no_lock("import");
    play_another_thread();
    error = dice(20) == 0 ? -VMEM_ENOSPC : vmem_xalloc(ctx, size, c, flags, addrp);
    play_another_thread();
    return error;
}

static void release_and_play(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    checked_port_no_lock("release");
    play_another_thread();
    vmem_xfree(ctx, addr, size);
    play_another_thread();
}

static void they_see_through_the_caches_of_an_arena_that_imports(void **state)
{
    vmem_t *source = make_cached(0, QUANTA * 16, 16, 64, INDEX(state));
    const struct vmem_params params = {.name = "child",
                                       .quantum = 16,
                                       .qcache_max = 160,
                                       .source = source,
                                       .import = import_and_play,
                                       .release = release_and_play,
                                       .ctx = source,
                                       .flags = INDEX(state)};
    vmem_t *child = make_params(&params);

    chance = UINT64_C(0xa4093822299f31d0);
    for (unsigned threads = 0; threads < 2; threads++) {
        run_model(child, 0, 16, threads != 0);
        check(source);
        vmem_reap(NULL);
        assert_layout(source, QUANTA * 16, "[.1]");
    }
}

/* clang-format off */
#define EVERY_WAY(test)                                                                            \
    ON_BOTH(test),                                                                                 \
    {#test " [freelists, magazines]", test, setup_magazines, teardown, &modes[0]},                 \
    {#test " [ordered, magazines]", test, setup_magazines, teardown, &modes[POLICIES]}
/* clang-format on */

int main(void)
{
    const struct CMUnitTest tests[] = {
        EVERY_WAY(every_size_up_to_the_limit_is_served_by_its_cache),
        EVERY_WAY(more_than_64_quanta_count_as_64),
        EVERY_WAY(caches_are_made_when_they_are_first_needed),
        EVERY_WAY(a_slab_has_room_for_three_of_the_largest),
        EVERY_WAY(a_full_arena_is_full_of_objects),
        EVERY_WAY(a_named_policy_goes_past_the_caches),
        EVERY_WAY(xalloc_goes_past_the_caches),
        EVERY_WAY(xalloc_without_a_constraint_goes_past_them_too),
        EVERY_WAY(a_pair_takes_no_lock),
        EVERY_WAY(address_0_comes_through_a_cache),
        EVERY_WAY(the_last_address_comes_through_a_cache),

        EVERY_WAY(either_free_takes_what_the_other_should),
        EVERY_WAY(a_segment_cut_smaller_may_be_freed_in_parts_through_the_caches),
        EVERY_WAY(a_cached_segment_stays_as_it_is),
        EVERY_WAY(resize_and_split_reject_what_is_not_allocated),

        EVERY_WAY(a_free_of_what_is_not_out_is_reported),
        EVERY_WAY(a_free_of_another_size_past_the_caches_is_reported_at_once),
        EVERY_WAY(a_slab_is_not_taken_for_its_first_object),
        EVERY_WAY(a_segment_of_the_size_of_a_slab_is_like_any_other),
        EVERY_WAY(alloc_rejects_what_it_rejects_without_caches),

        EVERY_WAY(where_no_slab_can_be_had_the_exact_size_is_imported),
        EVERY_WAY(a_small_request_past_the_caches_imports_as_much_as_a_slab),
        EVERY_WAY(slabs_are_imported_one_at_a_time),
        EVERY_WAY(chained_arenas_may_all_have_caches),

        EVERY_WAY(an_arena_is_busy_while_a_cached_segment_is_out),
        EVERY_WAY(an_arena_is_busy_while_all_are_reaped),
        EVERY_WAY(reap_gives_everything_back),
        EVERY_WAY(a_span_can_be_removed_once_the_caches_are_reaped),
        EVERY_WAY(a_free_span_can_be_removed_whatever_the_caches_keep),
        EVERY_WAY(before_it_fails_an_arena_has_back_what_its_caches_keep),
        EVERY_WAY(before_it_fails_an_arena_has_all_of_this_cpu_s_rounds),
        EVERY_WAY(a_cpu_that_was_asked_hands_out_all_that_is_free_and_counts_no_failure),
        EVERY_WAY(before_it_imports_an_arena_has_back_what_its_caches_keep),

        ON_BOTH(create_without_memory_leaves_nothing_behind),
        EVERY_WAY(without_memory_for_a_cache_the_arena_itself_serves),
        EVERY_WAY(the_page_hook_may_allocate_what_has_no_cache_yet),
        EVERY_WAY(the_page_hook_may_take_its_pages_from_a_cached_arena),

        EVERY_WAY(a_segment_of_a_size_whose_cache_was_not_made_is_seen),
        EVERY_WAY(never_is_more_in_use_than_there_is),

        EVERY_WAY(walk_find_and_counters_see_through_the_caches),
        EVERY_WAY(they_see_through_the_caches_of_an_arena_that_imports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
