/* SPDX-License-Identifier: MIT */
/*
 * test_check.c - vmem_check() finds what is broken: each test breaks one thing of a sound arena,
 * sees that the right kind is returned and reported, and mends it.
 */
#include "support.h"

#include "arena.h"
#include "hash.h"
#include "tree.h"

#include <string.h>

/*
 * Two spans of 32 quanta of 16:
 *
 *     [0x1000] .4 #2 .2 #1 #3 .20    [0x2000] #1 .31
 */
static vmem_t *make_sample(void **state)
{
    vmem_t *arena = make(0x1000, 0x200, 0x10, INDEX(state));

    expect(0, vmem_add(arena, 0x2000, 0x200, 0), arena);
    (void)take_at(arena, 0x1040, 0x20);
    (void)take_at(arena, 0x1080, 0x10);
    (void)take_at(arena, 0x1090, 0x30);
    (void)take_at(arena, 0x2000, 0x10);
    assert_layout(arena, 0x10, "[.4#2.2#1#3.20][#1.31]");
    return arena;
}

/* The link of the span, or of the segment, that begins at addr. */
static vmem_link_t link_at(vmem_t *arena, vmem_addr_t addr, bool span)
{
    vmem_link_t link = vmem_tag_at(arena->anchor)->next;

    while (link != arena->anchor) {
        if (vmem_tag_at(link)->addr == addr && vmem_tag_is_span(vmem_tag_at(link)) == span)
            return link;
        link = vmem_tag_at(link)->next;
    }
    fail_msg("no such tag");
    return 0;
}

static struct vmem_tag *segment_at(vmem_t *arena, vmem_addr_t addr)
{
    return vmem_tag_at(link_at(arena, addr, false));
}

static struct vmem_tag *span_at(vmem_t *arena, vmem_addr_t addr)
{
    return vmem_tag_at(link_at(arena, addr, true));
}

static void assert_found(vmem_t *arena, enum vmem_fault_kind kind, const char *file, int line)
{
    const char *name = arena != NULL ? "test" : "-";

    _assert_int_equal((LargestIntegralType)vmem_check(arena), kind, file, line);
    support_expect_fault(kind, file, line);
    _assert_string_equal(last_fault.call, "vmem_check", file, line);
    _assert_string_equal(last_fault.arena_name, name, file, line);
}

/* Writes a value over a number, of whatever width, for the time of a check. */
static void break_number(vmem_t *arena, void *at, size_t size, uint64_t value,
                         enum vmem_fault_kind kind, const char *file, int line)
{
    unsigned char saved[sizeof(uint64_t)];
    uint32_t narrow = (uint32_t)value;
    uint16_t short_value = (uint16_t)value;
    uint8_t byte = (uint8_t)value;

    memcpy(saved, at, size);
    memcpy(at,
           size == 8   ? (void *)&value
           : size == 4 ? (void *)&narrow
           : size == 2 ? (void *)&short_value
                       : (void *)&byte,
           size);
    assert_found(arena, kind, file, line);
    memcpy(at, saved, size);
    support_check(arena, file, line);
}

#define breaks(arena, number, value, kind) \
    break_number(arena, &(number), sizeof(number), (uint64_t)(value), kind, __FILE__, __LINE__)

/*
 * Order
 */

static void check_finds_a_gap_before_a_segment(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x1040)->addr, 0x1050, VMEM_FAULT_ORDER);
    breaks(arena, segment_at(arena, 0x1000)->addr, 0x1010, VMEM_FAULT_ORDER);
    breaks(arena, segment_at(arena, 0x2000)->addr, 0x2010, VMEM_FAULT_ORDER);
}

static void check_finds_segments_that_overlap(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x1040)->size, 0x30, VMEM_FAULT_ORDER);
    breaks(arena, segment_at(arena, 0x1080)->addr, 0x1070, VMEM_FAULT_ORDER);
}

static void check_finds_an_empty_segment(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x1080)->size, 0, VMEM_FAULT_ORDER);
}

static void check_finds_a_size_that_is_not_in_quanta(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x1090)->size, 0x28, VMEM_FAULT_ORDER);
}

static void check_finds_a_segment_that_leaves_its_span(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x2010)->size, 0x400, VMEM_FAULT_ORDER);
    breaks(arena, segment_at(arena, 0x10c0)->size, 0x1000, VMEM_FAULT_ORDER);
}

