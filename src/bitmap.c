/* SPDX-License-Identifier: MIT */
/*
 * bitmap.c - bitmaps of keys under a tree of summaries.
 *
 * Concepts
 * --------
 * 1. The tree is a radix tree of keys, VMEM_BITMAP_BITS of them a level. At the bottom stand
 *    words, a bit a key, set where the key is allocated. A leaf is a node whose slots are words;
 *    higher nodes have nodes in their slots. The height follows from the last key and does not
 *    change; the root has only as many slots as that takes, and a bitmap that fits into one word is
 *    that word.
 * 2. A slot that is 0 is wholly free, be it a word or a node that is missing. Nodes are there
 *    only above an allocated key. What becomes wholly free goes; what is full stays, so that
 *    freeing never needs memory. The root, once given, stays too.
 * 3. Two words in each node summarise its slots: is there a free key below, is there an allocated
 *    one? So the lowest of either at or above some key is found in one descent (find), without
 *    going back up: the way down remembers the last slot to the right of it that would serve.
 * 4. Allocating or freeing a key touches its word, and most of the time not its leaf's summaries:
 *    those change when the word becomes full or empty, or no longer is. The nodes above are told by
 *    an allocation that its leaf is full (leaf_filled), and by a free on its way down, where it
 *    costs nothing, that there is a free key below them.
 *
 * Invariants, for each node: `used` has the bits of the slots that are not 0, `free` those of the
 * slots below which a key is free, and no bit beyond the last slot; only the root may have no
 * `used` bit. Keys beyond the last, for which there is room in the last word, count as free here;
 * the caller refuses them by comparison.
 *
 * Costs: a node visit a level; a full bitmap takes 1.25 bits a key, and 2 % of that above the
 * leaves.
 * Locking: the caller's.
 */
#include "bitmap.h"

/* Which keys a search is for. */
enum wanted { WANT_FREE, WANT_USED };

/* The lowest key at or above this one that has n as its digit, which is not less than its own. */
static vmem_addr_t advance(vmem_addr_t key, unsigned n, unsigned shift)
{
    unsigned now = vmem_bitmap_digit(key, shift);

    if (n == now)
        return key;
    return (key & ~(vmem_bit(shift) - 1)) + vmem_shift_left(n - now, shift);
}

/* The last key below a slot of this shift. */
static vmem_addr_t slot_end(vmem_addr_t key, unsigned shift)
{
    return key | (vmem_bit(shift) - 1);
}

static size_t root_slots(const struct vmem_bitmap *map)
{
    return vmem_bitmap_digit(map->last, map->shift) + (size_t)1;
}

static size_t bytes_of(size_t slots)
{
    return sizeof(struct vmem_bitmap_node) + slots * sizeof(vmem_word_t);
}

static void node_init(struct vmem_bitmap_node *node, size_t slots)
{
    memset(node, 0, bytes_of(slots));
    node->free = VMEM_WORD_ALL >> (VMEM_WORD_BITS - slots);
}

void vmem_bitmap_init(struct vmem_bitmap *map, vmem_addr_t last)
{
    map->root = 0;
    map->shift = 0;
    map->last = last;
    map->nodes = 0;
    while (vmem_shift_right(last, map->shift) >= VMEM_WORD_BITS)
        map->shift += VMEM_BITMAP_BITS;
}

bool vmem_bitmap_is_empty(const struct vmem_bitmap *map)
{
    return map->root == 0 || (map->shift > 0 && vmem_bitmap_node_at(map->root)->used == 0);
}

size_t vmem_bitmap_node_bytes(void)
{
    return bytes_of(VMEM_WORD_BITS);
}

size_t vmem_bitmap_root_bytes(const struct vmem_bitmap *map)
{
    return bytes_of(root_slots(map));
}

bool vmem_bitmap_wants_root(const struct vmem_bitmap *map)
{
    return map->shift > 0 && map->root == 0;
}

void vmem_bitmap_give_root(struct vmem_bitmap *map, void *memory)
{
    node_init((struct vmem_bitmap_node *)memory, root_slots(map));
    map->root = (vmem_word_t)memory;
}

/*
 * Searching
 */

/* Of the slots of a node, or the bits of a word, those that lead to what is wanted. */
static vmem_word_t leading(vmem_word_t slot, unsigned shift, enum wanted wanted)
{
    if (shift == 0)
        return wanted == WANT_FREE ? ~slot : slot;
    return wanted == WANT_FREE ? vmem_bitmap_node_at(slot)->free : vmem_bitmap_node_at(slot)->used;
}

/*
 * Moves place->key up to the lowest key at or above it that is wanted, with its leaf; false: there
 * is none. Where `bottom` is not 0 it stops at a node of that shift, in place->leaf.
 */
