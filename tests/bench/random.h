/* SPDX-License-Identifier: MIT */
/*
 * random.h - the generator of every sequence in the bench: xorshift64* (Marsaglia 2003, Vigna
 * 2016). The same seed gives the same sequence on every machine.
 */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdint.h>

struct generator {
    uint64_t state; /* not 0 */
};

static inline uint64_t random_next(struct generator *generator)
{
    uint64_t x = generator->state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    generator->state = x;
    return x * 0x2545f4914f6cdd1d;
}

/* 0 .. bound - 1. The multiply is biased by less than bound / 2^32: nothing here. */
static inline uint32_t random_below(struct generator *generator, uint32_t bound)
{
    return (uint32_t)(((random_next(generator) >> 32) * bound) >> 32);
}

#endif
