/* SPDX-License-Identifier: MIT */
/*
 * mixes.c - the table of mixes, and the loop.
 *
 * The loop is one inline function, made into a copy for each subject (subject.h), and each copy
 * reads the sequence that run_prepare() wrote: nothing is drawn at random while it is measured.
 * A dense arena is half full: it spans twice the mean volume of its live segments. B1 in
 * an empty arena comes twice: of 1001 quanta, one can be taken and what is left stays in its list
 * of free segments; what is left of 2^20 belongs to another.
 */
#include "mixes.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "random.h"
#include "subject.h"

enum { AHEAD = 8 }; /* operations */

#define B3(live_, policy_, baseline_)                                                             \
    .layout = LAYOUT_DENSE, .live = (live_), .largest = 64, .quantum = 4096, .policy = (policy_), \
    .baseline = (baseline_)
#define PUNCHED(live_, punched_) \
    .layout = LAYOUT_PUNCHED, .live = (live_), .punched = (punched_), .largest = 1, .quantum = 1
#define ID(live_, punched_, flags_) \
    PUNCHED((size_t)1 << (live_), punched_), .space = true, .flags = (flags_)

const struct mix mixes[] = {
    {.name = "B1 empty arena",
     .layout = LAYOUT_DENSE,
     .live = 1,
     .largest = 1,
     .quantum = 4096,
     .spare = 999,
     .baseline = true},
    {.name = "B1 list changes",
     .layout = LAYOUT_DENSE,
     .live = 1,
     .largest = 1,
     .quantum = 4096,
     .spare = (1 << 20) - 2,
     .baseline = true},
    {.name = "B1 exact holes",
     .layout = LAYOUT_EVERY_OTHER,
     .live = 1000,
     .largest = 1,
     .quantum = 4096,
     .baseline = true},
    {.name = "B3 10^2 instant", B3(100, VMEM_INSTANTFIT, true)},
    {.name = "B3 10^3 instant", B3(1000, VMEM_INSTANTFIT, true)},
    {.name = "B3 10^4 instant", B3(10000, VMEM_INSTANTFIT, true)},
    {.name = "B3 10^5 instant", B3(100000, VMEM_INSTANTFIT, false)},
    {.name = "B3 10^6 instant", B3(1000000, VMEM_INSTANTFIT, false)},
    {.name = "B3 10^2 best", B3(100, VMEM_BESTFIT, false)},
    {.name = "B3 10^3 best", B3(1000, VMEM_BESTFIT, false)},
    {.name = "B3 10^4 best", B3(10000, VMEM_BESTFIT, false)},
    {.name = "B3 10^5 best", B3(100000, VMEM_BESTFIT, false)},
    {.name = "B3 10^6 best", B3(1000000, VMEM_BESTFIT, false)},
    {.name = "B3 10^4 ordered", B3(10000, 0, false), .flags = VMEM_ARENA_ORDERED},
    {.name = "B3 10^6 ordered", B3(1000000, 0, false), .flags = VMEM_ARENA_ORDERED},
    {.name = "align instant", B3(10000, VMEM_INSTANTFIT, true), .constrained = CONSTRAINED_ALIGN},
    {.name = "align best", B3(10000, VMEM_BESTFIT, false), .constrained = CONSTRAINED_ALIGN},
    {.name = "align ordered",
     B3(10000, 0, false),
     .flags = VMEM_ARENA_ORDERED,
     .constrained = CONSTRAINED_ALIGN},
    {.name = "window instant", B3(10000, VMEM_INSTANTFIT, true), .constrained = CONSTRAINED_WINDOW},
    {.name = "window best", B3(10000, VMEM_BESTFIT, false), .constrained = CONSTRAINED_WINDOW},
    {.name = "window ordered",
     B3(10000, 0, false),
     .flags = VMEM_ARENA_ORDERED,
     .constrained = CONSTRAINED_WINDOW},
    {.name = "all instant", B3(10000, VMEM_INSTANTFIT, true), .constrained = CONSTRAINED_ALL},
    {.name = "all best", B3(10000, VMEM_BESTFIT, false), .constrained = CONSTRAINED_ALL},
    {.name = "all ordered",
     B3(10000, 0, false),
     .flags = VMEM_ARENA_ORDERED,
     .constrained = CONSTRAINED_ALL},
    {.name = "tags 2^22 95%",
     PUNCHED(1 << 22, 5),
     .policy = VMEM_NEXTFIT,
     .flags = VMEM_ARENA_ORDERED},
    {.name = "ID 2^15 50% low", ID(15, 50, VMEM_ID_LOWEST)},
    {.name = "ID 2^15 95% low", ID(15, 5, VMEM_ID_LOWEST)},
    {.name = "ID 2^15 50% cyc", ID(15, 50, VMEM_ID_CYCLIC)},
    {.name = "ID 2^15 95% cyc", ID(15, 5, VMEM_ID_CYCLIC)},
    {.name = "ID 2^22 50% low", ID(22, 50, VMEM_ID_LOWEST)},
    {.name = "ID 2^22 95% low", ID(22, 5, VMEM_ID_LOWEST)},
    {.name = "ID 2^22 50% cyc", ID(22, 50, VMEM_ID_CYCLIC)},
    {.name = "ID 2^22 95% cyc", ID(22, 5, VMEM_ID_CYCLIC)},
};
const size_t mix_count = sizeof mixes / sizeof *mixes;

