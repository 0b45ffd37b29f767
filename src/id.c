/* SPDX-License-Identifier: MIT */
/*
 * id.c - ID spaces: bitmaps of integers under a tree of summaries.
 *
 * Concepts
 * --------
 * 1. An ID's key is its distance from the smallest ID of the space. The tree is a radix tree of
 *    keys, VMEM_ID_BITS of them a level. At the bottom stand words, a bit a key, set where the ID
 *    is allocated. A leaf is a node whose slots are words, and higher nodes have nodes in their
 *    slots. Its height follows from the size of the space and does not change; the root has only
 *    as many slots as that takes, and a space that fits into one word is that word.
 * 2. A slot that is 0 is wholly free, be it a word or a node that is missing. Nodes are there
 *    only above an allocated ID. What becomes wholly free goes; what is full stays, so that a
 *    free never needs memory. The root, once made, stays too.
 * 3. Two words in each node summarise its slots: is there a free ID below, is there an allocated
 *    one? So the lowest of either at or above some key is found in one descent (find), without
 *    going back: the way down remembers the last slot to the right of it that would have served.
 * 4. Summaries in a leaf are always kept. Above it they change only when a leaf becomes full,
 *    empty, or no longer full: one time in thousands, and then the whole path is gone over
 * (settle).
 *
 * Invariants, for each node: `used` has the bits of the slots that are not 0; `free` has the bits
 * of slots below which an ID is free, and no bits beyond the last slot; only the root may have no
 * `used` bit. Keys above the last have room in the last word, count as free, and are refused by
 * comparison.
 *
 * Memory
 * ------
 * 5. Nodes come from the pool, never with the lock held. Whoever finds that nodes are missing
 *    counts them, drops the lock, fetches them into a stock of his own, and looks again. So nothing
 *    has changed when the pool refuses. What is left of the stock, or was taken out of the tree,
 *    goes back at the end, without the lock; but for one node that the space keeps back, so that
 *    one ID allocated and freed at a border does not fetch and return a leaf each time.
 *
 * Locking: a lock a space; the list of spaces has its own, taken before.
 * Costs: O(log n) node visits for one ID: one cache line of each summary, and the word. Full: 1.25
 * bits an ID and little for the nodes above.
 */
#include "id.h"

#define ALL_BITS (~(vmem_word_t)0)

/* Which bits a search is for. */
enum wanted { WANT_FREE, WANT_USED };

/* A key that a search found. */
struct place {
    vmem_addr_t key;
    struct vmem_id_node *leaf; /* NULL: it is missing, or the root is a word */
    unsigned missing;          /* the shift of the highest node that is; 0: none is */
};

struct request {
    vmem_addr_t first, last; /* the window, in keys */
    vmem_size_t count, align;
    bool run;     /* more than one ID, or aligned: anywhere in the space */
    bool by_mode; /* one ID, by the space's mode: anywhere */
};

/* Nodes in hand, linked by their first slot. */
struct stock {
    struct vmem_id_node *first;
    vmem_size_t count;
};

static struct {
    vmem_port_lock_t lock;
    vmem_id_t *first;
    vmem_id_t *last;
    uint32_t ids;
} spaces = {.lock = VMEM_PORT_LOCK_INIT};

static const vmem_port_lock_t lock_init = VMEM_PORT_LOCK_INIT;

/*
 * Keys and slots
 */

static inline vmem_word_t bit(unsigned n)
{
    return (vmem_word_t)1 << n;
}

/* The slot that a key has in a node whose shift this is; of a word, its bit. */
static inline unsigned digit(vmem_addr_t key, unsigned shift)
{
    return (unsigned)vmem_shift_right(key, shift) & (unsigned)(VMEM_WORD_BITS - 1);
}

/* The key, or where its digit is less than n, the lowest one that has n there. */
static inline vmem_addr_t advance(vmem_addr_t key, unsigned n, unsigned shift)
{
    unsigned now = digit(key, shift);

    if (n == now)
        return key;
    return (key & ~(vmem_bit(shift) - 1)) + vmem_shift_left(n - now, shift);
}

/* The last key of the word in which a key is. */
static inline vmem_addr_t word_end(vmem_addr_t key)
{
    return key | (vmem_addr_t)(VMEM_WORD_BITS - 1);
}

static inline struct vmem_id_node *node_at(vmem_word_t slot)
{
    return (struct vmem_id_node *)slot;
}

static size_t node_bytes(size_t slots)
{
    return sizeof(struct vmem_id_node) + slots * sizeof(vmem_word_t);
}

static size_t root_slots(const struct vmem_id *space)
{
    return digit(space->last, space->shift) + (size_t)1;
}

static bool is_empty(const struct vmem_id *space)
{
    return space->root == 0 || (space->shift > 0 && node_at(space->root)->used == 0);
}

/*
 * Searching
 */

/* Of the slots of a node, or the bits of a word, those that lead to what is wanted. */
static inline vmem_word_t leading(vmem_word_t slot, unsigned shift, enum wanted wanted)
{
    if (shift == 0)
        return wanted == WANT_FREE ? ~slot : slot;
    return wanted == WANT_FREE ? node_at(slot)->free : node_at(slot)->used;
}

