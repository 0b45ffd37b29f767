/* SPDX-License-Identifier: MIT */
/*
 * model.c - the model of an arena; see model.h.
 *
 * Everything here is the plainest thing that can be right: sorted arrays, linear searches, holes
 * made afresh each time they are asked for. The one place that calculates is where in a hole a
 * constrained request may lie, and test_model.c tries that against every address one by one.
 */
#include "model.h"

/* Ranges. */

vmem_size_t range_size(struct range range)
{
    vmem_size_t less_one = range.last - range.first;

    return less_one == VMEM_ADDR_MAX ? VMEM_ADDR_MAX : less_one + 1;
}

bool range_within(struct range inner, struct range outer)
{
    return inner.first >= outer.first && inner.last <= outer.last;
}

bool range_overlaps(struct range a, struct range b)
{
    return a.first <= b.last && b.first <= a.last;
}

bool range_same(struct range a, struct range b)
{
    return a.first == b.first && a.last == b.last;
}

static bool range_contains(struct range range, vmem_addr_t addr)
{
    return addr >= range.first && addr <= range.last;
}

/* Requests. */

bool model_request(const struct model *model, vmem_size_t size, const struct vmem_constraints *c,
                   struct request *request)
{
    static const struct vmem_constraints none;
    vmem_size_t mask = model->quantum - 1;

    if (c == NULL)
        c = &none;
    *request = (struct request){
        .size = (size + mask) & ~mask,
        .align = c->align > model->quantum ? c->align : model->quantum,
        .phase = c->phase,
        .nocross = c->nocross,
        .min = c->min,
        .last = c->limit - 1, /* 0: the end of the address space */
        .constrained = c->align > model->quantum || c->nocross != 0 || c->min != 0 || c->limit != 0,
    };
    return size <= VMEM_ADDR_MAX - mask;
}

/* The multiple of nocross at or below addr starts a block; a legal segment lies in one block. */
static bool crosses(const struct request *r, vmem_addr_t addr)
{
    return r->nocross != 0 && addr / r->nocross != (addr + (r->size - 1)) / r->nocross;
}

bool request_allows(const struct request *r, vmem_addr_t addr)
{
    return addr >= r->min && addr <= r->last && r->last - addr >= r->size - 1 &&
           addr % r->align == r->phase && !crosses(r, addr);
}

/* The hole as far as the window reaches into it; false: not far enough. */
static bool clip(struct range *hole, const struct request *r, vmem_addr_t from)
{
    if (hole->first < r->min)
        hole->first = r->min;
    if (hole->first < from)
        hole->first = from;
    if (hole->last > r->last)
        hole->last = r->last;
    return hole->first <= hole->last && hole->last - hole->first >= r->size - 1;
}

/* The next address from `addr` on, or the last one up to it, that is `phase` past the alignment. */
static bool align_up(const struct request *r, vmem_addr_t *addr)
{
    vmem_size_t step = (r->phase - *addr) % r->align;

    *addr += step;
    return *addr >= step;
}

static bool align_down(const struct request *r, vmem_addr_t *addr)
{
    vmem_size_t step = (*addr - r->phase) % r->align;

    if (step > *addr)
        return false;
    *addr -= step;
    return true;
}

static bool has_room(struct range hole, const struct request *r, vmem_addr_t addr)
{
    return addr >= hole.first && addr <= hole.last && hole.last - addr >= r->size - 1;
}

/*
 * All blocks of nocross look alike to a request: if the first aligned address of a block crosses
 * its end, so does every other. So the first address that comes into question is tried, then the
 * first of the next block, and then there is none.
 */
bool hole_lowest(struct range hole, const struct request *r, vmem_addr_t from, vmem_addr_t *addr)
{
    vmem_addr_t a;

    if (!clip(&hole, r, from))
        return false;
    a = hole.first;
    if (!align_up(r, &a) || !has_room(hole, r, a))
        return false;
    if (crosses(r, a)) {
        a = (a / r->nocross + 1) * r->nocross;
        if (!align_up(r, &a) || !has_room(hole, r, a) || crosses(r, a))
            return false;
    }
    *addr = a;
    return true;
}

bool hole_highest(struct range hole, const struct request *r, vmem_addr_t *addr)
{
    vmem_addr_t a;

    if (!clip(&hole, r, 0))
        return false;
    a = hole.last - (r->size - 1);
    if (!align_down(r, &a) || !has_room(hole, r, a))
        return false;
    if (crosses(r, a)) {
        a = (a / r->nocross + 1) * r->nocross - r->size;
        if (!align_down(r, &a) || !has_room(hole, r, a) || crosses(r, a))
            return false;
    }
    *addr = a;
    return true;
}

/* Holes. */

