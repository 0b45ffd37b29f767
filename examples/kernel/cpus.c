/* SPDX-License-Identifier: MIT */
/*
 * cpus.c - several CPUs without a scheduler: each runs what CPU 0 gives to all of them, and waits
 * in between, halted but for a slow timer.
 *
 * Whoever waits for others does so with interrupts enabled: they may need it to forget a
 * translation (arch_flush_others).
 */
#include "cpus.h"

enum { STACK = 32768, LOOK_OUT = 5000 /* microseconds */ };

static struct percpu percpus[CPUS_MAX];
static void (*ticks[CPUS_MAX])(unsigned cpu);
static _Alignas(16) char stacks[CPUS_MAX - 1][STACK];

static struct {
    uint32_t count;    /* CPUs that are there */
    uint32_t arrived;  /* at the meeting that is to come */
    uint32_t meetings; /* that there have been */
    uint32_t jobs;     /* that there have been, with the present one */
    uint32_t left;     /* others that are not done with it */
    void (*work)(unsigned cpu);
} cpus = {.count = 1};

struct percpu *cpu_percpu(unsigned index)
{
    struct percpu *cpu = &percpus[index];
    cpu->self = cpu;
    cpu->index = index;
    return cpu;
}

void *cpu_stack_top(unsigned index)
{
    return stacks[index - 1] + STACK;
}

static uint32_t read(const uint32_t *number)
{
    return __atomic_load_n(number, __ATOMIC_ACQUIRE);
}

void cpu_tick(void (*tick)(unsigned cpu), unsigned microseconds)
{
    arch_timer_stop();
    __atomic_store_n(&ticks[port_percpu()->index], tick, __ATOMIC_RELAXED);
    if (tick != NULL)
        arch_timer_start(microseconds);
}

void kernel_timer(void)
{
    const unsigned index = port_percpu()->index;
    void (*const tick)(unsigned cpu) = __atomic_load_n(&ticks[index], __ATOMIC_RELAXED);
    if (tick != NULL)
        tick(index);
}

_Noreturn void kernel_cpu_main(unsigned index)
{
    uint32_t done = read(&cpus.jobs);
    __atomic_fetch_add(&cpus.count, 1, __ATOMIC_RELEASE);
    arch_interrupts_enable();
    for (;;) {
        arch_timer_start(LOOK_OUT);
        while (read(&cpus.jobs) == done)
            arch_idle();
        done++;
        cpus.work(index);
        __atomic_fetch_sub(&cpus.left, 1, __ATOMIC_RELEASE);
    }
}

/* One after the other, so that they may share what they start with. */
unsigned cpus_start(unsigned count)
{
    for (unsigned index = 1; index < count && arch_cpu_start(index); index++)
        while (read(&cpus.count) <= index)
            port_relax();
    return cpus.count;
}

unsigned cpus_count(void)
{
    return cpus.count;
}

void cpus_run(void (*work)(unsigned cpu))
{
    cpus.work = work;
    cpus.left = cpus.count - 1;
    __atomic_fetch_add(&cpus.jobs, 1, __ATOMIC_RELEASE);
    work(0);
    while (read(&cpus.left) != 0)
        port_relax();
}

void cpus_meet(void)
{
    const uint32_t before = read(&cpus.meetings);
    if (__atomic_add_fetch(&cpus.arrived, 1, __ATOMIC_ACQ_REL) == cpus.count) {
        __atomic_store_n(&cpus.arrived, 0, __ATOMIC_RELAXED);
        __atomic_fetch_add(&cpus.meetings, 1, __ATOMIC_RELEASE);
        return;
    }
    while (read(&cpus.meetings) == before)
        port_relax();
}
