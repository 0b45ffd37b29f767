/* SPDX-License-Identifier: MIT */
/*
 * freelist.h - free segments by size. See freelist.c. All with the arena's lock,
 * except where said.
 */
#ifndef VMEM_FREELIST_H
#define VMEM_FREELIST_H

#include "arena.h"

enum {
    VMEM_BEST_LOOK = 16 /* segments of a list that best fit looks at */
};

/*
 * The list for segments of `size`. Below 2^sublist_bits quanta each size has its own. Above, with
 * the size between 2^o and 2^(o+1), the next sublist_bits bits tell its lists apart.
 */
static inline unsigned vmem_freelist_of(const vmem_t *arena, vmem_size_t size)
{
    unsigned octave = vmem_msb(size);
    unsigned bits = arena->freelist.sublist_bits;
    unsigned quantum_shift = arena->quantum_shift;
    unsigned shift = octave > quantum_shift + bits ? octave - bits : quantum_shift;

    return ((shift - quantum_shift) << bits) + (unsigned)vmem_shift_right(size, shift);
}

/* The first list all of whose segments hold `size`. */
static inline unsigned vmem_freelist_above(const vmem_t *arena, vmem_size_t size)
{
    unsigned octave = vmem_msb(size);
    unsigned bits = arena->freelist.sublist_bits;
    unsigned quantum_shift = arena->quantum_shift;
    unsigned shift = octave > quantum_shift + bits ? octave - bits : quantum_shift;

    return ((shift - quantum_shift) << bits) + (unsigned)vmem_shift_right(size, shift) +
           ((size & (vmem_bit(shift) - 1)) != 0);
}

static inline void vmem_freelist_push(vmem_t *arena, unsigned list, vmem_link_t link,
                                      struct vmem_tag *tag)
{
    struct vmem_freelist *freelist = &arena->freelist;
    vmem_link_t head = freelist->heads[list];

    tag->list_next = head;
    tag->list_prev = 0;
    freelist->heads[list] = link;
    if (head != 0) {
        vmem_tag_at(head)->list_prev = link;
    } else {
        freelist->map[list / VMEM_WORD_BITS] |= (vmem_word_t)1 << (list % VMEM_WORD_BITS);
        freelist->summary |= (vmem_word_t)1 << (list / VMEM_WORD_BITS);
    }
}

static inline void vmem_freelist_remove(vmem_t *arena, unsigned list, const struct vmem_tag *tag)
{
    struct vmem_freelist *freelist = &arena->freelist;
    vmem_link_t next = tag->list_next;
    vmem_link_t prev = tag->list_prev;

    if (next != 0)
        vmem_tag_at(next)->list_prev = prev;
    if (prev != 0) {
        vmem_tag_at(prev)->list_next = next;
        return;
    }
    freelist->heads[list] = next;
    if (next == 0) {
        vmem_word_t *word = &freelist->map[list / VMEM_WORD_BITS];

        *word &= ~((vmem_word_t)1 << (list % VMEM_WORD_BITS));
        if (*word == 0)
            freelist->summary &= ~((vmem_word_t)1 << (list / VMEM_WORD_BITS));
    }
}

/* The first list at or above `list` that is not empty; UINT_MAX (all bits set): none. */
static inline unsigned vmem_freelist_next(const vmem_t *arena, unsigned list)
{
    const struct vmem_freelist *freelist = &arena->freelist;
    unsigned i = list / VMEM_WORD_BITS;
    vmem_word_t word;

    if (VMEM_UNLIKELY(list >= freelist->lists))
        return ~0U;
    word = freelist->map[i] & (~(vmem_word_t)0 << (list % VMEM_WORD_BITS));
    if (word == 0) {
        vmem_word_t above = freelist->summary & (~(vmem_word_t)1 << i);

        if (above == 0)
            return ~0U;
        i = vmem_word_lsb(above);
        word = freelist->map[i];
    }
    return i * VMEM_WORD_BITS + vmem_word_lsb(word);
}

/* Instant fit without constraints, in O(1): any segment of the first list that surely fits. */
static inline vmem_link_t vmem_freelist_instant(const vmem_t *arena, vmem_size_t size)
{
    unsigned list = vmem_freelist_next(arena, vmem_freelist_above(arena, size));

    return list != ~0U ? arena->freelist.heads[list] : 0;
}

bool vmem_freelist_search(const vmem_t *arena, const struct vmem_request *request,
                          struct vmem_place *place);

vmem_size_t vmem_freelist_largest(const vmem_t *arena);

/* How many free segments the lists hold; SIZE_MAX: a list, a bit or a place is wrong. */
size_t vmem_freelist_recount(const vmem_t *arena, size_t limit);

/*
 * Makes the lists reach up to segments of `size`. False: no memory. Takes the lock itself, since it
 * may allocate.
 */
bool vmem_freelist_reach(vmem_t *arena, vmem_size_t size);
void vmem_freelist_destroy(vmem_t *arena);

#endif
