/* SPDX-License-Identifier: MIT */
/*
 * caches.c - object caches and quantum caches: exchanges at the depot, magazines that grow, reaps,
 * CPUs that go, interrupt handlers.
 *
 * A cache has no constructor and its memory is not there: nothing that is free is touched, so an
 * object is a number. Slabs hold four, and magazines of the smallest size, such as caches of large
 * objects have, 6 or 13, as wide as addresses are.
 */
#include "scenarios.h"

enum { OBJECT = 16384, SLAB = 65536, OBJECTS_MAX = 124 };

static vmem_t *arena;
static vmem_cache_t *cache;
static unsigned rounds; /* of a magazine */

static void *held[FIBERS_MAX + 1][OBJECTS_MAX]; /* by fiber; the last are the set-up's */
static unsigned count[FIBERS_MAX + 1];

static vmem_addr_t unit_of(const void *object)
{
    return (uintptr_t)object / OBJECT;
}

/* There is always room. */
static void get(unsigned n)
{
    for (; n > 0; n--) {
        void *object = vmem_cache_alloc(cache, 0);

        demand(object != NULL);
        claim(unit_of(object), 1);
        held[self()][count[self()]++] = object;
    }
}

static void put_of(unsigned whose, unsigned n)
{
    for (; n > 0; n--) {
        void *object = held[whose][--count[whose]];

        drop(unit_of(object), 1);
        vmem_cache_free(cache, object);
    }
}

static void put(unsigned n)
{
    put_of(self(), n);
}

static size_t magazine_size(void)
{
    struct vmem_cache_stats stats;

    vmem_cache_stat(cache, &stats);
    return stats.magazine_size;
}

static void make_cache(unsigned flags)
{
    const struct vmem_params params = {
        .name = "memory", .base = SLAB, .size = 31 * (vmem_size_t)SLAB, .quantum = SLAB};
    struct vmem_cache_params cache_params = {.name = "objects", .size = OBJECT, .flags = flags};

    demand(vmem_create(&params, &arena) == 0);
    cache_params.arena = arena;
    demand(vmem_cache_create(&cache_params, &cache) == 0);
    vmem_cpus_online(VMEM_PORT_CPUS);
    rounds = (unsigned)magazine_size();
    watch(arena);
}

static void reap_cache(void)
{
    vmem_cache_reap(cache);
}

/* What a fiber is to begin with. */
static void hand_over(unsigned fiber, unsigned n)
{
    for (; n > 0; n--)
        held[fiber][count[fiber]++] = held[self()][--count[self()]];
}

static void finish(void)
{
    struct vmem_cache_stats stats;
    size_t out = 0;

    for (unsigned i = 0; i < LENGTH(count); i++)
        out += count[i];
    vmem_cache_stat(cache, &stats);
    demand(stats.in_use == out && stats.allocs - stats.frees == out);
    demand(vmem_cache_check(cache) == 0);
    for (unsigned i = 0; i < LENGTH(count); i++)
        put_of(i, count[i]);
    demand(vmem_cache_destroy(cache) == 0);
    demand(vmem_destroy(arena) == 0);
}

/*
 * Exchange: each CPU has a full magazine and an empty one, and one object more is freed on the one,
 * one less is there on the other, so that both go to the depot.
 */

static void overflow(void)
{
    put(2);
}

static void underflow(void)
{
    get(2);
}

/* Both CPUs with both magazines full. */
static void fill_magazines(void)
{
    get(8 * rounds);
    for (unsigned cpu = 0; cpu < VMEM_PORT_CPUS; cpu++) {
        on_cpu(cpu);
        put(2 * rounds);
    }
    on_cpu(0);
}

static void exchange_set_up(void)
{
    make_cache(0);
    fill_magazines();
    hand_over(0, 2);
    on_cpu(1); /* whose magazines are empty then */
    get(2 * rounds);
    on_cpu(0);
    fiber(0, overflow);
    fiber(1, underflow);
}

/* The same with two threads on one CPU, and one on the other. */

static void overflow_and_back(void)
{
    put(1);
    get(1);
}

static void exchange_three_set_up(void)
{
    exchange_set_up();
    get(1);
    hand_over(2, 1);
    fiber(0, overflow_and_back);
}

