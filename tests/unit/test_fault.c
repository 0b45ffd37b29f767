/* SPDX-License-Identifier: MIT */
/*
 * test_fault.c - reports of misuse: what stands in them, and that nothing has changed after. Which
 * misuse of which call is of what kind stands with the tests of that call.
 */
#include "support.h"

#include "arena.h"

#include <stdio.h>
#include <string.h>

static char text[512];

static void append(void *ctx, const char *string)
{
    size_t used = strlen(text);

    assert_ptr_equal(ctx, text);
    (void)snprintf(&text[used], sizeof(text) - used, "%s", string);
}

/* The last report as a line, which ends with who allocated and who called, is this. */
static void assert_line(const char *expected)
{
    char line[512];
    size_t used;

    text[0] = '\0';
    vmem_fault_print(&last_fault, append, text);
    used = (size_t)snprintf(line, sizeof(line), "%s", expected);
    if (last_fault.allocated_by != 0)
        used += (size_t)snprintf(&line[used], sizeof(line) - used, "; allocated by 0x%llx",
                                 (unsigned long long)last_fault.allocated_by);
    if (last_fault.caller != 0)
        (void)snprintf(&line[used], sizeof(line) - used, "; called from 0x%llx",
                       (unsigned long long)last_fault.caller);
    assert_string_equal(text, line);
}

static vmem_t *make_heap(void **state)
{
    struct vmem_params params = {
        .name = "heap", .base = 0x1000, .size = 0x1000, .quantum = 0x10, .flags = INDEX(state)};
    vmem_t *arena = make_params(&params);

    (void)take_at(arena, 0x1040, 0x20);
    return arena;
}

static void double_free_in_words(void **state)
{
    vmem_t *arena = make_heap(state);

    give(arena, 0x1040, 0x20);
    vmem_free(arena, 0x1040, 0x20);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    assert_line("vmem_free('heap', 0x1040, size 32): double free: the address is free; "
                "there is [0x1000, 0x1fff] size 4096");
}

static void wrong_size_in_words(void **state)
{
    vmem_free(make_heap(state), 0x1040, 0x30);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    assert_line("vmem_free('heap', 0x1040, size 48): wrong size: the segment was allocated with "
                "another; there is [0x1040, 0x105f] size 32");
}

static void misaligned_in_words(void **state)
{
    vmem_xfree(make_heap(state), 0x1050, 0x10);
    expect_fault(VMEM_FAULT_MISALIGNED);
    assert_line("vmem_xfree('heap', 0x1050, size 16): misaligned: not the start of an allocated "
                "segment; there is [0x1040, 0x105f] size 32");
}

static void foreign_address_in_words(void **state)
{
    vmem_free(make_heap(state), 0x8000, 0x10);
    expect_fault(VMEM_FAULT_FOREIGN);
    assert_line("vmem_free('heap', 0x8000, size 16): foreign address: in no span of this arena");
}

static void overlap_in_words(void **state)
{
    assert_int_equal(vmem_add(make_heap(state), 0x1800, 0x1000, 0), -VMEM_EEXIST);
    expect_fault(VMEM_FAULT_OVERLAP);
    assert_line("vmem_add('heap', 0x1800, size 4096): the range overlaps a span; "
                "there is [0x1000, 0x1fff] size 4096");
}

