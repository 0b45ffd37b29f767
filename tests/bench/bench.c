/* SPDX-License-Identifier: MIT */
/*
 * bench.c - vmem-bench: what arenas, ID spaces, caches and the heap cost.
 *
 *     vmem-bench                    every section at full size; some minutes
 *     vmem-bench SECTION [FILE]     one of: speed blocks fragmentation growth memory;
 *                                   with the instruction counts that are in FILE
 *     vmem-bench speed FILE MIX     only the mixes whose names begin so
 *     vmem-bench quick              every section, tiny: shows only that all of it works
 *     vmem-bench count [MIX]        for callgrind; run.sh makes FILE from it
 *
 * A pair is one free and one allocation. Instructions are exact and the same from run to run;
 * times are the best of several repetitions, less those of the empty loop, and still drift by
 * some per cent. Cycles are core cycles, for comparison between machines. The single calls are
 * allocations and frees together, each the least of its times in several runs (growth.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "clock.h"
#include "counts.h"
#include "mixes.h"
#include "rivals.h"
#include "sections.h"

enum {
    REPETITIONS = 9,
    SAMPLE_RUNS = 3,
    PAIRS = 200000,       /* or as many as there are live segments, if that is more */
    PAIRS_COUNTED = 20000 /* under callgrind, which is slow */
};

/* Sizes of a run: 0 means what each mix says. */
struct scale {
    size_t live, pairs;
};

static size_t pairs_of(const struct mix *mix, enum subject_kind subject, const struct scale *scale)
{
    size_t pairs = mix->live > PAIRS ? mix->live : PAIRS;

    if (scale->pairs != 0)
        return scale->pairs;
    if (subject == SUBJECT_BASELINE)
        pairs = 20000000 / (mix->live + 100);
    return pairs > PAIRS * 5 ? PAIRS * 5 : pairs;
}

/* Times. */

static void finish(struct run *run)
{
    run_check(run);
    run_destroy(run);
}

/* ns a pair, the loop included. */
static double time_pairs(const struct mix *mix, enum subject_kind subject,
                         const struct scale *scale)
{
    struct run run;
    uint64_t best = UINT64_MAX;

    run_prepare(&run, mix, subject, scale->live, pairs_of(mix, subject, scale));
    run_warm(&run);
    for (int i = 0; i < REPETITIONS; i++) {
        uint64_t ns = clock_ns();

        run_measure(&run);
        ns = clock_ns() - ns;
        best = ns < best ? ns : best;
    }
    finish(&run);
    return (double)best / (double)run.pairs;
}

