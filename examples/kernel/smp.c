/* SPDX-License-Identifier: MIT */
/*
 * smp.c - all CPUs at the same arenas, caches, heap and IDs at once, and on each of them a timer
 * whose interrupts allocate and free, too, in the middle of whatever runs there.
 *
 * Each phase is a number of steps a CPU, with some kinds of things; behind it all CPUs stand still
 * and every invariant is verified. In the last one a CPU goes offline and comes online again, and
 * another one reaps. With one CPU all is the same, and the interrupts are still there. Then they
 * wait for one another (waiting.c).
 */
#include "kernel.h"

enum { STEPS = 20000, STEPS_IN_HANDLER = 4, PERIOD = 250 /* microseconds */, REAP_STEPS = 500 };
#define SEED 20010625ULL /* the conference at which vmem was presented */
#define KIND(kind) (1U << (kind))

static const struct phase {
    const char *name;
    unsigned kinds;
    bool changes; /* CPUs come and go, and one reaps */
} phases[] = {
    {"arenas", KIND(HAMMER_PAGES) | KIND(HAMMER_BUFFER) | KIND(HAMMER_VECTORS), false},
    {"caches", KIND(HAMMER_THREAD) | KIND(HAMMER_MESSAGE), false},
    {"heap", KIND(HAMMER_BLOCK) | KIND(HAMMER_PARCEL), false},
    {"pages", KIND(HAMMER_RUN), false},
    {"all", KIND(HAMMER_KINDS) - 1, false},
    {"hotplug", KIND(HAMMER_KINDS) - 1, true},
};

static struct cpu {
    struct hammer hammer;
    struct hammer in_handler;
    unsigned long interrupts;
    unsigned long pinned; /* interrupts that found their CPU so: in the middle of its magazines */
} cpus[CPUS_MAX];

static const struct phase *phase;
static unsigned cpu_count;

static void tick(unsigned index)
{
    struct cpu *cpu = &cpus[index];
    cpu->interrupts++;
    cpu->pinned += port_percpu()->pinned > 0 ? 1 : 0;
    for (unsigned i = 0; i < STEPS_IN_HANDLER; i++)
        hammer_step(&cpu->in_handler, phase->kinds);
}

/* The last CPU has no magazines for a third of the time; the first one reaps again and again. */
static void change(unsigned index, unsigned step)
{
    if (index == cpu_count - 1 && step == STEPS / 3)
        vmem_cpu_offline(index);
    if (index == cpu_count - 1 && step == 2 * (STEPS / 3))
        vmem_cpu_online(index);
    if (index == 0 && step % REAP_STEPS == 0)
        vmem_reap(NULL);
}

static void work(unsigned index)
{
    struct cpu *cpu = &cpus[index];
    cpu_tick(tick, PERIOD);
    cpus_meet();
    for (unsigned step = 0; step < STEPS; step++) {
        if (phase->changes)
            change(index, step);
        hammer_step(&cpu->hammer, phase->kinds);
    }
    cpu_tick(NULL, 0);
}

static void drain(unsigned index)
{
    hammer_drain(&cpus[index].hammer);
    hammer_drain(&cpus[index].in_handler);
    if (index > 0)
        vmem_cpu_offline(index);
}

struct totals {
    unsigned long operations;
    unsigned long in_handler;
    unsigned long refusals;
    unsigned long interrupts;
    unsigned long pinned;
};

static struct totals totals(void)
{
    struct totals totals = {0};
    for (unsigned i = 0; i < cpu_count; i++) {
        totals.operations += cpus[i].hammer.operations;
        totals.in_handler += cpus[i].in_handler.operations;
        totals.refusals += cpus[i].hammer.refusals + cpus[i].in_handler.refusals;
        totals.interrupts += cpus[i].interrupts;
        totals.pinned += cpus[i].pinned;
    }
    return totals;
}

static void print_totals(const char *name, const struct totals *from, const struct totals *to)
{
    print("  %-8s %8lu operations, %7lu refused, %7lu in %6lu interrupts, %5lu of a pinned CPU\n",
          name, to->operations - from->operations, to->refusals - from->refusals,
          to->in_handler - from->in_handler, to->interrupts - from->interrupts,
          to->pinned - from->pinned);
}

void smp_run(void)
{
    const struct totals none = {0};
    struct totals before = none;
    struct totals after = none;
    cpu_count = cpus_count();
    print("\n--- %u CPUs at once, seed %lu ---\n\n", cpu_count, (unsigned long)SEED);
    hammers_init();
    for (unsigned i = 0; i < cpu_count; i++) {
        hammer_init(&cpus[i].hammer, 2 * i, SEED);
        hammer_init(&cpus[i].in_handler, 2 * i + 1, SEED);
    }
    arch_interrupts_enable();
    for (unsigned i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        phase = &phases[i];
        cpus_run(work);
        after = totals();
        print_totals(phase->name, &before, &after);
        arenas_check();
        before = after;
    }
    print_totals("total", &none, &after);
    waiting_run();
    cpus_run(drain);
    hammers_end();
    expect(after.in_handler > 0, "handlers have interrupted the work");
}
