/* SPDX-License-Identifier: MIT */
/*
 * sleep.c - VMEM_SLEEP: requests that wait.
 *
 * Concepts
 * --------
 * 1. Whoever waits makes attempts, each as if it did not wait. Between them it sleeps in the port's
 *    hook, without a lock. So nothing below knows of waiting, and nothing is held meanwhile: no
 *    tags, no reserve, no span that was imported for a request that failed.
 * 2. All waiters stand on one list, in the order in which they came. There are few of them, and
 *    they are looked at only when something fails or something becomes free, so the list is walked.
 * 3. No wakeup is lost: a waiter is on the list, and counted in `awaited` of the arena and of all
 *    that it imports from, before the attempt after which it sleeps. That attempt takes the lock
 *    that whoever frees takes. So he either frees before, and the attempt finds it; or he
 *    finds the count, and wakes.
 * 4. In turn: a waiter whose range overlaps that of an earlier one of the same arena makes no
 *    attempt before that one is served (`ahead`). So a large request is not starved by small ones;
 *    and one that waits for a certain address holds up only who might take that. A new request with
 *    VMEM_SLEEP goes to the end of the list without an attempt. What is not to sleep takes what
 *    there is.
 *
 * What is free must come to where waiters look
 * --------------------------------------------
 * 5. Where an arena is awaited, nothing is kept back from it: its frees take the long way through
 *    the hash (which tells them that it is awaited), wholly free spans of arenas that import from
 *    it go back at once, and what is freed to a cache goes past the magazines into its slab, and
 *    an empty slab goes back. The attempt itself strips the caches, and asks other CPUs for their
 *    magazines, with the cache's lock; who had none then takes one with that lock, and looks
 *    at the count behind it. Who has to wait for another waiter makes no attempt, and gives up its
 *    own CPU's: that CPU may have nothing else to do.
 * 6. Only the round that a CPU puts into its magazine in the very moment in which it is asked
 *    is not seen: the common path has no barrier. It is found at the CPU's next free to that cache,
 *    at vmem_cpu_drain(), or at the next attempt; hence the port's wait may return early, and
 *    should after some time.
 *
 * An attempt may give back what it has taken a moment before, such as addresses for which no memory
 * is found. That is to wake only those who tried meanwhile and may have missed it, or
 * two waiters would wake each other for ever. So attempts have times, by a clock of their own.
 * (What a reap within an attempt frees, others have held: that wakes everybody.)
 *
 * Locking: one lock, and with it the lock of an arena or ID space, to count. The port is told
 * without.
 * Cost: O(waiters + the depth of the import chain).
 */
#include "sleep.h"

#include "hash.h"

#if VMEM_SLEEPS

static struct {
    vmem_port_lock_t lock;
    struct vmem_waiter *first;
    struct vmem_waiter *last;
    uint32_t clock;
    uint32_t lacking; /* waiters for memory of the library's own */
} sleepers = {.lock = VMEM_PORT_LOCK_INIT};

enum { TOLD_AT_ONCE = 8 };

/*
 * The list. With the lock.
 */

/* Whether two wait for the same, so that the earlier one goes first. */
static bool compete(const struct vmem_waiter *a, const struct vmem_waiter *b)
{
    return a->arena == b->arena && a->space == b->space && a->min <= b->max && b->min <= a->max;
}

static uint32_t count_ahead(const struct vmem_waiter *waiter)
{
    uint32_t ahead = 0;

    for (const struct vmem_waiter *w = sleepers.first; w != NULL && w != waiter; w = w->next)
        ahead += compete(w, waiter) ? 1U : 0U;
    return ahead;
}

/* Counts a waiter in (1) or out (-1), wherever what it waits for can become free. */
static void count_awaited(const struct vmem_waiter *waiter, int by)
{
    unsigned long state;

    for (vmem_t *arena = waiter->arena; arena != NULL; arena = arena->source) {
        state = vmem_port_lock(&arena->lock);
        VMEM_WRITE_ONCE(arena->awaited, arena->awaited + (uint32_t)by);
        vmem_hash_await(&arena->hash, arena->awaited > 0);
        if (arena == waiter->arena && by > 0)
            arena->waits++;
        vmem_port_unlock(&arena->lock, state);
    }
    if (waiter->space != NULL) {
        state = vmem_port_lock(&waiter->space->lock);
        waiter->space->awaited += (uint32_t)by;
        waiter->space->waits += by > 0 ? 1 : 0;
        vmem_port_unlock(&waiter->space->lock, state);
    }
}

