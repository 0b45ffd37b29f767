/* SPDX-License-Identifier: MIT */
/*
 * twin.c - an arena and its model, led through the same operations; see twin.h.
 *
 * In a chain, an operation on one arena may change those that it imports from. The hooks here go
 * through twin_alloc() and twin_free() of the source, so there every step of an import is seen and
 * judged. Without hooks the steps are made good afterwards (settle): spans that are gone were
 * given back, children first; spans that are new were taken from a hole of the source, sources
 * first.
 */
#include "twin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vmem/debug.h>

#include "checked_port.h"

bool twin_trace;
struct rng twin_rng;
unsigned long twin_out_of_memory;

#define HEX PRIx64
#define WIDE(x) ((uint64_t)(x))

enum {
    ERROR_OF_HOOK = -77,
    TRIES_AT_MOST = 64 /* by which one request may ask the sources of a chain in vain */
};

static void trace(const char *format, ...)
{
    va_list arguments;

    if (!twin_trace)
        return;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

static void demand(const struct twin *twin, bool holds, const char *what)
{
    if (!holds)
        twin_disagree(twin, "%s", what);
}

/* What is to be seen of an arena. */

static void compare_walk(const struct twin *twin)
{
    const struct model *model = &twin->model;
    struct vmem_cursor cursor = {0};
    struct vmem_segment seen;
    size_t taken = 0;

    for (size_t span = 0; span < model->nspans; span++) {
        struct range rest = model->spans[span].range;
        bool more = true;

        demand(twin,
               vmem_walk_next(twin->arena, &cursor, &seen) && seen.kind == VMEM_SEGMENT_SPAN &&
                   seen.addr == rest.first && seen.size == range_size(rest) &&
                   seen.imported == model->spans[span].imported,
               "the walk shows another span");
        while (more) {
            bool allocated = taken < model->nsegments && model->segments[taken].first == rest.first;
            struct range here = rest;

            if (allocated)
                here = model->segments[taken++];
            else if (taken < model->nsegments && model->segments[taken].first <= rest.last)
                here.last = model->segments[taken].first - 1;
            if (!vmem_walk_next(twin->arena, &cursor, &seen))
                twin_disagree(twin, "the walk ends before 0x%" HEX, WIDE(here.first));
            if (seen.kind != (allocated ? VMEM_SEGMENT_ALLOCATED : VMEM_SEGMENT_FREE) ||
                seen.addr != here.first || seen.size != range_size(here))
                twin_disagree(twin,
                              "the walk shows 0x%" HEX " + 0x%" HEX " (kind %d), the model %s at "
                              "0x%" HEX " + 0x%" HEX,
                              WIDE(seen.addr), WIDE(seen.size), (int)seen.kind,
                              allocated ? "a segment" : "a hole", WIDE(here.first),
                              WIDE(range_size(here)));
            more = here.last != rest.last;
            rest.first = here.last + 1;
        }
    }
    demand(twin, !vmem_walk_next(twin->arena, &cursor, &seen), "the walk goes on past the end");
}

static void compare_number(const struct twin *twin, const char *name, uint64_t real, uint64_t model)
{
    if (real != model)
        twin_disagree(twin, "%s is 0x%" HEX ", the model says 0x%" HEX, name, real, model);
}

static void compare_stats(const struct twin *twin)
{
    struct vmem_stats real, model = model_stats(&twin->model);

    memset(&real, 0x5a, sizeof(real));
    vmem_stat(twin->arena, &real);
    compare_number(twin, "in_use", real.in_use, model.in_use);
    compare_number(twin, "free", real.free, model.free);
    compare_number(twin, "total", real.total, model.total);
    compare_number(twin, "imported", real.imported, model.imported);
    compare_number(twin, "largest_free", real.largest_free, model.largest_free);
    compare_number(twin, "segments", real.segments, model.segments);
    compare_number(twin, "spans", real.spans, model.spans);
    compare_number(twin, "allocs", real.allocs, model.allocs);
    compare_number(twin, "frees", real.frees, model.frees);
    compare_number(twin, "fails", real.fails, model.fails);
    compare_number(twin, "imports", real.imports, model.imports);
    compare_number(twin, "releases", real.releases, model.releases);
    compare_number(twin, "waits", real.waits, 0);
}

/* The imported spans that nothing is allocated in: how many. */
static size_t empty_imports(const struct model *model)
{
    size_t count = 0;

    for (size_t i = 0; i < model->nspans; i++)
        if (model->spans[i].imported && model_span_is_empty(model, i))
            count++;
    return count;
}

/* Within a hook, those that import from the twin are in the middle of something. */
static unsigned nesting;

void twin_compare(struct twin *twin)
{
    while (nesting == 0 && twin->child != NULL)
        twin = twin->child;
    for (; twin != NULL; twin = twin->source) {
        compare_walk(twin);
        compare_stats(twin);
        demand(twin, empty_imports(&twin->model) <= 1, "more than one empty imported span is kept");
        if (vmem_check(twin->arena) != 0)
            twin_disagree(twin, "vmem_check: %s", fault_hook.last.what);
        demand(twin, page_hook.complaint == NULL, "the page hook was misused");
    }
}

void twin_expect_fault(struct twin *twin, enum vmem_fault_kind kind, const char *what)
{
    if (fault_hook.count != (kind == VMEM_FAULT_NONE ? 0 : 1) || fault_hook.last.kind != kind)
        twin_disagree(twin, "%s: %u faults, the last %s; expected %s", what, fault_hook.count,
                      fault_name(fault_hook.last.kind), fault_name(kind));
    fault_forget();
    twin_compare(twin);
}

/* Imports and releases: read off the arena, made good in the model. */

static size_t imported_spans(const struct twin *twin, struct range spans[MODEL_SPANS])
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment seen;
    size_t count = 0;

    while (vmem_walk_next(twin->arena, &cursor, &seen)) {
        if (seen.kind != VMEM_SEGMENT_SPAN || !seen.imported)
            continue;
        demand(twin, count < MODEL_SPANS, "there is no end to the imported spans");
        spans[count++] = (struct range){seen.addr, seen.addr + (seen.size - 1)};
    }
    return count;
}

