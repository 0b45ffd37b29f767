/* SPDX-License-Identifier: MIT */
/*
 * bench.c - vmem-bench: what an arena costs.
 *
 *     vmem-bench                       every section at full size; some minutes
 *     vmem-bench speed [FILE]          the mixes in ns and cycles; with instruction counts from
 * FILE vmem-bench fragmentation | growth | memory vmem-bench count                 the mixes once,
 * for callgrind; run.sh makes FILE from it vmem-bench quick                 every section, tiny:
 * shows only that all of it works
 *
 * A pair is one free and one allocation. Instructions are exact and the same from run to run;
 * times are the best of several repetitions, less those of the empty loop, and still drift by
 * some per cent. Cycles are core cycles, for comparison between machines. The single calls are
 * allocations and frees together, each the least of its times in several runs (growth.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mixes.h"
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

/* Instructions, counted by run.sh. */

struct count {
    char mix[40];
    char subject[16];
    double instructions;
};

static struct count counts[128];
static size_t count_count;

static void counts_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[128];

    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while (count_count < sizeof counts / sizeof *counts && fgets(line, sizeof line, file) != NULL) {
        struct count *count = &counts[count_count];

        if (sscanf(line, "%39[^\t]\t%15[^\t]\t%lf", count->mix, count->subject,
                   &count->instructions) == 3)
            count_count++;
    }
    (void)fclose(file);
}

static void print_instructions(const char *mix, const char *subject)
{
    for (size_t i = 0; i < count_count; i++) {
        if (strcmp(counts[i].mix, mix) == 0 && strcmp(counts[i].subject, subject) == 0) {
            printf("%9.1f", counts[i].instructions);
            return;
        }
    }
    printf("%9s", "-");
}

/* Times. */

static void finish(struct run *run)
{
    if (run->subject == SUBJECT_LIBRARY && vmem_check(run->arena) != 0)
        exit(EXIT_FAILURE);
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

static void speed_print(const struct scale *scale)
{
    printf("\nA pair, and (p99.9 to longest) a single call in ns; \"spin\": with a spin lock; "
           "base: the baseline\n\n%-17s%9s%9s%9s%9s%9s%10s%10s%9s%9s%9s\n",
           "", "i", "i spin", "i base", "ns", "cycles", "ns base", "base/ours", "p99.9", "p99.99",
           "longest");
    for (size_t i = 0; i < mix_count; i++) {
        const struct mix *mix = &mixes[i];
        double empty = time_pairs(mix, SUBJECT_EMPTY, scale);
        double cycle = clock_ns_per_cycle();
        double library = time_pairs(mix, SUBJECT_LIBRARY, scale) - empty;

        printf("%-17s", mix->name);
        print_instructions(mix->name, "library");
        print_instructions(mix->name, "spin");
        print_instructions(mix->name, "baseline");
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
static void count_all(const char *prefix)
{
    for (size_t i = 0; i < mix_count; i++) {
        for (enum subject_kind subject = 0; subject < SUBJECT_COUNT; subject++) {
            const struct scale scale = {.pairs = PAIRS_COUNTED};
            const struct mix *mix = &mixes[i];
            struct run run;

            if (strncmp(mix->name, prefix, strlen(prefix)) != 0 || mix->live > 100000 ||
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

static void quick(void)
{
    const struct scale scale = {.live = 300, .pairs = 500};

    speed_print(&scale);
    fragmentation_print(5000, 100);
    growth_print(2000, 2);
    footprint_print(1000);
}

int main(int argc, char **argv)
{
    const struct scale full = {0};
    const char *section = argc > 1 ? argv[1] : "all";
    bool all = strcmp(section, "all") == 0;

    if (strcmp(section, "count") == 0)
        count_all(argc > 2 ? argv[2] : "");
    else if (argc > 2)
        counts_read(argv[2]);
    if (strcmp(section, "quick") == 0)
        quick();
    if (all || strcmp(section, "speed") == 0)
        speed_print(&full);
    if (all || strcmp(section, "fragmentation") == 0)
        fragmentation_print(10000000, 10000);
    if (all || strcmp(section, "growth") == 0)
        growth_print(1000000, 5);
    if (strcmp(section, "stall") == 0)
        growth_print(5000, 1);
    if (all || strcmp(section, "memory") == 0)
        footprint_print(1000000);
    return EXIT_SUCCESS;
}
