/* SPDX-License-Identifier: MIT */
/*
 * footprint.c - what the library needs for its own bookkeeping: the pages that it holds.
 *
 * Bytes a live segment: an arena half full with sizes of 1..64 quanta, each replaced twice at
 * random, so that its free segments, the hash and all that is kept in reserve are included.
 * Bytes a cached quantum: objects of one quantum from an arena whose caches go up to eight, first
 * all handed out, then all given back, when they wait in magazines.
 *
 * Bits an ID: what a space itself says that it holds.
 *
 * Bytes of an arena: so many arenas that the pages shared by all no longer matter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <vmem/id.h>

#include "mixes.h"
#include "pages.h"
#include "sections.h"

enum { ARENAS = 256 };

static double bytes_a_segment(size_t live, unsigned policy, unsigned flags)
{
    const struct mix mix = {.name = "footprint",
                            .layout = LAYOUT_DENSE,
                            .live = live,
                            .largest = 64,
                            .quantum = 1,
                            .policy = policy,
                            .flags = flags};
    size_t before, held;
    struct run run;

    vmem_reap(NULL);
    before = pages_held();
    run_prepare(&run, &mix, SUBJECT_LIBRARY, 0, 2 * live);
    run_warm(&run);
    held = pages_held() - before;
    run_destroy(&run);
    return (double)held / (double)live;
}

static double bytes_an_arena(vmem_size_t size, unsigned arena_flags)
{
    const struct vmem_params params = {
        .name = "footprint", .size = size, .quantum = 1, .flags = arena_flags};
    vmem_t *arena[ARENAS];
    size_t before, held;

    vmem_reap(NULL);
    before = pages_held();
    for (size_t i = 0; i < ARENAS; i++)
        if (vmem_create(&params, &arena[i]) != 0)
            exit(EXIT_FAILURE);
    held = pages_held() - before;
    for (size_t i = 0; i < ARENAS; i++)
        (void)vmem_destroy(arena[i]);
    return (double)held / ARENAS;
}

static void cached_print(size_t objects)
{
    const struct vmem_params params = {
        .name = "footprint", .size = 16 * objects, .quantum = 1, .qcache_max = 8};
    vmem_addr_t *addr = malloc(objects * sizeof *addr);
    size_t before, live, waiting;
    vmem_t *arena;

    vmem_reap(NULL);
    before = pages_held();
    if (addr == NULL || vmem_create(&params, &arena) != 0)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < objects; i++)
        if (vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr[i]) != 0)
            exit(EXIT_FAILURE);
    live = pages_held() - before;
    for (size_t i = 0; i < objects; i++)
        vmem_free(arena, addr[i], 1);
    waiting = pages_held() - before;
    (void)vmem_destroy(arena);
    free(addr);
    printf("\nBytes a quantum in a quantum cache, %zu of them: handed out %.1f, waiting %.1f\n",
           objects, (double)live / (double)objects, (double)waiting / (double)objects);
}

/* Bits an ID, with every `step`th allocated; bytes of the space, with none (step 0). */
static double space_size(unsigned bits, vmem_size_t step)
{
    const vmem_size_t size = (vmem_size_t)1 << bits;
    const struct vmem_id_params params = {.name = "footprint", .max = size - 1};
    struct vmem_id_stats stats;
    vmem_id_t *space;

    if (vmem_id_create(&params, &space) != 0)
        exit(EXIT_FAILURE);
    for (vmem_addr_t id = 0; step != 0 && id < size; id += step)
        if (vmem_id_take(space, id) != 0)
            exit(EXIT_FAILURE);
    vmem_id_stat(space, &stats);
    for (vmem_addr_t id = 0; step != 0 && id < size; id += step)
        vmem_id_free(space, id);
    (void)vmem_id_destroy(space);
    return step == 0 ? (double)stats.bytes : 8 * (double)stats.bytes / (double)size;
}

static void spaces_print(unsigned most)
{
    printf("\nAn ID space: bytes when empty, bits an ID when half full and when full\n\n"
           "%-10s%12s%12s%12s\n",
           "IDs", "empty", "half", "full");
    for (unsigned bits = 15; bits <= most; bits += 7)
        printf("2^%-8u%12.0f%12.2f%12.2f\n", bits, space_size(bits, 0), space_size(bits, 2),
               space_size(bits, 1));
    printf("2^%-8u%12.0f\n", 32U, space_size(32, 0));
}

void footprint_print(size_t most)
{
    printf("\nBytes a live segment, hash and free tags included\n\n%-10s%12s%12s%12s\n", "live",
           "instant", "best", "ordered");
    for (size_t live = most < 10000 ? most : 10000; live <= most; live *= 10)
        printf("%-10zu%12.1f%12.1f%12.1f\n", live, bytes_a_segment(live, VMEM_INSTANTFIT, 0),
               bytes_a_segment(live, VMEM_BESTFIT, 0),
               bytes_a_segment(live, VMEM_FIRSTFIT, VMEM_ARENA_ORDERED));
    printf("\nBytes of an arena before the first allocation\n\n%-10s%12s%12s\n", "IDs", "freelists",
           "ordered");
    for (unsigned bits = 5; bits <= 45; bits += 10)
        printf("2^%-8u%12.0f%12.0f\n", bits, bytes_an_arena((vmem_size_t)1 << bits, 0),
               bytes_an_arena((vmem_size_t)1 << bits, VMEM_ARENA_ORDERED));
    cached_print(most < 100000 ? most : 100000);
    spaces_print(most < 100000 ? 15 : 22);
}
