/* SPDX-License-Identifier: MIT */
/*
 * heap.c - memory of any size: size classes over object caches, large blocks from the arena.
 *
 * Concepts
 * --------
 * 1. A class is an object cache for one size. The plain classes are 16 bytes apart up to 128 and
 *    eight to a power of two from there. Beside them stand aligned classes, one a power of two,
 *    for what vmem_heap_memalign() is asked for: so that a realloc knows which alignment it has
 *    promised to keep. A cache is made when its class is first used; `none`, which never has an
 *    object or room for one, stands in its place until then, so that the common paths need not
 *    look. The first class's is made with the heap: the arena thus knows that it is in use.
 * 2. The caches have no colour. So the offset of a block in its slab is a multiple of its size,
 *    and a block of an aligned class is aligned to its size, as its slab is.
 * 3. A map (map.c) says of each granule which class its slab is of, or that a large block begins
 *    there, and how that is aligned. The slab layer tells the heap of each slab that comes and
 *    goes. A granule is never shared: slabs are at least as large and large blocks aligned to it.
 * 4. A free with the size takes the class from that and needs the map only if the block can be of
 *    an aligned class, or large for its alignment's sake: only if its address is aligned as well
 *    as some such block that this heap ever handed out, not smaller than the size. That is one
 *    comparison with the word `aligned`, whose highest bit is always set: for address 0, which is
 *    aligned best of all.
 * 5. The first word of a block that waits is its address less one: what no pointer to an object
 *    is, and what point 4 works out anyway. A block that is freed and has this mark is probably
 *    free; the slabs and the magazines decide. It is erased when a block is handed out, so only a
 *    caller who writes the mark himself makes them look.
 *
 * Locking: none for what a magazine serves. The heap's lock guards the table of classes while one
 * is made, and the counters of large blocks; nothing is called with it held.
 * Costs: O(1), and what the caches and the arena take.
 */
#include <vmem/heap.h>

#include "magazine.h"
#include "map.h"
#include "slab.h"
#include "sleep.h"

enum {
    VMEM_HEAP_GRANULE_SHIFT = 12, /* at least 4 KiB */
    VMEM_HEAP_QUANTUM_MAX = 65536,
    VMEM_HEAP_ALIGN = 16, /* of every block */
    VMEM_HEAP_ALIGN_SHIFT = 4,
    VMEM_HEAP_LINEAR_BITS = 7, /* classes are as far apart up to 128 */
    VMEM_HEAP_SMALL = 1024,    /* the common paths are for sizes up to this */

    /* Bytes of the map, above those of the classes, which are one more than the class. */
    VMEM_HEAP_LARGE = 0x80,        /* a large block as the arena gave it */
    VMEM_HEAP_LARGE_ALIGNED = 0x81 /* and up: aligned to a granule, two, four ... */
};

struct vmem_heap {
    vmem_cache_t *small[VMEM_HEAP_SMALL / VMEM_HEAP_ALIGN]; /* of the class of each small size */
    vmem_word_t aligned; /* alignments that were asked for and promise more than the size does */
    size_t largest;      /* class */
    vmem_t *arena;
    const char *name;
    vmem_cache_t **cache; /* of each class: */
    unsigned plain;       /*    so many plain ones, */
    unsigned classes;     /*    so many with the aligned ones behind them */
    vmem_port_lock_t lock;
    size_t large_blocks;
    vmem_size_t large_in_use;
    uint64_t large_allocs;
    uint64_t large_frees;
    uint64_t fails;   /* that no cache counts */
    uint32_t waiting; /* requests with VMEM_SLEEP */
    struct vmem_map map;
};

/* A block as the map and what it points to describe it. */
struct vmem_block {
    vmem_cache_t *cache; /* NULL: it is large */
    unsigned char byte;  /* of the map */
    vmem_size_t size;
    size_t align; /* that was promised; 1: no more than to every block */
};

static const vmem_port_lock_t lock_init = VMEM_PORT_LOCK_INIT;

/* In the place of a class that has no cache. */
static vmem_cache_t none;
static bool none_is_ready;
static vmem_port_lock_t none_lock = VMEM_PORT_LOCK_INIT;

/*
 * Classes
 */

/* The plain class of a size, of which `last` is one less. */
static unsigned class_of(size_t last)
{
    unsigned msb = vmem_word_msb(last | 1 << VMEM_HEAP_LINEAR_BITS);

    return (msb - VMEM_HEAP_LINEAR_BITS) * 8 + (unsigned)(last >> (msb - 3));
}

static bool is_aligned_class(const vmem_heap_t *heap, unsigned which)
{
    return which >= heap->plain;
}

