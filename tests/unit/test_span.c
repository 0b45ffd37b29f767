/* SPDX-License-Identifier: MIT */
/*
 * test_span.c - spans come and go: add, remove, import, release, reap.
 */
#include "support.h"

#include "arena.h"
#include "pool.h"

#include <string.h>

/*
 * add and remove
 */

static void add_gives_the_arena_another_span(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 100, 8, 0), arena);
    expect(0, vmem_add(arena, 50, 2, 0), arena);
    assert_layout(arena, 1, "[.4][.2][.8]");
    assert_int_equal(take(arena, 8, POLICY(state)), 100);
}

static void add_accepts_spans_that_touch(void **state)
{
    vmem_t *arena = make(4, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 8, 4, 0), arena);
    expect(0, vmem_add(arena, 0, 4, 0), arena);
    assert_layout(arena, 1, "[.4][.4][.4]");
    refused(arena, 5, POLICY(state), -VMEM_ENOSPC);
}

static void add_accepts_both_ends_of_the_address_space(void **state)
{
    vmem_t *arena = make(0, 0, 1, INDEX(state));

    expect(0, vmem_add(arena, VMEM_ADDR_MAX, 1, 0), arena);
    expect(0, vmem_add(arena, 0, 1, 0), arena);
    expect(0, vmem_add(arena, 1, VMEM_ADDR_MAX - 1, 0), arena);
    assert_int_equal(take(arena, VMEM_ADDR_MAX - 1, POLICY(state)), 1);
}

static void add_rejects(vmem_t *arena, vmem_addr_t base, vmem_size_t size, unsigned flags,
                        int error, enum vmem_fault_kind kind)
{
    static struct snapshot before;

    snapshot(arena, &before);
    assert_int_equal(vmem_add(arena, base, size, flags), error);
    expect_fault(kind);
    assert_string_equal(last_fault.call, "vmem_add");
    assert_int_equal(last_fault.addr, base);
    assert_int_equal(last_fault.size, size);
    check(arena);
    assert_same(arena, &before);
}

static void add_rejects_a_span_that_overlaps_another(void **state)
{
    static const struct {
        vmem_addr_t base;
        vmem_size_t size;
    } spans[] = {
        {0x1000, 0x1000}, {0x0ff0, 0x20}, {0x1ff0, 0x20}, {0x1800, 0x10},   {0x1000, 0x10},
        {0x1ff0, 0x10},   {0, 0x8000},    {0, 0x1010},    {0x1000, 0x2000},
    };
    vmem_t *arena = make(0x1000, 0x1000, 0x10, INDEX(state));

    for (unsigned full = 0; full < 2; full++) {
        for (size_t i = 0; i < LENGTH(spans); i++) {
            add_rejects(arena, spans[i].base, spans[i].size, 0, -VMEM_EEXIST, VMEM_FAULT_OVERLAP);
            assert_int_equal(last_fault.expected_addr, 0x1000);
            assert_int_equal(last_fault.expected_size, 0x1000);
        }
        if (full == 0)
            (void)take(arena, 0x1000, 0);
    }
}

static void add_rejects_a_span_that_overlaps_the_end_of_the_space(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 0xf, 0x10, 1, INDEX(state));

    add_rejects(arena, VMEM_ADDR_MAX, 1, 0, -VMEM_EEXIST, VMEM_FAULT_OVERLAP);
    add_rejects(arena, 0, VMEM_ADDR_MAX, 0, -VMEM_EEXIST, VMEM_FAULT_OVERLAP);
}

static void add_rejects_what_is_no_span(void **state)
{
    vmem_t *arena = make(0, 0, 0x10, INDEX(state));

    add_rejects(arena, 0x1000, 0, 0, -VMEM_EINVAL, VMEM_FAULT_PARAMETER);
    add_rejects(arena, 0x1001, 0x10, 0, -VMEM_EINVAL, VMEM_FAULT_PARAMETER);
    add_rejects(arena, 0x1000, 0x11, 0, -VMEM_EINVAL, VMEM_FAULT_PARAMETER);
    add_rejects(arena, VMEM_ADDR_MAX - 0xf, 0x20, 0, -VMEM_EINVAL, VMEM_FAULT_PARAMETER);
    add_rejects(arena, 0x1000, 0x10, 1, -VMEM_EINVAL, VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_add(NULL, 0x1000, 0x10, 0), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void remove_takes_a_free_span_away(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 8, 4, 0), arena);
    expect(0, vmem_remove(arena, 0, 4), arena);
    assert_layout(arena, 1, "[.4]");
    assert_false(vmem_contains(arena, 0, 1));
    assert_int_equal(take(arena, 4, POLICY(state)), 8);
    refused(arena, 1, POLICY(state), -VMEM_ENOSPC);
}