static bool find(const struct vmem_bitmap *map, enum wanted wanted, unsigned bottom,
                 struct vmem_bitmap_place *place)
{
    vmem_word_t slot = map->root;
    unsigned shift = map->shift;
    vmem_word_t fork = 0; /* the last node with more than one way to go, */
    unsigned fork_shift = 0;
    vmem_word_t ways = 0; /*    and the others */

    place->leaf = NULL;
    while (shift == 0 || slot != 0) {
        vmem_word_t slots =
            leading(slot, shift, wanted) & VMEM_WORD_ALL << vmem_bitmap_digit(place->key, shift);
        unsigned n;

        if (slots == 0) {
            if (ways == 0)
                return false;
            slot = fork;
            shift = fork_shift;
            slots = ways;
            ways = 0;
        }
        n = vmem_word_lsb(slots);
        place->key = advance(place->key, n, shift);
        if (shift == 0)
            return true;
        place->leaf = vmem_bitmap_node_at(slot);
        if (shift == bottom)
            return true;
        if ((slots & (slots - 1)) != 0) {
            fork = slot;
            fork_shift = shift;
            ways = slots & (slots - 1);
        }
        slot = place->leaf->slot[n];
        shift -= VMEM_BITMAP_BITS;
    }
    place->leaf = NULL;
    return wanted == WANT_FREE;
}

bool vmem_bitmap_find_free(const struct vmem_bitmap *map, struct vmem_bitmap_place *place)
{
    return find(map, WANT_FREE, 0, place);
}

bool vmem_bitmap_find_used(const struct vmem_bitmap *map, vmem_addr_t *keyp)
{
    struct vmem_bitmap_place place = {.key = *keyp};
    bool found = find(map, WANT_USED, 0, &place);

    *keyp = place.key;
    return found;
}

/*
 * Runs
 */

/* The bits at which `count` set bits in a row begin. */
static vmem_word_t run_starts(vmem_word_t word, vmem_size_t count)
{
    unsigned left = (unsigned)count - 1;

    for (unsigned step = 1; left > 0; step *= 2) {
        if (step > left)
            step = left;
        word &= word >> step;
        left -= step;
    }
    return word;
}

/* The bits of a word, whose first key is this far past a multiple of align, that are multiples. */
static vmem_word_t multiples(vmem_addr_t past, vmem_size_t align)
{
    vmem_size_t first = (0 - past) & (align - 1);
    vmem_word_t pattern = 1;

    if (first >= VMEM_WORD_BITS)
        return 0;
    for (; align < VMEM_WORD_BITS; align *= 2)
        pattern |= pattern << align;
    return pattern << first;
}

/*
 * The key `end` is allocated, so that nothing which begins before it fits. Looks at the rest of its
 * word at once: true if a run in it serves; false, with the key from which to go on.
 */
static bool fits_in_word(const struct vmem_bitmap *map, vmem_size_t count, vmem_size_t align,
                         vmem_addr_t bias, vmem_addr_t end, vmem_addr_t *keyp)
{
    vmem_addr_t base = end & ~(vmem_addr_t)(VMEM_WORD_BITS - 1);
    vmem_word_t word = *vmem_bitmap_word(map, end);
    vmem_word_t starts = 0;

    if (count < VMEM_WORD_BITS) /* `end` is in the way of one as long as the word */
        starts = run_starts(~word & VMEM_WORD_ALL << vmem_bitmap_digit(end, 0), count) &
                 multiples(base + bias, align);
    *keyp = base + (starts != 0 ? vmem_word_lsb(starts) : vmem_word_msb(word) + 1);
    return starts != 0;
}

/* Whether `count` keys from `key` on are in the bitmap. */
static bool reaches(const struct vmem_bitmap *map, vmem_addr_t key, vmem_size_t count)
{
    return key <= map->last && count - 1 <= map->last - key;
}

bool vmem_bitmap_find_run(const struct vmem_bitmap *map, vmem_size_t count, vmem_size_t align,
                          vmem_addr_t bias, vmem_addr_t *keyp)
{
    vmem_addr_t key = 0;

    do {
        struct vmem_bitmap_place place = {.key = key};
        vmem_size_t pad;
        vmem_addr_t end;

        if (!find(map, WANT_FREE, 0, &place) || place.key > map->last)
            return false;
        pad = (0 - (place.key + bias)) & (align - 1);
        if (pad > map->last - place.key || !reaches(map, place.key + pad, count))
            return false;
        *keyp = end = place.key + pad;
        if (!vmem_bitmap_find_used(map, &end) || end - *keyp >= count)
            return true;
        if (fits_in_word(map, count, align, bias, end, &key)) {
            *keyp = key;
            return reaches(map, key, count);
        }
    } while (key - 1 < map->last);
    return false;
}