static size_t class_size(const vmem_heap_t *heap, unsigned which)
{
    if (is_aligned_class(heap, which))
        return (size_t)2 * VMEM_HEAP_ALIGN << (which - heap->plain);
    if (which < 8)
        return (size_t)VMEM_HEAP_ALIGN * (which + 1);
    return (size_t)(which % 8 + 9) << (which / 8 + 3);
}

/* The aligned class of a size and alignment, the larger of which this is: at most the largest. */
static unsigned aligned_class_of(const vmem_heap_t *heap, size_t size)
{
    return heap->plain + vmem_word_msb(size - 1) - VMEM_HEAP_ALIGN_SHIFT;
}

static size_t granule_of(const vmem_heap_t *heap)
{
    return (size_t)1 << heap->map.granule_shift;
}

static int slab_made(vmem_cache_t *cache, vmem_addr_t addr)
{
    vmem_heap_t *heap = (vmem_heap_t *)cache->owner;

    return vmem_map_set(&heap->map, (uintptr_t)addr, (uintptr_t)cache->slab_size,
                        (unsigned char)(uintptr_t)cache->ctx);
}

static void slab_gone(vmem_cache_t *cache, vmem_addr_t addr)
{
    vmem_heap_t *heap = (vmem_heap_t *)cache->owner;

    (void)vmem_map_set(&heap->map, (uintptr_t)addr, (uintptr_t)cache->slab_size, 0);
}

static void note_alignment(vmem_heap_t *heap, size_t align)
{
    VMEM_WRITE_ONCE(heap->aligned, heap->aligned | align);
}

/* Puts a cache in its place; false: another thread was faster. */
static bool install(vmem_heap_t *heap, unsigned which, vmem_cache_t *cache)
{
    unsigned long state = vmem_port_lock(&heap->lock);
    bool is_first = heap->cache[which] == &none;

    if (is_first) {
        if (is_aligned_class(heap, which))
            note_alignment(heap, (size_t)cache->size);
        VMEM_WRITE_RELEASE(heap->cache[which], cache);
        for (size_t last = 0; last < VMEM_HEAP_SMALL; last += VMEM_HEAP_ALIGN)
            if (class_of(last) == which)
                VMEM_WRITE_RELEASE(heap->small[last / VMEM_HEAP_ALIGN], cache);
    }
    vmem_port_unlock(&heap->lock, state);
    return is_first;
}

/* Makes the cache of a class, or finds that another thread has; NULL: no memory. */
static __attribute__((noinline)) vmem_cache_t *make_cache(vmem_heap_t *heap, unsigned which)
{
    const struct vmem_cache_params params = {
        .name = heap->name, .ctx = (void *)(uintptr_t)(which + 1), .arena = heap->arena};
    size_t size = class_size(heap, which);
    size_t align = is_aligned_class(heap, which) ? size : VMEM_HEAP_ALIGN;
    vmem_cache_t *cache = vmem_cache_make(&params, size, align, 0, VMEM_CACHE_NO_COLOUR);

    if (cache == NULL)
        return NULL;
    cache->owner = heap;
    cache->slab_made = slab_made;
    cache->slab_gone = slab_gone;
    if (install(heap, which, cache))
        vmem_cache_enlist(cache);
    else
        vmem_cache_dismantle(cache);
    return VMEM_READ_ACQUIRE(heap->cache[which]);
}

static vmem_cache_t *cache_of(vmem_heap_t *heap, unsigned which)
{
    vmem_cache_t *cache = VMEM_READ_ACQUIRE(heap->cache[which]);

    return VMEM_LIKELY(cache != &none) ? cache : make_cache(heap, which);
}

/* Whether the common paths are for this size. Not for 0, which becomes the largest number. */
VMEM_INLINE bool is_small(size_t size)
{
    return size - 1 < VMEM_HEAP_SMALL;
}

VMEM_INLINE vmem_cache_t *small_cache(const vmem_heap_t *heap, size_t size)
{
    return VMEM_READ_ACQUIRE(heap->small[(size - 1) / VMEM_HEAP_ALIGN]);
}

/* Whether a block may be of an aligned class, or large, although its size is small; says so of
 * address 0 as well. */
VMEM_INLINE bool may_be_aligned(const vmem_heap_t *heap, vmem_addr_t addr, size_t size)
{
    uintptr_t alignments = (uintptr_t)addr ^ ((uintptr_t)addr - 1); /* that the address has */

    return (VMEM_OWN_READ(heap->aligned) & alignments) >= size;
}

/*
 * The mark
 */

VMEM_INLINE uintptr_t *first_word(vmem_addr_t addr)
{
    return (uintptr_t *)(uintptr_t)addr;
}

VMEM_INLINE bool is_marked(vmem_addr_t addr)
{
    return *first_word(addr) == (uintptr_t)addr - 1;
}

VMEM_INLINE void set_mark(vmem_addr_t addr)
{
    *first_word(addr) = (uintptr_t)addr - 1;
}

