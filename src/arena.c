/* SPDX-License-Identifier: MIT */
/*
 * arena.c - arenas from creation to destruction, their counters, and the list of
 * them all.
 *
 * The list is in order of creation and has a lock of its own, taken before an
 * arena's. Who goes through it pins the arena that he looks at, so that he can do
 * so without a lock; an arena that is pinned cannot be destroyed.
 */
#include "quantum.h"
#include "segment.h"
#include "sleep.h"

static struct {
    vmem_port_lock_t lock;
    vmem_t *first;
    vmem_t *last;
    uint32_t ids;
} arenas = {.lock = VMEM_PORT_LOCK_INIT};

static const vmem_port_lock_t lock_init = VMEM_PORT_LOCK_INIT;

/* Small arenas have fewer lists, so that they cost less than 1 KiB. */
enum { VMEM_SUBLIST_BITS = 4, VMEM_SUBLIST_BITS_SMALL = 3, VMEM_SMALL_BITS = 16 };

/*
 * The list of arenas
 */

static void enlist(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arenas.lock);

    arena->id = ++arenas.ids;
    if (arenas.last != NULL)
        arenas.last->next = arena;
    else
        arenas.first = arena;
    arenas.last = arena;
    if (arena->source != NULL)
        arena->source->children++;
    vmem_port_unlock(&arenas.lock, state);
}

/* Takes an arena off the list; -VMEM_EBUSY: another imports from it, or (*pinned) looks at it. */
static int delist(vmem_t *arena, bool *pinned)
{
    unsigned long state = vmem_port_lock(&arenas.lock);
    bool idle = arena->children == 0 && arena->pins == 0;

    *pinned = arena->pins > 0;
    if (idle) {
        vmem_t *prev = NULL;

        for (vmem_t *a = arenas.first; a != NULL && a != arena; a = a->next)
            prev = a;
        if (prev != NULL)
            prev->next = arena->next;
        else
            arenas.first = arena->next;
        if (arenas.last == arena)
            arenas.last = prev;
    }
    vmem_port_unlock(&arenas.lock, state);
    return idle ? 0 : -VMEM_EBUSY;
}

/* A source has one arena less that imports from it; not before its last span is back. */
static void leave(vmem_t *source)
{
    unsigned long state = vmem_port_lock(&arenas.lock);

    source->children--;
    vmem_port_unlock(&arenas.lock, state);
}

vmem_t *vmem_pin_next(uint32_t after)
{
    unsigned long state = vmem_port_lock(&arenas.lock);
    vmem_t *arena = arenas.first;

    while (arena != NULL && arena->id <= after)
        arena = arena->next;
    if (arena != NULL)
        arena->pins++;
    vmem_port_unlock(&arenas.lock, state);
    return arena;
}

/* Whether an arena is another than `source` and imports from it. */
static bool imports_from(const vmem_t *arena, const vmem_t *source)
{
    do
        arena = arena->source;
    while (arena != NULL && arena != source);
    return arena != NULL;
}

vmem_t *vmem_pin_before(uint32_t before, const vmem_t *source)
{
    unsigned long state = vmem_port_lock(&arenas.lock);
    vmem_t *arena = NULL;

    for (vmem_t *a = arenas.first; a != NULL && a->id < before; a = a->next)
        if (source == NULL || imports_from(a, source))
            arena = a;
    if (arena != NULL)
        arena->pins++;
    vmem_port_unlock(&arenas.lock, state);
    return arena;
}

void vmem_unpin(vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arenas.lock);

    arena->pins--;
    vmem_port_unlock(&arenas.lock, state);
}

/*
 * Creation
 */

