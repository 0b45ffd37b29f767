/* SPDX-License-Identifier: MIT */
/*
 * arenas.c - arenas of a few units: full ones, imports, releases, reaps, destruction.
 *
 * What a refusal proves is told by time alone: one that is given to a fiber is right if at some
 * moment of the call there was nothing to be had. So a scenario notes who has begun what, and what
 * was over before.
 */
#include "scenarios.h"

#include <vmem/debug.h>

static vmem_t *arena;
static vmem_t *source;
static vmem_addr_t held[4];

static void destroy_both(void)
{
    demand(vmem_destroy(arena) == 0);
    demand(vmem_destroy(source) == 0);
}

/*
 * Two allocate while a third frees all that there is. Who begins after that finds room.
 */

static bool all_is_free;

static void take_if_any(unsigned i)
{
    bool sure = all_is_free;

    held[i] = take(arena, 1);
    demand(!sure || held[i] != NOWHERE);
}

static void full_first(void)
{
    take_if_any(0);
}

static void full_second(void)
{
    take_if_any(1);
}

static void full_free(void)
{
    give(arena, held[2], 1);
    give(arena, held[3], 1);
    all_is_free = true;
}

static void full_set_up(void)
{
    arena = make("full", 10, 2, NULL);
    held[2] = take(arena, 1);
    held[3] = take(arena, 1);
    watch(arena);
    fiber(0, full_first);
    fiber(1, full_second);
    fiber(0, full_free);
}

static void full_finish(void)
{
    give(arena, held[0], 1);
    give(arena, held[1], 1);
    demand(vmem_destroy(arena) == 0);
}

/*
 * Two import from one source that has room for one. What the other has given up it may keep, but
 * not when it is asked for.
 */

static struct importer {
    vmem_t *arena;
    bool begun, over;
} importers[2];

static void import_and_free(unsigned i)
{
    struct importer *self = &importers[i];
    const struct importer *other = &importers[1 - i];
    bool was_over = other->over;
    vmem_addr_t addr;

    self->begun = true;
    addr = take(self->arena, 2);
    demand(addr != NOWHERE || (other->begun && !was_over));
    give(self->arena, addr, 2);
    self->over = true;
}

static void import_first(void)
{
    import_and_free(0);
}

static void import_second(void)
{
    import_and_free(1);
}

static void import_set_up(void)
{
    source = make("source", 10, 3, NULL);
    importers[0].arena = make("first", 0, 0, source);
    importers[1].arena = make("second", 0, 0, source);
    give(importers[0].arena, take(importers[0].arena, 2), 2);
    watch(source);
    watch(importers[0].arena);
    watch(importers[1].arena);
    fiber(0, import_first);
    fiber(1, import_second);
}

static void import_finish(void)
{
    demand(vmem_destroy(importers[0].arena) == 0);
    demand(vmem_destroy(importers[1].arena) == 0);
    demand(vmem_destroy(source) == 0);
}

/*
 * Two bring about an import into one arena, where one span would do for both; a third reaps it.
 */

static void share_first(void)
{
    give(arena, take_sure(arena, 1), 1);
}

static void share_second(void)
{
    held[1] = take_sure(arena, 1);
}

static void reap_arena(void)
{
    vmem_reap(arena);
}

static void share_set_up(void)
{
    source = make("source", 10, 8, NULL);
    arena = make("child", 0, 0, source);
    watch(source);
    watch(arena);
    fiber(0, share_first);
    fiber(1, share_second);
}

static void share_finish(void)
{
    give(arena, held[1], 1);
    destroy_both();
}

/*
 * The arena keeps one empty span. A fiber empties another, so that the first is released, one
 * allocates, and one reaps. Nothing in what is released is in use, nor is it allocated from later.
 */

static int import_checked(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                          unsigned flags, vmem_addr_t *addrp)
{
    (void)ctx;
    return vmem_xalloc(source, size, c, flags, addrp);
}

static void release_checked(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    (void)ctx;
    if (is_claimed(addr, size))
        fail("release", "a span is released while in use");
    vmem_xfree(source, addr, size);
}

static void release_by_free(void)
{
    give(arena, held[1], 2);
}

static void release_against(void)
{
    struct vmem_segment span;

    held[2] = take_sure(arena, 2);
    if (!vmem_find(source, held[2], &span) || span.kind != VMEM_SEGMENT_ALLOCATED)
        fail("release", "what is allocated lies in a span that was released");
}

static void release_set_up(void)
{
    const struct vmem_params params = {.name = "child",
                                       .quantum = 1,
                                       .source = NULL,
                                       .import = import_checked,
                                       .release = release_checked};

    source = make("source", 10, 8, NULL);
    demand(vmem_create(&params, &arena) == 0);
    held[0] = take(arena, 2);
    held[1] = take(arena, 2);
    give(arena, held[0], 2);
    watch(source);
    watch(arena);
    fiber(0, release_by_free);
    fiber(1, release_against);
}

static void release_reap_set_up(void)
{
    release_set_up();
    fiber(0, reap_arena);
}

static void release_finish(void)
{
    give(arena, held[2], 2);
    destroy_both();
}

/*
 * Boundary tags are moved, out of a page that goes back, while others allocate and free.
 */

static void reap_alloc(void)
{
    held[0] = take_sure(arena, 1);
    give(arena, held[1], 1);
}

/* A page for tags is lent, and hardly used: by what `make_tags` makes. */
static void use_lent_page(void (*make_tags)(void))
{
    vmem_t *ballast = make("ballast", 0, 0, NULL);
    vmem_addr_t spans = 0;

    while (page_hook.lent < 4) /* spans take tags, but no place in the hash */
        demand(vmem_add(ballast, 1000 + 2 * spans++, 1, 0) == 0);
    make_tags();
    demand(vmem_destroy(ballast) == 0);
}

