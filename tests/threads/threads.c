/* SPDX-License-Identifier: MIT */
/*
 * threads.c - many threads over one library.
 *
 *     test_threads [--seed N] SCENARIO
 *
 * Each scenario runs in a process of its own. The seed decides what each thread does, but not how
 * they interleave, so a failure need not come again.
 */
#define _POSIX_C_SOURCE 200809L
#include "threads.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmem/debug.h>
#include <vmem/port/posix.h>

static uint64_t seed = 1;
static const char *scenario_name = "none";

void fail(const char *format, ...)
{
    va_list arguments;

    (void)fflush(stdout);
    (void)fprintf(stderr, "FAILED: %s, seed %" PRIu64 ": ", scenario_name, seed);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    abort();
}

/* Random numbers: splitmix64 (Steele, Lea and Flood 2014). */

uint64_t next_random(struct worker *self)
{
    uint64_t z = self->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t below(struct worker *self, size_t bound)
{
    return (size_t)(next_random(self) % bound);
}

bool chance(struct worker *self, unsigned one, unsigned in)
{
    return below(self, in) < one;
}

/* Workers. */

enum { WORKERS_MAX = 128 };

static struct starter {
    struct worker worker;
    void (*work)(struct worker *self);
    pthread_t thread;
} starters[WORKERS_MAX];

static pthread_barrier_t start_line;

static void *start(void *argument)
{
    struct starter *starter = argument;

    (void)pthread_barrier_wait(&start_line);
    starter->work(&starter->worker);
    return NULL;
}

void run(const struct role *roles, unsigned count)
{
    static uint64_t runs; /* so that no two runs are alike */
    unsigned workers = 0;

    runs++;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < roles[i].count; k++) {
            demand(workers < WORKERS_MAX);
            starters[workers].worker = (struct worker){
                workers + 1, (seed * 1000 + runs) * WORKERS_MAX + workers, roles[i].shared};
            starters[workers++].work = roles[i].work;
        }
    }
    demand(pthread_barrier_init(&start_line, NULL, workers) == 0);
    for (unsigned i = 0; i < workers; i++)
        demand(pthread_create(&starters[i].thread, NULL, start, &starters[i]) == 0);
    for (unsigned i = 0; i < workers; i++)
        demand(pthread_join(starters[i].thread, NULL) == 0);
    demand(pthread_barrier_destroy(&start_line) == 0);
}

static void add(uint64_t *sum, uint64_t part)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* 64 bits at once, on 32 too */

    (void)pthread_mutex_lock(&lock);
    *sum += part;
    (void)pthread_mutex_unlock(&lock);
}

void tally_add(struct tally *sum, const struct tally *part)
{
    add(&sum->allocs, part->allocs);
    add(&sum->frees, part->frees);
    add(&sum->fails, part->fails);
}

void drain_this_cpu(void)
{
    unsigned long state;
    unsigned cpu = vmem_port_pin(&state);

    vmem_port_unpin(state);
    if (cpu < VMEM_PORT_CPUS)
        vmem_cpu_drain(cpu);
}

/* Hooks. The posix port is compiled with two of its own under other names: see CMakeLists.txt. */

unsigned refuse_every;

void *posix_pages_alloc(size_t size);

void *vmem_port_pages_alloc(size_t size)
{
    static unsigned calls;
    unsigned call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);

    return refuse_every > 0 && call % refuse_every == 0 ? NULL : posix_pages_alloc(size);
}

bool patient;

void posix_wait(const uint32_t *woken);

void vmem_port_wait(const uint32_t *woken)
{
    do
        posix_wait(woken);
    while (patient && __atomic_load_n(woken, __ATOMIC_ACQUIRE) == 0);
}

static void write_fault(void *ctx, const char *string)
{
    (void)ctx;
    (void)fputs(string, stderr);
}

static void on_fault(const struct vmem_fault *fault)
{
    vmem_fault_print(fault, write_fault, NULL);
    (void)fputc('\n', stderr);
    fail("a fault was reported");
}

/* Who holds what. */

