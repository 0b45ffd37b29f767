/* SPDX-License-Identifier: MIT */
/*
 * spaces.c - arenas with quantum caches, against the model; see world.h.
 */
#include "world.h"

#include <inttypes.h>
#include <string.h>

#include <vmem/debug.h>

#define WIDE(x) ((uint64_t)(x))

void space_create(struct space *space, const struct vmem_params *params)
{
    int error;

    *space = (struct space){
        .name = params->name,
        .source = space->source,
        .quantum = params->quantum,
        .qcache_max = params->qcache_max,
        .flags = params->flags,
        .memory = space->memory,
        .exact = space->exact,
    };
    error = vmem_create(params, &space->arena);
    trace("create %s: base 0x%" PRIx64 " size 0x%" PRIx64 " quantum 0x%" PRIx64
          " qcache_max 0x%" PRIx64 " flags %u -> %d\n",
          space->name, WIDE(params->base), WIDE(params->size), WIDE(params->quantum),
          WIDE(params->qcache_max), params->flags, error);
    if (error != 0)
        disagree("vmem_create failed");
}

void space_destroy(struct space *space)
{
    struct vmem_stats stats;

    trace("destroy %s\n", space->name);
    vmem_stat(space->arena, &stats);
    if (stats.in_use != 0 || stats.segments != 0 || stats.allocs + space->splits != stats.frees)
        disagree("%s: 0x%" PRIx64 " in %zu segments are lost: %" PRIu64 " allocated, %" PRIu64
                 " freed",
                 space->name, WIDE(stats.in_use), stats.segments, stats.allocs, stats.frees);
    if (vmem_destroy(space->arena) != 0)
        disagree("vmem_destroy failed");
    expect_fault(VMEM_FAULT_NONE, "vmem_destroy");
    space->arena = NULL;
}

/* Allocation. */

static vmem_size_t round_up(const struct space *space, vmem_size_t size)
{
    return (size + (space->quantum - 1)) & ~(space->quantum - 1);
}

static vmem_size_t some_size(const struct space *space)
{
    vmem_size_t quanta = chance(1, 8) ? 1 + below(64) : 1 + below(12);

    return quanta * space->quantum - (chance(1, 4) ? below(space->quantum) : 0);
}

static struct vmem_constraints some_constraints(const struct space *space, vmem_size_t size)
{
    struct vmem_constraints c = {.align = space->quantum << below(6)};

    if (chance(1, 3))
        c.phase = below(c.align / space->quantum) * space->quantum;
    if (chance(1, 3)) {
        c.nocross = space->quantum;
        while (c.nocross < size)
            c.nocross *= 2;
        c.nocross *= 2;
    }
    return c;
}

static bool satisfies(const struct interval *segment, const struct vmem_constraints *c)
{
    vmem_addr_t last = segment->addr + (segment->size - 1);

    return segment->addr % c->align == c->phase &&
           (c->nocross == 0 || segment->addr / c->nocross == last / c->nocross);
}

uint64_t excuses(void)
{
    return page_hook.refusals + world.reclaimed;
}

void space_expect_full(struct space *space, vmem_size_t size, vmem_size_t align)
{
    /* What is aligned is memory, which does not begin at 0. */
    struct vmem_constraints c = {.align = align, .min = align > 0 ? 1 : 0};
    unsigned refuse_in = page_hook.refuse_in;
    vmem_addr_t addr;

    page_hook.refuse_in = 0;
    world.nothing_to_spare = true;
    if (vmem_xalloc(space->arena, size, &c, VMEM_FIRSTFIT, &addr) == 0)
        disagree("%s: 0x%" PRIx64 " aligned to 0x%" PRIx64 " was refused, but lies at 0x%" PRIx64,
                 space->name, WIDE(size), WIDE(align), WIDE(addr));
    world.nothing_to_spare = false;
    page_hook.refuse_in = refuse_in;
    space->tally.fails++;
    expect_fault(VMEM_FAULT_NONE, "a second try");
}

