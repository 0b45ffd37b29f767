/* SPDX-License-Identifier: MIT */
/*
 * test_hash.c - the hash of allocated segments: it grows and shrinks with them, a few chains at a
 * time, and every segment is found at every moment.
 */
#include "support.h"

#include "arena.h"
#include "hash.h"

static size_t buckets_of(const struct vmem_hash *hash)
{
    return (size_t)1 << (VMEM_WORD_BITS - hash->shift);
}

static size_t longest_chain(const struct vmem_hash *hash)
{
    size_t longest = 0;

    for (size_t i = hash->moved; i < buckets_of(hash); i++) {
        size_t length = 0;

        for (vmem_link_t link = hash->buckets[i]; link != 0; link = vmem_tag_at(link)->chain)
            length++;
        longest = length > longest ? length : longest;
    }
    return longest;
}

static void assert_all_are_found(vmem_t *arena, vmem_addr_t count)
{
    for (vmem_addr_t addr = 0; addr < count; addr++)
        assert_int_equal(vmem_tag_at(*vmem_hash_find(&arena->hash, addr))->addr, addr);
}

static vmem_t *make_full(void **state, vmem_addr_t count)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    vmem_addr_t addr;

    for (vmem_addr_t i = 0; i < count; i++)
        assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
    check(arena);
    return arena;
}

static void hash_of_a_new_arena_is_small(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));

    assert_int_equal(buckets_of(&arena->hash), 1 << VMEM_HASH_BITS_MIN);
    assert_null(arena->hash.next);
}

static void every_segment_is_found_at_every_moment_of_growth(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    vmem_addr_t addr;

    for (vmem_addr_t i = 0; i < 300; i++) {
        assert_int_equal(vmem_alloc(arena, 1, VMEM_FIRSTFIT, &addr), 0);
        assert_int_equal(addr, i);
        assert_all_are_found(arena, i + 1);
        assert_int_equal(*vmem_hash_find(&arena->hash, i + 1), 0);
        check(arena);
    }
}

static void hash_grows_with_the_segments(void **state)
{
    vmem_t *arena = make_full(state, 5000);

    assert_true(buckets_of(&arena->hash) >= 4096);
    assert_true(longest_chain(&arena->hash) <= 12);
}

static void no_operation_moves_more_than_a_few_chains(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    size_t moved = 0, moves = 0;
    vmem_addr_t addr;

    for (unsigned i = 0; i < 10000; i++) {
        bool was_moving = arena->hash.next != NULL;

        if (i < 5000)
            assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
        else
            vmem_free(arena, i - 5000, 1);
        if (was_moving && arena->hash.next != NULL) {
            assert_true(arena->hash.moved <= moved + VMEM_HASH_STEP);
            moves += arena->hash.moved - moved;
        }
        moved = arena->hash.moved;
        assert_true(moved <= buckets_of(&arena->hash));
    }
    assert_true(moves > 1000);
}

static void a_finished_growth_gives_the_old_table_back(void **state)
{
    vmem_t *arena = make_full(state, 5000);
    unsigned guard = 0;
    vmem_addr_t addr;

    while (arena->hash.next != NULL || arena->hash.old != NULL) {
        assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
        vmem_free(arena, addr, 1);
        assert_true(++guard < 10000);
    }
    check(arena);
}

static void hash_shrinks_with_the_segments(void **state)
{
    vmem_t *arena = make_full(state, 5000);
    vmem_addr_t addr;

    for (vmem_addr_t i = 10; i < 5000; i++)
        vmem_free(arena, i, 1);
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(vmem_alloc(arena, 1, VMEM_LASTFIT, &addr), 0);
        vmem_free(arena, addr, 1);
        if (i % 97 == 0) {
            assert_all_are_found(arena, 10);
            check(arena);
        }
    }
    assert_true(buckets_of(&arena->hash) <= 128);
}

