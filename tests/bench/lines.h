/* SPDX-License-Identifier: MIT */
/*
 * lines.h - which virtual CPU has which line of memory, and what it costs to get it. See lines.c.
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include VMEM_PORT_HEADER

enum lines_lock { LINES_CACHE, LINES_ARENA, LINES_OTHER, LINES_LOCKS };

struct lines_counts {
    uint64_t locks[LINES_LOCKS]; /* taken */
    uint64_t writes;             /* of lines that another CPU had */
    uint64_t reads;              /* of lines that another CPU wrote */
    uint64_t held;               /* of both, with the cache's lock held, it being taken included */
};
extern struct lines_counts lines;

/* Whose locks are the cache's and the arena's; all others are the pool's and the lists'. */
void lines_know(const vmem_port_lock_t *cache, const vmem_port_lock_t *arena);

/* Counts, or not: what the driver itself asks of the library is no CPU's. */
void lines_watch(bool on);

/* All memory is in no CPU's cache. */
void lines_forget(void);

#endif