/*
 * Moves place->key up to the lowest key at or above it that is wanted; false: there is none. Ends
 * at the shift `bottom`: 0, the key itself; or else place->leaf is the node of that shift with
 * anything wanted in it.
 */
static bool find(const struct vmem_id *space, enum wanted wanted, unsigned bottom,
                 struct place *place)
{
    vmem_word_t slot = space->root;
    vmem_word_t fork = 0;
    vmem_word_t fork_slots = 0;
    unsigned fork_shift = 0;
    unsigned shift = space->shift;

    place->leaf = NULL;
    place->missing = 0;
    for (;;) {
        vmem_word_t slots;
        unsigned n;

        if (shift > 0 && slot == 0) {
            place->leaf = NULL;
            place->missing = shift;
            return wanted == WANT_FREE;
        }
        slots = leading(slot, shift, wanted) & (ALL_BITS << digit(place->key, shift));
        if (slots == 0) {
            if (fork_slots == 0)
                return false;
            slot = fork;
            shift = fork_shift;
            slots = fork_slots;
            fork_slots = 0;
        }
        n = vmem_word_lsb(slots);
        place->key = advance(place->key, n, shift);
        if (shift == 0)
            return true;
        place->leaf = node_at(slot);
        if (shift == bottom)
            return true;
        if ((slots & (slots - 1)) != 0) {
            fork = slot;
            fork_slots = slots & (slots - 1);
            fork_shift = shift;
        }
        slot = node_at(slot)->slot[n];
        shift -= VMEM_ID_BITS;
    }
}

/* The word of a key; NULL: it is missing. Its leaf, if it has one, in *leafp. */
static inline vmem_word_t *word_of(struct vmem_id *space, vmem_addr_t key,
                                   struct vmem_id_node **leafp)
{
    vmem_word_t *slot = &space->root;

    *leafp = NULL;
    for (unsigned shift = space->shift; shift > 0; shift -= VMEM_ID_BITS) {
        if (*slot == 0)
            return NULL;
        *leafp = node_at(*slot);
        slot = &node_at(*slot)->slot[digit(key, shift)];
    }
    return slot;
}

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

/* The keys of the word at `base` that stand for multiples of align, as bits. */
static vmem_word_t multiples(const struct vmem_id *space, vmem_addr_t base, vmem_size_t align)
{
    vmem_size_t first = (0 - (space->min + base)) & (align - 1);
    vmem_word_t pattern = 1;

    if (first >= VMEM_WORD_BITS)
        return 0;
    for (; align < VMEM_WORD_BITS; align *= 2)
        pattern |= pattern << align;
    return pattern << first;
}

/*
 * The key `end` is allocated, and so nothing that begins before it fits. Looks at the rest of its
 * word at once: true if the request fits into it, false with the key from which to go on.
 */
static bool fits_in_word(struct vmem_id *space, const struct request *request, vmem_addr_t end,
                         vmem_addr_t *keyp)
{
    vmem_addr_t base = word_end(end) - (VMEM_WORD_BITS - 1);
    struct vmem_id_node *leaf;
    vmem_word_t word = *word_of(space, end, &leaf);
    vmem_word_t starts = 0;

    if (request->count <= VMEM_WORD_BITS)
        starts = run_starts(~word & (ALL_BITS << digit(end, 0)), request->count) &
                 multiples(space, base, request->align);
    *keyp = base + (starts != 0 ? vmem_word_lsb(starts) : vmem_word_msb(word) + 1);
    return starts != 0;
}

/* Whether `count` keys from `key` on are in the space. */
static bool reaches(const struct vmem_id *space, vmem_addr_t key, vmem_size_t count)
{
    return key <= space->last && count - 1 <= space->last - key;
}

/* The lowest run of free keys that is long enough and begins at a multiple. */
static bool find_run(struct vmem_id *space, const struct request *request, struct place *place)
{
    struct place end;

    for (;;) {
        vmem_size_t pad;

        if (!find(space, WANT_FREE, 0, place) || place->key > space->last)
            return false;
        pad = (0 - (space->min + place->key)) & (request->align - 1);
        if (pad > space->last - place->key)
            return false;
        place->key += pad;
        if (!reaches(space, place->key, request->count))
            return false;
        end.key = place->key;
        if (!find(space, WANT_USED, 0, &end) || end.key - place->key >= request->count)
            return true;
        if (fits_in_word(space, request, end.key, &place->key))
            return reaches(space, place->key, request->count);
        if (place->key - 1 >= space->last)
            return false;
    }
}

/*
 * The two searches that most allocations need, in a fraction of find()'s time. False: find() may
 * know better.
 */

/* The lowest free key of all, unless a node is missing. */
VMEM_INLINE bool find_lowest(const struct vmem_id *space, struct place *place)
{
    vmem_word_t slot = space->root;

    place->key = 0;
    place->leaf = NULL;
    place->missing = 0;
    for (unsigned shift = space->shift; shift > 0; shift -= VMEM_ID_BITS) {
        unsigned n;

        place->leaf = node_at(slot);
        if (VMEM_UNLIKELY(slot == 0 || place->leaf->free == 0))
            return false;
        n = vmem_word_lsb(place->leaf->free);
        place->key = place->key << VMEM_ID_BITS | n;
        slot = place->leaf->slot[n];
    }
    if (VMEM_UNLIKELY(slot == ALL_BITS))
        return false;
    place->key = place->key << VMEM_ID_BITS | vmem_word_lsb(~slot);
    return place->key <= space->last;
}

