/* SPDX-License-Identifier: MIT */
/*
 * waiters.c - requests that wait (VMEM_SLEEP). Nobody is ever woken for no reason, so that a wakeup
 * which is lost ends in a deadlock.
 */
#include "scenarios.h"

#include <vmem/id.h>

static vmem_t *arena;
static vmem_t *source;
static vmem_addr_t held[8];
static bool served[FIBERS_MAX];

static vmem_addr_t await(vmem_t *from, vmem_size_t size)
{
    vmem_addr_t addr = NOWHERE;

    demand(vmem_alloc(from, size, VMEM_SLEEP, &addr) == 0);
    claim(addr, size);
    return addr;
}

static void fill(vmem_t *from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        held[i] = take_sure(from, 1);
}

static void empty(vmem_t *to, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        give(to, held[i], 1);
}

static void destroy_arena(void)
{
    demand(vmem_destroy(arena) == 0);
}

static void destroy_both(void)
{
    demand(vmem_destroy(arena) == 0);
    demand(vmem_destroy(source) == 0);
}

/*
 * Two wait for a unit each, a third frees two.
 */

static void await_one(void)
{
    held[4 + self()] = await(arena, 1);
}

static void free_two(void)
{
    empty(arena, 2);
}

static void wait_set_up(void)
{
    arena = make("full", 10, 2, NULL);
    fill(arena, 2);
    watch(arena);
    fiber(0, await_one);
    fiber(1, await_one);
    fiber(0, free_two);
}

static void wait_finish(void)
{
    give(arena, held[4], 1);
    give(arena, held[5], 1);
    destroy_arena();
}

/* Three wait for the one unit that there is, and hand it on. */

static void pass_one(void)
{
    give(arena, await(arena, 1), 1);
}

static void pass_set_up(void)
{
    arena = make("full", 10, 1, NULL);
    watch(arena);
    fiber(0, pass_one);
    fiber(1, pass_one);
    fiber(0, pass_one);
}

/*
 * One waits for all there is, one for a little. Who came first is served first.
 */

static void await_large(void)
{
    vmem_addr_t addr = await(arena, 3);

    served[self()] = true;
    give(arena, addr, 3);
}

/* Fiber 0 is the large one. */
static void await_small(void)
{
    bool is_second = is_asleep(0);

    give(arena, await(arena, 1), 1);
    demand(!is_second || served[0]);
}

static void free_three(void)
{
    empty(arena, 3);
}

static void sizes_set_up(void)
{
    arena = make("full", 10, 3, NULL);
    fill(arena, 3);
    watch(arena);
    fiber(0, await_large);
    fiber(1, await_small);
    fiber(0, free_three);
}

/* The same, and who frees also takes, without waiting. */

static void free_and_take(void)
{
    give(arena, held[0], 1);
    give(arena, take(arena, 1), 1);
    give(arena, held[1], 1);
    give(arena, held[2], 1);
}

static void disturbed_set_up(void)
{
    arena = make("full", 10, 3, NULL);
    fill(arena, 3);
    watch(arena);
    fiber(0, await_large);
    fiber(1, await_small);
    fiber(0, free_and_take);
}

/* And another small one. */
static void crowd_set_up(void)
{
    disturbed_set_up();
    fiber(1, pass_one);
}

/*
 * The one waits for unit 10, which the other has, who first waits for unit 11: an earlier waiter is
 * in the way only where it competes.
 */

static vmem_addr_t await_at(vmem_addr_t addr)
{
    const struct vmem_constraints c = {.min = addr, .limit = addr + 1};
    vmem_addr_t got;

    demand(vmem_xalloc(arena, 1, &c, VMEM_SLEEP, &got) == 0);
    demand(got == addr);
    claim(addr, 1);
    return addr;
}

static void await_first_unit(void)
{
    give(arena, await_at(10), 1);
}

static void await_second_unit(void)
{
    give(arena, await_at(11), 1);
    give(arena, held[0], 1);
}

static void free_second_unit(void)
{
    give(arena, held[1], 1);
}

static void window_set_up(void)
{
    arena = make("full", 10, 2, NULL);
    fill(arena, 2);
    watch(arena);
    fiber(0, await_first_unit);
    fiber(1, await_second_unit);
    fiber(0, free_second_unit);
}

/*
 * One waits for an arena that imports, one for its source. What is to come back is in use at a
 * third arena, which would keep the span.
 */

