/* SPDX-License-Identifier: MIT */
/*
 * test_exhaustive.c - every sequence of up to six operations on an arena of eight quanta.
 *
 * What an operation may be is in next_action(): allocations of every shape in the table below,
 * and freeing, growing, shrinking and splitting each segment that there is. After each, the walk,
 * the counters and vmem_check() are compared with eight numbers that say who has which quantum.
 *
 * The search is depth first. To go back, it makes a new arena and repeats the operations that led
 * here: an arena that was led back by frees is not the one that it was.
 *
 *     test_exhaustive [depth]      of 3 to 6, for where six take too long
 */
#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmem/debug.h>

enum { QUANTA = 8, DEPTH = 6, POLICIES = 5, MIXED = POLICIES };

/* Shapes of requests, in quanta: size, and constraints of which `from`, `to` bound a window. */
struct shape {
    unsigned size, align, phase, nocross, from, to;
};

static const struct shape shapes[] = {
    {.size = 1},
    {.size = 2},
    {.size = 3},
    {.size = 1, .align = 4, .phase = 3},
    {.size = 2, .nocross = 4, .from = 1, .to = 6},
};

enum { PLAIN_SHAPES = 3, SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* Where the eight quanta are, and what they are cut into. */
struct geometry {
    const char *name;
    vmem_addr_t base;
    vmem_size_t quantum;
    unsigned first_span; /* in quanta; the second touches it and has the rest */
    unsigned less;       /* operations than elsewhere */
};

static const struct geometry geometries[] = {
    {"at 0", 0, 1, 8, 0},
    {"at the end of the address space", VMEM_ADDR_MAX - 0x7fff, 0x1000, 8, 1},
    {"in two touching spans", 0x100000, 16, 4, 1},
};

enum action_kind { ALLOCATE, FREE, GROW, SHRINK, SPLIT, ACTIONS };

struct action {
    enum action_kind kind;
    unsigned policy;
    const struct shape *shape; /* ALLOCATE */
    unsigned at, size;         /* else: the segment, in quanta from the base */
};

/* The whole model: who has each quantum (0: nobody), and where next fit goes on. */
struct state {
    unsigned char owner[QUANTA];
    unsigned char last_owner;
    unsigned next;
    unsigned allocs, frees, fails;
};

static struct {
    const struct geometry *geometry;
    unsigned flags, policy;
    vmem_t *arena;
    struct action path[DEPTH];
    unsigned depth;
} now;

static unsigned long sequences;

static const char *const policy_names[] = {"instant fit", "best fit", "next fit",
                                           "first fit",   "last fit", "mixed"};

static void print_action(const struct action *action)
{
    static const char *const names[ACTIONS] = {"alloc", "free", "grow", "shrink", "split"};

    fprintf(stderr, "  %s", names[action->kind]);
    if (action->kind == ALLOCATE)
        fprintf(stderr, " %u quanta, %s, align %u phase %u nocross %u window [%u, %u)\n",
                action->shape->size, policy_names[action->policy], action->shape->align,
                action->shape->phase, action->shape->nocross, action->shape->from,
                action->shape->to);
    else
        fprintf(stderr, " %u + %u\n", action->at, action->size);
}

static _Noreturn void disagree(const char *what)
{
    fprintf(stderr, "FAILED: %s\n%s, %s, %s:\n", what, now.geometry->name,
            now.flags & VMEM_ARENA_ORDERED ? "ordered" : "freelists", policy_names[now.policy]);
    for (unsigned i = 0; i <= now.depth; i++)
        print_action(&now.path[i]);
    exit(1);
}

static void demand(bool holds, const char *what)
{
    if (!holds)
        disagree(what);
}

/* Between quanta and addresses. */

static vmem_addr_t address_of(unsigned quanta)
{
    return now.geometry->base + quanta * now.geometry->quantum;
}

static struct vmem_constraints constraints_of(const struct shape *shape)
{
    vmem_size_t quantum = now.geometry->quantum;