void space_alloc(struct space *space)
{
    vmem_size_t size = some_size(space);
    struct vmem_constraints c = some_constraints(space, size);
    unsigned policy = some_policy();
    bool constrained = chance(1, 6);
    uint64_t refusals = page_hook.refusals, before = excuses();
    struct interval segment = {
        .size = round_up(space, size),
        .owner = space,
        .pattern = rng_next(&world_rng),
        .asked = size,
        .align = space->quantum,
        .cached =
            !constrained && policy == VMEM_INSTANTFIT && round_up(space, size) <= space->qcache_max,
    };
    int error;

    error = constrained ? vmem_xalloc(space->arena, size, &c, policy, &segment.addr)
                        : vmem_alloc(space->arena, size, policy, &segment.addr);
    trace("alloc %s: 0x%" PRIx64 " policy %u%s -> %d 0x%" PRIx64 "\n", space->name, WIDE(size),
          policy, constrained ? " constrained" : "", error, error == 0 ? WIDE(segment.addr) : 0);
    expect_fault(VMEM_FAULT_NONE, "allocation");
    if (error != 0) {
        space->tally.fails++;
        if (error != -VMEM_ENOSPC && (error != -VMEM_ENOMEM || page_hook.refusals == refusals))
            disagree("allocation failed with %d", error);
        if (!constrained && excuses() == before)
            space_expect_full(space, size, 0);
        return;
    }
    if (segment.addr % space->quantum != 0 || (constrained && !satisfies(&segment, &c)))
        disagree("0x%" PRIx64 " does not satisfy the constraints", WIDE(segment.addr));
    segment.filled = space->memory ? segment.size : 0;
    space->tally.allocs++;
    space->in_use += segment.size;
    space->segments++;
    world_take(&segment);
}

void space_free(struct space *space, size_t index)
{
    struct interval segment = world.out.at[index];
    vmem_size_t size = chance(1, 2) ? segment.size : segment.asked;

    world_give(index);
    trace("free %s: 0x%" PRIx64 " 0x%" PRIx64 "\n", space->name, WIDE(segment.addr), WIDE(size));
    if (chance(1, 2))
        vmem_free(space->arena, segment.addr, size);
    else
        vmem_xfree(space->arena, segment.addr, size);
    expect_fault(VMEM_FAULT_NONE, "free");
    space->tally.frees++;
    space->in_use -= segment.size;
    space->segments--;
}

/* Resize and split: a quantum cache's segment stays as it is. */

void space_resize(struct space *space)
{
    uint64_t refusals = page_hook.refusals;
    struct interval segment;
    vmem_size_t size;
    size_t index;
    int error;

    if (!world_some(space, &index))
        return;
    segment = world.out.at[index];
    size = chance(1, 4) ? segment.size : round_up(space, some_size(space));
    world_give(index);
    error = vmem_resize(space->arena, segment.addr, segment.size, size, 0);
    trace("resize %s: 0x%" PRIx64 " from 0x%" PRIx64 " to 0x%" PRIx64 " -> %d\n", space->name,
          WIDE(segment.addr), WIDE(segment.size), WIDE(size), error);
    expect_fault(VMEM_FAULT_NONE, "resize");
    if (error == -VMEM_ENOMEM && page_hook.refusals == refusals)
        disagree("resize has no memory, although no page was refused");
    if (error == -VMEM_ENOSPC && size <= segment.size && !segment.cached)
        disagree("resize needs no space to shrink");
    if (error != 0 && size == segment.size)
        disagree("resize to the same size failed with %d", error);
    if (error == 0) {
        space->in_use += size - segment.size;
        segment.cached = segment.cached && size == segment.size;
        segment.size = segment.asked = size;
    }
    if (!pattern_holds(&segment, segment.addr, segment.size))
        disagree("resize wrote into the segment");
    segment.filled = space->memory ? segment.size : 0;
    world_take(&segment);
}

