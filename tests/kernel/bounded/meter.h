/* SPDX-License-Identifier: MIT */
/*
 * meter.h - how long locks are held, and what is measured. See meter.c.
 */
#ifndef BOUNDED_METER_H
#define BOUNDED_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmem/vmem.h>

/* What is measured, in the order in which it is printed. */
enum operation {
    NOTHING,
    ALLOC_GROWING,
    ALLOC_INSTANT,
    ALLOC_BEST,
    ALLOC_ALIGNED,
    ALLOC_STRICT_REFUSED,
    FREE_ALONE,
    FREE_ONE,
    FREE_TWO,
    FREE_RANDOM,
    FREE_SHRINKING,
    RESIZE,
    SPLIT,
    STAT,
    REAP,
    REAP_ALL,
    DESTROY,
    ADD_LARGER,
    OBJECT_GROWING,
    OBJECT_RANDOM,
    OBJECT_BURST,
    OBJECT_SHRINKING,
    OBJECT_TRIM,
    OBJECT_REAP,
    OBJECT_STAT,
    SLAB_GROWING,
    SLAB_RANDOM,
    SLAB_SHRINKING,
    QUANTUM_GROWING,
    QUANTUM_BURST,
    QUANTUM_SHRINKING,
    BLOCK_GROWING,
    BLOCK_RANDOM,
    BLOCK_SHRINKING,
    ID_LOWEST,
    ID_CYCLIC,
    ID_FREE,
    ID_RANGE,
    IMPORT,
    RELEASE,
    CONTAINS,
    ADD,
    ORDERED_FIRST,
    ORDERED_NEXT,
    ORDERED_FREE,
    ALLOC_NEXT,
    ALLOC_REFUSED,
    STAT_HOLES,
    CHECK,
    OPERATIONS
};

/* Who holds the lock. */
enum lock_kind { LOCK_ARENA, LOCK_CACHE, LOCK_SPACE, LOCK_POOL, LOCK_OTHER, LOCK_KINDS };

/* Verifies the counter, and learns what a hold costs in which nothing is done. */
void meter_init(void);

/* From now on holds count for this operation, at this size (its column). */
void meter_size(unsigned size);
void measure(enum operation operation);

/* Whose lock (port.h) this is; until 16 others have been named. */
struct meter_lock;
void meter_know(const struct meter_lock *lock, enum lock_kind kind);

/* Prints the table of `sizes` columns, from 10^2 on; false: something grows that must not. */
bool meter_print(unsigned sizes);

/* The rest of the kernel: something is not as it should be. */
void expect(bool condition, const char *what);

/* Memory that is not given back. */
void *memory_take(size_t size);

/* What is measured, with n live segments, objects or IDs. */
enum { SIZES = 5, LIVE_LEAST = 100 };
void segments_run(size_t n);
void spans_run(size_t n);
void ordered_run(size_t n);
void objects_run(size_t n);
void ids_run(size_t n);

/* What is handed out, by whichever runs: room for the largest size. */
struct segment {
    vmem_addr_t addr;
    vmem_size_t size;
};
extern struct segment *live;

/* 0 .. bound - 1, from the same seed in every run: xorshift64*, as in tests/bench/random.h. */
uint32_t random_to(uint32_t bound);

#endif
