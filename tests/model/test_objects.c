/* SPDX-License-Identifier: MIT */
/*
 * test_objects.c - random operations over arenas with quantum caches, object caches and heaps,
 * each compared with the model.
 *
 *     test_objects [--seed N] [--sequences K] [--steps M] [--cpus C] [--trace]
 *
 * A sequence makes a little world: memory, an arena that imports from it, another of numbers for
 * which no memory stands, each with or without quantum caches, and over them up to three object
 * caches and two heaps. It leads them through `steps` operations, now on one CPU and now on
 * another, then frees and ends everything. Sequence i of seed N is sequence 0 of seed N + i, so
 * that a failure is repeated alone; the message says how.
 */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmem/debug.h>

#include "checked_port.h"

struct world world;
struct rng world_rng;
bool world_trace;

#define MEMORY_BYTES ((vmem_size_t)8 << 20)

static unsigned char *memory; /* aligned to 1 MiB */
static uint64_t seed = 1;
static unsigned long sequences = 500;
static unsigned long steps = 200;
static unsigned cpus;
static uint64_t sequence_seed;
static unsigned long step;

void disagree(const char *format, ...)
{
    va_list arguments;

    (void)fflush(stdout);
    (void)fprintf(stderr, "FAILED in step %lu: ", step);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr,
                  "\nrepeat: test_objects --seed %" PRIu64
                  " --sequences 1 --steps %lu --cpus %u --trace\n",
                  sequence_seed, steps, cpus);
    exit(1);
}

void trace(const char *format, ...)
{
    va_list arguments;

    if (!world_trace)
        return;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)fflush(stdout);
}

void expect_fault(enum vmem_fault_kind kind, const char *what)
{
    if (fault_hook.count != (kind == VMEM_FAULT_NONE ? 0 : 1) || fault_hook.last.kind != kind)
        disagree("%s: %u faults, the last %s; expected %s", what, fault_hook.count,
                 fault_name(fault_hook.last.kind), fault_name(kind));
    fault_forget();
    if (page_hook.complaint != NULL)
        disagree("%s", page_hook.complaint);
}

/* What is handed out. */

void world_take(const struct interval *interval)
{
    if (!intervals_add(&world.out, interval))
        disagree("0x%" PRIx64 " + 0x%" PRIx64 " overlaps what is handed out",
                 (uint64_t)interval->addr, (uint64_t)interval->size);
    pattern_write(interval);
}

void world_give(size_t index)
{
    const struct interval *interval = &world.out.at[index];

    if (!pattern_holds(interval, interval->addr, interval->size))
        disagree("somebody wrote into 0x%" PRIx64 " + 0x%" PRIx64, (uint64_t)interval->addr,
                 (uint64_t)interval->size);
    intervals_remove(&world.out, index);
}

bool world_some(const void *owner, size_t *index)
{
    *index = SIZE_MAX;
    if (world.out.count > 0)
        *index = intervals_of(&world.out, owner, (size_t)below(world.out.count));
    return *index != SIZE_MAX;
}

/* Making a world. */

static vmem_size_t some_quantum(void)
{
    static const vmem_size_t quanta[] = {16, 64, 256, 4096, 16384, 65536};

    return quanta[below(sizeof(quanta) / sizeof(quanta[0]))];
}

static struct vmem_params some_params(const char *name, vmem_size_t quantum)
{
    struct vmem_params params = {.name = name, .quantum = quantum};

    params.flags = (chance(1, 3) ? VMEM_ARENA_ORDERED : 0u);
    if (chance(1, 2))
        params.qcache_max = (1 + below(16)) * quantum;
    return params;
}

static void create_memory(void)
{
    struct vmem_params params = some_params("memory", some_quantum());
    struct space *space = &world.spaces[0];

    params.base = (uintptr_t)memory;
    params.size = (chance(1, 2) ? 1 + below(8) : 16 + below(112)) << 16;
    space->memory = true;
    space_create(space, &params);
    if (params.size < MEMORY_BYTES / 2 && chance(1, 3) && /* a second span, apart or not */
        vmem_add(space->arena, params.base + params.size + (chance(1, 2) ? 65536 : 0), 65536 * 4,
                 0) != 0)
        disagree("vmem_add failed");
}

