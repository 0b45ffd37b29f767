/* SPDX-License-Identifier: MIT */
/*
 * magazine.h - the common paths: a round from, or into, the CPU's loaded magazine.
 *
 * What other CPUs look at now and then is read and written as single words, relaxed: that costs
 * nothing. Nothing here is ordered for them, and needs to be.
 */
#ifndef VMEM_MAGAZINE_H
#define VMEM_MAGAZINE_H

#include "cache.h"

/* A round may be wider than a word (VMEM_CONFIG_ADDR64), and then is read as it comes. */
VMEM_INLINE vmem_addr_t vmem_round_read(const vmem_addr_t *round)
{
#if VMEM_CONFIG_ADDR64 && UINTPTR_MAX <= UINT32_MAX
    return *round;
#else
    return VMEM_READ_ONCE(*round);
#endif
}

VMEM_INLINE void vmem_round_write(vmem_addr_t *round, vmem_addr_t addr)
{
#if VMEM_CONFIG_ADDR64 && UINTPTR_MAX <= UINT32_MAX
    *round = addr;
#else
    VMEM_WRITE_ONCE(*round, addr);
#endif
}

/* Takes a round; false: the loaded magazine is empty. */
VMEM_INLINE bool vmem_magazine_pop(const vmem_cache_t *cache, vmem_addr_t *addrp)
{
#if VMEM_CPUS > 0
    unsigned long state;
    struct vmem_cpu *cpu = cache->cpus[vmem_port_pin(&state)];
    vmem_word_t rounds = cpu->rounds;

    if (VMEM_LIKELY(rounds != 0)) {
        *addrp = vmem_round_read(&cpu->loaded->round[rounds - 1]);
        VMEM_WRITE_ONCE(cpu->rounds, rounds - 1);
        VMEM_WRITE_ONCE(cpu->allocs, cpu->allocs + 1);
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
 * Puts a round in; false: the loaded magazine is full, or this very round is on top of it already.
 * (Where there is none, what is compared is the magazine's header: the slow way looks closer.)
 */
VMEM_INLINE bool vmem_magazine_push(const vmem_cache_t *cache, vmem_addr_t addr)
{
#if VMEM_CPUS > 0
    unsigned long state;
    struct vmem_cpu *cpu = cache->cpus[vmem_port_pin(&state)];
    vmem_word_t rounds = cpu->rounds;

    if (VMEM_LIKELY(rounds < VMEM_READ_ONCE(cpu->capacity) &&
                    vmem_round_read(cpu->loaded->round + rounds - 1) != addr)) {
        vmem_round_write(cpu->loaded->round + rounds, addr);
        VMEM_WRITE_ONCE(cpu->rounds, rounds + 1);
        VMEM_WRITE_ONCE(cpu->frees, cpu->frees + 1);
        vmem_port_unpin(state);
        return true;
    }
    vmem_port_unpin(state);
#else
    (void)cache;
    (void)addr;
#endif
    return false;
}

/* The round that was put in last is this one: it is being freed twice in a row. */
VMEM_INLINE bool vmem_magazine_has_on_top(const vmem_cache_t *cache, vmem_addr_t addr)
{
    bool found = false;
#if VMEM_CPUS > 0
    unsigned long state;
    const struct vmem_cpu *cpu = cache->cpus[vmem_port_pin(&state)];

    found = cpu->rounds != 0 && vmem_round_read(&cpu->loaded->round[cpu->rounds - 1]) == addr;
    vmem_port_unpin(state);
#else
    (void)cache;
    (void)addr;
#endif
    return found;
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

/* One CPU's rounds: its own caller, or of a CPU that is offline. */
void vmem_magazine_drain(vmem_cache_t *cache, unsigned cpu);

/* Up to 8 magazines of the depot that nobody needed; whether there are more. */
bool vmem_magazine_trim(vmem_cache_t *cache);

/* Rounds in all magazines; with the lock. Calls visit for each, where it is not NULL. */
size_t vmem_magazine_rounds(const vmem_cache_t *cache, void (*visit)(void *ctx, vmem_addr_t addr),
                            void *ctx);

/* Sets up a cache without magazines, and what size they are to have. */
void vmem_magazine_init(vmem_cache_t *cache);
size_t vmem_magazine_capacity(const vmem_cache_t *cache);

#endif