/*
 * Creation and destruction
 */

static void make_none_ready(void)
{
    unsigned long state = vmem_port_lock(&none_lock);

    if (!none_is_ready)
        vmem_magazine_init(&none);
    none_is_ready = true;
    vmem_port_unlock(&none_lock, state);
}

static const char *wrong_params(const struct vmem_heap_params *params)
{
    if (params->name == NULL)
        return "name is NULL";
    if (params->arena == NULL)
        return "arena is NULL";
    if (params->flags != 0)
        return "unknown flags";
    if (params->arena->quantum > VMEM_HEAP_QUANTUM_MAX)
        return "the arena's quantum is above 64 KiB";
    return NULL;
}

static void give_back(vmem_heap_t *heap)
{
    vmem_pool_free(heap->cache, heap->classes * sizeof(vmem_cache_t *));
    vmem_pool_free(heap, sizeof *heap);
}

/* A heap with no cache; NULL: no memory. */
static vmem_heap_t *make(const struct vmem_heap_params *params)
{
    unsigned shift = (unsigned)params->arena->quantum_shift;
    vmem_heap_t *heap = (vmem_heap_t *)vmem_pool_alloc(sizeof *heap);

    if (heap == NULL)
        return NULL;
    memset(heap, 0, sizeof *heap);
    heap->arena = params->arena;
    heap->name = params->name;
    heap->lock = lock_init;
    heap->aligned = ~(~(vmem_word_t)0 >> 1);
    vmem_map_init(&heap->map, shift > VMEM_HEAP_GRANULE_SHIFT ? shift : VMEM_HEAP_GRANULE_SHIFT);
    heap->largest = 8 * granule_of(heap);
    heap->plain = class_of(heap->largest - 1) + 1;
    heap->classes = aligned_class_of(heap, heap->largest) + 1;
    heap->cache = (vmem_cache_t **)vmem_pool_alloc(heap->classes * sizeof(vmem_cache_t *));
    if (heap->cache == NULL) {
        vmem_pool_free(heap, sizeof *heap);
        return NULL;
    }
    for (unsigned which = 0; which < heap->classes; which++)
        heap->cache[which] = &none;
    for (unsigned i = 0; i < VMEM_HEAP_SMALL / VMEM_HEAP_ALIGN; i++)
        heap->small[i] = &none;
    return heap;
}

int vmem_heap_create(const struct vmem_heap_params *params, vmem_heap_t **heapp)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    vmem_heap_t *heap;
    const char *wrong;

    wrong = params == NULL || heapp == NULL ? "params or heapp is NULL" : wrong_params(params);
    if (wrong != NULL)
        return vmem_fault_named(params != NULL ? params->name : NULL, VMEM_FAULT_PARAMETER,
                                "vmem_heap_create", wrong, 0, 0, 0, 0, 0, caller);
    make_none_ready();
    heap = make(params);
    if (heap == NULL)
        return -VMEM_ENOMEM;
    if (cache_of(heap, 0) == NULL) {
        give_back(heap);
        return -VMEM_ENOMEM;
    }
    *heapp = heap;
    return 0;
}

static size_t blocks_out(vmem_heap_t *heap)
{
    unsigned long state = vmem_port_lock(&heap->lock);
    size_t blocks = heap->large_blocks;

    vmem_port_unlock(&heap->lock, state);
    for (unsigned which = 0; which < heap->classes; which++) {
        struct vmem_cache_stats stats;

        if (heap->cache[which] != &none) {
            vmem_cache_stat(heap->cache[which], &stats);
            blocks += stats.in_use;
        }
    }
    return blocks;
}

/* Takes the caches off the list; false: one of them is in use, and all are as they were. */
static bool delist_all(vmem_heap_t *heap)
{
    for (unsigned which = 0; which < heap->classes; which++) {
        if (heap->cache[which] == &none || vmem_cache_delist(heap->cache[which]))
            continue;
        while (which-- > 0)
            if (heap->cache[which] != &none)
                vmem_cache_enlist(heap->cache[which]);
        return false;
    }
    return true;
}

int vmem_heap_destroy(vmem_heap_t *heap)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    size_t blocks;

    if (heap == NULL)
        return vmem_fault_named(NULL, VMEM_FAULT_PARAMETER, "vmem_heap_destroy", "heap is NULL", 0,
                                0, 0, 0, 0, caller);
    blocks = blocks_out(heap);
    if (blocks != 0 || VMEM_READ_ONCE(heap->waiting) != 0) {
        (void)vmem_fault_named(heap->name, VMEM_FAULT_BUSY, "vmem_heap_destroy",
                               blocks != 0 ? "busy: blocks are allocated"
                                           : "busy: a request waits for it",
                               0, blocks, 0, 0, 0, caller);
        return -VMEM_EBUSY;
    }
    if (!delist_all(heap))
        return -VMEM_EBUSY;
    for (unsigned which = 0; which < heap->classes; which++)
        if (heap->cache[which] != &none)
            vmem_cache_dismantle(heap->cache[which]);
    vmem_map_destroy(&heap->map);
    give_back(heap);
    return 0;
}

