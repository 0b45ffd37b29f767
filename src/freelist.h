/* SPDX-License-Identifier: MIT */
/*
 * freelist.h - free segments by size. See freelist.c. All with the arena's lock,
 * except where said.
 */
#ifndef VMEM_FREELIST_H
#define VMEM_FREELIST_H

#include "arena.h"

#define VMEM_NO_LIST (~0U)

enum {
    VMEM_BEST_LOOK = 4, /* segments of a list of which best fit takes the best; */
    VMEM_FIT_LOOK = 32  /*    if none of those fits, how far it looks for any */
};

/*
 * Sizes that agree from this bit up share a list: the quantum for small ones, which have a list
 * each; above, the sublist_bits bits behind the highest tell the lists of an octave apart.
 */
static inline unsigned vmem_freelist_shift(const vmem_t *arena, vmem_size_t size)
{
    int shift = (int)vmem_msb(size) - arena->freelist.sublist_bits;
    int least = arena->quantum_shift;

    return (unsigned)(shift > least ? shift : least);
}

/* The list for segments of `size`. */
static inline unsigned vmem_freelist_of(const vmem_t *arena, vmem_size_t size)
{
    unsigned shift = vmem_freelist_shift(arena, size);

    return (shift - (unsigned)arena->quantum_shift) * arena->freelist.sublists +
           (unsigned)vmem_shift_right(size, shift);
}

/* Whether two sizes belong to the same list. */
static inline bool vmem_freelist_is_same(const vmem_t *arena, vmem_size_t a, vmem_size_t b)
{
    return vmem_shift_right(a ^ b, vmem_freelist_shift(arena, a)) == 0;
}

/* The first list all of whose segments hold `size`: that of the next size that begins a list. */
static inline unsigned vmem_freelist_above(const vmem_t *arena, vmem_size_t size)
{
    unsigned shift = vmem_freelist_shift(arena, size);

    return (shift - (unsigned)arena->quantum_shift) * arena->freelist.sublists +
           (unsigned)vmem_shift_right(size - 1, shift) + 1;
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

/* The first segment of a list has become another; 0: it is empty. */
static inline void vmem_freelist_set_head(vmem_t *arena, unsigned list, vmem_link_t link)
{
    struct vmem_freelist *freelist = &arena->freelist;

    freelist->heads[list] = link;
    if (VMEM_UNLIKELY(link == 0)) {
        vmem_word_t *word = &freelist->map[list / VMEM_WORD_BITS];

        *word &= ~((vmem_word_t)1 << (list % VMEM_WORD_BITS));
        if (*word == 0)
            freelist->summary &= ~((vmem_word_t)1 << (list / VMEM_WORD_BITS));
    }
}

/* The list_prev of a list's first segment means nothing, so that taking one touches no other. */
static inline void vmem_freelist_remove(vmem_t *arena, unsigned list, vmem_link_t link,
                                        const struct vmem_tag *tag)
{
    vmem_link_t next = tag->list_next;

    if (arena->freelist.heads[list] == link) {
        vmem_freelist_set_head(arena, list, next);
        return;
    }
    vmem_tag_at(tag->list_prev)->list_next = next;
    if (next != 0)
        vmem_tag_at(next)->list_prev = tag->list_prev;
}

/* The first list at or above `list` that is not empty; VMEM_NO_LIST: there is none. */
static inline unsigned vmem_freelist_next(const vmem_t *arena, unsigned list)
{
    const struct vmem_freelist *freelist = &arena->freelist;
    unsigned i = list / VMEM_WORD_BITS;
    vmem_word_t word;

    if (VMEM_UNLIKELY(list >= freelist->lists))
        return VMEM_NO_LIST;
    word = freelist->map[i] >> (list % VMEM_WORD_BITS);
    if (word == 0) {
        vmem_word_t above = freelist->summary & (~(vmem_word_t)1 << i);

        if (above == 0)
            return VMEM_NO_LIST;
        i = vmem_word_lsb(above);
        word = freelist->map[i];
        list = i * VMEM_WORD_BITS;
    }
    list += vmem_word_lsb(word);
    if (list == VMEM_NO_LIST)
        __builtin_unreachable(); /* 31 words at most: spares the callers a comparison */
    return list;
}

/* Instant fit without constraints: the first list all of whose segments hold `size`. */
static inline unsigned vmem_freelist_instant(const vmem_t *arena, vmem_size_t size)
{
    return vmem_freelist_next(arena, vmem_freelist_above(arena, size));
}

/* Best fit without constraints: a segment, and its list; VMEM_NO_LIST: none is found in a few
 * looks. */
unsigned vmem_freelist_best(const vmem_t *arena, vmem_size_t size, vmem_link_t *linkp);

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
