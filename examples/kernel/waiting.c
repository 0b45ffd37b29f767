/* SPDX-License-Identifier: MIT */
/*
 * waiting.c - VMEM_SLEEP: all CPUs want some of a few seats, and wait until others have left. Their
 * timers' handlers, which may not wait, sit down and leave in between.
 *
 * Nobody who waits has a seat, and handlers sit in the first half only, while no CPU wants more
 * than a half: so whoever is next waits for nobody but CPUs that sit, and they leave. If handlers
 * could sit anywhere, they might take turns for ever at what a large party waits for.
 */
#include "kernel.h"

enum { HALF = CPUS_MAX, SEATS = 2 * HALF };
enum { ROUNDS = 400, STAY = 200 /* turns */, SEED = 20010625, PERIOD = 250 /* microseconds */ };

static vmem_t *seats;
static uint32_t owner_of[SEATS]; /* 1 + the CPU, or its handler; 0: nobody */

struct party {
    vmem_addr_t first;
    vmem_size_t size; /* 0: nothing */
};
static struct party in_handler[CPUS_MAX];

static void change_owner(const struct party *party, uint32_t from, uint32_t to)
{
    for (vmem_size_t i = 0; i < party->size; i++)
        expect(__atomic_exchange_n(&owner_of[party->first + i], to, __ATOMIC_RELAXED) == from,
               "a seat has one owner");
}

static void sit(struct party *party, vmem_size_t size, unsigned flags, uint32_t owner)
{
    party->size = vmem_alloc(seats, size, flags, &party->first) == 0 ? size : 0;
    change_owner(party, 0, owner);
}

static void sit_in_first_half(struct party *party, uint32_t owner)
{
    const struct vmem_constraints first_half = {.limit = HALF};
    party->size = vmem_xalloc(seats, 1, &first_half, 0, &party->first) == 0 ? 1 : 0;
    change_owner(party, 0, owner);
}

static void leave(struct party *party, uint32_t owner)
{
    const struct party gone = *party;
    change_owner(party, owner, 0);
    party->size = 0;
    vmem_free(seats, gone.first, gone.size);
}

static void tick(unsigned index)
{
    struct party *party = &in_handler[index];
    const uint32_t owner = CPUS_MAX + index + 1;
    if (party->size > 0)
        leave(party, owner);
    else
        sit_in_first_half(party, owner);
}

/* Leaves as soon as somebody waits for it. */
static void tick_once_awaited(unsigned index)
{
    struct vmem_stats stats;
    vmem_stat(seats, &stats);
    if (stats.waits > 0 && in_handler[index].size > 0)
        leave(&in_handler[index], CPUS_MAX + index + 1);
}

/* All seats go to the handler: nobody but it can end the wait. */
static void wait_for_handler(unsigned index)
{
    struct party party;
    sit(&in_handler[index], SEATS, 0, CPUS_MAX + index + 1);
    cpu_tick(tick_once_awaited, PERIOD);
    sit(&party, SEATS, VMEM_SLEEP, index + 1);
    expect(party.size == SEATS, "a handler frees what its CPU waits for");
    leave(&party, index + 1);
}

static void work(unsigned index)
{
    uint32_t random = SEED + index; /* xorshift: Marsaglia, "Xorshift RNGs" (2003) */
    struct party party;
    if (index == 0)
        wait_for_handler(index);
    cpus_meet(); /* before, they would be served in turn, behind it */
    cpu_tick(tick, PERIOD);
    for (unsigned round = 0; round < ROUNDS; round++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        sit(&party, 1 + (random >> 8) % HALF, VMEM_SLEEP, index + 1);
        expect(party.size > 0, "who waits is served");
        for (unsigned turn = 0; turn < STAY; turn++)
            port_relax();
        leave(&party, index + 1);
    }
    cpu_tick(NULL, 0);
    if (in_handler[index].size > 0)
        leave(&in_handler[index], CPUS_MAX + index + 1);
}

void waiting_run(void)
{
    const struct vmem_params params = {.name = "seats", .size = SEATS, .quantum = 1};
    struct vmem_stats stats;
    expect(vmem_create(&params, &seats) == 0, "seats have an arena");
    cpus_run(work);
    vmem_stat(seats, &stats);
    print("  waiting  %8lu requests, %lu waits\n", (unsigned long)stats.allocs,
          (unsigned long)stats.waits);
    expect(stats.waits > 0 && stats.in_use == 0, "somebody had to wait, and all have left");
    arenas_check();
    expect(vmem_destroy(seats) == 0, "no seat is taken");
}
