/* SPDX-License-Identifier: MIT */
/*
 * debug.h - seeing inside: walk, look up, print. vmem_check() is in vmem.h.
 *
 * Text goes through a sink of one function, so that nothing here needs a printf:
 *
 *     static void to_serial(void *ctx, const char *string)
 *     {
 *         (void)ctx;
 *         serial_puts(string);
 *     }
 *     ...
 *     vmem_print(to_serial, NULL);
 *     vmem_print_arena(heap, to_serial, NULL);
 *     vmem_print_map(heap, 64, to_serial, NULL);
 *     vmem_whatis(0xffff800000123000, to_serial, NULL);
 *
 * No arena or heap here may be NULL. The sink is never called with a lock held and may itself
 * allocate. While others allocate, each line is true for the moment at which it was read.
 *
 * CONTEXT. Nothing sleeps, and all of it may be called from an interrupt handler, as in
 * vmem/vmem.h, if the sink may: when a kernel has stopped, for one. A lock that was held when it
 * stopped is waited for.
 */
#ifndef VMEM_DEBUG_H
#define VMEM_DEBUG_H

#include <vmem/heap.h>
#include <vmem/port.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void vmem_sink_t(void *ctx, const char *string);

enum vmem_segment_kind {
    VMEM_SEGMENT_FREE = 0x1,
    VMEM_SEGMENT_ALLOCATED = 0x2,
    VMEM_SEGMENT_SPAN = 0x4 /* the span itself, before the segments in it */
};

struct vmem_segment {
    enum vmem_segment_kind kind;
    bool imported; /* a span that came from the source */
    vmem_addr_t addr;
    vmem_size_t size;
    uintptr_t caller; /* who allocated it: 0 without VMEM_CONFIG_DEBUG */
};

/*
 * A place in a walk. Start with all zero. It holds addresses and no reference, so it may be
 * dropped, copied, or kept for as long as you like.
 */
struct vmem_cursor {
    vmem_addr_t position; /* everything below it has been seen */
    vmem_addr_t landmark; /* the last allocated segment seen: a way back in, in O(1) */
    bool in_span;         /* the span marker at `position` has been seen */
    bool has_landmark;
    bool done;
    bool in_slab;       /* inside a slab of the quantum caches, */
    vmem_addr_t slab;   /*    which begins here: */
    vmem_size_t offset; /*    what is below this has been seen */
};

/*
 * The next segment or span in address order; false at the end. Others may allocate, free and add
 * between two calls: the walk then goes on behind the last address that it returned, so that it
 * always ends, shows nothing twice, and misses only what changed in between.
 *
 *     struct vmem_cursor cursor = {0};
 *     struct vmem_segment segment;
 *     while (vmem_walk_next(arena, &cursor, &segment))
 *         ...
 *
 * A slab of the quantum caches is shown as the segments that have been allocated from it, and what
 * waits in their magazines as free.
 *
 * O(1), and O(log spans) where a span begins, while the arena does not change; after a change O(log
 * spans + segments of the span). Calls nothing.
 */
bool vmem_walk_next(vmem_t *arena, struct vmem_cursor *cursor, struct vmem_segment *segment);

/*
 * Calls visit for every segment whose kind is in `kinds` (an OR of enum vmem_segment_kind), in
 * address order and without a lock, until it returns other than 0; returns that, or 0.
 */
int vmem_walk(vmem_t *arena, unsigned kinds,
              int (*visit)(void *ctx, const struct vmem_segment *segment), void *ctx);

/*
 * The segment of this arena that contains addr. False: it is in no span.
 * O(log spans + segments of the span); O(1) for the start of an allocated one. Calls nothing.
 */
bool vmem_find(vmem_t *arena, vmem_addr_t addr, struct vmem_segment *segment);

/*
 * Says what addr is, one line for each that knows it: for every arena that contains it, the
 * segment; for every cache with a slab there, the object, and whether it is handed out; for every
 * ID space, whether it is allocated. Returns how many do. With VMEM_CONFIG_DEBUG also who allocated
 * it.
 */
unsigned vmem_whatis(vmem_addr_t addr, vmem_sink_t *sink, void *ctx);

/*
 * The tree of all arenas as a table: one row an arena, indented under its source, with quantum, in
 * use, total, largest free segment, allocations and refusals. Under each stand its caches, the size
 * classes of a heap as one: object size, in use, in slabs, allocations, refusals, and the share of
 * allocations and frees that a CPU's magazines served. All ID spaces follow: range, in use,
 * allocations, refusals, and the bytes of the tag pool that they take.
 */
void vmem_print(vmem_sink_t *sink, void *ctx);

/* One heap, and under it its size classes, in the columns of vmem_print(). */
void vmem_print_heap(const vmem_heap_t *heap, vmem_sink_t *sink, void *ctx);

/* One arena's spans and segments, one line each. */
void vmem_print_arena(vmem_t *arena, vmem_sink_t *sink, void *ctx);

/*
 * One line: `width` (1 to 256) characters for all of the arena's spans, in address order: '.' free,
 * '#' allocated, '+' both, '|' where a new span begins (unless there are more spans than a quarter
 * of the characters).
 */
void vmem_print_map(vmem_t *arena, unsigned width, vmem_sink_t *sink, void *ctx);

/* A fault report as one line of text, without the newline. For vmem_port_fault(). */
void vmem_fault_print(const struct vmem_fault *fault, vmem_sink_t *sink, void *ctx);

/* The tag pool: what the library itself uses. */
struct vmem_pool_stats {
    size_t static_pages; /* of VMEM_CONFIG_STATIC_PAGES, in use */
    size_t lent_pages;   /* held from vmem_port_pages_alloc, hash tables included */
    size_t tags_used;    /* boundary tags in arenas, their stashes included */
    size_t tags_free;    /* boundary tags ready for use */
    uint64_t refusals;   /* times vmem_port_pages_alloc said no */
};
void vmem_pool_stat(struct vmem_pool_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
