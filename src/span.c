/* SPDX-License-Identifier: MIT */
/*
 * span.c - spans: added, removed, imported, released.
 *
 * A span is a marker on the address-ordered list, in front of its segments, and a
 * node in a tree of spans by address: that finds an overlap, a neighbour and the
 * span of an address in O(log spans), however many spans have been imported.
 *
 * Import
 * ------
 * 1. It runs without the lock, so everything that can fail for want of memory is
 *    made ready before, and the segment that was asked for is cut from the new span
 *    in the same hold of the lock that adds it: nobody can be faster.
 * 2. The caller's constraints are passed on, recast for a span in the larger quantum
 *    (the block): a segment that satisfies them stands at some offset in its first
 *    block. Which span is asked for decides whether a refusal is right, so here is
 *    the argument. Of two segments that begin in the same block and both satisfy all
 *    but min, the lower one serves as well: borders further apart than a block are
 *    multiples of it, so both cross the same. Hence one offset will do for all blocks
 *    that lie above min (shape_any), and one more for the block which min divides
 *    (shape_first). If the source can give neither, no span serves.
 * 3. A span that does not serve after all (a hook that ignores constraints) goes
 *    back, after a last look at the arena, which may have changed. Nothing loops.
 * 4. If the source refuses while the arena keeps an empty span, that one goes back
 *    and the source is asked once more.
 */
#include "quantum.h"
#include "segment.h"
#include "sleep.h"

vmem_link_t vmem_span_at(const vmem_t *arena, vmem_addr_t addr)
{
    vmem_link_t link = vmem_tree_floor(arena->spans, addr);

    if (link != 0 && vmem_tag_last(vmem_tag_at(link)) >= addr)
        return link;
    return vmem_tree_ceiling(arena->spans, addr);
}

bool vmem_span_is_empty(vmem_link_t span)
{
    const struct vmem_tag *tag = vmem_tag_at(span);
    const struct vmem_tag *next = vmem_tag_at(tag->next);

    return vmem_tag_is_free(next) && next->size == tag->size;
}

/* The span that [addr, last] overlaps; 0: none. */
static vmem_link_t overlapped(const vmem_t *arena, vmem_addr_t addr, vmem_addr_t last)
{
    vmem_link_t link = vmem_tree_floor(arena->spans, last);

    return link != 0 && vmem_tag_last(vmem_tag_at(link)) >= addr ? link : 0;
}

/* Where on the address-ordered list a new span at addr goes: before this. */
static vmem_link_t place_for(const vmem_t *arena, vmem_addr_t addr)
{
    vmem_link_t link = vmem_tree_ceiling(arena->spans, addr);

    return link != 0 ? link : arena->anchor;
}

/* Adds a span, whose tags are in the stashes and which overlaps none; its free segment. */
static vmem_link_t attach(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, vmem_link_t kind)
{
    vmem_link_t next = place_for(arena, addr);
    vmem_link_t span_link = vmem_stash_pop(&arena->stash[VMEM_STASH_SPANS]);
    vmem_link_t free_link = vmem_stash_pop(&arena->stash[VMEM_STASH_SEGMENTS]);
    struct vmem_tag *span = vmem_tag_at(span_link);

    span->addr = addr;
    span->size = size;
    span->kind = kind;
    vmem_tag_insert_before(span_link, next);
    vmem_tree_insert(&arena->spans, span_link);
    vmem_segment_new_free(arena, free_link, next, addr, size);
    arena->total += size;
    arena->span_count++;
    if (kind == VMEM_KIND_IMPORTED) {
        arena->imported += size;
        arena->import_count++;
    }
    return free_link;
}

void vmem_span_detach(vmem_t *arena, vmem_link_t span_link)
{
    struct vmem_tag *span = vmem_tag_at(span_link);
    vmem_link_t free_link = span->next;
    struct vmem_tag *free_tag = vmem_tag_at(free_link);

    vmem_index_remove(arena, free_link, free_tag);
    vmem_tag_unlink(free_tag);
    vmem_tag_unlink(span);
    vmem_tree_remove(&arena->spans, span_link);
    arena->total -= span->size;
    arena->span_count--;
    if (span->kind == VMEM_KIND_IMPORTED) {
        arena->imported -= span->size;
        arena->release_count++;
    }
    vmem_stash_push(&arena->stash[VMEM_STASH_SEGMENTS], free_link, free_tag);
    vmem_stash_push(&arena->stash[VMEM_STASH_SPANS], span_link, span);
}