/*
 * Large blocks
 */

static void count_failure(vmem_heap_t *heap)
{
    unsigned long state = vmem_port_lock(&heap->lock);

    heap->fails++;
    vmem_port_unlock(&heap->lock, state);
}

/* A block that is wanted. */
struct wish {
    vmem_heap_t *heap;
    size_t size, align;
    unsigned flags;
    const char *call;
    uintptr_t caller;
    struct vmem_waiter *waiter; /* NULL: it does not wait */
    vmem_addr_t addr;           /* where it is, in the end; */
    bool counted;               /*    or a cache has counted the refusal */
};

/* A segment of the arena, aligned to a granule at least, that does not begin at 0: that would be
 * taken for a failure. */
static int take_segment(struct wish *wish, struct vmem_constraints *c)
{
    vmem_t *arena = wish->heap->arena;
    int error = vmem_try(arena, wish->size, c, wish->flags, &wish->addr, wish->call, wish->caller);

    if (error != 0 || wish->addr != 0)
        return error;
    vmem_xfree(arena, 0, wish->size);
    c->min = 1; /* only now, for a window may cost a search */
    return vmem_try(arena, wish->size, c, wish->flags, &wish->addr, wish->call, wish->caller);
}

static int take_large(struct wish *wish)
{
    vmem_heap_t *heap = wish->heap;
    struct vmem_constraints c = {.align = granule_of(heap)};
    unsigned byte = wish->align > VMEM_HEAP_ALIGN ? VMEM_HEAP_LARGE_ALIGNED : VMEM_HEAP_LARGE;
    unsigned long state;
    int error;

    if (wish->size > SIZE_MAX / 2)
        return -VMEM_EINVAL;
    if (wish->align > c.align) {
        byte += vmem_word_msb(wish->align) - heap->map.granule_shift;
        c.align = wish->align;
    }
    error = take_segment(wish, &c);
    if (error != 0)
        return error;
    if (vmem_map_set(&heap->map, (uintptr_t)wish->addr, 1, (unsigned char)byte) != 0) {
        vmem_xfree(heap->arena, wish->addr, wish->size);
        return -VMEM_ENOMEM;
    }
    state = vmem_port_lock(&heap->lock);
    if (wish->size <= heap->largest)
        note_alignment(heap, wish->align);
    heap->large_blocks++;
    heap->large_in_use += vmem_round(heap->arena, wish->size);
    heap->large_allocs++;
    vmem_port_unlock(&heap->lock, state);
    return 0;
}

/* False: somebody else was faster. */
static bool free_large(vmem_heap_t *heap, vmem_addr_t addr, const struct vmem_block *block)
{
    unsigned long state;

    if (!vmem_map_clear(&heap->map, (uintptr_t)addr, block->byte))
        return false;
    vmem_xfree(heap->arena, addr, block->size);
    state = vmem_port_lock(&heap->lock);
    heap->large_blocks--;
    heap->large_in_use -= block->size;
    heap->large_frees++;
    vmem_port_unlock(&heap->lock, state);
    return true;
}

/*
 * Allocation
 */

static bool is_large(const struct wish *wish)
{
    return wish->size > wish->heap->largest || wish->align > wish->heap->largest;
}

/* Which class serves what is not large. */
static unsigned class_for(const struct wish *wish)
{
    if (wish->align <= VMEM_HEAP_ALIGN)
        return class_of(wish->size - 1);
    return aligned_class_of(wish->heap, wish->size > wish->align ? wish->size : wish->align);
}

static int take_object(struct wish *wish)
{
    vmem_cache_t *cache = cache_of(wish->heap, class_for(wish));
    int error = 0;

    if (cache == NULL)
        return -VMEM_ENOMEM;
    wish->counted = !vmem_may_sleep(wish->flags);
    if (wish->waiter != NULL) /* what it may wait through was perhaps not there before */
        VMEM_WRITE_ONCE(wish->waiter->cache, cache);
    if (!vmem_magazine_pop(cache, &wish->addr))
        error = vmem_cache_take(cache, wish->flags, &wish->addr);
    if (error != 0)
        return error;
#if VMEM_CONFIG_DEBUG
    vmem_cache_note_out(cache, wish->addr, wish->caller);
#endif
    *first_word(wish->addr) = 0;
    return 0;
}

static int attempt(void *request)
{
    struct wish *wish = request;

    return is_large(wish) ? take_large(wish) : take_object(wish);
}

