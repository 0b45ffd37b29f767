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
 * A request with VMEM_SLEEP is one without that is tried again (sleep.c).
 *
 * Unconstrained instant and best fit of a freelist arena take a path of their own
 * past the first two steps.
 */
#include "magazine.h"
#include "quantum.h"
#include "segment.h"
#include "sleep.h"

/* Which kind of tag a stash holds. */
static enum vmem_tag_class stash_class(const vmem_t *arena, unsigned which)
{
    return which == VMEM_STASH_SPANS || vmem_is_ordered(arena) ? VMEM_CLASS_NODE : VMEM_CLASS_TAG;
}

/* How many tags to take at once: no more than needed for an arena that may never need many. */
static uint32_t batch_size(const vmem_t *arena, unsigned which, uint32_t lacking)
{
    return which == VMEM_STASH_SPANS || arena->hash.count < VMEM_STASH_FILL ? lacking
                                                                            : VMEM_STASH_FILL;
}

/* Takes tags from the pool until `count` are there. Drops the lock for that. */
static int fill_stash(vmem_t *arena, unsigned which, uint32_t count, unsigned long *state)
{
    struct vmem_stash *stash = &arena->stash[which];

    while (stash->count < count) {
        struct vmem_stash batch = {.first = 0};
        uint32_t lacking = count - stash->count;
        uint32_t want = batch_size(arena, which, lacking);
        int error;

        vmem_port_unlock(&arena->lock, *state);
        error = vmem_pool_take(stash_class(arena, which), lacking, want, &batch);
        *state = vmem_port_lock(&arena->lock);
        if (error != 0)
            return error;
        while (batch.first != 0) {
            vmem_link_t link = vmem_stash_pop(&batch);

            vmem_stash_push(stash, link, vmem_tag_at(link));
        }
    }
    return 0;
}

static bool is_prepared(const vmem_t *arena, uint32_t segments, uint32_t spans)
{
    return arena->stash[VMEM_STASH_SEGMENTS].count >= segments &&
           arena->stash[VMEM_STASH_SPANS].count >= spans;
}

int vmem_prepare(vmem_t *arena, uint32_t segments, uint32_t spans, unsigned long *state)
{
    int error = 0;

    *state = vmem_port_lock(&arena->lock);
    if (!vmem_hash_insertion_is_short(&arena->hash))
        vmem_hash_tend(&arena->hash, &arena->lock, state);
    while (error == 0 && !is_prepared(arena, segments, spans)) { /* each drops the lock */
        error = fill_stash(arena, VMEM_STASH_SPANS, spans, state);
        if (error == 0)
            error = fill_stash(arena, VMEM_STASH_SEGMENTS, segments, state);
    }
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
    const char *wrong = vmem_wrong_flags(flags);

    if (wrong != NULL)
        return wrong;
    if (size == 0)
        return "size is 0";
    request->size = vmem_round(arena, size);
    request->align = arena->quantum;
    request->phase = 0;
    request->nocross = 0;
    request->min = 0;
    request->max = VMEM_ADDR_MAX;
    request->policy = vmem_policy(flags);
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
    vmem_segment_mark(arena, vmem_tag_at(link), caller);
    vmem_hash_insert(&arena->hash, link, vmem_tag_at(link));
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

void vmem_count_failure(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);

    arena->fails++;
    vmem_port_unlock(&arena->lock, state);
}

/* From what is free in the arena. */
static int serve_from_arena(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                            uintptr_t caller)
{
    struct vmem_place place;
    unsigned long state;
    int error = -VMEM_ENOSPC;

    (void)vmem_prepare(arena, VMEM_TAGS_PER_CUT, 0, &state);
    if (vmem_search(arena, request, &place)) {
        error = vmem_commit(arena, request, &place, caller);
        if (error == 0)
            *addrp = place.addr;
    }
    vmem_port_unlock(&arena->lock, state);
    return error;
}

static int serve(vmem_t *arena, const struct vmem_request *request, vmem_addr_t *addrp,
                 uintptr_t caller)
{
    int error = serve_from_arena(arena, request, addrp, caller);
    vmem_addr_t addr;

    if (error != -VMEM_ENOSPC || !arena->imports)
        return error;
    error = vmem_import(arena, request, &addr, caller);
    if (error == 0)
        *addrp = addr;
    return error;
}

/* Whether all of the arena could hold the request. Its total is 0 also where that is 2^64. */
static bool may_ever_fit(vmem_t *arena, const struct vmem_request *request)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_size_t total = arena->total;

    vmem_port_unlock(&arena->lock, state);
    return arena->imports || total == 0 || request->size <= total;
}

/* The same, and whatever else may help. */
static int serve_with_pressure(vmem_t *arena, const struct vmem_request *request,
                               vmem_addr_t *addrp, uintptr_t caller)
{
    int error;

    if (request->size == 0)
        return -VMEM_ENOSPC; /* larger than the address space */
    if (arena->qcaches != NULL && may_ever_fit(arena, request)) {
        error = serve_from_arena(arena, request, addrp, caller);
        if (error == 0)
            return 0;
        vmem_quantum_strip(arena);
    }
    error = serve(arena, request, addrp, caller);
    if (error != 0 && error != -VMEM_EINVAL && may_ever_fit(arena, request) && vmem_relieve(arena))
        error = serve(arena, request, addrp, caller);
    return error;
}

