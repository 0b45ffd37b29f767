/* SPDX-License-Identifier: MIT */
/*
 * baseline.c - one list of all segments, free and allocated, in address order.
 *
 * To allocate, walk it from the head to the first free segment that serves, and split that. To
 * free, walk it from the head to the address, and merge with the neighbours. It is short, it
 * packs well, and it costs O(n) for each call: what the library must beat to be worth its size.
 */
#include "baseline.h"

#include <stdlib.h>

struct segment {
    struct segment *next, *prev;
    vmem_addr_t addr;
    vmem_size_t size;
    bool allocated;
};

struct baseline {
    struct segment *head;
    struct segment *spare; /* segment structures to use again, linked by next */
    vmem_size_t quantum;
};

static struct segment *segment_get(struct baseline *list)
{
    struct segment *segment = list->spare;

    if (segment == NULL)
        return malloc(sizeof *segment);
    list->spare = segment->next;
    return segment;
}

/* The first size units of a segment become one of their own, and that is returned. */
static struct segment *segment_split(struct baseline *list, struct segment *segment,
                                     vmem_size_t size)
{
    struct segment *first = segment_get(list);

    if (first == NULL)
        return NULL;
    first->addr = segment->addr;
    first->size = size;
    first->allocated = false;
    first->next = segment;
    first->prev = segment->prev;
    if (first->prev != NULL)
        first->prev->next = first;
    else
        list->head = first;
    segment->prev = first;
    segment->addr += size;
    segment->size -= size;
    return first;
}

/* A segment takes in the one that follows it. */
static void segment_merge(struct baseline *list, struct segment *segment)
{
    struct segment *next = segment->next;

    segment->size += next->size;
    segment->next = next->next;
    if (next->next != NULL)
        next->next->prev = segment;
    next->next = list->spare;
    list->spare = next;
}

struct baseline *baseline_create(vmem_addr_t base, vmem_size_t size, vmem_size_t quantum)
{
    struct baseline *list = calloc(1, sizeof *list);

    if (list == NULL)
        return NULL;
    list->quantum = quantum;
    list->head = calloc(1, sizeof *list->head);
    if (list->head == NULL) {
        free(list);
        return NULL;
    }
    list->head->addr = base;
    list->head->size = size;
    return list;
}

static void segments_free(struct segment *segment)
{
    while (segment != NULL) {
        struct segment *next = segment->next;

        free(segment);
        segment = next;
    }
}

void baseline_destroy(struct baseline *list)
{
    segments_free(list->head);
    segments_free(list->spare);
    free(list);
}

int baseline_alloc(struct baseline *list, vmem_size_t size, vmem_addr_t *addrp)
{
    struct segment *segment = list->head;

    while (segment != NULL && (segment->allocated || segment->size < size))
        segment = segment->next;
    if (segment == NULL)
        return -VMEM_ENOSPC;
    if (segment->size > size)
        segment = segment_split(list, segment, size);
    if (segment == NULL)
        return -VMEM_ENOMEM;
    segment->allocated = true;
    *addrp = segment->addr;
    return 0;
}

/* The lowest address in a free segment that serves; false: none. */
static bool place(const struct segment *segment, vmem_size_t size, const struct vmem_constraints *c,
                  vmem_addr_t *addrp)
{
    vmem_addr_t addr = segment->addr > c->min ? segment->addr : c->min;
    vmem_addr_t end = segment->addr + segment->size;

    if (c->limit != 0 && c->limit < end)
        end = c->limit;
    if (c->align != 0)
        addr = ((addr - c->phase + c->align - 1) & ~(c->align - 1)) + c->phase;
    if (c->nocross != 0 && (addr ^ (addr + size - 1)) >= c->nocross) {
        addr = (addr + c->nocross - 1) & ~(c->nocross - 1);
        if (c->align != 0)
            addr = ((addr - c->phase + c->align - 1) & ~(c->align - 1)) + c->phase;
    }
    *addrp = addr;
    return addr < end && end - addr >= size;
}

int baseline_xalloc(struct baseline *list, vmem_size_t size, const struct vmem_constraints *c,
                    vmem_addr_t *addrp)
{
    struct segment *segment = list->head;
    vmem_addr_t addr = 0;

    while (segment != NULL && (segment->allocated || !place(segment, size, c, &addr)))
        segment = segment->next;
    if (segment == NULL)
        return -VMEM_ENOSPC;
    if (addr > segment->addr && segment_split(list, segment, addr - segment->addr) == NULL)
        return -VMEM_ENOMEM;
    if (segment->size > size)
        segment = segment_split(list, segment, size);
    if (segment == NULL)
        return -VMEM_ENOMEM;
    segment->allocated = true;
    *addrp = addr;
    return 0;
}

void baseline_free(struct baseline *list, vmem_addr_t addr)
{
    struct segment *segment = list->head;

    while (segment != NULL && segment->addr != addr)
        segment = segment->next;
    if (segment == NULL)
        abort();
    segment->allocated = false;
    if (segment->next != NULL && !segment->next->allocated)
        segment_merge(list, segment);
    if (segment->prev != NULL && !segment->prev->allocated)
        segment_merge(list, segment->prev);
}