static void remove_of_the_last_span_leaves_an_empty_arena(void **state)
{
    vmem_t *arena = make(VMEM_ADDR_MAX - 3, 4, 1, INDEX(state));

    expect(0, vmem_remove(arena, VMEM_ADDR_MAX - 3, 4), arena);
    assert_layout(arena, 1, "");
    expect(0, vmem_add(arena, VMEM_ADDR_MAX - 7, 8, 0), arena);
    assert_layout(arena, 1, "[.8]");
}

static void remove_is_refused_while_something_in_the_span_is_allocated(void **state)
{
    static struct snapshot before;
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    (void)take_at(arena, 1, 1);
    snapshot(arena, &before);
    expect(-VMEM_EBUSY, vmem_remove(arena, 0, 4), arena);
    assert_same(arena, &before);
    give(arena, 1, 1);
    (void)take_at(arena, 0, 4);
    expect(-VMEM_EBUSY, vmem_remove(arena, 0, 4), arena);
}

static void remove_rejects(vmem_t *arena, vmem_addr_t base, vmem_size_t size)
{
    static struct snapshot before;

    snapshot(arena, &before);
    assert_int_equal(vmem_remove(arena, base, size), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    check(arena);
    assert_same(arena, &before);
}

static void remove_rejects_what_is_no_whole_span(void **state)
{
    vmem_t *arena = make(0x10, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 0x14, 4, 0), arena);
    remove_rejects(arena, 0x10, 3);
    remove_rejects(arena, 0x10, 8);
    remove_rejects(arena, 0x11, 3);
    remove_rejects(arena, 0x20, 4);
    remove_rejects(arena, 0, 4);
    remove_rejects(arena, 0x10, 0);
    assert_int_equal(vmem_remove(NULL, 0x10, 4), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void remove_rejects_an_imported_span(void **state)
{
    vmem_t *source = make(0x1000, 0x1000, 0x1000, INDEX(state));
    vmem_t *child = make_child(source, 0x1000, INDEX(state));

    give(child, take(child, 0x1000, 0), 0x1000);
    assert_layout(child, 0x1000, "[.1]");
    remove_rejects(child, 0x1000, 0x1000);
}

static void next_fit_goes_on_after_its_span_was_removed(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    expect(0, vmem_add(arena, 10, 4, 0), arena);
    give(arena, take(arena, 2, VMEM_NEXTFIT), 2);
    expect(0, vmem_remove(arena, 0, 4), arena);
    assert_int_equal(take(arena, 2, VMEM_NEXTFIT), 10);
}

/*
 * import and release: a source that notes what it is asked. It is static in each test, since the
 * arenas outlive the test and release to it when the teardown destroys them.
 */

struct broker {
    vmem_t *source;
    vmem_t *child;
    unsigned imports, releases;
    int error;   /* to return in place of an import */
    bool answer; /* with `addr`, whatever was asked */
    vmem_addr_t addr;
    vmem_size_t size; /* as last asked */
    struct vmem_constraints c;
    unsigned flags;
    vmem_addr_t released_addr;
    vmem_size_t released_size;
};

static int broker_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                         unsigned flags, vmem_addr_t *addrp)
{
    struct broker *broker = ctx;

    checked_port_no_lock("import");
    broker->imports++;
    broker->size = size;
    broker->c = *c;
    broker->flags = flags;
    if (broker->error != 0)
        return broker->error;
    if (broker->answer) {
        *addrp = broker->addr;
        return 0;
    }
    return vmem_xalloc(broker->source, size, c, flags, addrp);
}

static void broker_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    struct broker *broker = ctx;

    checked_port_no_lock("release");
    broker->releases++;
    broker->released_addr = addr;
    broker->released_size = size;
    if (!broker->answer)
        vmem_xfree(broker->source, addr, size);
}

static vmem_t *make_broker(struct broker *broker, vmem_addr_t base, vmem_size_t size,
                           vmem_size_t quantum, unsigned index)
{
    struct vmem_params params = {.name = "child",
                                 .quantum = quantum,
                                 .import = broker_import,
                                 .release = broker_release,
                                 .ctx = broker,
                                 .flags = index};

    *broker = (struct broker){.source = make(base, size, quantum, index)};
    broker->child = make_params(&params);
    return broker->child;
}

static void import_serves_what_the_arena_has_not(void **state)
{
    vmem_t *source = make(0x1000, 0x100000, 0x10, INDEX(state));
    vmem_t *child = make_child(source, 0x10, INDEX(state));
    vmem_addr_t addr = take(child, 0x20, POLICY(state));
    struct vmem_stats stats;

    assert_true(vmem_contains(source, addr, 0x20));
    assert_true(vmem_contains(child, addr, 0x20));
    vmem_stat(child, &stats);
    assert_int_equal(stats.imports, 1);
    assert_int_equal(stats.spans, 1);
    assert_int_equal(stats.imported, stats.total);
    vmem_stat(source, &stats);
    assert_int_equal(stats.segments, 1);
    assert_int_equal(vmem_check(source), 0);
}