/* The lowest free key at or above the cursor, if it is in the same leaf. */
VMEM_INLINE bool find_near(struct vmem_id *space, struct place *place)
{
    const vmem_word_t *word = word_of(space, space->cursor, &place->leaf);
    vmem_word_t bits;

    if (VMEM_UNLIKELY(word == NULL))
        return false;
    place->missing = 0;
    place->key = space->cursor & ~(vmem_addr_t)(VMEM_WORD_BITS - 1);
    bits = ~*word & (ALL_BITS << digit(space->cursor, 0));
    if (bits == 0) {
        unsigned n = digit(space->cursor, VMEM_ID_BITS);
        vmem_word_t words = place->leaf != NULL ? place->leaf->free & (ALL_BITS << n) & ~bit(n) : 0;

        if (VMEM_UNLIKELY(words == 0))
            return false;
        place->key += (vmem_addr_t)(vmem_word_lsb(words) - n) << VMEM_ID_BITS;
        bits = ~place->leaf->slot[vmem_word_lsb(words)];
    }
    place->key += vmem_word_lsb(bits);
    return place->key <= space->last;
}

/* The key that the space's mode prefers. */
static bool find_by_mode(struct vmem_id *space, struct place *place)
{
    place->key = space->cyclic ? space->cursor : 0;
    if (find(space, WANT_FREE, 0, place) && place->key <= space->last)
        return true;
    place->key = space->wrap;
    return space->cyclic && find(space, WANT_FREE, 0, place) && place->key <= space->last;
}

/* Finds the place that a request asks for, and its way there; false: there is none. */
static bool search(struct vmem_id *space, const struct request *request, struct place *place)
{
    if (request->by_mode)
        return find_by_mode(space, place);
    place->key = request->first;
    if (request->run)
        return find_run(space, request, place);
    return find(space, WANT_FREE, 0, place) && place->key <= request->last;
}

/*
 * Nodes that come and go
 */

static void stock_add(struct stock *stock, struct vmem_id_node *node)
{
    node->slot[0] = (vmem_word_t)stock->first;
    stock->first = node;
    stock->count++;
}

static struct vmem_id_node *stock_take(struct stock *stock)
{
    struct vmem_id_node *node = stock->first;

    stock->first = node_at(node->slot[0]);
    stock->count--;
    return node;
}

static void node_init(struct vmem_id_node *node, size_t slots)
{
    memset(node, 0, node_bytes(slots));
    node->free = ALL_BITS >> (VMEM_WORD_BITS - slots);
}

/* Nodes that are missing above the words of [first, last]. The root is there. */
static vmem_size_t count_missing(struct vmem_id *space, vmem_addr_t first, vmem_addr_t last)
{
    vmem_size_t count = 0;

    for (vmem_addr_t key = first;; key++) {
        vmem_word_t slot = space->root;
        unsigned shift = space->shift;
        vmem_addr_t end;

        for (; slot != 0 && shift > 0; shift -= VMEM_ID_BITS)
            slot = node_at(slot)->slot[digit(key, shift)];
        end = key | (vmem_bit(shift + VMEM_ID_BITS) - 1);
        if (end > last)
            end = last;
        for (; shift > 0; shift -= VMEM_ID_BITS)
            count += vmem_shift_right(end, shift + VMEM_ID_BITS) -
                     vmem_shift_right(key, shift + VMEM_ID_BITS) + 1;
        key = end;
        if (key == last)
            return count;
    }
}

/* Makes the root. Drops the lock for that. */
static int make_root(struct vmem_id *space, unsigned long *state)
{
    size_t slots = root_slots(space);
    struct vmem_id_node *root;

    vmem_port_unlock(&space->lock, *state);
    root = (struct vmem_id_node *)vmem_pool_alloc(node_bytes(slots));
    if (root != NULL)
        node_init(root, slots);
    *state = vmem_port_lock(&space->lock);
    if (root == NULL)
        return -VMEM_ENOMEM;
    if (space->root == 0) {
        space->root = (vmem_word_t)root;
        return 0;
    }
    vmem_port_unlock(&space->lock, *state); /* another thread was faster */
    vmem_pool_free(root, node_bytes(slots));
    *state = vmem_port_lock(&space->lock);
    return 0;
}

/* Fetches nodes up to a count. Drops the lock for that. */
static int fetch(struct vmem_id *space, struct stock *stock, vmem_size_t count,
                 unsigned long *state)
{
    struct vmem_id_node *node = NULL;

    vmem_port_unlock(&space->lock, *state);
    while (stock->count < count) {
        node = (struct vmem_id_node *)vmem_pool_alloc(node_bytes(VMEM_WORD_BITS));
        if (node == NULL)
            break;
        stock_add(stock, node);
    }
    *state = vmem_port_lock(&space->lock);
    return stock->count >= count ? 0 : -VMEM_ENOMEM;
}