/* What is wrong with a span; NULL: nothing. */
static const char *wrong_span(const vmem_t *arena, vmem_addr_t base, vmem_size_t size)
{
    if (size == 0)
        return "size is 0";
    if (((base | size) & (arena->quantum - 1)) != 0)
        return "base or size is not a multiple of the quantum";
    if (size - 1 > VMEM_ADDR_MAX - base)
        return "the span passes the end of the address space";
    return NULL;
}

int vmem_add(vmem_t *arena, vmem_addr_t base, vmem_size_t size, unsigned flags)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    const char *wrong;
    unsigned long state;
    vmem_link_t other;
    int error;

    wrong = arena == NULL ? "arena is NULL"
            : flags != 0  ? "unknown flags"
                          : wrong_span(arena, base, size);
    if (wrong != NULL)
        return vmem_fault_report(arena, VMEM_FAULT_PARAMETER, "vmem_add", wrong, base, size,
                                 caller);
    if (!vmem_is_ordered(arena) && !vmem_freelist_reach(arena, size))
        return -VMEM_ENOMEM;
    error = vmem_prepare(arena, 1, 1, &state);
    other = overlapped(arena, base, base + (size - 1));
    if (other != 0) {
        vmem_fault_found(arena, VMEM_FAULT_OVERLAP, "vmem_add", base, size, other, caller, state);
        return -VMEM_EEXIST;
    }
    if (error == 0)
        (void)attach(arena, base, size, VMEM_KIND_SPAN);
    vmem_port_unlock(&arena->lock, state);
    if (error == 0 && vmem_is_awaited(arena))
        vmem_wake(arena);
    return error;
}

static int remove_span(vmem_t *arena, vmem_addr_t base, vmem_size_t size)
{
    const struct vmem_tag *tag;
    struct vmem_stash surplus = {.first = 0};
    unsigned long state;
    vmem_link_t link;
    int error = 0;

    state = vmem_port_lock(&arena->lock);
    link = vmem_tree_floor(arena->spans, base);
    tag = link != 0 ? vmem_tag_at(link) : NULL;
    if (tag == NULL || tag->addr != base || tag->size != size || tag->kind != VMEM_KIND_SPAN)
        error = -VMEM_EINVAL;
    else if (!vmem_span_is_empty(link))
        error = -VMEM_EBUSY;
    else
        vmem_span_detach(arena, link);
    vmem_take_surplus(arena, &surplus);
    vmem_port_unlock(&arena->lock, state);
    if (surplus.count > 0)
        vmem_pool_return(&surplus);
    return error;
}

int vmem_remove(vmem_t *arena, vmem_addr_t base, vmem_size_t size)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    int error;

    if (arena == NULL)
        return vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, "vmem_remove", "arena is NULL", base,
                                 size, caller);
    error = remove_span(arena, base, size);
    if (error == -VMEM_EBUSY && arena->qcaches != NULL) {
        vmem_quantum_strip(arena);
        error = remove_span(arena, base, size);
    }
    if (error == -VMEM_EINVAL)
        return vmem_fault_report(arena, VMEM_FAULT_PARAMETER, "vmem_remove",
                                 "no span that was added is this range", base, size, caller);
    return error;
}

bool vmem_contains(const vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    vmem_t *locked = (vmem_t *)(uintptr_t)arena; /* only its lock is written */
    const struct vmem_tag *tag;
    unsigned long state;
    vmem_link_t link;
    bool contained = false;

    if (arena == NULL || size == 0 || size - 1 > VMEM_ADDR_MAX - addr)
        return false;
    state = vmem_port_lock(&locked->lock);
    link = vmem_tree_floor(arena->spans, addr);
    if (link != 0) {
        tag = vmem_tag_at(link);
        contained = addr + (size - 1) <= vmem_tag_last(tag);
    }
    vmem_port_unlock(&locked->lock, state);
    return contained;
}

/*
 * Import
 */

/* What is asked of the source: a span of `size` under `c`. */
struct shape {
    vmem_size_t size;
    struct vmem_constraints c;
};

