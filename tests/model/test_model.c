/* SPDX-License-Identifier: MIT */
/*
 * test_model.c - random operations over random arenas, each compared with the model.
 *
 *     test_model [--seed N] [--sequences K] [--steps M] [--trace]
 *
 * A sequence makes one arena, or a chain of up to three of which each imports from the next,
 * leads it through `steps` operations, then frees and ends everything. Sequence i of seed N is
 * sequence 0 of seed N + i, so that a failure is repeated alone; the message says how.
 */
#include "twin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmem/debug.h>

enum { CHAIN = 3, POLICIES = 5, SPANS_AT_MOST = 40 };

#define ADDR_BITS ((unsigned)sizeof(vmem_addr_t) * 8)

/* The arena twins[0] imports from twins[1], that from twins[2]; the last has only its own spans. */
static struct twin twins[CHAIN];
static unsigned ntwins;
static struct range regions[CHAIN]; /* where each arena may be given spans of its own */

static uint64_t seed = 1;
static unsigned long sequences = 3000;
static unsigned long steps = 150;
static uint64_t sequence_seed;
static unsigned long step;

void twin_disagree(const struct twin *twin, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "FAILED in step %lu, arena %s (%s): ", step, twin->name,
            twin->model.flags & VMEM_ARENA_ORDERED ? "ordered" : "freelists");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nrepeat: test_model --seed %" PRIu64 " --sequences 1 --steps %lu --trace\n",
            sequence_seed, steps);
    exit(1);
}

static bool chance(unsigned one, unsigned in)
{
    return rng_chance(&twin_rng, one, in);
}

static vmem_size_t below(vmem_size_t bound)
{
    return (vmem_size_t)rng_below(&twin_rng, bound);
}

static vmem_size_t power(unsigned exponent)
{
    return (vmem_size_t)1 << exponent;
}

/* Quanta: mostly few, sometimes many, up to `most`. */
static vmem_size_t some_quanta(vmem_size_t most)
{
    vmem_size_t count;

    switch (below(8)) {
    case 0:
        count = 1 + below(1024);
        break;
    case 1:
        count = 1 + below(power((unsigned)below(ADDR_BITS)));
        break;
    default:
        count = 1 + below(64);
        break;
    }
    return count <= most ? count : 1 + count % most;
}

/* The model against every address of a small hole, one by one. */

static bool try_one_hole(struct range hole, const struct request *r)
{
    bool any = false, any_from = false;
    vmem_addr_t lowest = 0, highest = 0, lowest_from = 0, answer;
    vmem_addr_t from = hole.first + below(range_size(hole));

    for (vmem_size_t i = 0; i + r->size <= range_size(hole); i++) {
        vmem_addr_t addr = hole.first + i;

        if (!request_allows(r, addr))
            continue;
        if (!any)
            lowest = addr;
        if (!any_from && addr >= from)
            lowest_from = addr;
        any_from = any_from || addr >= from;
        highest = addr;
        any = true;
    }
    return hole_lowest(hole, r, 0, &answer) == any && (!any || answer == lowest) &&
           hole_lowest(hole, r, from, &answer) == any_from &&
           (!any_from || answer == lowest_from) && hole_highest(hole, r, &answer) == any &&
           (!any || answer == highest);
}

static void try_the_model(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        vmem_size_t length = 1 + below(64);
        struct range hole;
        struct request r = {.size = 1 + below(16), .last = VMEM_ADDR_MAX};

        hole.first = chance(1, 3) ? 0 - length : chance(1, 2) ? 0 : below(4096);
        hole.last = hole.first + (length - 1);
        r.align = power((unsigned)below(chance(1, 8) ? ADDR_BITS : 7));
        r.phase = below(r.align);
        if (chance(1, 2))
            r.nocross = power((unsigned)(4 + below(4)));
        if (chance(1, 4))
            r.min = hole.first + below(length);
        if (chance(1, 4))
            r.last = hole.last - below(length);
        if (r.min <= r.last && !try_one_hole(hole, &r)) {
            fprintf(stderr, "FAILED: the model itself, seed %" PRIu64 ", hole %u\n", seed, i);
            exit(1);
        }
    }
}

