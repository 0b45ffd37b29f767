/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c - the memory of the library itself: tags and blocks, from static pages and from lent
 * ones; refills that come in each other's way; what reap gives back.
 */
#define _DEFAULT_SOURCE /* for mmap */
#include "support.h"

#include "arena.h"
#include "pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

enum { MANY = 3000 };

static const enum vmem_tag_class classes[] = {VMEM_CLASS_TAG, VMEM_CLASS_NODE};

static size_t tag_size(enum vmem_tag_class tag_class)
{
    return tag_class == VMEM_CLASS_TAG ? sizeof(struct vmem_tag) : sizeof(struct vmem_node);
}

static void take_tags(enum vmem_tag_class tag_class, unsigned count, struct vmem_stash *stash)
{
    *stash = (struct vmem_stash){.first = 0};
    while (stash->count < count)
        assert_int_equal(vmem_pool_take(tag_class, 1, 1, stash), 0);
}

/*
 * Tags
 */

static void tags_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    for (unsigned c = 0; c < LENGTH(classes); c++) {
        size_t size = tag_size(classes[c]);
        struct vmem_stash stash;
        unsigned count = 0;

        take_tags(classes[c], MANY, &stash);
        for (vmem_link_t link = stash.first; link != 0; link = vmem_tag_at(link)->chain) {
            struct vmem_tag *tag = vmem_tag_at(link);
            vmem_link_t chain = tag->chain;

            assert_int_equal((uintptr_t)tag % (size <= 32 ? 32 : 64), 0);
            memset(tag, (int)(count % 256), size);
            tag->addr = count++;
            tag->chain = chain;
        }
        assert_int_equal(count, MANY);
        count = 0;
        for (vmem_link_t link = stash.first; link != 0; link = vmem_tag_at(link)->chain) {
            const unsigned char *bytes = (const unsigned char *)vmem_tag_at(link);

            assert_int_equal(vmem_tag_at(link)->addr, count);
            assert_int_equal(bytes[size - 1], count % 256);
            count++;
        }
        vmem_pool_return(&stash);
    }
}

static void take_adds_to_the_stash_what_is_wanted(void **state)
{
    struct vmem_stash stash = {.first = 0};

    (void)state;
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 16, &stash), 0);
    assert_true(stash.count >= 1 && stash.count <= 16);
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 5, 5, &stash), 0);
    assert_true(stash.count >= 6);
    vmem_pool_return(&stash);
    assert_int_equal(stash.count, 0);
    assert_int_equal(stash.first, 0);
}

static void take_gives_less_than_is_wanted_before_it_refuses(void **state)
{
    struct vmem_stash stash = {.first = 0};
    uint32_t before = 0;

    (void)state;
    lender.refuse_all = true;
    while (vmem_pool_take(VMEM_CLASS_TAG, 1, 16, &stash) == 0) {
        assert_true(stash.count > before && stash.count <= before + 16);
        before = stash.count;
    }
    assert_int_equal(stash.count, before);
    vmem_pool_return(&stash);
}

static void statistics_count_tags_and_pages(void **state)
{
    struct vmem_pool_stats before, taken, after;
    struct vmem_stash stash;

    (void)state;
    vmem_pool_stat(&before);
    take_tags(VMEM_CLASS_NODE, MANY, &stash);
    vmem_pool_stat(&taken);
    assert_int_equal(taken.tags_used, before.tags_used + MANY);
    assert_int_equal(taken.static_pages, VMEM_CONFIG_STATIC_PAGES);
    assert_int_equal(taken.lent_pages, lender.pages);
    assert_true(taken.lent_pages * VMEM_PAGE_SIZE / sizeof(struct vmem_node) > MANY - 300);
    vmem_pool_return(&stash);
    vmem_pool_stat(&after);
    assert_int_equal(after.tags_used, before.tags_used);
    assert_true(after.tags_free >= taken.tags_free + MANY);
}

static void a_refusal_is_counted(void **state)
{
    struct vmem_pool_stats before, after;
    struct vmem_stash stash = {.first = 0};

    (void)state;
    vmem_pool_stat(&before);
    lender.refuse_all = true;
    while (vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash) == 0)
        ;
    vmem_pool_stat(&after);
    assert_true(after.refusals > before.refusals);
    vmem_pool_return(&stash);
}