static vmem_t *sibling;

static void await_import(void)
{
    held[4] = await(arena, 2);
}

static void await_source(void)
{
    held[5] = await(source, 2);
}

static void free_sibling(void)
{
    give(sibling, held[0], 4);
}

static void imports_set_up(void)
{
    source = make("source", 10, 4, NULL);
    arena = make("child", 0, 0, source);
    sibling = make("sibling", 0, 0, source);
    held[0] = take_sure(sibling, 4);
    watch(source);
    watch(arena);
    watch(sibling);
    fiber(0, await_import);
    fiber(1, await_source);
    fiber(0, free_sibling);
}

static void imports_finish(void)
{
    give(arena, held[4], 2);
    give(source, held[5], 2);
    demand(vmem_destroy(sibling) == 0);
    destroy_both();
}

/*
 * One waits while another takes a span, frees it, and so may keep it, and a third reaps.
 */

static void pass_two(void)
{
    give(source, await(source, 2), 2);
}

static void take_and_free(void)
{
    give(arena, take(arena, 2), 2);
}

static void reap_arena(void)
{
    vmem_reap(arena);
}

static void keep_set_up(void)
{
    source = make("source", 10, 2, NULL);
    arena = make("child", 0, 0, source);
    watch(source);
    watch(arena);
    fiber(0, pass_two);
    fiber(1, take_and_free);
    fiber(0, reap_arena);
}

/*
 * A span is added to an arena that has none.
 */

static void add_span(void)
{
    demand(vmem_add(arena, 10, 2, 0) == 0);
}

static void add_set_up(void)
{
    arena = make("arena", 0, 0, NULL);
    watch(arena);
    fiber(0, await_one);
    fiber(1, await_one);
    fiber(0, add_span);
}

/*
 * The last object of a cache is with another CPU, which frees it into a magazine before it goes
 * idle.
 */

enum { OBJECT = 512, OBJECTS = 8, SLAB = 4096 };

static vmem_cache_t *cache;
static void *objects[OBJECTS + 1]; /* the last is the waiter's */

static void await_object(void)
{
    void *object = vmem_cache_alloc(cache, VMEM_SLEEP);

    demand(object != NULL);
    claim((uintptr_t)object / OBJECT, 1);
    objects[OBJECTS] = object;
}

static void free_object(void)
{
    drop((uintptr_t)objects[1] / OBJECT, 1);
    vmem_cache_free(cache, objects[1]);
    objects[1] = NULL;
    vmem_cpu_drain(1);
}

static void make_objects(void)
{
    const struct vmem_params params = {
        .name = "memory", .base = SLAB, .size = SLAB, .quantum = SLAB};
    struct vmem_cache_params cache_params = {.name = "objects", .size = OBJECT};

    demand(vmem_create(&params, &arena) == 0);
    cache_params.arena = arena;
    vmem_cpus_online(VMEM_PORT_CPUS);
    demand(vmem_cache_create(&cache_params, &cache) == 0);
    for (unsigned i = 0; i < OBJECTS; i++) {
        objects[i] = vmem_cache_alloc(cache, 0);
        demand(objects[i] != NULL);
        claim((uintptr_t)objects[i] / OBJECT, 1);
    }
    drop((uintptr_t)objects[0] / OBJECT, 1);
    on_cpu(1); /* which has a magazine then */
    vmem_cache_free(cache, objects[0]);
    objects[0] = vmem_cache_alloc(cache, 0);
    on_cpu(0);
    claim((uintptr_t)objects[0] / OBJECT, 1);
    watch(arena);
}

static void cache_set_up(void)
{
    make_objects();
    fiber(0, await_object);
    fiber(1, free_object);
}

static void cache_finish(void)
{
    for (unsigned i = 0; i <= OBJECTS; i++)
        if (objects[i] != NULL)
            vmem_cache_free(cache, objects[i]);
    demand(vmem_cache_destroy(cache) == 0);
    destroy_arena();
}

/*
 * One waits for the room of a slab, all objects of which are with another CPU.
 */

static void await_slab(void)
{
    demand(vmem_alloc(arena, SLAB, VMEM_SLEEP, &held[0]) == 0);
}

static void free_objects(void)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        drop((uintptr_t)objects[i] / OBJECT, 1);
        vmem_cache_free(cache, objects[i]);
        objects[i] = NULL;
    }
    vmem_cpu_drain(1);
}