/* Geometry. */

static vmem_size_t some_quantum(void)
{
    switch (below(3)) {
    case 0:
        return 1;
    case 1:
        return 4096;
    default:
        return power((unsigned)below(22));
    }
}

static unsigned some_flags(void)
{
    return (chance(1, 2) ? VMEM_ARENA_ORDERED : 0u) | (chance(1, 6) ? VMEM_ARENA_STRICT : 0u);
}

/* The address space in quarters: one for the arena that imports nothing, one for each other. */
static void lay_out_regions(void)
{
    vmem_size_t quarter = power(ADDR_BITS - 2);
    vmem_addr_t place = below(3);

    for (unsigned i = 0; i < ntwins; i++) {
        vmem_addr_t first = (i + 1 == ntwins ? (place == 2 ? 3 : 0) : 1 + i) * quarter;

        regions[i] = (struct range){first, first + (quarter - 1)};
    }
    if (place == 1)
        regions[ntwins - 1].first += quarter / 2;
}

/* Up to three spans, touching or apart; in the last quarter the last of them ends the space. */
static void give_spans(struct twin *twin, struct range region)
{
    vmem_size_t quantum = twin->model.quantum;
    vmem_size_t quanta = range_size(region) / quantum;
    bool at_end = region.last == VMEM_ADDR_MAX;
    vmem_size_t used = 0;

    for (vmem_size_t count = 1 + below(3); count > 0; count--) {
        vmem_size_t gap = chance(1, 2) ? 0 : below(16);
        vmem_size_t size = some_quanta(quanta / 8);
        struct range span = {region.first + (used + gap) * quantum,
                             region.first + (used + gap + size) * quantum - 1};

        if (at_end)
            span = (struct range){region.last - (used + gap + size) * quantum + 1,
                                  region.last - (used + gap) * quantum};
        used += size + (used == 0 && at_end ? 0 : gap);
        if (used == size && at_end)
            span = (struct range){region.last - size * quantum + 1, region.last};
        twin_add(twin, span);
    }
}

/* Every address there is, in two spans. */
static void give_the_whole_space(struct twin *twin)
{
    vmem_addr_t half = power(ADDR_BITS - 1);

    twin_add(twin, (struct range){0, half - 1});
    twin_add(twin, (struct range){half, VMEM_ADDR_MAX});
}

static void create_arenas(void)
{
    static const char *const names[CHAIN] = {"leaf", "middle", "root"};
    unsigned refuse_in = page_hook.refuse_in;

    page_hook.refuse_in = 0;
    ntwins = chance(1, 2) ? 1 : 2 + (unsigned)below(2);
    lay_out_regions();
    for (unsigned i = ntwins; i-- > 0;) {
        twins[i].name = names[CHAIN - ntwins + i];
        twins[i].source = i + 1 == ntwins ? NULL : &twins[i + 1];
        twins[i].import = (enum import_kind)(chance(1, 2) ? 0 : below(IMPORT_KINDS));
        (void)twin_create(&twins[i], some_quantum(), some_flags(), NULL);
    }
    if (ntwins == 1 && chance(1, 20))
        give_the_whole_space(&twins[0]);
    else
        give_spans(&twins[ntwins - 1], regions[ntwins - 1]);
    page_hook.refuse_in = refuse_in;
}

/* Steps: each chooses what to do and leaves the rest to the twin. */

/* An address in or near a span of the arena or of one that it imports from. */
static vmem_addr_t some_address(const struct twin *twin)
{
    vmem_addr_t addr;
    const struct model_span *span;

    while (twin->source != NULL && chance(1, 2))
        twin = twin->source;
    if (twin->model.nspans == 0)
        return below(VMEM_ADDR_MAX);
    span = &twin->model.spans[below(twin->model.nspans)];
    addr = span->range.first + below(range_size(span->range));
    if (chance(1, 8))
        addr += below(range_size(span->range)); /* past its end, or round the end of all */
    return chance(1, 4) ? addr : addr & ~(twin->model.quantum - 1);
}