/* The first use of the cache on a CPU, by two threads of it, and by one elsewhere. */

static void use_first(void)
{
    put(2);
    get(1);
}

static void first_set_up(void)
{
    make_cache(0);
    get(6);
    for (unsigned i = 0; i < 3; i++)
        hand_over(i, 2);
    fiber(0, use_first);
    fiber(0, use_first);
    fiber(1, use_first);
}

/*
 * Resize: the next visit to the depot but one is that at which the magazines grow, while they are
 * exchanged.
 */

enum { VISITS = 64 };

static unsigned long visits(void)
{
    struct vmem_cache_stats stats;

    vmem_cache_stat(cache, &stats);
    return (unsigned long)stats.exchanges;
}

/* Goes on until a magazine is exchanged. */
static void visit(unsigned cpu, void (*step)(unsigned n))
{
    unsigned long before = visits();

    on_cpu(cpu);
    while (visits() == before)
        step(1);
}

static void visit_and_put(void)
{
    get(1);
    put(1);
}

static void visit_and_get(void)
{
    put(2);
    get(1);
}

static void resize_set_up(void)
{
    make_cache(0);
    fill_magazines();
    visit(1, put); /* so that the depot never runs out of full magazines */
    visit(1, put);
    while (visits() < VISITS - 2) {
        visit(1, put); /* leaves a full magazine at the depot */
        if (visits() < VISITS - 2)
            visit(0, get);
    }
    on_cpu(0);
    get(rounds - 1); /* the next visits */
    on_cpu(1);
    put(rounds - 1); /* too */
    demand(visits() == VISITS - 2 && magazine_size() == rounds);
    on_cpu(0);
    hand_over(1, 2);
    fiber(0, visit_and_put);
    fiber(1, visit_and_get);
}

static void resize_finish(void)
{
    if (machine_fibers() == 2)
        demand(magazine_size() > rounds);
    finish();
}

static void resize_reap_set_up(void)
{
    resize_set_up();
    fiber(0, reap_cache);
}

/*
 * Reap: a CPU is asked for its magazines while it works.
 */

static void work(void)
{
    put(1);
    get(2);
    put(1);
}

static void trim_cache(void)
{
    (void)vmem_cache_trim(cache);
}

static void reap_set_up(void)
{
    make_cache(0);
    fill_magazines();
    hand_over(0, 2);
    fiber(0, work);
    fiber(1, reap_cache);
}

static void trim_set_up(void)
{
    make_cache(0);
    fill_magazines();
    put(4);
    hand_over(0, 2);
    trim_cache();
    fiber(0, work);
    fiber(1, trim_cache);
    fiber(1, reap_cache);
}

/* No magazines: slabs become empty and go while others take from them. */

static void use_slabs(void)
{
    put(2);
    get(1);
}

static void slabs_set_up(void)
{
    make_cache(VMEM_CACHE_NO_MAGAZINES);
    get(5 * SLAB / OBJECT); /* of which one slab is left to each, and of that two objects; */
    hand_over(0, 2);
    put(2);
    hand_over(1, 2);
    put(2 + 2 * SLAB / OBJECT); /*    two are empty */
    fiber(0, use_slabs);
    fiber(1, use_slabs);
    fiber(1, reap_cache);
}

/*
 * A CPU goes offline, as the last thing that it does, while the other asks for its magazines; then
 * online again.
 */

static void go_offline(void)
{
    put(1);
    vmem_cpu_offline(1);
    vmem_cpu_online(1);
    get(1);
}

static void offline_set_up(void)
{
    make_cache(0);
    fill_magazines();
    hand_over(0, 2);
    hand_over(1, 2);
    fiber(0, work);
    fiber(1, go_offline);
}

static void offline_reap_set_up(void)
{
    offline_set_up();
    fiber(0, reap_cache);
}

/*
 * An interrupt handler allocates and frees in the middle of whatever its CPU does, between pin and
 * unpin too.
 */

static void interrupt(void)
{
    put(1);
    get(1);
}

