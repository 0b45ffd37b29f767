/* SPDX-License-Identifier: MIT */
/*
 * test_sleep.c - VMEM_SLEEP: requests that wait for room, and what wakes them.
 *
 * There is one thread, so while a request waits, the port calls a function of the test's, which
 * plays the others: a wakeup that is lost is found when that function returns. A request that would
 * stand behind another cannot be played, as it would wait for ever; tests/explore and tests/threads
 * have those.
 */
#include "support.h"

#include "arena.h"
#include "cache.h"

#include <vmem/heap.h>
#include <vmem/id.h>

#include <string.h>

enum { MEMORY = 1 << 16 };

static struct vmem_stats stats_of(vmem_t *arena)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    return stats;
}

/* Nobody waits for an arena any more, and it is used as before. */
static void assert_not_awaited(vmem_t *arena)
{
    assert_int_equal(arena->awaited, 0);
    assert_false(arena->hash.awaited);
    check(arena);
}

/* The first span is to be full: of segments of one unit, at 0 and up. */
static void fill(vmem_t *arena, vmem_size_t size)
{
    for (vmem_addr_t addr = 0; addr < size; addr++)
        (void)take_at(arena, addr, 1);
}

/* What the others free, a step each time that the request waits. */
static struct {
    vmem_t *arena;
    vmem_addr_t addrs[4];
    vmem_size_t size;
    unsigned step;
} freed;

static void free_next(void)
{
    give(freed.arena, freed.addrs[freed.step], freed.size);
    freed.step++;
}

/* A request that waits is to find these freed, one a step. */
static void will_be_freed(vmem_t *arena, vmem_size_t size, vmem_addr_t first, vmem_addr_t second)
{
    memset(&freed, 0, sizeof(freed));
    freed.arena = arena;
    freed.size = size;
    freed.addrs[0] = first;
    freed.addrs[1] = second;
    checked_port_others = free_next;
}

static struct vmem_constraints window(vmem_addr_t min, vmem_addr_t limit)
{
    return (struct vmem_constraints){.min = min, .limit = limit};
}

/*
 * Arenas: what wakes
 */

static void a_request_waits_until_there_is_room(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 4, 5);
    assert_int_equal(take(arena, 2, POLICY(state) | VMEM_SLEEP), 4);
    assert_int_equal(freed.step, 2);
    assert_layout(arena, 1, "[#1#1#1#1#2#1#1]");
    assert_not_awaited(arena);
}

static void a_constrained_request_waits_until_there_is_room(void **state)
{
    const struct vmem_constraints c = {.align = 4, .phase = 1};
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 4, 5);
    assert_int_equal(xtake(arena, 1, &c, POLICY(state) | VMEM_SLEEP), 5);
    assert_int_equal(freed.step, 2);
    assert_not_awaited(arena);
}

static void a_request_for_which_there_is_room_does_not_wait(void **state)
{
    const struct vmem_constraints c = {.align = 2};
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take(arena, 1, POLICY(state) | VMEM_SLEEP);
    (void)xtake(arena, 1, &c, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(checked_port_waits, 0);
    assert_int_equal(stats_of(arena).waits, 0);
}

static void a_request_that_waits_is_counted_once_and_not_as_a_failure(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 0, 1);
    (void)take(arena, 2, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(checked_port_waits, 2);
    assert_int_equal(stats_of(arena).waits, 1);
    assert_int_equal(stats_of(arena).fails, 0);
    assert_int_equal(stats_of(arena).allocs, 9);
}

static void free_with_xfree(void)
{
    vmem_xfree(freed.arena, freed.addrs[0], freed.size);
    freed.step++;
}

static void xfree_wakes(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 3, 0);
    checked_port_others = free_with_xfree;
    assert_int_equal(take(arena, 1, VMEM_SLEEP), 3);
}

static void add_a_span(void)
{
    expect(0, vmem_add(freed.arena, 16, 8, 0), freed.arena);
}