/*
 * Sees to it that nodes for a place are in the stock or spare: 0, or -VMEM_ENOMEM, or 1: they are
 * now, but the lock was dropped for that, so that the place may be gone.
 */
static int provide(struct vmem_id *space, const struct place *place, vmem_size_t count,
                   struct stock *stock, unsigned long *state)
{
    vmem_size_t needed;
    int error;

    if (space->root == 0 && space->shift > 0) {
        error = make_root(space, state);
        return error != 0 ? error : 1;
    }
    needed = count_missing(space, place->key, place->key + (count - 1));
    if (needed <= stock->count + (space->spare != NULL))
        return 0;
    error = fetch(space, stock, needed, state);
    return error != 0 ? error : 1;
}

/* Keeps one node of a stock back if the space has none, drops the lock, and gives back the rest. */
static inline void finish(struct vmem_id *space, struct stock *stock, unsigned long state)
{
    if (stock->count > 0 && space->spare == NULL)
        space->spare = stock_take(stock);
    vmem_port_unlock(&space->lock, state);
    while (VMEM_UNLIKELY(stock->count > 0))
        vmem_pool_free(stock_take(stock), node_bytes(VMEM_WORD_BITS));
}

/*
 * Changing words, and summaries with them
 */

/* The nodes above the leaf of a key, from the root; returns how many. */
static unsigned path_of(const struct vmem_id *space, vmem_addr_t key,
                        struct vmem_id_node *path[VMEM_ID_LEVELS])
{
    vmem_word_t slot = space->root;
    unsigned depth = 0;

    for (unsigned shift = space->shift; shift > VMEM_ID_BITS; shift -= VMEM_ID_BITS) {
        path[depth++] = node_at(slot);
        slot = node_at(slot)->slot[digit(key, shift)];
    }
    return depth;
}

/* The leaf of a key has become full: says so above. */
static void leaf_filled(struct vmem_id *space, vmem_addr_t key)
{
    struct vmem_id_node *path[VMEM_ID_LEVELS];
    unsigned depth = path_of(space, key, path);
    vmem_word_t left = 0;

    for (unsigned shift = 2 * VMEM_ID_BITS; depth > 0 && left == 0; shift += VMEM_ID_BITS)
        left = path[--depth]->free &= ~bit(digit(key, shift));
}

/* The leaf of a key has become wholly free: takes it out, and what above it has nothing else. */
static void leaf_emptied(struct vmem_id *space, vmem_addr_t key, struct stock *stock)
{
    struct vmem_id_node *path[VMEM_ID_LEVELS];
    unsigned depth = path_of(space, key, path);
    vmem_word_t left = 0;

    for (unsigned shift = 2 * VMEM_ID_BITS; depth > 0 && left == 0; shift += VMEM_ID_BITS) {
        struct vmem_id_node *node = path[--depth];
        unsigned n = digit(key, shift);

        stock_add(stock, node_at(node->slot[n]));
        space->nodes--;
        node->slot[n] = 0;
        left = node->used &= ~bit(n);
    }
}

/*
 * word_of(), for a key that is going to be free: nodes above the leaf are told on the way. That is
 * true also if it is free already.
 */
static inline vmem_word_t *open_word(struct vmem_id *space, vmem_addr_t key,
                                     struct vmem_id_node **leafp)
{
    vmem_word_t *slot = &space->root;

    *leafp = NULL;
    for (unsigned shift = space->shift; shift > 0; shift -= VMEM_ID_BITS) {
        unsigned n = digit(key, shift);

        if (*slot == 0)
            return NULL;
        *leafp = node_at(*slot);
        if (shift > VMEM_ID_BITS)
            (*leafp)->free |= bit(n);
        slot = &(*leafp)->slot[n];
    }
    return slot;
}

/* The word of a key, and its leaf, with the nodes that are missing made from the stock. */
static vmem_word_t *reach(struct vmem_id *space, vmem_addr_t key, struct stock *stock,
                          struct vmem_id_node **leafp)
{
    vmem_word_t *slot = &space->root;

    *leafp = NULL;
    for (unsigned shift = space->shift; shift > 0; shift -= VMEM_ID_BITS) {
        if (*slot == 0) {
            struct vmem_id_node *node = space->spare;

            if (stock->count > 0)
                node = stock_take(stock);
            else
                space->spare = NULL;
            node_init(node, VMEM_WORD_BITS);
            *slot = (vmem_word_t)node;
            (*leafp)->used |= bit(digit(key, shift + VMEM_ID_BITS));
            space->nodes++;
        }
        *leafp = node_at(*slot);
        slot = &node_at(*slot)->slot[digit(key, shift)];
    }
    return slot;
}

