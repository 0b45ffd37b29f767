/* SPDX-License-Identifier: MIT */
/*
 * quantum.h - quantum caches. See quantum.c. All without a lock.
 */
#ifndef VMEM_QUANTUM_H
#define VMEM_QUANTUM_H

#include "cache.h"

/* In the place of a cache that has not been made. */
extern struct vmem_cache vmem_no_cache;

/* Which cache serves a size from 1 to qcache_max. */
VMEM_INLINE size_t vmem_quantum_index(const vmem_t *arena, vmem_size_t size)
{
    return (size_t)vmem_shift_right(size - 1, (unsigned)arena->quantum_shift);
}

VMEM_INLINE vmem_cache_t *vmem_quantum_cache(const vmem_t *arena, vmem_size_t size)
{
    return VMEM_READ_ACQUIRE(arena->qcaches[vmem_quantum_index(arena, size)]);
}

/* Whether quantum caches serve a size: not 0, which wraps. */
VMEM_INLINE bool vmem_quantum_serves(const vmem_t *arena, vmem_size_t size)
{
    return size - 1 < arena->qcache_max;
}

/* Sets up a new arena; false: no memory. */
bool vmem_quantum_init(vmem_t *arena, vmem_size_t qcache_max);

/* The size of slabs, which is the least that the arena imports; 0: it has no quantum caches. */
vmem_size_t vmem_quantum_slab(const vmem_t *arena);

/* The slow ways of vmem_alloc and vmem_free, for sizes that are served. */
int vmem_quantum_alloc(vmem_t *arena, vmem_size_t size, unsigned flags, vmem_addr_t *addrp,
                       uintptr_t caller);
void vmem_quantum_free(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, uintptr_t caller);

/* Whether [addr, addr + size) is an object that is handed out, of which cache; misuse is reported.
 */
enum vmem_quantum_answer { VMEM_QUANTUM_ELSEWHERE, VMEM_QUANTUM_OBJECT, VMEM_QUANTUM_MISUSE };
enum vmem_quantum_answer vmem_quantum_look(vmem_t *arena, vmem_addr_t addr, vmem_size_t size,
                                           const char *call, uintptr_t caller,
                                           vmem_cache_t **cachep);

/*
 * Whether an address may be in a slab, by the segment that begins there (0: none): it is not of
 * this size, or it is as large as a slab. With the arena's lock.
 */
bool vmem_quantum_may_own(const vmem_t *arena, vmem_link_t link, vmem_size_t size);

/* Takes an address back that is not a segment of the arena; false: nor is it in a slab. */
bool vmem_quantum_return(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *call,
                         uintptr_t caller);

/* Gives back what the caches keep without need. */
void vmem_quantum_strip(vmem_t *arena);

/* Puts objects in the place of slabs in the counters. */
void vmem_quantum_stat(vmem_t *arena, struct vmem_stats *stats);

/* Destroys the caches of an arena of which nothing is allocated, and that is off the list. */
void vmem_quantum_destroy(vmem_t *arena);

/* What is at addr in the slab that begins at `slab`; false: that is no slab. */
bool vmem_quantum_segment(vmem_t *arena, vmem_addr_t slab, vmem_addr_t addr,
                          struct vmem_segment *segment);

/* Whether a segment of the arena waits in a magazine. */
bool vmem_quantum_waits(vmem_t *arena, vmem_addr_t addr, vmem_size_t size);

#endif