static void check_finds_a_span_that_its_segments_do_not_fill(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x10c0)->size, 0x130, VMEM_FAULT_ORDER);
    breaks(arena, segment_at(arena, 0x2010)->size, 0x10, VMEM_FAULT_ORDER);
}

static void check_finds_a_link_that_is_not_answered(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_tag *tag = segment_at(arena, 0x1080);

    breaks(arena, tag->prev, tag->next, VMEM_FAULT_ORDER);
    breaks(arena, span_at(arena, 0x2000)->prev, link_at(arena, 0x1040, false), VMEM_FAULT_ORDER);
    breaks(arena, span_at(arena, 0x1000)->prev, link_at(arena, 0x1040, false), VMEM_FAULT_ORDER);
}

static void check_finds_a_segment_outside_every_span(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, span_at(arena, 0x1000)->kind, VMEM_KIND_ALLOCATED, VMEM_FAULT_ORDER);
    breaks(arena, span_at(arena, 0x2000)->kind, VMEM_KIND_ALLOCATED, VMEM_FAULT_ORDER);
}

static void check_finds_a_tag_of_no_kind(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x1080)->kind, VMEM_KIND_ANCHOR, VMEM_FAULT_ORDER);
}

static void check_finds_spans_out_of_order(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, span_at(arena, 0x2000)->addr, 0x1100, VMEM_FAULT_ORDER);
    breaks(arena, span_at(arena, 0x2000)->addr, 0x100, VMEM_FAULT_ORDER);
}

static void check_finds_an_empty_span(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, span_at(arena, 0x2000)->size, 0, VMEM_FAULT_ORDER);
}

static void check_finds_a_span_that_the_tree_of_spans_does_not_know(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, arena->spans, 0, VMEM_FAULT_ORDER);
    breaks(arena, arena->spans, vmem_node_at(arena->spans)->right, VMEM_FAULT_ORDER);
}

static void check_finds_a_tree_of_spans_that_is_wrong_within(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, vmem_node_at(arena->spans)->height, 7, VMEM_FAULT_ORDER);
    breaks(arena, vmem_node_at(arena->spans)->max, 7, VMEM_FAULT_ORDER);
    breaks(arena, vmem_node_at(arena->spans)->parent, arena->anchor, VMEM_FAULT_ORDER);
}

/*
 * Neighbours
 */

/* Makes an allocated segment free without a merge, for the time of a check. */
static void free_without_merging(vmem_t *arena, vmem_addr_t addr)
{
    vmem_link_t link = link_at(arena, addr, false);
    struct vmem_tag *tag = vmem_tag_at(link);

    if (vmem_is_ordered(arena))
        vmem_tree_insert(&arena->tree, link);
    tag->kind = 0;
    assert_found(arena, VMEM_FAULT_NEIGHBOURS, __FILE__, __LINE__);
    tag->kind = VMEM_KIND_ALLOCATED;
    if (vmem_is_ordered(arena))
        vmem_tree_remove(&arena->tree, link);
    check(arena);
}

static void check_finds_two_free_neighbours(void **state)
{
    vmem_t *arena = make_sample(state);

    free_without_merging(arena, 0x1040);
    free_without_merging(arena, 0x1090);
}

static void check_finds_a_free_segment_that_is_in_no_index(void **state)
{
    vmem_t *arena = make_sample(state);

    (void)take_at(arena, 0x1000, 0x40);
    breaks(arena, segment_at(arena, 0x1000)->kind, 0, VMEM_FAULT_INDEX);
}

/*
 * The indexes of free segments
 */

static unsigned list_of_size(const vmem_t *arena, vmem_size_t size)
{
    unsigned list = 0;

    while (arena->freelist.heads[list] == 0 ||
           vmem_tag_at(arena->freelist.heads[list])->size != size)
        list++;
    return list;
}

static void check_finds_a_freelist_that_has_lost_its_segments(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, arena->freelist.heads[list_of_size(arena, 0x20)], 0, VMEM_FAULT_INDEX);
}