static void import_asks_for_no_more_than_the_request_needs(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0, 3, 1, INDEX(state));

    assert_int_equal(take(child, 3, POLICY(state)), 0);
    assert_int_equal(broker.size, 3);
    assert_layout(child, 1, "[#3]");
}

static void import_rounds_to_the_larger_quantum(void **state)
{
    vmem_t *source = make(0x1000, 0x3000, 0x1000, INDEX(state));
    vmem_t *fine = make_child(source, 0x10, INDEX(state));
    vmem_t *coarse = make_child(source, 0x2000, INDEX(state));
    vmem_addr_t addr = take(coarse, 0x10, POLICY(state));
    struct vmem_stats stats;

    assert_int_equal(addr, 0x2000);
    (void)take(fine, 0x10, POLICY(state));
    vmem_stat(fine, &stats);
    assert_int_equal(stats.total, 0x1000);
    vmem_stat(coarse, &stats);
    assert_int_equal(stats.total, 0x2000);
    vmem_stat(source, &stats);
    assert_int_equal(stats.free, 0);
}

static void import_passes_the_constraints_on(void **state)
{
    static const struct vmem_constraints wishes[] = {
        {.align = 0x400},
        {.align = 0x400, .phase = 0x30},
        {.nocross = 0x100},
        {.min = 0x8000},
        {.limit = 0x8000},
        {.min = 0x7010, .limit = 0x7030},
        {.align = 0x40, .phase = 0x20, .nocross = 0x80, .min = 0x5001, .limit = 0x5400},
    };

    for (size_t i = 0; i < LENGTH(wishes); i++) {
        static struct broker broker;
        vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));
        vmem_addr_t addr = xtake(child, 0x20, &wishes[i], POLICY(state));

        assert_true(legal(addr, 0x20, 0x10, &wishes[i]));
        assert_true(broker.imports > 0);
        assert_int_equal(broker.flags, POLICY(state));
        unmake(child);
        unmake(broker.source);
    }
}

static void import_reaches_the_only_place_that_serves(void **state)
{
    struct vmem_constraints c = {.align = 0x100, .phase = 0xf0, .min = 0x1ff0, .limit = 0x2000};
    vmem_t *source = make(0x1000, 0x1000, 0x10, INDEX(state));
    vmem_t *child = make_child(source, 0x10, INDEX(state));

    (void)take_at(source, 0x1000, 0xff0);
    assert_int_equal(xtake(child, 0x10, &c, POLICY(state)), 0x1ff0);
    xrefused(child, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    assert_int_equal(vmem_check(source), 0);
}

/* Where the source deals in larger blocks, a segment stands somewhere in the first of a span. */

static void import_reaches_into_the_block_that_the_window_divides(void **state)
{
    static const struct vmem_constraints wishes[] = {
        {.min = 0x1810, .limit = 0x1820},
        {.min = 0x1ff0, .limit = 0x2000},
        {.min = 0x1801, .limit = 0x2000, .align = 0x100, .phase = 0x20},
        {.min = 0x1001, .limit = 0x1fff, .nocross = 0x40},
    };

    for (size_t i = 0; i < LENGTH(wishes); i++) {
        vmem_t *source = make(0x1000, 0x1000, 0x1000, INDEX(state));
        vmem_t *child = make_child(source, 0x10, INDEX(state));

        assert_true(legal(xtake(child, 0x10, &wishes[i], POLICY(state)), 0x10, 0x10, &wishes[i]));
        xrefused(child, 0x1000, &wishes[0], POLICY(state), -VMEM_ENOSPC);
        unmake(child);
        unmake(source);
    }
}

static void import_finds_a_phase_behind_the_start_of_a_block(void **state)
{
    vmem_t *source = make(0x1000, 0x8000, 0x1000, INDEX(state));
    vmem_t *child = make_child(source, 0x10, INDEX(state));
    struct vmem_constraints c = {.align = 0x4000, .phase = 0x2800};

    assert_true(legal(xtake(child, 0x1000, &c, POLICY(state)), 0x1000, 0x10, &c));
    c = (struct vmem_constraints){.align = 0x1000, .phase = 0x800, .nocross = 0x2000};
    xrefused(child, 0x2000, &c, POLICY(state), -VMEM_ENOSPC);
    assert_true(legal(xtake(child, 0x1800, &c, POLICY(state)), 0x1800, 0x10, &c));
    assert_int_equal(vmem_check(source), 0);
}

static void import_is_not_asked_for_what_no_span_can_serve(void **state)
{
    static const struct {
        struct vmem_constraints c;
        vmem_size_t size;
    } rows[] = {
        {{.align = 0x40, .phase = 0x20, .nocross = 0x40}, 0x30},
        {{.align = 0x100, .phase = 0x80, .limit = 0x20}, 0x10},
        {{.align = 0x1000, .phase = 0x100}, VMEM_ADDR_MAX - 0xff},
        {{.min = 0x10}, VMEM_ADDR_MAX - 0xf},
        {{.min = 0x1010, .limit = 0x101f, .align = 0x1000}, 0x10},
        {{.min = VMEM_ADDR_MAX - 0x7ff}, 0x1000},
    };
    vmem_t *source = make(0x1000, 0x10000, 0x1000, INDEX(state));
    vmem_t *child = make_child(source, 0x10, INDEX(state));
    struct vmem_stats stats;

    for (size_t i = 0; i < LENGTH(rows); i++)
        xrefused(child, rows[i].size, &rows[i].c, POLICY(state), -VMEM_ENOSPC);
    vmem_stat(source, &stats);
    assert_int_equal(stats.allocs + stats.fails, 0);
}

static void import_aligns_at_least_to_the_quantum(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));

    (void)take(child, 0x10, POLICY(state));
    assert_true(broker.c.align >= 0x10);
}