void space_split(struct space *space)
{
    uint64_t refusals = page_hook.refusals;
    struct interval head, tail;
    vmem_size_t offset;
    size_t index;
    int error;

    if (!world_some(space, &index) || world.out.at[index].size == space->quantum)
        return;
    head = tail = world.out.at[index];
    offset = (1 + below(head.size / space->quantum - 1)) * space->quantum;
    error = vmem_split(space->arena, head.addr, head.size, offset);
    trace("split %s: 0x%" PRIx64 " 0x%" PRIx64 " at 0x%" PRIx64 " -> %d\n", space->name,
          WIDE(head.addr), WIDE(head.size), WIDE(offset), error);
    expect_fault(VMEM_FAULT_NONE, "split");
    if (error == -VMEM_ENOSPC
            ? !head.cached
            : error != 0 && (error != -VMEM_ENOMEM || page_hook.refusals == refusals))
        disagree("split failed with %d", error);
    if (error != 0)
        return;
    world_give(index);
    head.size = head.asked = offset;
    tail.addr += offset;
    tail.size = tail.asked = tail.size - offset;
    head.filled = space->memory ? head.size : 0;
    tail.filled = space->memory ? tail.size : 0;
    head.cached = tail.cached = false;
    space->segments++;
    space->splits++; /* freed twice, allocated once */
    world_take(&head);
    world_take(&tail);
}

/* Misuse. What a quantum cache takes in without a look (and without VMEM_CONFIG_DEBUG) is left out.
 */

static bool is_looked_at(const struct space *space, vmem_size_t size)
{
    return VMEM_CONFIG_DEBUG || size > space->qcache_max;
}

void space_misuse(struct space *space)
{
    struct interval segment;
    size_t index;

    if (!world_some(space, &index))
        return;
    segment = world.out.at[index];
    trace("misuse %s\n", space->name);
    if (chance(1, 4)) {
        if (vmem_destroy(space->arena) != -VMEM_EBUSY)
            disagree("an arena in use is destroyed");
        expect_fault(VMEM_FAULT_BUSY, "vmem_destroy of an arena in use");
    } else if (chance(1, 2) && is_looked_at(space, segment.size + space->quantum)) {
        vmem_free(space->arena, segment.addr, segment.size + space->quantum);
        expect_fault(VMEM_FAULT_WRONG_SIZE, "free of too much");
    } else if (segment.size > space->quantum &&
               is_looked_at(space, segment.size - space->quantum)) {
        vmem_free(space->arena, segment.addr + space->quantum, segment.size - space->quantum);
        expect_fault(VMEM_FAULT_MISALIGNED, "free of a part");
    } else if (is_looked_at(space, segment.size)) {
        space_free(space, index);
        if (!vmem_contains(space->arena, segment.addr, segment.size))
            return;
        vmem_free(space->arena, segment.addr, segment.size);
        expect_fault(VMEM_FAULT_DOUBLE_FREE, "free of what is free");
    }
}

void space_reap(struct space *space)
{
    trace("reap %s\n", space->name);
    vmem_reap(space->arena);
    expect_fault(VMEM_FAULT_NONE, "reap");
}

/* Looking. */

/* What the caches and heaps of this arena have of it, and those that import from it. */
static vmem_size_t lent(const struct space *space)
{
    struct vmem_cache_stats cache;
    struct vmem_heap_stats heap;
    struct vmem_stats child;
    vmem_size_t sum = 0;

    for (size_t i = 0; i < CACHES; i++) {
        if (world.caches[i].cache == NULL || world.caches[i].space != space)
            continue;
        vmem_cache_stat(world.caches[i].cache, &cache);
        sum += cache.slabs * cache.slab_size;
    }
    for (size_t i = 0; i < HEAPS; i++) {
        if (world.heaps[i].heap == NULL || world.heaps[i].space != space)
            continue;
        vmem_heap_stat(world.heaps[i].heap, &heap);
        sum += heap.held;
    }
    for (size_t i = 0; i < SPACES; i++) {
        if (world.spaces[i].arena == NULL || world.spaces[i].source != space)
            continue;
        vmem_stat(world.spaces[i].arena, &child);
        sum += child.imported;
    }
    return sum;
}