static void handler_set_up(void)
{
    make_cache(0);
    fill_magazines();
    hand_over(0, 2);
    hand_over(1, 2);
    fiber(0, work);
    handler(0, interrupt);
}

static void handler_reap_set_up(void)
{
    handler_set_up();
    fiber(1, reap_cache);
}

/* Threads move from CPU to CPU between any two looks at a magazine. */

static void roam_set_up(void)
{
    exchange_set_up();
    get(2);
    hand_over(2, 2);
    roamer(0, work);
}

/*
 * A cache is destroyed while all are reaped: -VMEM_EBUSY, or it is gone.
 */

static bool is_destroyed;

static void destroy_cache(void)
{
    int error = vmem_cache_destroy(cache);

    demand(error == 0 || error == -VMEM_EBUSY);
    is_destroyed = error == 0;
}

static void reap_arena(void)
{
    vmem_reap(arena);
}

static void drain(void)
{
    vmem_cpu_drain(1);
}

static void destroy_set_up(void)
{
    make_cache(0);
    fill_magazines();
    put(count[self()]);
    fiber(0, destroy_cache);
    fiber(1, reap_arena);
}

static void destroy_drain_set_up(void)
{
    make_cache(0);
    fill_magazines();
    put(count[self()]);
    fiber(0, destroy_cache);
    fiber(1, drain);
}

static void destroy_finish(void)
{
    if (!is_destroyed)
        demand(vmem_cache_destroy(cache) == 0);
    demand(vmem_destroy(arena) == 0);
}

/*
 * The quantum cache of a size is made by whoever first asks for that, here two at once; a third
 * reaps.
 */

static vmem_addr_t quanta[FIBERS_MAX];

static void use_quantum(void)
{
    give(arena, take_sure(arena, 1), 1);
    quanta[self()] = take_sure(arena, 1);
}

static void quantum_set_up(void)
{
    const struct vmem_params params = {
        .name = "quanta", .base = 0, .size = 64, .quantum = 1, .qcache_max = 2};

    demand(vmem_create(&params, &arena) == 0);
    vmem_cpus_online(VMEM_PORT_CPUS);
    watch(arena);
    fiber(0, use_quantum);
    fiber(1, use_quantum);
}

static void quantum_reap_set_up(void)
{
    quantum_set_up();
    give(arena, take_sure(arena, 1), 1);
    fiber(1, reap_arena);
}

static void quantum_finish(void)
{
    give(arena, quanta[0], 1);
    give(arena, quanta[1], 1);
    demand(vmem_destroy(arena) == 0);
}

const struct scenario cache_scenarios[] = {
    {"exchange", "two CPUs exchange magazines at the depot", exchange_set_up, finish},
    {"exchange-three", "the same, and a second thread on one of them", exchange_three_set_up,
     finish},
    {"first-use", "three first use a cache, on two CPUs", first_set_up, finish},
    {"resize", "magazines grow while they are exchanged", resize_set_up, resize_finish},
    {"resize-reap", "the same, and a reap, which shrinks them", resize_reap_set_up, resize_finish},
    {"cache-reap", "a cache is reaped while another CPU uses it", reap_set_up, finish},
    {"cache-trim", "a cache is trimmed and reaped while another CPU uses it", trim_set_up, finish},
    {"slabs", "slabs go while others take from them", slabs_set_up, finish},
    {"offline", "a CPU goes offline and online", offline_set_up, finish},
    {"offline-reap", "the same, and a reap", offline_reap_set_up, finish},
    {"handler", "a handler allocates and frees where the CPU is pinned", handler_set_up, finish},
    {"handler-reap", "the same, and a reap", handler_reap_set_up, finish},
    {"roam", "two CPUs exchange, and a thread moves between them", roam_set_up, finish},
    {"cache-destroy", "a cache is destroyed while its arena is reaped", destroy_set_up,
     destroy_finish},
    {"cache-drain", "a cache is destroyed while a CPU is drained", destroy_drain_set_up,
     destroy_finish},
    {"quantum", "two ask first for a quantum cache", quantum_set_up, quantum_finish},
    {"quantum-reap", "the same, and a reap", quantum_reap_set_up, quantum_finish},
    {NULL, NULL, NULL, NULL},
};