void shadow_pass(struct shadow *shadow, vmem_addr_t addr, vmem_size_t size, unsigned from,
                 unsigned to)
{
    size_t first = (size_t)((addr - shadow->base) / shadow->unit);
    size_t last = (size_t)((addr + (size - 1) - shadow->base) / shadow->unit);

    if (addr < shadow->base || last >= shadow->count || first > last)
        fail("0x%" PRIx64 " + 0x%" PRIx64 " lies outside of the arena", (uint64_t)addr,
             (uint64_t)size);
    for (size_t i = first; i <= last; i++) {
        unsigned holder = __atomic_exchange_n(&shadow->holders[i], (uint16_t)to, __ATOMIC_RELAXED);

        if (holder != from)
            fail("0x%" PRIx64 " + 0x%" PRIx64 " goes from %u to %u, but %u holds its unit %zu",
                 (uint64_t)addr, (uint64_t)size, from, to, holder, i - first);
    }
}

void shadow_claim(struct shadow *shadow, vmem_addr_t addr, vmem_size_t size, unsigned holder)
{
    shadow_pass(shadow, addr, size, 0, holder);
}

void shadow_drop(struct shadow *shadow, vmem_addr_t addr, vmem_size_t size, unsigned holder)
{
    shadow_pass(shadow, addr, size, holder, 0);
}

/* Memory. */

static _Alignas(1 << 20) unsigned char memory_bytes[MEMORY_PAGES_MAX * 4096];
static uint16_t memory_holders[sizeof(memory_bytes) / 8];

struct shadow memory_shadow = {
    .unit = 8, .count = LENGTH(memory_holders), .holders = memory_holders};

vmem_t *memory_create(size_t pages)
{
    struct vmem_params params = {
        .name = "memory",
        .base = (uintptr_t)memory_bytes,
        .size = pages * MEMORY_PAGE,
        .quantum = MEMORY_PAGE,
    };
    vmem_t *memory = NULL;

    memory_shadow.base = params.base;
    demand(vmem_create(&params, &memory) == 0);
    return memory;
}

void memory_destroy(vmem_t *memory)
{
    struct vmem_stats stats;

    vmem_reap(memory);
    vmem_stat(memory, &stats);
    demand(stats.in_use == 0 && stats.segments == 0 && stats.free == stats.total);
    demand(stats.allocs == stats.frees);
    demand(vmem_destroy(memory) == 0);
}

void claim(const void *block, size_t size, unsigned holder)
{
    shadow_claim(&memory_shadow, (uintptr_t)block, size, holder);
}

void drop(const void *block, size_t size, unsigned holder)
{
    shadow_drop(&memory_shadow, (uintptr_t)block, size, holder);
}

void fill(void *block, size_t size, unsigned tag)
{
    memset(block, (int)(tag & 0xff), size);
}

void expect_filled(const void *block, size_t size, unsigned tag)
{
    const unsigned char *bytes = block;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (tag & 0xff))
            fail("byte %zu of %zu at %p is 0x%x and was 0x%x", i, size, block, bytes[i],
                 tag & 0xff);
}

void expect_nothing_left(void)
{
    struct vmem_pool_stats pool;
    unsigned held = 0;

    for (size_t i = 0; i < LENGTH(memory_holders); i++)
        held |= memory_holders[i];
    demand(held == 0);
    refuse_every = 0;
    vmem_reap(NULL);
    demand(vmem_check(NULL) == 0);
    vmem_pool_stat(&pool);
    if (pool.lent_pages != 0)
        fail("%zu pages are lost", pool.lent_pages);
}

/* Scenarios. */

static const struct scenario {
    const char *name;
    void (*play)(void);
} scenarios[] = {
    {"cache", scenario_cache},   {"transfer", scenario_transfer},
    {"bursts", scenario_bursts}, {"lifecycle", scenario_lifecycle},
    {"heap", scenario_heap},     {"quantum", scenario_quantum},
    {"ids", scenario_ids},       {"pressure", scenario_pressure},
    {"waves", scenario_waves},   {"refusals", scenario_refusals},
    {"sleep", scenario_sleep},
};

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < LENGTH(scenarios); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct scenario *scenario;

    if (argc == 4 && strcmp(argv[1], "--seed") == 0)
        seed = strtoull(argv[2], NULL, 0);
    scenario = argc == 2 || argc == 4 ? find(argv[argc - 1]) : NULL;
    if (scenario == NULL) {
        (void)fprintf(stderr, "usage: test_threads [--seed N] SCENARIO\n");
        return 2;
    }
    scenario_name = scenario->name;
    printf("threads: %s, seed %" PRIu64 "\n", scenario_name, seed);
    vmem_posix_on_fault = on_fault;
    scenario->play();
    expect_nothing_left();
    printf("threads: passed\n");
    return 0;
}