static void import_error_is_the_allocation_s_error(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));

    broker.error = -77;
    refused(child, 0x10, POLICY(state), -77);
    broker.error = -VMEM_ENOSPC;
    refused(child, 0x10, POLICY(state), -VMEM_ENOSPC);
    broker.error = 0;
    (void)take(child, 0x10, POLICY(state));
}

static void import_is_not_asked_for_what_wraps(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));

    refused(child, VMEM_ADDR_MAX, POLICY(state), -VMEM_ENOSPC);
    assert_int_equal(broker.imports, 0);
    refused(child, VMEM_ADDR_MAX - 0xf, POLICY(state), -VMEM_ENOSPC);
    refused(child, VMEM_ADDR_MAX / 2 + 1, POLICY(state), -VMEM_ENOSPC);
}

static void import_that_is_refused_ends(void **state)
{
    static struct broker broker;
    struct vmem_constraints c = {.align = 0x1000, .phase = 0x10, .min = 0x8000, .limit = 0x8020};
    vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));

    (void)take_at(broker.source, 0x8010, 0x10);
    xrefused(child, 0x10, &c, POLICY(state), -VMEM_ENOSPC);
    assert_true(broker.imports <= 3);
    assert_int_equal(vmem_check(broker.source), 0);
}

/* The source answers with a span of its own choice: that is refused. How often it got one back. */
static unsigned import_answers(void **state, vmem_addr_t addr, const struct vmem_constraints *c)
{
    static struct snapshot before;
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));
    vmem_addr_t got = 0x55;

    expect(0, vmem_add(child, 0x4000, 0x100, 0), child);
    (void)take_at(child, 0x4000, 0x100);
    snapshot(child, &before);
    broker.answer = true;
    broker.addr = addr;
    assert_int_equal(vmem_xalloc(child, 0x20, c, POLICY(state), &got), -VMEM_EINVAL);
    assert_int_equal(got, 0x55);
    expect_fault(VMEM_FAULT_IMPORT);
    assert_int_equal(last_fault.addr, addr);
    check(child);
    assert_same(child, &before);
    assert_int_equal(broker.imports, 1);
    unmake(child);
    assert_true(broker.releases == 0 || broker.released_addr == addr);
    return broker.releases;
}

static void import_of_a_span_that_overlaps_is_reported(void **state)
{
    (void)import_answers(state, 0x4000, NULL);
    (void)import_answers(state, 0x40f0, NULL);
    (void)import_answers(state, 0x3ff0, NULL);
}

/* It is in use here: the source would give it to somebody else. */
static void import_of_a_span_that_overlaps_does_not_release_it(void **state)
{
    assert_int_equal(import_answers(state, 0x4000, NULL), 0);
    assert_int_equal(import_answers(state, 0x40f0, NULL), 0);
    assert_int_equal(import_answers(state, 0x3ff0, NULL), 0);
}

static void import_of_a_span_that_is_not_in_quanta_is_reported(void **state)
{
    (void)import_answers(state, 0x8008, NULL);
}

static void import_of_a_span_that_is_not_in_quanta_releases_it(void **state)
{
    assert_int_equal(import_answers(state, 0x8008, NULL), 1);
}

static void import_of_a_span_past_the_end_of_the_space_is_reported(void **state)
{
    (void)import_answers(state, VMEM_ADDR_MAX - 0xf, NULL);
}

static void import_of_a_span_past_the_end_of_the_space_releases_it(void **state)
{
    assert_int_equal(import_answers(state, VMEM_ADDR_MAX - 0xf, NULL), 1);
}

static void import_that_does_not_satisfy_the_constraints_is_given_back(void **state)
{
    struct vmem_constraints c = {.align = 0x1000};
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0x1000, 0x10000, 0x10, INDEX(state));
    vmem_addr_t addr;

    broker.answer = true;
    broker.addr = 0x8010;
    assert_true(vmem_xalloc(child, 0x10, &c, POLICY(state), &addr) < 0);
    fault_count = 0;
    check(child);
    vmem_reap(child);
    assert_layout(child, 0x10, "");
    assert_int_equal(broker.releases, broker.imports);
}