/* A request; or what is wrong with it is reported. */
static int make_request(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                        unsigned flags, const vmem_addr_t *addrp, const char *call,
                        uintptr_t caller, struct vmem_request *request)
{
    const char *wrong = arena == NULL || addrp == NULL ? "arena or addrp is NULL"
                                                       : normalise(arena, size, c, flags, request);

    if (wrong == NULL)
        return 0;
    (void)vmem_fault_report(arena, VMEM_FAULT_PARAMETER, call, wrong, 0, size, caller);
    return -VMEM_EINVAL;
}

int vmem_try(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
             vmem_addr_t *addrp, const char *call, uintptr_t caller)
{
    struct vmem_request request;
    int error = make_request(arena, size, c, flags, addrp, call, caller, &request);

    return error != 0 ? error : serve_with_pressure(arena, &request, addrp, caller);
}

/* What an attempt is made with. */
struct wish {
    vmem_t *arena;
    const struct vmem_request *request;
    vmem_addr_t *addrp;
    uintptr_t caller;
};

static int attempt(void *ctx)
{
    const struct wish *wish = ctx;

    return serve_with_pressure(wish->arena, wish->request, wish->addrp, wish->caller);
}

/* (Not inline: only those who wait have a waiter on their stack.) */
static __attribute__((noinline)) int wait_for(struct wish *wish)
{
    struct vmem_waiter waiter = {
        .arena = wish->arena, .min = wish->request->min, .max = wish->request->max};

    return vmem_sleep(&waiter, attempt, wish);
}

int vmem_allocate(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp, const char *call, uintptr_t caller)
{
    struct vmem_request request;
    struct wish wish = {arena, &request, addrp, caller};
    int error = make_request(arena, size, c, flags, addrp, call, caller, &request);

    if (error != 0)
        return error;
    error = vmem_may_sleep(flags) && request.size != 0 ? wait_for(&wish) : attempt(&wish);
    if (error != 0)
        vmem_count_failure(arena);
    return error;
}

int vmem_allocate_slab(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                       vmem_addr_t *addrp, uintptr_t caller)
{
    struct vmem_request request;

    (void)normalise(arena, size, c, VMEM_INSTANTFIT, &request);
    return serve(arena, &request, addrp, caller);
}

/*
 * The common paths: instant and best fit in a freelist arena, without constraints. To keep their
 * instructions few, each function here is left by a call where it calls at all; what they cannot do
 * is left to vmem_allocate. Those that are given `state` are entered with the lock and drop it.
 */

static __attribute__((noinline)) int alloc_slowly(vmem_t *arena, vmem_size_t size, unsigned flags,
                                                  vmem_addr_t *addrp, uintptr_t caller)
{
    return vmem_allocate(arena, size, NULL, flags, addrp, "vmem_alloc", caller);
}

/* Allocates `tag`, which is in no index. */
VMEM_INLINE int finish(vmem_t *arena, vmem_link_t link, struct vmem_tag *tag, vmem_addr_t *addrp,
                       unsigned long state, uintptr_t caller)
{
    vmem_addr_t addr = tag->addr;

    arena->cursor = addr + tag->size;
    vmem_segment_mark(arena, tag, caller);
    vmem_hash_insert_short(&arena->hash, link, tag);
    vmem_port_unlock(&arena->lock, state);
    *addrp = addr;
    return 0;
}

/* Allocates the front of a free segment that is larger than `size`. */
VMEM_INLINE int carve(vmem_t *arena, unsigned list, vmem_link_t rest, vmem_size_t size,
                      vmem_addr_t *addrp, unsigned long state, uintptr_t caller)
{
    struct vmem_tag *rest_tag = vmem_tag_at(rest);
    vmem_link_t link = vmem_segment_split_off(arena, rest, rest_tag, size);
    unsigned rest_list;

    rest_tag->addr += size;
    rest_tag->size -= size;
    rest_list = vmem_freelist_of(arena, rest_tag->size);
    if (rest_list != list) {
        vmem_freelist_remove(arena, list, rest, rest_tag);
        vmem_freelist_push(arena, rest_list, rest, rest_tag);
    }
    return finish(arena, link, vmem_tag_at(link), addrp, state, caller);
}

/* Allocates the front of the first segment of a list. */
static __attribute__((noinline)) int carve_first(vmem_t *arena, unsigned list, vmem_size_t size,
                                                 vmem_addr_t *addrp, unsigned long state,
                                                 uintptr_t caller)
{
    return carve(arena, list, arena->freelist.heads[list], size, addrp, state, caller);
}