static bool is_plain(const struct twin *twin)
{
    return twin->source != NULL && twin->import == IMPORT_PLAIN;
}

static void settle_release(struct twin *twin, size_t span)
{
    struct range range = twin->model.spans[span].range;
    size_t segment;

    demand(twin, model_span_is_empty(&twin->model, span), "a span in use was given back");
    model_remove_span(&twin->model, span);
    twin->model.releases++;
    trace("    %s releases 0x%" HEX " + 0x%" HEX "\n", twin->name, WIDE(range.first),
          WIDE(range_size(range)));
    segment = model_segment_is(&twin->source->model, range);
    if (!is_plain(twin)) {
        demand(twin, segment == SIZE_MAX, "the release hook was not called");
        return;
    }
    demand(twin->source, segment != SIZE_MAX, "a span went back that was never lent");
    model_drop(&twin->source->model, segment);
    twin->source->model.frees++;
}

static void settle_releases(struct twin *twin)
{
    static struct range real[MODEL_SPANS];
    size_t count = imported_spans(twin, real);

    for (size_t span = twin->model.nspans; span-- > 0;) {
        size_t i = 0;

        while (i < count && !range_same(real[i], twin->model.spans[span].range))
            i++;
        if (i == count && twin->model.spans[span].imported)
            settle_release(twin, span);
    }
    if (is_plain(twin))
        settle_releases(twin->source);
}

static void settle_import(struct twin *twin, struct range span)
{
    struct model *source = &twin->source->model;

    trace("    %s imports 0x%" HEX " + 0x%" HEX "\n", twin->name, WIDE(span.first),
          WIDE(range_size(span)));
    demand(twin, ((span.first | (span.last + 1)) & (twin->model.quantum - 1)) == 0,
           "a span was imported that is not in quanta");
    for (size_t i = 0; i < twin->model.nspans; i++)
        demand(twin, !range_overlaps(span, twin->model.spans[i].range), "imported spans overlap");
    if (is_plain(twin)) {
        size_t at = model_span_at(source, span.first);

        demand(twin->source,
               at != SIZE_MAX && range_within(span, source->spans[at].range) &&
                   ((span.first | (span.last + 1)) & (source->quantum - 1)) == 0,
               "a span was imported that is not the source's to give");
        for (size_t i = 0; i < source->nsegments; i++)
            demand(twin->source, !range_overlaps(span, source->segments[i]),
                   "a span was imported that was not free");
        model_take(source, span);
        source->allocs++;
        source->next = span.last + 1;
    } else {
        demand(twin, model_segment_is(source, span) != SIZE_MAX, "the import hook did not give it");
    }
    model_add_span(&twin->model, span, true);
    twin->model.imports++;
}

