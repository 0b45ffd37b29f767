/* SPDX-License-Identifier: MIT */
/*
 * slab.c - the slab layer: slabs cut into objects (Bonwick, "The Slab Allocator", 1994).
 *
 * Concepts
 * --------
 * 1. A slab is a power of two of an arena's units, aligned to its size, so that the slab of an
 *    object is found by clearing low bits: then a look in the cache's hash.
 * 2. Its descriptor lies outside, a node of the tag pool, with a bitmap of the free objects. What
 *    is free is thus never written, and need not be memory.
 * 3. A slab is on one of three lists: full, partial or empty. Objects come from partial slabs
 *    first. VMEM_SLAB_EMPTY_KEPT empty ones are kept, so that a pair at the edge of a slab does
 *    not go to the arena each time.
 * 4. Where the cache constructs, a second bitmap says which objects are raw. An object is
 *    constructed when it is handed out for the first time, and destructed when its slab goes.
 * 5. Colour: where objects leave room in a slab, each new slab begins a step further on, so that
 *    equal fields of objects do not all fall into the same lines of a CPU's cache.
 *
 * The index of an object is its offset divided by the size: a multiplication. With s = 31 + the
 * bits of the size, r = 2^s / size rounded up, the quotient of u is u * r >> s, exact for
 * u < 2^31: what r is too large by, u times that stays below 2^s.
 *
 * Locking: the cache's lock, for at most VMEM_SLAB_BATCH objects. The arena, the pool and the
 * constructors are called without it.
 * Costs: O(1) an object, and for a slab what the arena takes.
 */
#include "slab.h"

#include "sleep.h"

/*
 * Geometry
 */

/* a / b by long division, since dividing may take libgcc. */
static uint64_t divide(uint64_t a, uint64_t b)
{
    uint64_t quotient = 0;
    uint64_t rest = 0;

    for (unsigned i = 0; i < 64; i++) {
        rest = rest << 1 | a >> 63;
        a <<= 1;
        quotient <<= 1;
        if (rest >= b) {
            rest -= b;
            quotient |= 1;
        }
    }
    return quotient;
}

/* The size of slabs for memory: wastes at most 1/8, and holds 8 objects or is 64 KiB at least. */
static vmem_size_t suitable_slab(const vmem_cache_t *cache, vmem_size_t align)
{
    vmem_size_t slab = 4096;

    while (slab < cache->arena->quantum || slab < align || slab < cache->size)
        slab <<= 1;
    for (;; slab <<= 1) {
        vmem_size_t objects = (vmem_size_t)divide(slab, cache->size);

        if (slab - objects * cache->size <= slab / 8 && (objects >= 8 || slab >= 65536))
            return slab;
    }
}

/* The lowest bit that is set. */
static unsigned lowest_bit(vmem_size_t size)
{
    return vmem_msb(size & (~size + 1));
}

static void init_division(vmem_cache_t *cache)
{
    uint32_t units;
    unsigned bits = 0;

    cache->unit_shift = (uint8_t)lowest_bit(cache->size);
    units = (uint32_t)vmem_shift_right(cache->size, cache->unit_shift);
    while (((uint32_t)1 << bits) < units)
        bits++;
    cache->reciprocal = (uint32_t)divide(((uint64_t)1 << 31 << bits) + units - 1, units);
    cache->reciprocal_shift = (uint8_t)bits;
}

static void init_map(vmem_cache_t *cache)
{
    uint32_t words = (cache->capacity + VMEM_WORD_BITS - 1) / VMEM_WORD_BITS;
    uint32_t maps = 1 + (cache->constructs ? 1U : 0U) + VMEM_CONFIG_DEBUG;

    cache->map_words = words;
    if (maps * words > VMEM_SLAB_WORDS || VMEM_CONFIG_DEBUG)
        cache->map_size = maps * words * (uint32_t)sizeof(vmem_word_t);
#if VMEM_CONFIG_DEBUG
    if (cache->map_size + cache->capacity * sizeof(uintptr_t) <= VMEM_PAGE_SIZE)
        cache->map_size += cache->capacity * (uint32_t)sizeof(uintptr_t);
#endif
}