static void import_may_end_with_the_address_space(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, VMEM_ADDR_MAX - 0xf, 0x10, 1, INDEX(state));

    for (unsigned i = 0; i < 16; i++)
        (void)take(child, 1, POLICY(state));
    refused(child, 1, POLICY(state), -VMEM_ENOSPC);
}

static void import_may_begin_at_address_zero(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0, 1, 1, INDEX(state));

    assert_int_equal(take(child, 1, POLICY(state)), 0);
    give(child, 0, 1);
    vmem_reap(child);
    assert_int_equal(broker.released_addr, 0);
}

static void import_goes_through_a_chain_of_arenas(void **state)
{
    vmem_t *chain[VMEM_CONFIG_IMPORT_DEPTH];
    vmem_addr_t addr;

    chain[0] = make(0, 0x100000, 0x1000, INDEX(state));
    for (unsigned i = 1; i < LENGTH(chain); i++)
        chain[i] = make_child(chain[i - 1], 0x1000u >> i, INDEX(state));
    addr = take(chain[LENGTH(chain) - 1], 1, POLICY(state));
    for (unsigned i = 0; i < LENGTH(chain); i++) {
        assert_true(vmem_contains(chain[i], addr, 1));
        check(chain[i]);
    }
}

static void a_child_may_have_spans_of_its_own_too(void **state)
{
    vmem_t *source = make(0x1000, 0x1000, 0x10, INDEX(state));
    struct vmem_params params = {.name = "child",
                                 .base = 0x100,
                                 .size = 0x20,
                                 .quantum = 0x10,
                                 .source = source,
                                 .flags = INDEX(state)};
    vmem_t *child = make_params(&params);
    struct vmem_stats stats;

    assert_int_equal(take(child, 0x20, POLICY(state)), 0x100);
    assert_true(take(child, 0x20, POLICY(state)) >= 0x1000);
    vmem_stat(child, &stats);
    assert_int_equal(stats.total - stats.imported, 0x20);
    give(child, 0x100, 0x20);
    expect(0, vmem_remove(child, 0x100, 0x20), child);
}

static void an_empty_span_of_the_arena_s_own_is_never_released(void **state)
{
    vmem_t *source = make(0x1000, 0x1000, 0x10, INDEX(state));
    struct vmem_params params = {.name = "child",
                                 .base = 0x100,
                                 .size = 0x20,
                                 .quantum = 0x10,
                                 .source = source,
                                 .flags = INDEX(state)};
    vmem_t *child = make_params(&params);

    give(child, take(child, 0x20, POLICY(state)), 0x20);
    vmem_reap(child);
    assert_layout(child, 0x10, "[.2]");
}

static void release_keeps_one_empty_span_back(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0, 0x1000, 0x100, INDEX(state));
    vmem_addr_t addr = take(child, 0x100, POLICY(state));

    give(child, addr, 0x100);
    assert_int_equal(broker.releases, 0);
    assert_int_equal(take(child, 0x100, VMEM_FIRSTFIT), addr);
    assert_int_equal(broker.imports, 1);
}

static void release_gives_one_back_when_a_second_becomes_empty(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0, 0x200, 0x100, INDEX(state));
    vmem_addr_t one = take(child, 0x100, POLICY(state));
    vmem_addr_t other = take(child, 0x100, POLICY(state));
    struct vmem_stats stats;

    assert_int_equal(broker.imports, 2);
    give(child, one, 0x100);
    assert_int_equal(broker.releases, 0);
    give(child, other, 0x100);
    assert_int_equal(broker.releases, 1);
    vmem_stat(child, &stats);
    assert_int_equal(stats.spans, 1);
    assert_int_equal(stats.releases, 1);
    assert_int_equal(vmem_check(broker.source), 0);
}

static void release_returns_exactly_what_was_imported(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0x1000, 0x100000, 0x10, INDEX(state));
    vmem_size_t size;

    give(child, take(child, 0x30, POLICY(state)), 0x30);
    size = broker.size;
    vmem_reap(child);
    check(child);
    assert_int_equal(broker.releases, 1);
    assert_int_equal(broker.released_size, size);
    assert_layout(broker.source, 0x100000, "[.1]");
    assert_layout(child, 1, "");
}

static void a_span_is_kept_only_when_all_of_it_is_free(void **state)
{
    vmem_t *source = make(0, 0x4000, 0x1000, INDEX(state));
    vmem_t *child = make_child(source, 0x100, INDEX(state));
    const struct vmem_constraints low = {.limit = 0x1000}, high = {.min = 0x3000};
    struct vmem_stats stats;

    (void)xtake(child, 0x100, &low, POLICY(state));
    give(child, xtake(child, 0x100, &low, POLICY(state)), 0x100);
    vmem_reap(child);
    vmem_stat(child, &stats);
    assert_int_equal(stats.releases, 0);
    give(child, xtake(child, 0x1000, &high, POLICY(state)), 0x1000);
    vmem_stat(child, &stats);
    assert_int_equal(stats.spans, 2);
}