/* Spans that came and went again within the operation leave their trace only in the counters. */
static void settle_round_trips(struct twin *twin)
{
    struct vmem_stats real;
    uint64_t trips;

    vmem_stat(twin->arena, &real);
    trips = real.imports - twin->model.imports;
    demand(twin, trips <= TRIES_AT_MOST && trips == real.releases - twin->model.releases,
           "imports and releases do not add up");
    demand(twin, trips == 0 || twin->missed, "a span was imported without need");
    twin->model.imports += trips;
    twin->model.releases += trips;
    if (!is_plain(twin))
        return;
    twin->source->model.allocs += trips;
    twin->source->model.frees += trips;
    if (trips > 0)
        twin->source->model.next_known = false;
    vmem_stat(twin->source->arena, &real);
    if (twin->missed && real.fails - twin->source->model.fails <= TRIES_AT_MOST)
        twin->source->model.fails = real.fails;
}

static void settle_imports(struct twin *twin)
{
    static struct range real[MODEL_SPANS];
    size_t count;

    if (is_plain(twin))
        settle_imports(twin->source);
    count = imported_spans(twin, real);
    for (size_t i = 0; i < count; i++) {
        if (model_span_is(&twin->model, real[i]) == SIZE_MAX) {
            demand(twin, twin->missed, "a span was imported without need");
            settle_import(twin, real[i]);
        }
    }
}

/* Under pressure, those that import from the twin have given up the empty spans that they kept. */
static void settle_children(struct twin *twin)
{
    if (twin->child == NULL)
        return;
    settle_children(twin->child);
    settle_releases(twin->child);
}

/* `missed`: the operation found nothing here, so that the chain of sources may be asked. */
static void settle(struct twin *twin, bool missed)
{
    struct twin *t;

    for (t = twin; t != NULL; t = is_plain(t) ? t->source : NULL)
        t->missed = missed;
    settle_releases(twin);
    settle_imports(twin);
    for (t = twin; t != NULL; t = is_plain(t) ? t->source : NULL)
        settle_round_trips(t);
}

/* The hooks. */

static int import_hook(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                       unsigned flags, vmem_addr_t *addrp)
{
    struct twin *twin = ctx;
    struct vmem_constraints only_quantum = {.align = twin->model.quantum};

    checked_port_no_lock("import");
    demand(twin, flags == twin->flags, "the import hook gets other flags");
    demand(twin, c != NULL && c->align >= twin->model.quantum, "the import hook gets no alignment");
    demand(twin,
           size > 0 && (size & (twin->model.quantum - 1)) == 0 &&
               (size & (twin->source->model.quantum - 1)) == 0,
           "the import hook gets a size that is not in quanta");
    if (twin->import == IMPORT_STINGY && rng_chance(&twin_rng, 1, 3))
        return twin->hook_error = rng_chance(&twin_rng, 1, 2) ? ERROR_OF_HOOK : -VMEM_ENOSPC;
    if (twin->import == IMPORT_CARELESS)
        c = &only_quantum;
    nesting++;
    twin->hook_error = twin_alloc(twin->source, size, c, flags, addrp);
    nesting--;
    return twin->hook_error;
}

static void release_hook(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    struct twin *twin = ctx;

    checked_port_no_lock("release");
    nesting++;
    settle(twin->source,
           twin->source->pressed); /* which may be in the middle of something itself */
    twin_free(twin->source, (struct range){addr, addr + (size - 1)}, size);
    nesting--;
}

/* Life and death. */

int twin_create(struct twin *twin, vmem_size_t quantum, unsigned flags, const struct range *span)
{
    struct vmem_params params = {
        .name = twin->name,
        .base = span == NULL ? 0 : span->first,
        .size = span == NULL ? 0 : range_size(*span),
        .quantum = quantum,
        .source = twin->source == NULL ? NULL : twin->source->arena,
        .flags = flags,
    };
    uint64_t refusals = page_hook.refusals;
    int error;

    if (twin->source != NULL && twin->import != IMPORT_PLAIN) {
        params.import = import_hook;
        params.release = release_hook;
        params.ctx = twin;
    }
    error = vmem_create(&params, &twin->arena);
    trace("create %s: base 0x%" HEX " size 0x%" HEX " quantum 0x%" HEX " flags %u source %s "
          "import %d -> %d\n",
          twin->name, WIDE(params.base), WIDE(params.size), WIDE(quantum), flags,
          twin->source == NULL ? "-" : twin->source->name, (int)twin->import, error);
    if (error == -VMEM_ENOMEM && page_hook.refusals > refusals)
        return error;
    demand(twin, error == 0, "vmem_create failed");
    model_init(&twin->model, quantum, flags, twin->source == NULL ? NULL : &twin->source->model);
    twin->child = NULL;
    if (twin->source != NULL)
        twin->source->child = twin;
    if (span != NULL)
        model_add_span(&twin->model, *span, false);
    twin_compare(twin);
    return 0;
}