static void reap_ends_a_growth(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    vmem_addr_t addr;

    while (arena->hash.next == NULL || arena->hash.moved == 0)
        assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
    vmem_reap(arena);
    assert_null(arena->hash.next);
    assert_null(arena->hash.old);
    check(arena);
}

static void destroy_in_the_middle_of_a_growth_loses_no_table(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    vmem_addr_t addr, count = 0;

    while (arena->hash.next == NULL || arena->hash.moved == 0 || count < 600) {
        assert_int_equal(vmem_alloc(arena, 1, VMEM_FIRSTFIT, &addr), 0);
        count++;
    }
    /* The last free leaves a move under way, or an old table: both go with the arena. */
    while (count > 0)
        vmem_free(arena, --count, 1);
    assert_true(arena->hash.next != NULL || arena->hash.old != NULL);
    unmake(arena);
    vmem_reap(NULL);
    assert_int_equal(lender.pages, 0);
}

static void a_table_that_is_refused_is_asked_for_again(void **state)
{
    vmem_t *arena = make(0, 1 << 16, 1, INDEX(state));
    vmem_addr_t addr;

    lender.largest = VMEM_PAGE_SIZE;
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
    check(arena);
    assert_true(buckets_of(&arena->hash) <= VMEM_PAGE_SIZE / sizeof(vmem_link_t));
    lender.largest = 0;
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr), 0);
    check(arena);
    assert_true(buckets_of(&arena->hash) > VMEM_PAGE_SIZE / sizeof(vmem_link_t));
}

static void a_smaller_table_that_is_refused_changes_nothing(void **state)
{
    vmem_t *arena = make_full(state, 5000);
    vmem_addr_t addr;
    size_t buckets;

    for (unsigned i = 0; i < 5000; i++) { /* until growth has ended */
        assert_int_equal(vmem_alloc(arena, 1, VMEM_LASTFIT, &addr), 0);
        vmem_free(arena, addr, 1);
    }
    buckets = buckets_of(&arena->hash);
    for (vmem_addr_t i = 10; i < 5000; i++)
        vmem_free(arena, i, 1);
    lender.refuse_all = true;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(vmem_alloc(arena, 1, VMEM_LASTFIT, &addr), 0);
        vmem_free(arena, addr, 1);
    }
    check(arena);
    assert_int_equal(buckets_of(&arena->hash), buckets);
}

/* Frees all but `count` of the segments, then has a smaller table asked for and refused. */
static void be_refused_a_smaller_table(vmem_t *arena, vmem_addr_t count)
{
    vmem_addr_t addr, last = arena->hash.count;

    for (vmem_addr_t i = count; i < last; i++)
        vmem_free(arena, i, 1);
    lender.refuse_all = true;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(vmem_alloc(arena, 1, VMEM_LASTFIT, &addr), 0);
        vmem_free(arena, addr, 1);
    }
    check(arena);
}

static void reap_asks_again_for_a_smaller_table_that_was_refused(void **state)
{
    vmem_t *arena = make_full(state, 5000);
    size_t buckets;

    vmem_reap(arena); /* no growth is under way */
    buckets = buckets_of(&arena->hash);
    be_refused_a_smaller_table(arena, 1000);
    assert_int_equal(buckets_of(&arena->hash), buckets);
    assert_true(arena->hash.shrink_below < 600); /* an allocation is in no hurry to ask */
    for (vmem_addr_t i = 600; i < 1000; i++)
        vmem_free(arena, i, 1);
    lender.refuse_all = false;
    vmem_reap(arena);
    check(arena);
    assert_true(buckets_of(&arena->hash) < buckets);
    assert_all_are_found(arena, 600);
}

static void reap_of_an_emptied_arena_needs_no_page_for_the_smallest_table(void **state)
{
    vmem_t *arena = make_full(state, 5000);

    vmem_reap(arena);
    be_refused_a_smaller_table(arena, 1000);
    for (vmem_addr_t i = 0; i < 1000; i++)
        vmem_free(arena, i, 1);
    lender.refuse_all = false;
    hold_blocks(1024); /* nor a block in stock */
    lender.refuse_all = true;
    vmem_reap(arena);
    release_blocks();
    check(arena);
    assert_int_equal(buckets_of(&arena->hash), 1 << VMEM_HASH_BITS_MIN);
    assert_ptr_equal(arena->hash.buckets, arena->hash.smallest);
}