static void an_added_span_wakes(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = add_a_span;
    assert_int_equal(take(arena, 8, POLICY(state) | VMEM_SLEEP), 16);
}

static void shrink(void)
{
    expect(0, vmem_resize(freed.arena, 0, 8, 5, 0), freed.arena);
}

static void a_resize_that_shrinks_wakes(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 8);
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = shrink;
    assert_int_equal(take(arena, 3, POLICY(state) | VMEM_SLEEP), 5);
}

static void resize_does_not_wait(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    (void)take_at(arena, 0, 8);
    expect(-VMEM_ENOSPC, vmem_resize(arena, 0, 8, 9, VMEM_SLEEP), arena);
}

/* In a large hash, the short way of a free passes by who waits, and is closed meanwhile. */
static void frees_take_the_short_way_again_when_nobody_waits(void **state)
{
    vmem_t *arena = make(0, 60, 1, INDEX(state));
    size_t short_above;

    fill(arena, 60);
    short_above = arena->hash.short_above;
    for (unsigned i = 0; i < 3; i++) {
        will_be_freed(arena, 1, 10, 0);
        assert_int_equal(take(arena, 1, VMEM_SLEEP), 10);
        assert_not_awaited(arena);
    }
    assert_int_equal(arena->hash.short_above, short_above);
}

/*
 * Imports
 */

/* A sibling's span goes back, although it would be kept if nobody waited. */
static void free_all_of_a_sibling(void)
{
    vmem_t *source = freed.arena->source;

    give(freed.arena, freed.addrs[0], freed.size);
    assert_int_equal(stats_of(source).in_use, 0);
    freed.step++;
}

