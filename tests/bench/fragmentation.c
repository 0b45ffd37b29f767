/* SPDX-License-Identifier: MIT */
/*
 * fragmentation.c - how much larger than its live volume a span must be.
 *
 * An operation allocates or frees one segment. The live volume is held: allocate, and whenever that
 * would pass the mark, free segments at random first. Three distributions of sizes, in quanta:
 *
 *     uniform       1..64
 *     log-uniform   1..127: an octave at random, then a size in it
 *     drift         1, then 2..3, ... then 64..127, each for a seventh of the operations; the
 *                   volume is ten times that of the others, so that a good part of the small
 *                   segments is still there when the large ones come
 *
 * The smallest span is found by bisection, to 1/1000 of the volume. An exact best fit with the
 * same operations (10^7, 10^4 segments of mean size) needs 1.033, 1.069 and 1.473, instant fit on
 * one list for each power of two 1.431, 1.516 and 1.935.
 */
#include <stdio.h>
#include <stdlib.h>
#include <vmem/vmem.h>

#include "random.h"
#include "sections.h"

enum distribution { UNIFORM, LOG_UNIFORM, DRIFT, DISTRIBUTIONS };

static const char *const names[DISTRIBUTIONS] = {"uniform 1..64", "log-uniform 1..127",
                                                 "drift small -> large"};
static const uint32_t volume_a_segment[DISTRIBUTIONS] = {32, 27, 320};

struct load {
    enum distribution distribution;
    unsigned policy;
    size_t operations;
    vmem_size_t volume; /* the mark */
};

struct block {
    vmem_addr_t addr;
    vmem_size_t size;
};

static vmem_size_t draw_size(const struct load *load, size_t operation, struct generator *generator)
{
    uint32_t octave;

    switch (load->distribution) {
    case LOG_UNIFORM:
        octave = 1u << random_below(generator, 7);
        return octave + random_below(generator, octave);
    case DRIFT:
        octave = 1u << (uint32_t)(7 * operation / load->operations);
        return octave + random_below(generator, octave);
    default:
        return 1 + random_below(generator, 64);
    }
}

/* Whether an arena of this span serves the load. `block` has room for `volume` of them. */
static bool serves(const struct load *load, vmem_size_t span, struct block *block)
{
    const struct vmem_params params = {.name = "fragmentation", .size = span, .quantum = 1};
    struct generator generator = {.state = 0x2545f4914f6cdd1d};
    vmem_size_t live = 0;
    size_t count = 0;
    bool served = true;
    vmem_t *arena;

    if (vmem_create(&params, &arena) != 0)
        exit(EXIT_FAILURE);
    for (size_t i = 0; served && i < load->operations; i++) {
        vmem_size_t size = draw_size(load, i, &generator);

        for (; live + size > load->volume; i++) {
            size_t chosen = random_below(&generator, (uint32_t)count);

            vmem_free(arena, block[chosen].addr, block[chosen].size);
            live -= block[chosen].size;
            block[chosen] = block[--count];
        }
        served = vmem_alloc(arena, size, load->policy, &block[count].addr) == 0;
        if (served) {
            block[count++].size = size;
            live += size;
        }
    }
    while (count-- > 0)
        vmem_free(arena, block[count].addr, block[count].size);
    (void)vmem_destroy(arena);
    return served;
}

static double smallest(const struct load *load, struct block *block)
{
    vmem_size_t low = load->volume, high = 3 * load->volume;

    while (high - low > load->volume / 1000 + 1) {
        vmem_size_t middle = low + (high - low) / 2;

        if (serves(load, middle, block))
            high = middle;
        else
            low = middle;
    }
    return (double)high / (double)load->volume;
}

void fragmentation_print(size_t operations, size_t live)
{
    static const struct {
        const char *name;
        unsigned policy;
    } ways[] = {
        {"instant", VMEM_INSTANTFIT},
        {"best", VMEM_BESTFIT},
    };

    printf("\nFragmentation: smallest span that serves %zu operations / live volume\n\n%-22s",
           operations, "");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        printf("%16s", ways[i].name);
    printf("\n");
    for (enum distribution d = 0; d < DISTRIBUTIONS; d++) {
        struct load load = {
            .distribution = d, .operations = operations, .volume = live * volume_a_segment[d]};
        struct block *block = malloc(load.volume * sizeof *block);

        if (block == NULL)
            exit(EXIT_FAILURE);
        printf("%-22s", names[d]);
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            load.policy = ways[i].policy;
            printf("%16.3f", smallest(&load, block));
            (void)fflush(stdout);
        }
        printf("\n");
        free(block);
    }
}