static __attribute__((noinline)) int alloc_best(vmem_t *arena, vmem_size_t size, vmem_addr_t *addrp,
                                                uintptr_t caller)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_size_t rounded = vmem_round(arena, size);
    unsigned list = VMEM_NO_LIST;
    vmem_link_t link;

    if (rounded != 0 && vmem_hash_insertion_is_short(&arena->hash) &&
        arena->stash[VMEM_STASH_SEGMENTS].first != 0)
        list = vmem_freelist_best(arena, rounded, &link);
    if (list == VMEM_NO_LIST) {
        vmem_port_unlock(&arena->lock, state);
        return alloc_slowly(arena, size, VMEM_BESTFIT, addrp, caller);
    }
    if (vmem_tag_at(link)->size != rounded)
        return carve(arena, list, link, rounded, addrp, state, caller);
    vmem_freelist_remove(arena, list, link, vmem_tag_at(link));
    return finish(arena, link, vmem_tag_at(link), addrp, state, caller);
}

/* Any policy, any parameters. */
static __attribute__((noinline)) int alloc_other(vmem_t *arena, vmem_size_t size, unsigned flags,
                                                 vmem_addr_t *addrp, uintptr_t caller)
{
    if (arena != NULL && addrp != NULL && flags == VMEM_BESTFIT)
        return alloc_best(arena, size, addrp, caller);
    if (arena != NULL && addrp != NULL && vmem_policy(flags) == VMEM_INSTANTFIT &&
        vmem_quantum_serves(arena, size)) {
        if (!VMEM_CONFIG_DEBUG && vmem_magazine_pop(vmem_quantum_cache(arena, size), addrp))
            return 0;
        return vmem_quantum_alloc(arena, size, flags, addrp, caller);
    }
    return alloc_slowly(arena, size, flags, addrp, caller);
}

/* Allocates the only segment of a list, whole. */
static __attribute__((noinline)) int take_only(vmem_t *arena, unsigned list, vmem_link_t link,
                                               vmem_addr_t *addrp, unsigned long state,
                                               uintptr_t caller)
{
    vmem_freelist_set_head(arena, list, 0);
    return finish(arena, link, vmem_tag_at(link), addrp, state, caller);
}

/* Allocates the first segment of a list, whole. */
static __attribute__((noinline)) int take_first(vmem_t *arena, unsigned list, vmem_link_t link,
                                                vmem_addr_t *addrp, struct vmem_tag *tag,
                                                unsigned long state, uintptr_t caller)
{
    if (VMEM_UNLIKELY(tag->list_next == 0))
        return take_only(arena, list, link, addrp, state, caller);
    arena->freelist.heads[list] = tag->list_next;
    return finish(arena, link, tag, addrp, state, caller);
}

int vmem_alloc(vmem_t *arena, vmem_size_t size, unsigned flags, vmem_addr_t *addrp)
{
    unsigned long state;
    struct vmem_tag *tag;
    vmem_link_t link;
    unsigned list;

    if (VMEM_UNLIKELY(flags != VMEM_INSTANTFIT))
        return alloc_other(arena, size, flags, addrp, (uintptr_t)__builtin_return_address(0));
    if (VMEM_UNLIKELY(arena == NULL))
        return alloc_slowly(arena, size, VMEM_INSTANTFIT, addrp,
                            (uintptr_t)__builtin_return_address(0));
    if (VMEM_UNLIKELY(addrp == NULL))
        return alloc_slowly(arena, size, VMEM_INSTANTFIT, addrp,
                            (uintptr_t)__builtin_return_address(0));
    if (vmem_quantum_serves(arena, size)) {
        if (VMEM_LIKELY(!VMEM_CONFIG_DEBUG &&
                        vmem_magazine_pop(vmem_quantum_cache(arena, size), addrp)))
            return 0;
        return vmem_quantum_alloc(arena, size, flags, addrp,
                                  (uintptr_t)__builtin_return_address(0));
    }
    if (VMEM_UNLIKELY(vmem_round(arena, size) == 0))
        return alloc_slowly(arena, size, VMEM_INSTANTFIT, addrp,
                            (uintptr_t)__builtin_return_address(0));
    size = vmem_round(arena, size);

    state = vmem_port_lock(&arena->lock);
    list = vmem_freelist_instant(arena, size); /* none in an ordered arena */
    if (VMEM_LIKELY(list != VMEM_NO_LIST && vmem_hash_insertion_is_short(&arena->hash))) {
        link = arena->freelist.heads[list];
        tag = vmem_tag_at(link);
        if (tag->size == size)
            return take_first(arena, list, link, addrp, tag, state,
                              (uintptr_t)__builtin_return_address(0));
        if (VMEM_LIKELY(arena->stash[VMEM_STASH_SEGMENTS].first != 0))
            return carve_first(arena, list, size, addrp, state,
                               (uintptr_t)__builtin_return_address(0));
    }
    vmem_port_unlock(&arena->lock, state);
    return alloc_slowly(arena, size, VMEM_INSTANTFIT, addrp,
                        (uintptr_t)__builtin_return_address(0));
}

int vmem_xalloc(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                vmem_addr_t *addrp)
{
    return vmem_allocate(arena, size, c, flags, addrp, "vmem_xalloc",
                         (uintptr_t)__builtin_return_address(0));
}
