/* SPDX-License-Identifier: MIT */
/*
 * growth.c - the longest call while an arena grows and shrinks again.
 *
 * Time: each call is timed, in several runs over the same sequence, and of each call the shortest
 * time counts. What the library does at that call is in every run; an interrupt or a neighbour on
 * the machine is not. What is left of noise is still the machine's: caches and TLB differ.
 *
 * Instructions: callgrind writes a dump after each measured_alloc and measured_free (stall.sh).
 * They are exact, but slow to get, so this is for fewer segments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL) {
        (void)fputs("bench: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return block;
}

__attribute__((noinline)) static int measured_alloc(vmem_t *arena, vmem_size_t size,
                                                    vmem_addr_t *addrp)
{
    return vmem_alloc(arena, size, VMEM_INSTANTFIT, addrp);
}

__attribute__((noinline)) static void measured_free(vmem_t *arena, vmem_addr_t addr,
                                                    vmem_size_t size)
{
    vmem_free(arena, addr, size);
}

/* Ticks since `start`, the lesser of them and what is there. */
static void sample(unsigned *tick, uint64_t start)
{
    uint64_t ticks = clock_ticks() - start;

    if (ticks < *tick)
        *tick = (unsigned)ticks;
}

/* `segments` allocations, then as many frees in random order, and the least ticks of each. */
static void grow_and_shrink(struct block *block, size_t segments, unsigned *ticks)
{
    const struct vmem_params params = {.name = "growth", .size = segments * LARGEST, .quantum = 1};
    struct generator generator = {.state = 0x9e3779b97f4a7c15};
    vmem_t *arena;

    if (vmem_create(&params, &arena) != 0)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < segments; i++) {
        uint64_t start;
        int error;

        block[i].size = 1 + random_below(&generator, LARGEST);
        start = clock_ticks();
        error = measured_alloc(arena, block[i].size, &block[i].addr);
        sample(ticks++, start);
        if (error != 0)
            exit(EXIT_FAILURE);
    }
    for (size_t left = segments; left > 0; left--) {
        size_t chosen = random_below(&generator, (uint32_t)left);
        struct block victim = block[chosen];
        uint64_t start;

        block[chosen] = block[left - 1];
        start = clock_ticks();
        measured_free(arena, victim.addr, victim.size);
        sample(ticks++, start);
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
    unsigned *ticks = memory(2 * segments, sizeof *ticks);

    memset(ticks, 0xff, 2 * segments * sizeof *ticks);
    pages_touch(segments * 160);
    for (int run = 0; run < runs; run++)
        grow_and_shrink(block, segments, ticks);
    printf("\nGrowing to %zu segments and back, ns a call, least of %d runs\n\n"
           "%-10s%12s%12s%12s%12s\n",
           segments, runs, "", "median", "p99.9", "p99.99", "longest");
    print_times("alloc", ticks, segments);
    print_times("free", ticks + segments, segments);
    free(block);
    free(ticks);
}