/* The walk: in address order, without gaps, and what it says is allocated adds up. */
static void check_walk(struct space *space, const struct vmem_stats *stats)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    vmem_size_t allocated = 0, total = 0, left = 0;
    vmem_addr_t next = 0;

    while (vmem_walk_next(space->arena, &cursor, &segment)) {
        if (segment.kind == VMEM_SEGMENT_SPAN) {
            if (left != 0)
                disagree("%s: the walk leaves a span early", space->name);
            left = segment.size;
            next = segment.addr;
            total += segment.size;
            continue;
        }
        if (segment.addr != next || segment.size > left || segment.size == 0)
            disagree("%s: the walk shows 0x%" PRIx64 " + 0x%" PRIx64 ", but 0x%" PRIx64 " is next",
                     space->name, WIDE(segment.addr), WIDE(segment.size), WIDE(next));
        next += segment.size;
        left -= segment.size;
        if (segment.kind == VMEM_SEGMENT_ALLOCATED)
            allocated += segment.size;
    }
    if (left != 0 || total != stats->total || allocated != stats->in_use)
        disagree("%s: the walk shows 0x%" PRIx64 " of 0x%" PRIx64 " allocated, it is 0x%" PRIx64
                 " of 0x%" PRIx64,
                 space->name, WIDE(allocated), WIDE(total), WIDE(stats->in_use),
                 WIDE(stats->total));
}

/* Each segment that is out is found. */
static void check_find(struct space *space)
{
    for (size_t i = 0; i < world.out.count; i++) {
        const struct interval *out = &world.out.at[i];
        struct vmem_segment found;

        if (out->owner != space)
            continue;
        memset(&found, 0, sizeof(found));
        if (!vmem_find(space->arena, out->addr + below(out->size), &found) ||
            found.kind != VMEM_SEGMENT_ALLOCATED || found.addr != out->addr ||
            found.size != out->size)
            disagree(
                "%s: 0x%" PRIx64 " + 0x%" PRIx64 " is not found, but 0x%" PRIx64 " + 0x%" PRIx64,
                space->name, WIDE(out->addr), WIDE(out->size), WIDE(found.addr), WIDE(found.size));
    }
}

void space_check(struct space *space)
{
    struct vmem_stats stats;

    memset(&stats, 0x5a, sizeof(stats));
    vmem_stat(space->arena, &stats);
    if (stats.in_use != space->in_use + lent(space) || stats.in_use + stats.free != stats.total)
        disagree("%s: 0x%" PRIx64 " in use and 0x%" PRIx64 " free of 0x%" PRIx64
                 ", expected 0x%" PRIx64 " + 0x%" PRIx64 " in use",
                 space->name, WIDE(stats.in_use), WIDE(stats.free), WIDE(stats.total),
                 WIDE(space->in_use), WIDE(lent(space)));
    if (space->exact && (stats.allocs != space->tally.allocs || stats.frees != space->tally.frees ||
                         stats.fails != space->tally.fails))
        disagree("%s: the counters are %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", expected %" PRIu64
                 ", %" PRIu64 ", %" PRIu64,
                 space->name, stats.allocs, stats.frees, stats.fails, space->tally.allocs,
                 space->tally.frees, space->tally.fails);
    if (lent(space) == 0 && stats.segments != space->segments)
        disagree("%s: %zu segments, expected %zu", space->name, stats.segments, space->segments);
    check_walk(space, &stats);
    check_find(space);
    if (vmem_check(space->arena) != 0)
        disagree("%s: vmem_check: %s", space->name, fault_hook.last.what);
    expect_fault(VMEM_FAULT_NONE, "a look");
}