void twin_destroy(struct twin *twin)
{
    trace("destroy %s\n", twin->name);
    vmem_reap(twin->arena);
    settle(twin, false);
    demand(twin, vmem_destroy(twin->arena) == 0, "vmem_destroy failed");
    demand(twin, fault_hook.count == 0, "vmem_destroy reported a fault");
    if (twin->source != NULL) {
        twin->source->child = NULL;
        twin_compare(twin->source);
    }
}

/* Allocation. */

/* Whether an arena in the chain of sources may say no without being full. */
static bool source_is_fickle(const struct twin *twin)
{
    for (; twin->source != NULL; twin = twin->source)
        if (twin->import == IMPORT_STINGY || twin->import == IMPORT_CARELESS ||
            (twin->source->model.flags & VMEM_ARENA_STRICT) != 0)
            return true;
    return false;
}

/* What the first hook of the chain said last. */
static int hook_error(const struct twin *twin)
{
    while (is_plain(twin))
        twin = twin->source;
    return twin->hook_error;
}

/* What the arena said to a request, and why it may have. */
struct refusal {
    int error;
    bool valid;    /* the size can be rounded up */
    bool fits;     /* there was a hole in the arena */
    bool no_pages; /* a page was refused in the meantime */
};

/* NULL, or what is wrong with having refused this. */
static const char *judge_refusal(const struct twin *twin, const struct request *r, unsigned policy,
                                 const struct refusal *refusal)
{
    switch (refusal->error) {
    case -VMEM_ENOMEM:
        return refusal->no_pages ? NULL : "no memory, although no page was refused";
    case ERROR_OF_HOOK:
        return hook_error(twin) == ERROR_OF_HOOK ? NULL : "an error that no hook returned";
    case -VMEM_ENOSPC:
        break;
    default:
        return "not an error that this can return";
    }
    if (refusal->fits && !model_strict_may_refuse(&twin->model, r, policy))
        return "refused, although a hole fits";
    if (!refusal->valid || refusal->no_pages)
        return NULL;
    if (twin->source == NULL && r->size > model_stats(&twin->model).total)
        return NULL; /* whoever gave up what, it would not do */
    if (!refusal->fits && !source_is_fickle(twin) && model_can_import(&twin->model, r))
        return "refused, although the source has room";
    if (!refusal->fits && model_fits(&twin->model, r) &&
        !model_strict_may_refuse(&twin->model, r, policy))
        return "refused, although a child gave up what would fit";
    for (const struct twin *child = twin->child; child != NULL; child = child->child)
        if (empty_imports(&child->model) > 0)
            return "refused, although a child keeps an empty span";
    return NULL;
}

static void trace_alloc(const struct twin *twin, vmem_size_t size, const struct vmem_constraints *c,
                        unsigned flags)
{
    trace("alloc %s: size 0x%" HEX " policy %u", twin->name, WIDE(size), flags);
    if (c != NULL)
        trace(" align 0x%" HEX " phase 0x%" HEX " nocross 0x%" HEX " min 0x%" HEX " limit 0x%" HEX,
              WIDE(c->align), WIDE(c->phase), WIDE(c->nocross), WIDE(c->min), WIDE(c->limit));
    trace("\n");
}

