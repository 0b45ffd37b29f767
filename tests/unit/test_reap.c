/* SPDX-License-Identifier: MIT */
/*
 * test_reap.c - what is held without need goes back: spans (test_span.c), tables (test_hash.c),
 * pages (test_pool.c); and tags that are strewn over many pages move together, so that the pages
 * can go, while nothing else changes.
 */
#include "support.h"

#include "arena.h"

enum { STREWN = 3000, KEEP = 61 };

/*
 * A segment of the subject for every so many of the filler's, whose tags then lie between those of
 * the subject, until the filler goes.
 */
static vmem_t *strew(vmem_t *subject, void (*one)(vmem_t *subject, unsigned i), unsigned index)
{
    vmem_t *filler = make(0, (vmem_size_t)1 << 20, 1, index);
    vmem_addr_t addr;

    for (unsigned i = 0; i < STREWN; i++) {
        assert_int_equal(vmem_alloc(filler, 1, VMEM_INSTANTFIT, &addr), 0);
        if (i % KEEP == 0) {
            one(subject, i / KEEP);
            vmem_reap(subject); /* its stock of tags goes, so that the next come from elsewhere */
        }
    }
    return filler;
}

/* Reaps, and sees that the subject has not changed and that pages are back. */
static void assert_gathers(vmem_t *subject, vmem_t *filler)
{
    static struct snapshot before;
    size_t pages;

    check(subject);
    unmake(filler);
    snapshot(subject, &before);
    pages = lender.pages;
    vmem_reap(NULL);
    assert_int_equal(vmem_check(NULL), 0);
    assert_same(subject, &before);
    assert_true(lender.pages < pages);
}

static void take_one_between_holes(vmem_t *subject, unsigned i)
{
    vmem_addr_t at = 4 * (vmem_addr_t)i;

    (void)take_at(subject, at + 1, 2);
}

static void tags_of_segments_move_together(void **state)
{
    vmem_t *subject = make(0, (vmem_size_t)1 << 20, 1, INDEX(state));
    vmem_t *filler = strew(subject, take_one_between_holes, INDEX(state));

    assert_gathers(subject, filler);
    assert_true(lender.pages <= 3);
    for (vmem_addr_t i = 0; i < STREWN / KEEP; i++) /* all are still where they belong */
        give(subject, 4 * i + 1, 2);
    give(subject, 4 * (STREWN / KEEP) + 1, 2);
    assert_layout(subject, (vmem_size_t)1 << 20, "[.1]");
}

static void add_one(vmem_t *subject, unsigned i)
{
    expect(0, vmem_add(subject, 16 * (vmem_addr_t)(i + 1), 8, 0), subject);
    if (i % 2 == 0)
        (void)take_at(subject, 16 * (vmem_addr_t)(i + 1), 8);
}

static void tags_of_spans_move_together(void **state)
{
    vmem_t *subject = make(0, 8, 1, INDEX(state));
    vmem_t *filler = strew(subject, add_one, VMEM_ARENA_ORDERED);

    assert_gathers(subject, filler);
    assert_true(lender.pages <= 3);
    for (vmem_addr_t i = 0; i < 8; i++)
        assert_true(vmem_contains(subject, 16 * (i + 1), 8));
}

/* Many arenas, each with its anchor somewhere else. */
static vmem_t *small[STREWN / KEEP + 1];

static void make_one(vmem_t *subject, unsigned i)
{
    small[i] = make(0, 8, 1, subject->flags);
    vmem_reap(small[i]);
}

static void tags_of_anchors_move_together(void **state)
{
    vmem_t *subject = make(0, 8, 1, INDEX(state));
    vmem_t *empty, *filler = strew(subject, make_one, INDEX(state));

    empty = make(0, 0, 1, INDEX(state)); /* whose anchor stands alone */
    assert_gathers(subject, filler);     /* though arenas and tables stay where they are */
    check(empty);
    for (unsigned i = 0; i < LENGTH(small); i++) {
        check(small[i]);
        assert_int_equal(take(small[i], 8, 0), 0);
    }
}

/*
 * While the span that was kept is released, another thread frees the last segment of the next: that
 * one is kept from then on, and its tag is moved.
 */
struct pair {
    vmem_t *child;
    vmem_addr_t last;
};

static int import_one(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                      vmem_addr_t *addrp)
{
    (void)ctx;
    (void)size;
    (void)flags;
    *addrp = c->min;
    return 0;
}

static void release_one(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    struct pair *pair = ctx;

    (void)addr;
    (void)size;
    if (pair->last != 0) {
        checked_port_thread = 2;
        vmem_free(pair->child, pair->last, 8);
        checked_port_thread = 1;
        pair->last = 0;
    }
}

static void import_at(vmem_t *subject, unsigned i)
{
    const struct vmem_constraints c = {.min = 16 * (vmem_addr_t)(i + 1),
                                       .limit = 16 * (vmem_addr_t)(i + 1) + 8};

    (void)xtake(subject, 8, &c, VMEM_FIRSTFIT);
}

static void the_span_kept_stays_the_span_kept(void **state)
{
    static struct pair pair;
    struct vmem_params params = {.name = "child",
                                 .quantum = 8,
                                 .import = import_one,
                                 .release = release_one,
                                 .ctx = &pair,
                                 .flags = INDEX(state)};
    vmem_t *subject, *filler;
    struct vmem_stats stats;

    subject = make_params(&params);
    pair.child = subject;
    pair.last = 0;
    filler = strew(subject, import_at, VMEM_ARENA_ORDERED);
    unmake(filler);
    give(subject, 16, 8);
    pair.last = 16 * (STREWN / KEEP);
    vmem_reap(subject);
    check(subject);
    vmem_stat(subject, &stats);
    assert_int_equal(stats.releases, 2); /* the second in the next round of the same reap */
}

static void reap_of_one_arena_moves_its_tags_alone(void **state)
{
    vmem_t *subject = make(0, (vmem_size_t)1 << 20, 1, INDEX(state));
    vmem_t *filler = strew(subject, take_one_between_holes, INDEX(state));
    static struct snapshot before;

    unmake(filler);
    snapshot(subject, &before);
    vmem_reap(subject);
    check(subject);
    assert_same(subject, &before);
    assert_true(lender.pages <= 3);
}

static void reap_without_a_page_to_be_had_changes_nothing(void **state)
{
    vmem_t *subject = make(0, (vmem_size_t)1 << 20, 1, INDEX(state));
    vmem_t *filler = strew(subject, take_one_between_holes, INDEX(state));

    lender.refuse_all = true;
    assert_gathers(subject, filler);
    assert_true(lender.pages <= 3);
    lender.refuse_all = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(tags_of_segments_move_together),
        ON_BOTH(tags_of_spans_move_together),
        ON_BOTH(tags_of_anchors_move_together),
        ON_BOTH(the_span_kept_stays_the_span_kept),
        ON_BOTH(reap_of_one_arena_moves_its_tags_alone),
        ON_BOTH(reap_without_a_page_to_be_had_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
