/* SPDX-License-Identifier: MIT */
/*
 * model.h - what an arena is, told a second time.
 *
 * The model knows the spans of an arena and the segments allocated in it, in two sorted arrays,
 * and nothing else. It holds no free segments: a hole is what lies between. It never chooses
 * where to allocate. The library does, and the model says whether that was right: whether the
 * answer is legal, whether it is the one that the policy pins, and whether a refusal is true.
 * It shares nothing with the library but the public headers.
 *
 * Ranges are inclusive, so that the end of the address space is no special case.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <vmem/vmem.h>

#define MODEL_SPANS 512
#define MODEL_SEGMENTS 8192

struct range {
    vmem_addr_t first;
    vmem_addr_t last;
};

struct model_span {
    struct range range;
    bool imported;
};

struct model {
    vmem_size_t quantum;
    unsigned flags;             /* VMEM_ARENA_* */
    const struct model *source; /* NULL: none */
    vmem_addr_t next;           /* where next fit goes on ... */
    bool next_known;            /* ... if that can be told */
    size_t nspans;
    size_t nsegments;
    struct model_span spans[MODEL_SPANS];
    struct range segments[MODEL_SEGMENTS];
    uint64_t allocs, frees, fails, imports, releases;
};

/* A request as the arena understands it: everything in quanta, nothing left out. */
struct request {
    vmem_size_t size;
    vmem_size_t align;
    vmem_size_t phase;
    vmem_size_t nocross; /* 0: none */
    vmem_addr_t min;
    vmem_addr_t last; /* inclusive */
    bool constrained;
};

/* Ranges. */
vmem_size_t range_size(struct range range); /* of the whole address space: VMEM_ADDR_MAX */
bool range_within(struct range inner, struct range outer);
bool range_overlaps(struct range a, struct range b);
bool range_same(struct range a, struct range b);

/* False: the size cannot be rounded up to the quantum, so nothing could ever satisfy it. */
bool model_request(const struct model *model, vmem_size_t size, const struct vmem_constraints *c,
                   struct request *request);

/* The lowest legal address in the hole that is `from` or more, and the highest. */
bool hole_lowest(struct range hole, const struct request *r, vmem_addr_t from, vmem_addr_t *addr);
bool hole_highest(struct range hole, const struct request *r, vmem_addr_t *addr);
bool request_allows(const struct request *r, vmem_addr_t addr);

/* The holes in address order; returns how many. */
size_t model_holes(const struct model *model, struct range holes[MODEL_SEGMENTS + MODEL_SPANS]);

/* Is there a hole for this request? */
bool model_fits(const struct model *model, const struct request *r);
/* Could a source, or a source of that, give a span that has room for it? */
bool model_can_import(const struct model *model, const struct request *r);
/* May an arena that never scans refuse it nevertheless? */
bool model_strict_may_refuse(const struct model *model, const struct request *r, unsigned policy);

/* NULL if `addr` is an answer that the policy allows; else what is wrong with it. */
const char *model_judge(const struct model *model, const struct request *r, unsigned policy,
                        vmem_addr_t addr);

void model_init(struct model *model, vmem_size_t quantum, unsigned flags,
                const struct model *source);

/* The changes. The caller has made sure that they are right. */
void model_take(struct model *model, struct range segment);
void model_drop(struct model *model, size_t segment);
void model_add_span(struct model *model, struct range range, bool imported);
void model_remove_span(struct model *model, size_t span);

/* Looking things up: an index, or SIZE_MAX. */
size_t model_span_at(const struct model *model, vmem_addr_t addr);
size_t model_segment_at(const struct model *model, vmem_addr_t addr);
size_t model_span_is(const struct model *model, struct range range);
size_t model_segment_is(const struct model *model, struct range range);
bool model_span_is_empty(const struct model *model, size_t span);
/* The hole around a free address that lies in a span. */
struct range model_hole_at(const struct model *model, vmem_addr_t addr);

struct vmem_stats model_stats(const struct model *model);

#endif
