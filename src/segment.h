/* SPDX-License-Identifier: MIT */
/*
 * segment.h - cutting and merging of segments: the boundary-tag method (Knuth, The
 * Art of Computer Programming 1, 2.5; Bonwick and Adams 4.4).
 *
 * What is here keeps the address-ordered list, the index of free segments, the hash of
 * allocated ones and the stash of tags in step. All with the arena's lock.
 */
#ifndef VMEM_SEGMENT_H
#define VMEM_SEGMENT_H

#include "arena.h"
#include "freelist.h"
#include "hash.h"
#include "tree.h"

/*
 * The index of free segments, whichever it is.
 */

static inline void vmem_index_insert(vmem_t *arena, vmem_link_t link, struct vmem_tag *tag)
{
    if (VMEM_UNLIKELY(vmem_is_ordered(arena))) {
        tag->list_prev = 0; /* free */
        vmem_tree_insert(&arena->tree, link);
    } else {
        vmem_freelist_push(arena, vmem_freelist_of(arena, tag->size), link, tag);
    }
}

static inline void vmem_index_remove(vmem_t *arena, vmem_link_t link, const struct vmem_tag *tag)
{
    if (VMEM_UNLIKELY(vmem_is_ordered(arena)))
        vmem_tree_remove(&arena->tree, link);
    else
        vmem_freelist_remove(arena, vmem_freelist_of(arena, tag->size), link, tag);
}

/* Gives a free segment another range, where it stands between its neighbours. */
VMEM_INLINE void vmem_index_change(vmem_t *arena, vmem_link_t link, struct vmem_tag *tag,
                                   vmem_addr_t addr, vmem_size_t size)
{
    vmem_size_t old_size = tag->size;

    tag->addr = addr;
    tag->size = size;
    if (VMEM_UNLIKELY(vmem_is_ordered(arena))) {
        vmem_tree_resized(link);
    } else if (!vmem_freelist_is_same(arena, old_size, size)) {
        vmem_freelist_remove(arena, vmem_freelist_of(arena, old_size), link, tag);
        vmem_freelist_push(arena, vmem_freelist_of(arena, size), link, tag);
    }
}

/*
 * The stash
 */

static inline vmem_link_t vmem_stash_pop(struct vmem_stash *stash)
{
    vmem_link_t link = stash->first;

    stash->first = vmem_tag_at(link)->chain;
    stash->count--;
    return link;
}

static inline void vmem_stash_push(struct vmem_stash *stash, vmem_link_t link, struct vmem_tag *tag)
{
    tag->chain = stash->first;
    stash->first = link;
    stash->count++;
}

/*
 * Cut and merge
 */

/* A new free segment before `next`. */
static inline void vmem_segment_new_free(vmem_t *arena, vmem_link_t link, vmem_link_t next,
                                         vmem_addr_t addr, vmem_size_t size)
{
    struct vmem_tag *tag = vmem_tag_at(link);

    tag->addr = addr;
    tag->size = size;
    vmem_tag_insert_before(link, next);
    vmem_index_insert(arena, link, tag);
}

/* Makes a segment that is in no index allocated; the hash still has to hear of it. */
static inline void vmem_segment_mark(vmem_t *arena, struct vmem_tag *tag, uintptr_t caller)
{
    tag->kind = VMEM_KIND_ALLOCATED;
#if VMEM_CONFIG_DEBUG
    tag->caller = caller;
#else
    (void)caller;
#endif
    arena->in_use += tag->size;
}

/*
 * Cuts the first `size` off a free segment, and makes it an allocated one that is not in the hash
 * yet; the index still has to hear of what is left, which keeps the tag. Needs one tag in the
 * stash.
 */
static inline vmem_link_t vmem_segment_split_off(vmem_t *arena, vmem_link_t link,
                                                 struct vmem_tag *tag, vmem_size_t size)
{
    vmem_link_t new_link = vmem_stash_pop(&arena->stash[VMEM_STASH_SEGMENTS]);
    struct vmem_tag *new_tag = vmem_tag_at(new_link);

    new_tag->addr = tag->addr;
    new_tag->size = size;
    vmem_tag_insert_before(new_link, link);
    return new_link;
}

/*
 * Cuts [addr, addr + size) out of the free segment `link` and makes it allocated. Takes as many
 * tags from the stash as pieces are left; false: they are not there, and nothing has changed.
 */
bool vmem_segment_cut(vmem_t *arena, vmem_link_t link, vmem_addr_t addr, vmem_size_t size,
                      uintptr_t caller);

/*
 * Makes a segment free that is in no index any more, and merges it with those of its neighbours,
 * `prev` and `next`, that are free; the tags that this leaves over go to the stash. Returns the
 * free segment that contains it.
 */
VMEM_INLINE vmem_link_t vmem_segment_merge(vmem_t *arena, vmem_link_t link, struct vmem_tag *tag,
                                           struct vmem_tag *prev, struct vmem_tag *next)
{
    struct vmem_stash *stash = &arena->stash[VMEM_STASH_SEGMENTS];
    vmem_link_t prev_link = tag->prev;
    vmem_link_t next_link = tag->next;
    vmem_size_t size = tag->size;

    if (!vmem_tag_is_free(next)) {
        if (!vmem_tag_is_free(prev)) {
            vmem_index_insert(arena, link, tag);
            return link;
        }
        prev->next = next_link;
        next->prev = prev_link;
        vmem_stash_push(stash, link, tag);
        vmem_index_change(arena, prev_link, prev, prev->addr, prev->size + size);
        return prev_link;
    }
    if (!vmem_tag_is_free(prev)) {
        prev->next = next_link;
        next->prev = prev_link;
        vmem_stash_push(stash, link, tag);
        vmem_index_change(arena, next_link, next, tag->addr, size + next->size);
        return next_link;
    }
    vmem_index_remove(arena, next_link, next);
    prev->next = next->next;
    vmem_tag_at(next->next)->prev = prev_link;
    vmem_stash_push(stash, link, tag);
    vmem_stash_push(stash, next_link, next);
    vmem_index_change(arena, prev_link, prev, prev->addr, prev->size + size + next->size);
    return prev_link;
}

#endif