static void busy_in_words(void **state)
{
    assert_int_equal(vmem_destroy(make_heap(state)), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_line("vmem_destroy('heap', 0x0, size 32): busy: segments are allocated, another arena "
                "imports from it, or a cache uses it");
}

static void parameter_in_words(void **state)
{
    vmem_addr_t addr;

    (void)state;
    assert_int_equal(vmem_alloc(NULL, 1, 0, &addr), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_line("vmem_alloc('-', 0x0, size 1): arena or addrp is NULL");
}

static void a_fault_knows_who_allocated_and_who_called(void **state)
{
    vmem_t *arena = make_heap(state);
    uintptr_t caller, allocated_by;

    vmem_free(arena, 0x1040, 0x10);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    caller = last_fault.caller;
    allocated_by = last_fault.allocated_by;
    vmem_free(arena, 0x1040, 0x10);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    assert_int_equal(last_fault.allocated_by, allocated_by);
#if VMEM_CONFIG_DEBUG
    assert_int_not_equal(allocated_by, 0);
    assert_int_not_equal(caller, 0);
    assert_int_not_equal(last_fault.caller, caller);
#else
    (void)caller;
    assert_int_equal(allocated_by, 0);
#endif
}

__attribute__((noinline)) static vmem_addr_t allocate_here(vmem_t *arena)
{
    vmem_addr_t addr;

    assert_int_equal(vmem_alloc(arena, 0x10, VMEM_FIRSTFIT, &addr), 0);
    return addr;
}

__attribute__((noinline)) static vmem_addr_t allocate_there(vmem_t *arena)
{
    struct vmem_constraints c = {.align = 0x20};
    vmem_addr_t addr;

    assert_int_equal(vmem_xalloc(arena, 0x10, &c, VMEM_FIRSTFIT, &addr), 0);
    return addr;
}

static uintptr_t allocator_of(vmem_t *arena, vmem_addr_t addr)
{
    vmem_free(arena, addr, 0x100);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    return last_fault.allocated_by;
}

static void allocations_from_two_places_are_told_apart(void **state)
{
    vmem_t *arena = make_heap(state);
    uintptr_t here[2], there[2];

    for (unsigned i = 0; i < 2; i++) {
        here[i] = allocator_of(arena, allocate_here(arena));
        there[i] = allocator_of(arena, allocate_there(arena));
    }
    assert_int_equal(here[0], here[1]);
    assert_int_equal(there[0], there[1]);
#if VMEM_CONFIG_DEBUG
    assert_int_not_equal(here[0], there[0]);
#endif
}

static void split_segments_both_know_who_split_or_allocated(void **state)
{
    vmem_t *arena = make_heap(state);

    expect(0, vmem_split(arena, 0x1040, 0x20, 0x10), arena);
#if VMEM_CONFIG_DEBUG
    assert_int_not_equal(allocator_of(arena, 0x1040), 0);
    assert_int_not_equal(allocator_of(arena, 0x1050), 0);
#endif
}

static vmem_t *sink_arena;

static void allocating_sink(void *ctx, const char *string)
{
    (void)ctx;
    (void)string;
    checked_port_no_lock("a sink");
    (void)take(sink_arena, 1, 0);
}

static void a_fault_may_be_printed_to_a_sink_that_allocates(void **state)
{
    vmem_t *arena = make_heap(state);

    sink_arena = arena;
    vmem_free(arena, 0x1040, 0x30);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    vmem_fault_print(&last_fault, allocating_sink, NULL);
}

static void an_unknown_kind_prints_what_it_says(void **state)
{
    (void)state;
    last_fault = (struct vmem_fault){
        .kind = VMEM_FAULT_NONE, .call = "call", .what = "what", .arena_name = "name"};
    assert_line("call('name', 0x0, size 0): what");
}

static void a_report_without_words_is_still_one(void **state)
{
    (void)state;
    assert_int_equal(vmem_fault_report(NULL, VMEM_FAULT_BUSY, "call", NULL, 0, 0, 0), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_BUSY);
    assert_line("call('-', 0x0, size 0): fault");
}

static void the_largest_numbers_print_in_full(void **state)
{
    char expected[512];

    (void)state;
    last_fault = (struct vmem_fault){.call = "vmem_free",
                                     .what = "what",
                                     .arena_name = "heap",
                                     .addr = VMEM_ADDR_MAX,
                                     .size = VMEM_ADDR_MAX,
                                     .expected_addr = VMEM_ADDR_MAX,
                                     .expected_size = 1};
    (void)snprintf(expected, sizeof(expected),
                   "vmem_free('heap', 0x%llx, size %llu): what; there is [0x%llx, 0x%llx] size 1",
                   (unsigned long long)VMEM_ADDR_MAX, (unsigned long long)VMEM_ADDR_MAX,
                   (unsigned long long)VMEM_ADDR_MAX, (unsigned long long)VMEM_ADDR_MAX);
    assert_line(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(double_free_in_words),
        ON_BOTH(wrong_size_in_words),
        ON_BOTH(misaligned_in_words),
        ON_BOTH(foreign_address_in_words),
        ON_BOTH(overlap_in_words),
        ON_BOTH(busy_in_words),
        ONCE(parameter_in_words),
        ON_BOTH(a_fault_knows_who_allocated_and_who_called),
        ON_BOTH(allocations_from_two_places_are_told_apart),
        ON_BOTH(split_segments_both_know_who_split_or_allocated),
        ON_BOTH(a_fault_may_be_printed_to_a_sink_that_allocates),
        ONCE(an_unknown_kind_prints_what_it_says),
        ONCE(a_report_without_words_is_still_one),
        ONCE(the_largest_numbers_print_in_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
