/* SPDX-License-Identifier: MIT */
/*
 * blocks.c - the table of block mixes, and the loops.
 *
 * As in mixes.c there is a copy of the loops for each subject, a constant structure of inline
 * functions. The memory of cache and heap is reserved address space that an arena spans; nothing
 * touches a block but its allocator.
 *
 * The quantum of the arena with quantum caches is 64, so that the sizes of all mixes are served by
 * sixteen caches.
 */
#define _DEFAULT_SOURCE
#include "blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vmem/cache.h>
#include <vmem/heap.h>

#include "random.h"

#define RESERVE ((size_t)1 << 30)
enum { OBJECT = 64, LARGEST = 1024 };

const struct block_mix block_mixes[] = {
    {.name = "64 hot", .live = 1, .smallest = OBJECT, .largest = OBJECT},
    {.name = "64 batches", .live = 100, .smallest = OBJECT, .largest = OBJECT, .batches = true},
    {.name = "16..1024 live", .live = 10000, .smallest = 16, .largest = LARGEST},
};
const size_t block_mix_count = sizeof block_mixes / sizeof *block_mixes;

const char *const block_subject_names[BLOCKS_SUBJECTS] = {"quantum", "cache",  "sized",
                                                          "heap",    "malloc", "empty"};

struct block_slot {
    uintptr_t addr;
    uint32_t size; /* 0: the slot is empty */
};

struct block_operation {
    uint32_t slot;
    uint32_t size;
};

static struct {
    void *region;
    vmem_t *memory, *addresses;
    vmem_cache_t *cache;
    vmem_heap_t *heap;
} shared;

__attribute__((noreturn, cold)) static void refused(void)
{
    (void)fputs("bench: an allocation was refused\n", stderr);
    exit(EXIT_FAILURE);
}

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL)
        refused();
    return block;
}

/* The subjects. */

struct front {
    bool (*alloc)(void *from, uint32_t size, uintptr_t *addrp);
    void (*free)(void *from, uintptr_t addr, uint32_t size);
};

static inline bool quantum_alloc(void *from, uint32_t size, uintptr_t *addrp)
{
    return vmem_alloc(from, size, VMEM_INSTANTFIT, addrp) == 0;
}

static inline void quantum_free(void *from, uintptr_t addr, uint32_t size)
{
    vmem_free(from, addr, size);
}

static inline bool cache_alloc(void *from, uint32_t size, uintptr_t *addrp)
{
    (void)size;
    *addrp = (uintptr_t)vmem_cache_alloc(from, 0);
    return *addrp != 0;
}

static inline void cache_free(void *from, uintptr_t addr, uint32_t size)
{
    (void)size;
    vmem_cache_free(from, (void *)addr);
}

static inline bool heap_alloc(void *from, uint32_t size, uintptr_t *addrp)
{
    *addrp = (uintptr_t)vmem_heap_alloc(from, size, 0);
    return *addrp != 0;
}

static inline void heap_free(void *from, uintptr_t addr, uint32_t size)
{
    (void)size;
    vmem_heap_free(from, (void *)addr);
}

static inline void sized_free(void *from, uintptr_t addr, uint32_t size)
{
    vmem_heap_free_sized(from, (void *)addr, size);
}

static inline bool malloc_alloc(void *from, uint32_t size, uintptr_t *addrp)
{
    (void)from;
    *addrp = (uintptr_t)malloc(size);
    return *addrp != 0;
}

static inline void malloc_free(void *from, uintptr_t addr, uint32_t size)
{
    (void)from;
    (void)size;
    free((void *)addr);
}

/* The arguments are made ready, as for a call, and the result is opaque. */
static inline bool empty_alloc(void *from, uint32_t size, uintptr_t *addrp)
{
    uintptr_t addr = 1;

    __asm__ volatile("" : "+r"(addr) : "r"(from), "r"(size) : "memory");
    *addrp = addr;
    return addr != 0;
}

static inline void empty_free(void *from, uintptr_t addr, uint32_t size)
{
    __asm__ volatile("" : : "r"(from), "r"(addr), "r"(size) : "memory");
}

static const struct front front_quantum = {quantum_alloc, quantum_free};
static const struct front front_cache = {cache_alloc, cache_free};
static const struct front front_sized = {heap_alloc, sized_free};
static const struct front front_heap = {heap_alloc, heap_free};
static const struct front front_malloc = {malloc_alloc, malloc_free};
static const struct front front_empty = {empty_alloc, empty_free};

/* The loops. */

static inline __attribute__((always_inline)) void fill(const struct front *front,
                                                       const struct block_run *run, size_t i)
{
    struct block_slot *slot = &run->slot[run->operation[i].slot];

    slot->size = run->operation[i].size;
    if (!front->alloc(run->from, slot->size, &slot->addr))
        refused();
}

static inline __attribute__((always_inline)) void empty(const struct front *front,
                                                        const struct block_run *run, size_t i)
{
    const struct block_slot *slot = &run->slot[run->operation[i].slot];

    front->free(run->from, slot->addr, slot->size);
}

/* All slots are full before and after. */
static inline __attribute__((always_inline)) void churn(const struct front *front,
                                                        const struct block_run *run)
{
    for (size_t i = 0; i < run->pairs; i++) {
        empty(front, run, i);
        fill(front, run, i);
    }
}

