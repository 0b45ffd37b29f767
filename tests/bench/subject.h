/* SPDX-License-Identifier: MIT */
/*
 * subject.h - what is measured: the library's arenas and ID spaces, the baseline, and nothing.
 *
 * Each is a constant structure of inline functions, so that a loop made for one of them calls it
 * directly. The empty subject is the loop itself: its cost is subtracted from the others'.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <vmem/id.h>

#include "baseline.h"
#include "mixes.h"

struct subject {
    void *(*create)(const struct mix *mix, vmem_size_t size);
    void (*destroy)(void *arena);
    int (*alloc)(void *arena, vmem_size_t size, unsigned policy, vmem_addr_t *addrp);
    int (*xalloc)(void *arena, vmem_size_t size, const struct vmem_constraints *c, unsigned policy,
                  vmem_addr_t *addrp);
    void (*free)(void *arena, vmem_addr_t addr, vmem_size_t size);
};

/* A nonzero base, aligned to everything that a mix aligns to. */
#define SUBJECT_BASE ((vmem_addr_t)1 << 32)

static inline void *library_create(const struct mix *mix, vmem_size_t size)
{
    const struct vmem_params params = {
        .name = "bench",
        .base = SUBJECT_BASE,
        .size = size,
        .quantum = mix->quantum,
        .flags = mix->flags,
    };
    vmem_t *arena;

    return vmem_create(&params, &arena) == 0 ? arena : NULL;
}

static inline void library_destroy(void *arena)
{
    (void)vmem_destroy(arena);
    vmem_reap(NULL);
}

static inline int library_alloc(void *arena, vmem_size_t size, unsigned policy, vmem_addr_t *addrp)
{
    return vmem_alloc(arena, size, policy, addrp);
}

static inline int library_xalloc(void *arena, vmem_size_t size, const struct vmem_constraints *c,
                                 unsigned policy, vmem_addr_t *addrp)
{
    return vmem_xalloc(arena, size, c, policy, addrp);
}

static inline void library_free(void *arena, vmem_addr_t addr, vmem_size_t size)
{
    vmem_free(arena, addr, size);
}

static inline void *space_create(const struct mix *mix, vmem_size_t size)
{
    const struct vmem_id_params params = {.name = "bench", .max = size - 1, .flags = mix->flags};
    vmem_id_t *space;

    return vmem_id_create(&params, &space) == 0 ? space : NULL;
}

static inline void space_destroy(void *space)
{
    (void)vmem_id_destroy(space);
    vmem_reap(NULL);
}

static inline int space_alloc(void *space, vmem_size_t size, unsigned policy, vmem_addr_t *addrp)
{
    (void)size;
    return vmem_id_alloc(space, policy, addrp);
}

static inline int space_xalloc(void *space, vmem_size_t size, const struct vmem_constraints *c,
                               unsigned policy, vmem_addr_t *addrp)
{
    (void)size;
    return vmem_id_alloc_in(space, c->min, c->limit - 1, policy, addrp);
}

static inline void space_free(void *space, vmem_addr_t addr, vmem_size_t size)
{
    (void)size;
    vmem_id_free(space, addr);
}

static inline void *first_fit_create(const struct mix *mix, vmem_size_t size)
{
    return baseline_create(SUBJECT_BASE, size, mix->quantum);
}

static inline void first_fit_destroy(void *arena)
{
    baseline_destroy(arena);
}

static inline int first_fit_alloc(void *arena, vmem_size_t size, unsigned policy,
                                  vmem_addr_t *addrp)
{
    (void)policy;
    return baseline_alloc(arena, size, addrp);
}

static inline int first_fit_xalloc(void *arena, vmem_size_t size, const struct vmem_constraints *c,
                                   unsigned policy, vmem_addr_t *addrp)
{
    (void)policy;
    return baseline_xalloc(arena, size, c, addrp);
}

static inline void first_fit_free(void *arena, vmem_addr_t addr, vmem_size_t size)
{
    (void)size;
    baseline_free(arena, addr);
}

static inline void *empty_create(const struct mix *mix, vmem_size_t size)
{
    static char arena;

    (void)mix;
    (void)size;
    return &arena;
}

static inline void empty_destroy(void *arena)
{
    (void)arena;
}

/*
 * The arguments are made ready, as for a call, and the result is opaque, so that the loop still
 * tests it: what is left to the subjects is the call.
 */
static inline int empty_alloc(void *arena, vmem_size_t size, unsigned policy, vmem_addr_t *addrp)
{
    int result = 0;

    *addrp = size;
    __asm__ volatile("" : "+r"(result) : "r"(arena), "r"(policy), "r"(addrp) : "memory");
    return result;
}

static inline int empty_xalloc(void *arena, vmem_size_t size, const struct vmem_constraints *c,
                               unsigned policy, vmem_addr_t *addrp)
{
    __asm__ volatile("" : : "r"(c));
    return empty_alloc(arena, size, policy, addrp);
}

static inline void empty_free(void *arena, vmem_addr_t addr, vmem_size_t size)
{
    __asm__ volatile("" : : "r"(arena), "r"(addr), "r"(size));
}

static const struct subject subject_library = {
    library_create, library_destroy, library_alloc, library_xalloc, library_free,
};
static const struct subject subject_space = {
    space_create, space_destroy, space_alloc, space_xalloc, space_free,
};
static const struct subject subject_baseline = {
    first_fit_create, first_fit_destroy, first_fit_alloc, first_fit_xalloc, first_fit_free,
};
static const struct subject subject_empty = {
    empty_create, empty_destroy, empty_alloc, empty_xalloc, empty_free,
};

#endif
