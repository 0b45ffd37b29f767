/* SPDX-License-Identifier: MIT */
/*
 * hash.h - allocated segments by address. See hash.c. All with the arena's lock,
 * except where said.
 */
#ifndef VMEM_HASH_H
#define VMEM_HASH_H

#include "arena.h"

enum {
    VMEM_HASH_BITS_MIN = 4,
    VMEM_HASH_STEP = 2 /* buckets moved with each insertion and removal */
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

/*
 * The count has passed a limit: asks for another table, or moves a few chains to it. The limits are
 * such that every insertion and removal comes here while there is something to move.
 */
void vmem_hash_attend(struct vmem_hash *hash);

/* The bucket of an address while the segments are being moved to another table. */
vmem_link_t *vmem_hash_bucket_moving(const struct vmem_hash *hash, vmem_word_t value);

static inline vmem_link_t *vmem_hash_bucket(const struct vmem_hash *hash, vmem_addr_t addr)
{
    vmem_word_t value = vmem_hash_value(addr);

    if (VMEM_UNLIKELY(hash->next != NULL))
        return vmem_hash_bucket_moving(hash, value);
    return &hash->buckets[value >> hash->shift];
}

static inline void vmem_hash_insert(struct vmem_hash *hash, vmem_link_t link, struct vmem_tag *tag)
{
    vmem_link_t *bucket;

    if (VMEM_UNLIKELY(++hash->count > hash->grow_at))
        vmem_hash_attend(hash);
    bucket = vmem_hash_bucket(hash, tag->addr);
    tag->chain = *bucket;
    *bucket = link;
}

/* Where the chain points to the allocated segment that starts at addr; *result 0: there is none. */
static inline vmem_link_t *vmem_hash_find(const struct vmem_hash *hash, vmem_addr_t addr)
{
    vmem_link_t *at = vmem_hash_bucket(hash, addr);

    while (*at != 0) {
        struct vmem_tag *tag = vmem_tag_at(*at);

        if (VMEM_LIKELY(tag->addr == addr))
            break;
        at = &tag->chain;
    }
    return at;
}

/* Removes what vmem_hash_find found. */
static inline void vmem_hash_remove(struct vmem_hash *hash, vmem_link_t *at,
                                    const struct vmem_tag *tag)
{
    *at = tag->chain;
    if (VMEM_UNLIKELY(--hash->count < hash->shrink_at))
        vmem_hash_attend(hash);
}

/* The first table: false, no memory. Without the lock. */
bool vmem_hash_create(struct vmem_hash *hash);
void vmem_hash_destroy(struct vmem_hash *hash);

/*
 * What takes memory: gives the old table back, allocates a larger or smaller one where that is
 * wanted. Called with the lock, which it drops. A refusal is lived with.
 */
void vmem_hash_tend(vmem_t *arena, unsigned long *state);

/* Moves all that is left to move. */
void vmem_hash_finish(struct vmem_hash *hash);

/* Counts the segments in all chains, SIZE_MAX where one stands in the wrong chain. */
size_t vmem_hash_recount(const struct vmem_hash *hash);

#endif
