/* SPDX-License-Identifier: MIT */
/*
 * meter.c - counts the instructions from when a lock is taken until it is dropped, and keeps the
 * most for each operation, size and kind of lock.
 *
 * QEMU with -icount shift=0,sleep=off advances its clock, and with it the time-stamp counter, by
 * one for each instruction that it executes: rdtsc counts instructions, exactly, and the same from
 * run to run. meter_init() verifies that with loops of known length, so a machine on which it is
 * not so is refused. There is one CPU and no interrupt, so nothing else is counted.
 *
 * A hold is all that is executed between the return of vmem_port_lock() and the call of
 * vmem_port_unlock(). What the two hooks themselves execute is counted apart and left out, also
 * where another lock is taken inside; what remains of them, the same each time, is learned once and
 * subtracted. Real locks come on top, and whoever waits, waits for the hold and for them.
 *
 * The verdict, with limits from what was measured when this was written (docs/performance.md):
 *
 * 1. What the headers call O(1), and each step of what does much in many holds (a reap, a trim, the
 *    end of an arena), holds no lock for longer than a limit, the same at every size. The longest
 *    that was seen was 1,507 in an arena, 1,549 in the pool (a page is cut into tags), 2,771 in a
 *    cache (16 objects go back to their slabs). Two steps have limits of their own: 7,309 where a
 *    reap moves 16 tags, and 19,205 where the table of an arena's lists is replaced by the largest
 *    there is.
 * 2. Nor does it grow from 10^3 or 10^4, whichever took longer, by more than a half and 256: chains
 *    of a hash vary in length by a few links of 6 instructions, and a batch of 16 tags, which takes
 *    200, may be due in one run and not in another. In the pool one of three things is due, a batch
 *    to take, to give back, or a page to cut, and which of them is chance: there the limit holds
 *    alone, as it does for a lock that was not taken at those sizes.
 * 3. What is O(log n) grows to no more than four times: a space of 2 x 10^6 IDs has four levels
 *    where one of 2 x 10^3 has two, and the nodes of all but the root are made in one hold.
 */
#include "meter.h"

#include "../../../examples/kernel/console.h"
#include <vmem/debug.h>
#include VMEM_PORT_HEADER

enum cost { CONSTANT, MOVING, TABLE, LOGARITHMIC, LINEAR };

enum { LIMIT = 3200, LIMIT_MOVING = 9000, LIMIT_TABLE = 20000, KNOWN = 16 };

static const uint64_t limits[] = {
    [CONSTANT] = LIMIT, [MOVING] = LIMIT_MOVING, [TABLE] = LIMIT_TABLE};