static void a_kept_span_that_is_used_again_is_not_released(void **state)
{
    vmem_t *source = make(0, 0x4000, 0x1000, INDEX(state));
    vmem_t *child = make_child(source, 0x100, INDEX(state));
    const struct vmem_constraints low = {.limit = 0x1000}, high = {.min = 0x3000};
    struct vmem_stats stats;

    give(child, xtake(child, 0x100, &low, POLICY(state)), 0x100);
    (void)xtake(child, 0x100, &low, POLICY(state));
    give(child, xtake(child, 0x1000, &high, POLICY(state)), 0x1000);
    vmem_stat(child, &stats);
    assert_int_equal(stats.releases, 0);
    assert_int_equal(stats.spans, 2);
}

/* While the source is asked, another thread frees what serves; what the source gives does not. */
static vmem_addr_t freed_meanwhile;

static int import_too_late(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                           unsigned flags, vmem_addr_t *addrp)
{
    struct broker *broker = ctx;

    (void)c;
    (void)flags;
    broker->imports++;
    broker->size = size;
    checked_port_thread = 2;
    vmem_free(broker->child, freed_meanwhile, 0x100);
    checked_port_thread = 1;
    *addrp = 0x8010;
    return 0;
}

static void a_segment_freed_during_an_import_serves_where_the_import_does_not(void **state)
{
    static struct broker broker;
    struct vmem_params params = {.name = "child",
                                 .base = 0x1000,
                                 .size = 0x100,
                                 .quantum = 0x10,
                                 .import = import_too_late,
                                 .release = broker_release,
                                 .ctx = &broker,
                                 .flags = INDEX(state)};
    const struct vmem_constraints c = {.align = 0x1000};

    broker = (struct broker){.answer = true};
    broker.child = make_params(&params);
    freed_meanwhile = take(broker.child, 0x100, 0);
    assert_int_equal(xtake(broker.child, 0x10, &c, POLICY(state)), 0x1000);
    assert_int_equal(broker.imports, 1);
    assert_int_equal(broker.releases, 1);
    assert_int_equal(broker.released_addr, 0x8010);
    assert_layout(broker.child, 0x10, "[#1.15]");
}

/* While the source says no, another thread makes room in the arena. */
static vmem_addr_t added_meanwhile;

static int import_refused_meanwhile(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                                    unsigned flags, vmem_addr_t *addrp)
{
    struct broker *broker = ctx;

    (void)size;
    (void)c;
    (void)flags;
    (void)addrp;
    broker->imports++;
    checked_port_thread = 2;
    if (freed_meanwhile != 0)
        vmem_free(broker->child, freed_meanwhile, 0x100);
    if (added_meanwhile != 0)
        (void)vmem_add(broker->child, added_meanwhile, 0x100, 0);
    checked_port_thread = 1;
    freed_meanwhile = 0;
    added_meanwhile = 0;
    return -VMEM_ENOSPC;
}

/* A child of 0x100 at 0x1000, all of it allocated. */
static vmem_t *make_refused_meanwhile(struct broker *broker, void **state)
{
    struct vmem_params params = {.name = "child",
                                 .base = 0x1000,
                                 .size = 0x100,
                                 .quantum = 0x10,
                                 .import = import_refused_meanwhile,
                                 .release = broker_release,
                                 .ctx = broker,
                                 .flags = INDEX(state)};

    freed_meanwhile = 0;
    added_meanwhile = 0;
    *broker = (struct broker){.answer = true};
    broker->child = make_params(&params);
    (void)take(broker->child, 0x100, 0);
    return broker->child;
}

static void a_segment_freed_while_the_source_says_no_serves(void **state)
{
    static struct broker broker;
    vmem_t *child = make_refused_meanwhile(&broker, state);

    freed_meanwhile = 0x1000;
    assert_in_range(take(child, 0x10, POLICY(state)), 0x1000, 0x10f0);
    assert_true(broker.imports > 0);
}

static void a_span_added_while_the_source_says_no_serves(void **state)
{
    static struct broker broker;
    vmem_t *child = make_refused_meanwhile(&broker, state);

    added_meanwhile = 0x8000;
    assert_in_range(take(child, 0x10, POLICY(state)), 0x8000, 0x80f0);
    assert_true(broker.imports > 0);
}

/* The tags of spans that are gone are for all arenas again. */

enum { MANY_SPANS = 1000 };

