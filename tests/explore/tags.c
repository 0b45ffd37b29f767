/* SPDX-License-Identifier: MIT */
/*
 * tags.c - boundary tags have run out, and whoever needs one refills, through a page hook that
 * itself allocates.
 *
 * What the port is promised (vmem/port.h): an allocation from inside the hook is sure to find its
 * tags, if the library had nobody else there when it let this one in. Whoever comes second may have
 * to refuse.
 */
#include "scenarios.h"

static vmem_t *arena;
static vmem_addr_t held[FIBERS_MAX];

/*
 * Ballast takes all tags: of an ordered arena what an ordered arena needs, and so for the other.
 */

enum { BALLAST = 10000 };

static vmem_t *ballast[2];
static vmem_size_t ballast_count[2];

static bool load(unsigned i)
{
    vmem_addr_t addr;

    if (vmem_alloc(ballast[i], 1, VMEM_INSTANTFIT, &addr) != 0)
        return false;
    demand(addr == ballast_count[i]++);
    return true;
}

static void use_up_tags(void)
{
    struct vmem_params params = {.name = "ballast", .size = BALLAST, .quantum = 1};

    demand(vmem_create(&params, &ballast[0]) == 0);
    params.flags = VMEM_ARENA_ORDERED;
    demand(vmem_create(&params, &ballast[1]) == 0);
    page_hook.refuses = true;
    while (load(0) || load(1))
        ;
    page_hook.refuses = false;
}

static bool has_company(const struct page_call *call)
{
    for (unsigned i = 0; i < page_hook.count; i++) {
        const struct page_call *other = &page_hook.calls[i];

        if (other->from < call->from && (other->to == 0 || other->to > call->from))
            return true;
    }
    return false;
}

static void judge_calls(void)
{
    for (unsigned i = 0; i < page_hook.count; i++)
        if (page_hook.calls[i].failed && !has_company(&page_hook.calls[i]))
            fail("reserve", "the first one inside the page hook finds no tags");
}

static bool any_call_failed(void)
{
    for (unsigned i = 0; i < page_hook.count; i++)
        if (page_hook.calls[i].failed)
            return true;
    return false;
}

static void drop_ballast(void)
{
    page_hook.refuses = true;
    for (unsigned i = 0; i < 2; i++) {
        while (ballast_count[i] > 0)
            vmem_free(ballast[i], --ballast_count[i], 1);
        demand(vmem_destroy(ballast[i]) == 0);
    }
}

/*
 * The hook lends frames of the very arena from which the fibers allocate.
 */

enum { FRAMES = 8, FIRST_FRAME = 100 };

static void *lend_frame(struct page_call *call)
{
    vmem_addr_t frame;

    call->failed = vmem_alloc(arena, 1, VMEM_INSTANTFIT, &frame) != 0;
    if (call->failed)
        return NULL;
    claim(frame, 1);
    return stock_page((size_t)(frame - FIRST_FRAME));
}

static void take_frame_back(void *page)
{
    vmem_addr_t frame = FIRST_FRAME + stock_return(page);

    drop(frame, 1);
    vmem_free(arena, frame, 1);
}

static void refill(void)
{
    vmem_addr_t frame;
    int error = vmem_alloc(arena, 1, VMEM_INSTANTFIT, &frame);

    demand(error == 0 || (error == -VMEM_ENOMEM && any_call_failed()));
    held[self()] = error == 0 ? frame : NOWHERE;
    if (error == 0)
        claim(frame, 1);
}

static void reap(void)
{
    vmem_reap(arena);
}

static void frames_set_up(void)
{
    arena = make("frames", FIRST_FRAME, FRAMES, NULL);
    vmem_reap(arena); /* it has no tags in hand */
    use_up_tags();
    page_hook.lend = lend_frame;
    page_hook.take_back = take_frame_back;
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        held[i] = NOWHERE;
}

static void refill_set_up(void)
{
    frames_set_up();
    fiber(0, refill);
    fiber(1, refill);
}

static void refill_three_set_up(void)
{
    refill_set_up();
    fiber(1, refill);
}

static void refill_handler_set_up(void)
{
    frames_set_up();
    fiber(0, refill);
    handler(0, refill);
}

static void refill_reap_set_up(void)
{
    frames_set_up();
    fiber(0, refill);
    fiber(1, reap);
}

static void frames_finish(void)
{
    judge_calls();
    for (unsigned i = 0; i < FIBERS_MAX; i++)
        give(arena, held[i], 1);
    drop_ballast();
    vmem_reap(NULL);
    demand(vmem_destroy(arena) == 0);
}

/*
 * Each fiber has a chain of three arenas, out of which its page hook allocates. The reserve has
 * been used before, so that it is half full.
 */

