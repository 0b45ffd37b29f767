/* SPDX-License-Identifier: MIT */
/*
 * bitmap.h - bitmaps of keys under a tree of summaries, and the few steps that most calls are.
 * bitmap.c tells how they are built.
 *
 * A bitmap does not lock, and takes its nodes from a stock that the caller fills.
 */
#ifndef VMEM_BITMAP_H
#define VMEM_BITMAP_H

#include "arena.h"

enum {
    VMEM_BITMAP_BITS = VMEM_WORD_BITS == 64 ? 6 : 5, /* of a key, that one level looks at */
    VMEM_BITMAP_LEVELS = ((int)sizeof(vmem_addr_t) * 8 + VMEM_BITMAP_BITS - 1) / VMEM_BITMAP_BITS
};

#define VMEM_WORD_ALL (~(vmem_word_t)0)

/* A slot of a leaf is a word of keys, a bit set for each that is allocated; of others, a node. */
struct vmem_bitmap_node {
    vmem_word_t free;   /* a bit a slot: a key below it is free */
    vmem_word_t used;   /* a bit a slot: a key below it is allocated */
    vmem_word_t slot[]; /* 0: all below is free; VMEM_WORD_BITS of them, fewer in the root */
};

struct vmem_bitmap {
    vmem_word_t root; /* a slot above all: the root node, or the one word of a tiny bitmap */
    unsigned shift;   /* of a key, to the root's slot; 0: the root is a word */
    vmem_addr_t last; /* keys are 0 to this */
    size_t nodes;     /* in the tree, beside the root */
};

/* A key that a search found. */
struct vmem_bitmap_place {
    vmem_addr_t key;
    struct vmem_bitmap_node *leaf; /* NULL: it is missing, or the root is a word */
};

/* Nodes in hand, linked by their first slot. */
struct vmem_bitmap_stock {
    struct vmem_bitmap_node *first;
    vmem_size_t count;
};

/* A bitmap of the keys 0 to last, all free. */
void vmem_bitmap_init(struct vmem_bitmap *map, vmem_addr_t last);

bool vmem_bitmap_is_empty(const struct vmem_bitmap *map);

/* The bytes of a node, and of the root. */
size_t vmem_bitmap_node_bytes(void);
size_t vmem_bitmap_root_bytes(const struct vmem_bitmap *map);

/* Whether the root must be given before anything is set; and giving it. */
bool vmem_bitmap_wants_root(const struct vmem_bitmap *map);
void vmem_bitmap_give_root(struct vmem_bitmap *map, void *memory);

/* Moves place->key up to the lowest key at or above it that is free; false: there is none. */
bool vmem_bitmap_find_free(const struct vmem_bitmap *map, struct vmem_bitmap_place *place);

/* The same for one that is allocated. */
bool vmem_bitmap_find_used(const struct vmem_bitmap *map, vmem_addr_t *keyp);

/*
 * The lowest run of `count` free keys that begins where key + bias is a multiple of align, in
 * *keyp; false: there is none.
 */
bool vmem_bitmap_find_run(const struct vmem_bitmap *map, vmem_size_t count, vmem_size_t align,
                          vmem_addr_t bias, vmem_addr_t *keyp);

/* How many nodes a stock must have before [first, last] can be set. The root is there. */
vmem_size_t vmem_bitmap_missing(const struct vmem_bitmap *map, vmem_addr_t first, vmem_addr_t last);

/* Allocates or frees [first, last], all of which was the opposite. Free nodes go to the stock. */
void vmem_bitmap_set(struct vmem_bitmap *map, vmem_addr_t first, vmem_addr_t last,
                     struct vmem_bitmap_stock *stock);
void vmem_bitmap_clear(struct vmem_bitmap *map, vmem_addr_t first, vmem_addr_t last,
                       struct vmem_bitmap_stock *stock);

/* Verifies every invariant; the number of allocated keys in *countp. */
enum vmem_fault_kind vmem_bitmap_check(const struct vmem_bitmap *map, vmem_size_t *countp);

void vmem_bitmap_stock_add(struct vmem_bitmap_stock *stock, struct vmem_bitmap_node *node);
struct vmem_bitmap_node *vmem_bitmap_stock_take(struct vmem_bitmap_stock *stock);

/* For the inline functions: tell the nodes above the leaf of a key what has become of it. */
void vmem_bitmap_leaf_filled(struct vmem_bitmap *map, vmem_addr_t key);
void vmem_bitmap_leaf_emptied(struct vmem_bitmap *map, vmem_addr_t key,
                              struct vmem_bitmap_stock *stock);

static inline vmem_word_t vmem_bitmap_bit(unsigned n)
{
    return (vmem_word_t)1 << n;
}

/* The slot that a key has in a node whose shift this is; of a word, its bit. */
static inline unsigned vmem_bitmap_digit(vmem_addr_t key, unsigned shift)
{
    return (unsigned)vmem_shift_right(key, shift) & (unsigned)(VMEM_WORD_BITS - 1);
}

static inline struct vmem_bitmap_node *vmem_bitmap_node_at(vmem_word_t slot)
{
    return (struct vmem_bitmap_node *)slot;
}