static void release_of_many_spans_leaves_few_tags_in_stock(void **state)
{
    vmem_t *source = make(0, (vmem_size_t)1 << 20, 0x100, INDEX(state));
    vmem_t *child = make_child(source, 0x100, INDEX(state));
    vmem_addr_t addrs[MANY_SPANS];

    for (unsigned i = 0; i < MANY_SPANS; i++)
        assert_int_equal(vmem_alloc(child, 0x100, POLICY(state), &addrs[i]), 0);
    assert_int_equal(child->span_count, MANY_SPANS);
    for (unsigned i = 0; i < MANY_SPANS; i++)
        vmem_free(child, addrs[i], 0x100);
    check(child);
    assert_int_equal(child->span_count, 1); /* the one kept */
    assert_true(child->stash[VMEM_STASH_SPANS].count <= VMEM_STASH_MAX);
    assert_true(child->stash[VMEM_STASH_SEGMENTS].count <= VMEM_STASH_MAX);
}

static void remove_of_many_spans_leaves_few_tags_in_stock(void **state)
{
    vmem_t *arena = make(0, 0, 1, INDEX(state));

    for (vmem_addr_t i = 0; i < MANY_SPANS; i++)
        assert_int_equal(vmem_add(arena, 16 * i, 8, 0), 0);
    for (vmem_addr_t i = 0; i < MANY_SPANS; i++)
        assert_int_equal(vmem_remove(arena, 16 * i, 8), 0);
    check(arena);
    assert_true(arena->stash[VMEM_STASH_SPANS].count <= VMEM_STASH_MAX);
    assert_true(arena->stash[VMEM_STASH_SEGMENTS].count <= VMEM_STASH_MAX);
}

/*
 * An arena whose first import the page hook brings about, where there is no memory to be had.
 */
static vmem_t *kernel_memory;

static void *lend_kernel_memory(size_t size)
{
    vmem_addr_t addr;

    if (vmem_alloc(kernel_memory, size, 0, &addr) != 0)
        return NULL;
    return (void *)(uintptr_t)addr;
}

static void return_kernel_memory(void *pages, size_t size)
{
    vmem_free(kernel_memory, (vmem_addr_t)(uintptr_t)pages, size);
}

struct block {
    struct block *next;
    size_t size;
};

/* Takes the blocks of every size and the static pages that there are. */
static struct block *take_all_blocks(void)
{
    struct block *first = NULL, *block;

    lender.refuse_all = true;
    for (size_t size = VMEM_PAGE_SIZE; size >= 32; size = size > 1024 ? 1024 : size - 32) {
        while ((block = vmem_pool_alloc(size)) != NULL) {
            block->next = first;
            block->size = size;
            first = block;
        }
    }
    lender.refuse_all = false;
    return first;
}

static void return_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;

        vmem_pool_free(block, block->size);
        block = next;
    }
}

static void an_arena_that_only_the_page_hook_uses_imports_there_for_the_first_time(void **state)
{
    enum { BLOCK = 16 * VMEM_PAGE_SIZE, BLOCKS = 16 };
    static _Alignas(BLOCK) unsigned char memory[BLOCKS][BLOCK];
    vmem_t *physical = make((vmem_addr_t)(uintptr_t)memory, sizeof(memory), BLOCK, INDEX(state));
    vmem_t *ids = make(0, 1 << 16, 1, INDEX(state));
    struct block *blocks;
    vmem_addr_t addr;

    kernel_memory = make_child(physical, VMEM_PAGE_SIZE, INDEX(state));
    blocks = take_all_blocks();
    lender.alloc = lend_kernel_memory;
    lender.free = return_kernel_memory;
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(vmem_alloc(ids, 1, 0, &addr), 0);
    assert_true(lender.pages > 10);
    assert_true(kernel_memory->import_count > 0);
    check(ids);
    check(kernel_memory);
    unmake(ids);
    return_blocks(blocks);
    vmem_reap(NULL);
    assert_int_equal(lender.pages, 0);
    lender.alloc = NULL;
}

/*
 * While a thread that adds a span has its tags filled up, another takes one of them for a span of
 * its own. The page hook plays the other.
 */
static vmem_t *shared;
static struct vmem_stash held;

static void *add_another(size_t size)
{
    lender.alloc = NULL;
    vmem_pool_return(&held);
    checked_port_thread = 2;
    (void)vmem_add(shared, 0x2000, 0x1000, 0);
    checked_port_thread = 1;
    return lend_memory(size);
}

static void add_goes_on_where_another_thread_took_its_tag(void **state)
{
    shared = make(0x5000, 0x1000, 1, INDEX(state));
    vmem_reap(NULL);
    held = (struct vmem_stash){.first = 0};
    lender.refuse_all = true;
    while (vmem_pool_take(INDEX(state) != 0 ? VMEM_CLASS_NODE : VMEM_CLASS_TAG, 1, 1, &held) == 0)
        ;
    lender.refuse_all = false;
    lender.alloc = add_another;
    expect(0, vmem_add(shared, 0x1000, 0x1000, 0), shared);
    assert_null(lender.alloc);
    assert_layout(shared, 0x1000, "[.1][.1][.1]");
}