static const struct {
    const char *name;
    enum cost cost;
} operations[OPERATIONS] = {
    [ALLOC_GROWING] = {"vmem_alloc, growing from none", CONSTANT},
    [ALLOC_INSTANT] = {"vmem_alloc, instant fit", CONSTANT},
    [ALLOC_BEST] = {"vmem_alloc, best fit", CONSTANT},
    [ALLOC_ALIGNED] = {"vmem_xalloc, aligned: a cut", CONSTANT},
    [ALLOC_STRICT_REFUSED] = {"vmem_alloc refused, strict", CONSTANT},
    [FREE_ALONE] = {"vmem_free, no neighbour free", CONSTANT},
    [FREE_ONE] = {"vmem_free, one neighbour free", CONSTANT},
    [FREE_TWO] = {"vmem_free, both free", CONSTANT},
    [FREE_RANDOM] = {"vmem_free, any", CONSTANT},
    [FREE_SHRINKING] = {"vmem_free, shrinking to none", CONSTANT},
    [RESIZE] = {"vmem_resize", CONSTANT},
    [SPLIT] = {"vmem_split", CONSTANT},
    [STAT] = {"vmem_stat", CONSTANT},
    [REAP] = {"vmem_reap, one arena", MOVING},
    [REAP_ALL] = {"vmem_reap, all: pages of tags", CONSTANT},
    [DESTROY] = {"vmem_destroy with n spans", CONSTANT},
    [ADD_LARGER] = {"vmem_add of the largest span so far", TABLE},
    [OBJECT_GROWING] = {"vmem_cache_alloc, growing", CONSTANT},
    [OBJECT_RANDOM] = {"vmem_cache_alloc/free, any", CONSTANT},
    [OBJECT_BURST] = {"vmem_cache_alloc/free, bursts", CONSTANT},
    [OBJECT_SHRINKING] = {"vmem_cache_free, shrinking", CONSTANT},
    [OBJECT_TRIM] = {"vmem_cache_trim", CONSTANT},
    [OBJECT_REAP] = {"vmem_cache_reap", CONSTANT},
    [OBJECT_STAT] = {"vmem_cache_stat, n in the depot", CONSTANT},
    [SLAB_GROWING] = {"slabs alone: alloc, growing", CONSTANT},
    [SLAB_RANDOM] = {"slabs alone: alloc/free, any", CONSTANT},
    [SLAB_SHRINKING] = {"slabs alone: free, shrinking", CONSTANT},
    [QUANTUM_GROWING] = {"quantum caches: growing", CONSTANT},
    [QUANTUM_BURST] = {"quantum caches: bursts", CONSTANT},
    [QUANTUM_SHRINKING] = {"quantum caches: shrinking", CONSTANT},
    [BLOCK_GROWING] = {"vmem_heap_alloc, growing", CONSTANT},
    [BLOCK_RANDOM] = {"vmem_heap_alloc/free, any", CONSTANT},
    [BLOCK_SHRINKING] = {"vmem_heap_free, shrinking", CONSTANT},
    [ID_LOWEST] = {"vmem_id_alloc, lowest", LOGARITHMIC},
    [ID_CYCLIC] = {"vmem_id_alloc, cyclic", LOGARITHMIC},
    [ID_FREE] = {"vmem_id_free", LOGARITHMIC},
    [ID_RANGE] = {"vmem_id_alloc_range, 16", LOGARITHMIC},
    [IMPORT] = {"vmem_alloc that imports, n spans", LOGARITHMIC},
    [RELEASE] = {"vmem_free that releases, n spans", LOGARITHMIC},
    [CONTAINS] = {"vmem_contains, n spans", LOGARITHMIC},
    [ADD] = {"vmem_add, n spans", LOGARITHMIC},
    [ORDERED_FIRST] = {"ordered: first fit", LOGARITHMIC},
    [ORDERED_NEXT] = {"ordered: next fit", LOGARITHMIC},
    [ORDERED_FREE] = {"ordered: vmem_free", LOGARITHMIC},
    [ALLOC_NEXT] = {"vmem_alloc, next fit, freelists", LINEAR},
    [ALLOC_REFUSED] = {"vmem_alloc refused, not strict", LINEAR},
    [STAT_HOLES] = {"vmem_stat, n/2 equal holes", LINEAR},
    [CHECK] = {"vmem_check", LINEAR},
};

static const char *const kind_names[LOCK_KINDS] = {"arena", "cache", "space", "pool", "other"};
static const char *const cost_names[] = {"O(1)", "moving", "a table", "O(log n)", "O(n)"};

static uint64_t longest[OPERATIONS][LOCK_KINDS][SIZES];
static unsigned size_now;
static enum operation operation_now;

static uint64_t apart;    /* executed by the hooks */
static uint64_t residual; /* what an empty hold counts */

static struct {
    const vmem_port_lock_t *lock;
    enum lock_kind kind;
} known[KNOWN];
static unsigned known_next;
static const vmem_port_lock_t *pool_lock;

static uint64_t counter(void)
{
    uint32_t low;
    uint32_t high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static enum lock_kind kind_of(const vmem_port_lock_t *lock)
{
    if (lock == pool_lock)
        return LOCK_POOL;
    for (unsigned i = 0; i < KNOWN; i++)
        if (known[i].lock == lock)
            return known[i].kind;
    return LOCK_OTHER;
}

unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    uint64_t entered = counter();

    lock->taken = entered - apart;
    apart += counter() - entered;
    return 0;
}