static void make_segments(void)
{
    arena = make("arena", 10, 8, NULL);
    held[1] = take(arena, 1);
    held[2] = take(arena, 1);
    held[3] = take(arena, 1);
    give(arena, held[2], 1);
}

static void reap_set_up(void)
{
    use_lent_page(make_segments);
    watch(arena);
    fiber(0, reap_alloc);
    fiber(1, reap_arena);
}

static void reap_finish(void)
{
    give(arena, held[0], 1);
    give(arena, held[3], 1);
    demand(vmem_destroy(arena) == 0);
}

/* The same in an arena that imports: a span that is to be kept is moved. */

static void free_span(void)
{
    give(arena, held[0], 1);
}

static void make_spans(void)
{
    source = make("source", 10, 8, NULL);
    arena = make("child", 0, 0, source);
    held[0] = take(arena, 1);
    held[1] = take(arena, 1);
}

static void reap_kept_set_up(void)
{
    use_lent_page(make_spans);
    watch(source);
    watch(arena);
    fiber(0, free_span);
    fiber(1, reap_arena);
}

static void reap_kept_finish(void)
{
    give(arena, held[1], 1);
    destroy_both();
}

/*
 * Two allocate where the hash of the arena is to grow, and both ask for the table.
 */

enum { SEGMENTS = 16 };

static vmem_addr_t segments[SEGMENTS];

static void grow_first(void)
{
    held[0] = take_sure(arena, 1);
    give(arena, segments[0], 1);
}

static void grow_second(void)
{
    held[1] = take_sure(arena, 1);
}

static void grow_set_up(void)
{
    arena = make("arena", 10, 32, NULL);
    for (unsigned i = 0; i < SEGMENTS; i++)
        segments[i] = take(arena, 1);
    watch(arena);
    fiber(0, grow_first);
    fiber(1, grow_second);
}

static void grow_reap_set_up(void)
{
    grow_set_up();
    fiber(0, reap_arena);
}

static void grow_finish(void)
{
    give(arena, held[0], 1);
    give(arena, held[1], 1);
    for (unsigned i = 1; i < SEGMENTS; i++)
        give(arena, segments[i], 1);
    demand(vmem_destroy(arena) == 0);
}

/*
 * An arena is destroyed while another fiber looks at it: -VMEM_EBUSY, or it is gone.
 */

static bool is_destroyed;

static void destroy_arena(void)
{
    int error = vmem_destroy(arena);

    demand(error == 0 || error == -VMEM_EBUSY);
    is_destroyed = error == 0;
}

static void destroy_against_reap(void)
{
    vmem_reap(NULL);
}

static void destroy_against_pressure(void)
{
    bool was_destroyed = is_destroyed;

    held[0] = take(source, 3);
    demand(held[0] != NOWHERE || !was_destroyed);
}

static void sink(void *ctx, const char *string)
{
    (void)ctx;
    (void)string;
}

static void destroy_against_print(void)
{
    vmem_print(sink, NULL);
    (void)vmem_whatis(11, sink, NULL);
}

/* The source too: which can go only when the last span is back. */
static void destroy_source(void)
{
    int error = vmem_destroy(source);

    demand(error == 0 || error == -VMEM_EBUSY);
    if (error == 0)
        source = NULL;
}

static void destroy_set_up(void)
{
    source = make("source", 10, 3, NULL);
    arena = make("child", 0, 0, source);
    give(arena, take(arena, 2), 2);
    held[0] = NOWHERE;
    fiber(0, destroy_arena);
}

static void destroy_reap_set_up(void)
{
    destroy_set_up();
    fiber(1, destroy_against_reap);
}

static void destroy_pressure_set_up(void)
{
    destroy_set_up();
    fiber(1, destroy_against_pressure);
    fiber(0, destroy_against_print);
}

static void destroy_source_set_up(void)
{
    destroy_set_up();
    fault_hook.allowed = VMEM_FAULT_BUSY;
    fiber(1, destroy_source);
}

static void destroy_finish(void)
{
    give(source, held[0], 3);
    if (!is_destroyed)
        demand(vmem_destroy(arena) == 0);
    if (source != NULL)
        demand(vmem_destroy(source) == 0);
}

const struct scenario arena_scenarios[] = {
    {"full", "two allocators and one freer on a full arena", full_set_up, full_finish},
    {"import", "two arenas import from one source that has room for one", import_set_up,
     import_finish},
    {"import-one", "two fibers import into one arena", share_set_up, share_finish},
    {"release", "an empty span is released while another allocates from it", release_set_up,
     release_finish},
    {"release-reap", "the same, and a reap", release_reap_set_up, release_finish},
    {"reap", "tags are moved while another allocates and frees", reap_set_up, reap_finish},
    {"reap-kept", "tags are moved while a span becomes empty", reap_kept_set_up, reap_kept_finish},
    {"hash", "the hash grows while two allocate", grow_set_up, grow_finish},
    {"hash-reap", "the same, and a reap", grow_reap_set_up, grow_finish},
    {"destroy-reap", "an arena is destroyed while all are reaped", destroy_reap_set_up,
     destroy_finish},
    {"destroy-pressure", "an arena is destroyed while its source is short, and while all are shown",
     destroy_pressure_set_up, destroy_finish},
    {"destroy-source", "an arena and its source are destroyed at once", destroy_source_set_up,
     destroy_finish},
    {NULL, NULL, NULL, NULL},
};