static void slab_set_up(void)
{
    make_objects();
    fiber(0, await_slab);
    fiber(1, free_objects);
}

static void slab_finish(void)
{
    vmem_free(arena, held[0], SLAB);
    cache_finish();
}

/*
 * Units that quantum caches serve: one waits or two, and two are freed on another CPU, which then
 * goes idle.
 */

static void await_quantum(void)
{
    held[0] = await(arena, 1);
}

static void await_second_quantum(void)
{
    held[1] = await(arena, 1);
}

static void free_quanta(void)
{
    give(arena, held[4], 1);
    give(arena, held[5], 1);
    vmem_cpu_drain(1);
}

static void quantum_set_up(void)
{
    const struct vmem_params params = {
        .name = "quanta", .base = 8, .size = 6, .quantum = 1, .qcache_max = 1};

    demand(vmem_create(&params, &arena) == 0);
    vmem_cpus_online(VMEM_PORT_CPUS);
    for (unsigned i = 2; i < LENGTH(held); i++)
        held[i] = take_sure(arena, 1);
    on_cpu(1); /* which has a magazine then */
    give(arena, held[4], 1);
    held[4] = take_sure(arena, 1);
    on_cpu(0);
    watch(arena);
    held[0] = NOWHERE;
    held[1] = NOWHERE;
    fiber(0, await_quantum);
    fiber(1, free_quanta);
}

static void quantum_two_set_up(void)
{
    quantum_set_up();
    fiber(0, await_second_quantum);
}

static void quantum_finish(void)
{
    empty(arena, 4);
    give(arena, held[6], 1);
    give(arena, held[7], 1);
    destroy_arena();
}

/*
 * Three levels: one waits for the last, and what it wants comes back in the middle.
 */

static void chain_set_up(void)
{
    source = make("source", 10, 4, NULL);
    sibling = make("middle", 0, 0, source);
    arena = make("last", 0, 0, sibling);
    held[0] = take_sure(sibling, 4);
    watch(source);
    watch(sibling);
    watch(arena);
    fiber(0, await_import);
    fiber(1, free_sibling);
}

static void chain_finish(void)
{
    give(arena, held[4], 2);
    demand(vmem_destroy(arena) == 0);
    demand(vmem_destroy(sibling) == 0);
    demand(vmem_destroy(source) == 0);
}

/*
 * Behind an import hook stands memory that is short. Each attempt takes addresses, finds none, and
 * gives them back: two who wait are not to wake each other for that, for ever.
 */

static vmem_t *other;
static bool has_memory;

static int import_short(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                        unsigned flags, vmem_addr_t *addrp)
{
    int error = vmem_xalloc(source, size, c, flags, addrp);

    (void)ctx;
    if (error != 0 || has_memory)
        return error;
    vmem_xfree(source, *addrp, size);
    return -VMEM_ENOMEM;
}

static void release_short(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    (void)ctx;
    vmem_xfree(source, addr, size);
}

static void await_short(void)
{
    held[4 + self()] = await(self() == 0 ? arena : other, 1);
}

static void bring_memory(void)
{
    has_memory = true;
    give(source, held[0], 1);
}

static vmem_t *make_short(void)
{
    const struct vmem_params params = {.name = "child",
                                       .quantum = 1,
                                       .source = source,
                                       .import = import_short,
                                       .release = release_short};
    vmem_t *child = NULL;

    demand(vmem_create(&params, &child) == 0);
    return child;
}

static void short_set_up(void)
{
    source = make("source", 10, 4, NULL);
    held[0] = take_sure(source, 1);
    arena = make_short();
    other = make_short();
    watch(source);
    watch(arena);
    watch(other);
    fiber(0, await_short);
    fiber(1, await_short);
    fiber(0, bring_memory);
}

static void short_finish(void)
{
    give(arena, held[4], 1);
    give(other, held[5], 1);
    demand(vmem_destroy(other) == 0);
    destroy_both();
}

/* What only the hook knows of is found once the arena is reaped, as vmem.h says. */

static void bring_memory_and_reap(void)
{
    has_memory = true;
    vmem_reap(arena);
}

static void reap_set_up(void)
{
    source = make("source", 10, 4, NULL);
    arena = make_short();
    watch(source);
    watch(arena);
    fiber(0, await_short);
    fiber(1, bring_memory_and_reap);
}

static void reap_finish(void)
{
    give(arena, held[4], 1);
    destroy_both();
}

