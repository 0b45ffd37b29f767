/* SPDX-License-Identifier: MIT */
/*
 * map.h - from an address to a byte, one a granule. See map.c.
 */
#ifndef VMEM_MAP_H
#define VMEM_MAP_H

#include "arena.h"

enum {
    VMEM_MAP_LEAF_BITS = 10,
    VMEM_MAP_INNER_BITS = UINTPTR_MAX > UINT32_MAX ? 7 : 8,
    /* Enough inner nodes, one below the other, for every granule of at least 4 KiB. */
    VMEM_MAP_LEVELS =
        ((int)sizeof(uintptr_t) * 8 - 12 - VMEM_MAP_LEAF_BITS + VMEM_MAP_INNER_BITS - 1) /
        VMEM_MAP_INNER_BITS,

    VMEM_MAP_LEAF_MASK = (1 << VMEM_MAP_LEAF_BITS) - 1,
    VMEM_MAP_INNER_MASK = (1 << VMEM_MAP_INNER_BITS) - 1
};

/* Inner or leaf; all bits 0 are nothing below it. */
struct vmem_map_node {
    union {
        struct vmem_map_node *child[1 << VMEM_MAP_INNER_BITS];
        unsigned char byte[1 << VMEM_MAP_LEAF_BITS];
    };
};

_Static_assert(sizeof(struct vmem_map_node) == 1024, "a node is the largest block of the pool");

/*
 * The tree as seen from a top that it has or had: written before anybody can see it, and never
 * again. It holds the granules whose number, without its lowest `shift` bits, is `prefix`.
 */
struct vmem_map_root {
    struct vmem_map_node *node;
    uintptr_t prefix;
    unsigned shift; /* VMEM_MAP_LEAF_BITS: the node is a leaf */
};

struct vmem_map {
    struct vmem_map_root *top; /* one of `roots`, of which the first holds nothing */
    unsigned granule_shift;
    vmem_port_lock_t lock; /* for those who write */
    struct vmem_map_root roots[VMEM_MAP_LEVELS + 2];
};

void vmem_map_init(struct vmem_map *map, unsigned granule_shift);

/* Gives the nodes back. Without the lock; nobody uses the map any more. */
void vmem_map_destroy(struct vmem_map *map);

/*
 * Sets the bytes of all granules of [addr, addr + size), which crosses no multiple of 1024
 * granules. 0, or -VMEM_ENOMEM with no byte changed; what has been set can be set again without
 * memory. Without the lock.
 */
int vmem_map_set(struct vmem_map *map, uintptr_t addr, uintptr_t size, unsigned char byte);

/*
 * Sets the byte of one granule to 0 if it is `byte`, which is not 0; false: it is not, perhaps
 * because somebody else was faster.
 */
bool vmem_map_clear(struct vmem_map *map, uintptr_t addr, unsigned char byte);

/*
 * The first byte from the granule of *addrp on that is not 0, and the address of its granule; 0:
 * there is none. While nobody writes.
 */
unsigned char vmem_map_next(const struct vmem_map *map, uintptr_t *addrp);

/* The byte of the granule that contains addr. O(levels), which are few; without a lock. */
static inline unsigned char vmem_map_get(const struct vmem_map *map, uintptr_t addr)
{
    const struct vmem_map_root *root = VMEM_READ_ACQUIRE(map->top);
    const struct vmem_map_node *node = root->node;
    uintptr_t granule = addr >> map->granule_shift;
    unsigned shift = root->shift;

    if (VMEM_UNLIKELY(granule >> shift != root->prefix))
        return 0;
    while (shift > VMEM_MAP_LEAF_BITS) {
        shift -= VMEM_MAP_INNER_BITS;
        node = VMEM_READ_ACQUIRE(node->child[granule >> shift & VMEM_MAP_INNER_MASK]);
        if (VMEM_UNLIKELY(node == NULL))
            return 0;
    }
    return VMEM_READ_ONCE(node->byte[granule & VMEM_MAP_LEAF_MASK]);
}

#endif
