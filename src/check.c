/* SPDX-License-Identifier: MIT */
/*
 * check.c - verifies every invariant of an arena.
 *
 * One pass along the address-ordered list sees every segment where it should be
 * and counts; each index is then recounted by its own file and compared. An index
 * holds each of its segments once and only segments of the right kind, and it has
 * as many as the list: so they are the same.
 */
#include "cache.h"
#include "freelist.h"
#include "hash.h"
#include "id.h"
#include "tree.h"

struct recount {
    size_t spans;
    size_t free;
    size_t allocated;
    vmem_size_t in_use;
    vmem_size_t total;
    vmem_size_t imported;
    vmem_addr_t at; /* where the trouble is */
};

static bool is_linked(vmem_link_t link)
{
    const struct vmem_tag *tag = vmem_tag_at(link);

    return vmem_tag_at(tag->next)->prev == link && vmem_tag_at(tag->prev)->next == link;
}

/* One segment, which has to begin at `expected`. */
static enum vmem_fault_kind check_segment(const vmem_t *arena, vmem_link_t link,
                                          vmem_addr_t expected, struct recount *count)
{
    const struct vmem_tag *tag = vmem_tag_at(link);

    if (tag->addr != expected || tag->size == 0 || !is_linked(link) ||
        (tag->size & (arena->quantum - 1)) != 0)
        return VMEM_FAULT_ORDER;
    if (vmem_tag_is_free(tag)) {
        count->free++;
        if (vmem_is_ordered(arena) && vmem_tree_floor(arena->tree, tag->addr) != link)
            return VMEM_FAULT_INDEX;
        return vmem_tag_is_free(vmem_tag_at(tag->prev)) ? VMEM_FAULT_NEIGHBOURS : VMEM_FAULT_NONE;
    }
    if (tag->kind != VMEM_KIND_ALLOCATED)
        return VMEM_FAULT_ORDER;
    count->allocated++;
    count->in_use += tag->size;
    return vmem_hash_holds(&arena->hash, link) ? VMEM_FAULT_NONE : VMEM_FAULT_HASH;
}

/* The segments of a span, which have to fill it; *linkp becomes what follows. */
static enum vmem_fault_kind check_span(const vmem_t *arena, vmem_link_t *linkp,
                                       struct recount *count)
{
    const struct vmem_tag *span = vmem_tag_at(*linkp);
    vmem_addr_t expected = span->addr;
    vmem_size_t rest = span->size;

    if (!is_linked(*linkp) || rest == 0 || vmem_tree_floor(arena->spans, span->addr) != *linkp)
        return VMEM_FAULT_ORDER;
    for (*linkp = span->next; rest > 0; *linkp = vmem_tag_at(*linkp)->next) {
        enum vmem_fault_kind kind = check_segment(arena, *linkp, expected, count);
        vmem_size_t size = vmem_tag_at(*linkp)->size;

        count->at = expected;
        if (kind != VMEM_FAULT_NONE)
            return kind;
        if (size > rest)
            return VMEM_FAULT_ORDER;
        expected += size;
        rest -= size;
    }
    count->spans++;
    count->total += span->size;
    if (span->kind == VMEM_KIND_IMPORTED)
        count->imported += span->size;
    return VMEM_FAULT_NONE;
}

static enum vmem_fault_kind check_list(const vmem_t *arena, struct recount *count)
{
    vmem_link_t link = vmem_tag_at(arena->anchor)->next;
    vmem_link_t prev = 0; /* the span before */

    while (link != arena->anchor) {
        vmem_link_t span = link;
        enum vmem_fault_kind kind;

        count->at = vmem_tag_at(span)->addr;
        if (!vmem_tag_is_span(vmem_tag_at(span)) ||
            (prev != 0 && vmem_tag_last(vmem_tag_at(prev)) >= vmem_tag_at(span)->addr))
            return VMEM_FAULT_ORDER;
        kind = check_span(arena, &link, count);
        if (kind != VMEM_FAULT_NONE)
            return kind;
        prev = span;
    }
    return VMEM_FAULT_NONE;
}

