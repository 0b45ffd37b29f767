/* SPDX-License-Identifier: MIT */
/*
 * threads.c - vmem-bench-threads: what two threads do in the time of one.
 *
 *     vmem-bench-threads [PAIRS]
 *
 * The library as programs on a host compile it (vmem/port/posix.h), with one cache, one heap and
 * one arena with quantum caches for all threads. One thread does the whole work, or two do half of
 * it each, and the ratio is the time of the one over the time from when the first of the two begins
 * until the last of them ends: 2 at most. The least of many short runs counts, one and two
 * threads in turn, so that on a busy machine a few of them find both cores idle.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "clock.h"
#include "rivals.h"

enum { THREADS = 2, ROUNDS = 20, RUNS = 60, PAIRS = 100000, PATIENCE = 10000 };

/* What the threads of one round share. */
struct round {
    const struct block_mix *mix;
    enum block_subject subject;
    unsigned threads;
    size_t pairs; /* of all threads together */
    unsigned arrived;
    uint64_t began[THREADS][RUNS], ended[THREADS][RUNS];
};

struct worker {
    struct round *round;
    unsigned number;
};

/* Waits until all threads of the round have come here so often; lets others run only if that takes
   long, so that threads that both have a core go on at the same moment. */
static void meet(struct round *round, unsigned often)
{
    unsigned looks = 0;

    __atomic_fetch_add(&round->arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&round->arrived, __ATOMIC_ACQUIRE) < often * round->threads)
        if (++looks > PATIENCE)
            (void)sched_yield();
}

static void *work(void *ctx)
{
    const struct worker *worker = ctx;
    struct round *round = worker->round;
    struct block_run run;

    block_run_prepare(&run, round->mix, round->subject, round->pairs / round->threads,
                      BLOCKS_SEED + worker->number);
    block_run_warm(&run);
    for (unsigned i = 0; i < RUNS; i++) {
        meet(round, i + 1);
        round->began[worker->number][i] = clock_wall_ns();
        block_run_measure(&run);
        round->ended[worker->number][i] = clock_wall_ns();
    }
    meet(round, RUNS + 1);
    block_run_destroy(&run);
    return NULL;
}

/* The least time of a run, in ns. */
static uint64_t least(const struct round *round)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < RUNS; i++) {
        uint64_t began = round->began[0][i], ended = round->ended[0][i];

        for (unsigned n = 1; n < round->threads; n++) {
            began = round->began[n][i] < began ? round->began[n][i] : began;
            ended = round->ended[n][i] > ended ? round->ended[n][i] : ended;
        }
        best = ended - began < best ? ended - began : best;
    }
    return best;
}

static uint64_t time_threads(struct round *round, unsigned threads)
{
    struct worker worker[THREADS];
    pthread_t thread[THREADS];

    round->threads = threads;
    round->arrived = 0;
    for (unsigned n = 0; n < threads; n++) {
        worker[n] = (struct worker){round, n};
        if (pthread_create(&thread[n], NULL, work, &worker[n]) != 0)
            exit(EXIT_FAILURE);
    }
    for (unsigned n = 0; n < threads; n++)
        (void)pthread_join(thread[n], NULL);
    return least(round);
}

static double speedup(size_t mix, enum block_subject subject, size_t pairs)
{
    struct round round = {.mix = &block_mixes[mix], .subject = subject, .pairs = pairs};
    uint64_t one = UINT64_MAX, two = UINT64_MAX;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t ns = time_threads(&round, 1);

        one = ns < one ? ns : one;
        ns = time_threads(&round, THREADS);
        two = ns < two ? ns : two;
    }
    return (double)one / (double)two;
}

static void print_ours(size_t pairs)
{
    for (enum block_subject way = 0; way < BLOCKS_MALLOC; way++) {
        printf("%-12s", block_subject_names[way]);
        for (size_t mix = 0; mix < block_mix_count; mix++) {
            if (blocks_serves(way, &block_mixes[mix]))
                printf("%16.2f", speedup(mix, way, pairs));
            else
                printf("%16s", "-");
        }
        printf("\n");
        (void)fflush(stdout);
    }
}

static void print_rivals(const char *program, size_t pairs)
{
    for (size_t i = 0; i < rival_count; i++) {
        printf("%-12s", rivals[i].name);
        for (size_t mix = 0; mix < block_mix_count; mix++) {
            char arguments[64];
            double ratio;

            (void)snprintf(arguments, sizeof arguments, "%zu %zu", mix, pairs);
            if (rival_ask(&rivals[i], program, arguments, &ratio))
                printf("%16.2f", ratio);
            else
                printf("%16s", "-");
        }
        printf("\n");
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    size_t pairs = argc > 1 ? strtoul(argv[argc - 1], NULL, 10) : PAIRS;

    if (argc == 5 && strcmp(argv[1], "malloc") == 0) {
        if (!rival_is_loaded(argv[2]))
            return EXIT_FAILURE;
        printf("%f\n", speedup(strtoul(argv[3], NULL, 10), BLOCKS_MALLOC, pairs));
        return EXIT_SUCCESS;
    }
    blocks_open();
    printf("\nThe work of one thread, done by two: how many times as fast\n\n%-12s", "");
    for (size_t mix = 0; mix < block_mix_count; mix++)
        printf("%16s", block_mixes[mix].name);
    printf("\n");
    print_ours(pairs);
    blocks_close();
    print_rivals(argv[0], pairs);
    return EXIT_SUCCESS;
}