static void a_span_that_a_sibling_gives_back_wakes(void **state)
{
    vmem_t *source = make(0, 16, 4, INDEX(state));
    vmem_t *sibling = make_child(source, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    vmem_addr_t addr = take(sibling, 16, 0);

    will_be_freed(sibling, 16, addr, 0);
    checked_port_others = free_all_of_a_sibling;
    (void)take(child, 3, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(freed.step, 1);
    assert_int_equal(stats_of(child).waits, 1);
    assert_int_equal(stats_of(source).waits, 0);
    assert_int_equal(stats_of(source).in_use, 4);
    assert_not_awaited(source);
    assert_not_awaited(child);
    addr = take(sibling, 8, 0); /* from now on it is kept again */
    give(sibling, addr, 8);
    assert_int_equal(stats_of(source).in_use, 12);
}

static void a_span_that_is_given_back_wakes_who_waits_for_the_source(void **state)
{
    vmem_t *source = make(0, 16, 4, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    vmem_addr_t addr = take(child, 16, 0);

    will_be_freed(child, 16, addr, 0);
    checked_port_others = free_all_of_a_sibling;
    (void)take(source, 16, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(freed.step, 1);
}

static void what_is_freed_in_the_source_wakes(void **state)
{
    vmem_t *source = make(0, 16, 4, INDEX(state));
    vmem_t *middle = make_child(source, 2, INDEX(state));
    vmem_t *child = make_child(middle, 1, INDEX(state));

    (void)take_at(source, 0, 8);
    (void)take_at(source, 8, 8);
    will_be_freed(source, 8, 8, 0);
    (void)take(child, 1, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(stats_of(child).waits, 1);
    assert_int_equal(stats_of(middle).waits + stats_of(source).waits, 0);
    assert_not_awaited(source);
    assert_not_awaited(middle);
}

/* An arena that imports by a hook of the test's. */
static struct {
    unsigned calls;
    unsigned long wakes[8]; /* of the port, before each of the first calls */
    unsigned flags;         /* all that it was given */
    int error;              /* to return; 0: it gives what is asked for */
    vmem_t *source;         /* from this, */
    vmem_addr_t addr;       /* or here, */
    bool too_late;          /*    but gives it back, and refuses */
} hook;

static int import(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp)
{
    int error = hook.error;

    (void)ctx;
    checked_port_no_lock("import");
    if (hook.calls < LENGTH(hook.wakes))
        hook.wakes[hook.calls] = checked_port_wakes;
    hook.calls++;
    hook.flags |= flags;
    if (hook.source == NULL) {
        *addrp = hook.addr;
        return error;
    }
    if (error == 0 || hook.too_late)
        error = vmem_xalloc(hook.source, size, c, flags, addrp);
    if (error == 0 && hook.too_late) {
        vmem_xfree(hook.source, *addrp, size);
        error = hook.error;
    }
    return error;
}

static void release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    (void)ctx;
    checked_port_no_lock("release");
    if (hook.source != NULL)
        vmem_xfree(hook.source, addr, size);
}

static vmem_t *make_hooked(vmem_t *source, vmem_t *takes_from, vmem_size_t quantum, unsigned index)
{
    const struct vmem_params params = {.name = "hooked",
                                       .quantum = quantum,
                                       .source = source,
                                       .import = import,
                                       .release = release,
                                       .flags = index};

    memset(&hook, 0, sizeof(hook));
    hook.source = takes_from;
    return make_params(&params);
}

static void let_it_import_and_reap(void)
{
    hook.error = 0;
    vmem_reap(freed.arena);
}

static void a_reap_wakes_who_waits_for_what_the_library_cannot_see(void **state)
{
    static const int errors[] = {-VMEM_ENOSPC, -VMEM_ENOMEM};

    for (size_t i = 0; i < LENGTH(errors); i++) {
        vmem_t *arena = make_hooked(NULL, NULL, 1, INDEX(state));

        hook.error = errors[i];
        will_be_freed(i == 0 ? arena : NULL, 1, 0, 0); /* a reap of all arenas will do as well */
        checked_port_others = let_it_import_and_reap;
        (void)take(arena, 4, POLICY(state) | VMEM_SLEEP);
        assert_int_equal(stats_of(arena).waits, 1);
        assert_not_awaited(arena);
        unmake(arena);
    }
}

static void import_more_than_is_asked_for(void)
{
    hook.error = 0;
    (void)take(freed.arena, 1, 0);
}

static void what_is_left_of_an_import_wakes(void **state)
{
    vmem_t *source = make(0, 8, 8, INDEX(state));
    vmem_t *arena = make_hooked(source, NULL, 1, INDEX(state));

    hook.error = -VMEM_ENOSPC;
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = import_more_than_is_asked_for;
    (void)take(arena, 7, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(checked_port_waits, 1);
    assert_int_equal(stats_of(arena).imports, 1);
}

static void neither_hook_nor_source_is_told_that_a_request_waits(void **state)
{
    vmem_t *source = make_hooked(NULL, NULL, 1, INDEX(state));
    vmem_t *child = make_child(source, 1, INDEX(state));
    vmem_t *arena;

    hook.error = -VMEM_ENOSPC;
    will_be_freed(child, 1, 0, 0);
    checked_port_others = let_it_import_and_reap;
    (void)take(child, 4, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(hook.flags, POLICY(state));
    assert_int_equal(stats_of(source).waits, 0);
    arena = make_hooked(NULL, NULL, 1, INDEX(state));
    (void)take(arena, 4, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(hook.flags, POLICY(state));
}

static void a_hook_s_own_error_is_returned_at_once(void **state)
{
    vmem_t *arena = make_hooked(NULL, NULL, 1, INDEX(state));
    vmem_addr_t addr;

    hook.error = -5;
    assert_int_equal(vmem_alloc(arena, 4, POLICY(state) | VMEM_SLEEP, &addr), -5);
    assert_int_equal(stats_of(arena).fails, 1);
    assert_int_equal(stats_of(arena).waits, 0);
}

static void fail_otherwise(void)
{
    hook.error = -5;
    vmem_reap(NULL);
}

static void an_error_that_waiting_does_not_mend_ends_it(void **state)
{
    vmem_t *arena = make_hooked(NULL, NULL, 1, INDEX(state));
    vmem_addr_t addr;

    hook.error = -VMEM_ENOSPC;
    checked_port_others = fail_otherwise;
    assert_int_equal(vmem_alloc(arena, 4, POLICY(state) | VMEM_SLEEP, &addr), -5);
    assert_int_equal(stats_of(arena).fails, 1);
    assert_int_equal(stats_of(arena).waits, 1);
    assert_not_awaited(arena);
}

/*
 * Several
 */

static void take_what_there_is(void)
{
    if (freed.step == 0) {
        vmem_addr_t addr;

        give(freed.arena, 0, 1);
        assert_int_equal(take(freed.arena, 1, 0), 0);
        assert_int_equal(vmem_alloc(freed.arena, 1, 0, &addr), -VMEM_ENOSPC);
    } else {
        give(freed.arena, 0, 1);
        give(freed.arena, 1, 1);
    }
    freed.step++;
}

static void a_request_that_does_not_sleep_is_not_held_up(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = take_what_there_is;
    assert_int_equal(take(arena, 2, POLICY(state) | VMEM_SLEEP), 0);
    assert_int_equal(freed.step, 2);
    assert_int_equal(stats_of(arena).fails, 1);
}

static void take_in_another_window(void)
{
    const struct vmem_constraints c = window(4, 8);

    assert_int_equal(xtake(freed.arena, 1, &c, VMEM_SLEEP), 4);
    give(freed.arena, 0, 1);
}

static void a_request_for_another_window_is_not_held_up(void **state)
{
    const struct vmem_constraints c = window(0, 4);
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    give(arena, 4, 1);
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = take_in_another_window;
    assert_int_equal(xtake(arena, 1, &c, POLICY(state) | VMEM_SLEEP), 0);
    assert_int_equal(stats_of(arena).waits, 1);
}

static void free_in_the_second_window(void)
{
    give(freed.arena, 5, 1);
}

static void wait_in_another_window(void)
{
    const struct vmem_constraints c = window(4, 8);

    if (freed.step++ == 0) {
        checked_port_others = free_in_the_second_window;
        assert_int_equal(xtake(freed.arena, 1, &c, VMEM_SLEEP), 5);
    } else {
        give(freed.arena, 2, 1);
    }
}

static void two_wait_for_windows_apart(void **state)
{
    const struct vmem_constraints c = window(0, 4);
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = wait_in_another_window;
    assert_int_equal(xtake(arena, 1, &c, POLICY(state) | VMEM_SLEEP), 2);
    assert_int_equal(freed.step, 2);
    assert_int_equal(stats_of(arena).waits, 2);
    assert_not_awaited(arena);
}

static void do_nothing(void)
{
    if (freed.step++ == 2)
        give(freed.arena, 0, 1);
}

static void a_wait_that_ends_early_costs_an_attempt(void **state)
{
    vmem_t *arena = make(0, 8, 1, INDEX(state));

    fill(arena, 8);
    will_be_freed(arena, 1, 0, 0);
    checked_port_others = do_nothing;
    checked_port_returns_early = true;
    assert_int_equal(take(arena, 1, POLICY(state) | VMEM_SLEEP), 0);
    assert_int_equal(freed.step, 3);
    assert_int_equal(stats_of(arena).waits, 1);
}

/*
 * The attempts of two arenas that import through hooks take from one source, and give back, as they
 * fail for another reason. That is a free in what both wait for.
 */
static struct {
    vmem_t *source, *second;
} pair;

enum { ATTEMPTS = 3 }; /* the first, one that waits, and one that is known to want memory */

static void let_both_import(void)
{
    assert_int_equal(hook.calls, 2 * ATTEMPTS);
    assert_int_equal(checked_port_wakes, hook.wakes[ATTEMPTS + 1]); /* since it waits */
    hook.too_late = false;
    hook.error = 0;
    vmem_reap(pair.source);
}

static void wait_as_well(void)
{
    assert_int_equal(hook.calls, ATTEMPTS);
    assert_int_equal(checked_port_wakes, hook.wakes[0]);
    checked_port_others = let_both_import;
    (void)take(pair.second, 4, VMEM_SLEEP);
}

static void attempts_that_give_back_what_they_took_wake_nobody(void **state)
{
    vmem_t *first;

    pair.source = make(0, 16, 1, INDEX(state));
    first = make_hooked(pair.source, pair.source, 1, INDEX(state));
    pair.second = make_hooked(pair.source, pair.source, 1, INDEX(state));
    hook.error = -VMEM_ENOMEM;
    hook.too_late = true;
    checked_port_others = wait_as_well;
    (void)take(first, 4, POLICY(state) | VMEM_SLEEP);
    assert_int_equal(checked_port_waits, 2);
}

/*
 * What can never be right
 */

static void bad_parameters_are_refused_at_once(void **state)
{
    const struct vmem_constraints wrong = {.align = 3};
    unsigned flags = POLICY(state) | VMEM_SLEEP;
    vmem_t *arena = make(0, 8, 2, INDEX(state));

    (void)take(arena, 8, 0);
    refused(arena, 0, flags, -VMEM_EINVAL);
    refused(arena, 2, flags | 0x10, -VMEM_EINVAL);
    refused(arena, 2, VMEM_SLEEP | (VMEM_LASTFIT + 1), -VMEM_EINVAL);
    xrefused(arena, 2, &wrong, flags, -VMEM_EINVAL);
    assert_int_equal(vmem_alloc(NULL, 2, flags, &(vmem_addr_t){0}), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_alloc(arena, 2, flags, NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void more_than_the_address_space_is_refused_at_once(void **state)
{
    const struct vmem_constraints c = {.align = 4};
    vmem_t *arena = make(0, 8, 2, INDEX(state));

    refused(arena, VMEM_ADDR_MAX, POLICY(state) | VMEM_SLEEP, -VMEM_ENOSPC);
    xrefused(arena, VMEM_ADDR_MAX, &c, POLICY(state) | VMEM_SLEEP, -VMEM_ENOSPC);
    assert_int_equal(stats_of(arena).fails, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(a_request_waits_until_there_is_room),
        ON_ALL(a_constrained_request_waits_until_there_is_room),
        ON_ALL(a_request_for_which_there_is_room_does_not_wait),
        ON_ALL(a_request_that_waits_is_counted_once_and_not_as_a_failure),
        ON_BOTH(xfree_wakes),
        ON_ALL(an_added_span_wakes),
        ON_ALL(a_resize_that_shrinks_wakes),
        ON_BOTH(resize_does_not_wait),
        ON_BOTH(frees_take_the_short_way_again_when_nobody_waits),

        ON_ALL(a_span_that_a_sibling_gives_back_wakes),
        ON_ALL(a_span_that_is_given_back_wakes_who_waits_for_the_source),
        ON_ALL(what_is_freed_in_the_source_wakes),
        ON_ALL(a_reap_wakes_who_waits_for_what_the_library_cannot_see),
        ON_ALL(what_is_left_of_an_import_wakes),
        ON_ALL(neither_hook_nor_source_is_told_that_a_request_waits),
        ON_ALL(a_hook_s_own_error_is_returned_at_once),
        ON_ALL(an_error_that_waiting_does_not_mend_ends_it),

        ON_ALL(a_request_that_does_not_sleep_is_not_held_up),
        ON_ALL(a_request_for_another_window_is_not_held_up),
        ON_ALL(two_wait_for_windows_apart),
        ON_ALL(a_wait_that_ends_early_costs_an_attempt),
        ON_ALL(attempts_that_give_back_what_they_took_wake_nobody),

        ON_ALL(bad_parameters_are_refused_at_once),
        ON_ALL(more_than_the_address_space_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