/*
 * Nodes that come and go
 */

void vmem_bitmap_stock_add(struct vmem_bitmap_stock *stock, struct vmem_bitmap_node *node)
{
    node->slot[0] = (vmem_word_t)stock->first;
    stock->first = node;
    stock->count++;
}

struct vmem_bitmap_node *vmem_bitmap_stock_take(struct vmem_bitmap_stock *stock)
{
    struct vmem_bitmap_node *node = stock->first;

    stock->first = vmem_bitmap_node_at(node->slot[0]);
    stock->count--;
    return node;
}

vmem_size_t vmem_bitmap_missing(const struct vmem_bitmap *map, vmem_addr_t first, vmem_addr_t last)
{
    vmem_size_t count = 0;

    for (vmem_addr_t key = first;; key++) {
        vmem_word_t slot = map->root;
        unsigned shift = map->shift;
        vmem_addr_t end;

        for (; slot != 0 && shift > VMEM_BITMAP_BITS; shift -= VMEM_BITMAP_BITS)
            slot = vmem_bitmap_node_at(slot)->slot[vmem_bitmap_digit(key, shift)];
        end = slot_end(key, shift + VMEM_BITMAP_BITS);
        if (end > last)
            end = last;
        /* A leaf that is there; or a node that is missing, with all below it. */
        for (; slot == 0 && shift > 0; shift -= VMEM_BITMAP_BITS)
            count += vmem_shift_right(end, shift + VMEM_BITMAP_BITS) -
                     vmem_shift_right(key, shift + VMEM_BITMAP_BITS) + 1;
        if (end == last)
            return count;
        key = end;
    }
}

/* The leaf of a key, with the nodes that are missing taken from the stock; NULL: it has none. */
static struct vmem_bitmap_node *reach(struct vmem_bitmap *map, vmem_addr_t key,
                                      struct vmem_bitmap_stock *stock)
{
    struct vmem_bitmap_node *node = vmem_bitmap_node_at(map->root);

    if (map->shift == 0)
        return NULL;
    for (unsigned shift = map->shift; shift > VMEM_BITMAP_BITS; shift -= VMEM_BITMAP_BITS) {
        unsigned n = vmem_bitmap_digit(key, shift);

        if (node->slot[n] == 0) {
            struct vmem_bitmap_node *child = vmem_bitmap_stock_take(stock);

            node_init(child, VMEM_WORD_BITS);
            node->slot[n] = (vmem_word_t)child;
            node->used |= vmem_bitmap_bit(n);
            map->nodes++;
        }
        node = vmem_bitmap_node_at(node->slot[n]);
    }
    return node;
}

/* The nodes above the leaf of a key, from the root; returns how many. */
static unsigned path_of(const struct vmem_bitmap *map, vmem_addr_t key,
                        struct vmem_bitmap_node *path[VMEM_BITMAP_LEVELS])
{
    vmem_word_t slot = map->root;
    unsigned depth = 0;

    for (unsigned shift = map->shift; shift > VMEM_BITMAP_BITS; shift -= VMEM_BITMAP_BITS) {
        path[depth] = vmem_bitmap_node_at(slot);
        slot = path[depth++]->slot[vmem_bitmap_digit(key, shift)];
    }
    return depth;
}

void vmem_bitmap_leaf_filled(struct vmem_bitmap *map, vmem_addr_t key)
{
    struct vmem_bitmap_node *path[VMEM_BITMAP_LEVELS];
    unsigned depth = path_of(map, key, path);
    unsigned shift = 2 * VMEM_BITMAP_BITS;
    vmem_word_t left = 0;

    for (; depth > 0 && left == 0; shift += VMEM_BITMAP_BITS)
        left = path[--depth]->free &= ~vmem_bitmap_bit(vmem_bitmap_digit(key, shift));
}

/* Takes out the leaf, and the nodes above it in which there is nothing else. */
void vmem_bitmap_leaf_emptied(struct vmem_bitmap *map, vmem_addr_t key,
                              struct vmem_bitmap_stock *stock)
{
    struct vmem_bitmap_node *path[VMEM_BITMAP_LEVELS];
    unsigned depth = path_of(map, key, path);
    unsigned shift = 2 * VMEM_BITMAP_BITS;
    vmem_word_t left = 0;

    for (; depth > 0 && left == 0; shift += VMEM_BITMAP_BITS) {
        struct vmem_bitmap_node *node = path[--depth];
        unsigned n = vmem_bitmap_digit(key, shift);

        vmem_bitmap_stock_add(stock, vmem_bitmap_node_at(node->slot[n]));
        map->nodes--;
        node->slot[n] = 0;
        left = node->used &= ~vmem_bitmap_bit(n);
    }
}