    return (struct vmem_constraints){
        .align = shape->align * quantum,
        .phase = shape->phase * quantum,
        .nocross = shape->nocross * quantum,
        .min = shape->to == 0 ? 0 : address_of(shape->from),
        .limit = shape->to == 0 ? 0 : address_of(shape->to),
    };
}

/* The arena. */

static void add_spans(void)
{
    const struct geometry *geometry = now.geometry;
    struct vmem_params params = {
        .name = "eight",
        .base = geometry->base,
        .size = geometry->first_span * geometry->quantum,
        .quantum = geometry->quantum,
        .flags = now.flags,
    };

    demand(vmem_create(&params, &now.arena) == 0, "vmem_create");
    if (geometry->first_span < QUANTA)
        demand(vmem_add(now.arena, address_of(geometry->first_span),
                        (QUANTA - geometry->first_span) * geometry->quantum, 0) == 0,
               "vmem_add");
}

static int perform(const struct action *action, vmem_addr_t *addr)
{
    vmem_size_t quantum = now.geometry->quantum;
    vmem_addr_t at = address_of(action->at);
    vmem_size_t size = action->size * quantum;
    struct vmem_constraints c;

    switch (action->kind) {
    case ALLOCATE:
        c = constraints_of(action->shape);
        return vmem_xalloc(now.arena, action->shape->size * quantum, &c, action->policy, addr);
    case FREE:
        vmem_free(now.arena, at, size);
        return 0;
    case GROW:
        return vmem_resize(now.arena, at, size, size + quantum, 0);
    case SHRINK:
        return vmem_resize(now.arena, at, size, size - quantum, 0);
    default:
        return vmem_split(now.arena, at, size, quantum);
    }
}

/* The model. */

static bool same_span(unsigned a, unsigned b)
{
    return (a < now.geometry->first_span) == (b < now.geometry->first_span);
}

/* Quanta from `at` on that are one segment, or one hole. */
static unsigned run_length(const struct state *state, unsigned at)
{
    unsigned length = 1;

    while (at + length < QUANTA && state->owner[at + length] == state->owner[at] &&
           same_span(at, at + length))
        length++;
    return length;
}

static bool starts_run(const struct state *state, unsigned at)
{
    return at == 0 || state->owner[at] != state->owner[at - 1] || !same_span(at, at - 1);
}

static unsigned hole_around(const struct state *state, unsigned at)
{
    while (!starts_run(state, at))
        at--;
    return run_length(state, at);
}

static bool is_legal(const struct state *state, const struct shape *shape, unsigned at)
{
    vmem_addr_t addr = address_of(at) / now.geometry->quantum;

    if (at + shape->size > QUANTA || state->owner[at] != 0 || run_length(state, at) < shape->size)
        return false;
    if (shape->align != 0 && addr % shape->align != shape->phase)
        return false;
    if (shape->nocross != 0 && addr / shape->nocross != (addr + shape->size - 1) / shape->nocross)
        return false;
    return shape->to == 0 || (at >= shape->from && at + shape->size <= shape->to);
}

/* Whether the policy could have chosen `at` rather than `other`; both are legal. */
static bool may_prefer(const struct state *state, unsigned policy, unsigned at, unsigned other)
{
    if (policy == VMEM_INSTANTFIT && (now.flags & VMEM_ARENA_ORDERED) != 0)
        policy = VMEM_FIRSTFIT;
    switch (policy) {
    case VMEM_BESTFIT:
        return hole_around(state, at) <= hole_around(state, other);
    case VMEM_NEXTFIT:
        if ((at >= state->next) != (other >= state->next))
            return at >= state->next;
        return at <= other;
    case VMEM_FIRSTFIT:
        return at <= other;
    case VMEM_LASTFIT:
        return at >= other;
    default:
        return true;
    }
}

static void set_owner(struct state *state, unsigned at, unsigned size, unsigned char owner)
{
    memset(&state->owner[at], owner, size);
}

static void judge_allocation(struct state *state, const struct action *action, int error,
                             vmem_addr_t addr)
{
    unsigned at = QUANTA;

    if (error == 0) {
        demand((addr - now.geometry->base) % now.geometry->quantum == 0, "not in quanta");
        demand((addr - now.geometry->base) / now.geometry->quantum < QUANTA, "outside the arena");
        at = (unsigned)((addr - now.geometry->base) / now.geometry->quantum);
        demand(is_legal(state, action->shape, at), "the answer is not legal");
    } else {
        demand(error == -VMEM_ENOSPC, "the wrong error");
        state->fails++;
    }
    for (unsigned other = 0; other < QUANTA; other++) {
        if (!is_legal(state, action->shape, other))
            continue;
        demand(error == 0, "refused, although a hole fits");
        demand(may_prefer(state, action->policy, at, other), "the policy pins another answer");
    }
    if (error == 0) {
        set_owner(state, at, action->shape->size, ++state->last_owner);
        state->next = at + action->shape->size;
        state->allocs++;
    }
}

static void judge_growth(struct state *state, const struct action *action, int error)
{
    unsigned end = action->at + action->size;
    bool fits = end < QUANTA && same_span(action->at, end) && state->owner[end] == 0;

    demand(error == (fits ? 0 : -VMEM_ENOSPC), "growth");
    if (fits)
        state->owner[end] = state->owner[action->at];
}

/* Holds the library's answer against the model, and changes the model alike. */
static void judge(struct state *state, const struct action *action, int error, vmem_addr_t addr)
{
    switch (action->kind) {
    case ALLOCATE:
        judge_allocation(state, action, error, addr);
        return;
    case GROW:
        judge_growth(state, action, error);
        return;
    case FREE:
        set_owner(state, action->at, action->size, 0);
        state->frees++;
        break;
    case SHRINK:
        state->owner[action->at + action->size - 1] = 0;
        break;
    default:
        set_owner(state, action->at + 1, action->size - 1, ++state->last_owner);
        break;
    }
    demand(error == 0, "an operation that cannot fail failed");
}

static void compare(const struct state *state)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment seen;
    struct vmem_stats stats;
    unsigned used = 0, largest = 0, segments = 0;