void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    uint64_t entered = counter();
    uint64_t counted = entered - apart - lock->taken;
    uint64_t hold = counted > residual ? counted - residual : 1;
    uint64_t *most = &longest[operation_now][kind_of(lock)][size_now];

    (void)state;
    if (hold > *most)
        *most = hold;
    if (pool_lock == NULL) /* the first of all: meter_init() */
        pool_lock = lock;
    apart += counter() - entered;
}

/* A loop of two instructions a round. */
static uint64_t count_loop(uint64_t rounds)
{
    uint64_t start = counter();

    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds) : : "cc");
    return counter() - start;
}

void meter_init(void)
{
    unsigned long (*volatile take)(vmem_port_lock_t * lock) =
        vmem_port_lock; /* called, not inlined */
    void (*volatile drop)(vmem_port_lock_t * lock, unsigned long state) = vmem_port_unlock;
    vmem_port_lock_t lock = VMEM_PORT_LOCK_INIT;
    struct vmem_pool_stats stats;
    uint64_t overhead = count_loop(1) - 2;

    for (uint64_t rounds = 10; rounds <= 1000000; rounds *= 10)
        expect(count_loop(rounds) == 2 * rounds + overhead, "rdtsc counts instructions");
    vmem_pool_stat(&stats); /* takes the pool's lock and no other */
    drop(&lock, take(&lock));
    residual = longest[NOTHING][LOCK_OTHER][0];
}

void meter_size(unsigned size)
{
    size_now = size;
}

void measure(enum operation operation)
{
    operation_now = operation;
}

void meter_know(const vmem_port_lock_t *lock, enum lock_kind kind)
{
    known[known_next].lock = lock;
    known[known_next].kind = kind;
    known_next = (known_next + 1) % KNOWN;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Whether a row is as its cost says. */
static bool is_bounded(enum cost cost, enum lock_kind kind, const uint64_t *row, unsigned sizes)
{
    uint64_t before = sizes > 2 && kind != LOCK_POOL ? larger(row[1], row[2]) : 0;
    uint64_t most = 0;

    for (unsigned i = 0; i < sizes; i++)
        most = larger(most, row[i]);
    if (cost == LINEAR)
        return true;
    if (cost == LOGARITHMIC)
        return before <= 1 || most <= 4 * before + 64;
    return most <= limits[cost] && (before <= 1 || most <= before + before / 2 + 256);
}

static bool print_row(enum operation operation, enum lock_kind kind, unsigned sizes)
{
    const uint64_t *row = longest[operation][kind];
    enum cost cost = operations[operation].cost;
    bool bounded = is_bounded(cost, kind, row, sizes);
    uint64_t any = 0;

    for (unsigned i = 0; i < sizes; i++)
        any |= row[i];
    if (any == 0)
        return true;
    print("%-37s%-6s%-9s", operations[operation].name, kind_names[kind], cost_names[cost]);
    for (unsigned i = 0; i < sizes; i++)
        print("%11lu", row[i]);
    print("%s\n", bounded ? "" : "  GROWS");
    return bounded;
}

static bool print_rows(enum operation operation, unsigned sizes)
{
    bool bounded = true;

    for (unsigned kind = 0; kind < LOCK_KINDS; kind++)
        bounded = print_row(operation, kind, sizes) && bounded;
    return bounded;
}

/* Whether an operation took no lock at any size; says so. */
static bool took_none(enum operation operation)
{
    for (unsigned kind = 0; kind < LOCK_KINDS; kind++)
        for (unsigned i = 0; i < SIZES; i++)
            if (longest[operation][kind][i] != 0)
                return false;
    print("%-37snone  %s\n", operations[operation].name, cost_names[operations[operation].cost]);
    return true;
}

bool meter_print(unsigned sizes)
{
    bool bounded = true;
    uint64_t n = LIVE_LEAST;

    print("\nThe longest hold of a lock, in instructions\n\n%-37s%-6s%-9s", "n", "lock", "");
    for (unsigned i = 0; i < sizes; i++, n *= 10)
        print("%11lu", n);
    print("\n");
    for (unsigned operation = NOTHING + 1; operation < OPERATIONS; operation++)
        if (!took_none(operation))
            bounded = print_rows(operation, sizes) && bounded;
    return bounded;
}