static const char *wrong_params(const struct vmem_params *params)
{
    if (params->name == NULL)
        return "name is NULL";
    if (!vmem_is_power_of_two(params->quantum))
        return "quantum is not a power of two";
    if (((params->base | params->size) & (params->quantum - 1)) != 0)
        return "base or size is not a multiple of the quantum";
    if (params->size != 0 && params->size - 1 > VMEM_ADDR_MAX - params->base)
        return "the span passes the end of the address space";
    if ((params->flags & ~(unsigned)(VMEM_ARENA_ORDERED | VMEM_ARENA_STRICT)) != 0)
        return "unknown flags";
    if ((params->import == NULL) != (params->release == NULL))
        return "import without release, or release without import";
    if (params->source != NULL && params->source->depth >= VMEM_CONFIG_IMPORT_DEPTH)
        return "the import chain is longer than VMEM_CONFIG_IMPORT_DEPTH";
    return NULL;
}

static void init(vmem_t *arena, const struct vmem_params *params)
{
    vmem_size_t quanta;

    memset(arena, 0, sizeof *arena);
    arena->lock = lock_init;
    arena->name = params->name;
    arena->flags = params->flags;
    arena->quantum = params->quantum;
    arena->quantum_shift = (int32_t)vmem_msb(params->quantum);
    arena->source = params->source;
    arena->import = params->import;
    arena->release = params->release;
    arena->ctx = params->ctx;
    arena->imports = params->source != NULL || params->import != NULL;
    arena->depth = params->source != NULL ? (uint8_t)(params->source->depth + 1) : 0;
    vmem_hash_init(&arena->hash,
                   arena->imports || vmem_is_ordered(arena) || params->qcache_max != 0);
    quanta = vmem_shift_right(params->size, (unsigned)arena->quantum_shift);
    arena->freelist.sublist_bits =
        !arena->imports && quanta != 0 && quanta <= vmem_bit(VMEM_SMALL_BITS)
            ? VMEM_SUBLIST_BITS_SMALL
            : VMEM_SUBLIST_BITS;
    arena->freelist.sublists = (uint32_t)1 << arena->freelist.sublist_bits;
}

/* The tag that closes the address-ordered list to a circle. */
static bool make_anchor(vmem_t *arena)
{
    unsigned long state;
    int error = vmem_prepare(arena, 1, 0, &state);

    if (error == 0) {
        vmem_link_t link = vmem_stash_pop(&arena->stash[VMEM_STASH_SEGMENTS]);
        struct vmem_tag *tag = vmem_tag_at(link);

        tag->addr = 0;
        tag->size = 0;
        tag->prev = link;
        tag->next = link;
        tag->kind = VMEM_KIND_ANCHOR;
        arena->anchor = link;
    }
    vmem_port_unlock(&arena->lock, state);
    return error == 0;
}

/*
 * Lists for a span of one block, so that the first import needs no memory for them: it may be one
 * that the page hook brings about, when there is none.
 */
static bool reach_first_import(vmem_t *arena)
{
    return !arena->imports || vmem_is_ordered(arena) ||
           vmem_freelist_reach(arena, vmem_import_block(arena));
}

/* Gives all tags and tables of an arena back, whatever it has by now, and the arena itself. */
static void dismantle(vmem_t *arena)
{
    if (arena->anchor != 0)
        vmem_stash_push(&arena->stash[VMEM_STASH_SEGMENTS], arena->anchor,
                        vmem_tag_at(arena->anchor));
    vmem_pool_return(&arena->stash[VMEM_STASH_SEGMENTS]);
    vmem_pool_return(&arena->stash[VMEM_STASH_SPANS]);
    vmem_quantum_destroy(arena);
    vmem_freelist_destroy(arena);
    vmem_hash_destroy(&arena->hash);
    vmem_pool_free(arena, sizeof *arena);
}

