/* SPDX-License-Identifier: MIT */
/*
 * hash.c - the hash of an arena's allocated segments, or of a cache's slabs.
 *
 * It owns a table of 2^bits chains of tags, and at times a second one
 * that it moves to. The bucket is the top bits of the hash value, so that bucket
 * i of one table becomes buckets 2i and 2i+1 of one twice the size, or is joined to
 * its neighbours in bucket i >> k of a smaller one, and chains can be moved one by one
 * in order: what lies before `moved` is in the next table.
 *
 * Growth begins at one segment a bucket, shrinking at an eighth. A new table needs
 * memory, which may not be had under the owner's lock: the next allocation that
 * finds the count past a limit drops the lock to get the table, before it begins
 * (vmem_hash_tend). Each insertion and removal from then on moves VMEM_HASH_STEP
 * buckets: growth from N buckets is over after N/2 of them, and the next can be
 * due after N more segments at the soonest.
 *
 * Most operations find nothing to do and take a short way. Two limits of the count
 * say whether they may; while there is something to move or an old table to give
 * back, they are such that none may, so that the short way looks at nothing else.
 *
 * A table that is refused leaves longer chains, and is asked for again later. The
 * smallest stands in the owner itself.
 *
 * Cost: O(1) expected; no operation moves more than VMEM_HASH_STEP chains, and a reap
 * VMEM_HASH_SHRINK_STEP in one hold of the lock.
 */
#include "hash.h"

_Static_assert(sizeof((struct vmem_hash *)0)->smallest / sizeof(vmem_link_t) ==
                   1 << VMEM_HASH_BITS_MIN,
               "the smallest table has its size");

static unsigned hash_bits(unsigned shift)
{
    return (unsigned)VMEM_WORD_BITS - shift;
}

static size_t bucket_count(unsigned shift)
{
    return ((size_t)1 << (VMEM_WORD_BITS - 1)) >> (shift - 1U);
}

static size_t table_size(unsigned shift)
{
    return sizeof(vmem_link_t) << hash_bits(shift);
}

static vmem_link_t *table_alloc(struct vmem_hash *hash, unsigned shift)
{
    if (hash_bits(shift) == VMEM_HASH_BITS_MIN)
        return hash->smallest;
    return (vmem_link_t *)vmem_pool_alloc(table_size(shift));
}

static void table_free(const struct vmem_hash *hash, vmem_link_t *table, unsigned shift)
{
    if (table != NULL && table != hash->smallest)
        vmem_pool_free(table, table_size(shift));
}

/* When a table of this size is too small or too large. */
static void set_limits(struct vmem_hash *hash)
{
    size_t buckets = bucket_count(hash->shift);

    hash->grow_from = hash_bits(hash->shift) < VMEM_HASH_BITS_MAX ? buckets : SIZE_MAX;
    hash->shrink_below = buckets > (1 << VMEM_HASH_BITS_MIN) ? buckets / 8 : 0;
}

/* Who may take the short way from now on. */
static void set_ways(struct vmem_hash *hash)
{
    bool busy = hash->next != NULL || hash->old != NULL;

    hash->short_below = busy || hash->count < hash->shrink_below ? 0 : hash->grow_from;
    hash->short_above = busy || hash->long_way || hash->awaited ? SIZE_MAX : hash->shrink_below;
}