static vmem_size_t some_size(const struct twin *twin)
{
    const struct model *model = &twin->model;
    vmem_size_t quantum = model->quantum;
    vmem_addr_t addr = model->nspans == 0 ? 0 : some_address(twin);
    size_t span = model_span_at(model, addr);
    unsigned choice = (unsigned)below(32);
    vmem_size_t quanta;

    if (choice == 0)
        return VMEM_ADDR_MAX - below(2 * quantum);
    if (choice <= 2 && span != SIZE_MAX)
        return 1 + below(range_size(model->spans[span].range));
    if (choice <= 4 && span != SIZE_MAX && model_segment_at(model, addr) == SIZE_MAX)
        return range_size(model_hole_at(model, addr));
    quanta = chance(1, 3) ? 1 + below(40) : 1 + below(5);
    return quanta * quantum - (chance(1, 4) ? below(quantum) : 0);
}

static void some_window(const struct twin *twin, vmem_size_t size, struct vmem_constraints *c)
{
    vmem_size_t room = size < VMEM_ADDR_MAX / 4 ? size : 1;

    if (chance(1, 2))
        c->min = some_address(twin);
    if (chance(1, 4)) {
        c->limit = c->min + room; /* one address, or none */
    } else if (chance(1, 2)) {
        c->limit = c->min + room + below(64 * twin->model.quantum);
    } else if (chance(1, 2)) {
        c->limit = some_address(twin);
    }
    if (c->limit != 0 && c->limit <= c->min)
        c->limit = 0;
}

static struct vmem_constraints some_constraints(const struct twin *twin, vmem_size_t size)
{
    struct vmem_constraints c = {0};
    vmem_size_t quantum = twin->model.quantum;

    if (chance(1, 2)) {
        c.align = chance(1, 8) ? power((unsigned)below(ADDR_BITS)) : quantum << below(8);
        if (c.align > quantum && chance(1, 2))
            c.phase = below(c.align / quantum) * quantum;
    }
    if (chance(1, 3) && size <= VMEM_ADDR_MAX / 64) {
        c.nocross = quantum;
        while (c.nocross < size)
            c.nocross *= 2;
        c.nocross <<= below(5);
    }
    if (chance(1, 3))
        some_window(twin, size, &c);
    return c;
}

static void step_alloc(struct twin *twin)
{
    vmem_size_t size = some_size(twin);
    struct vmem_constraints c = some_constraints(twin, size);
    unsigned policy = (unsigned)below(POLICIES);
    vmem_addr_t addr;

    (void)twin_alloc(twin, size, chance(1, 2) ? NULL : &c, policy, &addr);
}

/* A segment that is allocated and not lent to an arena that imports from this one. */
static bool some_segment(const struct twin *twin, struct range *segment)
{
    const struct model *model = &twin->model;

    if (model->nsegments == 0)
        return false;
    *segment = model->segments[below(model->nsegments)];
    return twin == twins || model_span_is(&twin[-1].model, *segment) == SIZE_MAX ||
           !twin[-1].model.spans[model_span_is(&twin[-1].model, *segment)].imported;
}

/* A size that is rounded up to that of the segment. */
static vmem_size_t size_as_asked(const struct twin *twin, struct range segment)
{
    return range_size(segment) - (chance(1, 2) ? below(twin->model.quantum) : 0);
}

static void step_free(struct twin *twin)
{
    struct range segment;

    if (some_segment(twin, &segment))
        twin_free(twin, segment, size_as_asked(twin, segment));
}

static void step_resize(struct twin *twin)
{
    struct range segment;

    if (some_segment(twin, &segment))
        twin_resize(twin, segment, size_as_asked(twin, segment),
                    chance(1, 2) ? 1 + below(range_size(segment))
                                 : range_size(segment) + some_size(twin) % (64 * VMEM_PAGE_SIZE));
}

static void step_split(struct twin *twin)
{
    struct range segment;
    vmem_size_t quanta;

    if (!some_segment(twin, &segment))
        return;
    quanta = range_size(segment) / twin->model.quantum;
    if (quanta > 1)
        twin_split(twin, segment, (1 + below(quanta - 1)) * twin->model.quantum);
}