static void count_waiting(vmem_heap_t *heap, int by)
{
    unsigned long state = vmem_port_lock(&heap->lock);

    VMEM_WRITE_ONCE(heap->waiting, heap->waiting + (uint32_t)by);
    vmem_port_unlock(&heap->lock, state);
}

/* (Not inline: only those who wait have a waiter on their stack.) */
static __attribute__((noinline)) int wait_for(const struct wish *wish, vmem_addr_t *addrp)
{
    struct vmem_waiter waiter = {.arena = wish->heap->arena, .max = VMEM_ADDR_MAX};
    struct wish waiting = *wish;
    int error;

    waiting.waiter = &waiter;
    count_waiting(wish->heap, 1);
    error = vmem_sleep(&waiter, attempt, &waiting);
    count_waiting(wish->heap, -1);
    *addrp = waiting.addr;
    return error;
}

/* Any size and alignment, any parameters. */
static __attribute__((noinline)) void *alloc_any(vmem_heap_t *heap, size_t size, unsigned flags,
                                                 size_t align, const char *call, uintptr_t caller)
{
    struct wish wish = {heap, size != 0 ? size : 1, align, flags, call, caller, NULL, 0, false};
    const char *wrong = heap == NULL ? "heap is NULL" : vmem_wrong_flags(flags);

    if (wrong == NULL && !vmem_is_power_of_two(align))
        wrong = "align is not a power of two";
    if (wrong != NULL) {
        (void)vmem_fault_named(heap != NULL ? heap->name : NULL, VMEM_FAULT_PARAMETER, call, wrong,
                               0, size, 0, 0, 0, caller);
        return NULL;
    }
    if ((vmem_may_sleep(flags) ? wait_for(&wish, &wish.addr) : attempt(&wish)) != 0) {
        if (!wish.counted)
            count_failure(heap);
        return NULL;
    }
    return (void *)(uintptr_t)wish.addr;
}

/* What the magazine of a small size's class, if it has one, does not serve. */
static __attribute__((noinline)) void *alloc_missed(vmem_heap_t *heap, size_t size, unsigned flags,
                                                    vmem_cache_t *cache, uintptr_t caller)
{
    vmem_addr_t addr;

    if (cache == &none || vmem_may_sleep(flags))
        return alloc_any(heap, size, flags, 1, "vmem_heap_alloc", caller);
    if (vmem_cache_take(cache, flags, &addr) != 0)
        return NULL;
    *first_word(addr) = 0;
    return (void *)(uintptr_t)addr;
}

/* The common path. (Its conditions stand apart, or gcc works out several before it branches on
 * any.) */
void *vmem_heap_alloc(vmem_heap_t *heap, size_t size, unsigned flags)
{
    vmem_addr_t addr;

    if (VMEM_LIKELY(!VMEM_CONFIG_DEBUG && heap != NULL && is_small(size))) {
        vmem_cache_t *cache = small_cache(heap, size);

        if (VMEM_LIKELY(vmem_policy(flags) <= VMEM_LASTFIT)) {
            if (VMEM_UNLIKELY(!vmem_magazine_pop(cache, &addr)))
                return alloc_missed(heap, size, flags, cache,
                                    (uintptr_t)__builtin_return_address(0));
            *first_word(addr) = 0;
            return (void *)(uintptr_t)addr;
        }
    }
    return alloc_any(heap, size, flags, 1, "vmem_heap_alloc",
                     (uintptr_t)__builtin_return_address(0));
}

void *vmem_heap_zalloc(vmem_heap_t *heap, size_t size, unsigned flags)
{
    void *block =
        alloc_any(heap, size, flags, 1, "vmem_heap_zalloc", (uintptr_t)__builtin_return_address(0));

    return block != NULL ? memset(block, 0, size) : NULL;
}

void *vmem_heap_memalign(vmem_heap_t *heap, size_t align, size_t size, unsigned flags)
{
    return alloc_any(heap, size, flags, align, "vmem_heap_memalign",
                     (uintptr_t)__builtin_return_address(0));
}

/*
 * From an address to a block
 */

static void report(const vmem_heap_t *heap, enum vmem_fault_kind kind, const char *what,
                   vmem_addr_t addr, vmem_size_t size, vmem_addr_t expected_addr,
                   vmem_size_t expected_size, uintptr_t allocated_by, const char *call,
                   uintptr_t caller)
{
    (void)vmem_fault_named(heap->name, kind, call, what, addr, size, expected_addr, expected_size,
                           allocated_by, caller);
}

