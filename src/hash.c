/* SPDX-License-Identifier: MIT */
/*
 * hash.c - the hash of allocated segments.
 *
 * It owns a table of 2^bits chains of allocated tags, and at times a second one
 * that it moves to. The bucket is the top bits of the hash value, so that bucket
 * i of one table becomes buckets 2i and 2i+1 of one twice the size, and chains can
 * be moved one by one in order: what lies before `moved` is in the next table.
 *
 * Growth begins at one segment a bucket. A new table needs memory, which may not
 * be had under the arena's lock, so insertion and removal only note that another
 * size is wanted; the next allocation gets the table before it takes the lock
 * (vmem_hash_tend). Each insertion and removal from then on moves VMEM_HASH_STEP
 * buckets: growth from N buckets is over after N/2 of them, and the next can be
 * due after N more segments at the soonest.
 *
 * A table that is refused leaves longer chains, and is asked for again later.
 *
 * Cost: O(1) expected; no operation moves more than VMEM_HASH_STEP chains.
 */
#include "hash.h"

static unsigned hash_bits(unsigned shift)
{
    return (unsigned)VMEM_WORD_BITS - shift;
}

static size_t table_size(unsigned shift)
{
    return sizeof(vmem_link_t) << hash_bits(shift);
}

static void set_limits(struct vmem_hash *hash)
{
    size_t buckets = (size_t)1 << hash_bits(hash->shift);

    hash->grow_at = buckets;
    hash->shrink_at = hash_bits(hash->shift) > VMEM_HASH_BITS_MIN ? buckets / 8 : 0;
}

/* Buckets of the next table that the first `moved` of this one correspond to. */
static size_t next_buckets(const struct vmem_hash *hash)
{
    return hash->next_shift < hash->shift ? hash->moved * 2 : (hash->moved + 1) / 2;
}

static void move_chain(struct vmem_hash *hash, vmem_link_t link)
{
    while (link != 0) {
        struct vmem_tag *tag = vmem_tag_at(link);
        vmem_link_t rest = tag->chain;
        vmem_link_t *bucket = &hash->next[vmem_hash_value(tag->addr) >> hash->next_shift];

        tag->chain = *bucket;
        *bucket = link;
        link = rest;
    }
}

vmem_link_t *vmem_hash_bucket_moving(const struct vmem_hash *hash, vmem_word_t value)
{
    size_t i = value >> hash->shift;

    return i < hash->moved ? &hash->next[value >> hash->next_shift] : &hash->buckets[i];
}

static void step(struct vmem_hash *hash)
{
    size_t buckets = (size_t)1 << hash_bits(hash->shift);

    for (unsigned i = 0; i < VMEM_HASH_STEP && hash->moved < buckets; i++) {
        vmem_link_t chain = hash->buckets[hash->moved];
        size_t cleared = next_buckets(hash);

        hash->buckets[hash->moved++] = 0;
        while (cleared < next_buckets(hash)) /* a table comes as it is, not zeroed */
            hash->next[cleared++] = 0;
        move_chain(hash, chain);
    }
    if (hash->moved < buckets)
        return;
    hash->old = hash->buckets;
    hash->old_size = table_size(hash->shift);
    hash->buckets = hash->next;
    hash->shift = hash->next_shift;
    hash->next = NULL;
    hash->moved = 0;
    set_limits(hash);
    hash->resize = true; /* to have the old table given back */
}

void vmem_hash_attend(struct vmem_hash *hash)
{
    if (hash->next != NULL)
        step(hash);
    else
        hash->resize = true;
}

void vmem_hash_finish(struct vmem_hash *hash)
{
    while (hash->next != NULL)
        step(hash);
}

bool vmem_hash_create(struct vmem_hash *hash)
{
    hash->shift = (uint8_t)(VMEM_WORD_BITS - VMEM_HASH_BITS_MIN);
    hash->buckets = (vmem_link_t *)vmem_pool_alloc(table_size(hash->shift));
    set_limits(hash);
    if (hash->buckets == NULL)
        return false;
    memset(hash->buckets, 0, table_size(hash->shift));
    return true;
}

void vmem_hash_destroy(struct vmem_hash *hash)
{
    vmem_hash_finish(hash);
    if (hash->old != NULL)
        vmem_pool_free(hash->old, hash->old_size);
    vmem_pool_free(hash->buckets, table_size(hash->shift));
}

/* The shift that the count asks for: the same, or one more or less. */
static unsigned wanted_shift(const struct vmem_hash *hash)
{
    if (hash->count > hash->grow_at && hash->shift > 0)
        return hash->shift - 1U;
    if (hash->count < hash->shrink_at)
        return hash->shift + 1U;
    return hash->shift;
}

void vmem_hash_tend(vmem_t *arena, unsigned long *state)
{
    struct vmem_hash *hash = &arena->hash;
    vmem_link_t *old = hash->old;
    size_t old_size = hash->old_size;
    unsigned shift = wanted_shift(hash);
    unsigned from = hash->shift;
    vmem_link_t *table = NULL;

    hash->old = NULL;
    hash->resize = false;
    if (old == NULL && (shift == from || hash->next != NULL))
        return;

    vmem_port_unlock(&arena->lock, *state);
    if (old != NULL)
        vmem_pool_free(old, old_size);
    if (shift != from)
        table = (vmem_link_t *)vmem_pool_alloc(table_size(shift));
    *state = vmem_port_lock(&arena->lock);

    if (shift == from)
        return;
    if (hash->next != NULL || hash->shift != from) { /* another thread was faster */
        vmem_port_unlock(&arena->lock, *state);
        if (table != NULL)
            vmem_pool_free(table, table_size(shift));
        *state = vmem_port_lock(&arena->lock);
        return;
    }
    if (table == NULL) {
        if (shift < from)
            hash->grow_at = hash->count + hash->count / 4; /* ask again by then */
        else
            hash->shrink_at /= 2;
        return;
    }
    hash->next = table;
    hash->next_shift = (uint8_t)shift;
    hash->moved = 0;
    hash->grow_at = 0; /* every insertion and removal is to move some */
    hash->shrink_at = SIZE_MAX;
}

/* Counts one chain, whose segments belong to bucket i; SIZE_MAX: one does not, or it is circular.
 */
static size_t chain_count(const struct vmem_hash *hash, vmem_link_t link, unsigned shift, size_t i)
{
    size_t count = 0;

    for (; link != 0; link = vmem_tag_at(link)->chain) {
        const struct vmem_tag *tag = vmem_tag_at(link);

        if (tag->kind != VMEM_KIND_ALLOCATED || vmem_hash_value(tag->addr) >> shift != i ||
            ++count > hash->count)
            return SIZE_MAX;
    }
    return count;
}

static size_t table_count(const struct vmem_hash *hash, const vmem_link_t *table, unsigned shift,
                          size_t first, size_t end)
{
    size_t count = 0;

    for (size_t i = first; i < end; i++) {
        size_t chain = chain_count(hash, table[i], shift, i);

        if (chain == SIZE_MAX)
            return SIZE_MAX;
        count += chain;
    }
    return count;
}

size_t vmem_hash_recount(const struct vmem_hash *hash)
{
    size_t buckets = (size_t)1 << hash_bits(hash->shift);
    size_t count = table_count(hash, hash->buckets, hash->shift, hash->moved, buckets);
    size_t moved;

    if (hash->next == NULL || count == SIZE_MAX)
        return count;
    moved = table_count(hash, hash->next, hash->next_shift, 0, next_buckets(hash));
    return moved == SIZE_MAX ? SIZE_MAX : count + moved;
}
