/* SPDX-License-Identifier: MIT */
/*
 * test_map.c - a byte for each granule of the address space: what is set is found, wherever it
 * lies, and nothing else is.
 */
#include "support.h"

#include "map.h"

#include <string.h>

enum { SHIFT = 12, GRANULE = 1 << SHIFT };

/* The last granule of the address space. */
static const uintptr_t last_granule = ~(uintptr_t)(GRANULE - 1);

static struct vmem_map map;

static void set(uintptr_t addr, uintptr_t size, unsigned char byte)
{
    assert_int_equal(vmem_map_set(&map, addr, size, byte), 0);
}

static void an_empty_map_says_nothing(void **state)
{
    uintptr_t at = 0;

    (void)state;
    vmem_map_init(&map, SHIFT);
    for (unsigned bit = 0; bit < sizeof(uintptr_t) * 8; bit++)
        assert_int_equal(vmem_map_get(&map, (uintptr_t)1 << bit), 0);
    assert_int_equal(vmem_map_get(&map, 0), 0);
    assert_int_equal(vmem_map_get(&map, UINTPTR_MAX), 0);
    assert_int_equal(vmem_map_next(&map, &at), 0);
    assert_false(vmem_map_clear(&map, GRANULE, 1));
    vmem_map_destroy(&map);
}

static void every_address_of_a_granule_has_its_byte_and_no_other(void **state)
{
    const uintptr_t addr = (uintptr_t)5 << 20;

    (void)state;
    vmem_map_init(&map, SHIFT);
    set(addr, 1, 7);
    assert_int_equal(vmem_map_get(&map, addr), 7);
    assert_int_equal(vmem_map_get(&map, addr + GRANULE - 1), 7);
    assert_int_equal(vmem_map_get(&map, addr - 1), 0);
    assert_int_equal(vmem_map_get(&map, addr + GRANULE), 0);
    vmem_map_destroy(&map);
}

static void a_range_sets_all_granules_that_it_touches(void **state)
{
    const uintptr_t addr = (uintptr_t)3 << 22; /* all that stand in one leaf */

    (void)state;
    vmem_map_init(&map, SHIFT);
    set(addr, (uintptr_t)1 << 22, 255);
    for (uintptr_t i = 0; i < 1024; i++)
        assert_int_equal(vmem_map_get(&map, addr + i * GRANULE), 255);
    assert_int_equal(vmem_map_get(&map, addr - 1), 0);
    assert_int_equal(vmem_map_get(&map, addr + ((uintptr_t)1 << 22)), 0);
    set(addr + GRANULE, 2 * GRANULE + 1, 0);
    assert_int_equal(vmem_map_get(&map, addr), 255);
    for (uintptr_t i = 1; i < 4; i++)
        assert_int_equal(vmem_map_get(&map, addr + i * GRANULE), 0);
    assert_int_equal(vmem_map_get(&map, addr + 4 * GRANULE), 255);
    vmem_map_destroy(&map);
}

static void granules_are_as_large_as_was_said(void **state)
{
    (void)state;
    vmem_map_init(&map, 16);
    set(0x30000, 1, 1);
    assert_int_equal(vmem_map_get(&map, 0x3ffff), 1);
    assert_int_equal(vmem_map_get(&map, 0x2ffff), 0);
    assert_int_equal(vmem_map_get(&map, 0x40000), 0);
    vmem_map_destroy(&map);
}

/* Each further apart than the one before, up to both ends of the address space. */
static void the_map_grows_over_the_whole_address_space(void **state)
{
    const uintptr_t start = (uintptr_t)0x12345 << SHIFT;

    (void)state;
    vmem_map_init(&map, SHIFT);
    set(start, 1, 1);
    for (unsigned bit = SHIFT; bit < sizeof(uintptr_t) * 8; bit++) {
        set(start ^ (uintptr_t)1 << bit, 1, (unsigned char)(bit + 2));
        assert_int_equal(vmem_map_get(&map, start), 1);
    }
    set(0, 1, 100);
    set(last_granule, 1, 101);
    assert_int_equal(vmem_map_get(&map, 0), 100);
    assert_int_equal(vmem_map_get(&map, UINTPTR_MAX), 101);
    for (unsigned bit = SHIFT; bit < sizeof(uintptr_t) * 8; bit++)
        assert_int_equal(vmem_map_get(&map, start ^ (uintptr_t)1 << bit), bit + 2);
    vmem_map_destroy(&map);
}

/* As for a thread that has read which the top is, before another one raised the tree. */
static void an_older_top_still_leads_to_what_was_below_it(void **state)
{
    struct vmem_map older;

    (void)state;
    vmem_map_init(&map, SHIFT);
    set((uintptr_t)1 << 22, GRANULE, 9);
    older = map;
    set((uintptr_t)1 << 30, GRANULE, 8);
    set(last_granule, GRANULE, 7);
    assert_ptr_not_equal(older.top, map.top);
    assert_int_equal(vmem_map_get(&older, (uintptr_t)1 << 22), 9);
    assert_int_equal(vmem_map_get(&older, (uintptr_t)1 << 30), 0);
    vmem_map_destroy(&map);
}

static void clear_takes_only_the_byte_that_it_is_given(void **state)
{
    (void)state;
    vmem_map_init(&map, SHIFT);
    set(GRANULE, 2 * GRANULE, 6);
    assert_false(vmem_map_clear(&map, GRANULE, 5));
    assert_int_equal(vmem_map_get(&map, GRANULE), 6);
    assert_true(vmem_map_clear(&map, GRANULE, 6));
    assert_int_equal(vmem_map_get(&map, GRANULE), 0);
    assert_int_equal(vmem_map_get(&map, 2 * GRANULE), 6);
    assert_false(vmem_map_clear(&map, GRANULE, 6));
    vmem_map_destroy(&map);
}