/* Reports an address of which the map knows nothing: what the arena knows. */
static void report_unknown(vmem_heap_t *heap, vmem_addr_t addr, const char *call, uintptr_t caller)
{
    struct vmem_segment segment = {.size = 0};
    bool found = vmem_find(heap->arena, addr, &segment);

    if (found && segment.kind == VMEM_SEGMENT_FREE)
        report(heap, VMEM_FAULT_DOUBLE_FREE, NULL, addr, 0, segment.addr, segment.size, 0, call,
               caller);
    else if (found && vmem_map_get(&heap->map, (uintptr_t)segment.addr) >= VMEM_HEAP_LARGE)
        report(heap, VMEM_FAULT_MISALIGNED, "misaligned: inside a block", addr, 0, segment.addr,
               segment.size, segment.caller, call, caller);
    else
        report(heap, VMEM_FAULT_FOREIGN, "foreign address: no block of this heap", addr, 0,
               segment.addr, segment.size, segment.caller, call, caller);
}

static bool find_large(vmem_heap_t *heap, vmem_addr_t addr, struct vmem_block *block)
{
    unsigned shift = heap->map.granule_shift;
    struct vmem_segment segment;

    if ((addr & (granule_of(heap) - 1)) != 0 || !vmem_find(heap->arena, addr, &segment) ||
        segment.addr != addr || segment.kind != VMEM_SEGMENT_ALLOCATED)
        return false;
    block->cache = NULL;
    block->size = segment.size;
    block->align = block->byte == VMEM_HEAP_LARGE
                       ? 1
                       : (size_t)1 << (block->byte - VMEM_HEAP_LARGE_ALIGNED + shift);
    return true;
}

/* Whether an address in a slab is where an object begins. */
VMEM_INLINE bool is_object(const vmem_cache_t *cache, vmem_addr_t addr)
{
    vmem_size_t offset = addr & (cache->slab_size - 1);
    uint32_t i = vmem_slab_divide(cache, offset);

    return i * cache->size == offset && i < cache->capacity;
}

/* Asks the cache about an address in one of its slabs; false: it is no block, which is reported. */
static bool find_object(vmem_heap_t *heap, vmem_cache_t *cache, vmem_addr_t addr, const char *call,
                        uintptr_t caller)
{
    struct vmem_object object;

    if (!vmem_cache_find(cache, addr, &object)) {
        report_unknown(heap, addr, call, caller); /* the slab has just gone */
        return false;
    }
    if (object.size != 0 && object.addr == addr && !object.in_slab && !object.in_magazine)
        return true;
    if (object.size == 0 || object.addr != addr)
        report(heap, VMEM_FAULT_MISALIGNED, "misaligned: inside a block", addr, 0, object.addr,
               object.size, object.caller, call, caller);
    else
        report(heap, VMEM_FAULT_DOUBLE_FREE, "double free: the block is free", addr, 0, object.addr,
               object.size, object.caller, call, caller);
    return false;
}

/* Finds the block at an address; false: there is none, which is reported. */
static bool find_block(vmem_heap_t *heap, vmem_addr_t addr, struct vmem_block *block,
                       const char *call, uintptr_t caller)
{
    unsigned which;

    block->byte = vmem_map_get(&heap->map, (uintptr_t)addr);
    if (block->byte >= VMEM_HEAP_LARGE && find_large(heap, addr, block))
        return true;
    if (block->byte == 0 || block->byte >= VMEM_HEAP_LARGE) {
        report_unknown(heap, addr, call, caller);
        return false;
    }
    which = block->byte - 1U;
    block->cache = heap->cache[which];
    block->size = block->cache->size;
    block->align = is_aligned_class(heap, which) ? (size_t)block->size : 1;
    if (!is_object(block->cache, addr) || is_marked(addr))
        return find_object(heap, block->cache, addr, call, caller);
    return true;
}

/*
 * Free
 */

/* Whether a block may have been allocated with this size, which is not 0. */
static bool has_size(const vmem_heap_t *heap, const struct vmem_block *block, size_t size)
{
    if (block->cache == NULL)
        return block->size == vmem_round(heap->arena, size);
    if (block->align != 1)
        return size <= block->size;
    return size <= heap->largest && class_of(size - 1) == block->byte - 1U;
}

/* Any block, any parameters; size 0: it is not given. */
static __attribute__((noinline)) void free_any(vmem_heap_t *heap, vmem_addr_t addr, size_t size,
                                               const char *call, uintptr_t caller)
{
    struct vmem_block block;

    if (addr == 0 || !find_block(heap, addr, &block, call, caller))
        return;
    if (size != 0 && !has_size(heap, &block, size)) {
        report(heap, VMEM_FAULT_WRONG_SIZE, "wrong size: the block was allocated with another",
               addr, size, addr, block.size, 0, call, caller);
        return;
    }
    if (block.cache == NULL) {
        if (!free_large(heap, addr, &block))
            report_unknown(heap, addr, call, caller);
        return;
    }
#if VMEM_CONFIG_DEBUG
    if (!vmem_cache_note_back(block.cache, addr, size, call, caller))
        return;
#endif
    set_mark(addr);
    if (!vmem_magazine_push(block.cache, addr))
        vmem_cache_put(block.cache, addr, call, caller);
}

