/* SPDX-License-Identifier: MIT */
/*
 * test_id.c - ID spaces: what vmem/id.h says, sentence by sentence; the borders of words, leaves
 * and nodes; refused pages; and long random runs against a model that is an array of bytes.
 *
 * Every step is followed by vmem_id_check(). The teardown frees what is allocated and destroys the
 * spaces, and so verifies that no page is lost.
 */
#include "support.h"

#include "id.h"

#include <stdlib.h>
#include <string.h>

#define ID(test)                              \
    {                                         \
#test, test, setup, id_teardown, NULL \
    }
#define ID_IN(test, flags, label)                                          \
    {                                                                      \
#test " [" label "]", test, setup, id_teardown, &mode_flags[flags] \
    }
#define ID_IN_BOTH(test) \
    ID_IN(test, VMEM_ID_LOWEST, "lowest"), ID_IN(test, VMEM_ID_CYCLIC, "cyclic")

enum {
    WORD = VMEM_WORD_BITS,
    LEAF = VMEM_WORD_BITS * VMEM_WORD_BITS, /* IDs in a leaf, */
    NODE = LEAF * VMEM_WORD_BITS            /*    and in a node of leaves */
};

#define UNTOUCHED ((vmem_addr_t)0x1234567)

static unsigned mode_flags[] = {VMEM_ID_LOWEST, VMEM_ID_CYCLIC};
#define FLAGS(state) (*(const unsigned *)*(state))

static vmem_id_t *made[16];
static unsigned made_count;

#define make_space(min, max, wrap, flags) \
    support_make_space(&(struct vmem_id_params){"test", min, max, wrap, flags}, __FILE__, __LINE__)

static vmem_id_t *support_make_space(const struct vmem_id_params *params, const char *file,
                                     int line)
{
    vmem_id_t *space = NULL;

    _assert_int_equal((LargestIntegralType)vmem_id_create(params, &space), 0, file, line);
    _assert_true(space != NULL && made_count < LENGTH(made), "a space", file, line);
    made[made_count++] = space;
    return space;
}

static void free_all_ids(vmem_id_t *space)
{
    bool more = true;

    for (vmem_addr_t id = 0; more && vmem_id_next(space, id, &id); more = id++ != VMEM_ADDR_MAX)
        vmem_id_free(space, id);
}

static int id_teardown(void **state)
{
    int failures = 0;

    release_blocks();
    while (made_count > 0) {
        vmem_id_t *space = made[--made_count];

        free_all_ids(space);
        failures += vmem_id_check(space) != 0 || vmem_id_destroy(space) != 0;
    }
    return failures + teardown(state);
}

/*
 * Steps
 */

#define check_space(space) support_check_space(space, __FILE__, __LINE__)
static void support_check_space(vmem_id_t *space, const char *file, int line)
{
    int kind = vmem_id_check(space);

    if (fault_count != 0)
        print_error("fault: %s: %s\n", last_fault.call, last_fault.what);
    _assert_int_equal(fault_count, 0, file, line);
    _assert_int_equal((LargestIntegralType)kind, 0, file, line);
}

static vmem_addr_t in_use(vmem_id_t *space)
{
    struct vmem_id_stats stats;

    vmem_id_stat(space, &stats);
    return stats.in_use;
}

static size_t bytes(vmem_id_t *space)
{
    struct vmem_id_stats stats;

    vmem_id_stat(space, &stats);
    return stats.bytes;
}

#define next_is(space, id) support_next_is(space, id, __FILE__, __LINE__)
static void support_next_is(vmem_id_t *space, vmem_addr_t expected, const char *file, int line)
{
    vmem_addr_t id = UNTOUCHED;

    _assert_int_equal((LargestIntegralType)vmem_id_alloc(space, 0, &id), 0, file, line);
    _assert_int_equal((LargestIntegralType)id, (LargestIntegralType)expected, file, line);
    support_check_space(space, file, line);
}

/* A call that allocates is refused with this error, and changes nothing. `id` is what it names. */
#define refused_id(error, call, space, id)      \
    do {                                        \
        vmem_size_t was_ = in_use(space);       \
        (id) = UNTOUCHED;                       \
        assert_int_equal(call, error);          \
        if ((error) == -VMEM_EINVAL)            \
            expect_fault(VMEM_FAULT_PARAMETER); \
        assert_true((id) == UNTOUCHED);         \
        assert_int_equal(in_use(space), was_);  \
        check_space(space);                     \
    } while (0)

static void take_ids(vmem_id_t *space, vmem_addr_t first, vmem_addr_t last)
{
    for (vmem_addr_t id = first; id <= last; id++)
        assert_int_equal(vmem_id_take(space, id), 0);
    check_space(space);
}

/*
 * Creation
 */

