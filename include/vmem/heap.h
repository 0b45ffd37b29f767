/* SPDX-License-Identifier: MIT */
/*
 * heap.h - memory of any size, shaped like malloc.
 *
 * Small sizes come from object caches, one a size class (vmem/cache.h), large ones
 * straight from the arena. A free without a size finds the class from the address in a
 * small map, in O(1).
 *
 *     static vmem_heap_t *heap;
 *     const struct vmem_heap_params params = {.name = "kmalloc", .arena = kernel_memory};
 *     int error = vmem_heap_create(&params, &heap);
 *     ...
 *     char *buffer = vmem_heap_alloc(heap, 200, 0);
 *     buffer = vmem_heap_realloc(heap, buffer, 4000, 0);
 *     vmem_heap_free(heap, buffer);
 *
 * SIZES. Up to 128 bytes, classes are 16 bytes apart; above, eight to a power of two, so that at
 * most 1/9 of a block is wasted; up to 8 granules, where a granule is 4 KiB or the arena's quantum,
 * whichever is more. What is larger is rounded up to the quantum. Every block is aligned to
 * 16 bytes. A size of 0 counts as 1.
 *
 * A block that is freed bears a mark in its first word while it waits, so that a second free of it
 * is noticed and looked into. What a block holds when it is handed out is undefined.
 *
 * No heap here may be NULL where its function does not say what then happens.
 *
 * CONTEXT. As for arenas and caches (vmem/vmem.h, vmem/cache.h): nothing sleeps but an allocation
 * with VMEM_SLEEP, no hook is called with a lock held, and what does not sleep may be called from
 * an interrupt handler.
 */
#ifndef VMEM_HEAP_H
#define VMEM_HEAP_H

#include <vmem/vmem.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmem_heap vmem_heap_t;

struct vmem_heap_params {
    const char *name; /* for reports; kept by reference */
    vmem_t *arena;    /* where the memory comes from: its addresses are memory */
    unsigned flags;   /* 0 */
};

struct vmem_heap_stats {
    vmem_size_t in_use;       /* bytes handed out, as rounded */
    vmem_size_t held;         /* bytes of the arena: in use, cached, or between blocks */
    size_t blocks;            /* handed out */
    size_t large_blocks;      /*    of which straight from the arena */
    vmem_size_t large_in_use; /*    and their bytes */
    uint64_t allocs;          /* that succeeded */
    uint64_t frees;
    uint64_t fails;  /* allocations refused */
    uint64_t misses; /* allocations and frees of classes that a CPU's magazines did not serve */
};

/*
 * Makes a heap. Nothing is taken from the arena before the first block.
 *
 * 0 and the heap in *heapp; or
 *   -VMEM_EINVAL  params, heapp, name or arena NULL; flags; an arena whose quantum is above
 *                 64 KiB: reported as VMEM_FAULT_PARAMETER
 *   -VMEM_ENOMEM  no memory.
 * O(1). Calls pages. The heap takes about 1.5 KiB of the tag pool, and a cache for each size class
 * that is used (vmem_cache_create()).
 */
int vmem_heap_create(const struct vmem_heap_params *params, vmem_heap_t **heapp);

/*
 * Ends a heap. 0; or -VMEM_EBUSY: blocks are allocated, or a request waits for one (reported as
 * VMEM_FAULT_BUSY, with how many are allocated in `size`), or another thread is reaping it (not
 * reported). NULL: -VMEM_EINVAL, VMEM_FAULT_PARAMETER. O(slabs). Calls release, pages.
 */
int vmem_heap_destroy(vmem_heap_t *heap);

/*
 * Allocates `size` bytes, aligned to 16. `flags` say how memory is found in the arena, as for
 * vmem_alloc(), and, with VMEM_SLEEP, to wait for it. NULL: no memory, or a size above half of the
 * address space (not reported); or a heap that is NULL or an unknown flag (VMEM_FAULT_PARAMETER).
 * O(1), without a lock, where a magazine serves; as vmem_cache_alloc() otherwise, and as
 * vmem_alloc() for large sizes. Calls pages, import.
 */
void *vmem_heap_alloc(vmem_heap_t *heap, size_t size, unsigned flags);

/* The same, all bytes 0. */
void *vmem_heap_zalloc(vmem_heap_t *heap, size_t size, unsigned flags);

/*
 * The same, aligned to `align`: any power of two (else NULL, VMEM_FAULT_PARAMETER). Up to the
 * largest class, size and align are rounded up to one power of two; beyond, the arena aligns.
 */
void *vmem_heap_memalign(vmem_heap_t *heap, size_t align, size_t size, unsigned flags);

/*
 * Changes the size of a block, and moves it where it must: the contents stay, up to the smaller of
 * the two sizes, and so does the alignment that vmem_heap_memalign() was asked for. A large block
 * grows and shrinks where it stands if it can. `block` NULL: vmem_heap_alloc().
 *
 * NULL, and the block as it was: no memory; or `block` is not an allocated block of this heap
 * (reported as for vmem_heap_free()).
 * O(1) and a copy. Calls pages, import, release.
 */
void *vmem_heap_realloc(vmem_heap_t *heap, void *block, size_t size, unsigned flags);

/*
 * Frees a block. NULL: nothing. Cannot fail.
 *
 * Misuse is reported and nothing changes: VMEM_FAULT_FOREIGN (not in this heap),
 * VMEM_FAULT_MISALIGNED (inside a block), VMEM_FAULT_DOUBLE_FREE (always with VMEM_CONFIG_DEBUG;
 * else where the first word of the block still is as the first free left it). O(1), without a lock
 * where a magazine serves. Calls release, pages.
 */
void vmem_heap_free(vmem_heap_t *heap, void *block);

/*
 * Frees a block whose size the caller knows: that which it was allocated with, or any that rounds
 * to the same class. Faster than vmem_heap_free(), since it need not look for the class. A wrong
 * size, a foreign address and one inside a block are reported with VMEM_CONFIG_DEBUG, and for sizes
 * above 1 KiB always; a second free as by vmem_heap_free(). Blocks of vmem_heap_memalign() may be
 * given too.
 */
void vmem_heap_free_sized(vmem_heap_t *heap, void *block, size_t size);

/* How many bytes of the block may be used: at least as many as were asked for. NULL: 0. Not a block
 * of this heap: 0, reported as for vmem_heap_free(). O(1). */
size_t vmem_heap_usable_size(vmem_heap_t *heap, const void *block);

/* vmem_cache_reap() for every size class. */
void vmem_heap_reap(vmem_heap_t *heap);

/* vmem_cache_trim() for every size class, a bounded step each; true: there is more. */
bool vmem_heap_trim(vmem_heap_t *heap);

/* Adds up the counters. O(classes * CPUs). */
void vmem_heap_stat(vmem_heap_t *heap, struct vmem_heap_stats *stats);

/* Verifies every invariant, as vmem_cache_check(), for all classes and the map. */
int vmem_heap_check(vmem_heap_t *heap);

#ifdef __cplusplus
}
#endif

#endif