/* Buckets of the next table that the first `moved` of this one correspond to. */
static size_t next_buckets(const struct vmem_hash *hash)
{
    unsigned fewer;

    if (hash->next_shift < hash->shift)
        return hash->moved * 2;
    fewer = (unsigned)hash->next_shift - hash->shift;
    return (hash->moved + ((size_t)1 << fewer) - 1) >> fewer;
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

static void move_bucket(struct vmem_hash *hash)
{
    vmem_link_t chain = hash->buckets[hash->moved];
    size_t cleared = next_buckets(hash);

    hash->buckets[hash->moved++] = 0;
    while (cleared < next_buckets(hash)) /* a table comes as it is, not zeroed */
        hash->next[cleared++] = 0;
    move_chain(hash, chain);
}

bool vmem_hash_move(struct vmem_hash *hash, unsigned count)
{
    size_t buckets = bucket_count(hash->shift);

    if (hash->next == NULL)
        return false;
    for (; count > 0 && hash->moved < buckets; count--)
        move_bucket(hash);
    if (hash->moved < buckets)
        return true;
    hash->old = hash->buckets;
    hash->old_shift = hash->shift;
    hash->buckets = hash->next;
    hash->shift = hash->next_shift;
    hash->next = NULL;
    hash->moved = 0;
    set_limits(hash);
    return false;
}

void vmem_hash_insert(struct vmem_hash *hash, vmem_link_t link, struct vmem_tag *tag)
{
    vmem_link_t *bucket;

    (void)vmem_hash_move(hash, VMEM_HASH_STEP);
    bucket = vmem_hash_bucket(hash, tag->addr);
    hash->count++;
    tag->chain = *bucket;
    *bucket = link;
}

void vmem_hash_remove(struct vmem_hash *hash, vmem_link_t *at, const struct vmem_tag *tag)
{
    *at = tag->chain;
    hash->count--;
    (void)vmem_hash_move(hash, VMEM_HASH_STEP);
    set_ways(hash);
}

void vmem_hash_init(struct vmem_hash *hash, bool long_way)
{
    memset(hash, 0, sizeof *hash);
    hash->buckets = hash->smallest;
    hash->shift = (uint8_t)(VMEM_WORD_BITS - VMEM_HASH_BITS_MIN);
    hash->long_way = long_way;
    set_limits(hash);
    set_ways(hash);
}

void vmem_hash_await(struct vmem_hash *hash, bool awaited)
{
    hash->awaited = awaited;
    set_ways(hash);
}

void vmem_hash_destroy(struct vmem_hash *hash)
{
    while (vmem_hash_move(hash, VMEM_HASH_STEP))
        ;
    table_free(hash, hash->old, hash->old_shift);
    table_free(hash, hash->buckets, hash->shift);
}

/* The shift that the count asks for: the same, that of twice the size, or of as small as will do.
 */
static unsigned wanted_shift(const struct vmem_hash *hash)
{
    unsigned shift = hash->shift;

    if (hash->count >= hash->grow_from)
        return shift - 1;
    if (hash->count >= hash->shrink_below)
        return shift;
    while (hash_bits(shift) > VMEM_HASH_BITS_MIN && hash->count < bucket_count(shift) / 4)
        shift++;
    return shift;
}

static void give_old_back(struct vmem_hash *hash, vmem_port_lock_t *lock, unsigned long *state)
{
    vmem_link_t *old = hash->old;
    unsigned shift = hash->old_shift;

    hash->old = NULL;
    vmem_port_unlock(lock, *state);
    table_free(hash, old, shift);
    *state = vmem_port_lock(lock);
}

/* A table was refused: asks again when the count is a quarter larger, or half. */
static void live_with(struct vmem_hash *hash, bool growing)
{
    size_t buckets = bucket_count(hash->shift);
    size_t large = hash->count > buckets ? hash->count : buckets;

    if (growing)
        hash->grow_from = large + large / 4;
    else
        hash->shrink_below = hash->count / 2;
}

static void get_table(struct vmem_hash *hash, unsigned shift, vmem_port_lock_t *lock,
                      unsigned long *state)
{
    unsigned from = hash->shift;
    vmem_link_t *table;

    vmem_port_unlock(lock, *state);
    table = table_alloc(hash, shift);
    *state = vmem_port_lock(lock);
    if (hash->next != NULL || hash->old != NULL || hash->shift != from) {
        vmem_port_unlock(lock, *state); /* another thread was faster */
        table_free(hash, table, shift);
        *state = vmem_port_lock(lock);
    } else if (table == NULL) {
        live_with(hash, shift < from);
    } else {
        hash->next = table;
        hash->next_shift = (uint8_t)shift;
    }
}

void vmem_hash_tend(struct vmem_hash *hash, vmem_port_lock_t *lock, unsigned long *state)
{
    unsigned shift;

    if (hash->next != NULL)
        return;
    if (hash->old != NULL)
        give_old_back(hash, lock, state);
    shift = wanted_shift(hash);
    if (hash->next == NULL && shift != hash->shift)
        get_table(hash, shift, lock, state);
    set_ways(hash);
}

bool vmem_hash_shrink(struct vmem_hash *hash, vmem_port_lock_t *lock, unsigned long *state)
{
    if (hash->next == NULL) {
        set_limits(hash); /* asks anew for what was refused */
        if (hash->old != NULL || hash->count < hash->shrink_below)
            vmem_hash_tend(hash, lock, state);
        set_ways(hash);
    }
    (void)vmem_hash_move(hash, VMEM_HASH_SHRINK_STEP);
    return hash->next != NULL || hash->old != NULL;
}

bool vmem_hash_holds(const struct vmem_hash *hash, vmem_link_t link)
{
    vmem_link_t at = *vmem_hash_bucket(hash, vmem_tag_at(link)->addr);

    for (size_t i = 0; at != 0 && i < hash->count; i++) {
        if (at == link)
            return true;
        at = vmem_tag_at(at)->chain;
    }
    return false;
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
    size_t count =
        table_count(hash, hash->buckets, hash->shift, hash->moved, bucket_count(hash->shift));
    size_t moved;

    if (hash->next == NULL || count == SIZE_MAX)
        return count;
    moved = table_count(hash, hash->next, hash->next_shift, 0, next_buckets(hash));
    return moved == SIZE_MAX ? SIZE_MAX : count + moved;
}