static void reap_gives_up_the_span_kept_back(void **state)
{
    vmem_t *source = make(0, 0x10000, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    struct vmem_stats stats;

    give(child, take(child, 1, POLICY(state)), 1);
    vmem_reap(NULL);
    check(child);
    check(source);
    vmem_stat(source, &stats);
    assert_int_equal(stats.in_use, 0);
    vmem_stat(child, &stats);
    assert_int_equal(stats.total, 0);
    assert_int_equal(stats.imports, 1);
    assert_int_equal(stats.releases, 1);
}

static void reap_leaves_what_is_in_use(void **state)
{
    vmem_t *source = make(0, 0x10000, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    vmem_addr_t addr = take(child, 1, POLICY(state));

    vmem_reap(child);
    check(child);
    assert_true(vmem_contains(child, addr, 1));
    give(child, addr, 1);
}

static void a_kept_span_is_given_up_when_the_source_runs_out(void **state)
{
    static struct broker broker;
    vmem_t *child = make_broker(&broker, 0, 4, 1, INDEX(state));
    struct vmem_constraints low = {.limit = 1};

    /* A span of one quantum at 0 stays behind, and is in the way of four. */
    (void)take_at(broker.source, 1, 3);
    give(child, xtake(child, 1, &low, POLICY(state)), 1);
    give(broker.source, 1, 3);
    assert_int_equal(take(child, 4, POLICY(state)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(add_gives_the_arena_another_span),
        ON_ALL(add_accepts_spans_that_touch),
        ON_ALL(add_accepts_both_ends_of_the_address_space),
        ON_BOTH(add_rejects_a_span_that_overlaps_another),
        ON_BOTH(add_rejects_a_span_that_overlaps_the_end_of_the_space),
        ON_BOTH(add_rejects_what_is_no_span),
        ON_ALL(remove_takes_a_free_span_away),
        ON_BOTH(remove_of_the_last_span_leaves_an_empty_arena),
        ON_BOTH(remove_is_refused_while_something_in_the_span_is_allocated),
        ON_BOTH(remove_rejects_what_is_no_whole_span),
        ON_BOTH(remove_rejects_an_imported_span),
        ON_BOTH(next_fit_goes_on_after_its_span_was_removed),
        ON_ALL(import_serves_what_the_arena_has_not),
        ON_ALL(import_asks_for_no_more_than_the_request_needs),
        ON_ALL(import_rounds_to_the_larger_quantum),
        ON_ALL(import_passes_the_constraints_on),
        ON_ALL(import_reaches_the_only_place_that_serves),
        ON_ALL(import_reaches_into_the_block_that_the_window_divides),
        ON_ALL(import_finds_a_phase_behind_the_start_of_a_block),
        ON_ALL(import_is_not_asked_for_what_no_span_can_serve),
        ON_ALL(import_aligns_at_least_to_the_quantum),
        ON_ALL(import_error_is_the_allocation_s_error),
        ON_ALL(import_is_not_asked_for_what_wraps),
        ON_ALL(import_that_is_refused_ends),
        ON_ALL(import_of_a_span_that_overlaps_is_reported),
        ON_ALL(import_of_a_span_that_overlaps_does_not_release_it),
        ON_ALL(import_of_a_span_that_is_not_in_quanta_is_reported),
        ON_ALL(import_of_a_span_that_is_not_in_quanta_releases_it),
        ON_ALL(import_of_a_span_past_the_end_of_the_space_is_reported),
        ON_ALL(import_of_a_span_past_the_end_of_the_space_releases_it),
        ON_ALL(import_that_does_not_satisfy_the_constraints_is_given_back),
        ON_ALL(import_may_end_with_the_address_space),
        ON_ALL(import_may_begin_at_address_zero),
        ON_ALL(import_goes_through_a_chain_of_arenas),
        ON_ALL(a_child_may_have_spans_of_its_own_too),
        ON_ALL(an_empty_span_of_the_arena_s_own_is_never_released),
        ON_ALL(release_keeps_one_empty_span_back),
        ON_ALL(release_gives_one_back_when_a_second_becomes_empty),
        ON_ALL(release_returns_exactly_what_was_imported),
        ON_ALL(a_span_is_kept_only_when_all_of_it_is_free),
        ON_ALL(a_kept_span_that_is_used_again_is_not_released),
        ON_ALL(a_segment_freed_during_an_import_serves_where_the_import_does_not),
        ON_ALL(a_segment_freed_while_the_source_says_no_serves),
        ON_ALL(a_span_added_while_the_source_says_no_serves),
        ON_ALL(release_of_many_spans_leaves_few_tags_in_stock),
        ON_BOTH(remove_of_many_spans_leaves_few_tags_in_stock),
        ON_BOTH(an_arena_that_only_the_page_hook_uses_imports_there_for_the_first_time),
        ON_BOTH(add_goes_on_where_another_thread_took_its_tag),
        ON_BOTH(reap_gives_up_the_span_kept_back),
        ON_ALL(reap_leaves_what_is_in_use),
        ON_ALL(a_kept_span_is_given_up_when_the_source_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