void vmem_slab_init(vmem_cache_t *cache, vmem_size_t size, vmem_size_t align, vmem_size_t slab_size)
{
    cache->size = size;
    cache->slab_size = slab_size != 0 ? slab_size : suitable_slab(cache, align);
    cache->capacity = (uint32_t)divide(cache->slab_size, size);
    cache->batch = cache->capacity / 4;
    if (cache->batch > VMEM_SLAB_BATCH)
        cache->batch = VMEM_SLAB_BATCH;
    if (cache->batch == 0)
        cache->batch = 1;
    init_division(cache);
    init_map(cache);
    if ((cache->flags & (VMEM_CACHE_QUANTUM | VMEM_CACHE_NO_COLOUR)) == 0) {
        cache->colour_step = (uint32_t)align;
        cache->colour_max = (uint32_t)(cache->slab_size - cache->capacity * size);
    }
    vmem_hash_init(&cache->slabs, true);
}

/*
 * Bitmaps
 */

/* Sets the first `count` bits, clears the rest. */
static void fill_map(vmem_word_t *map, uint32_t words, uint32_t count)
{
    for (uint32_t w = 0; w < words; w++) {
        uint32_t left = count - w * VMEM_WORD_BITS;

        map[w] = left >= VMEM_WORD_BITS ? ~(vmem_word_t)0 : ((vmem_word_t)1 << left) - 1;
    }
}

static vmem_word_t *raw_map(const vmem_cache_t *cache, const struct vmem_slab *slab)
{
    return slab->map + cache->map_words;
}

#if VMEM_CONFIG_DEBUG
vmem_word_t *vmem_slab_out_map(const vmem_cache_t *cache, const struct vmem_slab *slab)
{
    return slab->map + (size_t)cache->map_words * (cache->constructs ? 2 : 1);
}

uintptr_t *vmem_slab_callers(const vmem_cache_t *cache, const struct vmem_slab *slab)
{
    vmem_word_t *callers = vmem_slab_out_map(cache, slab) + cache->map_words;
    size_t maps = (size_t)(callers - slab->map) * sizeof *callers;

    return cache->map_size > maps ? callers : NULL;
}
#endif

/*
 * Lists of slabs. Everything from here to the next heading is called with the lock held.
 */

static void list_add(struct vmem_slab_list *list, vmem_link_t link)
{
    struct vmem_tag *tag = vmem_tag_at(link);

    tag->prev = 0;
    tag->next = list->first;
    if (list->first != 0)
        vmem_tag_at(list->first)->prev = link;
    list->first = link;
    list->count++;
}

static void list_remove(struct vmem_slab_list *list, vmem_link_t link)
{
    const struct vmem_tag *tag = vmem_tag_at(link);

    if (tag->prev != 0)
        vmem_tag_at(tag->prev)->next = tag->next;
    else
        list->first = tag->next;
    if (tag->next != 0)
        vmem_tag_at(tag->next)->prev = tag->prev;
    list->count--;
}

static struct vmem_slab_list *list_of(vmem_cache_t *cache, const struct vmem_slab *slab)
{
    if (slab->used == 0)
        return &cache->empty;
    return slab->used == cache->capacity ? &cache->full : &cache->partial;
}

/* After a change of `used`: moves a slab from the list on which it was. */
static void relist(vmem_cache_t *cache, vmem_link_t link, struct vmem_slab_list *from)
{
    struct vmem_slab_list *to = list_of(cache, vmem_slab_at(link));

    if (from != to) {
        list_remove(from, link);
        list_add(to, link);
    }
}