int vmem_create(const struct vmem_params *params, vmem_t **arenap)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    const char *wrong;
    vmem_t *arena;

    wrong = params == NULL || arenap == NULL ? "params or arenap is NULL" : wrong_params(params);
    if (wrong != NULL)
        return vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, "vmem_create", wrong,
                                 params != NULL ? params->base : 0,
                                 params != NULL ? params->size : 0, caller);
    arena = (vmem_t *)vmem_pool_alloc(sizeof *arena);
    if (arena == NULL)
        return -VMEM_ENOMEM;
    init(arena, params);
    if (!make_anchor(arena) || !vmem_quantum_init(arena, params->qcache_max) ||
        !reach_first_import(arena) ||
        (params->size != 0 && vmem_add(arena, params->base, params->size, 0) != 0)) {
        dismantle(arena);
        return -VMEM_ENOMEM;
    }
    enlist(arena);
    *arenap = arena;
    return 0;
}

/*
 * Counters
 */

/* The largest free segment, which may take long to find, only where it is wanted. */
static void count(vmem_t *arena, bool largest, struct vmem_stats *stats)
{
    unsigned long state = vmem_port_lock(&arena->lock);

    stats->in_use = arena->in_use;
    stats->total = arena->total;
    stats->free = arena->total - arena->in_use;
    stats->imported = arena->imported;
    stats->largest_free = 0;
    if (largest)
        stats->largest_free =
            vmem_is_ordered(arena) ? vmem_tree_largest(arena->tree) : vmem_freelist_largest(arena);
    stats->segments = arena->hash.count;
    stats->spans = arena->span_count;
    stats->allocs = arena->hash.count + arena->frees - arena->splits;
    stats->frees = arena->frees;
    stats->fails = arena->fails;
    stats->imports = arena->import_count;
    stats->releases = arena->release_count;
    stats->waits = arena->waits;
    stats->waiting = arena->awaited;
    vmem_port_unlock(&arena->lock, state);
    if (arena->qcaches != NULL)
        vmem_quantum_stat(arena, stats);

    /* Spans that make up the whole address space add up to 2^64, which is 0. */
    if (stats->spans > 0 && stats->total == 0) {
        stats->total = VMEM_ADDR_MAX;
        if (stats->segments == 0)
            stats->free = VMEM_ADDR_MAX;
        else if (stats->in_use == 0)
            stats->in_use = VMEM_ADDR_MAX;
    }
}

void vmem_stat(vmem_t *arena, struct vmem_stats *stats)
{
    count(arena, true, stats);
}

static vmem_size_t used(vmem_t *arena)
{
    struct vmem_stats stats;

    count(arena, false, &stats);
    return stats.in_use;
}

/*
 * Destruction
 */

/* Takes every span out of an idle arena, and releases those that were imported. */
static void release_spans(vmem_t *arena)
{
    while (arena->spans != 0) {
        const struct vmem_tag *span = vmem_tag_at(arena->spans);
        bool imported = span->kind == VMEM_KIND_IMPORTED;
        vmem_addr_t addr = span->addr;
        vmem_size_t size = span->size;

        vmem_span_detach(arena, arena->spans);
        if (imported)
            vmem_span_release(arena, addr, size);
    }
}

int vmem_destroy(vmem_t *arena)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    bool pinned = false;

    if (arena == NULL)
        return vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, "vmem_destroy", "arena is NULL", 0, 0,
                                 caller);
    if (VMEM_READ_ONCE(arena->awaited) != 0) {
        (void)vmem_fault_report(arena, VMEM_FAULT_BUSY, "vmem_destroy",
                                "busy: a request waits for it", 0, used(arena), caller);
        return -VMEM_EBUSY;
    }
    if (used(arena) != 0 || !vmem_cache_are_quantum(arena, &pinned) ||
        delist(arena, &pinned) != 0) {
        if (!pinned)
            (void)vmem_fault_report(arena, VMEM_FAULT_BUSY, "vmem_destroy",
                                    "busy: segments are allocated, another arena imports from it, "
                                    "or a cache uses it",
                                    0, used(arena), caller);
        return -VMEM_EBUSY;
    }
    vmem_quantum_destroy(arena);
    release_spans(arena);
    if (arena->source != NULL)
        leave(arena->source);
    dismantle(arena);
    return 0;
}