/* The common paths. There is no block at address 0, and never was. */

void vmem_heap_free(vmem_heap_t *heap, void *block)
{
    vmem_addr_t addr = (vmem_addr_t)(uintptr_t)block;

    if (!VMEM_CONFIG_DEBUG) {
        unsigned which = vmem_map_get(&heap->map, (uintptr_t)addr) - 1U;
        vmem_cache_t *cache = which < VMEM_HEAP_LARGE - 1 ? heap->cache[which] : NULL;

        if (VMEM_LIKELY(cache != NULL && is_object(cache, addr) && !is_marked(addr))) {
            set_mark(addr);
            if (VMEM_UNLIKELY(!vmem_magazine_push(cache, addr)))
                vmem_cache_put(cache, addr, "vmem_heap_free",
                               (uintptr_t)__builtin_return_address(0));
            return;
        }
    }
    free_any(heap, addr, 0, "vmem_heap_free", (uintptr_t)__builtin_return_address(0));
}

void vmem_heap_free_sized(vmem_heap_t *heap, void *block, size_t size)
{
    vmem_addr_t addr = (vmem_addr_t)(uintptr_t)block;

    if (!VMEM_CONFIG_DEBUG &&
        VMEM_LIKELY(is_small(size) && !may_be_aligned(heap, addr, size) && !is_marked(addr))) {
        vmem_cache_t *cache = small_cache(heap, size);

        set_mark(addr);
        if (VMEM_LIKELY(vmem_magazine_push(cache, addr)))
            return;
        if (VMEM_LIKELY(cache != &none)) { /* or else the size is wrong */
            vmem_cache_put(cache, addr, "vmem_heap_free_sized",
                           (uintptr_t)__builtin_return_address(0));
            return;
        }
    }
    free_any(heap, addr, size != 0 ? size : 1, "vmem_heap_free_sized",
             (uintptr_t)__builtin_return_address(0));
}

/*
 * Blocks as they are
 */

/* As find_block, and certain with VMEM_CONFIG_DEBUG that the block is not free. */
static bool find_used(vmem_heap_t *heap, vmem_addr_t addr, struct vmem_block *block,
                      const char *call, uintptr_t caller)
{
    return find_block(heap, addr, block, call, caller) &&
           (!VMEM_CONFIG_DEBUG || block->cache == NULL ||
            find_object(heap, block->cache, addr, call, caller));
}

size_t vmem_heap_usable_size(vmem_heap_t *heap, const void *block)
{
    vmem_addr_t addr = (vmem_addr_t)(uintptr_t)block;
    struct vmem_block found;

    if (addr == 0 || !find_used(heap, addr, &found, "vmem_heap_usable_size",
                                (uintptr_t)__builtin_return_address(0)))
        return 0;
    return (size_t)found.size;
}

/* Changes the size of a large block where it stands. */
static bool resize_large(vmem_heap_t *heap, vmem_addr_t addr, const struct vmem_block *block,
                         size_t size, unsigned flags)
{
    unsigned long state;

    if (size > SIZE_MAX / 2 || vmem_resize(heap->arena, addr, block->size, size, flags) != 0)
        return false;
    state = vmem_port_lock(&heap->lock);
    if (size <= heap->largest)
        note_alignment(heap, block->align);
    heap->large_in_use += vmem_round(heap->arena, size) - block->size;
    vmem_port_unlock(&heap->lock, state);
    return true;
}

/* Whether a block serves, as it is or can be made where it stands, for another size. */
static bool serves(vmem_heap_t *heap, vmem_addr_t addr, const struct vmem_block *block, size_t size,
                   unsigned flags)
{
    if (block->cache != NULL)
        return has_size(heap, block, size);
    if (size <= heap->largest && block->align <= heap->largest)
        return false;
    return resize_large(heap, addr, block, size, flags);
}

void *vmem_heap_realloc(vmem_heap_t *heap, void *block, size_t size, unsigned flags)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    vmem_addr_t addr = (vmem_addr_t)(uintptr_t)block;
    struct vmem_block found;
    void *moved;

    if (block == NULL || heap == NULL || vmem_wrong_flags(flags) != NULL) /* two are reported */
        return alloc_any(heap, size, flags, 1, "vmem_heap_realloc", caller);
    if (!find_used(heap, addr, &found, "vmem_heap_realloc", caller))
        return NULL;
    if (size == 0)
        size = 1;
    if (serves(heap, addr, &found, size, flags))
        return block;
    moved = alloc_any(heap, size, flags, found.align, "vmem_heap_realloc", caller);
    if (moved != NULL) {
        memcpy(moved, block, size < found.size ? size : (size_t)found.size);
        free_any(heap, addr, 0, "vmem_heap_realloc", caller);
    }
    return moved;
}

