/* SPDX-License-Identifier: MIT */
/*
 * hash.h - allocated segments, or slabs, by address. See hash.c. All with the owner's lock,
 * except where said.
 */
#ifndef VMEM_HASH_H
#define VMEM_HASH_H

#include "arena.h"

enum {
    VMEM_HASH_BITS_MIN = 4,
    VMEM_HASH_BITS_MAX = 31,    /* more than there are links */
    VMEM_HASH_SHRINK_STEP = 64, /* buckets moved in one hold of the lock by a reap */
    VMEM_HASH_STEP = 2          /* buckets moved with each insertion and removal */
};

/*
 * Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the top bits of a product
 * with 2^64 (2^32) divided by the golden ratio. Evenly spaced addresses spread evenly.
 */
static inline vmem_word_t vmem_hash_value(vmem_addr_t addr)
{
#if UINTPTR_MAX > UINT32_MAX
    return addr * UINT64_C(0x9e3779b97f4a7c15);
#elif VMEM_CONFIG_ADDR64
    return ((uint32_t)addr ^ (uint32_t)(addr >> 32) * UINT32_C(0x85ebca6b)) * UINT32_C(0x9e3779b9);
#else
    return addr * UINT32_C(0x9e3779b9);
#endif
}

/* The short way, for the common paths: there is nothing to move, and no other table is wanted. */
static inline bool vmem_hash_insertion_is_short(const struct vmem_hash *hash)
{
    return VMEM_LIKELY(hash->count < hash->short_below);
}

static inline bool vmem_hash_removal_is_short(const struct vmem_hash *hash)
{
    return VMEM_LIKELY(hash->count > hash->short_above);
}

static inline vmem_link_t *vmem_hash_bucket_short(const struct vmem_hash *hash, vmem_addr_t addr)
{
    return &hash->buckets[vmem_hash_value(addr) >> hash->shift];
}

static inline void vmem_hash_insert_short(struct vmem_hash *hash, vmem_link_t link,
                                          struct vmem_tag *tag)
{
    vmem_link_t *bucket = vmem_hash_bucket_short(hash, tag->addr);

    hash->count++;
    tag->chain = *bucket;
    *bucket = link;
}

/* The long way, which moves a few chains to the next table if there is one. */
void vmem_hash_insert(struct vmem_hash *hash, vmem_link_t link, struct vmem_tag *tag);

static inline vmem_link_t *vmem_hash_bucket(const struct vmem_hash *hash, vmem_addr_t addr)
{
    vmem_word_t value = vmem_hash_value(addr);
    size_t i = value >> hash->shift;

    return i < hash->moved ? &hash->next[value >> hash->next_shift] : &hash->buckets[i];
}

/* Where the chain points to the allocated segment that starts at addr; *result 0: there is none. */
static inline vmem_link_t *vmem_hash_find_from(vmem_link_t *at, vmem_addr_t addr)
{
    while (*at != 0) {
        struct vmem_tag *tag = vmem_tag_at(*at);

        if (VMEM_LIKELY(tag->addr == addr))
            break;
        at = &tag->chain;
    }
    return at;
}

static inline vmem_link_t *vmem_hash_find(const struct vmem_hash *hash, vmem_addr_t addr)
{
    return vmem_hash_find_from(vmem_hash_bucket(hash, addr), addr);
}

/* Removes what vmem_hash_find found. */
void vmem_hash_remove(struct vmem_hash *hash, vmem_link_t *at, const struct vmem_tag *tag);

/* An empty hash; long_way: its removals are always to take that. Needs no memory. */
void vmem_hash_init(struct vmem_hash *hash, bool long_way);

/* Whether removals are to take the long way for now. */
void vmem_hash_await(struct vmem_hash *hash, bool awaited);
void vmem_hash_destroy(struct vmem_hash *hash);

/*
 * What takes memory: gives the old table back, allocates a larger or smaller one where that is
 * wanted. Called with the owner's lock, which it may drop. A refusal is lived with.
 */
void vmem_hash_tend(struct vmem_hash *hash, vmem_port_lock_t *lock, unsigned long *state);

/* Moves up to `count` buckets to the next table; whether there are more. */
bool vmem_hash_move(struct vmem_hash *hash, unsigned count);

/*
 * Brings the hash nearer to the smallest table that will do; whether more remains. Called with the
 * lock, which it may drop.
 */
bool vmem_hash_shrink(struct vmem_hash *hash, vmem_port_lock_t *lock, unsigned long *state);

/* Whether the hash finds this tag. Ends even in chains that are circular. */
bool vmem_hash_holds(const struct vmem_hash *hash, vmem_link_t link);

/* Counts the segments in all chains, SIZE_MAX where one stands in the wrong chain. */
size_t vmem_hash_recount(const struct vmem_hash *hash);

#endif
