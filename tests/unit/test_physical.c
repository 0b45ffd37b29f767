/* SPDX-License-Identifier: MIT */
/*
 * test_physical.c - arenas of physical pages that lend the library what they hand out: the page
 * hook allocates from the very arena whose tags have run out.
 *
 * The tags of a lent page may stand in another lent page, or in itself, so that such an arena keeps
 * a few of its pages as long as it lives. The arenas of this file therefore live until the end of
 * the program, as those of a kernel do, and there is no teardown that asks for everything back.
 */
#include "support.h"

#include <string.h>

enum { PAGES = 512, ARENAS = 6 };

static struct physical {
    vmem_t *arena;
    size_t lent; /* pages */
} physicals[ARENAS];
static unsigned physical_count;

static _Alignas(VMEM_PAGE_SIZE) unsigned char memory[ARENAS][PAGES][VMEM_PAGE_SIZE];

static void *lend_physical(size_t size)
{
    struct physical *physical = &physicals[physical_count - 1];
    vmem_addr_t addr;

    if (vmem_alloc(physical->arena, size, VMEM_INSTANTFIT, &addr) != 0)
        return NULL;
    physical->lent += size / VMEM_PAGE_SIZE;
    return (void *)(uintptr_t)addr;
}

static void return_physical(void *pages, size_t size)
{
    for (unsigned i = 0; i < physical_count; i++) {
        struct physical *physical = &physicals[i];

        if (vmem_contains(physical->arena, (uintptr_t)pages, size)) {
            physical->lent -= size / VMEM_PAGE_SIZE;
            vmem_free(physical->arena, (uintptr_t)pages, size);
            return;
        }
    }
    fail_msg("a page is given back that no arena lent");
}

static struct physical *make_physical(void **state)
{
    struct physical *physical = &physicals[physical_count];
    struct vmem_params params = {.name = "physical",
                                 .base = (uintptr_t)memory[physical_count],
                                 .size = sizeof(memory[0]),
                                 .quantum = VMEM_PAGE_SIZE,
                                 .flags = INDEX(state)};

    assert_true(physical_count < ARENAS);
    assert_int_equal(vmem_create(&params, &physical->arena), 0);
    physical_count++;
    lender.alloc = lend_physical;
    lender.free = return_physical;
    return physical;
}

/* An arena is made of pages from elsewhere, and then lives on its own. */
static int setup_physical(void **state)
{
    (void)state;
    fault_count = 0;
    lender.alloc = NULL;
    return 0;
}

static void fill_page(unsigned char *page, unsigned i)
{
    memset(page, (int)(i % 251 + 1), VMEM_PAGE_SIZE);
}

static void assert_page_is_filled(const unsigned char *page, unsigned i)
{
    for (size_t at = 0; at < VMEM_PAGE_SIZE; at++)
        if (page[at] != i % 251 + 1)
            fail_msg("page %u was written to while it was handed out", i);
}

static unsigned take_every_page(vmem_t *arena, unsigned policy, unsigned char **pages)
{
    vmem_addr_t addr;
    unsigned count = 0;

    while (vmem_alloc(arena, VMEM_PAGE_SIZE, policy, &addr) == 0) {
        assert_true(count < PAGES);
        pages[count] = (unsigned char *)(uintptr_t)addr;
        fill_page(pages[count], count);
        count++;
    }
    check(arena);
    return count;
}

/* Each second page first, so that tags are needed on the way back too. */
static void free_every_page(vmem_t *arena, unsigned char **pages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned page = i < (count + 1) / 2 ? 2 * i : 2 * (i - (count + 1) / 2) + 1;

        assert_page_is_filled(pages[page], page);
        vmem_free(arena, (uintptr_t)pages[page], VMEM_PAGE_SIZE);
    }
    check(arena);
}

/* Whatever is not free is lent, after a reap that finds all that can come back. */
static void assert_no_page_is_lost(const struct physical *physical)
{
    struct vmem_stats stats;

    for (unsigned i = 0; i < 3; i++)
        vmem_reap(NULL);
    assert_int_equal(vmem_check(NULL), 0);
    vmem_stat(physical->arena, &stats);
    assert_int_equal(stats.in_use, physical->lent * VMEM_PAGE_SIZE);
}

static void pages_that_feed_their_own_tags_run_down_to_the_last_and_back(void **state)
{
    struct physical *physical = make_physical(state);
    unsigned char *pages[PAGES];
    struct vmem_stats stats;

    for (unsigned policy = VMEM_INSTANTFIT; policy <= VMEM_LASTFIT; policy++) {
        unsigned count = take_every_page(physical->arena, policy, pages);

        vmem_stat(physical->arena, &stats);
        assert_int_equal(stats.free, 0);
        assert_int_equal(count + physical->lent, PAGES);
        assert_true(physical->lent > 0);
        free_every_page(physical->arena, pages, count);
        assert_no_page_is_lost(physical);
        assert_true(physical->lent <= 8);
    }
}

static void other_arenas_may_take_the_last_page_for_their_tags(void **state)
{
    struct physical *physical = make_physical(state);
    vmem_t *ids = make(0, (vmem_size_t)1 << 20, 1, INDEX(state) ^ VMEM_ARENA_ORDERED);
    unsigned char *pages[PAGES];
    struct vmem_stats stats;
    vmem_addr_t addr;
    unsigned count;

    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(vmem_alloc(ids, 1, VMEM_INSTANTFIT, &addr), 0);
    count = take_every_page(physical->arena, POLICY(state), pages);
    while (vmem_alloc(ids, 1, VMEM_LASTFIT, &addr) == 0)
        ;
    refused(ids, 1, VMEM_LASTFIT, -VMEM_ENOMEM);
    vmem_free(physical->arena, (uintptr_t)pages[--count], VMEM_PAGE_SIZE);
    (void)take(ids, 1, VMEM_LASTFIT);
    vmem_stat(physical->arena, &stats);
    assert_int_equal(stats.free, 0);
    check(ids);
    unmake(ids);
    free_every_page(physical->arena, pages, count);
    assert_no_page_is_lost(physical);
}

static void an_import_chain_of_physical_pages_runs_down_and_back(void **state)
{
    struct physical *physical = make_physical(state);
    vmem_addr_t blocks[2 * PAGES], addr;
    struct vmem_stats stats;

    for (unsigned round = 0; round < 2; round++) {
        vmem_t *heap = make_child(physical->arena, 256, INDEX(state));
        unsigned count = 0;

        while (vmem_alloc(heap, VMEM_PAGE_SIZE / 2, POLICY(state), &addr) == 0) {
            assert_true(count < LENGTH(blocks));
            memset((void *)(uintptr_t)addr, 0xff, VMEM_PAGE_SIZE / 2);
            blocks[count++] = addr;
        }
        check(heap);
        check(physical->arena);
        vmem_stat(physical->arena, &stats);
        assert_true(stats.free <= VMEM_PAGE_SIZE);
        assert_true(count > PAGES);
        while (count-- > 0)
            vmem_free(heap, blocks[count], VMEM_PAGE_SIZE / 2);
        unmake(heap);
        assert_no_page_is_lost(physical);
    }
}

int main(void)
{
    struct CMUnitTest tests[] = {
        ON_BOTH(pages_that_feed_their_own_tags_run_down_to_the_last_and_back),
        ON_BOTH(other_arenas_may_take_the_last_page_for_their_tags),
        ON_BOTH(an_import_chain_of_physical_pages_runs_down_and_back),
    };

    for (size_t i = 0; i < LENGTH(tests); i++) {
        tests[i].setup_func = setup_physical;
        tests[i].teardown_func = NULL;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
