/* SPDX-License-Identifier: MIT */
/*
 * segments.c - arenas with n live segments: freelists, spans that are imported, and a tree.
 */
#include "meter.h"

#include <arena.h>
#include <vmem/vmem.h>

enum { PAIRS = 20000, FEW = 3, LARGEST = 64, GROUP = 5, HOLE = 32 };

static vmem_t *create(const struct vmem_params *params)
{
    vmem_t *arena = NULL;

    expect(vmem_create(params, &arena) == 0, "an arena is created");
    meter_know(&arena->lock, LOCK_ARENA);
    return arena;
}

static void alloc(vmem_t *arena, struct segment *segment, unsigned policy, enum operation operation)
{
    measure(operation);
    int error = vmem_alloc(arena, segment->size, policy, &segment->addr);
    measure(NOTHING);
    expect(error == 0, "there is room");
}

static void give(vmem_t *arena, const struct segment *segment, enum operation operation)
{
    measure(operation);
    vmem_free(arena, segment->addr, segment->size);
    measure(NOTHING);
}

static void grow(vmem_t *arena, size_t n, vmem_size_t largest, unsigned policy,
                 enum operation operation)
{
    for (size_t i = 0; i < n; i++) {
        live[i].size = 1 + random_to((uint32_t)largest);
        alloc(arena, &live[i], policy, operation);
    }
}

static void shrink_to(vmem_t *arena, size_t n, size_t end, enum operation operation)
{
    for (; n > end; n--) {
        size_t i = random_to((uint32_t)n);

        give(arena, &live[i], operation);
        live[i] = live[n - 1];
    }
}

static void shrink(vmem_t *arena, size_t n, enum operation operation)
{
    shrink_to(arena, n, 0, operation);
}

/* Frees a segment at random and allocates another. */
static void churn(vmem_t *arena, size_t n, unsigned pairs, unsigned policy,
                  enum operation allocating, enum operation freeing)
{
    for (unsigned i = 0; i < pairs; i++) {
        struct segment *segment = &live[random_to((uint32_t)n)];

        give(arena, segment, freeing);
        segment->size = 1 + random_to(LARGEST);
        alloc(arena, segment, policy, allocating);
    }
}

static void aligned(vmem_t *arena, size_t n)
{
    const struct vmem_constraints c = {.align = LARGEST};

    for (unsigned i = 0; i < PAIRS / 4; i++) {
        struct segment *segment = &live[random_to((uint32_t)n)];

        give(arena, segment, FREE_RANDOM);
        segment->size = 1 + random_to(LARGEST);
        measure(ALLOC_ALIGNED);
        int error = vmem_xalloc(arena, segment->size, &c, VMEM_INSTANTFIT, &segment->addr);
        measure(NOTHING);
        expect(error == 0, "there is room for an aligned segment");
    }
}

/* Grows, where what follows is free, and shrinks, by one quantum. */
static void resize(vmem_t *arena, size_t n)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        struct segment *segment = &live[random_to((uint32_t)n)];
        vmem_size_t size =
            (i & 1) != 0 || segment->size == 1 ? segment->size + 1 : segment->size - 1;

        measure(RESIZE);
        if (vmem_resize(arena, segment->addr, segment->size, size, 0) == 0)
            segment->size = size;
        measure(NOTHING);
    }
}

static void split(vmem_t *arena, size_t n)
{
    for (unsigned i = 0; i < PAIRS / 4; i++) {
        struct segment *segment = &live[random_to((uint32_t)n)];
        struct segment rest = {segment->addr + 1, segment->size - 1};

        if (segment->size == 1)
            continue;
        measure(SPLIT);
        int error = vmem_split(arena, segment->addr, segment->size, 1);
        measure(NOTHING);
        expect(error == 0, "a segment is split");
        segment->size = 1;
        give(arena, &rest, FREE_RANDOM);
    }
}

static void general(size_t n)
{
    const struct vmem_params params = {.name = "general", .size = 2 * n * LARGEST, .quantum = 1};
    vmem_t *arena = create(&params);
    struct vmem_stats stats;

    grow(arena, n, LARGEST, VMEM_INSTANTFIT, ALLOC_GROWING);
    churn(arena, n, PAIRS, VMEM_INSTANTFIT, ALLOC_INSTANT, FREE_RANDOM);
    churn(arena, n, PAIRS, VMEM_BESTFIT, ALLOC_BEST, FREE_RANDOM);
    aligned(arena, n);
    resize(arena, n);
    split(arena, n);
    churn(arena, n, FEW, VMEM_NEXTFIT, ALLOC_NEXT, FREE_RANDOM);
    measure(STAT);
    vmem_stat(arena, &stats);
    measure(CHECK);
    expect(vmem_check(arena) == 0, "every invariant holds in an arena");
    measure(REAP);
    vmem_reap(arena);
    shrink_to(arena, n, n / 16, FREE_SHRINKING);
    measure(REAP);
    vmem_reap(arena);
    shrink_to(arena, n / 16, 0, FREE_SHRINKING);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
}

/*
 * An arena full of segments of one quantum. In groups of five, frees the first (its neighbours are
 * allocated), the second (the one before is free), the fourth (none is) and the third (both are).
 */
