/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - allocation.
 *
 * A request goes through four steps: it is normalised (alignment, window and
 * borders made explicit), a place is searched by its policy in the index of free
 * segments, or a span is imported where there is none (span.c), and the place is
 * committed (segment.h).
 *
 * Locking: what may need memory or call out is done before the lock is taken:
 * vmem_prepare() fills the stash of tags, so that nothing between search and
 * commit can fail for want of a tag. If no tags can be had, the request goes on
 * with what there is: an exact fit needs none, so that an arena whose memory
 * serves for its own tags can be used up to its last page.
 *
 * The unconstrained instant fit of a freelist arena takes a path of its own past
 * the first two steps.
 */
#include "segment.h"

static struct vmem_stash *stash_of(vmem_t *arena, unsigned which)
{
    return &arena->stash[which];
}

/* Which kind of tag a stash holds. */
static enum vmem_tag_class stash_class(const vmem_t *arena, unsigned which)
{
    return which == VMEM_STASH_SPANS || vmem_is_ordered(arena) ? VMEM_CLASS_NODE : VMEM_CLASS_TAG;
}

/* Takes tags from the pool until `count` are there. Drops the lock for that. */
static int fill_stash(vmem_t *arena, unsigned which, uint32_t count, unsigned long *state)
{
    while (stash_of(arena, which)->count < count) {
        struct vmem_stash batch = {.first = 0};
        uint32_t want = which == VMEM_STASH_SPANS ? count : VMEM_STASH_FILL;
        int error;

        vmem_port_unlock(&arena->lock, *state);
        error = vmem_pool_take(stash_class(arena, which), count, want, &batch);
        *state = vmem_port_lock(&arena->lock);
        if (error != 0)
            return error;
        while (batch.first != 0) {
            vmem_link_t link = vmem_stash_pop(&batch);

            vmem_stash_push(stash_of(arena, which), link, vmem_tag_at(link));
        }
    }
    return 0;
}

int vmem_prepare(vmem_t *arena, uint32_t segments, uint32_t spans, unsigned long *state)
{
    int error;

    *state = vmem_port_lock(&arena->lock);
    if (arena->hash.resize)
        vmem_hash_tend(arena, state);
    do {
        error = fill_stash(arena, VMEM_STASH_SPANS, spans, state);
        if (error == 0)
            error = fill_stash(arena, VMEM_STASH_SEGMENTS, segments, state);
    } while (error == 0 && arena->stash[VMEM_STASH_SPANS].count < spans);
    return error;
}

static const char *wrong_constraint(const vmem_t *arena, vmem_size_t size,
                                    const struct vmem_constraints *c)
{
    if (c->align != 0 && !vmem_is_power_of_two(c->align))
        return "align is not a power of two";
    if (c->nocross != 0 && !vmem_is_power_of_two(c->nocross))
        return "nocross is not a power of two";
    if (c->phase != 0 && c->phase >= c->align)
        return "phase is not below align";
    if ((c->phase & (arena->quantum - 1)) != 0)
        return "phase is not a multiple of the quantum";
    if (c->nocross != 0 && c->nocross < size)
        return "nocross is smaller than the size";
    if (c->limit != 0 && c->min >= c->limit)
        return "min is not below limit";
    return NULL;
}

/* Makes a request; NULL, or what is wrong with it. */
static const char *normalise(const vmem_t *arena, vmem_size_t size,
                             const struct vmem_constraints *c, unsigned flags,
                             struct vmem_request *request)
{
    if ((flags & ~(unsigned)VMEM_POLICY_MASK) != 0 || flags > VMEM_LASTFIT)
        return "unknown flags";
    if (size == 0)
        return "size is 0";
    request->size = vmem_round(arena, size);
    request->align = arena->quantum;
    request->phase = 0;
    request->nocross = 0;
    request->min = 0;
    request->max = VMEM_ADDR_MAX;
    request->policy = flags;
    request->plain = true;
    if (c == NULL)
        return NULL;
    if (c->align > request->align)
        request->align = c->align;
    request->phase = c->phase;
    request->nocross = c->nocross;
    request->min = c->min;
    request->max = c->limit - 1; /* 0 wraps to the last address */
    request->plain = request->align == arena->quantum && c->phase == 0 && c->nocross == 0 &&
                     c->min == 0 && c->limit == 0;
    return wrong_constraint(arena, request->size, c);
}

bool vmem_search(vmem_t *arena, const struct vmem_request *request, struct vmem_place *place)
{
    if (vmem_is_ordered(arena))
        return vmem_tree_search(arena, request, place);
    return vmem_freelist_search(arena, request, place);
}