/* In the arena's own region, or touching a span that is there. */
static void step_add(struct twin *twin)
{
    const struct model *model = &twin->model;
    struct range region = regions[twin - twins];
    vmem_size_t quantum = model->quantum;
    vmem_size_t size = some_quanta(256) * quantum;
    vmem_addr_t first = region.first + below(range_size(region) / quantum) * quantum;

    if (model->nspans > 0 && chance(2, 3))
        first = model->spans[below(model->nspans)].range.last + 1 - (chance(1, 6) ? quantum : 0);
    if (model->nspans < SPANS_AT_MOST && first >= region.first && first <= region.last &&
        region.last - first >= size - 1)
        twin_add(twin, (struct range){first, first + (size - 1)});
}

static void step_remove(struct twin *twin)
{
    const struct model *model = &twin->model;
    struct range span;

    if (model->nspans == 0)
        return;
    span = model->spans[below(model->nspans)].range;
    if (range_size(span) > model->quantum && chance(1, 8))
        span.last -= model->quantum; /* no such span */
    if (model->nspans > 1 || chance(1, 8))
        twin_remove(twin, span);
}

static void step_look(struct twin *twin)
{
    vmem_addr_t addr = some_address(twin);
    vmem_size_t size = some_size(twin);
    vmem_size_t room = VMEM_ADDR_MAX - addr;

    twin_look(twin, (struct range){addr, addr + (size - 1 < room ? size - 1 : room)});
}

/* Misuse: the fault is named rightly, and nothing changes. */

/* Tells free, resize and split of a segment that is not there; all say the same. */
static void misuse_segment(struct twin *twin, vmem_addr_t addr, vmem_size_t size,
                           enum vmem_fault_kind kind)
{
    vmem_size_t quantum = twin->model.quantum;
    int error = -VMEM_EINVAL;

    switch (below(3)) {
    case 0:
        vmem_free(twin->arena, addr, size);
        break;
    case 1:
        error = vmem_resize(twin->arena, addr, size, quantum * (1 + below(4)), 0);
        break;
    default:
        if (size <= quantum) /* an offset that is right in itself */
            size = kind == VMEM_FAULT_WRONG_SIZE ? size : 2 * quantum;
        if (size > quantum)
            error = vmem_split(twin->arena, addr, size, quantum);
        else
            vmem_xfree(twin->arena, addr, size);
        break;
    }
    if (error != -VMEM_EINVAL)
        twin_disagree(twin, "misuse is not refused, but gives %d", error);
    if (fault_hook.last.arena != twin->arena || fault_hook.last.addr != addr ||
        fault_hook.last.size != size || strcmp(fault_hook.last.arena_name, twin->name) != 0)
        twin_disagree(twin, "a fault at 0x%" PRIx64 " is reported of something else",
                      (uint64_t)addr);
    twin_expect_fault(twin, kind, "misuse");
}

static void misuse_allocated(struct twin *twin)
{
    const struct model *model = &twin->model;
    vmem_size_t quantum = model->quantum;
    struct range segment;
    vmem_size_t size;

    if (model->nsegments == 0)
        return;
    segment = model->segments[below(model->nsegments)];
    size = range_size(segment);
    if (chance(1, 2))
        misuse_segment(twin, segment.first, size + quantum, VMEM_FAULT_WRONG_SIZE);
    else if (size > quantum && chance(1, 2))
        misuse_segment(twin, segment.first, size - quantum, VMEM_FAULT_WRONG_SIZE);
    else if (size > quantum)
        misuse_segment(twin, segment.first + quantum, size - quantum, VMEM_FAULT_MISALIGNED);
    else if (quantum > 1)
        misuse_segment(twin, segment.first + 1 + below(quantum - 1), size, VMEM_FAULT_MISALIGNED);
}

static void misuse_free(struct twin *twin)
{
    const struct model *model = &twin->model;
    vmem_addr_t addr = some_address(twin) & ~(model->quantum - 1);

    if (model_span_at(model, addr) == SIZE_MAX)
        misuse_segment(twin, addr, model->quantum, VMEM_FAULT_FOREIGN);
    else if (model_segment_at(model, addr) == SIZE_MAX)
        misuse_segment(twin, addr, model->quantum, VMEM_FAULT_DOUBLE_FREE);
}

