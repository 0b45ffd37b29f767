/* SPDX-License-Identifier: MIT */
/*
 * id.h - what an ID space is made of (id.c tells how), and the list of them all.
 */
#ifndef VMEM_SRC_ID_H
#define VMEM_SRC_ID_H

#include "arena.h"

#include <vmem/id.h>

enum {
    VMEM_ID_BITS = VMEM_WORD_BITS == 64 ? 6 : 5, /* of a key, that one level looks at */
    VMEM_ID_LEVELS = ((int)sizeof(vmem_addr_t) * 8 + VMEM_ID_BITS - 1) / VMEM_ID_BITS
};

/* A slot of a leaf is a word of IDs, a bit set for each that is allocated; of others, a node. */
struct vmem_id_node {
    vmem_word_t free;   /* a bit a slot: an ID below it is free */
    vmem_word_t used;   /* a bit a slot: an ID below it is allocated */
    vmem_word_t slot[]; /* 0: all below is free; VMEM_WORD_BITS of them, fewer in the root */
};

struct vmem_id {
    vmem_port_lock_t lock;
    vmem_word_t root; /* a slot above all: the root node, or the one word of a tiny space */
    uint8_t shift;    /* of a key, to the root's slot; 0: the root is a word */
    bool cyclic;
    vmem_addr_t min;            /* IDs are keyed by their distance from it: keys are 0 to */
    vmem_addr_t last;           /*    this */
    vmem_addr_t wrap;           /* as a key */
    vmem_addr_t cursor;         /* cyclic: where the next search begins */
    struct vmem_id_node *spare; /* kept back, for the next leaf */
    vmem_size_t in_use;         /* 0 also where all integers are allocated */
    size_t nodes;               /* in the tree, beside the root */
    uint64_t frees;
    uint64_t fails;
    const char *name;

    /* Under the lock of the list of spaces, not the space's own. */
    vmem_id_t *next;
    vmem_id_t *prev;
    uint32_t id;   /* in order of creation */
    uint32_t pins; /* threads that look at it from the list */
};

/*
 * The space with the smallest id above `after`, pinned; NULL: none. A space that is pinned cannot
 * be destroyed. For those who go through all spaces without a lock.
 */
vmem_id_t *vmem_id_pin_next(uint32_t after);
void vmem_id_unpin(vmem_id_t *space);

#endif
