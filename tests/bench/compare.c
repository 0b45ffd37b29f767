/* SPDX-License-Identifier: MIT */
/*
 * compare.c - a pair of objects or blocks: the library's ways, and other allocators beside them.
 *
 * All are measured on one mix before the next, so that what drifts on the machine is much the same
 * for all. Times are net of the empty loop, which each program measures for itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "blocks.h"
#include "clock.h"
#include "counts.h"
#include "rivals.h"
#include "sections.h"

enum { REPETITIONS = 51, ROWS = BLOCKS_MALLOC + 8, MIXES = 4 };

/* ns a pair; negative: there is nothing to say. */
static double table[ROWS][MIXES];

static uint64_t lesser(uint64_t best, const struct block_run *run)
{
    uint64_t ns = clock_ns();

    block_run_measure(run);
    ns = clock_ns() - ns;
    return ns < best ? ns : best;
}

/* The subject and the empty loop in turn, so that a moment that is slow is so for both. */
static double time_pairs(const struct block_mix *mix, enum block_subject subject, size_t pairs)
{
    uint64_t with = UINT64_MAX, without = UINT64_MAX;
    struct block_run run, empty;

    block_run_prepare(&run, mix, subject, pairs, BLOCKS_SEED);
    block_run_prepare(&empty, mix, BLOCKS_EMPTY, pairs, BLOCKS_SEED);
    block_run_warm(&run);
    for (int i = 0; i < REPETITIONS; i++) {
        with = lesser(with, &run);
        without = lesser(without, &empty);
    }
    block_run_destroy(&run);
    block_run_destroy(&empty);
    return ((double)with - (double)without) / (double)run.pairs;
}

void compare_answer(size_t mix, size_t pairs)
{
    printf("%f\n", time_pairs(&block_mixes[mix], BLOCKS_MALLOC, pairs));
}

static void measure(const char *program, size_t mix, size_t pairs)
{
    char arguments[64];

    for (enum block_subject way = 0; way < BLOCKS_MALLOC; way++)
        table[way][mix] =
            blocks_serves(way, &block_mixes[mix]) ? time_pairs(&block_mixes[mix], way, pairs) : -1;
    (void)snprintf(arguments, sizeof arguments, "%zu %zu", mix, pairs);
    for (size_t i = 0; i < rival_count; i++)
        if (!rival_ask(&rivals[i], program, arguments, &table[BLOCKS_MALLOC + i][mix]))
            table[BLOCKS_MALLOC + i][mix] = -1;
}

static void print_row(const char *name, const double *row)
{
    printf("%-12s", name);
    for (size_t mix = 0; mix < block_mix_count; mix++) {
        counts_print(block_mixes[mix].name, name, 10);
        if (row[mix] < 0)
            printf("%8s%7s", "-", "-");
        else
            printf("%8.1f%7.2f", row[mix], row[mix] / table[BLOCKS_SIZED][mix]);
    }
    printf("\n");
}

void compare_print(const char *program, size_t pairs)
{
    blocks_open();
    for (size_t mix = 0; mix < block_mix_count; mix++)
        measure(program, mix, pairs);
    blocks_close();
    printf(
        "\nObjects and blocks, a pair: instructions, ns, and the time over that of the heap with "
        "sized free\n\n%-12s",
        "");
    for (size_t mix = 0; mix < block_mix_count; mix++)
        printf("%25s", block_mixes[mix].name);
    printf("\n");
    for (enum block_subject way = 0; way < BLOCKS_MALLOC; way++)
        print_row(block_subject_names[way], table[way]);
    for (size_t i = 0; i < rival_count; i++) {
        if (table[BLOCKS_MALLOC + i][0] < 0)
            printf("%-12snot installed: %s\n", rivals[i].name, rivals[i].library);
        else
            print_row(rivals[i].name, table[BLOCKS_MALLOC + i]);
    }
}