/*
 * Ranges
 */

/* The bits of the word of a key that are in [key, last]. */
static vmem_word_t bits_from(vmem_addr_t key, vmem_addr_t last)
{
    vmem_word_t bits = VMEM_WORD_ALL << vmem_bitmap_digit(key, 0);

    if (last < slot_end(key, VMEM_BITMAP_BITS))
        bits &= VMEM_WORD_ALL >> ((unsigned)(VMEM_WORD_BITS - 1) - vmem_bitmap_digit(last, 0));
    return bits;
}

void vmem_bitmap_set(struct vmem_bitmap *map, vmem_addr_t first, vmem_addr_t last,
                     struct vmem_bitmap_stock *stock)
{
    for (vmem_addr_t key = first;; key = slot_end(key, VMEM_BITMAP_BITS) + 1) {
        struct vmem_bitmap_node *leaf = reach(map, key, stock);

        vmem_bitmap_set_bits(map, leaf, key, bits_from(key, last));
        if (last <= slot_end(key, VMEM_BITMAP_BITS))
            return;
    }
}

void vmem_bitmap_clear(struct vmem_bitmap *map, vmem_addr_t first, vmem_addr_t last,
                       struct vmem_bitmap_stock *stock)
{
    for (vmem_addr_t key = first;; key = slot_end(key, VMEM_BITMAP_BITS) + 1) {
        (void)vmem_bitmap_clear_bits(map, key, bits_from(key, last), stock);
        if (last <= slot_end(key, VMEM_BITMAP_BITS))
            return;
    }
}

/*
 * Checking. Nodes are verified from the root downwards, each before its `used` bits are followed.
 */

struct tally {
    vmem_size_t keys;
    size_t nodes; /* beside the root */
};

static unsigned count_bits(vmem_word_t word)
{
    unsigned count = 0;

    for (; word != 0; word &= word - 1)
        count++;
    return count;
}

/* Whether the summaries of a node say what is in its slots, and no node in them is empty. */
static bool node_agrees(const struct vmem_bitmap_node *node, unsigned shift, size_t slots,
                        struct tally *tally)
{
    vmem_word_t free = 0;
    vmem_word_t used = 0;

    for (unsigned n = 0; n < slots; n++) {
        vmem_word_t slot = node->slot[n];

        if (shift == VMEM_BITMAP_BITS)
            tally->keys += count_bits(slot);
        else if (slot != 0 && vmem_bitmap_node_at(slot)->used == 0)
            return false;
        if (slot != 0)
            used |= vmem_bitmap_bit(n);
        if (slot == 0 || leading(slot, shift - VMEM_BITMAP_BITS, WANT_FREE) != 0)
            free |= vmem_bitmap_bit(n);
    }
    return node->used == used && node->free == free;
}

/* The nodes of one level, which is below the root's. */
static bool level_agrees(const struct vmem_bitmap *map, unsigned shift, struct tally *tally)
{
    struct vmem_bitmap_place place = {.key = 0};

    while (find(map, WANT_USED, shift, &place)) {
        tally->nodes++;
        if (!node_agrees(place.leaf, shift, VMEM_WORD_BITS, tally))
            return false;
        place.key = slot_end(place.key, shift + VMEM_BITMAP_BITS);
        if (place.key >= map->last)
            return true;
        place.key++;
    }
    return true;
}

static bool tree_agrees(const struct vmem_bitmap *map, struct tally *tally)
{
    if (map->shift == 0)
        tally->keys = count_bits(map->root);
    else if (map->root != 0 &&
             !node_agrees(vmem_bitmap_node_at(map->root), map->shift, root_slots(map), tally))
        return false;
    for (unsigned shift = map->shift; shift > VMEM_BITMAP_BITS; shift -= VMEM_BITMAP_BITS)
        if (!level_agrees(map, shift - VMEM_BITMAP_BITS, tally))
            return false;
    return true;
}

/* Whether a key beyond the last is allocated, in the last word or another. */
static bool oversteps(const struct vmem_bitmap *map)
{
    vmem_addr_t key = map->last + 1;

    return vmem_bitmap_digit(key, map->shift) >= vmem_bitmap_digit(map->last, map->shift) &&
           vmem_bitmap_find_used(map, &key);
}

enum vmem_fault_kind vmem_bitmap_check(const struct vmem_bitmap *map, vmem_size_t *countp)
{
    struct tally tally = {.keys = 0};

    if (!tree_agrees(map, &tally) || oversteps(map))
        return VMEM_FAULT_INDEX;
    *countp = tally.keys;
    return tally.nodes == map->nodes ? VMEM_FAULT_NONE : VMEM_FAULT_TAGS;
}