static void create_child(void)
{
    struct vmem_params params = some_params("child", some_quantum());
    struct space *space = &world.spaces[1];

    params.source = world.spaces[0].arena;
    space->source = &world.spaces[0];
    space->memory = true;
    space_create(space, &params);
}

/* The first numbers, or the last. */
static void create_numbers(bool exact)
{
    struct vmem_params params = some_params("numbers", chance(1, 2) ? 1 : some_quantum());
    struct space *space = &world.spaces[2];

    params.size = (16 + below(2000)) * params.quantum;
    params.base = exact && chance(1, 2) ? 0 - params.size : 0;
    space->exact = exact;
    space_create(space, &params);
}

static void create_world(void)
{
    static const char *const names[HEAPS] = {"kmalloc", "other"};
    bool cached_numbers = chance(1, 4);
    unsigned refuse_in = page_hook.refuse_in;

    memset(&world, 0, sizeof(world));
    page_hook.refuse_in = 0;
    create_memory();
    if (chance(2, 3))
        create_child();
    create_numbers(!cached_numbers);
    page_hook.refuse_in = refuse_in;
    if (cached_numbers)
        cache_create(&world.caches[CACHES - 1], &world.spaces[2]);
    for (size_t i = 0; i < CACHES - 1; i++)
        if (chance(2, 3))
            cache_create(&world.caches[i], &world.spaces[world.spaces[1].arena ? below(2) : 0]);
    for (size_t i = 0; i < HEAPS; i++)
        if (chance(1, 2))
            heap_create(&world.heaps[i], &world.spaces[world.spaces[1].arena ? below(2) : 0],
                        names[i]);
}

/* Steps. */

static void step_space(struct space *space, bool filling)
{
    unsigned choice = (unsigned)below(100);
    size_t index;

    if (choice < (filling ? 55u : 25u))
        space_alloc(space);
    else if (choice < 85 && world_some(space, &index))
        space_free(space, index);
    else if (choice < 91)
        space_resize(space);
    else if (choice < 95)
        space_split(space);
    else if (choice < 98)
        space_misuse(space);
    else
        space_reap(space);
    space_check(space);
}

static void step_cache(struct object_cache *cache, bool filling)
{
    unsigned choice = (unsigned)below(100);
    size_t index;

    if (choice < (filling ? 60u : 30u))
        for (vmem_size_t count = 1 + below(12); count > 0; count--)
            cache_alloc(cache);
    else if (choice < 92)
        for (vmem_size_t count = 1 + below(12); count > 0 && world_some(cache, &index); count--)
            cache_free(cache, index);
    else if (choice < 96)
        cache_misuse(cache);
    else
        cache_reap(cache);
    cache_check(cache);
    space_check(cache->space);
    if (cache->out == 0 && chance(1, 4)) {
        cache_destroy(cache);
        cache_create(cache, cache->space);
    }
}

static void step_heap(struct block_heap *heap, bool filling)
{
    unsigned choice = (unsigned)below(100);
    size_t index;

    if (choice < (filling ? 50u : 20u))
        heap_alloc(heap);
    else if (choice < 75 && world_some(heap, &index))
        heap_free(heap, index);
    else if (choice < 93)
        heap_realloc(heap);
    else if (choice < 97)
        heap_misuse(heap);
    else
        heap_reap(heap);
    heap_check(heap);
    space_check(heap->space);
}

static void check_everything(void)
{
    for (size_t i = 0; i < SPACES; i++)
        if (world.spaces[i].arena != NULL)
            space_check(&world.spaces[i]);
    for (size_t i = 0; i < CACHES; i++)
        if (world.caches[i].cache != NULL)
            cache_check(&world.caches[i]);
    for (size_t i = 0; i < HEAPS; i++)
        if (world.heaps[i].heap != NULL)
            heap_check(&world.heaps[i]);
}

static void step_all(void)
{
    if (chance(1, 2)) {
        trace("reap all\n");
        vmem_reap(NULL);
    } else if (checked_port_cpu < VMEM_PORT_CPUS) {
        trace("drain cpu %u\n", checked_port_cpu);
        vmem_cpu_drain(checked_port_cpu);
    }
    if (vmem_check(NULL) != 0)
        disagree("vmem_check of everything: %s", fault_hook.last.what);
    expect_fault(VMEM_FAULT_NONE, "a reap or a drain");
    check_everything();
}

