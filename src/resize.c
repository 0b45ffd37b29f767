/* SPDX-License-Identifier: MIT */
/*
 * resize.c - changing an allocated segment where it stands: resize and split.
 *
 * Both leave the start of the segment, by which the hash knows it, as it is.
 */
#include "quantum.h"
#include "segment.h"
#include "sleep.h"

/* The allocated segment [addr, addr + size); 0: it is none. */
static vmem_link_t find(const vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    vmem_link_t link = *vmem_hash_find(&arena->hash, addr);

    return link != 0 && vmem_tag_at(link)->size == vmem_round(arena, size) ? link : 0;
}

/* Takes `more` from the free segment behind. */
static int grow(vmem_t *arena, struct vmem_tag *tag, vmem_size_t more)
{
    vmem_link_t next_link = tag->next;
    struct vmem_tag *next = vmem_tag_at(next_link);

    if (!vmem_tag_is_free(next) || next->size < more)
        return -VMEM_ENOSPC;
    if (next->size > more) {
        vmem_index_change(arena, next_link, next, next->addr + more, next->size - more);
    } else {
        vmem_index_remove(arena, next_link, next);
        vmem_tag_unlink(next);
        vmem_stash_push(&arena->stash[VMEM_STASH_SEGMENTS], next_link, next);
    }
    tag->size += more;
    arena->in_use += more;
    return 0;
}

/* Makes the last `less` of a segment free. */
static int shrink(vmem_t *arena, struct vmem_tag *tag, vmem_size_t less)
{
    struct vmem_stash *stash = &arena->stash[VMEM_STASH_SEGMENTS];
    vmem_link_t next_link = tag->next;
    struct vmem_tag *next = vmem_tag_at(next_link);
    vmem_addr_t end = tag->addr + (tag->size - less);

    if (vmem_tag_is_free(next))
        vmem_index_change(arena, next_link, next, end, next->size + less);
    else if (stash->count > 0)
        vmem_segment_new_free(arena, vmem_stash_pop(stash), next_link, end, less);
    else
        return -VMEM_ENOMEM;
    tag->size -= less;
    arena->in_use -= less;
    return 0;
}

/* What may be an object of a quantum cache, which cannot be changed; 0: it is none. */
static int refuse_object(vmem_t *arena, const char *call, vmem_addr_t addr, vmem_size_t size,
                         uintptr_t caller)
{
    vmem_cache_t *cache;

    switch (vmem_quantum_look(arena, addr, size, call, caller, &cache)) {
    case VMEM_QUANTUM_OBJECT:
        return -VMEM_ENOSPC;
    case VMEM_QUANTUM_MISUSE:
        return -VMEM_EINVAL;
    default:
        return 0;
    }
}

int vmem_resize(vmem_t *arena, vmem_addr_t addr, vmem_size_t old_size, vmem_size_t new_size,
                unsigned flags)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    vmem_size_t rounded;
    unsigned long state;
    struct vmem_tag *tag;
    vmem_link_t link;
    int error = 0;

    if (arena == NULL || new_size == 0 || vmem_wrong_flags(flags) != NULL)
        return vmem_fault_report(arena, VMEM_FAULT_PARAMETER, "vmem_resize",
                                 arena == NULL   ? "arena is NULL"
                                 : new_size == 0 ? "new_size is 0"
                                                 : "unknown flags",
                                 addr, new_size, caller);
    rounded = vmem_round(arena, new_size);
    (void)vmem_prepare(arena, 1, 0, &state);
    link = find(arena, addr, old_size);
    if (arena->qcaches != NULL && vmem_quantum_may_own(arena, link, old_size)) {
        vmem_port_unlock(&arena->lock, state);
        error = refuse_object(arena, "vmem_resize", addr, old_size, caller);
        if (error != 0)
            return error == -VMEM_ENOSPC && rounded == vmem_round(arena, old_size) ? 0 : error;
        (void)vmem_prepare(arena, 1, 0, &state);
        link = find(arena, addr, old_size);
    }
    if (link == 0) {
        vmem_fault_misuse(arena, "vmem_resize", addr, old_size, caller, state);
        return -VMEM_EINVAL;
    }
    tag = vmem_tag_at(link);
    if (rounded == 0)
        error = -VMEM_ENOSPC;
    else if (rounded > tag->size)
        error = grow(arena, tag, rounded - tag->size);
    else if (rounded < tag->size)
        error = shrink(arena, tag, tag->size - rounded);
    vmem_port_unlock(&arena->lock, state);
    if (vmem_is_awaited(arena))
        vmem_wake(arena);
    return error;
}

int vmem_split(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, vmem_size_t offset)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    struct vmem_tag *tag;
    struct vmem_tag *rest;
    unsigned long state;
    vmem_link_t link;
    int refused;
    int error;

    if (arena == NULL || offset == 0 || offset >= size || (offset & (arena->quantum - 1)) != 0)
        return vmem_fault_report(arena, VMEM_FAULT_PARAMETER, "vmem_split",
                                 arena == NULL ? "arena is NULL"
                                               : "offset is not inside the segment, in quanta",
                                 addr, offset, caller);
    error = vmem_prepare(arena, 1, 0, &state);
    link = find(arena, addr, size);
    if (arena->qcaches != NULL && vmem_quantum_may_own(arena, link, size)) {
        vmem_port_unlock(&arena->lock, state);
        refused = refuse_object(arena, "vmem_split", addr, size, caller);
        if (refused != 0)
            return refused;
        error = vmem_prepare(arena, 1, 0, &state);
        link = find(arena, addr, size);
    }
    if (link == 0) {
        vmem_fault_misuse(arena, "vmem_split", addr, size, caller, state);
        return -VMEM_EINVAL;
    }
    if (error == 0) {
        tag = vmem_tag_at(link);
        link = vmem_stash_pop(&arena->stash[VMEM_STASH_SEGMENTS]);
        rest = vmem_tag_at(link);
        rest->addr = addr + offset;
        rest->size = tag->size - offset;
        vmem_tag_insert_before(link, tag->next);
        tag->size = offset;
        arena->in_use -= rest->size; /* which marking adds */
        vmem_segment_mark(arena, rest, caller);
        vmem_hash_insert(&arena->hash, link, rest);
        arena->splits++;
    }
    vmem_port_unlock(&arena->lock, state);
    return error;
}
