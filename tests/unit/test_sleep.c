/* SPDX-License-Identifier: MIT */
/*
 * test_sleep.c - VMEM_SLEEP: requests that wait for room, and what wakes them.
 *
 * There is one thread, so while a request waits, the port calls a function of the test's, which
 * plays the others: a wakeup that is lost is found when that function returns. Where several wait
 * for the same, each runs on a stack of its own.
 */
#include "support.h"

#include "arena.h"
#include "cache.h"
#include "id.h"

#include <vmem/heap.h>

#include <string.h>
#include <ucontext.h>

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

/*
 * Object caches
 */

/* What the others do with objects that are out, in each step, and on which CPU. */
static struct {
    struct holding *held;
    unsigned cpu;
    unsigned steps;
    vmem_t *arena;
} scene;

static void drop_one(void)
{
    checked_port_cpu = scene.cpu;
    drop(scene.held, scene.held->count / 2);
    scene.steps++;
}

/* While a request waits, the others drop objects of these, one at a time. */
static void will_be_dropped(struct holding *held, unsigned cpu)
{
    memset(&scene, 0, sizeof(scene));
    scene.held = held;
    scene.cpu = cpu;
    scene.arena = held->cache->arena;
    checked_port_others = drop_one;
}

static struct holding *make_held(struct holding *held, vmem_t *arena, size_t size)
{
    *held = (struct holding){.cache = make_cache(arena, size, 0), .size = size};
    return held;
}

static void an_object_freed_wakes(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    size_t count;

    (void)state;
    hold_all(make_held(&held, arena, 200));
    count = held.count;
    for (unsigned i = 1; i <= 3; i++) {
        will_be_dropped(&held, checked_port_cpu);
        assert_true(hold(&held, VMEM_SLEEP));
        assert_int_equal(held.count, count);
        assert_int_equal(scene.steps, 1);
        assert_int_equal(stats_of(arena).waits, i);
        assert_int_equal(cache_stats(held.cache).fails, 1); /* which hold_all met */
        check_cache(held.cache);
    }
    assert_not_awaited(arena);
    drop_all(&held);
}

static void an_object_freed_on_another_cpu_goes_past_its_magazine_and_wakes(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    (void)make_held(&held, arena, 200);
    checked_port_cpu = 1;
    hold_all(&held);
    for (unsigned i = 0; i < 3; i++)
        drop(&held, 0);
    assert_int_equal(cache_stats(held.cache).in_magazines, 3);
    checked_port_cpu = 0;
    will_be_dropped(&held, 1);
    assert_true(hold(&held, VMEM_SLEEP));
    assert_int_equal(scene.steps, 1);
    check_cache(held.cache);
    drop_all(&held);
}

/* All of the arena waits in another CPU's magazines, but for one object, which is freed last. */
static void the_rounds_of_another_cpu_come_with_its_next_free(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    vmem_addr_t addr;

    (void)state;
    (void)make_held(&held, arena, 200);
    checked_port_cpu = 1;
    hold_all(&held);
    while (held.count > 1)
        drop(&held, 0);
    checked_port_cpu = 0;
    will_be_dropped(&held, 1);
    assert_int_equal(vmem_alloc(arena, MEMORY, VMEM_SLEEP, &addr), 0);
    assert_int_equal(scene.steps, 1);
    assert_int_equal(cache_stats(held.cache).slabs, 0);
    vmem_free(arena, addr, MEMORY);
}

static void drain_there(void)
{
    vmem_cpu_drain(1);
}

static void take_offline(void)
{
    vmem_cpu_offline(1);
}

static void reap_the_cache_there(void)
{
    checked_port_cpu = 1;
    vmem_cache_reap(scene.held->cache);
}

static void reap_the_arena_there(void)
{
    checked_port_cpu = 1;
    vmem_reap(scene.arena);
}

static void rounds_that_another_cpu_gives_back_wake(void **state)
{
    static void (*const acts[])(void) = {drain_there, take_offline, reap_the_cache_there,
                                         reap_the_arena_there};
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);
    size_t count;

    (void)state;
    (void)make_held(&held, arena, 200);
    for (size_t i = 0; i < LENGTH(acts); i++) {
        vmem_cpus_online(VMEM_PORT_CPUS);
        checked_port_cpu = 1;
        hold_all(&held);
        count = held.count;
        drop(&held, 0);
        drop(&held, 0); /* now and then an empty magazine has to come first */
        assert_in_range(cache_stats(held.cache).in_magazines, 1, 2);
        while (cache_stats(held.cache).in_magazines < 2) {
            assert_true(hold(&held, 0));
            drop(&held, 0);
        }
        checked_port_cpu = 0;
        will_be_dropped(&held, 1);
        checked_port_others = acts[i];
        while (held.count < count)
            assert_true(hold(&held, VMEM_SLEEP));
        check_cache(held.cache);
        checked_port_cpu = 1;
        drop_all(&held);
        vmem_cpu_drain(1);
    }
    vmem_cpus_online(VMEM_PORT_CPUS);
}

/* The objects of a slab at least. */
static void drop_a_slab(void)
{
    uint64_t frees = stats_of(scene.arena).frees;

    while (stats_of(scene.arena).frees == frees)
        drop_one();
}