static void misuse_alloc(struct twin *twin)
{
    vmem_size_t quantum = twin->model.quantum;
    struct vmem_constraints c = {0};
    vmem_size_t size = quantum;
    unsigned flags = 0;
    vmem_addr_t addr = 0;

    switch (below(7)) {
    case 0:
        size = 0;
        break;
    case 1:
        flags = 0x8000;
        break;
    case 2:
        c.align = 3 * quantum;
        break;
    case 3:
        c.align = 2 * quantum;
        c.phase = 2 * quantum;
        break;
    case 4:
        size = 3 * quantum;
        c.nocross = 2 * quantum;
        break;
    case 5:
        c.nocross = 3 * quantum;
        break;
    default:
        c.min = 8 * quantum;
        c.limit = 8 * quantum;
        break;
    }
    if (vmem_xalloc(twin->arena, size, &c, flags, &addr) != -VMEM_EINVAL)
        twin_disagree(twin, "bad parameters are not refused");
    twin_expect_fault(twin, VMEM_FAULT_PARAMETER, "bad parameters of vmem_xalloc");
}

static void misuse_span(struct twin *twin)
{
    vmem_size_t quantum = twin->model.quantum;
    vmem_addr_t addr = regions[twin - twins].first;
    vmem_size_t size = quantum;
    unsigned flags = 0;

    switch (below(4)) {
    case 0:
        size = 0;
        break;
    case 1:
        flags = 1;
        break;
    case 2:
        addr = 0 - quantum;
        size = 2 * quantum;
        break;
    default:
        size = quantum > 1 ? quantum + 1 : 0;
        break;
    }
    if (vmem_add(twin->arena, addr, size, flags) != -VMEM_EINVAL)
        twin_disagree(twin, "bad parameters are not refused");
    twin_expect_fault(twin, VMEM_FAULT_PARAMETER, "bad parameters of vmem_add");
}

static void misuse_resize(struct twin *twin)
{
    struct range segment;
    int error;

    if (!some_segment(twin, &segment))
        return;
    switch (below(4)) {
    case 0:
        error = vmem_resize(twin->arena, segment.first, range_size(segment), 0, 0);
        break;
    case 1:
        error = vmem_resize(twin->arena, segment.first, range_size(segment), 1, 0x8000);
        break;
    case 2:
        error = vmem_split(twin->arena, segment.first, range_size(segment), 0);
        break;
    default:
        error = vmem_split(twin->arena, segment.first, range_size(segment), range_size(segment));
        break;
    }
    if (error != -VMEM_EINVAL)
        twin_disagree(twin, "bad parameters are not refused");
    twin_expect_fault(twin, VMEM_FAULT_PARAMETER, "bad parameters of vmem_resize or vmem_split");
}

static void misuse_life(struct twin *twin)
{
    if (twin->model.nsegments > 0) {
        if (vmem_destroy(twin->arena) != -VMEM_EBUSY)
            twin_disagree(twin, "an arena in use is destroyed");
        twin_expect_fault(twin, VMEM_FAULT_BUSY, "vmem_destroy of an arena in use");
    }
}

static void step_misuse(struct twin *twin)
{
    static void (*const misuses[])(struct twin * twin) = {
        misuse_allocated, misuse_free, misuse_alloc, misuse_span, misuse_resize, misuse_life};

    misuses[below(sizeof(misuses) / sizeof(misuses[0]))](twin);
}

/*
 * Want of memory: a hog takes single units with holes between them until there is not a tag left
 * in the pool, so that each tag the others need hangs on the page hook.
 */

enum { HOGGED_AT_MOST = 8192 };

static vmem_t *hog; /* NULL: there is none */
static unsigned hogged;
static vmem_addr_t hogged_at[HOGGED_AT_MOST];