/* The hash finds a slab by where it begins. */
static vmem_link_t find_link(const vmem_cache_t *cache, vmem_addr_t addr)
{
    return *vmem_hash_find(&cache->slabs, addr & ~(cache->slab_size - 1));
}

struct vmem_slab *vmem_slab_find(const vmem_cache_t *cache, vmem_addr_t addr)
{
    vmem_link_t link = find_link(cache, addr);

    return link != 0 ? vmem_slab_at(link) : NULL;
}

bool vmem_slab_object(const vmem_cache_t *cache, const struct vmem_slab *slab, vmem_addr_t addr,
                      uint32_t *indexp)
{
    vmem_addr_t first = vmem_slab_first(slab);

    if (addr < first)
        return false;
    *indexp = vmem_slab_divide(cache, addr - first);
    return *indexp < cache->capacity;
}

/*
 * Making and releasing slabs. Without the lock.
 */

/* How many empty slabs may stay: none where somebody waits for the arena. */
static uint32_t empty_kept(const vmem_cache_t *cache)
{
    return vmem_is_awaited(cache->arena) ? 0 : VMEM_SLAB_EMPTY_KEPT;
}

/* Objects have become free in slabs. Without the lock. */
static void wake(vmem_cache_t *cache)
{
    if (vmem_is_awaited(cache->arena))
        vmem_wake_cache(cache);
}

static void free_descriptor(const vmem_cache_t *cache, vmem_link_t link)
{
    struct vmem_stash stash = {.first = link, .count = 1};

    if (cache->map_size > 0)
        vmem_pool_free(vmem_slab_at(link)->map, cache->map_size);
    vmem_tag_at(link)->chain = 0;
    vmem_pool_return(&stash);
}

/* A descriptor in which all objects are free and raw; 0: no memory. */
static vmem_link_t make_descriptor(const vmem_cache_t *cache)
{
    struct vmem_stash stash = {.first = 0};
    struct vmem_slab *slab;

    if (vmem_pool_is_nested() || vmem_pool_take(VMEM_CLASS_NODE, 1, 1, &stash) != 0)
        return 0;
    slab = vmem_slab_at(stash.first);
    slab->map = slab->words;
    if (cache->map_size > 0) {
        slab->map = (vmem_word_t *)vmem_pool_alloc(cache->map_size);
        if (slab->map == NULL) {
            vmem_pool_return(&stash);
            return 0;
        }
        memset(slab->map, 0, cache->map_size);
    }
    slab->tag.kind = VMEM_KIND_ALLOCATED;
    slab->used = 0;
    fill_map(slab->map, cache->map_words, cache->capacity);
    if (cache->constructs)
        fill_map(raw_map(cache, slab), cache->map_words, cache->capacity);
    return stash.first;
}

static void release_addr(const vmem_cache_t *cache, vmem_addr_t addr)
{
    vmem_xfree(cache->arena, addr, cache->slab_size);
}

/* Where memory is concerned, address 0 would be taken for a failure: then another slab. */
static int import_slab(const vmem_cache_t *cache, unsigned policy, vmem_addr_t *addrp)
{
    struct vmem_constraints c = {.align = cache->slab_size};
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    int error;

    if ((cache->flags & VMEM_CACHE_QUANTUM) != 0)
        return vmem_allocate_slab(cache->arena, cache->slab_size, &c, addrp, caller);
    error = vmem_allocate(cache->arena, cache->slab_size, &c, policy, addrp, "vmem_cache_alloc",
                          caller);
    if (error != 0 || *addrp != 0)
        return error;
    release_addr(cache, 0);
    c.min = 1;
    return vmem_allocate(cache->arena, cache->slab_size, &c, policy, addrp, "vmem_cache_alloc",
                         caller);
}