static void an_empty_slab_goes_back_to_who_waits_for_the_arena(void **state)
{
    static struct holding held, other;
    vmem_t *arena = make_memory(MEMORY);
    vmem_addr_t addr;

    (void)state;
    (void)make_held(&other, arena, 1000);
    hold_all(make_held(&held, arena, 200));
    will_be_dropped(&held, checked_port_cpu);
    checked_port_others = drop_a_slab;
    assert_true(hold(&other, VMEM_SLEEP));
    assert_true(scene.steps > 1);
    drop_all(&other);
    assert_true(cache_stats(other.cache).slabs > 0); /* it is kept, as nobody waits */
    will_be_dropped(&held, checked_port_cpu);
    checked_port_others = drop_a_slab;
    assert_int_equal(vmem_alloc(arena, MEMORY, VMEM_SLEEP, &addr), 0);
    assert_int_equal(held.count, 0);
    vmem_free(arena, addr, MEMORY);
    assert_not_awaited(arena);
}

static void magazines_are_used_again_when_nobody_waits(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    hold_all(make_held(&held, arena, 200));
    will_be_dropped(&held, 1);
    assert_true(hold(&held, VMEM_SLEEP));
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        size_t before = cache_stats(held.cache).in_magazines;

        checked_port_cpu = cpu;
        for (unsigned i = 0; i < 4; i++)
            drop(&held, 0);
        assert_true(cache_stats(held.cache).in_magazines > before);
    }
    check_cache(held.cache);
    drop_all(&held);
}

static struct {
    unsigned flags; /* that the last call was given */
    int error;      /* to return */
} constructor;

static int construct(void *object, void *ctx, unsigned flags)
{
    (void)object;
    (void)ctx;
    constructor.flags = flags;
    return constructor.error;
}

static vmem_cache_t *make_constructed(vmem_t *arena)
{
    const struct vmem_cache_params params = {
        .name = "constructed", .size = 200, .construct = construct, .arena = arena};

    memset(&constructor, 0, sizeof(constructor));
    return make_cache_params(&params);
}

static void a_constructor_is_told_that_the_request_waits(void **state)
{
    vmem_cache_t *cache = make_constructed(make_memory(MEMORY));
    void *object = vmem_cache_alloc(cache, VMEM_BESTFIT | VMEM_SLEEP);

    (void)state;
    assert_int_equal(constructor.flags, VMEM_BESTFIT | VMEM_SLEEP);
    vmem_cache_free(cache, object);
}

static void a_constructor_that_fails_ends_the_request(void **state)
{
    static const int errors[] = {-VMEM_ENOMEM, -VMEM_ENOSPC, -5};
    vmem_t *arena = make_memory(MEMORY);
    vmem_cache_t *cache = make_constructed(arena);

    (void)state;
    for (unsigned i = 0; i < LENGTH(errors); i++) {
        constructor.error = errors[i];
        assert_null(vmem_cache_alloc(cache, VMEM_SLEEP));
        assert_int_equal(cache_stats(cache).fails, i + 1);
    }
    assert_int_equal(stats_of(arena).waits, 0);
    check_cache(cache);
}

/*
 * Quantum caches
 */

enum { SEGMENTS_MAX = 256 };
static struct {
    vmem_t *arena;
    vmem_size_t size;
    size_t count;
    vmem_addr_t addrs[SEGMENTS_MAX];
    unsigned steps;
} segments;

/* Takes segments until there is no room for one. */
static void take_all(vmem_t *arena, vmem_size_t size, unsigned flags)
{
    memset(&segments, 0, sizeof(segments));
    segments.arena = arena;
    segments.size = size;
    while (segments.count < SEGMENTS_MAX &&
           vmem_alloc(arena, size, flags, &segments.addrs[segments.count]) == 0)
        segments.count++;
    check(arena);
}

/* The last that was taken. */
static void give_one(void)
{
    assert_true(segments.count > 0);
    segments.count--;
    give(segments.arena, segments.addrs[segments.count], segments.size);
    segments.steps++;
}

static vmem_t *make_cached(vmem_size_t size, vmem_size_t quantum, vmem_size_t qcache_max)
{
    const struct vmem_params params = {
        .name = "cached", .size = size, .quantum = quantum, .qcache_max = qcache_max};

    return make_params(&params);
}

static void a_segment_freed_to_a_quantum_cache_wakes(void **state)
{
    vmem_t *arena = make_cached(64, 1, 4);

    (void)state;
    take_all(arena, 3, 0);
    for (unsigned i = 1; i <= 3; i++) {
        segments.steps = 0;
        checked_port_others = give_one;
        segments.addrs[segments.count++] = take(arena, 3, VMEM_SLEEP);
        assert_int_equal(segments.steps, 1);
        assert_int_equal(stats_of(arena).waits, i);
        assert_int_equal(stats_of(arena).fails, 1);
    }
    assert_not_awaited(arena);
}