static void starve(void)
{
    struct vmem_params params = {.name = "hog", .size = 1 << 20, .quantum = 1};
    unsigned refuse_in = page_hook.refuse_in;
    struct vmem_constraints c;

    params.flags = chance(1, 2) ? VMEM_ARENA_ORDERED : 0;
    page_hook.refuse_in = 0;
    if (vmem_create(&params, &hog) != 0)
        exit(1);
    page_hook.refuse_in = 1;
    for (hogged = 0; hogged < HOGGED_AT_MOST; hogged++) {
        c = (struct vmem_constraints){.min = 2 * hogged, .limit = 2 * hogged + 1};
        if (vmem_xalloc(hog, 1, &c, 0, &hogged_at[hogged]) != 0)
            break;
    }
    page_hook.refuse_in = refuse_in;
}

/* Gives some up, from anywhere: pages of tags are then sparsely used. */
static void give_up(unsigned count)
{
    for (; count > 0 && hogged > 0; count--) {
        unsigned i = (unsigned)below(hogged);

        vmem_free(hog, hogged_at[i], 1);
        hogged_at[i] = hogged_at[--hogged];
    }
}

static void end_hog(void)
{
    give_up(hogged);
    if (vmem_destroy(hog) != 0)
        exit(1);
    hog = NULL;
}

static void step_reap(struct twin *twin)
{
    if (hog != NULL && chance(1, 2))
        give_up((unsigned)below(chance(1, 2) ? 64 : hogged + 1));
    if (chance(1, 2)) {
        twin_reap(twin);
        return;
    }
    twin_reap_all(twins, ntwins);
}

/* A sequence. */

static void one_step(bool filling)
{
    struct twin *twin = &twins[chance(2, 3) ? 0 : below(ntwins)];
    unsigned choice = (unsigned)below(100);

    if (choice < (filling ? 50u : 25u))
        step_alloc(twin);
    else if (choice < 75)
        step_free(twin);
    else if (choice < 82)
        step_resize(twin);
    else if (choice < 87)
        step_split(twin);
    else if (choice < 90)
        step_add(twin);
    else if (choice < 92)
        step_remove(twin);
    else if (choice < 94)
        step_reap(twin);
    else if (choice < 96)
        step_look(twin);
    else
        step_misuse(twin);
}

static void end_arenas(void)
{
    struct vmem_pool_stats pool;

    if (hog != NULL)
        end_hog();
    page_hook.refuse_in = 0;
    for (unsigned i = 0; i < ntwins; i++) {
        const struct model *model = &twins[i].model;

        while (model->nsegments > 0) {
            struct range segment = model->segments[below(model->nsegments)];

            twin_free(&twins[i], segment, range_size(segment));
        }
        twin_destroy(&twins[i]);
    }
    vmem_reap(NULL);
    vmem_pool_stat(&pool);
    if (vmem_check(NULL) != 0 || pool.lent_pages != 0 || page_hook.lent != 0)
        twin_disagree(&twins[0], "%zu pages are lost, the pool says %zu", page_hook.lent,
                      pool.lent_pages);
}

static void one_sequence(uint64_t of)
{
    bool filling = true;

    sequence_seed = of;
    twin_rng.state = of;
    page_hook.rng.state = ~of;
    page_hook.refuse_in = chance(1, 4) ? 1 + (unsigned)below(4) : 0;
    step = 0;
    create_arenas();
    if (page_hook.refuse_in > 0)
        starve();
    for (step = 1; step <= steps; step++) {
        if (chance(1, 1 + (unsigned)steps / 6))
            filling = !filling;
        one_step(filling);
    }
    end_arenas();
}

static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--trace") == 0) {
            twin_trace = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--sequences") == 0)
            sequences = strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--steps") == 0)
            steps = strtoul(value, NULL, 0);
        else
            value = "";
        if (*value == '\0') {
            fprintf(stderr, "usage: test_model [--seed N] [--sequences K] [--steps M] [--trace]\n");
            exit(2);
        }
        i++;
    }
    if (steps > MODEL_SEGMENTS)
        steps = MODEL_SEGMENTS;
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    printf("model: seed %" PRIu64 ", %lu sequences of %lu steps\n", seed, sequences, steps);
    fflush(stdout);
    twin_rng.state = seed;
    try_the_model();
    for (unsigned long i = 0; i < sequences; i++)
        one_sequence(seed + i);
    printf("model: passed; %" PRIu64 " pages refused, %lu allocations without memory\n",
           page_hook.refusals, twin_out_of_memory);
    return 0;
}