static void wake(struct vmem_waiter *waiter)
{
    VMEM_WRITE_RELEASE(waiter->woken, 1);
    waiter->due = true;
}

/* Tells the port of all who have been woken. Without the lock; an address may be stale by then. */
static void tell(void)
{
    const uint32_t *due[TOLD_AT_ONCE];
    unsigned count;

    do {
        unsigned long state = vmem_port_lock(&sleepers.lock);

        count = 0;
        for (struct vmem_waiter *w = sleepers.first; w != NULL && count < TOLD_AT_ONCE;
             w = w->next) {
            if (w->due)
                due[count++] = &w->woken;
            w->due = false;
        }
        vmem_port_unlock(&sleepers.lock, state);
        for (unsigned i = 0; i < count; i++)
            vmem_port_wake(due[i]);
    } while (count == TOLD_AT_ONCE);
}

/*
 * Waking
 */

/*
 * The waiter that this thread is, in an attempt; NULL: it is none. The last of them: a constructor
 * may wait within an attempt.
 */
static const struct vmem_waiter *find_self(void)
{
    uintptr_t self = vmem_port_self();
    const struct vmem_waiter *w = sleepers.last;

    while (w != NULL && !(w->trying && w->self == self))
        w = w->prev;
    return w;
}

/* Whether what `self` gives back in its attempt may have been missed by another. */
static bool has_missed(const struct vmem_waiter *self, const struct vmem_waiter *w)
{
    return w != self && (w->trying || (int32_t)(w->ended - self->began) > 0);
}

static bool imports_through(const vmem_t *arena, const vmem_t *source)
{
    while (arena != NULL && arena != source)
        arena = arena->source;
    return arena != NULL;
}

static bool concerns_arena(const struct vmem_waiter *waiter, const void *arena)
{
    return imports_through(waiter->arena, arena);
}

/* An arena's own request may be one that its quantum caches serve. */
static bool concerns_cache(const struct vmem_waiter *waiter, const void *what)
{
    const vmem_cache_t *cache = what;

    return VMEM_READ_ONCE(waiter->cache) == cache ||
           ((cache->flags & VMEM_CACHE_QUANTUM) != 0 && waiter->arena == cache->arena);
}

static bool concerns_space(const struct vmem_waiter *waiter, const void *space)
{
    return waiter->space == space;
}

static bool concerns_memory(const struct vmem_waiter *waiter, const void *nothing)
{
    (void)nothing;
    return waiter->lacks_memory;
}

/* Wakes all whose turn it is and whom it concerns. */
static void wake_those(bool (*concerns)(const struct vmem_waiter *waiter, const void *what),
                       const void *what)
{
    bool reaping = vmem_is_reaping();
    unsigned long state = vmem_port_lock(&sleepers.lock);
    const struct vmem_waiter *self = reaping ? NULL : find_self();

    for (struct vmem_waiter *w = sleepers.first; w != NULL; w = w->next)
        if (w->ahead == 0 && concerns(w, what) && (self == NULL || has_missed(self, w)))
            wake(w);
    vmem_port_unlock(&sleepers.lock, state);
    tell();
}

void vmem_wake(vmem_t *arena)
{
    wake_those(concerns_arena, arena);
}

void vmem_wake_cache(vmem_cache_t *cache)
{
    wake_those(concerns_cache, cache);
}

void vmem_wake_space(vmem_id_t *space)
{
    wake_those(concerns_space, space);
}

/* Who lacks memory says so under the lock, then tries: as with `awaited` (3). */
void vmem_wake_memory(void)
{
    if (VMEM_READ_ONCE(sleepers.lacking) > 0)
        wake_those(concerns_memory, NULL);
}