static void static_pages_go_before_lent_ones(void **state)
{
    struct vmem_pool_stats stats;
    struct vmem_stash stash = {.first = 0};

    (void)state;
    do {
        assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), 0);
        vmem_pool_stat(&stats);
    } while (stats.lent_pages == 0);
    assert_int_equal(stats.static_pages, VMEM_CONFIG_STATIC_PAGES);
    vmem_pool_return(&stash);
}

/*
 * Blocks
 */

static void blocks_of_every_size_are_aligned_and_do_not_overlap(void **state)
{
    static unsigned char *blocks[700];

    (void)state;
    for (unsigned i = 0; i < LENGTH(blocks); i++) {
        blocks[i] = vmem_pool_alloc(i + 1);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i % 251), i + 1);
    }
    for (unsigned i = 0; i < LENGTH(blocks); i++) {
        for (unsigned at = 0; at <= i; at++)
            assert_int_equal(blocks[i][at], i % 251);
        vmem_pool_free(blocks[i], i + 1);
    }
}

static void large_blocks_are_whole_pages(void **state)
{
    static const size_t sizes[] = {1025, VMEM_PAGE_SIZE, VMEM_PAGE_SIZE + 1, 10 * VMEM_PAGE_SIZE};
    void *blocks[LENGTH(sizes)];

    (void)state;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        blocks[i] = vmem_pool_alloc(sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % VMEM_PAGE_SIZE, 0);
        memset(blocks[i], 0xee, sizes[i]);
    }
    for (size_t i = 0; i < LENGTH(sizes); i++)
        vmem_pool_free(blocks[i], sizes[i]);
}

static void a_page_sized_block_may_be_a_static_page(void **state)
{
    struct vmem_pool_stats before, after;
    void *page;

    (void)state;
    vmem_pool_stat(&before);
    if (before.static_pages == VMEM_CONFIG_STATIC_PAGES)
        skip();
    page = vmem_pool_alloc(VMEM_PAGE_SIZE);
    vmem_pool_stat(&after);
    assert_int_equal(after.static_pages, before.static_pages + 1);
    assert_int_equal(after.lent_pages, before.lent_pages);
    vmem_pool_free(page, VMEM_PAGE_SIZE);
    vmem_pool_stat(&after);
    assert_int_equal(after.static_pages, before.static_pages);
}

static void a_block_that_is_refused_is_null(void **state)
{
    (void)state;
    hold_blocks(1024);
    lender.refuse_all = true;
    assert_null(vmem_pool_alloc(3 * VMEM_PAGE_SIZE));
    assert_null(vmem_pool_alloc(1024));
    release_blocks();
}

/*
 * Refills that come in each other's way. The hook plays the thread that calls it (1) or another.
 */

static unsigned hook_depth, hook_depth_max, hook_calls;
static struct vmem_stash hook_stash;
static int hook_error;

static void enter_hook(void)
{
    hook_calls++;
    hook_depth++;
    hook_depth_max = hook_depth > hook_depth_max ? hook_depth : hook_depth_max;
}

static void reset_hook(void *(*hook)(size_t))
{
    hook_depth = hook_depth_max = hook_calls = 0;
    hook_stash = (struct vmem_stash){.first = 0};
    hook_error = 0;
    lender.alloc = hook;
}

/* All that one allocation through the longest chain of arenas can need, as the pool derives it. */
enum { TAGS_OF_A_CALL = 4 * (VMEM_CONFIG_IMPORT_DEPTH + 1) };

static void *hook_that_needs_tags(size_t size)
{
    enter_hook();
    for (unsigned i = 0; i < TAGS_OF_A_CALL && hook_error == 0; i++)
        hook_error =
            vmem_pool_take(i % 2 == 0 ? VMEM_CLASS_TAG : VMEM_CLASS_NODE, 1, 16, &hook_stash);
    hook_depth--;
    return lend_memory(size);
}