bool vmem_segment_cut(vmem_t *arena, vmem_link_t link, vmem_addr_t addr, vmem_size_t size,
                      uintptr_t caller)
{
    struct vmem_stash *stash = &arena->stash[VMEM_STASH_SEGMENTS];
    struct vmem_tag *tag = vmem_tag_at(link);
    vmem_size_t before = addr - tag->addr;
    vmem_size_t behind = tag->size - before - size;
    vmem_link_t next = tag->next;

    if (stash->count < (before != 0 ? 1U : 0U) + (behind != 0 ? 1U : 0U))
        return false;
    if (before == 0 && behind == 0) {
        vmem_index_remove(arena, link, tag);
    } else if (before == 0) {
        vmem_link_t rest = link;

        link = vmem_segment_split_off(arena, rest, tag, size);
        vmem_index_change(arena, rest, tag, addr + size, behind);
    } else {
        link = vmem_stash_pop(stash);
        vmem_tag_at(link)->addr = addr;
        vmem_tag_at(link)->size = size;
        vmem_tag_insert_before(link, next);
        vmem_index_change(arena, vmem_tag_at(link)->prev, tag, tag->addr, before);
        if (behind != 0)
            vmem_segment_new_free(arena, vmem_stash_pop(stash), next, addr + size, behind);
    }
    vmem_segment_mark(arena, link, vmem_tag_at(link), caller);
    return true;
}

int vmem_commit(vmem_t *arena, const struct vmem_request *request, const struct vmem_place *place,
                uintptr_t caller)
{
    if (!vmem_segment_cut(arena, place->segment, place->addr, request->size, caller))
        return -VMEM_ENOMEM;
    arena->cursor = place->addr + request->size;
    return 0;
}

static void count_failure(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);

    arena->fails++;
    vmem_port_unlock(&arena->lock, state);
}

int vmem_allocate(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp, const char *call, uintptr_t caller)
{
    struct vmem_request request;
    struct vmem_place place;
    unsigned long state;
    const char *wrong;
    int error = -VMEM_ENOSPC;

    wrong = arena == NULL || addrp == NULL ? "arena or addrp is NULL"
                                           : normalise(arena, size, c, flags, &request);
    if (wrong != NULL)
        return vmem_fault_report(arena, VMEM_FAULT_PARAMETER, call, wrong, 0, size, caller);

    if (request.size != 0) {
        (void)vmem_prepare(arena, VMEM_TAGS_PER_CUT, 0, &state);
        if (vmem_search(arena, &request, &place))
            error = vmem_commit(arena, &request, &place, caller);
        vmem_port_unlock(&arena->lock, state);
        if (error == -VMEM_ENOSPC && arena->imports)
            error = vmem_import(arena, &request, flags, &place.addr, caller);
    }
    if (error != 0)
        count_failure(arena);
    else
        *addrp = place.addr;
    return error;
}

/*
 * Cuts `size` off a segment. As vmem_segment_cut, but knows the segment's list and that nothing is
 * left in front.
 */
static inline vmem_link_t cut_listed(vmem_t *arena, unsigned list, vmem_link_t link,
                                     struct vmem_tag *tag, vmem_size_t size)
{
    vmem_link_t rest = link;
    unsigned rest_list;

    if (tag->size == size) {
        vmem_freelist_remove(arena, list, tag);
        return link;
    }
    link = vmem_segment_split_off(arena, rest, tag, size);
    tag->addr += size;
    tag->size -= size;
    rest_list = vmem_freelist_of(arena, tag->size);
    if (rest_list != list) {
        vmem_freelist_remove(arena, list, tag);
        vmem_freelist_push(arena, rest_list, rest, tag);
    }
    return link;
}

/* What vmem_alloc cannot do on its short path. */
static __attribute__((noinline)) int alloc_slowly(vmem_t *arena, vmem_size_t size, unsigned flags,
                                                  vmem_addr_t *addrp, uintptr_t caller)
{
    return vmem_allocate(arena, size, NULL, flags, addrp, "vmem_alloc", caller);
}

int vmem_alloc(vmem_t *arena, vmem_size_t size, unsigned flags, vmem_addr_t *addrp)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    unsigned list = VMEM_NO_LIST;
    vmem_size_t rounded;
    unsigned long state;
    struct vmem_tag *tag;
    vmem_link_t link;

    if (VMEM_UNLIKELY(arena == NULL || addrp == NULL || flags > VMEM_BESTFIT))
        return alloc_slowly(arena, size, flags, addrp, caller);
    rounded = vmem_round(arena, size);
    if (VMEM_UNLIKELY(rounded == 0))
        return alloc_slowly(arena, size, flags, addrp, caller);

    state = vmem_port_lock(&arena->lock);
    if (VMEM_LIKELY(arena->stash[VMEM_STASH_SEGMENTS].first != 0 && !arena->hash.resize)) {
        if (flags == VMEM_BESTFIT)
            list = vmem_freelist_best(arena, rounded, &link);
        else
            list = vmem_freelist_instant(arena, rounded, &link);
    }
    if (VMEM_UNLIKELY(list == VMEM_NO_LIST)) { /* always so in an ordered arena */
        vmem_port_unlock(&arena->lock, state);
        return alloc_slowly(arena, size, flags, addrp, caller);
    }
    tag = vmem_tag_at(link);
    *addrp = tag->addr;
    arena->cursor = tag->addr + rounded;
    link = cut_listed(arena, list, link, tag, rounded);
    vmem_segment_mark(arena, link, vmem_tag_at(link), caller);
    vmem_port_unlock(&arena->lock, state);
    return 0;
}

int vmem_xalloc(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                vmem_addr_t *addrp)
{
    return vmem_allocate(arena, size, c, flags, addrp, "vmem_xalloc",
                         (uintptr_t)__builtin_return_address(0));
}