static void check_finds_a_segment_on_the_list_of_another_size(void **state)
{
    vmem_t *arena = make_sample(state);
    vmem_link_t *small = &arena->freelist.heads[list_of_size(arena, 0x20)];
    vmem_link_t *large = &arena->freelist.heads[list_of_size(arena, 0x40)];
    vmem_link_t link = *small;

    *small = *large;
    *large = link;
    assert_found(arena, VMEM_FAULT_INDEX, __FILE__, __LINE__);
    *large = *small;
    *small = link;
    check(arena);
}

static void check_finds_a_list_that_is_not_linked_back(void **state)
{
    vmem_t *arena = make(0, 64, 1, INDEX(state));
    vmem_link_t second;

    (void)take_at(arena, 1, 1);
    (void)take_at(arena, 3, 61);
    second = vmem_tag_at(arena->freelist.heads[list_of_size(arena, 1)])->list_next;
    breaks(arena, vmem_tag_at(second)->list_prev, second, VMEM_FAULT_INDEX);
}

static void check_finds_a_list_that_goes_in_circles(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_tag *tag = segment_at(arena, 0x1060);

    breaks(arena, tag->list_next, link_at(arena, 0x1060, false), VMEM_FAULT_INDEX);
}

static void check_finds_an_allocated_segment_on_a_list(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, segment_at(arena, 0x1060)->list_next, link_at(arena, 0x1040, false),
           VMEM_FAULT_INDEX);
}

/* A segment in the index that is not in the arena, and so one more than there are. */
static void check_finds_a_stray_segment(void **state)
{
    vmem_t *arena = make(0, 64, 1, INDEX(state));
    vmem_link_t stray, head;
    struct vmem_tag *tag, saved;

    give(arena, take_at(arena, 1, 1), 1); /* leaves tags in the stash */
    stray = arena->stash[VMEM_STASH_SEGMENTS].first;
    tag = vmem_tag_at(stray);
    saved = *tag;
    tag->addr = 1000;
    tag->size = 64;
    tag->list_prev = 0;
    if (vmem_is_ordered(arena)) {
        vmem_tree_insert(&arena->tree, stray);
        assert_found(arena, VMEM_FAULT_INDEX, __FILE__, __LINE__);
        vmem_tree_remove(&arena->tree, stray);
    } else {
        head = arena->freelist.heads[list_of_size(arena, 64)];
        tag->list_next = 0;
        tag->list_prev = head;
        vmem_tag_at(head)->list_next = stray;
        assert_found(arena, VMEM_FAULT_INDEX, __FILE__, __LINE__);
        vmem_tag_at(head)->list_next = 0;
    }
    *tag = saved;
    check(arena);
}

static void check_finds_a_bit_of_the_map_that_lies(void **state)
{
    vmem_t *arena = make_sample(state);
    vmem_word_t *map = arena->freelist.map;

    breaks(arena, map[0], map[0] & (map[0] - 1), VMEM_FAULT_INDEX);
    breaks(arena, map[0], map[0] | (map[0] << 1), VMEM_FAULT_INDEX);
}

static void check_finds_a_bit_of_the_summary_that_lies(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, arena->freelist.summary, 0, VMEM_FAULT_INDEX);
}

static void check_finds_a_tree_that_has_lost_segments(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, arena->tree, 0, VMEM_FAULT_INDEX);
    breaks(arena, vmem_node_at(arena->tree)->left, 0, VMEM_FAULT_INDEX);
}

static void check_finds_a_wrong_maximum(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, vmem_node_at(arena->tree)->max, 0x1000, VMEM_FAULT_INDEX);
    breaks(arena, vmem_node_at(vmem_node_at(arena->tree)->left)->max, 1, VMEM_FAULT_INDEX);
}

static void check_finds_a_wrong_height(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, vmem_node_at(arena->tree)->height, 1, VMEM_FAULT_INDEX);
}

static void check_finds_a_parent_that_is_none(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, vmem_node_at(arena->tree)->parent, vmem_node_at(arena->tree)->left,
           VMEM_FAULT_INDEX);
}

static void check_finds_a_tree_out_of_balance(void **state)
{
    vmem_t *arena = make(0, 64, 1, INDEX(state));
    struct vmem_node *root, *left;
    vmem_link_t left_link;
    uint32_t height;

    for (vmem_addr_t at = 1; at < 8; at += 2)
        (void)take_at(arena, at, 1);
    /* Three free segments and one more: cut off the root's lower child, all else made to match. */
    root = vmem_node_at(arena->tree);
    left_link = root->left;
    left = vmem_node_at(left_link);
    height = root->height;
    root->left = 0;
    assert_found(arena, VMEM_FAULT_INDEX, __FILE__, __LINE__);
    root->left = left_link;
    left->height += 2;
    root->height += 2;
    assert_found(arena, VMEM_FAULT_INDEX, __FILE__, __LINE__);
    left->height -= 2;
    root->height = height;
    check(arena);
}