static size_t stash_count(const struct vmem_stash *stash)
{
    size_t count = 0;

    for (vmem_link_t link = stash->first; link != 0 && count <= stash->count;
         link = vmem_tag_at(link)->chain)
        count++;
    return count;
}

static enum vmem_fault_kind check_locked(const vmem_t *arena, struct recount *count)
{
    enum vmem_fault_kind kind = check_list(arena, count);
    size_t indexed;

    if (kind != VMEM_FAULT_NONE)
        return kind;
    count->at = 0;
    indexed = vmem_is_ordered(arena) ? vmem_tree_recount(arena->tree, count->free)
                                     : vmem_freelist_recount(arena, count->free);
    if (indexed != count->free)
        return VMEM_FAULT_INDEX;
    if (vmem_tree_recount(arena->spans, count->spans) != count->spans)
        return VMEM_FAULT_ORDER;
    if (vmem_hash_recount(&arena->hash) != count->allocated)
        return VMEM_FAULT_HASH;
    if (arena->hash.count != count->allocated || arena->in_use != count->in_use ||
        arena->total != count->total || arena->imported != count->imported ||
        arena->span_count != count->spans)
        return VMEM_FAULT_SUM;
    for (unsigned i = 0; i < 2; i++)
        if (stash_count(&arena->stash[i]) != arena->stash[i].count)
            return VMEM_FAULT_TAGS;
    return VMEM_FAULT_NONE;
}

/* The caches over an arena; their slabs have tags as well. Alone: nothing else runs. */
static enum vmem_fault_kind check_caches(vmem_t *arena, bool alone, size_t *tags)
{
    enum vmem_fault_kind kind = VMEM_FAULT_NONE;
    uint32_t after = 0;
    vmem_cache_t *cache;

    while (kind == VMEM_FAULT_NONE && (cache = vmem_cache_pin_next(arena, after)) != NULL) {
        after = cache->id;
        kind =
            (enum vmem_fault_kind)(alone ? vmem_cache_check(cache) : vmem_cache_check_slabs(cache));
        *tags += cache->slabs.count;
        vmem_cache_unpin(cache);
    }
    return kind;
}

/* Checks one arena, and adds the tags that it holds to *tags. */
static enum vmem_fault_kind check_arena(vmem_t *arena, bool alone, uintptr_t caller, size_t *tags)
{
    struct recount count = {.at = 0};
    unsigned long state = vmem_port_lock(&arena->lock);
    enum vmem_fault_kind kind = check_locked(arena, &count);

    *tags += 1 + count.spans + count.free + count.allocated + arena->stash[0].count +
             arena->stash[1].count;
    vmem_port_unlock(&arena->lock, state);
    if (kind != VMEM_FAULT_NONE)
        (void)vmem_fault_report(arena, kind, "vmem_check", NULL, count.at, 0, caller);
    return kind != VMEM_FAULT_NONE ? kind : check_caches(arena, alone, tags);
}

static enum vmem_fault_kind check_ids(void)
{
    enum vmem_fault_kind kind = VMEM_FAULT_NONE;
    uint32_t after = 0;
    vmem_id_t *space;

    while (kind == VMEM_FAULT_NONE && (space = vmem_id_pin_next(after)) != NULL) {
        after = space->id;
        kind = (enum vmem_fault_kind)vmem_id_check(space);
        vmem_id_unpin(space);
    }
    return kind;
}

int vmem_check(vmem_t *arena)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    enum vmem_fault_kind kind = VMEM_FAULT_NONE;
    uint32_t after = 0;
    size_t tags = 0;

    if (arena != NULL)
        return (int)check_arena(arena, false, caller, &tags);
    while (kind == VMEM_FAULT_NONE && (arena = vmem_pin_next(after)) != NULL) {
        after = arena->id;
        kind = check_arena(arena, true, caller, &tags);
        vmem_unpin(arena);
    }
    if (kind == VMEM_FAULT_NONE)
        kind = check_ids();
    if (kind == VMEM_FAULT_NONE && !vmem_pool_check(tags)) {
        kind = VMEM_FAULT_TAGS;
        (void)vmem_fault_report(NULL, kind, "vmem_check", NULL, 0, tags, caller);
    }
    return (int)kind;
}