vmem_size_t vmem_import_block(const vmem_t *arena)
{
    if (arena->source == NULL || arena->source->quantum < arena->quantum)
        return arena->quantum;
    return arena->source->quantum;
}

/* The blocks that a segment at `offset` in the first of them needs; 0: too large. */
static vmem_size_t blocks_for(const struct vmem_request *request, vmem_size_t offset,
                              vmem_size_t block)
{
    vmem_size_t end = offset + request->size;

    if (end < offset)
        return 0;
    return (end + (block - 1)) & ~(block - 1);
}

/*
 * Where in its first block a segment stands, in any block that lies wholly above min: the alignment
 * decides, and borders that are closer than a block.
 */
static bool offset_in_block(const struct vmem_request *request, vmem_size_t block,
                            vmem_size_t *offsetp)
{
    struct vmem_request in_block = *request;

    in_block.min = 0;
    in_block.max = VMEM_ADDR_MAX;
    if (in_block.align > block)
        in_block.align = block;
    in_block.phase &= block - 1;
    if (in_block.nocross > block)
        in_block.nocross = 0;
    return vmem_fit_low(&in_block, 0, VMEM_ADDR_MAX, offsetp) && *offsetp < block;
}

/* A span whose first block lies wholly above min. */
static bool shape_any(const struct vmem_request *request, vmem_size_t block, struct shape *shape)
{
    vmem_size_t offset;
    vmem_size_t end; /* the last unit of the segment, from the start of the span */
    vmem_addr_t latest;

    if (!offset_in_block(request, block, &offset))
        return false;
    shape->size = blocks_for(request, offset, block);
    end = offset + (request->size - 1);
    if (shape->size == 0 || request->max < end)
        return false;
    shape->c.align = request->align > block ? request->align : block;
    shape->c.phase = request->align > block ? request->phase - offset : 0;
    shape->c.nocross = request->nocross > block ? request->nocross : 0;
    shape->c.min = request->min > offset ? request->min - offset : 0;
    latest = request->max - end; /* where the span may begin */
    shape->c.limit = latest > VMEM_ADDR_MAX - shape->size ? 0 : latest + shape->size;
    if (shape->c.nocross != 0 && shape->size > shape->c.nocross)
        return false;
    return shape->c.min <= latest;
}

/* The span whose first block min divides. */
static bool shape_first(const struct vmem_request *request, vmem_size_t block, struct shape *shape)
{
    vmem_addr_t first = request->min & ~(block - 1);
    vmem_addr_t addr;

    if (request->min == first || !vmem_fit_low(request, request->min, VMEM_ADDR_MAX, &addr) ||
        addr - first >= block)
        return false;
    shape->size = blocks_for(request, addr - first, block);
    if (shape->size == 0 || shape->size - 1 > VMEM_ADDR_MAX - first)
        return false;
    shape->c.align = block;
    shape->c.phase = 0;
    shape->c.nocross = 0;
    shape->c.min = first;
    shape->c.limit = first + shape->size; /* 0 where that is the end */
    return true;
}

static int ask_source(vmem_t *arena, const struct shape *shape, unsigned policy, vmem_addr_t *addrp,
                      uintptr_t caller)
{
    if (arena->import != NULL)
        return arena->import(arena->ctx, shape->size, &shape->c, policy, addrp);
    return vmem_allocate(arena->source, shape->size, &shape->c, policy, addrp, "vmem_import",
                         caller);
}

void vmem_span_release(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    if (arena->release != NULL)
        arena->release(arena->ctx, addr, size);
    else
        vmem_xfree(arena->source, addr, size);
}

/*
 * Adds what the source gave and cuts the request out of it, or out of another segment if it does
 * not fit there. Called with the lock, and returns with it; *keep: the span is now in the arena.
 */
static int admit(vmem_t *arena, const struct vmem_request *request, vmem_addr_t base,
                 vmem_size_t size, vmem_addr_t *addrp, uintptr_t caller, bool *keep)
{
    struct vmem_place place;
    vmem_link_t span;
    int error;

    place.segment = attach(arena, base, size, VMEM_KIND_IMPORTED);
    span = vmem_tag_at(place.segment)->prev;
    *keep = vmem_fit(request, arena->cursor, base, base + (size - 1), &place.addr);
    if (*keep || vmem_search(arena, request, &place))
        error = vmem_commit(arena, request, &place, caller);
    else
        error = -VMEM_ENOSPC;
    *keep = error == 0 && !vmem_span_is_empty(span);
    if (!*keep)
        vmem_span_detach(arena, span);
    *addrp = place.addr;
    return error;
}