static void check_finds_an_allocated_segment_in_the_tree(void **state)
{
    vmem_t *arena = make(0, 64, 1, INDEX(state));
    vmem_link_t free_link, taken_link;
    struct vmem_node *free_node, *taken;

    /* [#8.8#48]: the one node of the tree is exchanged for the allocated segment before it. */
    (void)take_at(arena, 0, 8);
    (void)take_at(arena, 16, 48);
    free_link = arena->tree;
    taken_link = link_at(arena, 0, false);
    free_node = vmem_node_at(free_link);
    taken = vmem_node_at(taken_link);
    assert_int_equal(free_node->tag.addr, 8);
    taken->left = 0;
    taken->right = 0;
    taken->parent = 0;
    taken->height = 1;
    taken->max = taken->tag.size;
    arena->tree = taken_link;
    assert_found(arena, VMEM_FAULT_INDEX, __FILE__, __LINE__);
    arena->tree = free_link;
    check(arena);
}

/*
 * The hash of allocated segments
 */

static void check_finds_a_segment_that_the_hash_has_lost(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, *vmem_hash_find(&arena->hash, 0x1080), 0, VMEM_FAULT_HASH);
}

static void check_finds_a_segment_in_another_s_chain(void **state)
{
    vmem_t *arena = make_sample(state);
    size_t bucket = 0;

    while (arena->hash.buckets[bucket] != 0)
        bucket++;
    breaks(arena, arena->hash.buckets[bucket], link_at(arena, 0x1040, false), VMEM_FAULT_HASH);
}

static void check_finds_a_free_segment_in_the_hash(void **state)
{
    vmem_t *arena = make_sample(state);
    size_t bucket = 0;

    while (arena->hash.buckets[bucket] != 0)
        bucket++;
    breaks(arena, arena->hash.buckets[bucket], link_at(arena, 0x1060, false), VMEM_FAULT_HASH);
}

static void check_finds_a_chain_that_goes_in_circles(void **state)
{
    vmem_t *arena = make_sample(state);
    vmem_link_t link = link_at(arena, 0x1080, false);

    while (vmem_tag_at(link)->chain != 0) /* the end of a chain, so that all else is found */
        link = vmem_tag_at(link)->chain;
    breaks(arena, vmem_tag_at(link)->chain, link, VMEM_FAULT_HASH);
}

/* Appends a segment to the chain of another bucket, where all else is still found. */
static void append_to_chain(vmem_t *arena, vmem_link_t link, vmem_link_t stranger)
{
    if (link == 0)
        return;
    while (vmem_tag_at(link)->chain != 0)
        link = vmem_tag_at(link)->chain;
    if (link != stranger)
        breaks(arena, vmem_tag_at(link)->chain, stranger, VMEM_FAULT_HASH);
}

static void check_finds_a_wrong_chain_while_the_hash_grows(void **state)
{
    vmem_t *arena = make(0, 0x1000, 1, INDEX(state));
    const struct vmem_hash *hash = &arena->hash;
    size_t buckets;

    for (vmem_addr_t at = 0; hash->next == NULL || hash->moved == 0; at += 2)
        (void)take_at(arena, at, 1);
    buckets = (size_t)1 << (VMEM_WORD_BITS - hash->shift);
    for (size_t i = 0; i < 2 * hash->moved; i++)
        append_to_chain(arena, hash->next[i], link_at(arena, 0, false));
    for (size_t i = hash->moved; i < buckets; i++)
        append_to_chain(arena, hash->buckets[i], link_at(arena, 0, false));
}

/*
 * Sums
 */

static void check_finds_counters_that_differ_from_a_recount(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, arena->in_use, arena->in_use + 0x10, VMEM_FAULT_SUM);
    breaks(arena, arena->total, arena->total - 0x10, VMEM_FAULT_SUM);
    breaks(arena, arena->imported, 0x10, VMEM_FAULT_SUM);
    breaks(arena, arena->span_count, 1, VMEM_FAULT_SUM);
    breaks(arena, arena->hash.count, 5, VMEM_FAULT_SUM);
}

