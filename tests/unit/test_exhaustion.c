/* SPDX-License-Identifier: MIT */
/*
 * test_exhaustion.c - no memory for the library itself: every public call with a page hook that
 * refuses its 1st, 2nd, ... n-th request, until none is reached.
 *
 * Before each trial the pool is drained: the subject's own stock of tags is reaped, and two other
 * arenas (one an index) take segments until no tag is left, so that the call under test finds
 * nothing in stock.
 */
#include "support.h"

enum {
    FILLER_SIZE = 1 << 16,
    SUBJECT_BASE = 1 << 12,
    SUBJECT_SIZE = 64,
    SOURCE_BASE = 1 << 16,
    SOURCE_SIZE = 1 << 12,
    TRIALS_MAX = 40
};

struct scene {
    vmem_t *fillers[2];
    vmem_t *source;
    vmem_t *subject; /* one segment, the whole of its span, is allocated */
    vmem_t *created;
    unsigned index, policy;
};

static void drain(struct scene *scene)
{
    vmem_addr_t addr;

    vmem_reap(NULL);
    lender.refuse_all = true;
    for (unsigned i = 0; i < 2; i++)
        while (vmem_alloc(scene->fillers[i], 1, VMEM_INSTANTFIT, &addr) == 0)
            ;
    lender.refuse_all = false;
}

static void set_scene(struct scene *scene, void **state)
{
    struct vmem_params params = {.name = "subject",
                                 .base = SUBJECT_BASE,
                                 .size = SUBJECT_SIZE,
                                 .quantum = 1,
                                 .flags = INDEX(state)};

    scene->index = INDEX(state);
    scene->policy = POLICY(state);
    scene->created = NULL;
    scene->fillers[0] = make(0, FILLER_SIZE, 1, 0);
    scene->fillers[1] = make(0, FILLER_SIZE, 1, VMEM_ARENA_ORDERED);
    scene->source = make(SOURCE_BASE, SOURCE_SIZE, 1, INDEX(state));
    params.source = scene->source;
    scene->subject = make_params(&params);
    (void)take_at(scene->subject, SUBJECT_BASE, SUBJECT_SIZE);
}

static void strike_scene(struct scene *scene)
{
    if (scene->created != NULL)
        assert_int_equal(vmem_destroy(scene->created), 0);
    unmake(scene->subject);
    unmake(scene->source);
    unmake(scene->fillers[0]);
    unmake(scene->fillers[1]);
    vmem_reap(NULL);
    assert_int_equal(vmem_check(NULL), 0);
    assert_int_equal(lender.pages, 0);
}

/* Makes `size` quanta free in the middle of the subject. */
static void make_hole(struct scene *scene)
{
    vmem_t *subject = scene->subject;

    expect(0, vmem_split(subject, SUBJECT_BASE, SUBJECT_SIZE, 16), subject);
    expect(0, vmem_split(subject, SUBJECT_BASE + 16, SUBJECT_SIZE - 16, 24), subject);
    give(subject, SUBJECT_BASE + 16, 24);
}

/*
 * The calls
 */

static int do_create(struct scene *scene)
{
    struct vmem_params params = {
        .name = "created", .size = FILLER_SIZE, .quantum = 1, .flags = scene->index};

    return vmem_create(&params, &scene->created);
}

static int do_add(struct scene *scene)
{
    return vmem_add(scene->subject, (vmem_addr_t)1 << 20, (vmem_size_t)1 << 20, 0);
}

static int do_split(struct scene *scene)
{
    return vmem_split(scene->subject, SUBJECT_BASE, SUBJECT_SIZE, 8);
}

static int do_shrink(struct scene *scene)
{
    return vmem_resize(scene->subject, SUBJECT_BASE, SUBJECT_SIZE, 8, 0);
}

static int do_alloc(struct scene *scene)
{
    vmem_addr_t addr;

    return vmem_alloc(scene->subject, 8, scene->policy, &addr);
}

/* Out of the middle of the hole, which leaves a piece on either side. */
static int do_xalloc(struct scene *scene)
{
    struct vmem_constraints c = {.min = SUBJECT_BASE + 20, .limit = SUBJECT_BASE + 28};
    vmem_addr_t addr;

    return vmem_xalloc(scene->subject, 8, &c, scene->policy, &addr);
}

static int do_import(struct scene *scene)
{
    struct vmem_constraints c = {.min = SOURCE_BASE + 8, .limit = SOURCE_BASE + 16};
    vmem_addr_t addr;

    return vmem_xalloc(scene->subject, 4, &c, scene->policy, &addr);
}

/* So much that the freelists have to reach further first. */
static int do_large_import(struct scene *scene)
{
    vmem_addr_t addr;

    return vmem_alloc(scene->subject, SOURCE_SIZE / 2, scene->policy, &addr);
}

/* One trial: whether the n-th request for a page was made, and refused. */
static bool refuse_nth(void **state, int (*call)(struct scene *), void (*prepare)(struct scene *),
                       unsigned n)
{
    static struct snapshot subject, source;
    struct scene scene;
    bool reached;
    int error;

    set_scene(&scene, state);
    if (prepare != NULL)
        prepare(&scene);
    drain(&scene);
    snapshot(scene.subject, &subject);
    snapshot(scene.source, &source);
    lender.refuse = n;
    error = call(&scene);
    reached = lender.refuse == 0;
    lender.refuse = 0;
    check(scene.subject);
    check(scene.source);
    if (error != 0) {
        assert_int_equal(error, -VMEM_ENOMEM);
        assert_true(reached);
        assert_same(scene.subject, &subject);
        vmem_stat(scene.source, &source.stats); /* an allocation may have come and gone */
        assert_same(scene.source, &source);
        assert_int_equal(call(&scene), 0);
        check(scene.subject);
        check(scene.source);
    }
    strike_scene(&scene);
    return reached;
}