int twin_alloc(struct twin *twin, vmem_size_t size, const struct vmem_constraints *c,
               unsigned flags, vmem_addr_t *addr)
{
    struct request request;
    struct refusal refusal = {.valid = model_request(&twin->model, size, c, &request)};
    bool fits = refusal.valid && model_fits(&twin->model, &request);
    bool missed = !fits || model_strict_may_refuse(&twin->model, &request, flags);
    bool pressed = missed || page_hook.refuse_in > 0;
    uint64_t refusals = page_hook.refusals;
    const char *wrong = NULL;
    int error;

    trace_alloc(twin, size, c, flags);
    for (struct twin *t = twin; t != NULL; t = is_plain(t) ? t->source : NULL) {
        t->flags = flags;
        t->hook_error = 0;
        t->pressed = pressed;
    }
    error = c == NULL ? vmem_alloc(twin->arena, size, flags, addr)
                      : vmem_xalloc(twin->arena, size, c, flags, addr);
    trace("    %s -> %d 0x%" HEX "\n", twin->name, error, error == 0 ? WIDE(*addr) : 0);
    if (pressed)
        settle_children(twin);
    settle(twin, missed);
    if (error == 0) {
        struct range segment = {*addr, *addr + (request.size - 1)};

        wrong = model_judge(&twin->model, &request, flags, *addr);
        if (wrong == NULL) {
            model_take(&twin->model, segment);
            twin->model.allocs++;
            twin->model.next = segment.last + 1;
            twin->model.next_known = true;
        }
    } else {
        twin->model.fails++;
        twin_out_of_memory += error == -VMEM_ENOMEM;
        refusal.error = error;
        refusal.fits = fits;
        refusal.no_pages = page_hook.refusals > refusals;
        wrong = judge_refusal(twin, &request, flags, &refusal);
    }
    if (wrong != NULL)
        twin_disagree(twin, "%s", wrong);
    twin_expect_fault(twin, VMEM_FAULT_NONE, "allocation");
    return error;
}

/* The rest. */

void twin_free(struct twin *twin, struct range segment, vmem_size_t size)
{
    struct model *model = &twin->model;
    uint64_t releases = model->releases;
    size_t empty;

    trace("free %s: 0x%" HEX " 0x%" HEX "\n", twin->name, WIDE(segment.first), WIDE(size));
    if (rng_chance(&twin_rng, 1, 2))
        vmem_free(twin->arena, segment.first, size);
    else
        vmem_xfree(twin->arena, segment.first, size);
    model_drop(model, model_segment_is(model, segment));
    model->frees++;
    empty = empty_imports(model);
    settle(twin, false);
    demand(twin, model->releases - releases == (empty > 1 ? empty - 1 : 0),
           "one empty span is to be kept, and no more");
    demand(twin, model_span_at(model, segment.first) != SIZE_MAX,
           "the span that became empty last is the one to be kept");
    twin_expect_fault(twin, VMEM_FAULT_NONE, "free");
}

void twin_resize(struct twin *twin, struct range segment, vmem_size_t old_size,
                 vmem_size_t new_size)
{
    struct model *model = &twin->model;
    vmem_size_t mask = model->quantum - 1;
    bool valid = new_size <= VMEM_ADDR_MAX - mask;
    vmem_size_t grown = (new_size + mask) & ~mask;
    struct range span = model->spans[model_span_at(model, segment.first)].range;
    struct range wanted = {segment.first, segment.first + (grown - 1)};
    uint64_t refusals = page_hook.refusals;
    size_t at = model_segment_is(model, segment);
    bool fits = valid && grown - 1 <= span.last - segment.first;
    int error;

    if (fits && at + 1 < model->nsegments && model->segments[at + 1].first <= wanted.last)
        fits = false;
    error = vmem_resize(twin->arena, segment.first, old_size, new_size, 0);
    trace("resize %s: 0x%" HEX " from 0x%" HEX " to 0x%" HEX " -> %d\n", twin->name,
          WIDE(segment.first), WIDE(old_size), WIDE(new_size), error);
    if (error == -VMEM_ENOMEM)
        demand(twin, page_hook.refusals > refusals && grown < range_size(segment),
               "resize had no need of memory, or was not refused it");
    else
        demand(twin, error == (fits ? 0 : -VMEM_ENOSPC),
               fits ? "resize failed, although there is room" : "resize into what is not free");
    if (error == 0)
        model->segments[at] = wanted;
    twin_expect_fault(twin, VMEM_FAULT_NONE, "resize");
}