static int import_shape(vmem_t *arena, const struct vmem_request *request,
                        const struct shape *shape, vmem_addr_t *addrp, uintptr_t caller)
{
    vmem_addr_t base = 0;
    unsigned long state;
    vmem_link_t other = 0;
    bool keep = false;
    bool sound;
    int error;

    if (!vmem_is_ordered(arena) && !vmem_freelist_reach(arena, shape->size))
        return -VMEM_ENOMEM;
    error = vmem_prepare(arena, 1 + VMEM_TAGS_PER_CUT, 1, &state);
    vmem_port_unlock(&arena->lock, state);
    if (error != 0)
        return error;
    error = ask_source(arena, shape, request->policy, &base, caller);
    if (error != 0)
        return error;

    error = vmem_prepare(arena, 1 + VMEM_TAGS_PER_CUT, 1, &state);
    sound = wrong_span(arena, base, shape->size) == NULL;
    if (sound)
        other = overlapped(arena, base, base + (shape->size - 1));
    if (!sound || other != 0) {
        vmem_fault_found(arena, VMEM_FAULT_IMPORT, "import", base, shape->size, other, caller,
                         state);
        if (other == 0) /* else it is, or overlaps, what is in use here */
            vmem_span_release(arena, base, shape->size);
        return -VMEM_EINVAL;
    }
    if (error == 0)
        error = admit(arena, request, base, shape->size, addrp, caller, &keep);
    vmem_port_unlock(&arena->lock, state);
    if (!keep)
        vmem_span_release(arena, base, shape->size);
    else if (vmem_is_awaited(arena)) /* what is left of it may serve others */
        vmem_wake(arena);
    return error;
}

bool vmem_release_kept(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_link_t span = arena->kept;
    vmem_addr_t addr = 0;
    vmem_size_t size = 0;

    arena->kept = 0;
    if (span != 0 && vmem_span_is_empty(span)) {
        addr = vmem_tag_at(span)->addr;
        size = vmem_tag_at(span)->size;
        vmem_span_detach(arena, span);
    }
    vmem_port_unlock(&arena->lock, state);
    if (size > 0)
        vmem_span_release(arena, addr, size);
    return size > 0;
}

/* The least that is imported, where any span would do and more than the request asks for. */
static int import_least(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                        uintptr_t caller)
{
    vmem_size_t block = vmem_import_block(arena);
    struct shape shape = {.size = vmem_quantum_slab(arena), .c = {.align = block}};

    if (!request->plain || request->size >= shape.size || shape.size < block)
        return -VMEM_ENOSPC;
    return import_shape(arena, request, &shape, addrp, caller);
}

static int import_any(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                      uintptr_t caller)
{
    vmem_size_t block = vmem_import_block(arena);
    struct shape shape;
    int error = import_least(arena, request, addrp, caller);

    if (error != -VMEM_ENOSPC)
        return error;
    if (shape_any(request, block, &shape))
        error = import_shape(arena, request, &shape, addrp, caller);
    if (error == -VMEM_ENOSPC && shape_first(request, block, &shape))
        error = import_shape(arena, request, &shape, addrp, caller);
    return error;
}

/* The world may have moved while the source said no. */
static int look_again(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                      uintptr_t caller)
{
    int error = -VMEM_ENOSPC;
    struct vmem_place place;
    unsigned long state;

    (void)vmem_prepare(arena, VMEM_TAGS_PER_CUT, 0, &state);
    if (vmem_search(arena, request, &place)) {
        *addrp = place.addr;
        error = vmem_commit(arena, request, &place, caller);
    }
    vmem_port_unlock(&arena->lock, state);
    return error;
}

int vmem_import(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                uintptr_t caller)
{
    int error = import_any(arena, request, addrp, caller);

    if (error != 0 && error != -VMEM_EINVAL && vmem_release_kept(arena))
        error = import_any(arena, request, addrp, caller);
    if (error != 0 && look_again(arena, request, addrp, caller) == 0)
        error = 0;
    return error;
}
