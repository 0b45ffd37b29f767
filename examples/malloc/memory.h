/* SPDX-License-Identifier: MIT */
/*
 * memory.h - where the blocks come from.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <vmem/heap.h>

extern vmem_heap_t *memory_heap; /* NULL before memory_start(), and where that fails */

/* Makes the heap, once; NULL: the host has no address space for it. Allocates nothing. */
vmem_heap_t *memory_start(void);

#endif
