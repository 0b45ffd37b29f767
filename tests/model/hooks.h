/* SPDX-License-Identifier: MIT */
/*
 * hooks.h - the port of the model tests: a page hook that can refuse at random and that watches
 * what it lent, a fault hook that remembers, and the random numbers.
 */
#ifndef TESTS_MODEL_HOOKS_H
#define TESTS_MODEL_HOOKS_H

#include <vmem/port.h>

/* Random numbers: splitmix64 (Steele, Lea and Flood 2014). The same everywhere. */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound);         /* 0 to bound - 1; bound > 0 */
bool rng_chance(struct rng *rng, unsigned one, unsigned in); /* true `one` time `in` so many */

/* Pages. `refuse_in` 0: never refused; n: about one call in n, chosen by `rng`. */
struct page_hook {
    struct rng rng;
    unsigned refuse_in;
    size_t lent; /* pages out */
    uint64_t refusals;
    const char *complaint; /* a misuse of the hook: NULL while there was none */
};
extern struct page_hook page_hook;

/* Faults since the last fault_forget(): how many, and the last. */
struct fault_hook {
    unsigned count;
    struct vmem_fault last;
};
extern struct fault_hook fault_hook;
void fault_forget(void);
const char *fault_name(enum vmem_fault_kind kind);

#endif