    for (unsigned at = 0; at < QUANTA; at += run_length(state, at)) {
        unsigned size = run_length(state, at);
        bool free = state->owner[at] == 0;

        if (at == 0 || !same_span(at, at - 1))
            demand(vmem_walk_next(now.arena, &cursor, &seen) && seen.kind == VMEM_SEGMENT_SPAN,
                   "the walk shows no span");
        demand(vmem_walk_next(now.arena, &cursor, &seen) &&
                   seen.kind == (free ? VMEM_SEGMENT_FREE : VMEM_SEGMENT_ALLOCATED) &&
                   seen.addr == address_of(at) && seen.size == size * now.geometry->quantum,
               "the walk shows something else");
        used += free ? 0 : size;
        segments += free ? 0 : 1;
        if (free && size > largest)
            largest = size;
    }
    demand(!vmem_walk_next(now.arena, &cursor, &seen), "the walk does not end");
    vmem_stat(now.arena, &stats);
    demand(stats.in_use == used * now.geometry->quantum &&
               stats.free == (QUANTA - used) * now.geometry->quantum &&
               stats.largest_free == largest * now.geometry->quantum &&
               stats.segments == segments && stats.allocs == state->allocs &&
               stats.frees == state->frees && stats.fails == state->fails,
           "vmem_stat");
    demand(vmem_check(now.arena) == 0 && fault_hook.count == 0, "vmem_check");
}

/* The search. */

/* The i-th thing that can be done in this state; false: there are no more. */
static bool next_action(const struct state *state, unsigned i, struct action *action)
{
    unsigned allocations = now.policy == MIXED ? PLAIN_SHAPES * POLICIES : SHAPES;

    if (i < allocations) {
        *action = (struct action){
            .kind = ALLOCATE,
            .policy = now.policy == MIXED ? i % POLICIES : now.policy,
            .shape = &shapes[now.policy == MIXED ? i / POLICIES : i],
        };
        return true;
    }
    i -= allocations;
    for (unsigned at = 0; at < QUANTA; at += run_length(state, at)) {
        unsigned size = run_length(state, at);
        unsigned choices = now.policy == MIXED ? 1 : size > 1 ? 4 : 2; /* in the order of kinds */

        if (state->owner[at] == 0)
            continue;
        if (i < choices) {
            *action = (struct action){.kind = FREE + i, .at = at, .size = size};
            return true;
        }
        i -= choices;
    }
    return false;
}

static void end(const struct state *state)
{
    for (unsigned at = 0; at < QUANTA; at += run_length(state, at))
        if (state->owner[at] != 0)
            vmem_free(now.arena, address_of(at), run_length(state, at) * now.geometry->quantum);
    demand(vmem_destroy(now.arena) == 0, "vmem_destroy");
}

static void search(const struct state *before, unsigned depth, unsigned limit)
{
    struct action *action = &now.path[depth];
    vmem_addr_t addr = 0;
    int error;

    for (unsigned i = 0; next_action(before, i, action); i++) {
        struct state state = *before;

        now.depth = depth;
        add_spans();
        for (unsigned step = 0; step < depth; step++)
            (void)perform(&now.path[step], &addr);
        error = perform(action, &addr);
        judge(&state, action, error, addr);
        compare(&state);
        end(&state);
        sequences++;
        if (depth + 1 < limit)
            search(&state, depth + 1, limit);
    }
}

int main(int argc, char **argv)
{
    static const struct state empty;
    unsigned depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : DEPTH;

    if (depth < 3 || depth > DEPTH) {
        fprintf(stderr, "usage: test_exhaustive [depth]\n");
        return 2;
    }
    for (unsigned g = 0; g < sizeof(geometries) / sizeof(geometries[0]); g++) {
        now.geometry = &geometries[g];
        for (now.flags = 0; now.flags <= VMEM_ARENA_ORDERED; now.flags++)
            for (now.policy = 0; now.policy <= MIXED; now.policy++)
                search(&empty, 0, depth - now.geometry->less - (now.policy == MIXED ? 1 : 0));
        printf("exhaustive: %s: %lu sequences so far\n", geometries[g].name, sequences);
        fflush(stdout);
    }
    printf("exhaustive: passed, %lu sequences\n", sequences);
    return 0;
}