size_t model_holes(const struct model *model, struct range holes[MODEL_SEGMENTS + MODEL_SPANS])
{
    size_t count = 0;
    size_t segment = 0;

    for (size_t span = 0; span < model->nspans; span++) {
        struct range rest = model->spans[span].range;
        bool open = true;

        for (; segment < model->nsegments &&
               range_within(model->segments[segment], model->spans[span].range);
             segment++) {
            struct range taken = model->segments[segment];

            if (taken.first > rest.first)
                holes[count++] = (struct range){rest.first, taken.first - 1};
            open = taken.last < rest.last;
            rest.first = taken.last + 1;
        }
        if (open)
            holes[count++] = rest;
    }
    return count;
}

static struct range scratch[MODEL_SEGMENTS + MODEL_SPANS];

bool model_fits(const struct model *model, const struct request *r)
{
    size_t count = model_holes(model, scratch);
    vmem_addr_t addr;

    for (size_t i = 0; i < count; i++)
        if (hole_lowest(scratch[i], r, 0, &addr))
            return true;
    return false;
}

/* What is left of a hole in whole multiples of a larger quantum. */
static bool trim(struct range *hole, vmem_size_t quantum)
{
    vmem_size_t head = (0 - hole->first) & (quantum - 1);
    vmem_size_t tail = (hole->last + 1) & (quantum - 1);

    if (head > hole->last - hole->first || hole->last - hole->first - head < tail)
        return false;
    hole->first += head;
    hole->last -= tail;
    return true;
}

/*
 * An imported span is made of whole quanta of both arenas, and lies in one hole of the source; so
 * a source can help exactly if the whole quanta in one of its holes hold a legal answer. A source
 * that has no such hole may import one, for which the same is true.
 */
bool model_can_import(const struct model *model, const struct request *r)
{
    vmem_size_t quantum = model->quantum;

    for (model = model->source; model != NULL; model = model->source) {
        size_t count = model_holes(model, scratch);
        vmem_addr_t addr;

        if (quantum < model->quantum)
            quantum = model->quantum;
        for (size_t i = 0; i < count; i++)
            if (trim(&scratch[i], quantum) && hole_lowest(scratch[i], r, 0, &addr))
                return true;
    }
    return false;
}

/*
 * Sizes in one freelist differ by less than an eighth of the smallest. Best fit looks at a few
 * segments of a list, and a strict arena at none.
 */
enum { BEST_LOOK = 4 };

static bool within_an_eighth(const struct model *model, vmem_size_t size, vmem_size_t least)
{
    return size - least <= (least / model->quantum - 1) / 8 * model->quantum;
}

bool model_strict_may_refuse(const struct model *model, const struct request *r, unsigned policy)
{
    size_t count = model_holes(model, scratch);
    bool few = r->size / model->quantum <= 8; /* which have a list for each size */

    if ((model->flags & VMEM_ARENA_STRICT) == 0 || (model->flags & VMEM_ARENA_ORDERED) != 0 ||
        r->constrained || (policy != VMEM_INSTANTFIT && policy != VMEM_BESTFIT))
        return false;
    for (size_t i = 0; i < count; i++) {
        vmem_size_t size = range_size(scratch[i]);

        if (size >= r->size && (few || !within_an_eighth(model, size, r->size)))
            return false;
    }
    return true;
}

/* The answers that policies pin. `scratch` holds the holes; at least one of them fits. */

static vmem_addr_t lowest_from(size_t count, const struct request *r, vmem_addr_t from)
{
    vmem_addr_t addr = 0;

    for (size_t i = 0; i < count; i++)
        if (hole_lowest(scratch[i], r, from, &addr))
            return addr;
    return from == 0 ? addr : lowest_from(count, r, 0);
}

static vmem_addr_t highest(size_t count, const struct request *r)
{
    vmem_addr_t addr = 0;

    while (count-- > 0)
        if (hole_highest(scratch[count], r, &addr))
            break;
    return addr;
}

/* Whether so many other holes are about as large as this that best fit may not have looked at it.
 */
static bool in_a_crowd(const struct model *model, size_t count, vmem_size_t size)
{
    unsigned others = 0;

    for (size_t i = 0; i < count; i++) {
        vmem_size_t other = range_size(scratch[i]);

        others += other < size ? within_an_eighth(model, size, other)
                               : within_an_eighth(model, other, size);
    }
    return others > BEST_LOOK;
}

/* Whether best fit may take a hole of this size. */
static bool is_best(const struct model *model, size_t count, const struct request *r,
                    vmem_size_t size)
{
    bool ordered = (model->flags & VMEM_ARENA_ORDERED) != 0;
    vmem_addr_t addr;

    for (size_t i = 0; i < count; i++) {
        vmem_size_t other = range_size(scratch[i]);

        if (other >= size || !hole_lowest(scratch[i], r, 0, &addr))
            continue;
        if (ordered || (!within_an_eighth(model, size, other) && !in_a_crowd(model, count, other)))
            return false;
    }
    return true;
}

