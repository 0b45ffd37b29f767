/* SPDX-License-Identifier: MIT */
/* parts.h - what the two halves of the self-test share: selftest.c for arenas, objects.c for what
 * stands on them. */
#ifndef TESTS_SELFTEST_PARTS_H
#define TESTS_SELFTEST_PARTS_H

#include <stdalign.h>

#include <vmem/debug.h>

bool selftest_check(bool holds, const char *what, const char *file, int line);

/* A macro, for the text and the line. */
#define CHECK(what) selftest_check((what), #what, __FILE__, __LINE__)
/* An operation that must succeed, and leave every invariant whole. */
#define STEP(arena, operation) (CHECK((operation) == 0) && CHECK(vmem_check(arena) == 0))

struct page {
    alignas(VMEM_PAGE_SIZE) unsigned char bytes[VMEM_PAGE_SIZE];
};

/* The one fault since the last look was of this kind. */
bool fault_was(enum vmem_fault_kind kind);

/* Whether the library is lent pages, or refused. */
void lend_pages(bool lend);

static inline struct vmem_stats stats_of(vmem_t *arena)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    return stats;
}

/* The parts in objects.c, each run with both indexes of an arena. */
void part_caches(unsigned flags);
void part_magazines(unsigned flags);
void part_quantum_caches(unsigned flags);
void part_heap(unsigned flags);
void part_ids(unsigned flags);
void part_pressure(unsigned flags);
void part_refused_objects(unsigned flags);

#endif