/*
 * Two threads that both want a table: while one is with the port, the other finds one in stock. The
 * page hook plays the other.
 */
static vmem_t *raced;
static bool was_faster, ends_growth;

static void *be_faster(size_t size)
{
    vmem_addr_t addr;

    lender.alloc = NULL;
    checked_port_thread = 2;
    release_blocks();
    (void)vmem_alloc(raced, 1, VMEM_INSTANTFIT, &addr); /* notes that it wants a table */
    (void)vmem_alloc(raced, 1, VMEM_INSTANTFIT, &addr); /* gets it */
    was_faster = raced->hash.next != NULL;
    for (unsigned i = 0; ends_growth && i < 1000; i++)
        if (vmem_alloc(raced, 1, VMEM_INSTANTFIT, &addr) == 0)
            vmem_free(raced, addr, 1);
    checked_port_thread = 1;
    return lend_memory(size);
}

static void lose_the_race(void **state)
{
    const size_t table = 1024;
    vmem_addr_t addr;

    raced = make_full(state, table / sizeof(vmem_link_t) / 2);
    assert_int_equal(buckets_of(&raced->hash), table / sizeof(vmem_link_t) / 2);
    hold_blocks(table);
    lender.alloc = be_faster;
    while (lender.alloc != NULL)
        assert_int_equal(vmem_alloc(raced, 1, VMEM_INSTANTFIT, &addr), 0);
    assert_true(was_faster);
    check(raced);
    assert_all_are_found(raced, raced->hash.count);
}

static void a_thread_that_loses_the_race_for_a_table_goes_on_with_the_other_s(void **state)
{
    ends_growth = false;
    lose_the_race(state);
}

static void a_thread_whose_table_comes_when_growth_has_ended_goes_on_without(void **state)
{
    ends_growth = true;
    lose_the_race(state);
}

static void addresses_at_even_distances_spread_evenly(void **state)
{
    static const unsigned shifts[] = {0, 4, 6, 9, 12, 16, 21};
    enum { BITS = 10, ADDRESSES = 1 << BITS };

    (void)state;
    for (size_t i = 0; i < LENGTH(shifts); i++) {
        unsigned char count[1 << BITS] = {0};

        for (vmem_addr_t n = 0; n < ADDRESSES; n++) {
            vmem_word_t value = vmem_hash_value(n << shifts[i]);

            assert_true(++count[value >> (VMEM_WORD_BITS - BITS)] <= 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(hash_of_a_new_arena_is_small),
        ON_BOTH(every_segment_is_found_at_every_moment_of_growth),
        ON_BOTH(hash_grows_with_the_segments),
        ON_BOTH(no_operation_moves_more_than_a_few_chains),
        ON_BOTH(a_finished_growth_gives_the_old_table_back),
        ON_BOTH(hash_shrinks_with_the_segments),
        ON_BOTH(reap_ends_a_growth),
        ON_BOTH(destroy_in_the_middle_of_a_growth_loses_no_table),
        ON_BOTH(a_table_that_is_refused_is_asked_for_again),
        ON_BOTH(a_smaller_table_that_is_refused_changes_nothing),
        ON_BOTH(reap_asks_again_for_a_smaller_table_that_was_refused),
        ON_BOTH(reap_of_an_emptied_arena_needs_no_page_for_the_smallest_table),
        ON_BOTH(a_thread_that_loses_the_race_for_a_table_goes_on_with_the_other_s),
        ON_BOTH(a_thread_whose_table_comes_when_growth_has_ended_goes_on_without),
        ONCE(addresses_at_even_distances_spread_evenly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
