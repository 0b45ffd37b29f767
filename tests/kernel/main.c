/* SPDX-License-Identifier: MIT */
/*
 * main.c - a kernel that only runs the freestanding self-test, so that the library is seen to work
 * with no libc, no operating system and no FPU, in 64 bits and in 32; and then, on all CPUs at
 * once, a small arena and a cache over memory that the self-test does not use.
 */
#include "../../examples/kernel/console.h"
#include "../../examples/kernel/cpus.h"
#include "../selftest/selftest.h"
#include <vmem/cache.h>
#include <vmem/debug.h>

enum { STEPS = 20000, STEPS_IN_HANDLER = 4, PERIOD = 500 /* microseconds */ };
enum { THINGS = 32, UNITS = 1024, MEMORY = 512 * 1024, OBJECT = 96 };

static _Alignas(PAGE_SIZE) unsigned char memory[MEMORY];
static uint32_t owner_of[UNITS]; /* 1 + the CPU, or its handler, that has the unit */
static uint32_t problems;

static vmem_t *units;
static vmem_t *pages;
static vmem_cache_t *objects;

/* What one CPU has taken. */
struct cpu {
    uint32_t random;
    struct {
        vmem_addr_t addr;
        vmem_size_t size; /* 0: nothing */
        uint32_t *object;
    } things[THINGS];
};
static struct cpu cpus[CPUS_MAX];
static struct cpu handlers[CPUS_MAX];
static unsigned ticks[CPUS_MAX];

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    print("FAILED: %s\n", what);
    __atomic_fetch_add(&problems, 1, __ATOMIC_RELAXED);
}

static unsigned random_below(struct cpu *cpu, unsigned limit)
{
    cpu->random ^= cpu->random << 13;
    cpu->random ^= cpu->random >> 17;
    cpu->random ^= cpu->random << 5;
    return (cpu->random >> 8) % limit;
}

static void change_owner(vmem_addr_t addr, vmem_size_t size, uint32_t from, uint32_t to)
{
    for (vmem_size_t i = 0; i < size; i++)
        expect(__atomic_exchange_n(&owner_of[addr + i], to, __ATOMIC_RELAXED) == from,
               "a unit has one owner");
}

/* The i-th place of a CPU for a segment: taken if it is empty, given back if it is not. */
static void segment_step(struct cpu *cpu, unsigned index, unsigned i)
{
    vmem_addr_t *addr = &cpu->things[i].addr;
    vmem_size_t *size = &cpu->things[i].size;
    if (*size != 0) {
        change_owner(*addr, *size, index + 1, 0);
        vmem_free(units, *addr, *size);
        *size = 0;
        return;
    }
    *size = 1 + random_below(cpu, 16);
    if (vmem_alloc(units, *size, random_below(cpu, 5), addr) == 0)
        change_owner(*addr, *size, 0, index + 1);
    else
        *size = 0; /* others have it all */
}

/* The same for an object, which bears its owner's number at both ends. */
static void object_step(struct cpu *cpu, unsigned index, unsigned i)
{
    uint32_t **object = &cpu->things[i].object;
    const unsigned last = OBJECT / sizeof(**object) - 1;
    if (*object != NULL) {
        expect((*object)[0] == index && (*object)[last] == index, "an object has one owner");
        vmem_cache_free(objects, *object);
        *object = NULL;
        return;
    }
    *object = vmem_cache_alloc(objects, 0);
    if (*object != NULL)
        (*object)[0] = (*object)[last] = index;
}

static void step(struct cpu *cpu, unsigned index)
{
    if (random_below(cpu, 2) == 0)
        segment_step(cpu, index, random_below(cpu, THINGS));
    else
        object_step(cpu, index, random_below(cpu, THINGS));
}

static void drain(struct cpu *cpu, unsigned index)
{
    for (unsigned i = 0; i < THINGS; i++) {
        if (cpu->things[i].size != 0)
            segment_step(cpu, index, i);
        if (cpu->things[i].object != NULL)
            object_step(cpu, index, i);
    }
}

/* In an interrupt, whatever the CPU is at: as if it were one more. */
static void tick(unsigned index)
{
    ticks[index]++;
    for (unsigned i = 0; i < STEPS_IN_HANDLER; i++)
        step(&handlers[index], CPUS_MAX + index);
}

static void stress(unsigned index)
{
    cpus[index].random = 2463534242U + index;
    handlers[index].random = ~cpus[index].random;
    cpus_meet();
    cpu_tick(tick, PERIOD);
    for (unsigned i = 0; i < STEPS; i++)
        step(&cpus[index], index);
    cpu_tick(NULL, 0);
    drain(&cpus[index], index);
    drain(&handlers[index], CPUS_MAX + index);
    vmem_cpu_offline(index);
}

static void create(void)
{
    const struct vmem_params unit_params = {.name = "units", .size = UNITS, .quantum = 1};
    const struct vmem_params page_params = {
        .name = "pages", .base = (uintptr_t)memory, .size = MEMORY, .quantum = PAGE_SIZE};
    struct vmem_cache_params object_params = {.name = "objects", .size = OBJECT};
    expect(vmem_create(&unit_params, &units) == 0, "an arena is created");
    expect(vmem_create(&page_params, &pages) == 0, "an arena of memory is created");
    object_params.arena = pages;
    expect(vmem_cache_create(&object_params, &objects) == 0, "a cache is created");
}

static void destroy(void)
{
    struct vmem_stats stats;
    vmem_stat(units, &stats);
    expect(stats.free == UNITS && stats.largest_free == UNITS, "all units are back");
    expect(vmem_check(NULL) == 0, "every invariant holds");
    expect(vmem_cache_destroy(objects) == 0 && vmem_destroy(pages) == 0 && vmem_destroy(units) == 0,
           "nothing is out");
    expect(vmem_check(NULL) == 0, "every invariant holds in the end");
}

static unsigned interrupts(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CPUS_MAX; i++)
        sum += ticks[i];
    return sum;
}

void kernel_main(const struct boot_info *boot)
{
    print("\nvmem self-test, %s, %u lines of memory map\n", arch_layout.name, boot->memory_count);
    vmem_cpus_online(1);
    const int failures = vmem_selftest(console_sink, NULL);

    const unsigned count = cpus_start(boot->cpu_count);
    expect(count == boot->cpu_count, "each CPU of the machine starts");
    vmem_cpus_online(count);
    create();
    arch_interrupts_enable();
    cpus_run(stress);
    destroy();
    print("on %u CPUs at once: %lu operations, interrupted %u times, %u failed\n", count,
          (unsigned long)count * STEPS, interrupts(), problems);
    arch_exit(failures == 0 && problems == 0 && boot->memory_count > 0);
}

/* This kernel maps nothing. */
bool page_table_alloc(uint64_t *physical)
{
    (void)physical;
    return false;
}

void page_table_free(uint64_t physical)
{
    (void)physical;
}