/* Puts a new slab on the empty list. */
static void admit(vmem_cache_t *cache, vmem_link_t link)
{
    struct vmem_slab *slab = vmem_slab_at(link);
    unsigned long state = vmem_port_lock(&cache->lock);

    if (!vmem_hash_insertion_is_short(&cache->slabs))
        vmem_hash_tend(&cache->slabs, &cache->lock, &state);
    slab->colour = cache->colour;
    cache->colour += cache->colour_step;
    if (cache->colour > cache->colour_max)
        cache->colour = 0;
    vmem_hash_insert(&cache->slabs, link, &slab->tag);
    list_add(&cache->empty, link);
    cache->slab_allocs++;
    vmem_port_unlock(&cache->lock, state);
}

static int grow(vmem_cache_t *cache, unsigned policy)
{
    vmem_link_t link = make_descriptor(cache);
    struct vmem_slab *slab;
    int error;

    if (link == 0)
        return -VMEM_ENOMEM;
    slab = vmem_slab_at(link);
    error = import_slab(cache, policy, &slab->tag.addr);
    if (error == 0 && cache->slab_made != NULL) {
        error = cache->slab_made(cache, slab->tag.addr);
        if (error != 0)
            release_addr(cache, slab->tag.addr);
    }
    if (error != 0) {
        free_descriptor(cache, link);
        return error;
    }
    slab->tag.size = cache->slab_size;
    admit(cache, link);
    wake(cache);
    return 0;
}

static void destruct_all(const vmem_cache_t *cache, const struct vmem_slab *slab)
{
    for (uint32_t i = 0; i < cache->capacity; i++)
        if (!vmem_slab_bit(raw_map(cache, slab), i))
            cache->destruct((void *)(uintptr_t)vmem_slab_object_at(cache, slab, i), cache->ctx);
}

/* Gives back an empty slab that is off its list and the hash. */
static void release(vmem_cache_t *cache, vmem_link_t link)
{
    const struct vmem_slab *slab = vmem_slab_at(link);
    vmem_addr_t addr = slab->tag.addr;

    if (cache->destruct != NULL)
        destruct_all(cache, slab);
    if (cache->slab_gone != NULL)
        cache->slab_gone(cache, addr);
    free_descriptor(cache, link);
    release_addr(cache, addr);
}

/* Releases empty slabs until `keep` are left. */
static void release_down_to(vmem_cache_t *cache, size_t keep)
{
    unsigned long state = vmem_port_lock(&cache->lock);

    while (cache->empty.count > keep) {
        vmem_link_t link = cache->empty.first;

        list_remove(&cache->empty, link);
        vmem_hash_remove(&cache->slabs, vmem_hash_find(&cache->slabs, vmem_tag_at(link)->addr),
                         vmem_tag_at(link));
        cache->slab_frees++;
        vmem_port_unlock(&cache->lock, state);
        release(cache, link);
        state = vmem_port_lock(&cache->lock);
    }
    vmem_port_unlock(&cache->lock, state);
}

void vmem_slab_reap(vmem_cache_t *cache)
{
    unsigned long state;
    bool more;

    release_down_to(cache, 0);
    do {
        state = vmem_port_lock(&cache->lock);
        more = vmem_hash_shrink(&cache->slabs, &cache->lock, &state);
        vmem_port_unlock(&cache->lock, state);
    } while (more);
}

/*
 * Taking objects
 */

/* Takes free objects of one slab; a bit of *raw each: not constructed. With the lock. */
static unsigned take_from(vmem_cache_t *cache, vmem_link_t link, unsigned want,
                          vmem_addr_t *objects, uint32_t *raw)
{
    struct vmem_slab *slab = vmem_slab_at(link);
    struct vmem_slab_list *from = list_of(cache, slab);
    unsigned n = 0;

    for (uint32_t w = 0; n < want && w < cache->map_words; w++) {
        while (n < want && slab->map[w] != 0) {
            uint32_t i = w * VMEM_WORD_BITS + vmem_word_lsb(slab->map[w]);

            vmem_slab_clear_bit(slab->map, i);
            if (cache->constructs && vmem_slab_bit(raw_map(cache, slab), i)) {
                vmem_slab_clear_bit(raw_map(cache, slab), i);
                *raw |= (uint32_t)1 << n;
            }
            objects[n++] = vmem_slab_object_at(cache, slab, i);
        }
    }
    slab->used += n;
    cache->taken += n;
    relist(cache, link, from);
    return n;
}

