/* SPDX-License-Identifier: MIT */
/*
 * tag.h - boundary tags and the links between them.
 *
 * A tag describes one segment, or marks a span, or is the anchor of an arena's
 * list. All tags of an arena stand on one circular list in address order:
 *
 *     anchor - span - segment - segment - span - segment - (anchor)
 *
 * A span marker heads the segments of its span, so that no segment ever has a
 * free neighbour across the border of a span.
 *
 * Tags are linked by 32-bit links, not pointers: a tag is then 32 bytes on a
 * 64-bit machine, two to a cache line and neither across one. There, a link
 * names one of 63 windows, regions of 2 GiB aligned to that, and a 32-byte slot
 * in it; finding the tag is one load from a small table, a shift and an addition.
 * On a 32-bit machine a link is the tag's address. 0 is no tag.
 *
 * Free tags of a freelist arena hang in a list, those of an ordered arena in a
 * tree, whose links lie behind the tag (struct vmem_node); allocated ones in a
 * hash chain. What a tag is, is kept in the word that only a free segment uses
 * as a link.
 */
#ifndef VMEM_TAG_H
#define VMEM_TAG_H

#include <vmem/vmem.h>

typedef uint32_t vmem_link_t;

/* What a tag is, if it is not free: no link is as large as these. */
#define VMEM_KIND_FIRST UINT32_C(0xfffffff0)
#define VMEM_KIND_ALLOCATED UINT32_C(0xfffffff1)
#define VMEM_KIND_SPAN UINT32_C(0xfffffff2)
#define VMEM_KIND_IMPORTED UINT32_C(0xfffffff3) /* a span that came from the source */
#define VMEM_KIND_ANCHOR UINT32_C(0xfffffff4)

struct vmem_tag {
    vmem_addr_t addr;
    vmem_size_t size;
    vmem_link_t prev; /* address order, circular */
    vmem_link_t next;
    union {
        vmem_link_t list_next; /* free: in its freelist */
        vmem_link_t chain;     /* allocated: in its hash bucket; unused: in a stash */
    };
    union {
        vmem_link_t list_prev; /* free */
        vmem_link_t kind;      /* not free: VMEM_KIND_* */
    };
#if VMEM_CONFIG_DEBUG
    uintptr_t caller; /* who allocated it */
#endif
};

/* A tag with a place in a tree (tree.c): span markers, and every tag of an ordered arena. */
struct vmem_node {
    struct vmem_tag tag;
    vmem_size_t max; /* the largest size in the subtree */
    vmem_link_t left;
    vmem_link_t right;
    vmem_link_t parent;
    uint32_t height;
};

#if !VMEM_CONFIG_DEBUG
_Static_assert(sizeof(struct vmem_tag) <= 32, "two tags make a cache line");
#endif
_Static_assert(sizeof(struct vmem_tag) <= 64, "a tag with its caller");
_Static_assert(sizeof(struct vmem_node) <= 64, "a tag in a tree");

#if UINTPTR_MAX > UINT32_MAX

enum {
    VMEM_SLOT_SHIFT = 5,    /* tags are aligned to 32 bytes */
    VMEM_WINDOW_SHIFT = 31, /* a window is 2 GiB: 26 bits of slots */
    VMEM_WINDOWS = 63       /* 6 bits; the last is left to VMEM_KIND_FIRST */
};

/* Where window w begins, less w * 2 GiB, so that a link need not be taken apart. */
extern char *vmem_window[VMEM_WINDOWS];

static inline struct vmem_tag *vmem_tag_at(vmem_link_t link)
{
    return (
        struct vmem_tag *)((uintptr_t)vmem_window[link >> (VMEM_WINDOW_SHIFT - VMEM_SLOT_SHIFT)] +
                           ((uintptr_t)link << VMEM_SLOT_SHIFT));
}

#else

static inline struct vmem_tag *vmem_tag_at(vmem_link_t link)
{
    return (struct vmem_tag *)(uintptr_t)link;
}

#endif

static inline struct vmem_node *vmem_node_at(vmem_link_t link)
{
    return (struct vmem_node *)(void *)vmem_tag_at(link);
}

static inline bool vmem_tag_is_free(const struct vmem_tag *tag)
{
    return tag->kind < VMEM_KIND_FIRST;
}

static inline bool vmem_tag_is_span(const struct vmem_tag *tag)
{
    return tag->kind == VMEM_KIND_SPAN || tag->kind == VMEM_KIND_IMPORTED;
}

/* The last address of a segment or span: its end may be 2^64. */
static inline vmem_addr_t vmem_tag_last(const struct vmem_tag *tag)
{
    return tag->addr + (tag->size - 1);
}

/* Puts `link` on the address-ordered list, before `next`. */
static inline void vmem_tag_insert_before(vmem_link_t link, vmem_link_t next)
{
    struct vmem_tag *tag = vmem_tag_at(link);
    struct vmem_tag *after = vmem_tag_at(next);
    vmem_link_t prev = after->prev;

    tag->prev = prev;
    tag->next = next;
    vmem_tag_at(prev)->next = link;
    after->prev = link;
}

static inline void vmem_tag_unlink(const struct vmem_tag *tag)
{
    vmem_tag_at(tag->prev)->next = tag->next;
    vmem_tag_at(tag->next)->prev = tag->prev;
}

#endif