bool vmem_cache_is_awaited(const vmem_cache_t *cache)
{
    unsigned long state = vmem_port_lock(&sleepers.lock);
    const struct vmem_waiter *w = sleepers.first;

    while (w != NULL && VMEM_READ_ONCE(w->cache) != cache)
        w = w->next;
    vmem_port_unlock(&sleepers.lock, state);
    return w != NULL;
}

/*
 * Waiting
 */

/* What waiting may mend. */
static bool may_change(int error)
{
    return error == -VMEM_ENOSPC || error == -VMEM_ENOMEM;
}

/* Whether somebody is to be served before this one, which is new. */
static bool is_behind(const struct vmem_waiter *waiter)
{
    unsigned long state = vmem_port_lock(&sleepers.lock);
    bool behind = count_ahead(waiter) > 0;

    vmem_port_unlock(&sleepers.lock, state);
    return behind;
}

static void enlist(struct vmem_waiter *waiter)
{
    unsigned long state = vmem_port_lock(&sleepers.lock);

    waiter->next = NULL;
    waiter->prev = sleepers.last;
    if (sleepers.last != NULL)
        sleepers.last->next = waiter;
    else
        sleepers.first = waiter;
    sleepers.last = waiter;
    waiter->ahead = count_ahead(waiter);
    count_awaited(waiter, 1);
    vmem_port_unlock(&sleepers.lock, state);
}

/* Leaves the list; those who come next after this one may try, as something may be left for them.
 */
static void delist(struct vmem_waiter *waiter)
{
    unsigned long state = vmem_port_lock(&sleepers.lock);

    for (struct vmem_waiter *w = waiter->next; w != NULL; w = w->next)
        if (compete(waiter, w) && --w->ahead == 0)
            wake(w);
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        sleepers.first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        sleepers.last = waiter->prev;
    if (waiter->lacks_memory)
        VMEM_WRITE_ONCE(sleepers.lacking, sleepers.lacking - 1);
    count_awaited(waiter, -1);
    vmem_port_unlock(&sleepers.lock, state);
    tell();
}

/* Begins an attempt, if it is the waiter's turn. */
static bool begin_attempt(struct vmem_waiter *waiter)
{
    unsigned long state = vmem_port_lock(&sleepers.lock);

    VMEM_WRITE_ONCE(waiter->woken, 0);
    waiter->trying = waiter->ahead == 0;
    waiter->began = ++sleepers.clock;
    vmem_port_unlock(&sleepers.lock, state);
    return waiter->trying;
}

/* Ends one; whether another is due at once: with memory it will be heard of only from now on. */
static bool end_attempt(struct vmem_waiter *waiter, int error)
{
    unsigned long state = vmem_port_lock(&sleepers.lock);
    bool again = error == -VMEM_ENOMEM && !waiter->lacks_memory;

    waiter->trying = false;
    waiter->ended = ++sleepers.clock;
    if (again) {
        waiter->lacks_memory = true;
        VMEM_WRITE_ONCE(sleepers.lacking, sleepers.lacking + 1);
    }
    vmem_port_unlock(&sleepers.lock, state);
    return again;
}

static int wait_in_turn(struct vmem_waiter *waiter, int (*attempt)(void *request), void *request)
{
    for (;;) {
        if (begin_attempt(waiter)) {
            int error = attempt(request);
            bool again = end_attempt(waiter, error);

            if (!may_change(error))
                return error;
            if (again)
                continue;
        } else {
            vmem_cache_drain_awaited();
        }
        vmem_port_wait(&waiter->woken);
    }
}

#endif

int vmem_sleep(struct vmem_waiter *waiter, int (*attempt)(void *request), void *request)
{
#if VMEM_SLEEPS
    int error;

    if (!is_behind(waiter)) {
        error = attempt(request);
        if (!may_change(error))
            return error;
    }
    waiter->self = vmem_port_self();
    enlist(waiter);
    error = wait_in_turn(waiter, attempt, request);
    delist(waiter);
    return error;
#else
    (void)waiter;
    return attempt(request);
#endif
}