/* Puts back an object that was taken; raw: it was not constructed. With the lock. */
static void put_back(vmem_cache_t *cache, vmem_link_t link, uint32_t i, bool raw)
{
    struct vmem_slab *slab = vmem_slab_at(link);
    struct vmem_slab_list *from = list_of(cache, slab);

    vmem_slab_set_bit(slab->map, i);
    if (raw)
        vmem_slab_set_bit(raw_map(cache, slab), i);
    slab->used--;
    cache->taken--;
    relist(cache, link, from);
}

/* Puts back what a constructor failed on, and all behind it. */
static void undo(vmem_cache_t *cache, const vmem_addr_t *objects, unsigned count, uint32_t raw)
{
    unsigned long state = vmem_port_lock(&cache->lock);

    for (unsigned n = 0; n < count; n++) {
        vmem_link_t link = find_link(cache, objects[n]);
        uint32_t i = vmem_slab_divide(cache, objects[n] - vmem_slab_first(vmem_slab_at(link)));

        put_back(cache, link, i, (raw >> n & 1) != 0);
    }
    vmem_port_unlock(&cache->lock, state);
    release_down_to(cache, empty_kept(cache));
    wake(cache);
}

/* Constructs what is raw; how many objects are good. */
static unsigned construct(vmem_cache_t *cache, const vmem_addr_t *objects, unsigned count,
                          uint32_t raw, unsigned flags, int *error)
{
    for (unsigned n = 0; n < count; n++) {
        if ((raw >> n & 1) == 0)
            continue;
        if (cache->construct((void *)(uintptr_t)objects[n], cache->ctx, flags) != 0) {
            undo(cache, objects + n, count - n, raw >> n);
            *error = -VMEM_EINVAL; /* whatever it is, no room in the arena would mend it */
            return n;
        }
    }
    return count;
}

unsigned vmem_slab_take(vmem_cache_t *cache, unsigned want, unsigned flags, vmem_addr_t *objects,
                        int *error)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    uint32_t raw = 0;
    unsigned n;

    *error = 0;
    while (cache->partial.count + cache->empty.count == 0) {
        vmem_port_unlock(&cache->lock, state);
        *error = grow(cache, vmem_policy(flags));
        state = vmem_port_lock(&cache->lock);
        if (*error != 0 && cache->partial.count + cache->empty.count == 0) {
            vmem_port_unlock(&cache->lock, state);
            return 0;
        }
    }
    *error = 0;
    n = take_from(cache, cache->partial.first != 0 ? cache->partial.first : cache->empty.first,
                  want, objects, &raw);
    vmem_port_unlock(&cache->lock, state);
    return raw != 0 ? construct(cache, objects, n, raw, flags, error) : n;
}

/*
 * Giving back
 */

/* Puts back objects up to the first that is none, or is free; how many. With the lock. */
static size_t give_some(vmem_cache_t *cache, const vmem_addr_t *objects, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        vmem_link_t link = find_link(cache, objects[n]);
        uint32_t i;

        if (link == 0 || !vmem_slab_object(cache, vmem_slab_at(link), objects[n], &i) ||
            vmem_slab_object_at(cache, vmem_slab_at(link), i) != objects[n] ||
            vmem_slab_bit(vmem_slab_at(link)->map, i))
            return n;
        put_back(cache, link, i, false);
    }
    return count;
}