static void quantum_caches_keep_nothing_back_from_who_waits(void **state)
{
    vmem_t *arena = make_cached(64, 1, 4);

    (void)state;
    take_all(arena, 3, 0);
    checked_port_others = give_one;
    assert_int_equal(take(arena, 64, VMEM_SLEEP), 0);
    assert_int_equal(segments.count, 0);
    give(arena, 0, 64);
    for (unsigned i = 0; i < 3; i++) { /* and again they do */
        vmem_addr_t addr = take(arena, 3, 0);

        give(arena, addr, 3);
    }
    assert_true(arena->in_use > 0);
}

/*
 * Heaps
 */

enum { LARGE = 8 * MEMORY_QUANTUM + 1 };

static vmem_heap_t *make_heap(vmem_t *arena)
{
    const struct vmem_heap_params params = {.name = "heap", .arena = arena};
    vmem_heap_t *heap = NULL;

    assert_int_equal(vmem_heap_create(&params, &heap), 0);
    return heap;
}

static void done(vmem_heap_t *heap)
{
    assert_int_equal(vmem_heap_check(heap), 0);
    assert_int_equal(vmem_heap_destroy(heap), 0);
}

static void *alloc_small(vmem_heap_t *heap)
{
    return vmem_heap_alloc(heap, 100, VMEM_SLEEP);
}

static void *alloc_middling(vmem_heap_t *heap)
{
    return vmem_heap_alloc(heap, 5000, VMEM_BESTFIT | VMEM_SLEEP);
}

static void *alloc_large(vmem_heap_t *heap)
{
    return vmem_heap_alloc(heap, LARGE, VMEM_SLEEP);
}

static void *zalloc_small(vmem_heap_t *heap)
{
    return vmem_heap_zalloc(heap, 100, VMEM_SLEEP);
}

static void *memalign_small(vmem_heap_t *heap)
{
    return vmem_heap_memalign(heap, 256, 100, VMEM_SLEEP);
}

static void *memalign_large(vmem_heap_t *heap)
{
    return vmem_heap_memalign(heap, 4 * MEMORY_QUANTUM, LARGE, VMEM_SLEEP);
}

static void *realloc_nothing(vmem_heap_t *heap)
{
    return vmem_heap_realloc(heap, NULL, 100, VMEM_SLEEP);
}

static void *(*const ways_to_allocate[])(vmem_heap_t *heap) = {
    alloc_small,    alloc_middling, alloc_large,    zalloc_small,
    memalign_small, memalign_large, realloc_nothing};

static void heaps_wait_for_room(void **state)
{
    vmem_t *arena = make_memory(2 * MEMORY);
    vmem_heap_t *heap = make_heap(arena);

    (void)state;
    for (size_t i = 0; i < LENGTH(ways_to_allocate); i++) {
        void *block;

        take_all(arena, MEMORY_QUANTUM, 0);
        checked_port_others = give_one;
        block = ways_to_allocate[i](heap);
        assert_non_null(block);
        assert_true(segments.steps > 0);
        assert_int_equal(stats_of(arena).waits, i + 1);
        vmem_heap_free(heap, block);
        while (segments.count > 0)
            give_one();
        vmem_heap_reap(heap);
        assert_int_equal(stats_of(arena).in_use, 0);
    }
    done(heap);
}

static void realloc_waits_for_room_and_keeps_what_is_in_the_block(void **state)
{
    vmem_t *arena = make_memory(2 * MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    char *block = vmem_heap_alloc(heap, 100, 0);

    (void)state;
    strcpy(block, "what is in the block");
    take_all(arena, MEMORY_QUANTUM, 0);
    checked_port_others = give_one;
    block = vmem_heap_realloc(heap, block, 5000, VMEM_SLEEP);
    assert_true(segments.steps > 0);
    assert_string_equal(block, "what is in the block");
    vmem_heap_free(heap, block);
    done(heap);
}

static void a_size_that_no_heap_can_have_is_refused_at_once(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(2 * MEMORY));

    (void)state;
    assert_null(vmem_heap_alloc(heap, SIZE_MAX / 2 + 1, VMEM_SLEEP));
    assert_null(vmem_heap_alloc(heap, SIZE_MAX, VMEM_SLEEP));
    assert_null(vmem_heap_memalign(heap, SIZE_MAX / 2 + 1, SIZE_MAX, VMEM_SLEEP));
    assert_null(vmem_heap_alloc(heap, 100, VMEM_SLEEP | (VMEM_LASTFIT + 1)));
    expect_fault(VMEM_FAULT_PARAMETER);
    done(heap);
}

enum { BLOCKS_MAX = 2048 };
static struct {
    vmem_heap_t *heap;
    size_t size;
    size_t count;
    void *blocks[BLOCKS_MAX];
    unsigned steps;
} blocks;

static void take_all_blocks(vmem_heap_t *heap, size_t size)
{
    memset(&blocks, 0, sizeof(blocks));
    blocks.heap = heap;
    blocks.size = size;
    while (blocks.count < BLOCKS_MAX &&
           (blocks.blocks[blocks.count] = vmem_heap_alloc(heap, size, 0)) != NULL)
        blocks.count++;
}

static void free_a_block(void)
{
    if (blocks.steps++ % 2 == 0)
        vmem_heap_free(blocks.heap, blocks.blocks[--blocks.count]);
    else
        vmem_heap_free_sized(blocks.heap, blocks.blocks[--blocks.count], blocks.size);
}

