/* SPDX-License-Identifier: MIT */
/*
 * free.c - freeing.
 *
 * The hash finds the tag, the size is compared, and the segment is merged with its
 * free neighbours. That needs no memory and cannot fail; it leaves up to two tags
 * over, which stay in the arena's stash, and half of the stash goes to the pool
 * when it has become large. An imported span that becomes wholly free is kept, and
 * the one that was kept before, if it is still wholly free, goes back to its
 * source: after the lock is dropped, as every hook.
 *
 * Where a request waits (sleep.c), nothing is kept back from it, and it is woken in the end.
 *
 * Whatever is not exactly an allocated segment is reported and left alone
 * (fault.c).
 */
#include "magazine.h"
#include "quantum.h"
#include "segment.h"
#include "sleep.h"

static void take_surplus_of(struct vmem_stash *stash, struct vmem_stash *surplus)
{
    if (stash->count <= VMEM_STASH_MAX)
        return;
    for (unsigned i = 0; i < VMEM_STASH_MAX / 2; i++) {
        vmem_link_t link = vmem_stash_pop(stash);

        vmem_stash_push(surplus, link, vmem_tag_at(link));
    }
}

void vmem_take_surplus(vmem_t *arena, struct vmem_stash *surplus)
{
    take_surplus_of(&arena->stash[VMEM_STASH_SEGMENTS], surplus);
    take_surplus_of(&arena->stash[VMEM_STASH_SPANS], surplus);
}

/*
 * A span has become wholly free. Keeps it, and takes the one that was kept out of the arena, or
 * this one, if its source is waited for; false: there is none to release.
 */
static bool keep_span(vmem_t *arena, vmem_link_t span, vmem_addr_t *addrp, vmem_size_t *sizep)
{
    vmem_link_t leaves = arena->kept;

    if (!vmem_is_awaited(arena->source)) {
        arena->kept = span;
    } else {
        if (leaves == span)
            arena->kept = 0;
        leaves = span;
    }
    if (leaves == 0 || leaves == arena->kept || !vmem_span_is_empty(leaves))
        return false;
    *addrp = vmem_tag_at(leaves)->addr;
    *sizep = vmem_tag_at(leaves)->size;
    vmem_span_detach(arena, leaves);
    return true;
}

/* The imported span that `link`, a free segment, fills; 0: it fills none. */
static vmem_link_t filled_span(vmem_link_t link)
{
    const struct vmem_tag *tag = vmem_tag_at(link);
    const struct vmem_tag *prev = vmem_tag_at(tag->prev);

    return prev->kind == VMEM_KIND_IMPORTED && prev->size == tag->size ? tag->prev : 0;
}

/* What remains to be done behind a merge: drops the lock, then gives back what is too much. */
static __attribute__((noinline)) void tidy(vmem_t *arena, vmem_link_t link, unsigned long state)
{
    vmem_link_t span = arena->imports ? filled_span(link) : 0;
    vmem_addr_t addr = 0;
    vmem_size_t size = 0;
    bool release = span != 0 && keep_span(arena, span, &addr, &size);
    bool awaited = vmem_is_awaited(arena);
    struct vmem_stash surplus = {.first = 0};

    vmem_take_surplus(arena, &surplus);
    vmem_port_unlock(&arena->lock, state);
    if (surplus.count > 0)
        vmem_pool_return(&surplus);
    if (release)
        vmem_span_release(arena, addr, size);
    if (awaited)
        vmem_wake(arena);
}