void twin_split(struct twin *twin, struct range segment, vmem_size_t offset)
{
    struct model *model = &twin->model;
    uint64_t refusals = page_hook.refusals;
    int error = vmem_split(twin->arena, segment.first, range_size(segment), offset);

    trace("split %s: 0x%" HEX " 0x%" HEX " at 0x%" HEX " -> %d\n", twin->name, WIDE(segment.first),
          WIDE(range_size(segment)), WIDE(offset), error);
    if (error == -VMEM_ENOMEM && page_hook.refusals > refusals) {
        twin_expect_fault(twin, VMEM_FAULT_NONE, "split without memory");
        return;
    }
    demand(twin, error == 0, "split failed");
    model->segments[model_segment_is(model, segment)].last = segment.first + (offset - 1);
    model_take(model, (struct range){segment.first + offset, segment.last});
    twin_expect_fault(twin, VMEM_FAULT_NONE, "split");
}

void twin_add(struct twin *twin, struct range span)
{
    struct model *model = &twin->model;
    uint64_t refusals = page_hook.refusals;
    bool overlaps = false;
    int error = vmem_add(twin->arena, span.first, range_size(span), 0);

    trace("add %s: 0x%" HEX " 0x%" HEX " -> %d\n", twin->name, WIDE(span.first),
          WIDE(range_size(span)), error);
    for (size_t i = 0; i < model->nspans; i++)
        if (range_overlaps(span, model->spans[i].range))
            overlaps = true;
    if (error == -VMEM_ENOMEM && page_hook.refusals > refusals) {
        twin_compare(twin);
        return;
    }
    demand(twin, error == (overlaps ? -VMEM_EEXIST : 0), "the wrong answer of vmem_add");
    if (error == 0)
        model_add_span(model, span, false);
    twin_expect_fault(twin, overlaps ? VMEM_FAULT_OVERLAP : VMEM_FAULT_NONE, "add");
}

void twin_remove(struct twin *twin, struct range range)
{
    struct model *model = &twin->model;
    size_t span = model_span_is(model, range);
    int error = vmem_remove(twin->arena, range.first, range_size(range));
    int expected = -VMEM_EINVAL;

    trace("remove %s: 0x%" HEX " 0x%" HEX " -> %d\n", twin->name, WIDE(range.first),
          WIDE(range_size(range)), error);
    if (span != SIZE_MAX && !model->spans[span].imported)
        expected = model_span_is_empty(model, span) ? 0 : -VMEM_EBUSY;
    demand(twin, error == expected, "the wrong answer of vmem_remove");
    if (error == 0)
        model_remove_span(model, span);
    twin_expect_fault(twin, error == -VMEM_EINVAL ? VMEM_FAULT_PARAMETER : VMEM_FAULT_NONE,
                      "remove");
}

void twin_reap(struct twin *twin)
{
    trace("reap %s\n", twin->name);
    vmem_reap(twin->arena);
    settle(twin, false);
    demand(twin, empty_imports(&twin->model) == 0, "an empty imported span is kept through a reap");
    twin_expect_fault(twin, VMEM_FAULT_NONE, "reap");
}

void twin_reap_all(struct twin *twins, unsigned count)
{
    trace("reap all\n");
    vmem_reap(NULL);
    for (unsigned i = 0; i < count; i++) /* an arena comes before its source */
        settle(&twins[i], false);
    if (vmem_check(NULL) != 0)
        twin_disagree(twins, "vmem_check of all arenas: %s", fault_hook.last.what);
    twin_expect_fault(twins, VMEM_FAULT_NONE, "reap of all arenas");
}

void twin_look(struct twin *twin, struct range range)
{
    const struct model *model = &twin->model;
    size_t span = model_span_at(model, range.first);
    size_t segment = model_segment_at(model, range.first);
    bool inside = span != SIZE_MAX && range_within(range, model->spans[span].range);
    struct vmem_segment found;
    struct range expected;

    if (range.last - range.first != VMEM_ADDR_MAX)
        demand(twin, vmem_contains(twin->arena, range.first, range_size(range)) == inside,
               "the wrong answer of vmem_contains");
    demand(twin, !vmem_contains(twin->arena, range.first, 0), "an arena contains nothing");
    demand(twin, vmem_find(twin->arena, range.first, &found) == (span != SIZE_MAX),
           "the wrong answer of vmem_find");
    if (span == SIZE_MAX)
        return;
    expected = segment == SIZE_MAX ? model_hole_at(model, range.first) : model->segments[segment];
    demand(twin,
           found.addr == expected.first && found.size == range_size(expected) &&
               found.kind == (segment == SIZE_MAX ? VMEM_SEGMENT_FREE : VMEM_SEGMENT_ALLOCATED),
           "vmem_find finds something else");
}