const char *const subject_names[SUBJECT_COUNT] = {"library", "baseline", "empty"};

static const struct subject *subject_of(const struct run *run)
{
    static const struct subject *const subjects[SUBJECT_COUNT] = {
        &subject_library,
        &subject_baseline,
        &subject_empty,
    };

    return run->mix->space && run->subject == SUBJECT_LIBRARY ? &subject_space
                                                              : subjects[run->subject];
}

__attribute__((noreturn, cold)) static void refused(const struct run *run)
{
    (void)fprintf(stderr, "bench: %s, %s: an allocation was refused\n", run->mix->name,
                  subject_names[run->subject]);
    exit(EXIT_FAILURE);
}

static void *memory(size_t count, size_t size)
{
    void *block = calloc(count, size);

    if (block == NULL) {
        (void)fputs("bench: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return block;
}

/* The loop. */

static inline __attribute__((always_inline)) int fill_slot(const struct subject *subject,
                                                           const struct run *run, size_t i)
{
    struct slot *slot = &run->slot[run->operation[i].slot];

    slot->size = run->operation[i].size;
    if (run->constraints != NULL)
        return subject->xalloc(run->arena, slot->size, &run->constraints[i], run->mix->policy,
                               &slot->addr);
    return subject->alloc(run->arena, slot->size, run->mix->policy, &slot->addr);
}

static inline __attribute__((always_inline)) void empty_slot(const struct subject *subject,
                                                             const struct run *run, size_t i)
{
    const struct slot *slot = &run->slot[run->operation[i].slot];

    subject->free(run->arena, slot->addr, slot->size);
}

/*
 * A slot is a line of memory that the processor has not seen for long, if there are millions. Where
 * they stand for integers, of which a bitmap takes a hundredth of that, waiting for the slot would
 * be most of what is measured; so the loop looks AHEAD.
 */
static inline __attribute__((always_inline)) void churn(const struct subject *subject,
                                                        const struct run *run, bool looks_ahead)
{
    for (size_t i = 0; i < run->pairs; i++) {
        if (looks_ahead)
            __builtin_prefetch(&run->slot[run->operation[i + AHEAD].slot], 1);
        empty_slot(subject, run, i);
        if (fill_slot(subject, run, i) != 0)
            refused(run);
    }
}

static inline __attribute__((always_inline)) void churn_mix(const struct subject *subject,
                                                            const struct run *run)
{
    if (run->mix->layout == LAYOUT_PUNCHED)
        churn(subject, run, true);
    else
        churn(subject, run, false);
}

__attribute__((noinline)) static void measured_library(const struct run *run)
{
    churn_mix(&subject_library, run);
}

__attribute__((noinline)) static void measured_space(const struct run *run)
{
    churn_mix(&subject_space, run);
}

__attribute__((noinline)) static void measured_baseline(const struct run *run)
{
    churn_mix(&subject_baseline, run);
}

__attribute__((noinline)) static void measured_empty(const struct run *run)
{
    churn_mix(&subject_empty, run);
}

void run_measure(struct run *run)
{
    static void (*const measured[SUBJECT_COUNT])(const struct run *run) = {
        measured_library,
        measured_baseline,
        measured_empty,
    };

    if (run->mix->space && run->subject == SUBJECT_LIBRARY)
        measured_space(run);
    else
        measured[run->subject](run);
}

void run_warm(struct run *run)
{
    const struct subject *subject = subject_of(run);

    churn_mix(subject, run);
}

/* Ticks since `start`, the lesser of them and what is there. */
static void sample(uint32_t *tick, uint64_t start)
{
    uint64_t ticks = clock_ticks() - start;

    if (ticks < *tick)
        *tick = (uint32_t)ticks;
}

void run_sample(struct run *run, uint32_t *ticks)
{
    const struct subject *subject = subject_of(run);

    for (size_t i = 0; i < run->pairs; i++) {
        uint64_t start = clock_ticks();
        int error;

        empty_slot(subject, run, i);
        sample(&ticks[2 * i], start);
        start = clock_ticks();
        error = fill_slot(subject, run, i);
        sample(&ticks[2 * i + 1], start);
        if (error != 0)
            refused(run);
    }
}

/* The state that the loop starts from. */

/* Quanta that the arena spans. */
static size_t span_quanta(const struct run *run)
{
    if (run->mix->layout == LAYOUT_EVERY_OTHER)
        return 2 * run->live;
    if (run->mix->layout == LAYOUT_PUNCHED)
        return run->live;
    return run->live * (run->mix->largest + 1) + run->mix->spare;
}

/* Under the constraints of some operation: what is churned in a window must begin in one. */
static void allocate(struct run *run, size_t slot, vmem_size_t size)
{
    const struct subject *subject = subject_of(run);
    const struct vmem_constraints *c =
        run->constraints != NULL ? &run->constraints[slot % run->pairs] : NULL;
    int error;

    run->slot[slot].size = size;
    if (c != NULL)
        error = subject->xalloc(run->arena, size, c, run->mix->policy, &run->slot[slot].addr);
    else
        error = subject->alloc(run->arena, size, run->mix->policy, &run->slot[slot].addr);
    if (error != 0)
        refused(run);
}

static void release(struct run *run, size_t slot)
{
    const struct subject *subject = subject_of(run);

    subject->free(run->arena, run->slot[slot].addr, run->slot[slot].size);
    run->slot[slot].size = 0;
}

static void punch(struct run *run, struct generator *generator)
{
    size_t holes = run->live * run->mix->punched / 100;

    for (size_t i = 0; i < holes; i++) {
        size_t last = run->slots - 1;
        size_t chosen = random_below(generator, (uint32_t)run->slots);
        struct slot slot = run->slot[chosen];

        run->slot[chosen] = run->slot[last];
        run->slot[last] = slot;
        release(run, last);
        run->slots--;
    }
}

static void fill(struct run *run, struct generator *generator)
{
    const struct mix *mix = run->mix;
    size_t count = mix->layout == LAYOUT_EVERY_OTHER ? 2 * run->live : run->live;

    run->slot = memory(count, sizeof *run->slot);
    run->slots = count;
    for (size_t i = 0; i < count; i++)
        allocate(run, i, (1 + random_below(generator, (uint32_t)mix->largest)) * mix->quantum);
    if (mix->layout == LAYOUT_PUNCHED)
        punch(run, generator);
    if (mix->layout == LAYOUT_EVERY_OTHER) {
        for (size_t i = 0; i < count; i += 2)
            release(run, i);
        allocate(run, 0, mix->quantum);
        run->slots = 1;
    }
}

static void draw_operations(struct run *run, struct generator *generator)
{
    run->operation = memory(run->pairs + AHEAD, sizeof *run->operation);
    for (size_t i = 0; i < run->pairs; i++) {
        uint32_t quanta = 1 + random_below(generator, (uint32_t)run->mix->largest);

        run->operation[i].slot = random_below(generator, (uint32_t)run->slots);
        run->operation[i].size = quanta * (uint32_t)run->mix->quantum;
    }
}

/* align: 1..64 quanta. nocross: 128, 256 or 512 quanta. The window: an eighth of the span. */
static void draw_constraints(struct run *run, struct generator *generator)
{
    enum constrained kind = run->mix->constrained;
    vmem_size_t quantum = run->mix->quantum;
    vmem_size_t eighth = run->span / 8 / quantum * quantum;

    if (kind == CONSTRAINED_NOT)
        return;
    run->constraints = memory(run->pairs, sizeof *run->constraints);
    for (size_t i = 0; i < run->pairs; i++) {
        struct vmem_constraints *c = &run->constraints[i];
        uint32_t align = random_below(generator, 7), window = random_below(generator, 8);
        uint32_t nocross = 7 + random_below(generator, 3);

        if (kind != CONSTRAINED_WINDOW)
            c->align = quantum << align;
        if (kind != CONSTRAINED_ALIGN) {
            c->min = SUBJECT_BASE + window * eighth;
            c->limit = c->min + eighth;
        }
        if (kind == CONSTRAINED_ALL)
            c->nocross = quantum << nocross;
    }
}

void run_prepare(struct run *run, const struct mix *mix, enum subject_kind subject, size_t live,
                 size_t pairs)
{
    struct generator generator = {.state = 0x9e3779b97f4a7c15};

    *run = (struct run){
        .mix = mix,
        .subject = subject,
        .live = live != 0 && live < mix->live ? live : mix->live,
        .pairs = pairs,
    };
    run->span = span_quanta(run) * mix->quantum;
    run->arena = subject_of(run)->create(mix, run->span);
    if (run->arena == NULL)
        refused(run);
    draw_constraints(run, &generator);
    fill(run, &generator);
    draw_operations(run, &generator);
}

void run_check(const struct run *run)
{
    if (run->subject != SUBJECT_LIBRARY)
        return;
    if ((run->mix->space ? vmem_id_check(run->arena) : vmem_check(run->arena)) != 0)
        exit(EXIT_FAILURE);
}

/* The baseline's segments go with it: to free each of them would take it O(n^2). */
void run_destroy(struct run *run)
{
    size_t count = run->mix->layout == LAYOUT_EVERY_OTHER ? 2 * run->live : run->live;

    for (size_t i = 0; run->subject != SUBJECT_BASELINE && i < count; i++)
        if (run->slot[i].size != 0)
            release(run, i);
    subject_of(run)->destroy(run->arena);
    free(run->slot);
    free(run->operation);
    free(run->constraints);
}