static void merges(size_t n)
{
    const struct vmem_params params = {.name = "merges", .size = n, .quantum = 1};
    static const unsigned place[] = {0, 1, 3, 2};
    static const enum operation freeing[] = {FREE_ALONE, FREE_ONE, FREE_ALONE, FREE_TWO};
    vmem_t *arena = create(&params);
    size_t step = n / GROUP > PAIRS ? n / PAIRS : GROUP;

    grow(arena, n, 1, VMEM_INSTANTFIT, ALLOC_GROWING);
    for (unsigned pass = 0; pass < sizeof place / sizeof *place; pass++)
        for (size_t i = 0; i + GROUP <= n; i += step)
            give(arena, &(struct segment){i + place[pass], 1}, freeing[pass]);
    for (size_t i = 0; i + GROUP <= n; i += step)
        for (unsigned taken = 0; taken < sizeof place / sizeof *place; taken++)
            alloc(arena, &(struct segment){0, 1}, VMEM_BESTFIT, ALLOC_BEST);
    shrink(arena, n, FREE_SHRINKING);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
}

/* A request for which the only list that might serve has n/2 holes, all of them too small. */
static void refusal(size_t n, unsigned flags, enum operation operation)
{
    const struct vmem_params params = {
        .name = "refusal", .size = n / 2 * (HOLE + 1), .quantum = 1, .flags = flags};
    vmem_t *arena = create(&params);
    struct vmem_stats stats;
    vmem_addr_t addr;

    for (size_t i = 0; i < n; i++) {
        live[i].size = (i & 1) != 0 ? 1 : HOLE;
        alloc(arena, &live[i], VMEM_INSTANTFIT, ALLOC_GROWING);
    }
    for (size_t i = 0; i < n; i += 2)
        give(arena, &live[i], FREE_ALONE);
    for (unsigned i = 0; i < FEW; i++) {
        measure(operation);
        expect(vmem_alloc(arena, HOLE + 1, 0, &addr) == -VMEM_ENOSPC, "no hole is large enough");
        measure(STAT_HOLES);
        vmem_stat(arena, &stats);
        measure(NOTHING);
    }
    for (size_t i = 1; i < n; i += 2)
        give(arena, &live[i], FREE_TWO);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
}

void segments_run(size_t n)
{
    general(n);
    merges(n);
    refusal(n, 0, ALLOC_REFUSED);
    refusal(n, VMEM_ARENA_STRICT, ALLOC_STRICT_REFUSED);
}

/* An arena that imports each of its segments, and so has n spans. */
static void imported_run(size_t n)
{
    const struct vmem_params source_params = {.name = "source", .size = 2 * n, .quantum = 1};
    vmem_t *source = create(&source_params);
    const struct vmem_params params = {.name = "importer", .quantum = 1, .source = source};
    vmem_t *arena = create(&params);

    grow(arena, n, 1, VMEM_INSTANTFIT, IMPORT);
    for (unsigned i = 0; i < PAIRS; i++) {
        measure(CONTAINS);
        expect(vmem_contains(arena, live[random_to((uint32_t)n)].addr, 1), "a span is found");
        measure(NOTHING);
    }
    shrink(arena, n / 2, RELEASE);
    for (size_t i = n / 2; i < n; i++)
        give(arena, &live[i], RELEASE);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
    expect(vmem_destroy(source) == 0, "its source is destroyed");
}

/* Spans that were added stay until the end, when all that is free has the same size. */
static void added_run(size_t n)
{
    const struct vmem_params params = {.name = "added", .quantum = 1, .qcache_max = 1};
    vmem_t *arena = create(&params);

    for (size_t i = 0; i < n; i++) {
        measure(ADD);
        int error = vmem_add(arena, 2 * i, 1, 0);
        measure(NOTHING);
        expect(error == 0, "a span is added");
    }
    measure(DESTROY);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
    measure(NOTHING);
}

/* Each span is twice as large as the one before: the table of lists is copied to a larger one. */
static void larger_run(void)
{
    const struct vmem_params params = {.name = "larger", .quantum = 1};
    vmem_t *arena = create(&params);

    for (unsigned bit = 0; bit < 63; bit++) {
        measure(ADD_LARGER);
        int error = vmem_add(arena, (vmem_addr_t)1 << bit, (vmem_size_t)1 << bit, 0);
        measure(NOTHING);
        expect(error == 0, "a span is added");
    }
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
}

void spans_run(size_t n)
{
    imported_run(n);
    added_run(n);
    larger_run();
}

void ordered_run(size_t n)
{
    const struct vmem_params params = {
        .name = "ordered", .size = n * LARGEST, .quantum = 1, .flags = VMEM_ARENA_ORDERED};
    vmem_t *arena = create(&params);

    grow(arena, n, LARGEST, VMEM_FIRSTFIT, ORDERED_FIRST);
    churn(arena, n, PAIRS, VMEM_FIRSTFIT, ORDERED_FIRST, ORDERED_FREE);
    churn(arena, n, PAIRS, VMEM_NEXTFIT, ORDERED_NEXT, ORDERED_FREE);
    shrink(arena, n, ORDERED_FREE);
    expect(vmem_destroy(arena) == 0, "an arena is destroyed");
}