/*
 * A segment shrinks.
 */

static void shrink(void)
{
    drop(held[0] + 1, 1);
    demand(vmem_resize(arena, held[0], 2, 1, 0) == 0);
}

static void shrink_set_up(void)
{
    arena = make("full", 10, 2, NULL);
    held[0] = take_sure(arena, 2);
    watch(arena);
    fiber(0, pass_one);
    fiber(1, pass_one);
    fiber(0, shrink);
}

static void shrink_finish(void)
{
    give(arena, held[0], 1);
    destroy_arena();
}

/*
 * An arena that is waited for cannot be destroyed, and that is reported.
 */

static void destroy_awaited(void)
{
    if (is_asleep(0) || served[0])
        demand(vmem_destroy(arena) == -VMEM_EBUSY && fault_hook.count == 1);
}

static void await_and_keep(void)
{
    await_one();
    served[self()] = true;
}

static void free_one(void)
{
    give(arena, held[0], 1);
}

static void destroy_set_up(void)
{
    arena = make("full", 10, 1, NULL);
    fill(arena, 1);
    fault_hook.allowed = VMEM_FAULT_BUSY;
    watch(arena);
    fiber(0, await_and_keep);
    fiber(1, destroy_awaited);
    fiber(0, free_one);
}

static void destroy_finish(void)
{
    give(arena, held[4], 1);
    destroy_arena();
}

/*
 * Two wait for an ID.
 */

static vmem_id_t *space;

static void pass_id(void)
{
    vmem_addr_t id;

    demand(vmem_id_alloc(space, VMEM_SLEEP, &id) == 0);
    claim(id, 1);
    drop(id, 1);
    vmem_id_free(space, id);
}

static void free_id(void)
{
    drop(held[0], 1);
    vmem_id_free(space, held[0]);
}

static void ids_set_up(void)
{
    const struct vmem_id_params params = {.name = "ids", .min = 5, .max = 5};

    demand(vmem_id_create(&params, &space) == 0);
    demand(vmem_id_alloc(space, 0, &held[0]) == 0);
    claim(held[0], 1);
    fiber(0, pass_id);
    fiber(1, pass_id);
    fiber(0, free_id);
}

static void ids_finish(void)
{
    demand(vmem_id_destroy(space) == 0);
}

const struct scenario waiter_scenarios[] = {
    {"wait", "two wait, one frees", wait_set_up, wait_finish},
    {"wait-pass", "three wait for one unit, which they pass on", pass_set_up, destroy_arena},
    {"wait-sizes", "a large request waits, and a small one", sizes_set_up, destroy_arena},
    {"wait-disturbed", "the same, and who frees takes without waiting", disturbed_set_up,
     destroy_arena},
    {"wait-window", "two wait for an address each", window_set_up, destroy_arena},
    {"wait-import", "one waits for an arena that imports, one for its source", imports_set_up,
     imports_finish},
    {"wait-keep", "one waits for the source of an arena that would keep a span", keep_set_up,
     destroy_both},
    {"wait-add", "two wait, a span is added", add_set_up, wait_finish},
    {"wait-cache", "one waits for an object, which is freed on another CPU", cache_set_up,
     cache_finish},
    {"wait-slab", "one waits for the room of a slab, whose objects are freed", slab_set_up,
     slab_finish},
    {"wait-quantum", "one waits for a unit that another CPU has", quantum_set_up, quantum_finish},
    {"wait-chain", "one waits at the end of a chain of imports", chain_set_up, chain_finish},
    {"wait-reap", "one waits for what stands behind an import hook, and one reaps", reap_set_up,
     reap_finish},
    {"wait-shrink", "two wait, a segment shrinks", shrink_set_up, shrink_finish},
    {"wait-destroy", "an arena that is waited for is to be destroyed", destroy_set_up,
     destroy_finish},
    {"wait-id", "two wait for an ID", ids_set_up, ids_finish},
    {NULL, NULL, NULL, NULL},
};

const struct scenario large_scenarios[] = {
    {"wait-short", "two wait for what stands behind an import hook", short_set_up, short_finish},
    {"wait-quanta", "two wait for units that another CPU has", quantum_two_set_up, quantum_finish},
    {"wait-crowd", "a large request waits, two small ones, and one frees", crowd_set_up,
     destroy_arena},
    {NULL, NULL, NULL, NULL},
};