enum { CHAIN = 3, CHAINS = 3 };

static vmem_t *chains[CHAINS][CHAIN]; /* the source first */
static vmem_t *wanting[CHAINS];

static void *lend_through_chain(struct page_call *call)
{
    unsigned i = self();
    bool is_outside = call == NULL;
    vmem_t *last = chains[is_outside ? CHAINS - 1 : i][CHAIN - 1];
    vmem_addr_t unit;
    bool failed = vmem_alloc(last, 1, VMEM_INSTANTFIT, &unit) != 0;

    if (call != NULL)
        call->failed = failed;
    if (failed)
        return NULL;
    claim(unit, 1);
    give(last, unit, 1);
    return is_outside ? NULL : any_stock_page();
}

static void take_stock_back(void *page)
{
    (void)stock_return(page);
}

static void refill_own(void)
{
    vmem_addr_t unit;
    int error = vmem_alloc(wanting[self()], 1, VMEM_INSTANTFIT, &unit);

    demand(error == 0 || (error == -VMEM_ENOMEM && any_call_failed()));
    if (error == 0)
        vmem_free(wanting[self()], unit, 1);
}

static void chains_set_up(void)
{
    const struct vmem_params params = {
        .name = "wanting", .size = 8, .quantum = 1, .flags = VMEM_ARENA_ORDERED};
    vmem_addr_t unit;

    for (unsigned i = 0; i < CHAINS; i++) {
        demand(vmem_create(&params, &wanting[i]) == 0);
        for (unsigned k = 0; k < CHAIN; k++)
            chains[i][k] = make("chain", 100 * i, k == 0 ? 8 : 0, k == 0 ? NULL : chains[i][k - 1]);
    }
    vmem_reap(NULL);
    use_up_tags();
    page_hook.lend = lend_through_chain;
    page_hook.take_back = take_stock_back;
    demand(vmem_alloc(wanting[CHAINS - 1], 1, VMEM_INSTANTFIT, &unit) == -VMEM_ENOMEM);
    fiber(0, refill_own);
    fiber(1, refill_own);
}

static void chains_finish(void)
{
    judge_calls();
    drop_ballast();
    for (unsigned i = 0; i < CHAINS; i++) {
        demand(vmem_destroy(wanting[i]) == 0);
        for (unsigned k = CHAIN; k-- > 0;)
            demand(vmem_destroy(chains[i][k]) == 0);
    }
}

/*
 * Requests that wait are served in the end: with the page that another brings, or with tags that
 * come back from an arena.
 */

static vmem_t *loan;

static void await_frame(void)
{
    vmem_addr_t frame;

    demand(vmem_alloc(arena, 1, VMEM_SLEEP, &frame) == 0);
    claim(frame, 1);
    held[self()] = frame;
}

static void wait_refill_set_up(void)
{
    frames_set_up();
    fiber(0, await_frame);
    fiber(1, await_frame);
}

enum { LOANS = 4, FIRST_LOAN = 200 };

static void give_tags_back(void)
{
    for (vmem_addr_t addr = FIRST_LOAN; addr < FIRST_LOAN + LOANS; addr++)
        give(loan, addr, 1);
    vmem_reap(loan);
}

static void wait_tags_set_up(void)
{
    loan = make("loan", FIRST_LOAN, 2 * LOANS, NULL);
    for (vmem_addr_t addr = FIRST_LOAN; addr < FIRST_LOAN + LOANS; addr++)
        demand(take_sure(loan, 1) == addr);
    vmem_reap(loan);
    frames_set_up();
    page_hook.refuses = true;
    fiber(0, await_frame);
    fiber(1, await_frame);
    fiber(0, give_tags_back);
}

static void wait_tags_finish(void)
{
    demand(vmem_destroy(loan) == 0);
    frames_finish();
}

const struct scenario tag_scenarios[] = {
    {"refill", "two refill tags, with pages of the arena that ran out", refill_set_up,
     frames_finish},
    {"refill-three", "three do", refill_three_set_up, frames_finish},
    {"refill-handler", "a handler does, above a thread that does", refill_handler_set_up,
     frames_finish},
    {"refill-reap", "one does while its arena is reaped", refill_reap_set_up, frames_finish},
    {"reserve", "two refill tags, each through a chain of imports of its own", chains_set_up,
     chains_finish},
    {"wait-refill", "two wait and refill tags, with pages of the arena that ran out",
     wait_refill_set_up, frames_finish},
    {"wait-tags", "two wait for tags, which come back from another arena", wait_tags_set_up,
     wait_tags_finish},
    {NULL, NULL, NULL, NULL},
};
