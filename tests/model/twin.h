/* SPDX-License-Identifier: MIT */
/*
 * twin.h - an arena and its model, led through the same operations.
 *
 * Each function here does one thing to both, says whether the library was right, and then
 * compares all that can be seen of them: the walk, the counters, vmem_check(). Where they differ,
 * it does not return.
 *
 * What the library imports and gives back is not foretold. It is read off the walk after the
 * operation, made good in the models of the chain, and each such step is held to be legal there.
 */
#ifndef TESTS_MODEL_TWIN_H
#define TESTS_MODEL_TWIN_H

#include "hooks.h"
#include "model.h"

/* How a twin gets spans from its source. */
enum import_kind {
    IMPORT_PLAIN,    /* no hook */
    IMPORT_HOOK,     /* a hook that passes everything on */
    IMPORT_STINGY,   /* a hook that says no now and then */
    IMPORT_CARELESS, /* a hook that looks at no constraint but the quantum */
    IMPORT_KINDS
};

struct twin {
    const char *name;
    vmem_t *arena;
    struct twin *source;
    struct twin *child; /* that imports from it */
    enum import_kind import;
    struct model model;
    unsigned flags; /* of the allocation under way */
    bool missed;    /* it found no hole here, so that the source may be asked */
    bool pressed;   /* or no memory, so that those that import from it may be asked too */
    int hook_error; /* what the import hook answered last in it */
};

/* Set by the test: prints every operation; says how to repeat it and ends the test. */
extern bool twin_trace;
extern struct rng twin_rng;
extern unsigned long twin_out_of_memory; /* allocations that failed for want of a tag */
_Noreturn void twin_disagree(const struct twin *twin, const char *format, ...);

/* Makes the arena. The twin's name, source and import are set; the model is made. */
int twin_create(struct twin *twin, vmem_size_t quantum, unsigned flags, const struct range *span);
void twin_destroy(struct twin *twin); /* empty: it must work */

int twin_alloc(struct twin *twin, vmem_size_t size, const struct vmem_constraints *c,
               unsigned flags, vmem_addr_t *addr);
void twin_free(struct twin *twin, struct range segment, vmem_size_t size);
void twin_resize(struct twin *twin, struct range segment, vmem_size_t old_size,
                 vmem_size_t new_size);
void twin_split(struct twin *twin, struct range segment, vmem_size_t offset);
void twin_add(struct twin *twin, struct range span);
void twin_remove(struct twin *twin, struct range span);
void twin_reap(struct twin *twin);
void twin_reap_all(struct twin *twins, unsigned count);
void twin_look(struct twin *twin, struct range range); /* vmem_contains and vmem_find */

/* After a call that was to be refused and change nothing: the fault, and that it changed nothing.
 */
void twin_expect_fault(struct twin *twin, enum vmem_fault_kind kind, const char *what);
void twin_compare(struct twin *twin); /* the twin and its sources */

#endif
