/* SPDX-License-Identifier: MIT */
/*
 * intervals.h - sets of address ranges that must not overlap, and the bytes in them.
 *
 * It is all that the model of caches and heaps knows: what is handed out, to whom, and what was
 * written there. Sorted arrays, and nothing of the library's.
 */
#ifndef TESTS_MODEL_INTERVALS_H
#define TESTS_MODEL_INTERVALS_H

#include <vmem/vmem.h>

#define INTERVALS_MAX 8192

struct interval {
    vmem_addr_t addr;
    vmem_size_t size;   /* nobody else may have any of it */
    vmem_size_t filled; /* so much of it bears the pattern; 0: no memory stands behind it */
    uint64_t pattern;
    const void *owner;
    vmem_size_t asked;
    vmem_size_t align;
    bool cached; /* may be a quantum cache's */
};

struct intervals {
    size_t count;
    struct interval at[INTERVALS_MAX];
};

/* Puts it in, by address; false: it overlaps one that is there, or the set is full. */
bool intervals_add(struct intervals *set, const struct interval *interval);
void intervals_remove(struct intervals *set, size_t index);

/* The one that contains the address: its index, or SIZE_MAX. */
size_t intervals_find(const struct intervals *set, vmem_addr_t addr);

/* One that belongs to this owner, the next from `start` on and round: its index, or SIZE_MAX. */
size_t intervals_of(const struct intervals *set, const void *owner, size_t start);

/* Writes the pattern, and says whether the first `size` bytes at `addr` still bear it. */
void pattern_write(const struct interval *interval);
bool pattern_holds(const struct interval *interval, vmem_addr_t addr, vmem_size_t size);

#endif