static void a_block_freed_wakes(void **state)
{
    static const size_t sizes[] = {100, 5000, LARGE};
    vmem_t *arena = make_memory(2 * MEMORY);
    vmem_heap_t *heap = make_heap(arena);

    (void)state;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        take_all_blocks(heap, sizes[i]);
        for (unsigned k = 1; k <= 4; k++) {
            checked_port_others = free_a_block;
            blocks.blocks[blocks.count] = vmem_heap_alloc(heap, sizes[i], VMEM_SLEEP);
            assert_non_null(blocks.blocks[blocks.count]);
            blocks.count++;
            assert_int_equal(blocks.steps, k);
        }
        while (blocks.count > 0)
            free_a_block();
        vmem_heap_reap(heap);
    }
    done(heap);
}

/*
 * ID spaces
 */

static vmem_id_t *make_space(vmem_addr_t min, vmem_addr_t max, unsigned flags)
{
    const struct vmem_id_params params = {.name = "IDs", .min = min, .max = max, .flags = flags};
    vmem_id_t *space = NULL;

    assert_int_equal(vmem_id_create(&params, &space), 0);
    return space;
}

static void unmake_space(vmem_id_t *space)
{
    for (vmem_addr_t id = 0; vmem_id_next(space, id, &id); id++)
        vmem_id_free(space, id);
    assert_int_equal(vmem_id_check(space), 0);
    assert_int_equal(vmem_id_destroy(space), 0);
}

static struct {
    vmem_id_t *space;
    vmem_addr_t next; /* to free */
    unsigned steps;
    bool ranges; /* two at once */
} ids;

static void free_next_id(void)
{
    if (ids.ranges)
        vmem_id_free_range(ids.space, ids.next, 2);
    else
        vmem_id_free(ids.space, ids.next);
    assert_int_equal(vmem_id_check(ids.space), 0);
    ids.next += ids.ranges ? 2 : 1;
    ids.steps++;
}

/* A space of the IDs from 10 to 29, all of them taken; the others free from 16 on. */
static vmem_id_t *make_full_space(bool ranges, unsigned flags)
{
    vmem_id_t *space = make_space(10, 29, flags);
    vmem_addr_t id;

    assert_int_equal(vmem_id_alloc_range(space, 20, 1, 0, &id), 0);
    ids.space = space;
    ids.next = 16;
    ids.steps = 0;
    ids.ranges = ranges;
    checked_port_others = free_next_id;
    return space;
}

static void a_request_waits_until_an_id_is_free(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        vmem_id_t *space = make_full_space(i % 2 != 0, i < 2 ? VMEM_ID_LOWEST : VMEM_ID_CYCLIC);
        struct vmem_id_stats stats;
        vmem_addr_t id = 0;

        assert_int_equal(vmem_id_alloc(space, VMEM_SLEEP, &id), 0);
        assert_int_equal(id, 16);
        assert_int_equal(ids.steps, 1);
        vmem_id_stat(space, &stats);
        assert_int_equal(stats.fails, 0);
        assert_int_equal(space->waits, 1);
        assert_int_equal(space->awaited, 0);
        unmake_space(space);
    }
}

static void a_request_waits_until_an_id_of_its_window_is_free(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vmem_id_t *space = make_full_space(i % 2 != 0, 0);
        vmem_addr_t id = 0;

        assert_int_equal(vmem_id_alloc_in(space, 19, 1000, VMEM_SLEEP, &id), 0);
        assert_int_equal(id, 19);
        assert_int_equal(ids.steps, i == 0 ? 4 : 2);
        unmake_space(space);
    }
}

static void a_request_waits_until_a_range_of_ids_is_free(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vmem_id_t *space = make_full_space(i % 2 != 0, 0);
        vmem_addr_t id = 0;

        assert_int_equal(vmem_id_alloc_range(space, 4, 2, VMEM_SLEEP, &id), 0);
        assert_int_equal(id, 16);
        assert_int_equal(ids.steps, i == 0 ? 4 : 2);
        unmake_space(space);
    }
}

static void take_an_id_beside_it(void)
{
    vmem_addr_t id = 0;

    ids.next = 28;
    free_next_id();
    assert_int_equal(vmem_id_alloc_in(ids.space, 20, 28, VMEM_SLEEP, &id), 0);
    assert_int_equal(id, 28);
    ids.next = 12;
    free_next_id();
}

static void a_request_for_ids_of_another_window_is_not_held_up(void **state)
{
    vmem_id_t *space = make_full_space(false, 0);
    vmem_addr_t id = 0;

    (void)state;
    checked_port_others = take_an_id_beside_it;
    assert_int_equal(vmem_id_alloc_in(space, 10, 19, VMEM_SLEEP, &id), 0);
    assert_int_equal(id, 12);
    unmake_space(space);
}

