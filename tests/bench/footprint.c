/* SPDX-License-Identifier: MIT */
/*
 * footprint.c - what the library needs for its own bookkeeping: the pages that it holds.
 *
 * Bytes a live segment: an arena half full with sizes of 1..64 quanta, each replaced twice at
 * random, so that its free segments, the hash and all that is kept in reserve are included.
 * Bytes of an arena: so many arenas that the pages shared by all no longer matter.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mixes.h"
#include "pages.h"
#include "sections.h"

enum { ARENAS = 256 };

static double bytes_a_segment(size_t live, unsigned policy, unsigned arena_flags)
{
    const struct mix mix = {.name = "footprint",
                            .layout = LAYOUT_DENSE,
                            .live = live,
                            .largest = 64,
                            .quantum = 1,
                            .policy = policy,
                            .arena_flags = arena_flags};
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
}
