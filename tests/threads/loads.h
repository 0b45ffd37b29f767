/* SPDX-License-Identifier: MIT */
/*
 * loads.h - what the workers of several scenarios do: objects of a cache, blocks of a heap, and
 * segments of an arena, taken and given back at random, with every token and byte looked at.
 */
#ifndef TESTS_THREADS_LOADS_H
#define TESTS_THREADS_LOADS_H

#include "threads.h"

/* A cache with a constructor, and what is known of it from outside. */

struct object {
    unsigned holder; /* the token: nobody's while it is free, or gone */
    unsigned alive;  /* set by the constructor, taken away by the destructor */
    unsigned char payload[];
};

struct objects {
    vmem_cache_t *cache;
    size_t size;         /* of an object; set before the cache is made, as are the next three */
    size_t align;        /* 0: natural */
    unsigned flags;      /* VMEM_CACHE_* */
    unsigned fail_every; /* the constructor fails each n-th time; 0: never */
    bool may_fail;       /* an allocation may: where memory is short */
    unsigned constructs; /* calls so far, of which */
    unsigned alive;      /*    so many objects are constructed now */
    void (*reclaim)(void *objects);
    struct tally tally;
};

void objects_create(struct objects *objects, vmem_t *arena, const char *name);
void objects_destroy(struct objects *objects); /* all counts are compared first */
/* NULL only where the load may fail. The tally is the worker's own, to be added at the end. */
struct object *object_take(struct objects *objects, struct tally *tally, unsigned holder);
void object_give(struct objects *objects, struct tally *tally, struct object *object,
                 unsigned holder);
/* Takes and gives, so many times, holding at most so many at once; ends with none. */
void objects_churn(struct worker *self, struct objects *objects, unsigned steps, unsigned most);

/* A heap, and slots in which workers leave blocks for each other. */

struct block {
    unsigned char *at; /* NULL: none */
    size_t size;       /* as asked for */
    size_t usable;     /* as answered */
    size_t align;
    unsigned holder;
    unsigned tag;
};

enum { SLOTS = 64 };

struct blocks {
    vmem_heap_t *heap;
    bool may_fail;
    size_t largest; /* sizes go up to this now and then; mostly 8 to 4096 */
    pthread_mutex_t lock;
    struct block slots[SLOTS];
    struct tally tally;
};

void blocks_create(struct blocks *blocks, vmem_t *arena, const char *name);
void blocks_destroy(struct blocks *blocks);
void blocks_churn(struct worker *self, struct blocks *blocks, unsigned steps, unsigned most);
void blocks_drop_slots(struct blocks *blocks); /* frees what was left in them */

/* An arena of integers with quantum caches. */

struct segments {
    vmem_t *arena;
    vmem_t *source;
    vmem_size_t quantum;
    bool may_fail;
    struct shadow shadow;
    struct tally tally;
};

void segments_create(struct segments *segments);
void segments_destroy(struct segments *segments);
void segments_churn(struct worker *self, struct segments *segments, unsigned steps, unsigned most);

/* An ID space. */

struct ids {
    vmem_id_t *space;
    vmem_addr_t min, max;
    bool may_fail; /* a space that is full always may */
    struct shadow shadow;
    struct tally tally;
};

void ids_create(struct ids *ids, const struct vmem_id_params *params);
void ids_destroy(struct ids *ids);
void ids_churn(struct worker *self, struct ids *ids, unsigned steps, unsigned most);

#endif