static void ids_that_can_never_be_had_are_refused_at_once(void **state)
{
    vmem_id_t *space = make_full_space(false, 0), *large = make_space(0, VMEM_ADDR_MAX, 0);
    struct vmem_id_stats stats;
    vmem_addr_t id = 0;

    (void)state;
    checked_port_others = NULL;
    assert_int_equal(vmem_id_alloc_in(space, 30, 40, VMEM_SLEEP, &id), -VMEM_ENOSPC);
    assert_int_equal(vmem_id_alloc_range(space, 21, 1, VMEM_SLEEP, &id), -VMEM_ENOSPC);
    assert_int_equal(vmem_id_alloc_range(space, 15, 16, VMEM_SLEEP, &id), -VMEM_ENOSPC);
    assert_int_equal(vmem_id_alloc_range(space, 1, 32, VMEM_SLEEP, &id), -VMEM_ENOSPC);
    assert_int_equal(vmem_id_alloc_range(large, VMEM_ID_RANGE_MAX + 1, 1, VMEM_SLEEP, &id),
                     -VMEM_ENOMEM);
    assert_int_equal(vmem_id_take(space, 10), -VMEM_EBUSY);
    vmem_id_stat(space, &stats);
    assert_int_equal(stats.fails, 5);
    assert_int_equal(vmem_id_alloc(space, VMEM_SLEEP | 1, &id), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    unmake_space(space);
    unmake_space(large);
}

/*
 * Several requests that wait for the same. Each has a stack of its own, on which it runs until it
 * waits; and when the test says so, it goes on. So all of this is still played by one thread.
 */

enum { WAITERS_MAX = 12, STACK_WORDS = 8192 };
struct waiter {
    void (*ask)(struct waiter *self);
    vmem_t *arena;
    struct vmem_constraints window;
    vmem_size_t size;
    vmem_addr_t addr; /* which it got */
    bool is_served;
    ucontext_t context;
    uintptr_t stack[STACK_WORDS];
};
static struct waiter waiters[WAITERS_MAX];
static unsigned waiter_count;
static struct waiter *running;
static ucontext_t of_test;

/* What its others do: nothing, until the test has it go on. */
static void leave(void)
{
    assert_int_equal(swapcontext(&running->context, &of_test), 0);
}

static void begin(void)
{
    running->ask(running);
    running->is_served = true;
}

static void go_on(struct waiter *waiter)
{
    running = waiter;
    checked_port_thread = 2 + (uintptr_t)(waiter - waiters);
    checked_port_others = leave;
    assert_int_equal(swapcontext(&of_test, &waiter->context), 0);
    checked_port_thread = 1;
    checked_port_others = NULL;
}

/* Although nobody has woken it. */
static void go_on_early(struct waiter *waiter)
{
    checked_port_returns_early = true;
    go_on(waiter);
    checked_port_returns_early = false;
}

static struct waiter *start(void (*ask)(struct waiter *self))
{
    struct waiter *waiter = &waiters[waiter_count++];

    waiter->ask = ask;
    waiter->is_served = false;
    assert_int_equal(getcontext(&waiter->context), 0);
    waiter->context.uc_stack.ss_sp = waiter->stack;
    waiter->context.uc_stack.ss_size = sizeof(waiter->stack);
    waiter->context.uc_link = &of_test;
    makecontext(&waiter->context, begin, 0);
    go_on(waiter);
    return waiter;
}

static void ask_for_segment(struct waiter *self)
{
    int error = vmem_xalloc(self->arena, self->size, &self->window, VMEM_FIRSTFIT | VMEM_SLEEP,
                            &self->addr);

    if (error != 0)
        self->size = 0; /* which the test does not find */
}

/* A request for a segment in [min, limit). */
static struct waiter *start_request(vmem_t *arena, vmem_size_t size, vmem_addr_t min,
                                    vmem_addr_t limit)
{
    struct waiter *waiter = &waiters[waiter_count];

    waiter->arena = arena;
    waiter->size = size;
    waiter->window = window(min, limit);
    return start(ask_for_segment);
}

static void assert_served(const struct waiter *waiter, vmem_addr_t addr)
{
    assert_true(waiter->is_served);
    assert_int_equal(waiter->addr, addr);
}

static vmem_t *make_full(vmem_size_t size, unsigned index)
{
    vmem_t *arena = make(0, size, 1, index);

    waiter_count = 0;
    fill(arena, size);
    return arena;
}

static void those_who_wait_are_served_in_the_order_in_which_they_came(void **state)
{
    vmem_t *arena = make_full(8, INDEX(state));
    struct waiter *first = start_request(arena, 3, 0, 0), *second = start_request(arena, 1, 0, 0);
    struct waiter *third = start_request(arena, 1, 0, 0);

    give(arena, 2, 1);
    go_on(first); /* for which that is too little */
    assert_false(first->is_served);
    go_on_early(second);
    go_on_early(third);
    assert_false(second->is_served || third->is_served);
    assert_int_equal(stats_of(arena).waiting, 3);
    give(arena, 3, 1);
    give(arena, 4, 1);
    give(arena, 7, 1);
    go_on(first);
    assert_served(first, 2);
    go_on_early(third);
    assert_false(third->is_served);
    go_on(second); /* woken as the first was served */
    assert_served(second, 7);
    go_on(third);
    assert_false(third->is_served);
    give(arena, 5, 1);
    go_on(third);
    assert_served(third, 5);
    assert_int_equal(stats_of(arena).waits, 3);
    assert_int_equal(stats_of(arena).fails, 0);
    assert_not_awaited(arena);
}

static void a_new_request_that_may_wait_does_not_overtake(void **state)
{
    vmem_t *arena = make_full(8, INDEX(state));
    struct waiter *first, *second;

    give(arena, 0, 1);
    first = start_request(arena, 2, 0, 0);
    second = start_request(arena, 1, 0, 0); /* for which there is room */
    assert_false(first->is_served || second->is_served);
    give(arena, 6, 1);
    go_on(first);
    give(arena, 7, 1);
    go_on(first);
    assert_served(first, 6);
    go_on(second);
    assert_served(second, 0);
    assert_not_awaited(arena);
}

static void one_waits_for_those_before_whose_windows_overlap_its_own(void **state)
{
    vmem_t *arena = make_full(8, INDEX(state));
    struct waiter *low = start_request(arena, 1, 0, 4), *both = start_request(arena, 1, 3, 5);
    struct waiter *high = start_request(arena, 1, 4, 8), *apart = start_request(arena, 1, 5, 6);

    give(arena, 4, 1);
    go_on(low);
    go_on_early(high);
    go_on_early(both);
    assert_false(low->is_served || both->is_served || high->is_served);
    give(arena, 1, 1);
    go_on(low);
    assert_served(low, 1);
    go_on(both);
    assert_served(both, 4);
    give(arena, 5, 1);
    go_on_early(apart); /* which is behind the high one alone */
    assert_false(apart->is_served);
    go_on(high);
    assert_served(high, 5);
    give(arena, 5, 1);
    go_on(apart);
    assert_served(apart, 5);
    assert_not_awaited(arena);
}

static void the_one_in_the_middle_may_be_served_first(void **state)
{
    vmem_t *arena = make_full(8, INDEX(state));
    struct waiter *served[3];

    for (vmem_addr_t i = 0; i < 3; i++)
        served[i] = start_request(arena, 1, 2 * i, 2 * i + 1);
    for (vmem_addr_t i = 1; i <= 3; i++) {
        give(arena, 2 * (i % 3), 1);
        go_on(served[i % 3]);
        assert_served(served[i % 3], 2 * (i % 3));
        assert_int_equal(stats_of(arena).waiting, 3 - i);
    }
    assert_not_awaited(arena);
}

static void a_free_wakes_as_many_as_there_are(void **state)
{
    vmem_t *arena = make_full(WAITERS_MAX, INDEX(state));

    for (vmem_addr_t addr = 0; addr < WAITERS_MAX; addr++)
        (void)start_request(arena, 1, addr, addr + 1);
    give(arena, 0, 1);
    for (unsigned i = 0; i < WAITERS_MAX; i++) /* each has been woken, and the port told */
        go_on(&waiters[i]);
    assert_served(&waiters[0], 0);
    for (vmem_addr_t addr = 1; addr < WAITERS_MAX; addr++) {
        assert_false(waiters[addr].is_served);
        give(arena, addr, 1);
        go_on(&waiters[addr]);
        assert_served(&waiters[addr], addr);
    }
    assert_not_awaited(arena);
}

static struct holding queued;

static void ask_for_object(struct waiter *self)
{
    (void)self;
    (void)hold(&queued, VMEM_SLEEP);
}

static void objects_go_to_those_who_wait_in_their_order(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    struct waiter *first, *second;
    size_t count;

    (void)state;
    waiter_count = 0;
    hold_all(make_held(&queued, arena, 200));
    count = queued.count;
    first = start(ask_for_object);
    second = start(ask_for_object);
    for (unsigned i = 0; i < 2; i++) {
        drop(&queued, 5);
        go_on(i == 0 ? first : second);
        assert_int_equal(queued.count, count);
    }
    assert_true(first->is_served && second->is_served);
    assert_not_awaited(arena);
    check_cache(queued.cache);
    drop_all(&queued);
}

static void ask_for_id(struct waiter *self)
{
    if (vmem_id_alloc(ids.space, VMEM_SLEEP, &self->addr) != 0)
        self->addr = 0;
}

static void ids_go_to_those_who_wait_in_their_order(void **state)
{
    vmem_id_t *space = make_full_space(false, 0);
    struct vmem_id_stats stats;
    struct waiter *first, *second;

    (void)state;
    waiter_count = 0;
    first = start(ask_for_id);
    second = start(ask_for_id);
    vmem_id_stat(space, &stats);
    assert_int_equal(stats.waiting, 2);
    free_next_id();
    go_on_early(second);
    assert_false(second->is_served);
    go_on(first);
    assert_served(first, 16);
    free_next_id();
    go_on(second);
    assert_served(second, 17);
    vmem_id_stat(space, &stats);
    assert_int_equal(stats.waits, 2);
    assert_int_equal(stats.waiting, 0);
    unmake_space(space);
}

/*
 * Memory of the library's own
 */

/* From now on there are no blocks of this size, nor pages. */
static void starve(size_t size)
{
    hold_blocks(size);
    lender.refuse_all = true;
}

static void release_memory(void)
{
    lender.refuse_all = false;
    release_blocks();
    freed.step++;
}

static void destroy_another_arena(void)
{
    unmake(freed.arena);
    freed.step++;
}

static void reap_another_arena(void)
{
    vmem_reap(freed.arena);
    freed.step++;
}

static void tags_that_come_back_wake(void **state)
{
    static void (*const acts[])(void) = {release_memory, destroy_another_arena, reap_another_arena};

    for (size_t i = 0; i < LENGTH(acts); i++) {
        vmem_t *arena = make(0, 8, 1, INDEX(state)), *other = make(0, 8, 1, INDEX(state));
        vmem_addr_t addr;

        fill(other, 8);
        vmem_reap(NULL);
        for (vmem_addr_t at = 0; at < 8; at++)
            give(other, at, 1); /* whose tags it keeps */
        will_be_freed(other, 1, 0, 0);
        starve(INDEX(state) == VMEM_ARENA_ORDERED ? 64 : sizeof(struct vmem_tag));
        assert_int_equal(vmem_alloc(arena, 2, POLICY(state), &addr), -VMEM_ENOMEM);
        checked_port_others = acts[i];
        (void)take(arena, 2, POLICY(state) | VMEM_SLEEP);
        assert_int_equal(freed.step, 1);
        assert_int_equal(stats_of(arena).waits, 1);
        lender.refuse_all = false;
        release_blocks();
        unmake(arena);
    }
}

static void heaps_and_id_spaces_wait_for_memory_as_well(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    vmem_id_t *space = make_space(0, 100000, 0);
    vmem_addr_t id = 0;
    void *block;

    (void)state;
    give(arena, take(arena, MEMORY_QUANTUM, 0), MEMORY_QUANTUM); /* which has its tags then */
    will_be_freed(arena, 1, 0, 0);
    starve(1024); /* a node of the map */
    checked_port_others = release_memory;
    block = alloc_large(heap);
    assert_int_equal(freed.step, 1);
    vmem_heap_free(heap, block);
    starve(64); /* a leaf */
    assert_int_equal(vmem_id_alloc(space, VMEM_SLEEP, &id), 0);
    assert_int_equal(freed.step, 2);
    unmake_space(space);
    done(heap);
}

/*
 * A slab is made out of the room that has woken a request, which meanwhile finds none: at the page
 * that is asked for once the room is taken.
 */
static vmem_t *scarce;

static void *lend_and_go_on(size_t size)
{
    struct vmem_stats stats;

    vmem_stat(scarce, &stats);
    if (stats.free > 0)
        return lend_memory(size);
    lender.alloc = NULL;
    go_on(&waiters[0]);
    assert_false(waiters[0].is_served);
    return lend_memory(size);
}

static void ask_for_block(struct waiter *self)
{
    self->addr = (vmem_addr_t)(uintptr_t)vmem_heap_alloc(blocks.heap, 200, VMEM_SLEEP);
}

static void a_slab_that_another_makes_wakes(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    struct waiter *waiter;
    void *block;

    (void)state;
    scarce = arena;
    blocks.heap = make_heap(arena);
    waiter_count = 0;
    take_all(arena, MEMORY_QUANTUM, 0);
    waiter = start(ask_for_block);
    give_one();
    hold_blocks(1024); /* for a node of the map, it asks for a page */
    lender.alloc = lend_and_go_on;
    block = vmem_heap_alloc(blocks.heap, 200, 0);
    assert_null(lender.alloc);
    go_on(waiter);
    assert_true(waiter->is_served && waiter->addr != 0 && block != NULL);
    vmem_heap_free(blocks.heap, block);
    vmem_heap_free(blocks.heap, (void *)(uintptr_t)waiter->addr);
    release_blocks();
    done(blocks.heap);
}

/* A class that had no cache when the request came: it is served all the same. */
static void make_the_class_and_fill_it(void)
{
    if (freed.step == 0) {
        release_memory();
        give_one();
        take_all_blocks(blocks.heap, 200);
        assert_true(blocks.count > 1);
    } else {
        free_a_block();
        freed.step++;
    }
}

static void a_block_freed_wakes_who_came_before_its_class_was_made(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    void *block;

    (void)state;
    blocks.heap = make_heap(arena);
    take_all(arena, MEMORY_QUANTUM, 0);
    will_be_freed(arena, 1, 0, 0);
    starve(sizeof(struct vmem_cache));
    checked_port_others = make_the_class_and_fill_it;
    block = vmem_heap_alloc(blocks.heap, 200, VMEM_SLEEP);
    assert_non_null(block);
    assert_int_equal(freed.step, 2);
    vmem_heap_free(blocks.heap, block);
    while (blocks.count > 0)
        free_a_block();
    done(blocks.heap);
}

/*
 * Destruction
 */

static void try_to_destroy_the_arena(void)
{
    if (freed.step == 0) {
        assert_int_equal(vmem_destroy(freed.arena), -VMEM_EBUSY);
        expect_fault(VMEM_FAULT_BUSY);
        assert_string_equal(last_fault.call, "vmem_destroy");
        assert_int_equal(last_fault.size, 0);
    }
    add_a_span();
}

static void an_arena_that_is_waited_for_is_busy(void **state)
{
    vmem_t *arena = make(0, 4, 1, INDEX(state));

    will_be_freed(arena, 1, 0, 0);
    checked_port_others = try_to_destroy_the_arena;
    assert_int_equal(take(arena, 8, POLICY(state) | VMEM_SLEEP), 16);
}

static void try_to_destroy_the_cache(void)
{
    if (segments.steps == 0) {
        assert_int_equal(vmem_cache_destroy(scene.held->cache), -VMEM_EBUSY);
        expect_fault(VMEM_FAULT_BUSY);
        assert_string_equal(last_fault.call, "vmem_cache_destroy");
        assert_int_equal(last_fault.size, 0);
    }
    give_one();
}

static void a_cache_that_is_waited_for_is_busy(void **state)
{
    static struct holding held;
    vmem_t *arena = make_memory(MEMORY);

    (void)state;
    will_be_dropped(make_held(&held, arena, 200), 0);
    take_all(arena, MEMORY_QUANTUM, 0);
    checked_port_others = try_to_destroy_the_cache;
    assert_true(hold(&held, VMEM_SLEEP));
    drop_all(&held);
    unmake_cache(held.cache);
}

static void try_to_destroy_the_heap(void)
{
    if (segments.steps == 0) {
        assert_int_equal(vmem_heap_destroy(blocks.heap), -VMEM_EBUSY);
        expect_fault(VMEM_FAULT_BUSY);
        assert_string_equal(last_fault.call, "vmem_heap_destroy");
        assert_int_equal(last_fault.size, 0);
    }
    give_one();
}

static void a_heap_that_is_waited_for_is_busy(void **state)
{
    vmem_t *arena = make_memory(2 * MEMORY);

    (void)state;
    blocks.heap = make_heap(arena);
    for (size_t i = 0; i < LENGTH(ways_to_allocate); i++) {
        take_all(arena, MEMORY_QUANTUM, 0);
        checked_port_others = try_to_destroy_the_heap;
        vmem_heap_free(blocks.heap, ways_to_allocate[i](blocks.heap));
        while (segments.count > 0)
            give_one();
        vmem_heap_reap(blocks.heap);
    }
    done(blocks.heap);
}

static void try_to_destroy_the_space(void)
{
    assert_int_equal(vmem_id_destroy(ids.space), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_string_equal(last_fault.call, "vmem_id_destroy");
    assert_int_equal(last_fault.size, 0);
    release_memory();
}

static void an_id_space_that_is_waited_for_is_busy(void **state)
{
    vmem_addr_t id = 0;

    (void)state;
    ids.space = make_space(0, 100000, 0);
    starve(64);
    checked_port_others = try_to_destroy_the_space;
    assert_int_equal(vmem_id_alloc(ids.space, VMEM_SLEEP, &id), 0);
    unmake_space(ids.space);
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

        WITH_AND_WITHOUT(an_object_freed_wakes),
        WITH_MAGAZINES(an_object_freed_on_another_cpu_goes_past_its_magazine_and_wakes),
        WITH_MAGAZINES(the_rounds_of_another_cpu_come_with_its_next_free),
        WITH_MAGAZINES(rounds_that_another_cpu_gives_back_wake),
        WITH_AND_WITHOUT(an_empty_slab_goes_back_to_who_waits_for_the_arena),
        WITH_MAGAZINES(magazines_are_used_again_when_nobody_waits),
        ONCE(a_constructor_is_told_that_the_request_waits),
        WITH_AND_WITHOUT(a_constructor_that_fails_ends_the_request),

        WITH_AND_WITHOUT(a_segment_freed_to_a_quantum_cache_wakes),
        WITH_AND_WITHOUT(quantum_caches_keep_nothing_back_from_who_waits),

        WITH_AND_WITHOUT(heaps_wait_for_room),
        WITH_AND_WITHOUT(realloc_waits_for_room_and_keeps_what_is_in_the_block),
        ONCE(a_size_that_no_heap_can_have_is_refused_at_once),
        WITH_AND_WITHOUT(a_block_freed_wakes),

        ONCE(a_request_waits_until_an_id_is_free),
        ONCE(a_request_waits_until_an_id_of_its_window_is_free),
        ONCE(a_request_waits_until_a_range_of_ids_is_free),
        ONCE(a_request_for_ids_of_another_window_is_not_held_up),
        ONCE(ids_that_can_never_be_had_are_refused_at_once),

        ON_BOTH(those_who_wait_are_served_in_the_order_in_which_they_came),
        ON_BOTH(a_new_request_that_may_wait_does_not_overtake),
        ON_BOTH(one_waits_for_those_before_whose_windows_overlap_its_own),
        ON_BOTH(the_one_in_the_middle_may_be_served_first),
        ON_BOTH(a_free_wakes_as_many_as_there_are),
        WITH_AND_WITHOUT(objects_go_to_those_who_wait_in_their_order),
        ONCE(ids_go_to_those_who_wait_in_their_order),

        ON_ALL(tags_that_come_back_wake),
        ONCE(heaps_and_id_spaces_wait_for_memory_as_well),
        WITH_AND_WITHOUT(a_slab_that_another_makes_wakes),
        WITH_AND_WITHOUT(a_block_freed_wakes_who_came_before_its_class_was_made),

        ON_ALL(an_arena_that_is_waited_for_is_busy),
        WITH_AND_WITHOUT(a_cache_that_is_waited_for_is_busy),
        WITH_AND_WITHOUT(a_heap_that_is_waited_for_is_busy),
        ONCE(an_id_space_that_is_waited_for_is_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