static void print_calls(const struct mix *mix, const struct scale *scale)
{
    static const double parts[] = {0.999, 0.9999, 1};
    size_t pairs = scale->pairs != 0 ? scale->pairs : PAIRS;
    unsigned *ticks = malloc(2 * pairs * sizeof *ticks);

    if (ticks == NULL)
        exit(EXIT_FAILURE);
    memset(ticks, 0xff, 2 * pairs * sizeof *ticks);
    for (int i = 0; i < SAMPLE_RUNS; i++) {
        struct run run;

        run_prepare(&run, mix, SUBJECT_LIBRARY, scale->live, pairs);
        run_sample(&run, ticks);
        finish(&run);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        printf("%9.0f", quantile(ticks, 2 * pairs, parts[i]) * clock_ns_per_tick());
    free(ticks);
}

static bool is_wanted(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static void speed_print(const struct scale *scale, const char *prefix)
{
    printf("\nA pair, and (p99.9 to longest) a single call in ns; \"spin\": with a spin lock; "
           "base: the baseline\n\n%-17s%9s%9s%9s%9s%9s%10s%10s%9s%9s%9s\n",
           "", "i", "i spin", "i base", "ns", "cycles", "ns base", "base/ours", "p99.9", "p99.99",
           "longest");
    for (size_t i = 0; i < mix_count; i++) {
        const struct mix *mix = &mixes[i];
        double empty, cycle, library;

        if (!is_wanted(mix->name, prefix))
            continue;
        empty = time_pairs(mix, SUBJECT_EMPTY, scale);
        cycle = clock_ns_per_cycle();
        library = time_pairs(mix, SUBJECT_LIBRARY, scale) - empty;
        printf("%-17s", mix->name);
        counts_print(mix->name, "library", 9);
        counts_print(mix->name, "spin", 9);
        counts_print(mix->name, "baseline", 9);
        printf("%9.1f%9.0f", library, library / cycle);
        if (mix->baseline) {
            double baseline = time_pairs(mix, SUBJECT_BASELINE, scale) - empty;

            printf("%10.1f%10.2f", baseline, baseline / library);
        } else {
            printf("%10s%10s", "-", "-");
        }
        print_calls(mix, scale);
        printf("\n");
        (void)fflush(stdout);
    }
}

/* For callgrind: one line for each function measured_* that returns, in that order. */

static void count_mixes(const char *prefix)
{
    for (size_t i = 0; i < mix_count; i++) {
        for (enum subject_kind subject = 0; subject < SUBJECT_COUNT; subject++) {
            const struct scale scale = {.pairs = PAIRS_COUNTED};
            const struct mix *mix = &mixes[i];
            struct run run;

            if (!is_wanted(mix->name, prefix) || mix->live > 100000 ||
                (subject == SUBJECT_BASELINE && !mix->baseline))
                continue;
            run_prepare(&run, mix, subject, 0,
                        subject == SUBJECT_BASELINE && mix->live > 1000 ? 500 : scale.pairs);
            if (subject != SUBJECT_BASELINE)
                run_warm(&run);
            run_measure(&run);
            printf("%s\t%s\t%zu\n", mix->name, subject_names[subject], run.pairs);
            run_destroy(&run);
        }
    }
}

/* All ways of the library and malloc(), or malloc() alone, under the name that it is given. */
static void count_blocks(const char *prefix, const char *rival)
{
    for (size_t i = 0; i < block_mix_count; i++) {
        const struct block_mix *mix = &block_mixes[i];

        for (enum block_subject subject = rival != NULL ? BLOCKS_MALLOC : 0;
             subject < BLOCKS_SUBJECTS; subject++) {
            struct block_run run;

            if (!is_wanted(mix->name, prefix) || !blocks_serves(subject, mix) ||
                (rival == NULL && subject == BLOCKS_MALLOC))
                continue;
            block_run_prepare(&run, mix, subject, PAIRS_COUNTED, BLOCKS_SEED);
            block_run_warm(&run);
            block_run_measure(&run);
            printf("%s\t%s\t%zu\n", mix->name,
                   subject == BLOCKS_MALLOC ? rival : block_subject_names[subject], run.pairs);
            block_run_destroy(&run);
        }
    }
}

static void count(const char *prefix)
{
    count_mixes(prefix);
    blocks_open();
    count_blocks(prefix, NULL);
    blocks_close();
}

/* The rivals that are installed, for count.sh. */
static void list_rivals(const char *program)
{
    double ns;

    for (size_t i = 0; i < rival_count; i++)
        if (rival_ask(&rivals[i], program, "0 100", &ns))
            printf("%s\t%s\n", rivals[i].name, rivals[i].library);
}

static void quick(const char *program)
{
    const struct scale scale = {.live = 300, .pairs = 500};

    speed_print(&scale, "");
    compare_print(program, 500);
    fragmentation_print(5000, 100);
    growth_print(2000, 2);
    footprint_print(1000);
}

/* The sections that are for the scripts and for the program itself; false: it is none of them. */
static bool serve(int argc, char **argv)
{
    const char *section = argc > 1 ? argv[1] : "";

    if (strcmp(section, "count") == 0)
        count(argc > 2 ? argv[2] : "");
    else if (strcmp(section, "count-malloc") == 0 && argc == 3)
        count_blocks("", argv[2]);
    else if (strcmp(section, "rivals") == 0)
        list_rivals(argv[0]);
    else if (strcmp(section, "malloc") == 0 && argc == 5 && rival_is_loaded(argv[2]))
        compare_answer(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    else if (strcmp(section, "stall") == 0)
        growth_print(5000, 1);
    else if (strcmp(section, "quick") == 0)
        quick(argv[0]);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    const struct scale full = {0};
    const char *section = argc > 1 ? argv[1] : "all";
    bool all = strcmp(section, "all") == 0;

    if (serve(argc, argv))
        return EXIT_SUCCESS;
    if (argc > 2)
        counts_read(argv[2]);
    if (all || strcmp(section, "speed") == 0)
        speed_print(&full, argc > 3 ? argv[3] : "");
    if (all || strcmp(section, "blocks") == 0)
        compare_print(argv[0], PAIRS);
    if (all || strcmp(section, "fragmentation") == 0)
        fragmentation_print(10000000, 10000);
    if (all || strcmp(section, "growth") == 0)
        growth_print(1000000, 5);
    if (all || strcmp(section, "memory") == 0)
        footprint_print(1000000);
    return EXIT_SUCCESS;
}