/* All slots are empty before and after. */
static inline __attribute__((always_inline)) void batches(const struct front *front,
                                                          const struct block_run *run)
{
    for (size_t i = 0; i < run->pairs; i += run->mix->live) {
        for (size_t j = i; j < i + run->mix->live; j++)
            fill(front, run, j);
        for (size_t j = i; j < i + run->mix->live; j++)
            empty(front, run, j);
    }
}

static inline __attribute__((always_inline)) void loop(const struct front *front,
                                                       const struct block_run *run)
{
    if (run->mix->batches)
        batches(front, run);
    else
        churn(front, run);
}

__attribute__((noinline)) static void measured_quantum(const struct block_run *run)
{
    loop(&front_quantum, run);
}

__attribute__((noinline)) static void measured_cache(const struct block_run *run)
{
    loop(&front_cache, run);
}

__attribute__((noinline)) static void measured_sized(const struct block_run *run)
{
    loop(&front_sized, run);
}

__attribute__((noinline)) static void measured_heap(const struct block_run *run)
{
    loop(&front_heap, run);
}

__attribute__((noinline)) static void measured_malloc(const struct block_run *run)
{
    loop(&front_malloc, run);
}

__attribute__((noinline)) static void measured_empty(const struct block_run *run)
{
    loop(&front_empty, run);
}

void block_run_measure(const struct block_run *run)
{
    static void (*const measured[BLOCKS_SUBJECTS])(const struct block_run *run) = {
        measured_quantum, measured_cache,  measured_sized,
        measured_heap,    measured_malloc, measured_empty,
    };

    measured[run->subject](run);
}

/* Setting up. */

static const struct front *front_of(const struct block_run *run)
{
    static const struct front *const fronts[BLOCKS_SUBJECTS] = {
        &front_quantum, &front_cache, &front_sized, &front_heap, &front_malloc, &front_empty};

    return fronts[run->subject];
}

void block_run_warm(const struct block_run *run)
{
    loop(front_of(run), run);
}

bool blocks_serves(enum block_subject subject, const struct block_mix *mix)
{
    return subject != BLOCKS_CACHE || (mix->smallest == OBJECT && mix->largest == OBJECT);
}

static vmem_t *arena(const char *name, vmem_addr_t base, vmem_size_t quantum,
                     vmem_size_t qcache_max)
{
    const struct vmem_params params = {
        .name = name, .base = base, .size = RESERVE, .quantum = quantum, .qcache_max = qcache_max};
    vmem_t *made;

    if (vmem_create(&params, &made) != 0)
        refused();
    return made;
}

void blocks_open(void)
{
    void *region = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct vmem_cache_params objects = {.name = "objects", .size = OBJECT};
    struct vmem_heap_params blocks = {.name = "blocks"};

    if (region == MAP_FAILED)
        refused();
    shared.region = region;
    shared.addresses = arena("addresses", RESERVE, OBJECT, LARGEST);
    shared.memory = arena("memory", (vmem_addr_t)(uintptr_t)region, 4096, 0);
    objects.arena = shared.memory;
    blocks.arena = shared.memory;
    if (vmem_cache_create(&objects, &shared.cache) != 0 ||
        vmem_heap_create(&blocks, &shared.heap) != 0)
        refused();
}

void blocks_close(void)
{
    if (vmem_check(NULL) != 0 || vmem_cache_destroy(shared.cache) != 0 ||
        vmem_heap_destroy(shared.heap) != 0 || vmem_destroy(shared.memory) != 0 ||
        vmem_destroy(shared.addresses) != 0)
        exit(EXIT_FAILURE);
    (void)munmap(shared.region, RESERVE);
}

static void draw(struct block_run *run, struct generator *generator)
{
    const struct block_mix *mix = run->mix;

    for (size_t i = 0; i < run->pairs; i++) {
        struct block_operation *operation = &run->operation[i];
        uint32_t slot = random_below(generator, (uint32_t)mix->live);

        operation->slot = mix->batches ? (uint32_t)(i % mix->live) : slot;
        operation->size = mix->smallest + random_below(generator, mix->largest - mix->smallest + 1);
    }
}

void block_run_prepare(struct block_run *run, const struct block_mix *mix,
                       enum block_subject subject, size_t pairs, uint64_t seed)
{
    void *const from[BLOCKS_SUBJECTS] = {shared.addresses, shared.cache, shared.heap,
                                         shared.heap,      &shared,      &shared};
    struct generator generator = {.state = seed};

    *run = (struct block_run){.mix = mix, .subject = subject, .from = from[subject]};
    run->pairs = mix->batches ? (pairs + mix->live - 1) / mix->live * mix->live : pairs;
    run->slot = memory(mix->live, sizeof *run->slot);
    run->operation = memory(run->pairs, sizeof *run->operation);
    draw(run, &generator);
    for (size_t i = 0; !mix->batches && i < mix->live; i++) {
        struct block_slot *slot = &run->slot[i];

        slot->size = mix->smallest + random_below(&generator, mix->largest - mix->smallest + 1);
        if (!front_of(run)->alloc(run->from, slot->size, &slot->addr))
            refused();
    }
}

void block_run_destroy(struct block_run *run)
{
    for (size_t i = 0; !run->mix->batches && i < run->mix->live; i++)
        front_of(run)->free(run->from, run->slot[i].addr, run->slot[i].size);
    free(run->slot);
    free(run->operation);
}