static void check_counts_what_is_imported(void **state)
{
    vmem_t *source = make(0, 0x1000, 0x100, INDEX(state));
    vmem_t *child = make_child(source, 0x100, INDEX(state));

    (void)take(child, 0x100, 0);
    assert_int_equal(vmem_check(child), 0);
    child->imported = 0;
    assert_int_equal(vmem_check(child), VMEM_FAULT_SUM);
    expect_fault(VMEM_FAULT_SUM);
    child->imported = child->total;
    check(child);
}

/*
 * Tags
 */

static void check_finds_a_stash_that_miscounts(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_stash *stash = &arena->stash[VMEM_STASH_SEGMENTS];

    give(arena, take_at(arena, 0x1010, 0x10), 0x10); /* leaves tags */
    assert_true(stash->count > 1);
    breaks(arena, stash->count, stash->count - 1, VMEM_FAULT_TAGS);
    breaks(arena, stash->count, stash->count + 1, VMEM_FAULT_TAGS);
    breaks(arena, stash->first, 0, VMEM_FAULT_TAGS);
}

static void check_finds_a_stash_that_goes_in_circles(void **state)
{
    vmem_t *arena = make_sample(state);
    vmem_link_t first = arena->stash[VMEM_STASH_SEGMENTS].first;

    breaks(arena, vmem_tag_at(first)->chain, first, VMEM_FAULT_TAGS);
}

static void check_of_everything_finds_a_lost_tag(void **state)
{
    vmem_t *arena = make_sample(state);
    struct vmem_stash *stash = &arena->stash[VMEM_STASH_SEGMENTS];
    vmem_link_t lost = stash->first;

    stash->first = vmem_tag_at(lost)->chain;
    stash->count--;
    check(arena); /* which is sound in itself */
    assert_found(NULL, VMEM_FAULT_TAGS, __FILE__, __LINE__);
    stash->first = lost;
    stash->count++;
    assert_int_equal(vmem_check(NULL), 0);
}

static void check_of_everything_finds_a_page_whose_free_blocks_lead_elsewhere(void **state)
{
    struct vmem_stash stash = {.first = 0};
    vmem_t *arena = make_sample(state);
    void *elsewhere = arena, *saved;
    struct vmem_tag *tag;

    /* Tags go back in order, so the last one heads the free blocks of its page. */
    assert_int_equal(vmem_pool_take(VMEM_CLASS_NODE, 1, 1, &stash), 0);
    tag = vmem_tag_at(stash.first);
    vmem_pool_return(&stash);
    memcpy(&saved, tag, sizeof(saved));
    memcpy(tag, &elsewhere, sizeof(elsewhere));
    assert_found(NULL, VMEM_FAULT_TAGS, __FILE__, __LINE__);
    memcpy(tag, &saved, sizeof(saved));
    assert_int_equal(vmem_check(NULL), 0);
}

/* The header of a page is the pool's own: what stands behind its three pointers is overwritten. */
static void check_of_everything_finds_a_page_that_miscounts(void **state)
{
    vmem_t *arena = make_sample(state);
    uintptr_t tag = (uintptr_t)vmem_tag_at(arena->stash[VMEM_STASH_SEGMENTS].first);
    unsigned char *counts =
        (unsigned char *)(tag & ~(uintptr_t)(VMEM_PAGE_SIZE - 1)) + 3 * sizeof(void *);
    unsigned char saved[4];

    memcpy(saved, counts, sizeof(saved));
    memset(counts, 0xff, 2);
    assert_found(NULL, VMEM_FAULT_TAGS, __FILE__, __LINE__);
    memcpy(counts, saved, sizeof(saved));
    counts[0] ^= 1;
    assert_found(NULL, VMEM_FAULT_TAGS, __FILE__, __LINE__);
    memcpy(counts, saved, sizeof(saved));
    counts[2] ^= 1;
    assert_found(NULL, VMEM_FAULT_TAGS, __FILE__, __LINE__);
    memcpy(counts, saved, sizeof(saved));
    assert_int_equal(vmem_check(NULL), 0);
}