/*
 * The whole heap
 */

void vmem_heap_reap(vmem_heap_t *heap)
{
    for (unsigned which = 0; which < heap->classes; which++) {
        vmem_cache_t *cache = VMEM_READ_ACQUIRE(heap->cache[which]);

        if (cache != &none)
            vmem_cache_reap(cache);
    }
}

bool vmem_heap_trim(vmem_heap_t *heap)
{
    bool more = false;

    for (unsigned which = 0; which < heap->classes; which++) {
        vmem_cache_t *cache = VMEM_READ_ACQUIRE(heap->cache[which]);

        if (cache != &none && vmem_cache_trim(cache))
            more = true;
    }
    return more;
}

void vmem_heap_stat(vmem_heap_t *heap, struct vmem_heap_stats *stats)
{
    unsigned long state = vmem_port_lock(&heap->lock);

    stats->in_use = stats->held = stats->large_in_use = heap->large_in_use;
    stats->blocks = stats->large_blocks = heap->large_blocks;
    stats->allocs = heap->large_allocs;
    stats->frees = heap->large_frees;
    stats->fails = heap->fails;
    stats->misses = 0;
    vmem_port_unlock(&heap->lock, state);
    for (unsigned which = 0; which < heap->classes; which++) {
        vmem_cache_t *cache = VMEM_READ_ACQUIRE(heap->cache[which]);
        struct vmem_cache_stats of_class;

        if (cache == &none)
            continue;
        vmem_cache_stat(cache, &of_class);
        stats->in_use += of_class.in_use * of_class.object_size;
        stats->held += of_class.slabs * of_class.slab_size;
        stats->blocks += of_class.in_use;
        stats->allocs += of_class.allocs;
        stats->frees += of_class.frees;
        stats->fails += of_class.fails;
        stats->misses += of_class.misses;
    }
}

/*
 * Check. Each granule of a class lies in a slab of that class, and there are as many as all slabs
 * have: so each granule of a slab says its class. Each large block is a segment of the arena, and
 * there are as many as were counted.
 */

struct vmem_heap_count {
    size_t granules; /* of slabs */
    size_t large_blocks;
    vmem_size_t large_in_use;
};

static bool check_granule(vmem_heap_t *heap, uintptr_t addr, unsigned char byte,
                          struct vmem_heap_count *count)
{
    struct vmem_block block = {.byte = byte};
    vmem_cache_t *cache;
    unsigned long state;
    bool found;

    if (byte >= VMEM_HEAP_LARGE) {
        found = find_large(heap, addr, &block);
        count->large_blocks++;
        count->large_in_use += block.size;
        return found;
    }
    if (byte > heap->classes || heap->cache[byte - 1] == &none)
        return false;
    cache = heap->cache[byte - 1];
    state = vmem_port_lock(&cache->lock);
    found = vmem_slab_find(cache, addr) != NULL;
    vmem_port_unlock(&cache->lock, state);
    count->granules++;
    return found;
}

static enum vmem_fault_kind check_map(vmem_heap_t *heap, size_t granules, uintptr_t *addrp)
{
    struct vmem_heap_count count = {.granules = 0};
    unsigned char byte;

    for (*addrp = 0; (byte = vmem_map_next(&heap->map, addrp)) != 0;) {
        if (!check_granule(heap, *addrp, byte, &count))
            return VMEM_FAULT_INDEX;
        *addrp += granule_of(heap);
        if (*addrp == 0) /* that was the last of the address space */
            break;
    }
    if (count.granules != granules)
        return VMEM_FAULT_INDEX;
    return count.large_blocks == heap->large_blocks && count.large_in_use == heap->large_in_use
               ? VMEM_FAULT_NONE
               : VMEM_FAULT_SUM;
}

int vmem_heap_check(vmem_heap_t *heap)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    enum vmem_fault_kind kind;
    size_t granules = 0;
    uintptr_t addr;

    for (unsigned which = 0; which < heap->classes; which++) {
        vmem_cache_t *cache = heap->cache[which];
        int error;

        if (cache == &none)
            continue;
        error = vmem_cache_check(cache);
        if (error != 0)
            return error;
        granules += cache->slabs.count *
                    (size_t)vmem_shift_right(cache->slab_size, heap->map.granule_shift);
    }
    kind = check_map(heap, granules, &addr);
    if (kind != VMEM_FAULT_NONE)
        report(heap, kind, NULL, addr, 0, 0, 0, 0, "vmem_heap_check", caller);
    return (int)kind;
}
