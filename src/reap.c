/* SPDX-License-Identifier: MIT */
/*
 * reap.c - giving back what is held without need.
 *
 * The caches over an arena give up what they can, and then the arena the empty span that it kept,
 * what is left of a hash's move, and its stash of tags. Then its tags are moved: tags of pages that
 * are hardly used go to pages that are used more, static ones first, so that the pages they leave
 * can go back to the port. That is possible because a tag is known by links alone: those of its two
 * neighbours and of one index.
 *
 * It matters most where the pages come from an arena of this library. Each lent page
 * is then an allocated segment with a tag of its own, and those tags would hold the
 * very pages that they describe. Pages that go back free their tags in turn, so the
 * whole is done again while it helps.
 *
 * Locking: the arena's, for REAP_STEP tags at a time, or a few chains of the hash.
 * Cost: O(n).
 */
#include "segment.h"
#include "sleep.h"

enum {
    REAP_STEP = 16, /* tags that are looked at in one hold of the lock */
    REAP_ROUNDS = 4
};

/* Puts `to`, a copy of `from`, in its place in the freelist. */
static void replace_in_freelist(vmem_t *arena, vmem_link_t from, vmem_link_t to)
{
    const struct vmem_tag *tag = vmem_tag_at(from);
    vmem_link_t *head = &arena->freelist.heads[vmem_freelist_of(arena, tag->size)];

    if (*head == from)
        *head = to;
    else
        vmem_tag_at(tag->list_prev)->list_next = to;
    if (tag->list_next != 0)
        vmem_tag_at(tag->list_next)->list_prev = to;
}

static void move_tag(vmem_t *arena, vmem_link_t from, vmem_link_t to)
{
    const struct vmem_tag *tag = vmem_tag_at(from);
    bool is_node = vmem_is_ordered(arena) || vmem_tag_is_span(tag);

    if (is_node)
        memcpy(vmem_node_at(to), vmem_node_at(from), sizeof(struct vmem_node));
    else
        memcpy(vmem_tag_at(to), tag, sizeof *tag);
    vmem_tag_at(tag->prev)->next = to;
    vmem_tag_at(tag->next)->prev = to;
    if (vmem_tag_is_span(tag))
        vmem_tree_replace(&arena->spans, from, to);
    else if (!vmem_tag_is_free(tag))
        *vmem_hash_find(&arena->hash, tag->addr) = to;
    else if (is_node)
        vmem_tree_replace(&arena->tree, from, to);
    else
        replace_in_freelist(arena, from, to);
    if (arena->kept == from) /* another thread's, since strip */
        arena->kept = to;
}

/* Moves up to REAP_STEP tags; false: the walk is at its end. */
static bool gather_some(vmem_t *arena, struct vmem_cursor *cursor)
{
    struct vmem_stash left = {.first = 0};
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_link_t from = 0;

    for (unsigned i = 0; i < REAP_STEP; i++) {
        struct vmem_segment segment;
        vmem_link_t to;

        from = vmem_walk_step(arena, cursor, &segment);
        if (from == 0)
            break;
        to = vmem_pool_gathered(from);
        if (to != 0) {
            move_tag(arena, from, to);
            vmem_stash_push(&left, from, vmem_tag_at(from));
        }
    }
    vmem_port_unlock(&arena->lock, state);
    vmem_pool_return(&left);
    return from != 0;
}

/* The anchor, which no walk sees. */
static void gather_anchor(vmem_t *arena)
{
    struct vmem_stash left = {.first = 0};
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_link_t from = arena->anchor;
    vmem_link_t to = vmem_pool_gathered(from);

    if (to != 0) {
        struct vmem_tag *tag = vmem_tag_at(to);

        *tag = *vmem_tag_at(from);
        if (tag->next == from) { /* alone */
            tag->next = to;
            tag->prev = to;
        }
        vmem_tag_at(tag->prev)->next = to;
        vmem_tag_at(tag->next)->prev = to;
        arena->anchor = to;
        vmem_stash_push(&left, from, vmem_tag_at(from));
    }
    vmem_port_unlock(&arena->lock, state);
    vmem_pool_return(&left);
}

static void gather(vmem_t *arena)
{
    struct vmem_cursor cursor;

    memset(&cursor, 0, sizeof cursor);
    gather_anchor(arena);
    while (gather_some(arena, &cursor))
        ;
}

/* Gives up what the arena holds beside its segments. */
static void strip(vmem_t *arena)
{
    struct vmem_stash stash[2];
    unsigned long state;

    bool more;

    (void)vmem_release_kept(arena);
    do {
        state = vmem_port_lock(&arena->lock);
        more = vmem_hash_shrink(&arena->hash, &arena->lock, &state);
        vmem_port_unlock(&arena->lock, state);
    } while (more);
    state = vmem_port_lock(&arena->lock);
    memcpy(stash, arena->stash, sizeof stash);
    memset(arena->stash, 0, sizeof arena->stash);
    vmem_port_unlock(&arena->lock, state);
    vmem_pool_return(&stash[VMEM_STASH_SEGMENTS]);
    vmem_pool_return(&stash[VMEM_STASH_SPANS]);
}

static void reap(vmem_t *arena, bool caches)
{
    if (caches)
        vmem_reap_caches(arena);
    strip(arena);
    gather(arena);
    if (vmem_is_awaited(arena))
        vmem_wake(arena);
}

/* The youngest first: what it gives back goes to older ones. */
static void reap_all(bool caches)
{
    uint32_t before = UINT32_MAX;
    vmem_t *arena;

    while ((arena = vmem_pin_before(before, NULL)) != NULL) {
        before = arena->id;
        reap(arena, caches);
        vmem_unpin(arena);
    }
}

void vmem_reap(vmem_t *arena)
{
    for (unsigned round = 0; round < REAP_ROUNDS; round++) {
        vmem_pool_gather();
        if (arena != NULL)
            reap(arena, round == 0);
        else
            reap_all(round == 0);
        if (vmem_pool_reap() == 0)
            return;
    }
}