/* Any arena, any parameters. */
static __attribute__((noinline)) void free_slowly(vmem_t *arena, vmem_addr_t addr, vmem_size_t size,
                                                  const char *call, uintptr_t caller)
{
    unsigned long state;
    struct vmem_tag *tag;
    vmem_link_t *at;
    vmem_link_t link;

    if (arena == NULL) {
        (void)vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, call, "arena is NULL", addr, size,
                                caller);
        return;
    }
    state = vmem_port_lock(&arena->lock);
    at = vmem_hash_find(&arena->hash, addr);
    link = *at;
    if (arena->qcaches != NULL && vmem_quantum_may_own(arena, link, size)) {
        vmem_port_unlock(&arena->lock, state);
        if (vmem_quantum_return(arena, addr, size, call, caller))
            return;
        state = vmem_port_lock(&arena->lock);
        at = vmem_hash_find(&arena->hash, addr);
        link = *at;
    }
    if (link == 0 || vmem_tag_at(link)->size != vmem_round(arena, size)) {
        vmem_fault_misuse(arena, call, addr, size, caller, state);
        return;
    }
    tag = vmem_tag_at(link);
    vmem_hash_remove(&arena->hash, at, tag);
    arena->in_use -= tag->size;
    arena->frees++;
    link = vmem_segment_merge(arena, link, tag, vmem_tag_at(tag->prev), vmem_tag_at(tag->next));
    tidy(arena, link, state);
}

/* Ends the common path where a neighbour is free. Drops the lock. */
static __attribute__((noinline)) void merge(vmem_t *arena, vmem_link_t link, struct vmem_tag *tag,
                                            struct vmem_tag *prev, struct vmem_tag *next,
                                            unsigned long state)
{
    link = vmem_segment_merge(arena, link, tag, prev, next);
    if (VMEM_UNLIKELY(arena->stash[VMEM_STASH_SEGMENTS].count > VMEM_STASH_MAX))
        tidy(arena, link, state);
    else
        vmem_port_unlock(&arena->lock, state);
}

/*
 * The common path: a freelist arena that does not import, nothing to do for the hash, and a size
 * that is given in quanta. It is left by a call where it calls at all, which keeps it short.
 */
VMEM_INLINE void free_segment(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *call,
                              uintptr_t caller)
{
    unsigned long state;
    struct vmem_tag *tag;
    struct vmem_tag *prev;
    struct vmem_tag *next;
    vmem_link_t *at;
    vmem_link_t link;

    state = vmem_port_lock(&arena->lock);
    if (VMEM_UNLIKELY(!vmem_hash_removal_is_short(&arena->hash))) {
        vmem_port_unlock(&arena->lock, state);
        free_slowly(arena, addr, size, call, caller);
        return;
    }
    at = vmem_hash_find_from(vmem_hash_bucket_short(&arena->hash, addr), addr);
    link = *at;
    tag = vmem_tag_at(link);
    if (VMEM_UNLIKELY(link == 0 || tag->size != size)) {
        vmem_port_unlock(&arena->lock, state);
        free_slowly(arena, addr, size, call, caller);
        return;
    }
    *at = tag->chain;
    arena->hash.count--;
    arena->in_use -= size;
    arena->frees++;
    prev = vmem_tag_at(tag->prev);
    next = vmem_tag_at(tag->next);
    if (vmem_tag_is_free(prev) || vmem_tag_is_free(next)) {
        merge(arena, link, tag, prev, next, state);
        return;
    }
    vmem_freelist_push(arena, vmem_freelist_of(arena, size), link, tag);
    vmem_port_unlock(&arena->lock, state);
}

void vmem_free_segment(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *call,
                       uintptr_t caller)
{
    free_slowly(arena, addr, size, call, caller);
}

void vmem_free(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    if (VMEM_UNLIKELY(arena == NULL)) {
        free_slowly(arena, addr, size, "vmem_free", (uintptr_t)__builtin_return_address(0));
        return;
    }
    if (!vmem_quantum_serves(arena, size)) {
        free_segment(arena, addr, size, "vmem_free", (uintptr_t)__builtin_return_address(0));
        return;
    }
    if (VMEM_UNLIKELY(VMEM_CONFIG_DEBUG ||
                      !vmem_magazine_push(vmem_quantum_cache(arena, size), addr)))
        vmem_quantum_free(arena, addr, size, (uintptr_t)__builtin_return_address(0));
}

void vmem_xfree(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);

    if (VMEM_UNLIKELY(arena == NULL))
        free_slowly(arena, addr, size, "vmem_xfree", caller);
    else
        free_segment(arena, addr, size, "vmem_xfree", caller);
}
