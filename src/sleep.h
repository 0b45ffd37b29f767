/* SPDX-License-Identifier: MIT */
/*
 * sleep.h - VMEM_SLEEP: requests that wait. See sleep.c. All without a lock, except where said.
 */
#ifndef VMEM_SRC_SLEEP_H
#define VMEM_SRC_SLEEP_H

#include "cache.h"
#include "id.h"

/* A request that waits. It lives on the stack of the thread that waits. */
struct vmem_waiter {
    struct vmem_waiter *next; /* who came later, */
    struct vmem_waiter *prev; /*    and earlier */
    vmem_t *arena;            /* what it waits for: an arena, */
    vmem_cache_t *cache;      /*    perhaps through this cache, which it may set in an attempt; */
    vmem_id_t *space;         /*    or an ID space */
    vmem_addr_t min, max;     /* where the request can go */
    uintptr_t self;           /* the thread */
    uint32_t ahead;           /* waiters who came earlier and for whom it has to wait */
    uint32_t began;           /* when it last tried, */
    uint32_t ended;           /*    and stopped trying; by sleepers.clock */
    uint32_t woken;           /* what the port looks at */
    bool trying;
    bool lacks_memory; /* the library's own */
    bool due;          /* woken, and the port is still to be told */
};

/*
 * Makes attempts until one succeeds, or fails for another reason than want of room or memory;
 * sleeps between them. Returns what the last one returned.
 */
int vmem_sleep(struct vmem_waiter *waiter, int (*attempt)(void *request), void *request);

/* Whether somebody waits for an arena, or for one that it imports from. With any lock, or none. */
static inline bool vmem_is_awaited(const vmem_t *arena)
{
    while (VMEM_SLEEPS && arena != NULL && VMEM_READ_ONCE(arena->awaited) == 0)
        arena = arena->source;
    return VMEM_SLEEPS && arena != NULL;
}

#if VMEM_SLEEPS

/* Something has become free in an arena, in a slab of a cache, in an ID space, in the tag pool. */
void vmem_wake(vmem_t *arena);
void vmem_wake_cache(vmem_cache_t *cache);
void vmem_wake_space(vmem_id_t *space);
void vmem_wake_memory(void);

/* Whether somebody waits through this cache. */
bool vmem_cache_is_awaited(const vmem_cache_t *cache);

#else

static inline void vmem_wake(vmem_t *arena)
{
    (void)arena;
}

static inline void vmem_wake_cache(vmem_cache_t *cache)
{
    (void)cache;
}

static inline void vmem_wake_space(vmem_id_t *space)
{
    (void)space;
}

static inline void vmem_wake_memory(void)
{
}

static inline bool vmem_cache_is_awaited(const vmem_cache_t *cache)
{
    (void)cache;
    return false;
}

#endif

#endif