static void create_refuses_what_can_never_be_right(void **state)
{
    const struct vmem_id_params wrong[] = {
        {.name = NULL, .max = 10},
        {.name = "empty", .min = 2, .max = 1},
        {.name = "wrap too low", .min = 10, .max = 20, .wrap = 9},
        {.name = "wrap too high", .min = 10, .max = 20, .wrap = 21},
        {.name = "flags", .max = 10, .flags = 2},
    };
    vmem_id_t *space = NULL;

    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        assert_int_equal(vmem_id_create(&wrong[i], &space), -VMEM_EINVAL);
        expect_fault(VMEM_FAULT_PARAMETER);
        assert_null(space);
    }
    assert_int_equal(vmem_id_create(NULL, &space), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(vmem_id_create(&(struct vmem_id_params){.name = "x"}, NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void create_takes_wrap_at_either_end(void **state)
{
    (void)state;
    next_is(make_space(10, 20, 10, VMEM_ID_CYCLIC), 10);
    next_is(make_space(10, 20, 20, VMEM_ID_CYCLIC), 10);
}

static void create_needs_memory(void **state)
{
    const struct vmem_id_params params = {.name = "refused", .max = 10};
    vmem_id_t *space = NULL;

    (void)state;
    hold_blocks(sizeof(struct vmem_id));
    lender.refuse_all = true;
    assert_int_equal(vmem_id_create(&params, &space), -VMEM_ENOMEM);
    assert_null(space);
    lender.refuse_all = false;
    release_blocks();
}

static void destroy_refuses_a_space_in_use(void **state)
{
    vmem_id_t *space = make_space(5, 1000, 0, 0);

    (void)state;
    take_ids(space, 5, 7);
    assert_int_equal(vmem_id_destroy(space), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_int_equal(last_fault.size, 3);
    assert_string_equal(last_fault.arena_name, "test");
    assert_true(vmem_id_is_allocated(space, 6));
    check_space(space);
    assert_int_equal(vmem_id_destroy(NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void a_pinned_space_cannot_be_destroyed(void **state)
{
    vmem_id_t *space = make_space(0, 10, 0, 0);

    (void)state;
    assert_ptr_equal(vmem_id_pin_next(space->id - 1), space);
    assert_int_equal(vmem_id_destroy(space), -VMEM_EBUSY);
    assert_int_equal(fault_count, 0);
    vmem_id_unpin(space);
}

static void spaces_are_listed_in_order_of_creation(void **state)
{
    vmem_id_t *spaces[4];
    uint32_t after;

    (void)state;
    for (size_t i = 0; i < LENGTH(spaces); i++)
        spaces[i] = make_space(0, 10, 0, 0);
    after = spaces[0]->id;
    /* One out of the middle goes, and then the last. */
    assert_int_equal(vmem_id_destroy(spaces[1]), 0);
    assert_int_equal(vmem_id_destroy(spaces[3]), 0);
    made[1] = spaces[2];
    made_count = 2;
    assert_ptr_equal(vmem_id_pin_next(after - 1), spaces[0]);
    assert_ptr_equal(vmem_id_pin_next(after), spaces[2]);
    assert_null(vmem_id_pin_next(spaces[2]->id));
    vmem_id_unpin(spaces[0]);
    vmem_id_unpin(spaces[2]);
}

/*
 * Allocation by mode
 */

static void lowest_takes_the_lowest_that_is_free(void **state)
{
    vmem_id_t *space = make_space(3, 5000, 0, VMEM_ID_LOWEST);

    (void)state;
    for (vmem_addr_t id = 3; id < 100; id++)
        next_is(space, id);
    vmem_id_free(space, 50);
    vmem_id_free(space, 20);
    next_is(space, 20);
    next_is(space, 50);
    next_is(space, 100);
}

static void cyclic_takes_the_next_after_the_last_one(void **state)
{
    vmem_id_t *space = make_space(0, 1000, 0, VMEM_ID_CYCLIC);

    (void)state;
    for (vmem_addr_t id = 0; id < 100; id++)
        next_is(space, id);
    vmem_id_free(space, 20);
    next_is(space, 100);
    assert_int_equal(vmem_id_take(space, 101), 0);
    next_is(space, 102);
}

static void cyclic_goes_on_from_the_wrap(void **state)
{
    vmem_id_t *space = make_space(1, 10, 4, VMEM_ID_CYCLIC);
    vmem_addr_t id;

    (void)state;
    for (id = 1; id <= 10; id++)
        next_is(space, id);
    vmem_id_free(space, 2);
    vmem_id_free(space, 7);
    /* 2 is below the floor: only the first round goes there. */
    next_is(space, 7);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc(space, 0, &id), space, id);
    vmem_id_free(space, 5);
    vmem_id_free(space, 9);
    next_is(space, 9);
    next_is(space, 5);
}

static void cyclic_finds_the_one_behind_the_cursor(void **state)
{
    vmem_id_t *space = make_space(0, 3 * LEAF, 0, VMEM_ID_CYCLIC);

    (void)state;
    for (vmem_addr_t id = 0; id <= 2 * LEAF; id++)
        assert_int_equal(vmem_id_take(space, id), 0);
    next_is(space, 2 * LEAF + 1);
    take_ids(space, 2 * LEAF + 2, 3 * LEAF);
    vmem_id_free(space, LEAF + 5);
    next_is(space, LEAF + 5);
    vmem_id_free(space, LEAF + 5);
    vmem_id_free(space, LEAF + 4);
    next_is(space, LEAF + 4);
    next_is(space, LEAF + 5);
}

static void a_cyclic_id_comes_back_late(void **state)
{
    vmem_id_t *space = make_space(300, 32767, 0, VMEM_ID_CYCLIC);

    (void)state;
    for (vmem_addr_t id = 300; id <= 32767; id++) {
        vmem_addr_t got = UNTOUCHED;

        assert_int_equal(vmem_id_alloc(space, 0, &got), 0);
        assert_int_equal(got, id);
        vmem_id_free(space, got);
    }
    next_is(space, 300);
}

static void a_full_space_refuses(void **state)
{
    vmem_id_t *space = make_space(7, 6 + 2 * WORD, 0, FLAGS(state));
    struct vmem_id_stats stats;
    vmem_addr_t id;

    for (id = 7; id < 7 + 2 * WORD; id++)
        next_is(space, id);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc(space, 0, &id), space, id);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_in(space, 0, VMEM_ADDR_MAX, 0, &id), space, id);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_range(space, 1, 1, 0, &id), space, id);
    assert_int_equal(vmem_id_take(space, 9), -VMEM_EBUSY);
    vmem_id_stat(space, &stats);
    assert_int_equal(stats.fails, 4);
}

static void unknown_flags_and_null_are_refused(void **state)
{
    vmem_id_t *space = make_space(0, 100, 0, FLAGS(state));
    vmem_addr_t id;

    refused_id(-VMEM_EINVAL, vmem_id_alloc(space, 1, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_in(space, 0, 9, 1, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_range(space, 2, 0, 1, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc(NULL, 0, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_in(NULL, 0, 9, 0, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_range(NULL, 2, 0, 0, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_take(NULL, 3), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc(space, 0, NULL), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_in(space, 0, 9, 0, NULL), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_range(space, 2, 0, 0, NULL), space, id);
}

/*
 * Windows, ranges, this one
 */

static void a_window_gives_its_lowest_in_either_mode(void **state)
{
    vmem_id_t *space = make_space(10, 9999, 0, FLAGS(state));
    vmem_addr_t id;

    next_is(space, 10);
    assert_int_equal(vmem_id_alloc_in(space, 500, 501, 0, &id), 0);
    assert_int_equal(id, 500);
    assert_int_equal(vmem_id_alloc_in(space, 500, 501, 0, &id), 0);
    assert_int_equal(id, 501);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_in(space, 500, 501, 0, &id), space, id);
    /* And the cursor stays. */
    next_is(space, 11);
}

static void a_window_is_clipped_to_the_space(void **state)
{
    vmem_id_t *space = make_space(10, 19, 0, FLAGS(state));
    vmem_addr_t id;

    assert_int_equal(vmem_id_alloc_in(space, 0, 10, 0, &id), 0);
    assert_int_equal(id, 10);
    assert_int_equal(vmem_id_alloc_in(space, 19, VMEM_ADDR_MAX, 0, &id), 0);
    assert_int_equal(id, 19);
    assert_int_equal(vmem_id_alloc_in(space, 0, VMEM_ADDR_MAX, 0, &id), 0);
    assert_int_equal(id, 11);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_in(space, 0, 9, 0, &id), space, id);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_in(space, 20, VMEM_ADDR_MAX, 0, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_in(space, 12, 11, 0, &id), space, id);
}

static void a_range_is_the_lowest_run_that_is_long_enough(void **state)
{
    vmem_id_t *space = make_space(0, 999, 0, FLAGS(state));
    vmem_addr_t id;

    next_is(space, 0);
    take_ids(space, 4, 4);
    take_ids(space, 10, 10);
    assert_int_equal(vmem_id_alloc_range(space, 4, 0, 0, &id), 0);
    assert_int_equal(id, 5);
    assert_int_equal(vmem_id_alloc_range(space, 3, 1, 0, &id), 0);
    assert_int_equal(id, 1);
    /* And the cursor stays. */
    next_is(space, 9);
}

static void a_range_is_aligned_by_the_id_itself(void **state)
{
    vmem_id_t *space = make_space(5, 5 + 4 * LEAF, 0, FLAGS(state));
    vmem_addr_t id;

    for (vmem_addr_t align = 1; align <= 1024; align *= 2) {
        assert_int_equal(vmem_id_alloc_range(space, 3, align, 0, &id), 0);
        assert_int_equal(id % align, 0);
        check_space(space);
    }
    assert_int_equal(id, 2048);
}

static void a_range_crosses_words_leaves_and_nodes(void **state)
{
    const vmem_addr_t borders[] = {WORD, LEAF, NODE};
    vmem_id_t *space = make_space(0, 2 * NODE, 0, FLAGS(state));
    vmem_addr_t id;

    for (size_t i = 0; i < LENGTH(borders); i++) {
        vmem_addr_t first = borders[i] - 3;

        for (vmem_addr_t n = 0; n < 8; n++)
            assert_int_equal(vmem_id_take(space, first + n), 0);
        vmem_id_free_range(space, first + 1, 6);
        check_space(space);
    }
    for (size_t i = 0; i < LENGTH(borders); i++) {
        /* All below is in the way. */
        vmem_addr_t below = i == 0 ? 0 : borders[i - 1] + 5;

        assert_int_equal(vmem_id_alloc_range(space, borders[i] - 3 - below, 1, 0, &id), 0);
        assert_int_equal(id, below);
        assert_int_equal(vmem_id_alloc_range(space, 6, 1, 0, &id), 0);
        assert_int_equal(id, borders[i] - 2);
        check_space(space);
    }
}

static void a_range_can_be_the_whole_space(void **state)
{
    vmem_id_t *space = make_space(100, 99 + 2 * LEAF + 3, 0, FLAGS(state));
    vmem_addr_t id;

    refused_id(-VMEM_ENOSPC, vmem_id_alloc_range(space, 2 * LEAF + 4, 1, 0, &id), space, id);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_range(space, VMEM_ADDR_MAX, 1, 0, &id), space, id);
    assert_int_equal(vmem_id_alloc_range(space, 2 * LEAF + 3, 1, 0, &id), 0);
    assert_int_equal(id, 100);
    assert_int_equal(in_use(space), 2 * LEAF + 3);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc(space, 0, &id), space, id);
    vmem_id_free_range(space, 100, 2 * LEAF + 3);
    assert_int_equal(in_use(space), 0);
    check_space(space);
}

static void a_range_refuses_what_can_never_be_right(void **state)
{
    vmem_id_t *space = make_space(0, 100, 0, FLAGS(state));
    vmem_addr_t id;

    refused_id(-VMEM_EINVAL, vmem_id_alloc_range(space, 0, 1, 0, &id), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_alloc_range(space, 1, 3, 0, &id), space, id);
    /* That can be right, if not here. */
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_range(make_space(1, 100, 0, 0), 1, 128, 0, &id), space,
               id);
}

/* It does not begin to take pages for what it could never have. */
static void a_range_larger_than_any_takes_no_page(void **state)
{
    vmem_id_t *space = make_space(0, VMEM_ADDR_MAX, 0, FLAGS(state));
    struct vmem_pool_stats before, after;
    unsigned long calls;
    vmem_addr_t id;

    for (unsigned i = 0; i < 2; i++) { /* without a root, and with one */
        vmem_pool_stat(&before);
        calls = lender.calls;
        refused_id(-VMEM_ENOMEM, vmem_id_alloc_range(space, VMEM_ID_RANGE_MAX + 1, 0, 0, &id),
                   space, id);
        refused_id(-VMEM_ENOMEM, vmem_id_alloc_range(space, VMEM_ADDR_MAX / 2 + 2, 1, 0, &id),
                   space, id);
        refused_id(-VMEM_ENOMEM, vmem_id_alloc_range(space, VMEM_ADDR_MAX - 1, 1, 0, &id), space,
                   id);
        vmem_pool_stat(&after);
        assert_int_equal(lender.calls, calls);
        assert_int_equal(after.tags_used, before.tags_used);
        assert_int_equal(after.static_pages, before.static_pages);
        assert_int_equal(vmem_id_take(space, i), 0);
    }
    lender.refuse_all = true; /* where the largest is, it asks */
    refused_id(-VMEM_ENOMEM, vmem_id_alloc_range(space, VMEM_ID_RANGE_MAX, 0, 0, &id), space, id);
    assert_true(lender.calls > calls);
    lender.refuse_all = false;
    assert_int_equal(in_use(space), 2);
}

static void take_gives_this_one_or_is_busy(void **state)
{
    vmem_id_t *space = make_space(10, 9999, 0, FLAGS(state));
    vmem_addr_t id;

    assert_int_equal(vmem_id_take(space, 9999), 0);
    assert_int_equal(vmem_id_take(space, 10), 0);
    assert_true(vmem_id_is_allocated(space, 10) && vmem_id_is_allocated(space, 9999));
    refused_id(-VMEM_EBUSY, vmem_id_take(space, 9999), space, id);
    assert_int_equal(fault_count, 0);
    refused_id(-VMEM_EINVAL, vmem_id_take(space, 9), space, id);
    refused_id(-VMEM_EINVAL, vmem_id_take(space, 10000), space, id);
    next_is(space, 11);
}

/*
 * Freeing
 */

static void a_bad_free_is_reported_and_changes_nothing(void **state)
{
    vmem_id_t *space = make_space(10, 9999, 0, FLAGS(state));

    take_ids(space, 10, 20);
    vmem_id_free(space, 21);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    assert_string_equal(last_fault.arena_name, "test");
    assert_string_equal(last_fault.call, "vmem_id_free");
    assert_int_equal(last_fault.addr, 21);
    vmem_id_free(space, 9000); /* its leaf is not there */
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    vmem_id_free(space, 9);
    expect_fault(VMEM_FAULT_FOREIGN);
    vmem_id_free(space, 10000);
    expect_fault(VMEM_FAULT_FOREIGN);
    vmem_id_free(NULL, 10);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(in_use(space), 11);
    check_space(space);
}

static void a_range_is_freed_whole_or_not_at_all(void **state)
{
    vmem_id_t *space = make_space(10, 9999, 0, FLAGS(state));

    take_ids(space, 10, 200);
    vmem_id_free(space, 150);
    vmem_id_free_range(space, 20, 181);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    assert_int_equal(last_fault.addr, 20);
    assert_int_equal(last_fault.size, 181);
    assert_int_equal(last_fault.expected_addr, 150);
    vmem_id_free_range(space, 9, 2);
    expect_fault(VMEM_FAULT_FOREIGN);
    vmem_id_free_range(space, 9999, 2);
    expect_fault(VMEM_FAULT_FOREIGN);
    vmem_id_free_range(space, 10, VMEM_ADDR_MAX);
    expect_fault(VMEM_FAULT_FOREIGN);
    vmem_id_free_range(space, 10, 0);
    expect_fault(VMEM_FAULT_PARAMETER);
    vmem_id_free_range(NULL, 10, 1);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(in_use(space), 190);
    vmem_id_free_range(space, 151, 50);
    assert_int_equal(in_use(space), 140);
    assert_true(vmem_id_is_allocated(space, 149));
    assert_false(vmem_id_is_allocated(space, 151) || vmem_id_is_allocated(space, 200));
    check_space(space);
}

/*
 * Looking
 */

static void what_is_not_in_the_space_is_not_allocated(void **state)
{
    vmem_id_t *space = make_space(10, 12, 0, FLAGS(state));

    take_ids(space, 10, 12);
    assert_false(vmem_id_is_allocated(space, 9) || vmem_id_is_allocated(space, 13) ||
                 vmem_id_is_allocated(space, 0) || vmem_id_is_allocated(space, VMEM_ADDR_MAX));
}

static void next_goes_through_all_that_are_allocated(void **state)
{
    const vmem_addr_t ids[] = {10, 11, 9 + WORD, 10 + LEAF, 9 + NODE, 10 + NODE};
    vmem_id_t *space = make_space(10, 10 + NODE, 0, FLAGS(state));
    vmem_addr_t id = 0;

    for (size_t i = 0; i < LENGTH(ids); i++)
        assert_int_equal(vmem_id_take(space, ids[i]), 0);
    for (size_t i = 0; i < LENGTH(ids); i++, id++) {
        assert_true(vmem_id_next(space, id, &id));
        assert_int_equal(id, ids[i]);
    }
    id = UNTOUCHED;
    assert_false(vmem_id_next(space, 11 + NODE, &id));
    assert_false(vmem_id_next(space, VMEM_ADDR_MAX, &id));
    vmem_id_free(space, 10 + NODE);
    assert_false(vmem_id_next(space, 10 + NODE, &id));
    assert_int_equal(id, UNTOUCHED);
}

static void stat_counts_ids(void **state)
{
    vmem_id_t *space = make_space(1, 100, 0, FLAGS(state));
    struct vmem_id_stats stats;
    vmem_addr_t id;

    assert_int_equal(vmem_id_alloc(space, 0, &id), 0);
    assert_int_equal(vmem_id_take(space, 50), 0);
    assert_int_equal(vmem_id_alloc_range(space, 10, 4, 0, &id), 0);
    vmem_id_free_range(space, id + 1, 2);
    vmem_id_free(space, 50);
    assert_int_equal(vmem_id_take(space, id), -VMEM_EBUSY);
    assert_int_equal(vmem_id_alloc_in(space, 101, 102, 0, &id), -VMEM_ENOSPC);
    vmem_id_stat(space, &stats);
    assert_int_equal(stats.in_use, 9);
    assert_int_equal(stats.free, 91);
    assert_int_equal(stats.allocs, 12);
    assert_int_equal(stats.frees, 3);
    assert_int_equal(stats.fails, 2);
}

/*
 * Sizes
 */

/* Fills a space, in order, and empties it in another. */
static void fill_and_empty(vmem_addr_t min, vmem_size_t size, unsigned flags)
{
    vmem_id_t *space = make_space(min, min + (size - 1), 0, flags);
    vmem_addr_t id;

    for (vmem_size_t i = 0; i < size; i++) {
        assert_int_equal(vmem_id_alloc(space, 0, &id), 0);
        assert_int_equal(id, min + i);
    }
    refused_id(-VMEM_ENOSPC, vmem_id_alloc(space, 0, &id), space, id);
    for (vmem_size_t i = 0; i < size; i += 2)
        vmem_id_free(space, min + i);
    check_space(space);
    for (vmem_size_t i = 0; i < size; i += 2) {
        assert_int_equal(vmem_id_alloc(space, 0, &id), 0);
        assert_int_equal(id, min + i);
    }
    check_space(space);
    for (vmem_size_t i = 1; i <= size; i++)
        vmem_id_free(space, min + (size - i));
    assert_int_equal(in_use(space), 0);
    check_space(space);
    assert_int_equal(vmem_id_destroy(space), 0);
    made_count--;
}

static void every_size_fills_and_empties(void **state)
{
    const vmem_size_t sizes[] = {1,    2,        WORD - 1, WORD, WORD + 1, LEAF - 1,
                                 LEAF, LEAF + 1, NODE - 1, NODE, NODE + 1};

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        fill_and_empty(0, sizes[i], FLAGS(state));
        fill_and_empty(77, sizes[i], FLAGS(state));
        fill_and_empty(VMEM_ADDR_MAX - (sizes[i] - 1), sizes[i], FLAGS(state));
    }
}

static void all_integers_are_a_space(void **state)
{
    vmem_id_t *space = make_space(0, VMEM_ADDR_MAX, 0, FLAGS(state));
    struct vmem_id_stats stats;
    vmem_addr_t id;

    vmem_id_stat(space, &stats);
    assert_true(stats.free == VMEM_ADDR_MAX && stats.in_use == 0);
    assert_int_equal(vmem_id_take(space, VMEM_ADDR_MAX), 0);
    assert_int_equal(vmem_id_take(space, VMEM_ADDR_MAX), -VMEM_EBUSY);
    check_space(space);
    assert_true(vmem_id_next(space, 1, &id) && id == VMEM_ADDR_MAX);
    next_is(space, 0);
    assert_int_equal(vmem_id_alloc_in(space, VMEM_ADDR_MAX - 1, VMEM_ADDR_MAX, 0, &id), 0);
    assert_true(id == VMEM_ADDR_MAX - 1);
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_in(space, VMEM_ADDR_MAX - 1, VMEM_ADDR_MAX, 0, &id),
               space, id);
    vmem_id_stat(space, &stats);
    assert_true(stats.free == VMEM_ADDR_MAX - 2 && stats.in_use == 3);
    assert_int_equal(vmem_id_alloc_range(space, 2, VMEM_ADDR_MAX / 2 + 1, 0, &id), 0);
    assert_true(id == VMEM_ADDR_MAX / 2 + 1);
    /* The next multiple is 2^64, which is 0. */
    refused_id(-VMEM_ENOSPC, vmem_id_alloc_range(space, 2, VMEM_ADDR_MAX / 2 + 1, 0, &id), space,
               id);
    vmem_id_free_range(space, VMEM_ADDR_MAX - 1, 2);
    vmem_id_free(space, VMEM_ADDR_MAX);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    check_space(space);
}

/* There is no room to allocate them: the count that they would come to stands in for them. */
static void all_integers_in_use_are_counted_as_one_less(void **state)
{
    vmem_id_t *space = make_space(0, VMEM_ADDR_MAX, 0, FLAGS(state));
    struct vmem_id_stats stats;

    take_ids(space, 9, 9);
    space->in_use = 0;
    vmem_id_stat(space, &stats);
    space->in_use = 1;
    assert_true(stats.in_use == VMEM_ADDR_MAX && stats.free == 0);
}

static void cyclic_passes_the_last_of_all_integers(void **state)
{
    vmem_id_t *space = make_space(0, VMEM_ADDR_MAX, 5, VMEM_ID_CYCLIC);

    (void)state;
    space->cursor = VMEM_ADDR_MAX - 1;
    next_is(space, VMEM_ADDR_MAX - 1);
    next_is(space, VMEM_ADDR_MAX);
    next_is(space, 5);
}

/*
 * Memory
 */

static void an_empty_space_is_small(void **state)
{
    const vmem_addr_t last[] = {0, WORD - 1, LEAF - 1, NODE - 1, UINT32_MAX - 1, VMEM_ADDR_MAX};

    for (size_t i = 0; i < LENGTH(last); i++)
        assert_true(bytes(make_space(0, last[i], 0, FLAGS(state))) <= 256);
}

static void a_space_of_one_word_needs_no_leaf(void **state)
{
    vmem_id_t *space = make_space(1, WORD, 0, FLAGS(state));

    lender.refuse_all = true;
    for (vmem_addr_t id = 1; id <= WORD; id++)
        next_is(space, id);
    assert_true(bytes(space) <= 256);
}

static void an_emptied_space_keeps_little(void **state)
{
    vmem_id_t *space = make_space(0, UINT32_MAX - 1, 0, FLAGS(state));

    for (vmem_addr_t id = 0; id < UINT32_MAX - LEAF; id += UINT32_MAX / 50)
        assert_int_equal(vmem_id_take(space, id), 0);
    check_space(space);
    free_all_ids(space);
    check_space(space);
    assert_true(bytes(space) <= 1024);
}

static void a_full_space_takes_at_most_two_bits_an_id(void **state)
{
    const vmem_size_t size = 1 << 18;
    vmem_id_t *space = make_space(0, size - 1, 0, FLAGS(state));
    struct vmem_pool_stats before, after;
    vmem_addr_t id;

    vmem_pool_stat(&before);
    assert_int_equal(vmem_id_alloc_range(space, size, 1, 0, &id), 0);
    vmem_pool_stat(&after);
    assert_true(bytes(space) <= size / 4);
    assert_true((after.lent_pages - before.lent_pages + after.static_pages - before.static_pages) *
                    VMEM_PAGE_SIZE <=
                size / 4);
}

static void a_pair_at_a_border_keeps_its_leaf(void **state)
{
    vmem_id_t *space = make_space(0, 2 * LEAF, 0, FLAGS(state));
    vmem_addr_t id = 0;
    size_t size;

    assert_int_equal(vmem_id_take(space, 0), 0);
    assert_int_equal(vmem_id_take(space, LEAF), 0);
    size = bytes(space);
    hold_blocks(vmem_bitmap_node_bytes());
    lender.refuse_all = true;
    for (unsigned i = 0; i < 10; i++) {
        vmem_id_free(space, LEAF);
        check_space(space);
        assert_int_equal(bytes(space), size);
        assert_int_equal(vmem_id_alloc_in(space, LEAF, LEAF, 0, &id), 0);
    }
    lender.refuse_all = false;
    release_blocks();
}

/*
 * Refused pages
 */

/* Calls that need nodes: each is made with the first, the second, ... page refused. */

static int call_alloc(vmem_id_t *space, vmem_addr_t *idp)
{
    return vmem_id_alloc(space, 0, idp);
}

static int call_alloc_in(vmem_id_t *space, vmem_addr_t *idp)
{
    return vmem_id_alloc_in(space, NODE + 5, NODE + 9, 0, idp);
}

static int call_alloc_range(vmem_id_t *space, vmem_addr_t *idp)
{
    return vmem_id_alloc_range(space, 20 * LEAF, NODE, 0, idp);
}

static int call_take(vmem_id_t *space, vmem_addr_t *idp)
{
    int error = vmem_id_take(space, 2 * NODE - 1);

    if (error == 0)
        *idp = 2 * NODE - 1;
    return error;
}

/* Refuses page after page of what a call asks for, until it needs no more; returns how many. */
static unsigned refuse_each_page(int (*call)(vmem_id_t *space, vmem_addr_t *idp), unsigned flags)
{
    unsigned refusals = 0;
    int error;

    do {
        vmem_id_t *space = make_space(0, 2 * NODE - 1, 0, flags);
        vmem_addr_t id = UNTOUCHED;

        hold_blocks(vmem_bitmap_node_bytes());
        lender.refuse = ++refusals;
        error = call(space, &id);
        if (error != 0) {
            assert_int_equal(error, -VMEM_ENOMEM);
            assert_true(id == UNTOUCHED);
            assert_int_equal(in_use(space), 0);
            check_space(space);
            assert_false(vmem_id_next(space, 0, &id));
        }
        lender.refuse = 0;
        release_blocks();
        /* Nothing is lost: it can be done now, from the beginning. */
        if (error != 0)
            assert_int_equal(call(space, &id), 0);
        assert_true(vmem_id_is_allocated(space, id));
        check_space(space);
        free_all_ids(space);
        assert_int_equal(vmem_id_destroy(space), 0);
        made_count--;
        vmem_reap(NULL);
    } while (error != 0);
    return refusals - 1;
}

static void a_refused_page_changes_nothing(void **state)
{
    assert_true(refuse_each_page(call_alloc, FLAGS(state)) > 0);
    assert_true(refuse_each_page(call_alloc_in, FLAGS(state)) > 0);
    assert_true(refuse_each_page(call_alloc_range, FLAGS(state)) > 1);
    assert_true(refuse_each_page(call_take, FLAGS(state)) > 0);
}

static void a_refused_page_is_counted_as_a_failure(void **state)
{
    vmem_id_t *space = make_space(0, LEAF, 0, FLAGS(state));
    struct vmem_id_stats stats;
    vmem_addr_t id;

    hold_blocks(vmem_bitmap_node_bytes());
    lender.refuse_all = true;
    refused_id(-VMEM_ENOMEM, vmem_id_alloc(space, 0, &id), space, id);
    lender.refuse_all = false;
    release_blocks();
    vmem_id_stat(space, &stats);
    assert_int_equal(stats.fails, 1);
    next_is(space, 0);
}

static void freeing_needs_no_memory(void **state)
{
    vmem_id_t *space = make_space(0, NODE - 1, 0, FLAGS(state));
    vmem_addr_t id;

    assert_int_equal(vmem_id_alloc_range(space, NODE, 1, 0, &id), 0);
    lender.refuse_all = true;
    for (id = 0; id < NODE; id += WORD)
        vmem_id_free(space, id + id / WORD % WORD);
    check_space(space);
    assert_int_equal(in_use(space), NODE - LEAF);
}

/*
 * While the lock is dropped to fetch nodes, others go on: here, the page hook plays one of them.
 */

static vmem_id_t *meddled;
static vmem_addr_t meddled_id;
static unsigned meddlings;
static bool meddler_refuses;

static void *meddle(size_t size)
{
    if (meddlings == 0)
        return lend_memory(size);
    meddlings--;
    checked_port_thread = 2;
    assert_int_equal(vmem_id_take(meddled, meddled_id), 0);
    checked_port_thread = 1;
    return meddler_refuses ? NULL : lend_memory(size);
}

/* The next call of the page hook takes this ID first, and then lends a page or refuses. */
static void meddle_next(vmem_id_t *space, vmem_addr_t id, bool refuses)
{
    lender.alloc = meddle;
    meddled = space;
    meddled_id = id;
    meddlings = 1;
    meddler_refuses = refuses;
}

static void an_id_that_goes_meanwhile_is_not_given_twice(void **state)
{
    vmem_id_t *space = make_space(0, 3 * LEAF, 0, FLAGS(state));
    vmem_addr_t id = UNTOUCHED;

    take_ids(space, 0, LEAF - 2);
    /* The hook is called for the leaf behind, and takes the first ID of the range. */
    hold_blocks(vmem_bitmap_node_bytes());
    meddle_next(space, LEAF - 1, false);
    assert_int_equal(vmem_id_alloc_range(space, LEAF + 1, 1, 0, &id), 0);
    assert_int_equal(meddlings, 0);
    assert_int_equal(id, LEAF);
    assert_int_equal(in_use(space), 2 * LEAF + 1);
    check_space(space);
    release_blocks();
}

static void a_space_that_fills_meanwhile_refuses(void **state)
{
    vmem_id_t *space = make_space(0, 2 * LEAF - 1, 0, FLAGS(state));
    vmem_addr_t id;

    take_ids(space, 0, LEAF - 2);
    hold_blocks(vmem_bitmap_node_bytes());
    meddle_next(space, LEAF - 1, false);
    assert_int_equal(vmem_id_alloc_range(space, LEAF + 1, 1, 0, &id), -VMEM_ENOSPC);
    assert_int_equal(meddlings, 0);
    assert_int_equal(in_use(space), LEAF);
    check_space(space);
    release_blocks();
}

/* Two threads make the root of a space; the one that comes second has a page for it, or none. */
static void two_threads_can_make_the_root(void **state)
{
    for (unsigned refuses = 0; refuses < 2; refuses++) {
        vmem_id_t *space = make_space(0, NODE - 1, 0, FLAGS(state));

        hold_blocks(vmem_bitmap_root_bytes(&space->map));
        meddle_next(space, 7, refuses == 1);
        next_is(space, 0);
        assert_int_equal(meddlings, 0);
        assert_int_equal(in_use(space), 2);
        assert_int_equal(space->map.nodes, 1);
        release_blocks();
    }
}

/*
 * Against a model
 */

enum { MODEL_MAX = 3 * LEAF + 77 };

struct model {
    vmem_id_t *space;
    struct vmem_id_params params;
    uint64_t random;
    vmem_size_t size;
    vmem_size_t cursor;
    vmem_size_t in_use;
    unsigned char used[MODEL_MAX];
};

/* The first of [from, to] that the model has free; size: none. */
static vmem_size_t model_lowest(const struct model *model, vmem_size_t from, vmem_size_t to)
{
    for (vmem_size_t i = from; i <= to && i < model->size; i++)
        if (!model->used[i])
            return i;
    return model->size;
}

static bool model_is_free(const struct model *model, vmem_size_t first, vmem_size_t count)
{
    for (vmem_size_t i = 0; i < count; i++)
        if (first + i >= model->size || model->used[first + i])
            return false;
    return true;
}

static vmem_size_t model_run(const struct model *model, vmem_size_t count, vmem_size_t align)
{
    for (vmem_size_t i = 0; i < model->size; i++)
        if ((model->params.min + i) % align == 0 && model_is_free(model, i, count))
            return i;
    return model->size;
}

static void model_set(struct model *model, vmem_size_t first, vmem_size_t count, bool used)
{
    memset(&model->used[first], used, (size_t)count);
    model->in_use += used ? count : 0 - count;
}

/* A number below n, of all sizes alike. */
static vmem_size_t some(struct model *model, vmem_size_t n)
{
    return (vmem_size_t)(next_random(&model->random) % n) >> next_random(&model->random) % 12;
}

/* The same below the size and 3, so that IDs behind the space are met too, where there are any. */
static vmem_size_t some_place(struct model *model)
{
    return some(model, model->size + (model->params.max <= VMEM_ADDR_MAX - 3 ? 3 : 0));
}

/* What an allocation returned, against where the model says that it must be. */
static void expect_place(struct model *model, int error, vmem_addr_t id, vmem_size_t place,
                         vmem_size_t count)
{
    if (place == model->size) {
        assert_int_equal(error, -VMEM_ENOSPC);
        assert_int_equal(id, UNTOUCHED);
        return;
    }
    assert_int_equal(error, 0);
    assert_int_equal(id, model->params.min + place);
    model_set(model, place, count, true);
}

static void step_alloc(struct model *model)
{
    vmem_addr_t id = UNTOUCHED;
    vmem_size_t place;
    int error = vmem_id_alloc(model->space, 0, &id);

    if (model->params.flags == VMEM_ID_LOWEST) {
        place = model_lowest(model, 0, model->size);
    } else {
        vmem_size_t wrap = model->params.wrap != 0 ? model->params.wrap - model->params.min : 0;

        place = model_lowest(model, model->cursor, model->size);
        if (place == model->size)
            place = model_lowest(model, wrap, model->cursor);
        if (place != model->size)
            model->cursor = place + 1;
    }
    expect_place(model, error, id, place, 1);
}

static void step_alloc_in(struct model *model)
{
    vmem_size_t first = some_place(model), other = some_place(model);
    vmem_size_t last = first > other ? first : other;
    vmem_addr_t id = UNTOUCHED;
    int error =
        vmem_id_alloc_in(model->space, model->params.min + first, model->params.min + last, 0, &id);

    expect_place(model, error, id, model_lowest(model, first, last), 1);
}

static void step_alloc_range(struct model *model)
{
    vmem_size_t count = 1 + some(model, next_random(&model->random) % 8 ? 100 : model->size);
    vmem_size_t align = (vmem_size_t)1 << next_random(&model->random) % 8;
    vmem_addr_t id = UNTOUCHED;
    int error = vmem_id_alloc_range(model->space, count, align, 0, &id);

    expect_place(model, error, id, model_run(model, count, align), count);
}

static void step_take(struct model *model)
{
    vmem_size_t i = (vmem_size_t)(next_random(&model->random) % model->size);
    int error = vmem_id_take(model->space, model->params.min + i);

    assert_int_equal(error, model->used[i] ? -VMEM_EBUSY : 0);
    if (error == 0)
        model_set(model, i, 1, true);
}

static void step_free(struct model *model)
{
    vmem_size_t i = (vmem_size_t)(next_random(&model->random) % model->size);

    vmem_id_free(model->space, model->params.min + i);
    if (model->used[i])
        model_set(model, i, 1, false);
    else
        expect_fault(VMEM_FAULT_DOUBLE_FREE);
}

/* As much of a run of allocated IDs as there is, and now and then one too many. */
static void step_free_range(struct model *model)
{
    vmem_size_t first = (vmem_size_t)(next_random(&model->random) % model->size);
    vmem_size_t count = 0, most = 1 + some(model, model->size);

    while (count < most && first + count < model->size && model->used[first + count])
        count++;
    if (first + count < model->size && next_random(&model->random) % 8 == 0) {
        bool is_free = model->used[first + count] == 0;

        if (is_free || count == 0) {
            vmem_id_free_range(model->space, model->params.min + first, count + 1);
            expect_fault(VMEM_FAULT_DOUBLE_FREE);
            assert_int_equal(last_fault.expected_addr, model->params.min + first + count);
            return;
        }
    }
    if (count == 0)
        return;
    vmem_id_free_range(model->space, model->params.min + first, count);
    model_set(model, first, count, false);
}

static void step_next(struct model *model)
{
    vmem_size_t from = some_place(model);
    vmem_addr_t id = UNTOUCHED;
    bool found = vmem_id_next(model->space, model->params.min + from, &id);

    while (from < model->size && !model->used[from])
        from++;
    assert_int_equal(found, from < model->size);
    assert_int_equal(id, found ? model->params.min + from : UNTOUCHED);
}

static void step_is_allocated(struct model *model)
{
    vmem_size_t i = some_place(model);

    assert_int_equal(vmem_id_is_allocated(model->space, model->params.min + i),
                     i < model->size && model->used[i]);
}

static void model_step(struct model *model, unsigned growth)
{
    static void (*const steps[])(struct model *) = {
        step_alloc, step_alloc,      step_alloc_in, step_alloc_range,
        step_take,  step_free_range, step_free,     step_free_range,
    };
    unsigned n = (unsigned)(next_random(&model->random) % 8);

    /* By turns more is allocated than freed, and the reverse. */
    if (n < 5 && next_random(&model->random) % 8 >= growth)
        n = 5 + n % 3;
    steps[n](model);
    step_next(model);
    step_is_allocated(model);
    check_space(model->space);
    assert_int_equal(in_use(model->space), model->in_use);
}

static void run_model(const struct vmem_id_params *params, uint64_t seed, unsigned steps)
{
    static struct model model;

    memset(&model, 0, sizeof(model));
    model.params = *params;
    model.size = params->max - params->min + 1;
    model.random = seed;
    assert_true(model.size <= MODEL_MAX);
    print_message("%u IDs from 0x%llx, seed 0x%llx\n", (unsigned)model.size,
                  (unsigned long long)params->min, (unsigned long long)seed);
    model.space = make_space(params->min, params->max, params->wrap, params->flags);
    for (unsigned i = 0; i < steps; i++)
        model_step(&model, (i / 256) % 2 == 0 ? 6 : 2);
    free_all_ids(model.space);
    assert_int_equal(in_use(model.space), 0);
}

static void random_steps_do_what_a_model_does(void **state)
{
    const vmem_size_t sizes[] = {1,        2,    WORD - 1, WORD,     WORD + 1,
                                 3 * WORD, LEAF, LEAF + 1, MODEL_MAX};
    const vmem_addr_t lowest[] = {0, 1, 0x12345};
    const char *given = getenv("VMEM_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        for (size_t j = 0; j <= LENGTH(lowest); j++) {
            /* The last of them ends with the address space. */
            vmem_addr_t min = j < LENGTH(lowest) ? lowest[j] : VMEM_ADDR_MAX - (sizes[i] - 1);
            struct vmem_id_params params = {
                .name = "random", .min = min, .max = min + (sizes[i] - 1), .flags = FLAGS(state)};

            if (j == 1)
                params.wrap = min + sizes[i] / 3;
            run_model(&params, seed + i * 16 + j, 2000);
            assert_int_equal(vmem_id_destroy(made[--made_count]), 0);
        }
    }
}

/*
 * What vmem_id_check() finds
 */

#define corrupt(space, place, value, kind)            \
    do {                                              \
        const vmem_word_t was_ = (place);             \
        (place) = (vmem_word_t)(value);               \
        assert_int_equal(vmem_id_check(space), kind); \
        expect_fault(kind);                           \
        (place) = was_;                               \
        check_space(space);                           \
    } while (0)

static void check_finds_a_broken_summary(void **state)
{
    vmem_id_t *space = make_space(0, 5 * LEAF, 0, FLAGS(state));
    struct vmem_bitmap_node *root, *leaf;

    take_ids(space, 0, 2 * LEAF + 1);
    root = vmem_bitmap_node_at(space->map.root);
    leaf = vmem_bitmap_node_at(root->slot[2]);
    corrupt(space, root->free, root->free | 1, VMEM_FAULT_INDEX);
    corrupt(space, root->free, root->free & ~(vmem_word_t)4, VMEM_FAULT_INDEX);
    corrupt(space, root->used, root->used & ~(vmem_word_t)4, VMEM_FAULT_INDEX);
    corrupt(space, root->free, root->free | (vmem_word_t)1 << 20, VMEM_FAULT_INDEX);
    corrupt(space, leaf->free, leaf->free & ~(vmem_word_t)8, VMEM_FAULT_INDEX);
    corrupt(space, leaf->used, leaf->used | 8, VMEM_FAULT_INDEX);
    corrupt(space, leaf->slot[0], 0, VMEM_FAULT_INDEX);
    corrupt(space, leaf->used, 0, VMEM_FAULT_INDEX);
}

static void check_finds_an_id_beyond_the_last(void **state)
{
    vmem_id_t *tiny = make_space(0, 9, 0, FLAGS(state));
    vmem_id_t *space = make_space(0, 5 * LEAF, 0, FLAGS(state));

    take_ids(tiny, 3, 3);
    take_ids(space, 5 * LEAF, 5 * LEAF);
    corrupt(tiny, tiny->map.root, 1 << 10, VMEM_FAULT_INDEX);
    corrupt(space, vmem_bitmap_node_at(vmem_bitmap_node_at(space->map.root)->slot[5])->slot[0], 2,
            VMEM_FAULT_INDEX);
}

static void check_finds_a_wrong_count(void **state)
{
    vmem_id_t *space = make_space(0, 5 * LEAF, 0, FLAGS(state));

    take_ids(space, 1, 3);
    corrupt(space, vmem_bitmap_node_at(vmem_bitmap_node_at(space->map.root)->slot[0])->slot[0], 2,
            VMEM_FAULT_SUM);
    space->in_use++;
    assert_int_equal(vmem_id_check(space), VMEM_FAULT_SUM);
    expect_fault(VMEM_FAULT_SUM);
    assert_string_equal(last_fault.arena_name, "test");
    space->in_use--;
    space->map.nodes++;
    assert_int_equal(vmem_id_check(space), VMEM_FAULT_TAGS);
    expect_fault(VMEM_FAULT_TAGS);
    space->map.nodes--;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ID(create_refuses_what_can_never_be_right),
        ID(create_takes_wrap_at_either_end),
        ID(create_needs_memory),
        ID(destroy_refuses_a_space_in_use),
        ID(a_pinned_space_cannot_be_destroyed),
        ID(spaces_are_listed_in_order_of_creation),
        ID(lowest_takes_the_lowest_that_is_free),
        ID(cyclic_takes_the_next_after_the_last_one),
        ID(cyclic_goes_on_from_the_wrap),
        ID(cyclic_finds_the_one_behind_the_cursor),
        ID(a_cyclic_id_comes_back_late),
        ID_IN_BOTH(a_full_space_refuses),
        ID_IN_BOTH(unknown_flags_and_null_are_refused),
        ID_IN_BOTH(a_window_gives_its_lowest_in_either_mode),
        ID_IN_BOTH(a_window_is_clipped_to_the_space),
        ID_IN_BOTH(a_range_is_the_lowest_run_that_is_long_enough),
        ID_IN_BOTH(a_range_is_aligned_by_the_id_itself),
        ID_IN_BOTH(a_range_crosses_words_leaves_and_nodes),
        ID_IN_BOTH(a_range_can_be_the_whole_space),
        ID_IN_BOTH(a_range_refuses_what_can_never_be_right),
        ID_IN_BOTH(a_range_larger_than_any_takes_no_page),
        ID_IN_BOTH(take_gives_this_one_or_is_busy),
        ID_IN_BOTH(a_bad_free_is_reported_and_changes_nothing),
        ID_IN_BOTH(a_range_is_freed_whole_or_not_at_all),
        ID_IN_BOTH(what_is_not_in_the_space_is_not_allocated),
        ID_IN_BOTH(next_goes_through_all_that_are_allocated),
        ID_IN_BOTH(stat_counts_ids),
        ID_IN_BOTH(every_size_fills_and_empties),
        ID_IN_BOTH(all_integers_are_a_space),
        ID_IN_BOTH(all_integers_in_use_are_counted_as_one_less),
        ID(cyclic_passes_the_last_of_all_integers),
        ID_IN_BOTH(an_empty_space_is_small),
        ID_IN_BOTH(a_space_of_one_word_needs_no_leaf),
        ID_IN_BOTH(an_emptied_space_keeps_little),
        ID_IN_BOTH(a_full_space_takes_at_most_two_bits_an_id),
        ID_IN_BOTH(a_pair_at_a_border_keeps_its_leaf),
        ID_IN_BOTH(a_refused_page_changes_nothing),
        ID_IN_BOTH(a_refused_page_is_counted_as_a_failure),
        ID_IN_BOTH(freeing_needs_no_memory),
        ID_IN_BOTH(an_id_that_goes_meanwhile_is_not_given_twice),
        ID_IN_BOTH(a_space_that_fills_meanwhile_refuses),
        ID_IN_BOTH(two_threads_can_make_the_root),
        ID_IN_BOTH(check_finds_a_broken_summary),
        ID_IN_BOTH(check_finds_an_id_beyond_the_last),
        ID_IN_BOTH(check_finds_a_wrong_count),
        ID_IN_BOTH(random_steps_do_what_a_model_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