static void check_of_everything_finds_a_broken_arena_among_others(void **state)
{
    vmem_t *one = make_sample(state), *other = make_sample(state);

    one->in_use += 0x10;
    assert_int_equal(vmem_check(NULL), VMEM_FAULT_SUM);
    expect_fault(VMEM_FAULT_SUM);
    assert_ptr_equal(last_fault.arena, one);
    assert_int_equal(vmem_check(other), 0);
    one->in_use -= 0x10;
    other->in_use += 0x10;
    assert_int_equal(vmem_check(NULL), VMEM_FAULT_SUM);
    expect_fault(VMEM_FAULT_SUM);
    assert_ptr_equal(last_fault.arena, other);
    other->in_use -= 0x10;
    assert_int_equal(vmem_check(NULL), 0);
}

static void check_says_where_the_trouble_is(void **state)
{
    vmem_t *arena = make_sample(state);

    breaks(arena, *vmem_hash_find(&arena->hash, 0x1080), 0, VMEM_FAULT_HASH);
    assert_int_equal(last_fault.addr, 0x1080);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(check_finds_a_gap_before_a_segment),
        ON_BOTH(check_finds_segments_that_overlap),
        ON_BOTH(check_finds_an_empty_segment),
        ON_BOTH(check_finds_a_size_that_is_not_in_quanta),
        ON_BOTH(check_finds_a_segment_that_leaves_its_span),
        ON_BOTH(check_finds_a_span_that_its_segments_do_not_fill),
        ON_BOTH(check_finds_a_link_that_is_not_answered),
        ON_BOTH(check_finds_a_segment_outside_every_span),
        ON_BOTH(check_finds_a_tag_of_no_kind),
        ON_BOTH(check_finds_spans_out_of_order),
        ON_BOTH(check_finds_an_empty_span),
        ON_BOTH(check_finds_a_span_that_the_tree_of_spans_does_not_know),
        ON_BOTH(check_finds_a_tree_of_spans_that_is_wrong_within),
        ON_BOTH(check_finds_two_free_neighbours),
        ON_BOTH(check_finds_a_free_segment_that_is_in_no_index),
        MODE(check_finds_a_freelist_that_has_lost_its_segments, 0, "freelists"),
        MODE(check_finds_a_segment_on_the_list_of_another_size, 0, "freelists"),
        MODE(check_finds_a_list_that_is_not_linked_back, 0, "freelists"),
        MODE(check_finds_a_list_that_goes_in_circles, 0, "freelists"),
        MODE(check_finds_an_allocated_segment_on_a_list, 0, "freelists"),
        ON_BOTH(check_finds_a_stray_segment),
        MODE(check_finds_a_bit_of_the_map_that_lies, 0, "freelists"),
        MODE(check_finds_a_bit_of_the_summary_that_lies, 0, "freelists"),
        MODE(check_finds_a_tree_that_has_lost_segments, POLICIES, "ordered"),
        MODE(check_finds_a_wrong_maximum, POLICIES, "ordered"),
        MODE(check_finds_a_wrong_height, POLICIES, "ordered"),
        MODE(check_finds_a_parent_that_is_none, POLICIES, "ordered"),
        MODE(check_finds_a_tree_out_of_balance, POLICIES, "ordered"),
        MODE(check_finds_an_allocated_segment_in_the_tree, POLICIES, "ordered"),
        ON_BOTH(check_finds_a_segment_that_the_hash_has_lost),
        ON_BOTH(check_finds_a_segment_in_another_s_chain),
        ON_BOTH(check_finds_a_free_segment_in_the_hash),
        ON_BOTH(check_finds_a_chain_that_goes_in_circles),
        ON_BOTH(check_finds_a_wrong_chain_while_the_hash_grows),
        ON_BOTH(check_finds_counters_that_differ_from_a_recount),
        ON_BOTH(check_counts_what_is_imported),
        ON_BOTH(check_finds_a_stash_that_miscounts),
        ON_BOTH(check_finds_a_stash_that_goes_in_circles),
        ON_BOTH(check_of_everything_finds_a_lost_tag),
        ON_BOTH(check_of_everything_finds_a_page_that_miscounts),
        ON_BOTH(check_of_everything_finds_a_page_whose_free_blocks_lead_elsewhere),
        ON_BOTH(check_of_everything_finds_a_broken_arena_among_others),
        ON_BOTH(check_says_where_the_trouble_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
