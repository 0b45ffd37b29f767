/* SPDX-License-Identifier: MIT */
/*
 * walk.c - segments by address, one at a time.
 *
 * A cursor holds addresses, never a reference to a tag, so an arena may change as
 * it likes between two steps. The way back in is the last allocated segment that
 * was seen in this span: the hash finds it in O(1) if it is still there, and what
 * comes next stands a step or two behind it. If not, the tree of spans finds the span,
 * and the segments before the position are passed over.
 *
 * The position only ever grows, so a walk ends.
 */
#include "hash.h"
#include "quantum.h"
#include "tree.h"

vmem_link_t vmem_segment_at(vmem_t *arena, vmem_addr_t addr)
{
    vmem_link_t link = *vmem_hash_find(&arena->hash, addr);

    if (link != 0)
        return link;
    link = vmem_span_at(arena, addr);
    if (link == 0 || vmem_tag_at(link)->addr > addr)
        return 0;
    do
        link = vmem_tag_at(link)->next;
    while (vmem_tag_last(vmem_tag_at(link)) < addr);
    return link;
}

static void describe(const struct vmem_tag *tag, struct vmem_segment *segment)
{
    segment->kind = vmem_tag_is_span(tag)   ? VMEM_SEGMENT_SPAN
                    : vmem_tag_is_free(tag) ? VMEM_SEGMENT_FREE
                                            : VMEM_SEGMENT_ALLOCATED;
    segment->imported = tag->kind == VMEM_KIND_IMPORTED;
    segment->addr = tag->addr;
    segment->size = tag->size;
    segment->caller = 0;
#if VMEM_CONFIG_DEBUG
    if (tag->kind == VMEM_KIND_ALLOCATED)
        segment->caller = tag->caller;
#endif
}

bool vmem_find(vmem_t *arena, vmem_addr_t addr, struct vmem_segment *segment)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_link_t link = vmem_segment_at(arena, addr);

    if (link != 0)
        describe(vmem_tag_at(link), segment);
    vmem_port_unlock(&arena->lock, state);
    if (link != 0 && arena->qcaches != NULL && segment->kind == VMEM_SEGMENT_ALLOCATED &&
        !vmem_quantum_segment(arena, segment->addr, addr, segment) &&
        vmem_quantum_waits(arena, segment->addr, segment->size))
        segment->kind = VMEM_SEGMENT_FREE;
    return link != 0;
}

/* A tag at or before what comes next. */
static vmem_link_t way_in(const vmem_t *arena, const struct vmem_cursor *cursor)
{
    vmem_link_t link = 0;

    if (cursor->has_landmark)
        link = *vmem_hash_find(&arena->hash, cursor->landmark);
    if (link == 0)
        link = vmem_span_at(arena, cursor->position);
    return link != 0 ? link : arena->anchor;
}

/*
 * Whether the walk has seen this tag, or has begun to: an allocated segment that begins before the
 * position is new, and is one of the changes that a walk may miss.
 */
static bool is_seen(const struct vmem_cursor *cursor, const struct vmem_tag *tag)
{
    if (tag->kind == VMEM_KIND_ANCHOR)
        return false;
    if (vmem_tag_is_span(tag))
        return tag->addr < cursor->position || (tag->addr == cursor->position && cursor->in_span);
    if (vmem_tag_is_free(tag))
        return vmem_tag_last(tag) < cursor->position;
    return tag->addr < cursor->position;
}

/* Moves the cursor behind a tag, and clips a free segment to what the walk has not seen. */
static void pass(struct vmem_cursor *cursor, struct vmem_segment *segment)
{
    vmem_addr_t last = segment->addr + (segment->size - 1);

    if (segment->kind == VMEM_SEGMENT_SPAN) {
        cursor->position = segment->addr;
        cursor->in_span = true;
        cursor->has_landmark = false; /* the span is a nearer way in */
        return;
    }
    if (segment->addr < cursor->position) {
        segment->size = last - cursor->position + 1;
        segment->addr = cursor->position;
    }
    if (segment->kind == VMEM_SEGMENT_ALLOCATED) {
        cursor->landmark = segment->addr;
        cursor->has_landmark = true;
    }
    cursor->position = last + 1;
    cursor->in_span = false;
    cursor->done = last == VMEM_ADDR_MAX;
}

vmem_link_t vmem_walk_step(vmem_t *arena, struct vmem_cursor *cursor, struct vmem_segment *segment)
{
    vmem_link_t link = cursor->done ? arena->anchor : way_in(arena, cursor);

    while (is_seen(cursor, vmem_tag_at(link)))
        link = vmem_tag_at(link)->next;
    if (link == arena->anchor) {
        cursor->done = true;
        return 0;
    }
    describe(vmem_tag_at(link), segment);
    pass(cursor, segment);
    return link;
}

/* The next object of the slab in which the walk is, or a run of free ones; false: it is at its end.
 */
static bool step_in_slab(vmem_t *arena, struct vmem_cursor *cursor, struct vmem_segment *segment)
{
    struct vmem_segment next;
    bool found = false;

    while (cursor->offset < vmem_quantum_slab(arena) &&
           vmem_quantum_segment(arena, cursor->slab, cursor->slab + cursor->offset, &next)) {
        if (found && next.kind != VMEM_SEGMENT_FREE)
            return true;
        if (next.addr < cursor->slab + cursor->offset) { /* another cache's slab by now */
            next.size -= cursor->slab + cursor->offset - next.addr;
            next.addr = cursor->slab + cursor->offset;
        }
        if (found)
            segment->size += next.size;
        else
            *segment = next;
        found = true;
        cursor->offset += next.size;
        if (next.kind != VMEM_SEGMENT_FREE)
            return true;
    }
    cursor->in_slab = false;
    return found;
}

/* What the walk came to is an allocated segment: looks whether it is a slab, or waits. */
static void look_inside(vmem_t *arena, struct vmem_cursor *cursor, struct vmem_segment *segment)
{
    if (segment->size == vmem_quantum_slab(arena)) {
        cursor->slab = segment->addr;
        cursor->offset = 0;
        cursor->in_slab = true;
        if (step_in_slab(arena, cursor, segment))
            return;
    }
    if (vmem_quantum_waits(arena, segment->addr, segment->size))
        segment->kind = VMEM_SEGMENT_FREE;
}

bool vmem_walk_next(vmem_t *arena, struct vmem_cursor *cursor, struct vmem_segment *segment)
{
    unsigned long state;
    bool more;

    if (cursor->in_slab && step_in_slab(arena, cursor, segment))
        return true;
    state = vmem_port_lock(&arena->lock);
    more = vmem_walk_step(arena, cursor, segment) != 0;
    vmem_port_unlock(&arena->lock, state);
    if (more && arena->qcaches != NULL && segment->kind == VMEM_SEGMENT_ALLOCATED)
        look_inside(arena, cursor, segment);
    return more;
}

int vmem_walk(vmem_t *arena, unsigned kinds,
              int (*visit)(void *ctx, const struct vmem_segment *segment), void *ctx)
{
    struct vmem_cursor cursor;
    struct vmem_segment segment;
    int result = 0;

    memset(&cursor, 0, sizeof cursor);
    while (result == 0 && vmem_walk_next(arena, &cursor, &segment))
        if ((segment.kind & kinds) != 0)
            result = visit(ctx, &segment);
    return result;
}