static void a_hook_that_needs_tags_itself_has_a_reserve(void **state)
{
    struct vmem_stash stash;

    (void)state;
    for (unsigned c = 0; c < LENGTH(classes); c++) {
        reset_hook(NULL);
        take_tags(classes[c], 300, &stash); /* the reserve has been filled once */
        lender.alloc = hook_that_needs_tags;
        while (hook_calls == 0)
            assert_int_equal(vmem_pool_take(classes[c], 1, 1, &stash), 0);
        lender.alloc = NULL;
        assert_int_equal(hook_error, 0);
        assert_int_equal(hook_stash.count % TAGS_OF_A_CALL, 0);
        assert_int_equal(hook_depth_max, 1);
        vmem_pool_return(&hook_stash);
        vmem_pool_return(&stash);
    }
}

static void the_reserve_is_there_again_for_the_next_refill(void **state)
{
    struct vmem_stash stash = {.first = 0};

    (void)state;
    reset_hook(NULL);
    take_tags(VMEM_CLASS_TAG, 300, &stash);
    lender.alloc = hook_that_needs_tags;
    while (hook_calls < 40) {
        assert_int_equal(vmem_pool_take(classes[hook_calls % 2], 1, 1, &stash), 0);
        assert_int_equal(hook_error, 0);
        if (hook_calls % 8 == 7) /* blocks take pages as well */
            vmem_pool_free(vmem_pool_alloc(2 * VMEM_PAGE_SIZE), 2 * VMEM_PAGE_SIZE);
    }
    lender.alloc = NULL;
    assert_int_equal(hook_depth_max, 1);
    vmem_pool_return(&hook_stash);
    vmem_pool_return(&stash);
}

static unsigned others_calls;

static void *hook_of_the_other_thread(size_t size)
{
    (void)size;
    others_calls++;
    return NULL;
}

/* While this thread is inside the hook, another takes all that it can get. */
static void *hook_with_another_thread(size_t size)
{
    enter_hook();
    checked_port_thread = 2;
    lender.alloc = hook_of_the_other_thread;
    for (unsigned c = 0; c < LENGTH(classes); c++)
        while (vmem_pool_take(classes[c], 1, 16, &hook_stash) == 0)
            ;
    lender.alloc = hook_with_another_thread;
    checked_port_thread = 1;
    if (hook_error == 0 && hook_calls == 2)
        hook_error = vmem_pool_take(VMEM_CLASS_TAG, TAGS_OF_A_CALL, TAGS_OF_A_CALL, &hook_stash);
    hook_depth--;
    return lend_memory(size);
}

static void another_thread_calls_the_hook_as_well_and_cannot_drain_the_reserve(void **state)
{
    struct vmem_stash stash;

    (void)state;
    reset_hook(NULL);
    others_calls = 0;
    take_tags(VMEM_CLASS_TAG, 300, &stash);
    lender.alloc = hook_with_another_thread;
    while (hook_calls < 4)
        (void)vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash);
    lender.alloc = NULL;
    assert_int_equal(hook_error, 0);
    assert_int_equal(hook_depth_max, 1);
    assert_true(others_calls > 0);
    assert_true(hook_stash.count > 0);
    vmem_pool_return(&hook_stash);
    vmem_pool_return(&stash);
}

/* A page that comes for another thread serves one that was refused in the meantime. */
static void *hook_that_is_overtaken(size_t size)
{
    struct vmem_stash stash = {.first = 0};

    lender.alloc = NULL;
    checked_port_thread = 2;
    (void)size;
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), 0);
    vmem_pool_return(&stash);
    checked_port_thread = 1;
    return NULL;
}

static void a_thread_that_is_refused_takes_what_another_was_lent(void **state)
{
    struct vmem_stash stash;
    struct vmem_pool_stats stats;

    (void)state;
    reset_hook(NULL);
    lender.refuse_all = true;
    stash = (struct vmem_stash){.first = 0};
    while (vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash) == 0)
        ; /* until none is left but the reserve */
    lender.refuse_all = false;
    lender.alloc = hook_that_is_overtaken;
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), 0);
    vmem_pool_stat(&stats);
    assert_true(stats.lent_pages > 0);
    vmem_pool_return(&stash);
}

static void *hook_that_wants_pages(size_t size)
{
    enter_hook();
    if (vmem_pool_alloc(2 * VMEM_PAGE_SIZE) != NULL || vmem_pool_alloc(1024) != NULL)
        hook_error = -1;
    hook_depth--;
    return lend_memory(size);
}

