/* SPDX-License-Identifier: MIT */
/*
 * growth.c - the longest call while an arena grows and shrinks again.
 *
 * Time: each call is timed, in several runs over the same sequence, and of each call the shortest
 * time counts. What the library does at that call is in every run; an interrupt or a neighbour on
 * the machine is not. What is left of noise is still the machine's: caches and TLB differ.
 *
 * Instructions: a child runs the sequence under single steps of ptrace, and its parent counts
 * those between the start and the end of each call. This is exact, and the same in each run.
 */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vmem/vmem.h>

#include "clock.h"
#include "pages.h"
#include "random.h"
#include "sections.h"

enum { LARGEST = 64 };

struct block {
    vmem_addr_t addr;
    vmem_size_t size;
};

/* What is told of each call: before and after. `ctx` is the sampler's or the stepper's. */
struct observer {
    void (*before)(void *ctx, size_t call);
    void (*after)(void *ctx, size_t call);
    void *ctx;
};

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL) {
        (void)fputs("bench: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return block;
}

/* `segments` allocations (calls 0..), then as many frees in random order. */
static void grow_and_shrink(struct block *block, size_t segments, const struct observer *observer)
{
    const struct vmem_params params = {
        .name = "growth", .size = segments * LARGEST, .quantum = 1, .flags = 0};
    struct generator generator = {.state = 0x9e3779b97f4a7c15};
    vmem_t *arena;

    if (vmem_create(&params, &arena) != 0)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < segments; i++) {
        int error;

        block[i].size = 1 + random_below(&generator, LARGEST);
        observer->before(observer->ctx, i);
        error = vmem_alloc(arena, block[i].size, VMEM_INSTANTFIT, &block[i].addr);
        observer->after(observer->ctx, i);
        if (error != 0)
            exit(EXIT_FAILURE);
    }
    for (size_t left = segments; left > 0; left--) {
        size_t chosen = random_below(&generator, (uint32_t)left);
        struct block victim = block[chosen];
        size_t call = 2 * segments - left;

        block[chosen] = block[left - 1];
        observer->before(observer->ctx, call);
        vmem_free(arena, victim.addr, victim.size);
        observer->after(observer->ctx, call);
    }
    (void)vmem_destroy(arena);
    vmem_reap(NULL);
}

static int ascending(const void *a, const void *b)
{
    unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;

    return (left > right) - (left < right);
}

unsigned quantile(unsigned *values, size_t count, double part)
{
    size_t place = (size_t)(part * (double)count);

    qsort(values, count, sizeof *values, ascending);
    return values[place < count ? place : count - 1];
}

/* Time. */

struct sampler {
    unsigned *ticks; /* of each call, the least */
    uint64_t start;
};

static void sampler_before(void *ctx, size_t call)
{
    struct sampler *sampler = ctx;

    (void)call;
    sampler->start = clock_ticks();
}

static void sampler_after(void *ctx, size_t call)
{
    struct sampler *sampler = ctx;
    uint64_t ticks = clock_ticks() - sampler->start;

    if (ticks < sampler->ticks[call])
        sampler->ticks[call] = (unsigned)ticks;
}

static void print_times(const char *name, unsigned *ticks, size_t count)
{
    static const double parts[] = {0.5, 0.999, 0.9999, 1};

    printf("%-10s", name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        printf("%12.0f", quantile(ticks, count, parts[i]) * clock_ns_per_tick());
    printf("\n");
}

void growth_print(size_t segments, int runs)
{
    struct block *block = memory(segments, sizeof *block);
    struct sampler sampler = {.ticks = memory(2 * segments, sizeof *sampler.ticks)};
    struct observer observer = {sampler_before, sampler_after, &sampler};

    memset(sampler.ticks, 0xff, 2 * segments * sizeof *sampler.ticks);
    pages_touch(segments * 160);
    for (int run = 0; run < runs; run++)
        grow_and_shrink(block, segments, &observer);
    printf("\nGrowing to %zu segments and back, ns a call, least of %d "
           "runs\n\n%-10s%12s%12s%12s%12s\n",
           segments, runs, "", "median", "p99.9", "p99.99", "longest");
    print_times("alloc", sampler.ticks, segments);
    print_times("free", sampler.ticks + segments, segments);
    free(block);
    free(sampler.ticks);
}

/* Instructions. */

#define OUTSIDE SIZE_MAX

/* Shared by parent and child: the call that the child is in. */
static volatile size_t *inside;

static void stepper_before(void *ctx, size_t call)
{
    (void)ctx;
    *inside = call;
}

static void stepper_after(void *ctx, size_t call)
{
    (void)ctx;
    (void)call;
    *inside = OUTSIDE;
}

__attribute__((noreturn)) static void step_child(struct block *block, size_t segments)
{
    struct observer observer = {stepper_before, stepper_after, NULL};

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(EXIT_FAILURE);
    (void)raise(SIGSTOP);
    grow_and_shrink(block, segments, &observer);
    _exit(EXIT_SUCCESS);
}

/* Counts the steps of each call. False: the child cannot be stepped. */
static bool count_steps(pid_t child, unsigned *steps)
{
    int status;

    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return false;
    while (WIFSTOPPED(status)) {
        size_t call = *inside;

        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0 ||
            waitpid(child, &status, 0) != child)
            return false;
        if (call != OUTSIDE)
            steps[call]++;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

void steps_print(size_t segments)
{
    struct block *block = memory(segments, sizeof *block);
    unsigned *steps = memory(2 * segments, sizeof *steps);
    pid_t child;

    inside = mmap(NULL, sizeof *inside, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (inside == MAP_FAILED)
        exit(EXIT_FAILURE);
    *inside = OUTSIDE;
    (void)fflush(stdout);
    child = fork();
    if (child == 0)
        step_child(block, segments);
    printf("\nGrowing to %zu segments and back, instructions a call\n\n%-10s%12s%12s%12s\n",
           segments, "", "median", "p99.9", "longest");
    if (child > 0 && count_steps(child, steps)) {
        for (int half = 0; half < 2; half++) {
            unsigned *part = steps + (half == 0 ? 0 : segments);

            printf("%-10s%12u%12u%12u\n", half == 0 ? "alloc" : "free",
                   quantile(part, segments, 0.5), quantile(part, segments, 0.999),
                   quantile(part, segments, 1));
        }
    } else {
        printf("not measured: this system allows no single steps\n");
    }
    (void)munmap((void *)inside, sizeof *inside);
    free(block);
    free(steps);
}
