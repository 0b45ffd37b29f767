/* SPDX-License-Identifier: MIT */
/* clock.c - see clock.h. */
#define _POSIX_C_SOURCE 200809L
#include "clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_ns_per_tick(void)
{
    static double length;

    if (length == 0) {
        uint64_t ns = read_clock(CLOCK_MONOTONIC), ticks = clock_ticks();

        while (read_clock(CLOCK_MONOTONIC) - ns < 20000000)
            ;
        ns = read_clock(CLOCK_MONOTONIC) - ns;
        ticks = clock_ticks() - ticks;
        length = (double)ns / (double)ticks;
    }
    return length;
}

/*
 * Multiplications that wait for one another take three cycles each on every x86-64 since 2008 and
 * on most others; sums would not do, since some processors compute them while renaming.
 */
double clock_ns_per_cycle(void)
{
    enum { ROUNDS = 500000, LATENCY = 3 };
    double best = 0;

    for (int attempt = 0; attempt < 5; attempt++) {
        uint64_t x = 3, ns = clock_ns();

        for (int i = 0; i < ROUNDS; i++) {
            x *= x;
            __asm__ volatile("" : "+r"(x));
        }
        ns = clock_ns() - ns;
        if (attempt == 0 || (double)ns < best)
            best = (double)ns;
    }
    return best / (LATENCY * ROUNDS);
}