static void a_hook_is_refused_what_would_call_it_again(void **state)
{
    void *pages;

    (void)state;
    hold_blocks(1024);
    reset_hook(hook_that_wants_pages);
    pages = vmem_pool_alloc(2 * VMEM_PAGE_SIZE);
    lender.alloc = NULL;
    release_blocks();
    assert_non_null(pages);
    assert_int_equal(hook_error, 0);
    assert_int_equal(hook_depth_max, 1);
    vmem_pool_free(pages, 2 * VMEM_PAGE_SIZE);
}

/*
 * The first thread in the hook leaves while another is inside, having used its half of the reserve:
 * the other half is not for the next one that comes. Two stacks are needed for that, so the thread
 * in between is a real one; only one runs at a time.
 */

static sem_t is_inside, may_leave;

static void *hook_that_waits(size_t size)
{
    (void)size;
    (void)sem_post(&is_inside);
    (void)sem_wait(&may_leave);
    return NULL;
}

static void *be_inside(void *result)
{
    struct vmem_stash stash = {.first = 0};

    lender.alloc = hook_that_waits;
    *(int *)result = vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash);
    return NULL;
}

static pthread_t inside;
static int inside_result;

static void *hook_of_the_first(size_t size)
{
    checked_port_thread = 2;
    (void)pthread_create(&inside, NULL, be_inside, &inside_result);
    (void)sem_wait(&is_inside);
    checked_port_thread = 1;
    return hook_that_needs_tags(size);
}

static void take_all_but_the_reserve(struct vmem_stash *stash)
{
    lender.refuse_all = true;
    for (unsigned c = 0; c < LENGTH(classes); c++)
        while (vmem_pool_take(classes[c], 1, 1, stash) == 0)
            ;
    lender.refuse_all = false;
}

static void the_reserve_outlasts_the_first_thread_in_the_hook(void **state)
{
    struct vmem_stash stash = {.first = 0};

    (void)state;
    take_all_but_the_reserve(&stash);
    (void)sem_init(&is_inside, 0, 0);
    (void)sem_init(&may_leave, 0, 0);
    reset_hook(hook_of_the_first);
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), 0);
    assert_int_equal(hook_error, 0);

    checked_port_thread = 3;
    take_all_but_the_reserve(&stash);
    lender.alloc = hook_that_needs_tags; /* which may be refused them, as it is not the first */
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), 0);
    assert_int_equal(hook_calls, 2);

    take_all_but_the_reserve(&stash);
    checked_port_thread = 2;
    (void)sem_post(&may_leave);
    (void)pthread_join(inside, NULL);
    assert_int_equal(inside_result, -VMEM_ENOMEM);

    checked_port_thread = 1;
    hook_error = 0;
    assert_int_equal(vmem_pool_take(VMEM_CLASS_NODE, 1, 1, &stash), 0);
    assert_true(hook_calls > 2);
    assert_int_equal(hook_error, 0);
    lender.alloc = NULL;
    vmem_pool_return(&stash);
    vmem_pool_return(&hook_stash);
}

/*
 * Pages that are not aligned
 */

static _Alignas(VMEM_PAGE_SIZE) unsigned char crooked[4 * VMEM_PAGE_SIZE];
static unsigned crooked_returns;

static void *lend_crooked(size_t size)
{
    assert_true(size <= 3 * VMEM_PAGE_SIZE);
    return crooked + 64;
}

static void return_crooked(void *pages, size_t size)
{
    assert_ptr_equal(pages, crooked + 64);
    assert_true(size <= 3 * VMEM_PAGE_SIZE);
    crooked_returns++;
}

static void a_misaligned_page_is_reported_and_given_back(void **state)
{
    struct vmem_stash stash = {.first = 0};

    (void)state;
    take_all_but_the_reserve(&stash);
    crooked_returns = 0;
    lender.alloc = lend_crooked;
    lender.free = return_crooked;
    assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), -VMEM_ENOMEM);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_port_pages_alloc");
    assert_int_equal(last_fault.addr, (uintptr_t)crooked + 64);
    assert_int_equal(crooked_returns, 1);
    vmem_pool_return(&stash);
}