/* Allocates the free IDs that are `bits` of a word. */
static inline void set(struct vmem_id *space, struct vmem_id_node *leaf, vmem_addr_t key,
                       vmem_word_t bits)
{
    unsigned n = digit(key, VMEM_ID_BITS);
    vmem_word_t *word = leaf != NULL ? &leaf->slot[n] : &space->root;
    vmem_word_t before = *word;

    *word = before | bits;
    if (leaf == NULL)
        return;
    if (VMEM_UNLIKELY(before == 0))
        leaf->used |= bit(n);
    if (VMEM_UNLIKELY((before | bits) == ALL_BITS)) {
        leaf->free &= ~bit(n);
        if (leaf->free == 0)
            leaf_filled(space, key);
    }
}

/* Frees the allocated IDs that are `bits` of a word that open_word() went to. */
static inline void clear(struct vmem_id *space, struct vmem_id_node *leaf, vmem_addr_t key,
                         vmem_word_t bits, struct stock *stock)
{
    unsigned n = digit(key, VMEM_ID_BITS);
    vmem_word_t *word = leaf != NULL ? &leaf->slot[n] : &space->root;
    vmem_word_t before = *word;

    *word = before & ~bits;
    if (leaf == NULL)
        return;
    if (before == ALL_BITS)
        leaf->free |= bit(n);
    if (VMEM_UNLIKELY(before == bits)) {
        leaf->used &= ~bit(n);
        if (leaf->used == 0)
            leaf_emptied(space, key, stock);
    }
}

/* The bits of the word of a key that are in [key, last]. */
static vmem_word_t bits_from(vmem_addr_t key, vmem_addr_t last)
{
    vmem_word_t bits = ALL_BITS << digit(key, 0);

    if (last < word_end(key))
        bits &= ALL_BITS >> ((unsigned)(VMEM_WORD_BITS - 1) - digit(last, 0));
    return bits;
}

static void set_range(struct vmem_id *space, vmem_addr_t key, vmem_addr_t last, struct stock *stock)
{
    for (;; key = word_end(key) + 1) {
        struct vmem_id_node *leaf;

        (void)reach(space, key, stock, &leaf);
        set(space, leaf, key, bits_from(key, last));
        if (last <= word_end(key))
            return;
    }
}

static void clear_range(struct vmem_id *space, vmem_addr_t key, vmem_addr_t last,
                        struct stock *stock)
{
    for (;; key = word_end(key) + 1) {
        struct vmem_id_node *leaf;

        (void)open_word(space, key, &leaf);
        clear(space, leaf, key, bits_from(key, last), stock);
        if (last <= word_end(key))
            return;
    }
}

/*
 * The list of spaces
 */

static void enlist(struct vmem_id *space)
{
    unsigned long state = vmem_port_lock(&spaces.lock);

    space->id = ++spaces.ids;
    space->prev = spaces.last;
    if (spaces.last != NULL)
        spaces.last->next = space;
    else
        spaces.first = space;
    spaces.last = space;
    vmem_port_unlock(&spaces.lock, state);
}

/* Takes a space off the list; false: it is in use. */
static bool delist(struct vmem_id *space, bool *emptyp)
{
    unsigned long state = vmem_port_lock(&spaces.lock);
    unsigned long space_state = vmem_port_lock(&space->lock);
    bool idle = is_empty(space) && space->pins == 0;

    *emptyp = is_empty(space);
    vmem_port_unlock(&space->lock, space_state);
    if (idle) {
        if (space->prev != NULL)
            space->prev->next = space->next;
        else
            spaces.first = space->next;
        if (space->next != NULL)
            space->next->prev = space->prev;
        else
            spaces.last = space->prev;
    }
    vmem_port_unlock(&spaces.lock, state);
    return idle;
}

vmem_id_t *vmem_id_pin_next(uint32_t after)
{
    unsigned long state = vmem_port_lock(&spaces.lock);
    vmem_id_t *space = spaces.first;

    while (space != NULL && space->id <= after)
        space = space->next;
    if (space != NULL)
        space->pins++;
    vmem_port_unlock(&spaces.lock, state);
    return space;
}

void vmem_id_unpin(vmem_id_t *space)
{
    unsigned long state = vmem_port_lock(&spaces.lock);

    space->pins--;
    vmem_port_unlock(&spaces.lock, state);
}

/*
 * Creation
 */

static const char *wrong_params(const struct vmem_id_params *params)
{
    if (params->name == NULL)
        return "name is NULL";
    if (params->min > params->max)
        return "min is above max";
    if (params->wrap != 0 && (params->wrap < params->min || params->wrap > params->max))
        return "wrap is not in [min, max]";
    if ((params->flags & ~(unsigned)VMEM_ID_CYCLIC) != 0)
        return "unknown flags";
    return NULL;
}

static void init(struct vmem_id *space, const struct vmem_id_params *params)
{
    memset(space, 0, sizeof *space);
    space->lock = lock_init;
    space->name = params->name;
    space->cyclic = (params->flags & VMEM_ID_CYCLIC) != 0;
    space->min = params->min;
    space->last = params->max - params->min;
    space->wrap = params->wrap != 0 ? params->wrap - params->min : 0;
    while (vmem_shift_right(space->last, space->shift) >= VMEM_WORD_BITS)
        space->shift += VMEM_ID_BITS;
}