/* Reports an address that is not an object, or a free one. */
static void report(vmem_cache_t *cache, vmem_addr_t addr, const char *call, uintptr_t caller)
{
    struct vmem_object object = {.size = 0};
    enum vmem_fault_kind kind = VMEM_FAULT_FOREIGN;

    if (vmem_cache_find(cache, addr, &object))
        kind = object.size == 0 || object.addr != addr ? VMEM_FAULT_MISALIGNED
                                                       : VMEM_FAULT_DOUBLE_FREE;
    vmem_cache_report(cache, kind, call, addr, cache->size, &object, caller);
}

/* What give_some stopped at: a segment of the arena, or nothing that can be given back. */
static void give_other(vmem_cache_t *cache, vmem_addr_t addr, const char *call, uintptr_t caller)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    bool in_slab = find_link(cache, addr) != 0;

    bool loose = !in_slab && (cache->flags & VMEM_CACHE_QUANTUM) != 0;

    if (loose)
        cache->loose++;
    else
        cache->frees--; /* which it was not */
    vmem_port_unlock(&cache->lock, state);
    if (loose)
        vmem_xfree(cache->arena, addr, cache->size);
    else
        report(cache, addr, call, caller);
}

void vmem_slab_give(vmem_cache_t *cache, const vmem_addr_t *objects, size_t count, const char *call,
                    uintptr_t caller)
{
    while (count > 0) {
        size_t batch = count < VMEM_SLAB_BATCH ? count : VMEM_SLAB_BATCH;
        unsigned long state = vmem_port_lock(&cache->lock);
        size_t done = give_some(cache, objects, batch);
        bool surplus = cache->empty.count > empty_kept(cache);

        vmem_port_unlock(&cache->lock, state);
        if (done < batch)
            give_other(cache, objects[done++], call, caller);
        if (surplus)
            release_down_to(cache, empty_kept(cache));
        objects += done;
        count -= done;
    }
    wake(cache);
}

/*
 * Check
 */

static uint32_t count_bits(const vmem_word_t *map, uint32_t words)
{
    uint32_t count = 0;

    for (uint32_t w = 0; w < words; w++)
        for (vmem_word_t word = map[w]; word != 0; word &= word - 1)
            count++;
    return count;
}

/* One list, whose slabs are all to be on it. */
static enum vmem_fault_kind check_list(vmem_cache_t *cache, const struct vmem_slab_list *list,
                                       size_t *taken, vmem_addr_t *at)
{
    vmem_link_t prev = 0;
    size_t count = 0;

    for (vmem_link_t link = list->first; link != 0; link = vmem_tag_at(link)->next) {
        const struct vmem_slab *slab = vmem_slab_at(link);

        *at = slab->tag.addr;
        if (slab->tag.prev != prev || ++count > list->count || list_of(cache, slab) != list)
            return VMEM_FAULT_ORDER;
        if (count_bits(slab->map, cache->map_words) + slab->used != cache->capacity)
            return VMEM_FAULT_SUM;
        if (!vmem_hash_holds(&cache->slabs, link))
            return VMEM_FAULT_HASH;
        *taken += slab->used;
        prev = link;
    }
    return count == list->count ? VMEM_FAULT_NONE : VMEM_FAULT_SUM;
}

enum vmem_fault_kind vmem_slab_check(vmem_cache_t *cache, vmem_addr_t *at)
{
    struct vmem_slab_list *lists[] = {&cache->full, &cache->partial, &cache->empty};
    size_t slabs = 0;
    size_t taken = 0;

    for (unsigned i = 0; i < 3; i++) {
        enum vmem_fault_kind kind = check_list(cache, lists[i], &taken, at);

        if (kind != VMEM_FAULT_NONE)
            return kind;
        slabs += lists[i]->count;
    }
    if (vmem_hash_recount(&cache->slabs) != slabs || cache->slabs.count != slabs)
        return VMEM_FAULT_HASH;
    return taken == cache->taken ? VMEM_FAULT_NONE : VMEM_FAULT_SUM;
}