static void misaligned_pages_for_a_large_block_are_reported_and_given_back(void **state)
{
    (void)state;
    vmem_pool_free(vmem_pool_alloc(3 * VMEM_PAGE_SIZE), 3 * VMEM_PAGE_SIZE); /* fills the reserve */
    crooked_returns = 0;
    lender.alloc = lend_crooked;
    lender.free = return_crooked;
    assert_null(vmem_pool_alloc(3 * VMEM_PAGE_SIZE));
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_int_equal(last_fault.size, 3 * VMEM_PAGE_SIZE);
    assert_int_equal(crooked_returns, 1);
}

/*
 * Reap
 */

static void reap_gives_back_every_page_that_is_wholly_free(void **state)
{
    struct vmem_pool_stats before, after;
    struct vmem_stash tags, nodes;

    (void)state;
    vmem_pool_stat(&before);
    take_tags(VMEM_CLASS_TAG, MANY, &tags);
    take_tags(VMEM_CLASS_NODE, MANY, &nodes);
    assert_true(lender.pages > 50);
    vmem_pool_return(&tags);
    vmem_pool_return(&nodes);
    vmem_pool_reap();
    vmem_pool_stat(&after);
    assert_int_equal(after.lent_pages, before.lent_pages);
    assert_int_equal(lender.pages, before.lent_pages);
}

static void reap_keeps_a_page_of_which_a_tag_is_used(void **state)
{
    struct vmem_stash stash, kept = {.first = 0};

    (void)state;
    take_tags(VMEM_CLASS_TAG, MANY, &stash);
    kept.first = stash.first;
    kept.count = 1;
    stash.first = vmem_tag_at(kept.first)->chain;
    stash.count--;
    vmem_tag_at(kept.first)->chain = 0;
    vmem_tag_at(kept.first)->addr = 0xabc;
    vmem_pool_return(&stash);
    vmem_pool_reap();
    assert_true(lender.pages >= 1 && lender.pages <= 2);
    assert_int_equal(vmem_tag_at(kept.first)->addr, 0xabc);
    vmem_pool_return(&kept);
}

static void reap_makes_static_pages_stand_in_for_lent_ones(void **state)
{
    struct vmem_stash stash;
    unsigned long calls;

    (void)state;
    take_tags(VMEM_CLASS_TAG, MANY, &stash);
    vmem_pool_return(&stash);
    vmem_pool_reap();
    assert_int_equal(lender.pages, 0);
    calls = lender.calls;
    take_tags(VMEM_CLASS_TAG, 30, &stash);
    assert_int_equal(lender.calls, calls);
    vmem_pool_return(&stash);
}

/* The size of blocks of a class: 32 and 64 bytes are tags and nodes, too. */
static const size_t block_sizes[] = {32, 64, 128, 448, 1024};

/* Takes blocks until one is refused; each begins with the one before. */
static size_t take_blocks(size_t size, size_t most, void **lastp)
{
    size_t count = 0;
    void *block;

    *lastp = NULL;
    while (count < most && (block = vmem_pool_alloc(size)) != NULL) {
        memcpy(block, lastp, sizeof(void *));
        *lastp = block;
        count++;
    }
    return count;
}

static void free_blocks(size_t size, void *last)
{
    while (last != NULL) {
        void *block = last;

        memcpy(&last, block, sizeof(void *));
        vmem_pool_free(block, size);
    }
}

/* All but what a class keeps for itself, when the port refuses. */
static void a_wholly_free_page_of_one_class_serves_another(void **state)
{
    enum { PAGES = 60, KEPT = 6 };
    struct vmem_pool_stats before, after;
    void *last;

    (void)state;
    for (size_t from = 0; from < LENGTH(block_sizes); from++) {
        for (size_t to = 0; to < LENGTH(block_sizes); to++) {
            size_t per_page = (VMEM_PAGE_SIZE - 64) / block_sizes[to];

            (void)take_blocks(block_sizes[from], PAGES * (VMEM_PAGE_SIZE / block_sizes[from]),
                              &last);
            free_blocks(block_sizes[from], last);
            vmem_pool_stat(&before);
            lender.refuse_all = true;
            assert_true(take_blocks(block_sizes[to], SIZE_MAX, &last) >= (PAGES - KEPT) * per_page);
            vmem_pool_stat(&after);
            assert_int_equal(after.lent_pages, before.lent_pages);
            free_blocks(block_sizes[to], last);
            lender.refuse_all = false;
            vmem_reap(NULL);
            assert_int_equal(vmem_check(NULL), 0);
        }
    }
}