int vmem_id_create(const struct vmem_id_params *params, vmem_id_t **spacep)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    const char *wrong;
    vmem_id_t *space;

    wrong = params == NULL || spacep == NULL ? "params or spacep is NULL" : wrong_params(params);
    if (wrong != NULL)
        return vmem_fault_named(params != NULL ? params->name : NULL, VMEM_FAULT_PARAMETER,
                                "vmem_id_create", wrong, params != NULL ? params->min : 0, 0, 0, 0,
                                0, caller);
    space = (vmem_id_t *)vmem_pool_alloc(sizeof *space);
    if (space == NULL)
        return -VMEM_ENOMEM;
    init(space, params);
    enlist(space);
    *spacep = space;
    return 0;
}

int vmem_id_destroy(vmem_id_t *space)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    bool empty;

    if (space == NULL)
        return vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, "vmem_id_destroy", "space is NULL", 0,
                                 0, caller);
    if (!delist(space, &empty)) {
        if (!empty)
            (void)vmem_fault_named(space->name, VMEM_FAULT_BUSY, "vmem_id_destroy",
                                   "busy: IDs are allocated", space->min, space->in_use, 0, 0, 0,
                                   caller);
        return -VMEM_EBUSY;
    }
    if (space->shift > 0 && space->root != 0)
        vmem_pool_free(node_at(space->root), node_bytes(root_slots(space)));
    if (space->spare != NULL)
        vmem_pool_free(space->spare, node_bytes(VMEM_WORD_BITS));
    vmem_pool_free(space, sizeof *space);
    return 0;
}

/*
 * Allocation
 */

/* The last ID allocated by the mode is this one. */
static inline void move_on(struct vmem_id *space, vmem_addr_t key)
{
    space->cursor = key == space->last ? space->wrap : key + 1;
}

/* Allocates the place that a search found and provide() saw to. */
static void commit(struct vmem_id *space, const struct request *request, struct place *place,
                   struct stock *stock)
{
    if (request->run) {
        set_range(space, place->key, place->key + (request->count - 1), stock);
    } else {
        if (place->missing != 0)
            (void)reach(space, place->key, stock, &place->leaf);
        set(space, place->leaf, place->key, bit(digit(place->key, 0)));
    }
    space->in_use += request->count;
    if (request->by_mode)
        move_on(space, place->key);
}

static int allocate(struct vmem_id *space, const struct request *request, vmem_addr_t *idp)
{
    struct stock stock = {.first = NULL};
    struct place place;
    unsigned long state = vmem_port_lock(&space->lock);
    int error;

    do {
        error = -VMEM_ENOSPC;
        if (!search(space, request, &place))
            break;
        error = 0;
        if (place.missing != 0 || request->run)
            error = provide(space, &place, request->count, &stock, &state);
    } while (error > 0);
    if (error == 0)
        commit(space, request, &place, &stock);
    else
        space->fails++;
    finish(space, &stock, state);
    if (error == 0)
        *idp = space->min + place.key;
    return error;
}

/* What can never be right about an allocation; NULL: nothing. */
static inline const char *wrong_request(const vmem_id_t *space, unsigned flags,
                                        const vmem_addr_t *idp)
{
    if (space == NULL)
        return "space is NULL";
    if (idp == NULL)
        return "the place for the result is NULL";
    return flags != 0 ? "unknown flags" : NULL;
}

static int wrong_call(const vmem_id_t *space, const char *call, const char *what, vmem_addr_t id,
                      vmem_size_t count, uintptr_t caller)
{
    return vmem_fault_named(space != NULL ? space->name : NULL, VMEM_FAULT_PARAMETER, call, what,
                            id, count, 0, 0, 0, caller);
}

int vmem_id_alloc(vmem_id_t *space, unsigned flags, vmem_addr_t *idp)
{
    const char *wrong = wrong_request(space, flags, idp);
    struct place place = {.key = 0};
    unsigned long state;

    if (VMEM_UNLIKELY(wrong != NULL))
        return wrong_call(space, "vmem_id_alloc", wrong, 0, 1,
                          (uintptr_t)__builtin_return_address(0));
    state = vmem_port_lock(&space->lock);
    if (VMEM_LIKELY(space->cyclic ? find_near(space, &place) : find_lowest(space, &place))) {
        set(space, place.leaf, place.key, bit(digit(place.key, 0)));
        space->in_use++;
        move_on(space, place.key);
        vmem_port_unlock(&space->lock, state);
        *idp = space->min + place.key;
        return 0;
    }
    vmem_port_unlock(&space->lock, state);
    return allocate(space, &(struct request){.count = 1, .by_mode = true}, idp);
}

/* Clips [min, max] to the space, in keys; false: nothing is left. */
static bool clip(const struct vmem_id *space, vmem_addr_t min, vmem_addr_t max,
                 struct request *request)
{
    if (max < space->min || (min > space->min && min - space->min > space->last))
        return false;
    request->first = min > space->min ? min - space->min : 0;
    request->last = max - space->min < space->last ? max - space->min : space->last;
    return true;
}

/* Counts an allocation for which there is no need to look. */
static int refuse(struct vmem_id *space)
{
    unsigned long state = vmem_port_lock(&space->lock);

    space->fails++;
    vmem_port_unlock(&space->lock, state);
    return -VMEM_ENOSPC;
}