const char *model_judge(const struct model *model, const struct request *r, unsigned policy,
                        vmem_addr_t addr)
{
    size_t count = model_holes(model, scratch);
    struct range answer = {addr, addr + (r->size - 1)};
    bool ordered = (model->flags & VMEM_ARENA_ORDERED) != 0;
    size_t hole = 0;

    if (answer.last < answer.first || !request_allows(r, addr))
        return "the answer does not satisfy the constraints";
    while (hole < count && !range_within(answer, scratch[hole]))
        hole++;
    if (hole == count)
        return "the answer is not free";
    switch (policy) {
    case VMEM_BESTFIT:
        if (is_best(model, count, r, range_size(scratch[hole])))
            return NULL;
        return "best fit took a hole although a smaller one fits";
    case VMEM_NEXTFIT:
        if (!model->next_known || addr == lowest_from(count, r, model->next))
            return NULL;
        return "next fit did not take the next address";
    case VMEM_LASTFIT:
        return addr == highest(count, r) ? NULL : "last fit did not take the highest address";
    case VMEM_INSTANTFIT:
        if (!ordered || addr == lowest_from(count, r, 0))
            return NULL;
        return "instant fit on an ordered arena did not take the lowest address";
    default:
        return addr == lowest_from(count, r, 0) ? NULL
                                                : "first fit did not take the lowest address";
    }
}

/* Changes. */

void model_init(struct model *model, vmem_size_t quantum, unsigned flags,
                const struct model *source)
{
    model->quantum = quantum;
    model->flags = flags;
    model->source = source;
    model->next = 0;
    model->next_known = true;
    model->nspans = 0;
    model->nsegments = 0;
    model->allocs = model->frees = model->fails = 0;
    model->imports = model->releases = 0;
}

void model_take(struct model *model, struct range segment)
{
    size_t at = model->nsegments++;

    for (; at > 0 && model->segments[at - 1].first > segment.first; at--)
        model->segments[at] = model->segments[at - 1];
    model->segments[at] = segment;
}

void model_drop(struct model *model, size_t segment)
{
    model->nsegments--;
    for (; segment < model->nsegments; segment++)
        model->segments[segment] = model->segments[segment + 1];
}

void model_add_span(struct model *model, struct range range, bool imported)
{
    size_t at = model->nspans++;

    for (; at > 0 && model->spans[at - 1].range.first > range.first; at--)
        model->spans[at] = model->spans[at - 1];
    model->spans[at] = (struct model_span){range, imported};
}

void model_remove_span(struct model *model, size_t span)
{
    model->nspans--;
    for (; span < model->nspans; span++)
        model->spans[span] = model->spans[span + 1];
}

/* Looking up. */

size_t model_span_at(const struct model *model, vmem_addr_t addr)
{
    for (size_t i = 0; i < model->nspans; i++)
        if (range_contains(model->spans[i].range, addr))
            return i;
    return SIZE_MAX;
}

size_t model_segment_at(const struct model *model, vmem_addr_t addr)
{
    for (size_t i = 0; i < model->nsegments; i++)
        if (range_contains(model->segments[i], addr))
            return i;
    return SIZE_MAX;
}

size_t model_span_is(const struct model *model, struct range range)
{
    size_t span = model_span_at(model, range.first);

    return span != SIZE_MAX && range_same(model->spans[span].range, range) ? span : SIZE_MAX;
}

size_t model_segment_is(const struct model *model, struct range range)
{
    size_t segment = model_segment_at(model, range.first);

    return segment != SIZE_MAX && range_same(model->segments[segment], range) ? segment : SIZE_MAX;
}

bool model_span_is_empty(const struct model *model, size_t span)
{
    for (size_t i = 0; i < model->nsegments; i++)
        if (range_within(model->segments[i], model->spans[span].range))
            return false;
    return true;
}

struct range model_hole_at(const struct model *model, vmem_addr_t addr)
{
    size_t count = model_holes(model, scratch);
    size_t hole = 0;

    while (hole < count - 1 && !range_contains(scratch[hole], addr))
        hole++;
    return scratch[hole];
}

/* Statistics. */

struct vmem_stats model_stats(const struct model *model)
{
    struct vmem_stats stats = {
        .segments = model->nsegments,
        .spans = model->nspans,
        .allocs = model->allocs,
        .frees = model->frees,
        .fails = model->fails,
        .imports = model->imports,
        .releases = model->releases,
    };
    size_t count = model_holes(model, scratch);

    for (size_t i = 0; i < model->nspans; i++) {
        stats.total += model->spans[i].range.last - model->spans[i].range.first + 1;
        if (model->spans[i].imported)
            stats.imported += range_size(model->spans[i].range);
    }
    for (size_t i = 0; i < model->nsegments; i++)
        stats.in_use += range_size(model->segments[i]);
    stats.free = stats.total - stats.in_use;
    /* A sum that is the whole address space wraps to 0. */
    if (stats.total == 0 && model->nspans > 0)
        stats.total = VMEM_ADDR_MAX;
    if (stats.in_use == 0 && model->nsegments > 0)
        stats.in_use = VMEM_ADDR_MAX;
    if (stats.free == 0 && count > 0)
        stats.free = VMEM_ADDR_MAX;
    for (size_t i = 0; i < count; i++)
        if (range_size(scratch[i]) > stats.largest_free)
            stats.largest_free = range_size(scratch[i]);
    return stats;
}