static void a_wholly_free_page_serves_tags(void **state)
{
    enum { PAGES = 60, KEPT = 6 };
    void *last;

    (void)state;
    for (unsigned c = 0; c < LENGTH(classes); c++) {
        struct vmem_stash stash = {.first = 0};

        assert_int_equal(take_blocks(1024, PAGES * 3, &last), PAGES * 3);
        free_blocks(1024, last);
        lender.refuse_all = true;
        while (vmem_pool_take(classes[c], 1, 1, &stash) == 0)
            ;
        assert_true(stash.count >= (PAGES - KEPT) * ((VMEM_PAGE_SIZE - 64) /
                                                     vmem_pool_block(tag_size(classes[c]))));
        vmem_pool_return(&stash);
        lender.refuse_all = false;
        vmem_reap(NULL);
    }
}

/* Takes every static page that no tag has; they go from `pages` back one by one. */
static unsigned take_static_pages(void *pages[VMEM_CONFIG_STATIC_PAGES])
{
    struct vmem_pool_stats stats;
    unsigned count = 0;

    for (;;) {
        vmem_pool_stat(&stats);
        if (stats.static_pages == VMEM_CONFIG_STATIC_PAGES)
            return count;
        pages[count++] = vmem_pool_alloc(VMEM_PAGE_SIZE);
    }
}

/*
 * Where lent pages hold the reserve, and there is one static page to stand in for them: a hook that
 * needs tags itself finds them, for any number of tags in use.
 */
static void reap_never_gives_the_reserve_away(void **state)
{
    void *pages[VMEM_CONFIG_STATIC_PAGES], *again[VMEM_CONFIG_STATIC_PAGES];
    struct vmem_stash used, tags;

    (void)state;
    for (unsigned count = 150; count < 150 + VMEM_PAGE_SIZE / sizeof(struct vmem_node); count++) {
        unsigned taken, taken_again;

        reset_hook(NULL);
        take_tags(VMEM_CLASS_TAG, 1, &tags);
        take_tags(VMEM_CLASS_NODE, 1, &used);
        taken = take_static_pages(pages);
        while (used.count < count)
            assert_int_equal(vmem_pool_take(VMEM_CLASS_NODE, 1, 1, &used), 0);
        assert_true(taken > 0);
        vmem_pool_free(pages[--taken], VMEM_PAGE_SIZE);
        vmem_reap(NULL);
        taken_again = take_static_pages(again);
        lender.alloc = hook_that_needs_tags;
        while (hook_calls == 0)
            assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &tags), 0);
        lender.alloc = NULL;
        assert_int_equal(hook_error, 0);
        vmem_pool_return(&hook_stash);
        vmem_pool_return(&tags);
        vmem_pool_return(&used);
        while (taken > 0)
            vmem_pool_free(pages[--taken], VMEM_PAGE_SIZE);
        while (taken_again > 0)
            vmem_pool_free(again[--taken_again], VMEM_PAGE_SIZE);
        vmem_reap(NULL);
    }
}

/*
 * Windows: on a 64-bit machine a link names one of 63 regions of 2 GiB. The last test uses up the
 * regions there are for the rest of the program.
 */
#if UINTPTR_MAX > UINT32_MAX

#include <sys/mman.h>

/* Pages of one region, whose number is lower than that of any window. */
enum { LOW = 0x10000000, LOW_PAGES = 100 };
static char *low_pages;
static unsigned low_count;

static void *lend_from_below(size_t size)
{
    assert_true(size == VMEM_PAGE_SIZE && low_count < LOW_PAGES);
    return low_pages + VMEM_PAGE_SIZE * low_count++;
}

static void return_from_below(void *pages, size_t size)
{
    assert_true((char *)pages >= low_pages && size == VMEM_PAGE_SIZE);
}