int vmem_id_alloc_in(vmem_id_t *space, vmem_addr_t min, vmem_addr_t max, unsigned flags,
                     vmem_addr_t *idp)
{
    const char *wrong = wrong_request(space, flags, idp);
    struct request request = {.count = 1};

    if (wrong == NULL && min > max)
        wrong = "min is above max";
    if (wrong != NULL)
        return wrong_call(space, "vmem_id_alloc_in", wrong, min, 1,
                          (uintptr_t)__builtin_return_address(0));
    if (!clip(space, min, max, &request))
        return refuse(space);
    return allocate(space, &request, idp);
}

int vmem_id_alloc_range(vmem_id_t *space, vmem_size_t count, vmem_size_t align, unsigned flags,
                        vmem_addr_t *firstp)
{
    const char *wrong = wrong_request(space, flags, firstp);

    if (align == 0)
        align = 1;
    if (wrong == NULL && count == 0)
        wrong = "count is 0";
    if (wrong == NULL && !vmem_is_power_of_two(align))
        wrong = "align is not a power of two";
    if (wrong != NULL)
        return wrong_call(space, "vmem_id_alloc_range", wrong, 0, count,
                          (uintptr_t)__builtin_return_address(0));
    return allocate(space, &(struct request){.count = count, .align = align, .run = true}, firstp);
}

/* Whether [id, id + count) lies in the space. */
static inline bool is_inside(const struct vmem_id *space, vmem_addr_t id, vmem_size_t count)
{
    return count != 0 && id >= space->min && reaches(space, id - space->min, count);
}

int vmem_id_take(vmem_id_t *space, vmem_addr_t id)
{
    const char *wrong = space == NULL ? "space is NULL" : NULL;
    int error;

    if (wrong == NULL && !is_inside(space, id, 1))
        wrong = "the ID is not in the space";
    if (wrong != NULL)
        return wrong_call(space, "vmem_id_take", wrong, id, 1,
                          (uintptr_t)__builtin_return_address(0));
    error = allocate(
        space, &(struct request){.first = id - space->min, .last = id - space->min, .count = 1},
        &id);
    return error == -VMEM_ENOSPC ? -VMEM_EBUSY : error;
}

/*
 * Freeing
 */

/* A free that is refused. `found`: an ID in it that is free, where that is what is wrong. */
static void wrong_free(const vmem_id_t *space, const char *call, vmem_addr_t id, vmem_size_t count,
                       const vmem_addr_t *found, uintptr_t caller)
{
    if (space == NULL || count == 0)
        (void)wrong_call(space, call, space == NULL ? "space is NULL" : "count is 0", id, count,
                         caller);
    else if (found == NULL)
        (void)vmem_fault_named(space->name, VMEM_FAULT_FOREIGN, call,
                               "foreign ID: not in this space", id, count, 0, 0, 0, caller);
    else
        (void)vmem_fault_named(space->name, VMEM_FAULT_DOUBLE_FREE, call,
                               "double free: the ID is free", id, count, *found, 1, 0, caller);
}

void vmem_id_free(vmem_id_t *space, vmem_addr_t id)
{
    struct stock stock = {.first = NULL};
    struct vmem_id_node *leaf;
    vmem_word_t *word;
    vmem_addr_t key;
    unsigned long state;

    if (VMEM_UNLIKELY(space == NULL || !is_inside(space, id, 1))) {
        wrong_free(space, "vmem_id_free", id, 1, NULL, (uintptr_t)__builtin_return_address(0));
        return;
    }
    key = id - space->min;
    state = vmem_port_lock(&space->lock);
    word = open_word(space, key, &leaf);
    if (VMEM_UNLIKELY(word == NULL || (*word & bit(digit(key, 0))) == 0)) {
        vmem_port_unlock(&space->lock, state);
        wrong_free(space, "vmem_id_free", id, 1, &id, (uintptr_t)__builtin_return_address(0));
        return;
    }
    clear(space, leaf, key, bit(digit(key, 0)), &stock);
    space->in_use--;
    space->frees++;
    finish(space, &stock, state);
}

void vmem_id_free_range(vmem_id_t *space, vmem_addr_t first, vmem_size_t count)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    struct stock stock = {.first = NULL};
    struct place place;
    vmem_addr_t last;
    unsigned long state;

    if (space == NULL || !is_inside(space, first, count)) {
        wrong_free(space, "vmem_id_free_range", first, count, NULL, caller);
        return;
    }
    place.key = first - space->min;
    last = place.key + (count - 1);
    state = vmem_port_lock(&space->lock);
    if (find(space, WANT_FREE, 0, &place) && place.key <= last) {
        vmem_addr_t found = space->min + place.key;

        vmem_port_unlock(&space->lock, state);
        wrong_free(space, "vmem_id_free_range", first, count, &found, caller);
        return;
    }
    clear_range(space, first - space->min, last, &stock);
    space->in_use -= count;
    space->frees += count;
    finish(space, &stock, state);
}

/*
 * Looking
 */

