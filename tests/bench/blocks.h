/* SPDX-License-Identifier: MIT */
/*
 * blocks.h - the mixes of objects and blocks, and what each of them is run on: what a thread does
 * all day, over caches, quantum caches, the heap, and whatever malloc() the program has.
 *
 * As in mixes.h, the sequence is generated beforehand and the same for every subject.
 */
#ifndef BENCH_BLOCKS_H
#define BENCH_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_mix {
    const char *name;
    size_t live; /* slots */
    uint32_t smallest, largest;
    bool batches; /* allocate for all slots, then free them all; else free a slot at random and
                     allocate for it again */
};

extern const struct block_mix block_mixes[];
extern const size_t block_mix_count;

enum block_subject {
    BLOCKS_QUANTUM, /* vmem_alloc, vmem_free: an arena with quantum caches */
    BLOCKS_CACHE,   /* vmem_cache_alloc, vmem_cache_free: where there is one size */
    BLOCKS_SIZED,   /* vmem_heap_alloc, vmem_heap_free_sized */
    BLOCKS_HEAP,    /* vmem_heap_alloc, vmem_heap_free */
    BLOCKS_MALLOC,  /* malloc, free */
    BLOCKS_EMPTY,   /* the loop itself */
    BLOCKS_SUBJECTS
};
extern const char *const block_subject_names[BLOCKS_SUBJECTS];

/* Whether the subject can be run on the mix. */
bool blocks_serves(enum block_subject subject, const struct block_mix *mix);

/* What all runs share: arenas, a cache of 64 bytes and a heap. Exits if there is no memory. */
void blocks_open(void);

/* Gives it all back; everything must have been freed. */
void blocks_close(void);

/* A mix, set up for a subject and ready to be measured. Several threads may each have one. */
struct block_run {
    const struct block_mix *mix;
    enum block_subject subject;
    void *from; /* arena, cache, heap */
    size_t pairs;
    struct block_slot *slot;
    struct block_operation *operation; /* `pairs` of them */
};

#define BLOCKS_SEED 0x9e3779b97f4a7c15

/* pairs: rounded up to whole batches. The seed is not 0. Exits if there is no memory. */
void block_run_prepare(struct block_run *run, const struct block_mix *mix,
                       enum block_subject subject, size_t pairs, uint64_t seed);
void block_run_destroy(struct block_run *run);

/* The sequence, once, in a function whose name begins with measured_. Exits when refused. */
void block_run_measure(const struct block_run *run);

/* The same, unmeasured. */
void block_run_warm(const struct block_run *run);

#endif
