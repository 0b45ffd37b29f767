/* SPDX-License-Identifier: MIT */
/*
 * clock.h - nanoseconds, ticks for single calls, and core cycles.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>

/* What this thread has run: on a busy machine, less than what has passed. */
uint64_t clock_ns(void);

/* What has passed. */
uint64_t clock_wall_ns(void);

/* The length of a tick, and of a core cycle at this moment: measured, the former once. */
double clock_ns_per_tick(void);
double clock_ns_per_cycle(void);

/* The cheapest counter there is: for differences within one thread. */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
#else
    return clock_ns();
#endif
}

#endif