static void one_step(bool filling)
{
    unsigned choice = (unsigned)below(16);
    struct object_cache *cache = &world.caches[below(CACHES)];
    struct space *space = &world.spaces[below(SPACES)];
    struct block_heap *heap = &world.heaps[below(HEAPS)];

    if (chance(1, 8)) {
        checked_port_cpu = chance(1, 8) ? VMEM_PORT_CPUS : (unsigned)below(cpus > 0 ? cpus : 1);
        trace("on cpu %u\n", checked_port_cpu);
    }
    if (choice < 5 && space->arena != NULL)
        step_space(space, filling);
    else if (choice < 10 && cache->cache != NULL)
        step_cache(cache, filling);
    else if (choice < 15 && heap->heap != NULL)
        step_heap(heap, filling);
    else if (choice == 15 && chance(1, 2))
        step_all();
}

/* The end. */

static void free_everything(void)
{
    size_t index;

    for (size_t i = 0; i < SPACES; i++)
        while (world_some(&world.spaces[i], &index))
            space_free(&world.spaces[i], index);
    for (size_t i = 0; i < CACHES; i++)
        while (world_some(&world.caches[i], &index))
            cache_free(&world.caches[i], index);
    for (size_t i = 0; i < HEAPS; i++)
        while (world_some(&world.heaps[i], &index))
            heap_free(&world.heaps[i], index);
    check_everything();
}

static void end_world(void)
{
    struct vmem_pool_stats pool;

    page_hook.refuse_in = 0;
    free_everything();
    for (size_t i = 0; i < CACHES; i++)
        if (world.caches[i].cache != NULL)
            cache_destroy(&world.caches[i]);
    for (size_t i = 0; i < HEAPS; i++)
        if (world.heaps[i].heap != NULL)
            heap_destroy(&world.heaps[i]);
    if (world.spaces[1].arena != NULL) {
        vmem_reap(world.spaces[1].arena);
        space_destroy(&world.spaces[1]);
    }
    space_destroy(&world.spaces[0]);
    space_destroy(&world.spaces[2]);
    vmem_reap(NULL);
    vmem_pool_stat(&pool);
    if (vmem_check(NULL) != 0 || pool.lent_pages != 0 || page_hook.lent != 0)
        disagree("%zu pages are lost, the pool says %zu", page_hook.lent, pool.lent_pages);
}

static void one_sequence(uint64_t of)
{
    bool filling = true;

    sequence_seed = of;
    world_rng.state = of;
    page_hook.rng.state = ~of;
    page_hook.refuse_in = chance(1, 3) ? 1 + (unsigned)below(6) : 0;
    checked_port_cpu = 0;
    step = 0;
    create_world();
    for (step = 1; step <= steps; step++) {
        if (chance(1, 1 + (unsigned)steps / 6))
            filling = !filling;
        one_step(filling);
    }
    end_world();
}

static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--trace") == 0) {
            world_trace = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--sequences") == 0)
            sequences = strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--steps") == 0)
            steps = strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--cpus") == 0)
            cpus = (unsigned)strtoul(value, NULL, 0);
        else
            value = "";
        if (*value == '\0') {
            (void)fprintf(stderr, "usage: test_objects [--seed N] [--sequences K] [--steps M] "
                                  "[--cpus C] [--trace]\n");
            exit(2);
        }
        i++;
    }
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    printf("objects: seed %" PRIu64 ", %lu sequences of %lu steps on %u CPUs\n", seed, sequences,
           steps, cpus);
    (void)fflush(stdout);
    vmem_cpus_online(cpus);
    memory = aligned_alloc((size_t)1 << 20, MEMORY_BYTES);
    if (memory == NULL)
        return 1;
    for (unsigned long i = 0; i < sequences; i++)
        one_sequence(seed + i);
    free(memory);
    printf("objects: passed; %" PRIu64 " pages refused\n", page_hook.refusals);
    return 0;
}