/* The word of a key; NULL: it is missing, and so the key free. */
static inline const vmem_word_t *vmem_bitmap_word(const struct vmem_bitmap *map, vmem_addr_t key)
{
    const vmem_word_t *slot = &map->root;

    for (unsigned shift = map->shift; shift > 0; shift -= VMEM_BITMAP_BITS) {
        if (*slot == 0)
            return NULL;
        slot = &vmem_bitmap_node_at(*slot)->slot[vmem_bitmap_digit(key, shift)];
    }
    return slot;
}

static inline bool vmem_bitmap_is_used(const struct vmem_bitmap *map, vmem_addr_t key)
{
    const vmem_word_t *word = vmem_bitmap_word(map, key);

    return word != NULL && (*word & vmem_bitmap_bit(vmem_bitmap_digit(key, 0))) != 0;
}

/*
 * What vmem_bitmap_find_free() says, in a fraction of the time and most of the time: from 0, unless
 * a node is missing; and from any key, if the one it finds is in the same leaf. False: ask it.
 */
VMEM_INLINE bool vmem_bitmap_find_lowest(const struct vmem_bitmap *map,
                                         struct vmem_bitmap_place *place)
{
    vmem_word_t slot = map->root;

    place->key = 0;
    place->leaf = NULL;
    for (unsigned shift = map->shift; shift > 0; shift -= VMEM_BITMAP_BITS) {
        unsigned n;

        place->leaf = vmem_bitmap_node_at(slot);
        if (VMEM_UNLIKELY(slot == 0 || place->leaf->free == 0))
            return false;
        n = vmem_word_lsb(place->leaf->free);
        place->key = place->key << VMEM_BITMAP_BITS | n;
        slot = place->leaf->slot[n];
    }
    if (VMEM_UNLIKELY(slot == VMEM_WORD_ALL))
        return false;
    place->key = place->key << VMEM_BITMAP_BITS | vmem_word_lsb(~slot);
    return true;
}

VMEM_INLINE bool vmem_bitmap_find_near(const struct vmem_bitmap *map, vmem_addr_t from,
                                       struct vmem_bitmap_place *place)
{
    vmem_word_t slot = map->root;
    unsigned n = 0;

    place->key = from & ~(vmem_addr_t)(VMEM_WORD_BITS - 1);
    place->leaf = NULL;
    for (unsigned shift = map->shift; shift > 0; shift -= VMEM_BITMAP_BITS) {
        if (VMEM_UNLIKELY(slot == 0))
            return false;
        place->leaf = vmem_bitmap_node_at(slot);
        n = vmem_bitmap_digit(from, shift);
        slot = place->leaf->slot[n];
    }
    slot |= ~(VMEM_WORD_ALL << vmem_bitmap_digit(from, 0));
    if (slot == VMEM_WORD_ALL) {
        vmem_word_t words = place->leaf != NULL ? place->leaf->free >> n >> 1 : 0;

        if (VMEM_UNLIKELY(words == 0))
            return false;
        n += vmem_word_lsb(words) + 1;
        place->key += (vmem_addr_t)(vmem_word_lsb(words) + 1) << VMEM_BITMAP_BITS;
        slot = place->leaf->slot[n];
    }
    place->key += vmem_word_lsb(~slot);
    return true;
}

/* Allocates free keys of one word, `bits`, whose leaf is there. */
static inline void vmem_bitmap_set_bits(struct vmem_bitmap *map, struct vmem_bitmap_node *leaf,
                                        vmem_addr_t key, vmem_word_t bits)
{
    unsigned n = vmem_bitmap_digit(key, VMEM_BITMAP_BITS);
    vmem_word_t *word = leaf != NULL ? &leaf->slot[n] : &map->root;
    vmem_word_t before = *word;

    *word = before | bits;
    if (leaf == NULL)
        return;
    if (VMEM_UNLIKELY(before == 0))
        leaf->used |= vmem_bitmap_bit(n);
    if (VMEM_UNLIKELY((before | bits) == VMEM_WORD_ALL)) {
        leaf->free &= ~vmem_bitmap_bit(n);
        if (leaf->free == 0)
            vmem_bitmap_leaf_filled(map, key);
    }
}

/*
 * Frees allocated keys of one word; false: they are not all allocated, and nothing has changed. The
 * nodes on the way are told that there is a free key below them, which is true even then.
 */
static inline bool vmem_bitmap_clear_bits(struct vmem_bitmap *map, vmem_addr_t key,
                                          vmem_word_t bits, struct vmem_bitmap_stock *stock)
{
    struct vmem_bitmap_node *leaf = NULL;
    vmem_word_t *slot = &map->root;
    vmem_word_t before;
    unsigned n = 0;

    for (unsigned shift = map->shift; shift > 0; shift -= VMEM_BITMAP_BITS) {
        if (VMEM_UNLIKELY(*slot == 0))
            return false;
        if (leaf != NULL)
            leaf->free |= vmem_bitmap_bit(n);
        leaf = vmem_bitmap_node_at(*slot);
        n = vmem_bitmap_digit(key, shift);
        slot = &leaf->slot[n];
    }
    before = *slot;
    if (VMEM_UNLIKELY((before & bits) != bits))
        return false;
    *slot = before & ~bits;
    if (leaf == NULL)
        return true;
    if (before == VMEM_WORD_ALL)
        leaf->free |= vmem_bitmap_bit(n);
    if (VMEM_UNLIKELY(before == bits)) {
        leaf->used &= ~vmem_bitmap_bit(n);
        if (leaf->used == 0)
            vmem_bitmap_leaf_emptied(map, key, stock);
    }
    return true;
}

#endif