bool vmem_id_is_allocated(vmem_id_t *space, vmem_addr_t id)
{
    struct vmem_id_node *leaf;
    const vmem_word_t *word;
    unsigned long state;
    bool allocated;

    if (!is_inside(space, id, 1))
        return false;
    state = vmem_port_lock(&space->lock);
    word = word_of(space, id - space->min, &leaf);
    allocated = word != NULL && (*word & bit(digit(id - space->min, 0))) != 0;
    vmem_port_unlock(&space->lock, state);
    return allocated;
}

bool vmem_id_next(vmem_id_t *space, vmem_addr_t from, vmem_addr_t *idp)
{
    struct place place = {.key = from > space->min ? from - space->min : 0};
    unsigned long state;
    bool found;

    if (place.key > space->last)
        return false;
    state = vmem_port_lock(&space->lock);
    found = find(space, WANT_USED, 0, &place);
    vmem_port_unlock(&space->lock, state);
    if (found)
        *idp = space->min + place.key;
    return found;
}

void vmem_id_stat(vmem_id_t *space, struct vmem_id_stats *stats)
{
    unsigned long state = vmem_port_lock(&space->lock);
    bool empty = is_empty(space);

    stats->in_use = space->in_use;
    stats->free = space->last - space->in_use + 1;
    stats->bytes = sizeof *space + space->nodes * node_bytes(VMEM_WORD_BITS);
    if (space->shift > 0 && space->root != 0)
        stats->bytes += node_bytes(root_slots(space));
    if (space->spare != NULL)
        stats->bytes += node_bytes(VMEM_WORD_BITS);
    stats->allocs = space->in_use + space->frees;
    stats->frees = space->frees;
    stats->fails = space->fails;
    vmem_port_unlock(&space->lock, state);

    /* All integers are 2^64, which is 0. */
    if (stats->in_use == 0 && !empty)
        stats->in_use = VMEM_ADDR_MAX;
    if (stats->free == 0 && empty)
        stats->free = VMEM_ADDR_MAX;
}

/*
 * Checking. Nodes are verified from the root downwards, each before its `used` bits are followed.
 */

struct tally {
    vmem_size_t ids;
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
static bool node_agrees(const struct vmem_id_node *node, unsigned shift, size_t slots,
                        struct tally *tally)
{
    vmem_word_t free = 0;
    vmem_word_t used = 0;

    for (unsigned n = 0; n < slots; n++) {
        vmem_word_t slot = node->slot[n];

        if (shift == VMEM_ID_BITS)
            tally->ids += count_bits(slot);
        else if (slot != 0 && node_at(slot)->used == 0)
            return false;
        if (slot != 0)
            used |= bit(n);
        if (slot == 0 || leading(slot, shift - VMEM_ID_BITS, WANT_FREE) != 0)
            free |= bit(n);
    }
    return node->used == used && node->free == free;
}

/* The nodes of one level, which is below the root's. */
static bool level_agrees(const struct vmem_id *space, unsigned shift, struct tally *tally)
{
    struct place place = {.key = 0};

    while (find(space, WANT_USED, shift, &place)) {
        tally->nodes++;
        if (!node_agrees(place.leaf, shift, VMEM_WORD_BITS, tally))
            return false;
        place.key |= vmem_bit(shift + VMEM_ID_BITS) - 1;
        if (place.key >= space->last)
            return true;
        place.key++;
    }
    return true;
}

static bool tree_agrees(const struct vmem_id *space, struct tally *tally)
{
    if (space->shift == 0)
        tally->ids = count_bits(space->root);
    else if (space->root != 0 &&
             !node_agrees(node_at(space->root), space->shift, root_slots(space), tally))
        return false;
    for (unsigned shift = space->shift; shift > VMEM_ID_BITS; shift -= VMEM_ID_BITS)
        if (!level_agrees(space, shift - VMEM_ID_BITS, tally))
            return false;
    return true;
}

/* Whether there is anything allocated beyond the last key. The tree agrees with itself. */
static bool oversteps(const struct vmem_id *space)
{
    struct place place = {.key = space->last + 1};

    return digit(place.key, space->shift) >= digit(space->last, space->shift) &&
           find(space, WANT_USED, 0, &place);
}

int vmem_id_check(vmem_id_t *space)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    unsigned long state = vmem_port_lock(&space->lock);
    struct tally tally = {.ids = 0};
    enum vmem_fault_kind kind = VMEM_FAULT_NONE;
    const char *what = NULL;

    if (!tree_agrees(space, &tally)) {
        kind = VMEM_FAULT_INDEX;
        what = "corrupt: the summaries of free IDs disagree with them";
    } else if (tally.ids != space->in_use || oversteps(space)) {
        kind = VMEM_FAULT_SUM;
        what = "corrupt: the count of IDs differs from a recount";
    } else if (tally.nodes != space->nodes) {
        kind = VMEM_FAULT_TAGS;
        what = "corrupt: nodes are lost or used twice";
    }
    vmem_port_unlock(&space->lock, state);
    if (kind != VMEM_FAULT_NONE)
        (void)vmem_fault_named(space->name, kind, "vmem_id_check", what, space->min, 0, 0, 0, 0,
                               caller);
    return (int)kind;
}