static void a_refused_node_changes_no_byte(void **state)
{
    const uintptr_t far = (uintptr_t)1 << 31;
    unsigned refusals = 0;

    (void)state;
    vmem_map_init(&map, SHIFT);
    set(GRANULE, 1, 1);
    hold_blocks(sizeof(struct vmem_map_node));
    lender.refuse_all = true;
    while (vmem_map_set(&map, far, 1, 2) != 0) {
        assert_int_equal(vmem_map_get(&map, GRANULE), 1);
        assert_int_equal(vmem_map_get(&map, far), 0);
        set(GRANULE, 1, 0); /* needs nothing */
        set(GRANULE, 1, 1);
        refusals++;
        lender.refuse_all = false;
        lender.refuse = 2; /* one page more each time: a page has several nodes */
        (void)vmem_map_set(&map, far, 1, 0);
        lender.refuse = 0;
    }
    lender.refuse_all = false;
    release_blocks();
    assert_true(refusals > 0);
    assert_int_equal(vmem_map_get(&map, far), 2);
    assert_int_equal(vmem_map_get(&map, GRANULE), 1);
    vmem_map_destroy(&map);
}

/*
 * Against a list of what was set.
 */

enum { ENTRIES = 400, STEPS = 20000 };

static struct {
    uintptr_t addr;
    unsigned char byte;
} entries[ENTRIES];

/* Somewhere in one of a few regions, so that both neighbours and strangers come up. */
static uintptr_t random_addr(uint64_t *random)
{
    const uintptr_t regions[] = {0, (uintptr_t)0x5555 << 16, UINTPTR_MAX / 3, UINTPTR_MAX / 2 + 1,
                                 last_granule - ((uintptr_t)1 << 25) + GRANULE};
    uintptr_t region = regions[next_random(random) % LENGTH(regions)];

    return (region + (uintptr_t)(next_random(random) % (1 << 25))) & ~(uintptr_t)(GRANULE - 1);
}

static unsigned char byte_of(uintptr_t addr, size_t *indexp)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].byte != 0 && entries[i].addr == addr) {
            *indexp = i;
            return entries[i].byte;
        }
    }
    return 0;
}

/* A walk over the map finds the entries, from the lowest to the highest, and nothing else. */
static void walk_finds_all(void)
{
    size_t count = 0, found = 0, index;
    uintptr_t at = 0, before = 0;
    unsigned char byte;

    for (size_t i = 0; i < ENTRIES; i++)
        count += entries[i].byte != 0;
    while ((byte = vmem_map_next(&map, &at)) != 0) {
        assert_true(found == 0 || at > before);
        assert_int_equal(byte_of(at, &index), byte);
        before = at;
        found++;
        at += GRANULE;
        if (at == 0)
            break;
    }
    assert_int_equal(found, count);
}

static void the_map_agrees_with_a_list(void **state)
{
    uint64_t random = 0x3a9c51d7;

    (void)state;
    print_message("seed %#llx\n", (unsigned long long)random);
    memset(entries, 0, sizeof(entries));
    vmem_map_init(&map, SHIFT);
    for (unsigned step = 0; step < STEPS; step++) {
        size_t i = (size_t)(next_random(&random) % ENTRIES), other;
        uintptr_t addr = random_addr(&random);

        if (entries[i].byte != 0) {
            assert_int_equal(vmem_map_get(&map, entries[i].addr), entries[i].byte);
            assert_true(vmem_map_clear(&map, entries[i].addr, entries[i].byte));
            entries[i].byte = 0;
        }
        assert_int_equal(vmem_map_get(&map, addr), byte_of(addr, &other));
        if (byte_of(addr, &other) == 0 && step % 3 != 0) {
            entries[i].addr = addr;
            entries[i].byte = (unsigned char)(1 + next_random(&random) % 255);
            set(addr, GRANULE, entries[i].byte);
        }
        if (step % 1000 == 0)
            walk_finds_all();
    }
    walk_finds_all();
    vmem_map_destroy(&map);
}

static void the_walk_ends_at_the_last_granule(void **state)
{
    uintptr_t at = last_granule;

    (void)state;
    vmem_map_init(&map, SHIFT);
    set(last_granule, 1, 3);
    assert_int_equal(vmem_map_next(&map, &at), 3);
    assert_int_equal(at, last_granule);
    at = GRANULE;
    assert_int_equal(vmem_map_next(&map, &at), 3);
    assert_int_equal(at, last_granule);
    assert_true(vmem_map_clear(&map, last_granule, 3));
    at = 0;
    assert_int_equal(vmem_map_next(&map, &at), 0);
    vmem_map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(an_empty_map_says_nothing),
        ONCE(every_address_of_a_granule_has_its_byte_and_no_other),
        ONCE(a_range_sets_all_granules_that_it_touches),
        ONCE(granules_are_as_large_as_was_said),
        ONCE(the_map_grows_over_the_whole_address_space),
        ONCE(an_older_top_still_leads_to_what_was_below_it),
        ONCE(clear_takes_only_the_byte_that_it_is_given),
        ONCE(a_refused_node_changes_no_byte),
        ONCE(the_map_agrees_with_a_list),
        ONCE(the_walk_ends_at_the_last_granule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
