/* SPDX-License-Identifier: MIT */
/*
 * pool.h - the memory that the library itself uses: boundary tags, arenas, tables.
 */
#ifndef VMEM_POOL_H
#define VMEM_POOL_H

#include "tag.h"

/* Which of the two kinds of tag. */
enum vmem_tag_class {
    VMEM_CLASS_TAG, /* struct vmem_tag */
    VMEM_CLASS_NODE /* struct vmem_node */
};

/* Tags in hand, linked by their `chain`. */
struct vmem_stash {
    vmem_link_t first;
    uint32_t count;
};

/*
 * Takes at least min and at most want tags of a class and adds them to the stash, which is the
 * caller's own (not yet, or no longer, shared). Returns 0 or -VMEM_ENOMEM with none taken.
 * Call without a lock: it may ask the port for a page.
 */
int vmem_pool_take(enum vmem_tag_class tag_class, uint32_t min, uint32_t want,
                   struct vmem_stash *stash);

/* Gives all tags of a stash back. Call with no pool lock held. */
void vmem_pool_return(struct vmem_stash *stash);

/*
 * A block of memory for an arena or a table, not zeroed, aligned for any type; NULL: none. What is
 * larger than 1 KiB takes whole pages. Call without a lock.
 */
void *vmem_pool_alloc(size_t size);
void vmem_pool_free(void *block, size_t size);

/* The bytes that vmem_pool_alloc(size) takes. */
size_t vmem_pool_block(size_t size);

/* Whether this thread is inside the page hook: what it takes then comes out of little. */
bool vmem_pool_is_nested(void);

/* Gives wholly free pages back to the port, and says how many. Call without a lock. */
size_t vmem_pool_reap(void);

/*
 * To empty pages that are hardly used, tags can be moved. vmem_pool_gather() prepares for it, with
 * static pages as the first choice; vmem_pool_gathered() takes a tag to which `link` is better
 * moved, or says 0: it stands well.
 */
void vmem_pool_gather(void);
vmem_link_t vmem_pool_gathered(vmem_link_t link);

/* Tags of both classes that are in use, and whether every page agrees with its counts. */
bool vmem_pool_check(size_t tags_used);

#endif