static void fails_cleanly(void **state, int (*call)(struct scene *),
                          void (*prepare)(struct scene *))
{
    unsigned n = 1;

    while (refuse_nth(state, call, prepare, n))
        assert_true(++n < TRIALS_MAX);
    assert_true(n > 1); /* else the pool was not drained, and nothing was tried */
}

static void create_fails_cleanly(void **state)
{
    fails_cleanly(state, do_create, NULL);
}

static void add_fails_cleanly(void **state)
{
    fails_cleanly(state, do_add, NULL);
}

static void split_fails_cleanly(void **state)
{
    fails_cleanly(state, do_split, NULL);
}

static void resize_fails_cleanly_when_it_shrinks(void **state)
{
    fails_cleanly(state, do_shrink, NULL);
}

static void alloc_fails_cleanly(void **state)
{
    fails_cleanly(state, do_alloc, make_hole);
}

static void xalloc_fails_cleanly(void **state)
{
    fails_cleanly(state, do_xalloc, make_hole);
}

static void import_fails_cleanly(void **state)
{
    fails_cleanly(state, do_import, NULL);
}

static void import_of_anything_fails_cleanly(void **state)
{
    fails_cleanly(state, do_alloc, NULL);
}

static void import_of_a_large_span_fails_cleanly(void **state)
{
    fails_cleanly(state, do_large_import, NULL);
}

/*
 * An import during which another thread takes all tags there are, those that had been put by for
 * the new span included.
 */
static struct scene *raced;

static int import_and_drain(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                            unsigned flags, vmem_addr_t *addrp)
{
    int error = vmem_xalloc(ctx, size, c, flags, addrp);

    drain(raced);
    lender.refuse_all = true;
    return error;
}

static void release_to(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    vmem_xfree(ctx, addr, size);
}

static void import_that_finds_its_tags_gone_gives_the_span_back(void **state)
{
    struct scene scene;
    struct vmem_params params = {.name = "child",
                                 .quantum = 1,
                                 .import = import_and_drain,
                                 .release = release_to,
                                 .flags = INDEX(state)};
    struct vmem_stats stats;
    vmem_t *child;
    vmem_addr_t addr;

    set_scene(&scene, state);
    raced = &scene;
    params.ctx = scene.source;
    child = make_params(&params);
    assert_int_equal(vmem_alloc(child, 8, POLICY(state), &addr), -VMEM_ENOMEM);
    lender.refuse_all = false;
    check(child);
    vmem_stat(scene.source, &stats);
    assert_int_equal(stats.in_use, 0);
    unmake(child);
    strike_scene(&scene);
}

/* What must work without a page. */

static void an_exact_fit_needs_no_tag(void **state)
{
    struct scene scene;

    set_scene(&scene, state);
    make_hole(&scene);
    drain(&scene);
    lender.refuse_all = true;
    refused(scene.subject, 8, POLICY(state), -VMEM_ENOMEM);
    assert_int_equal(take(scene.subject, 24, POLICY(state)), SUBJECT_BASE + 16);
    lender.refuse_all = false;
    strike_scene(&scene);
}

static void everything_else_works_without_a_page(void **state)
{
    static struct snapshot before;
    struct scene scene;
    struct vmem_stats stats;
    vmem_t *subject;

    set_scene(&scene, state);
    make_hole(&scene);
    drain(&scene);
    lender.refuse_all = true;
    subject = scene.subject;
    snapshot(subject, &before);
    assert_int_equal(vmem_check(NULL), 0);
    assert_true(vmem_contains(subject, SUBJECT_BASE, SUBJECT_SIZE));
    expect(0, vmem_resize(subject, SUBJECT_BASE, 16, 20, 0), subject);
    expect(0, vmem_resize(subject, SUBJECT_BASE, 20, 16, 0), subject);
    assert_same(subject, &before);
    give(subject, SUBJECT_BASE, 16);
    give(subject, SUBJECT_BASE + 40, 24);
    vmem_stat(subject, &stats);
    assert_int_equal(stats.free, SUBJECT_SIZE);
    vmem_reap(NULL);
    expect(0, vmem_remove(subject, SUBJECT_BASE, SUBJECT_SIZE), subject);
    lender.refuse_all = false;
    strike_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(create_fails_cleanly),
        ON_BOTH(add_fails_cleanly),
        ON_BOTH(split_fails_cleanly),
        ON_BOTH(resize_fails_cleanly_when_it_shrinks),
        ON_ALL(alloc_fails_cleanly),
        ON_ALL(xalloc_fails_cleanly),
        ON_ALL(import_fails_cleanly),
        ON_ALL(import_of_anything_fails_cleanly),
        ON_ALL(import_of_a_large_span_fails_cleanly),
        ON_ALL(import_that_finds_its_tags_gone_gives_the_span_back),
        ON_ALL(an_exact_fit_needs_no_tag),
        ON_BOTH(everything_else_works_without_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
