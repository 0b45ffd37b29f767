/* SPDX-License-Identifier: MIT */
/*
 * magazine.h - the common paths: a round from, or into, the CPU's loaded magazine.
 *
 * What other CPUs look at now and then is read and written as single words, in no order: they only
 * count, or look for what may have moved by the time that they have found it.
 */
#ifndef VMEM_MAGAZINE_H
#define VMEM_MAGAZINE_H

#include "cache.h"

/*
 * What a CPU alone writes and others look at. As plain accesses, which a compiler makes single ones
 * of aligned words, they cost least: it may fold them into other instructions. Only
 * ThreadSanitizer wants to be told.
 */
#if defined(__SANITIZE_THREAD__) || defined(VMEM_THREAD_SANITIZER)
#define VMEM_OWN_READ(x) VMEM_READ_ONCE(x)
#define VMEM_OWN_WRITE(x, value) VMEM_WRITE_ONCE(x, value)
#define VMEM_OWN_ADD(x, value) VMEM_WRITE_ONCE(x, (x) + (value))
#else
#define VMEM_OWN_READ(x) (x)
#define VMEM_OWN_WRITE(x, value) ((x) = (value))
#define VMEM_OWN_ADD(x, value) ((x) += (value))
#endif

/* Takes a round; false: the loaded magazine is empty. */
VMEM_INLINE bool vmem_magazine_pop(const vmem_cache_t *cache, vmem_addr_t *addrp)
{
#if VMEM_CPUS > 0
    unsigned long state;
    struct vmem_cpu *cpu = VMEM_READ_ONCE(cache->cpus[vmem_port_pin(&state)]);
    vmem_addr_t *top = VMEM_READ_ONCE(cpu->top);

    if (VMEM_LIKELY(top != cpu->bottom)) {
        VMEM_OWN_ADD(cpu->top, -1);
        *addrp = top[-1];
        vmem_port_unpin(state);
        return true;
    }
    vmem_port_unpin(state);
#else
    (void)cache;
    (void)addrp;
#endif
    return false;
}

/*
 * Puts a round in; false: the loaded magazine is full. With `look` also if this very round is on
 * top: it is being freed twice in a row. (In an empty magazine that is a word of its header: the
 * slow way looks closer.)
 */
VMEM_INLINE bool vmem_magazine_push_looking(const vmem_cache_t *cache, vmem_addr_t addr, bool look)
{
#if VMEM_CPUS > 0
    unsigned long state;
    struct vmem_cpu *cpu = VMEM_READ_ONCE(cache->cpus[vmem_port_pin(&state)]);
    vmem_addr_t *top = VMEM_READ_ONCE(cpu->top);

    if (VMEM_LIKELY(top < VMEM_OWN_READ(cpu->limit) && (!look || top[-1] != addr))) {
        VMEM_OWN_WRITE(*top, addr);
        VMEM_OWN_ADD(cpu->top, 1);
        VMEM_OWN_ADD(cpu->frees, 1);
        vmem_port_unpin(state);
        return true;
    }
    vmem_port_unpin(state);
#else
    (void)cache;
    (void)addr;
    (void)look;
#endif
    return false;
}

VMEM_INLINE bool vmem_magazine_push(const vmem_cache_t *cache, vmem_addr_t addr)
{
    return vmem_magazine_push_looking(cache, addr, false);
}

VMEM_INLINE bool vmem_magazine_push_other(const vmem_cache_t *cache, vmem_addr_t addr)
{
    return vmem_magazine_push_looking(cache, addr, true);
}

/* The round that was put in last is this one. */
VMEM_INLINE bool vmem_magazine_has_on_top(const vmem_cache_t *cache, vmem_addr_t addr)
{
    bool found = false;
#if VMEM_CPUS > 0
    unsigned long state;
    const struct vmem_cpu *cpu = VMEM_READ_ONCE(cache->cpus[vmem_port_pin(&state)]);

    found = cpu->top != cpu->bottom && cpu->top[-1] == addr;
    vmem_port_unpin(state);
#else
    (void)cache;
    (void)addr;
#endif
    return found;
}

/* The previous magazine is empty, so that a free only changes it for the loaded one, into which
 * then the last free went, too. */
VMEM_INLINE bool vmem_magazine_has_room_behind(const vmem_cache_t *cache)
{
    bool room = false;
#if VMEM_CPUS > 0
    unsigned long state;
    const struct vmem_cpu *cpu = VMEM_READ_ONCE(cache->cpus[vmem_port_pin(&state)]);

    room = cpu->previous != NULL && VMEM_OWN_READ(cpu->previous->rounds) == 0;
    vmem_port_unpin(state);
#else
    (void)cache;
#endif
    return room;
}

/* A CPU's counts, as far as another can tell: rounds loaded, allocations less frees. */
static inline vmem_word_t vmem_magazine_loaded(const struct vmem_cpu *cpu)
{
    const vmem_addr_t *top = VMEM_READ_ONCE(cpu->top);
    const vmem_addr_t *bottom = VMEM_READ_ONCE(cpu->bottom);

    return top == NULL ? 0 : (vmem_word_t)(top - bottom);
}

static inline vmem_word_t vmem_magazine_out(const struct vmem_cpu *cpu)
{
    return VMEM_READ_ONCE(cpu->received) - vmem_magazine_loaded(cpu);
}

/* magazine.c. All without a lock. */

/* Whether there can be a CPU of this number. */
static inline bool vmem_magazine_is_cpu(unsigned cpu)
{
    const unsigned cpus = VMEM_CPUS; /* which may be 0 */

    return cpu < cpus;
}

/* Whether this CPU may have magazines of the cache. */
bool vmem_magazine_is_online(const vmem_cache_t *cache);

/* The slow way: from the previous magazine, or one from the depot; false: there is none. */
bool vmem_magazine_alloc(vmem_cache_t *cache, vmem_addr_t *addrp);

/* The same for a free; false: no empty magazine can be had. */
bool vmem_magazine_free(vmem_cache_t *cache, vmem_addr_t addr);

/* Gives back this CPU's rounds and the depot's, and asks the other CPUs for theirs. */
void vmem_magazine_reap(vmem_cache_t *cache);

/* Gives back the rounds of all CPUs, none of which uses the cache any more, and all magazines. */
void vmem_magazine_destroy(vmem_cache_t *cache);

/* One CPU's rounds: of this CPU (VMEM_CPUS: whichever it is), or of one that is offline. */
void vmem_magazine_drain(vmem_cache_t *cache, unsigned i);

/* Up to 8 magazines of the depot that nobody needed; whether there are more. */
bool vmem_magazine_trim(vmem_cache_t *cache);

/* Rounds in all magazines; with the lock. Calls visit for each, where it is not NULL. */
size_t vmem_magazine_rounds(const vmem_cache_t *cache, void (*visit)(void *ctx, vmem_addr_t addr),
                            void *ctx);

/* Sets up a cache without magazines, and what size they are to have. */
void vmem_magazine_init(vmem_cache_t *cache);
size_t vmem_magazine_capacity(const vmem_cache_t *cache);

#endif
