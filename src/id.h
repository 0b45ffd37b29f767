/* SPDX-License-Identifier: MIT */
/*
 * id.h - what an ID space is made of, and the list of them all.
 */
#ifndef VMEM_SRC_ID_H
#define VMEM_SRC_ID_H

#include "bitmap.h"

#include <vmem/id.h>

struct vmem_id {
    vmem_port_lock_t lock;
    bool cyclic;
    struct vmem_bitmap map; /* its keys are distances from */
    vmem_addr_t min;        /*    this; */
    vmem_addr_t wrap;       /* so is this one, */
    vmem_addr_t cursor;     /*    and where the next cyclic search begins */
    struct vmem_bitmap_node *spare;
    vmem_size_t in_use; /* 0 also where all integers are allocated */
    uint64_t frees;
    uint64_t fails;
    const char *name;
#if VMEM_SLEEPS
    uint32_t awaited; /* requests that wait: sleep.c */
    uint64_t waits;
#endif

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