static void pages_of_one_low_region_share_a_window(void **state)
{
    struct vmem_stash stash = {.first = 0};

    (void)state;
    low_pages = mmap((void *)(uintptr_t)LOW, LOW_PAGES * VMEM_PAGE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ((uintptr_t)low_pages != LOW) {
        assert_int_equal(munmap(low_pages, LOW_PAGES * VMEM_PAGE_SIZE), 0);
        skip();
    }
    low_count = 0;
    lender.alloc = lend_from_below;
    lender.free = return_from_below;
    while (lender.pages < LOW_PAGES - 10)
        assert_int_equal(vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash), 0);
    assert_int_equal(lender.returns, 0);
    vmem_pool_return(&stash);
    vmem_pool_reap();
    assert_int_equal(lender.pages, 0);
    lender.alloc = NULL;
    assert_int_equal(munmap(low_pages, LOW_PAGES * VMEM_PAGE_SIZE), 0);
}

enum { PAGES_MAX = 256 };
static void *far_pages[PAGES_MAX];
static unsigned far_count;

/* A page in a region of its own. */
static void *lend_from_afar(size_t size)
{
    uintptr_t at = ((uintptr_t)1 << 45) + ((uintptr_t)far_count << (VMEM_WINDOW_SHIFT + 1));
    void *pages =
        mmap((void *)at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true((uintptr_t)pages == at && far_count < PAGES_MAX);
    far_pages[far_count++] = pages;
    return pages;
}

static void return_from_afar(void *pages, size_t size)
{
    assert_int_equal(munmap(pages, size), 0);
}

static void a_page_from_one_region_too_many_is_given_back(void **state)
{
    struct vmem_stash stash = {.first = 0};
    unsigned count = 0;

    (void)state;
    lender.alloc = lend_from_afar;
    lender.free = return_from_afar;
    while (vmem_pool_take(VMEM_CLASS_TAG, 1, 1, &stash) == 0)
        assert_true(++count < 80 * VMEM_PAGE_SIZE / sizeof(struct vmem_tag));
    assert_true(lender.pages > 50 && lender.pages < 63); /* some regions are the program's own */
    assert_int_equal(lender.returns, far_count - lender.pages);
    assert_true(lender.returns > 0);
    for (vmem_link_t link = stash.first; link != 0; link = vmem_tag_at(link)->chain)
        vmem_tag_at(link)->addr = (vmem_addr_t)(uintptr_t)vmem_tag_at(link);
    for (vmem_link_t link = stash.first; link != 0; link = vmem_tag_at(link)->chain)
        assert_int_equal(vmem_tag_at(link)->addr, (uintptr_t)vmem_tag_at(link));
    vmem_pool_return(&stash);
    vmem_pool_reap();
    assert_int_equal(lender.pages, 0);
    lender.alloc = NULL;
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(tags_are_aligned_and_do_not_overlap),
        ONCE(take_adds_to_the_stash_what_is_wanted),
        ONCE(take_gives_less_than_is_wanted_before_it_refuses),
        ONCE(statistics_count_tags_and_pages),
        ONCE(a_refusal_is_counted),
        ONCE(static_pages_go_before_lent_ones),
        ONCE(blocks_of_every_size_are_aligned_and_do_not_overlap),
        ONCE(large_blocks_are_whole_pages),
        ONCE(a_page_sized_block_may_be_a_static_page),
        ONCE(a_block_that_is_refused_is_null),
        ONCE(a_hook_that_needs_tags_itself_has_a_reserve),
        ONCE(the_reserve_is_there_again_for_the_next_refill),
        ONCE(another_thread_calls_the_hook_as_well_and_cannot_drain_the_reserve),
        ONCE(a_thread_that_is_refused_takes_what_another_was_lent),
        ONCE(a_hook_is_refused_what_would_call_it_again),
        ONCE(the_reserve_outlasts_the_first_thread_in_the_hook),
        ONCE(a_misaligned_page_is_reported_and_given_back),
        ONCE(misaligned_pages_for_a_large_block_are_reported_and_given_back),
        ONCE(reap_gives_back_every_page_that_is_wholly_free),
        ONCE(reap_keeps_a_page_of_which_a_tag_is_used),
        ONCE(reap_makes_static_pages_stand_in_for_lent_ones),
        ONCE(reap_never_gives_the_reserve_away),
        ONCE(a_wholly_free_page_of_one_class_serves_another),
        ONCE(a_wholly_free_page_serves_tags),
#if UINTPTR_MAX > UINT32_MAX
        ONCE(pages_of_one_low_region_share_a_window),
        ONCE(a_page_from_one_region_too_many_is_given_back),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
