/* SPDX-License-Identifier: MIT */
/*
 * cache.c - object caches: creation to destruction, allocation and free, reap, counters.
 *
 * An allocation asks the CPU's magazine (magazine.h), the depot (magazine.c), then the slabs
 * (slab.c), from which it takes a few more objects than the one, for the magazine. A free goes the
 * same way back. The layers keep separate books: to the slabs, what waits in a magazine is
 * allocated.
 *
 * Counting: a CPU counts what its magazines served, the cache the rest. What is out is the
 * difference of all allocations and all frees; it is exact when nobody else uses the cache.
 *
 * The caches over an arena are on a list, in order of creation, with a lock for all such
 * lists. Who goes through one pins the cache that he looks at, and can do so without a lock; a
 * cache that is pinned cannot be destroyed.
 */
#include "magazine.h"
#include "quantum.h"
#include "slab.h"
#include "sleep.h"

static struct {
    vmem_port_lock_t lock;
    uint32_t ids;
} caches = {.lock = VMEM_PORT_LOCK_INIT};

static const vmem_port_lock_t lock_init = VMEM_PORT_LOCK_INIT;

/* Set up once, before the first arena or heap that has it in place of a cache. */
void vmem_cache_init_none(void)
{
    unsigned long state = vmem_port_lock(&caches.lock);

    if (vmem_no_cache.cpus[0] == NULL)
        for (unsigned i = 0; i <= VMEM_CPUS; i++)
            vmem_no_cache.cpus[i] = &vmem_no_cpu;
    vmem_port_unlock(&caches.lock, state);
}

static const char *meaning(enum vmem_fault_kind kind)
{
    switch (kind) {
    case VMEM_FAULT_DOUBLE_FREE:
        return "double free: the object is free";
    case VMEM_FAULT_MISALIGNED:
        return "misaligned: not the start of an object";
    case VMEM_FAULT_FOREIGN:
        return "foreign address: in no slab of this cache";
    default:
        return NULL;
    }
}

void vmem_cache_report(const vmem_cache_t *cache, enum vmem_fault_kind kind, const char *call,
                       vmem_addr_t addr, vmem_size_t size, const struct vmem_object *object,
                       uintptr_t caller)
{
    bool quantum = (cache->flags & VMEM_CACHE_QUANTUM) != 0;

    (void)vmem_fault_object(quantum ? cache->arena : NULL, cache->name, kind, call, meaning(kind),
                            addr, size, object, caller);
}

/*
 * The lists
 */

void vmem_cache_enlist(vmem_cache_t *cache)
{
    struct vmem_cache **at = &cache->arena->caches;
    unsigned long state = vmem_port_lock(&caches.lock);

    cache->id = ++caches.ids;
    cache->next = NULL;
    while (*at != NULL)
        at = &(*at)->next;
    *at = cache;
    vmem_port_unlock(&caches.lock, state);
}

bool vmem_cache_delist(vmem_cache_t *cache)
{
    struct vmem_cache **at = &cache->arena->caches;
    unsigned long state = vmem_port_lock(&caches.lock);
    bool idle = cache->pins == 0;

    if (idle) {
        while (*at != cache)
            at = &(*at)->next;
        *at = cache->next;
    }
    vmem_port_unlock(&caches.lock, state);
    return idle;
}

vmem_cache_t *vmem_cache_pin_next(vmem_t *arena, uint32_t after)
{
    unsigned long state = vmem_port_lock(&caches.lock);
    struct vmem_cache *cache = arena->caches;

    while (cache != NULL && cache->id <= after)
        cache = cache->next;
    if (cache != NULL)
        cache->pins++;
    vmem_port_unlock(&caches.lock, state);
    return cache;
}

void vmem_cache_unpin(vmem_cache_t *cache)
{
    unsigned long state = vmem_port_lock(&caches.lock);

    cache->pins--;
    vmem_port_unlock(&caches.lock, state);
}

bool vmem_cache_are_quantum(vmem_t *arena, bool *pinned)
{
    unsigned long state = vmem_port_lock(&caches.lock);
    bool quantum = true;

    for (const vmem_cache_t *cache = arena->caches; cache != NULL; cache = cache->next) {
        quantum = quantum && (cache->flags & VMEM_CACHE_QUANTUM) != 0;
        *pinned = *pinned || cache->pins > 0;
    }
    *pinned = *pinned && quantum;
    vmem_port_unlock(&caches.lock, state);
    return quantum && !*pinned;
}

void vmem_cpus_online(unsigned count)
{
    for (unsigned cpu = 0; vmem_magazine_is_cpu(cpu) && cpu < count; cpu++)
        vmem_cpu_online(cpu);
}

static void drain(vmem_t *arena, unsigned cpu)
{
    uint32_t after = 0;
    vmem_cache_t *cache;

    while ((cache = vmem_cache_pin_next(arena, after)) != NULL) {
        after = cache->id;
        vmem_magazine_drain(cache, cpu);
        vmem_cache_unpin(cache);
    }
}

void vmem_cpu_drain(unsigned cpu)
{
    uint32_t after = 0;
    vmem_t *arena;

    while (vmem_magazine_is_cpu(cpu) && (arena = vmem_pin_next(after)) != NULL) {
        after = arena->id;
        drain(arena, cpu);
        vmem_unpin(arena);
    }
}

void vmem_cache_drain_awaited(void)
{
    uint32_t after = 0;
    vmem_t *arena;

    while ((arena = vmem_pin_next(after)) != NULL) {
        after = arena->id;
        if (vmem_is_awaited(arena))
            drain(arena, VMEM_CPUS);
        vmem_unpin(arena);
    }
}

/*
 * Creation and destruction
 */

static const char *wrong_params(const struct vmem_cache_params *params)
{
    if (params->name == NULL)
        return "name is NULL";
    if (params->arena == NULL)
        return "arena is NULL";
    if (params->size == 0 || params->size > VMEM_CACHE_SIZE_MAX)
        return "size is 0 or above VMEM_CACHE_SIZE_MAX";
    if (params->align != 0 && !vmem_is_power_of_two(params->align))
        return "align is not a power of two";
    if (params->align > VMEM_CACHE_SIZE_MAX)
        return "align is above VMEM_CACHE_SIZE_MAX";
    if (params->destruct != NULL && params->construct == NULL)
        return "destruct without construct";
    if ((params->flags & ~(unsigned)VMEM_CACHE_PUBLIC_FLAGS) != 0)
        return "unknown flags";
    if (params->arena->quantum > VMEM_CACHE_QUANTUM_MAX)
        return "the arena's quantum is above 1 MiB";
    return NULL;
}

/* The largest power of two that divides the size, from 8 to 64. */
static size_t natural_align(size_t size)
{
    size_t align = 8;

    while (align < 64 && ((size + 7) & ~(size_t)7 & align) == 0)
        align <<= 1;
    return align;
}

vmem_cache_t *vmem_cache_make(const struct vmem_cache_params *params, vmem_size_t size,
                              vmem_size_t align, vmem_size_t slab_size, unsigned flags)
{
    vmem_cache_t *cache = (vmem_cache_t *)vmem_pool_alloc(sizeof *cache);

    if (cache == NULL)
        return NULL;
    memset(cache, 0, sizeof *cache);
    cache->lock = lock_init;
    cache->name = params->name;
    cache->arena = params->arena;
    cache->construct = params->construct;
    cache->destruct = params->destruct;
    cache->reclaim = params->reclaim;
    cache->ctx = params->ctx;
    cache->flags = flags;
    cache->constructs = params->construct != NULL;
    vmem_slab_init(cache, (size + (align - 1)) & ~(align - 1), align, slab_size);
    vmem_magazine_init(cache);
    return cache;
}

int vmem_cache_create(const struct vmem_cache_params *params, vmem_cache_t **cachep)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    const char *wrong;
    vmem_cache_t *cache;
    size_t align;

    wrong = params == NULL || cachep == NULL ? "params or cachep is NULL" : wrong_params(params);
    if (wrong != NULL)
        return vmem_fault_named(params != NULL ? params->name : NULL, VMEM_FAULT_PARAMETER,
                                "vmem_cache_create", wrong, 0, params != NULL ? params->size : 0, 0,
                                0, 0, caller);
    align = params->align != 0 ? params->align : natural_align(params->size);
    cache = vmem_cache_make(params, params->size, align, 0, params->flags);
    if (cache == NULL)
        return -VMEM_ENOMEM;
    vmem_cache_enlist(cache);
    *cachep = cache;
    return 0;
}

void vmem_cache_dismantle(vmem_cache_t *cache)
{
    vmem_magazine_destroy(cache);
    vmem_slab_reap(cache);
    vmem_hash_destroy(&cache->slabs);
    vmem_pool_free(cache, sizeof *cache);
}

vmem_word_t vmem_cache_out(const vmem_cache_t *cache)
{
    vmem_word_t out = (vmem_word_t)cache->allocs - (vmem_word_t)cache->frees + cache->loose;

    for (unsigned i = 0; i != VMEM_CPUS; i++) {
        const struct vmem_cpu *cpu = VMEM_READ_ACQUIRE(cache->cpus[i]);

        out += vmem_magazine_out(cpu);
    }
    return out;
}

int vmem_cache_destroy(vmem_cache_t *cache)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    unsigned long state;
    vmem_word_t out;

    if (cache == NULL)
        return vmem_fault_named(NULL, VMEM_FAULT_PARAMETER, "vmem_cache_destroy", "cache is NULL",
                                0, 0, 0, 0, 0, caller);
    state = vmem_port_lock(&cache->lock);
    out = vmem_cache_out(cache);
    vmem_port_unlock(&cache->lock, state);
    if (out != 0 || vmem_cache_is_awaited(cache)) {
        (void)vmem_fault_named(cache->name, VMEM_FAULT_BUSY, "vmem_cache_destroy",
                               out != 0 ? "busy: objects are allocated"
                                        : "busy: a request waits for it",
                               0, out, 0, 0, 0, caller);
        return -VMEM_EBUSY;
    }
    if (!vmem_cache_delist(cache))
        return -VMEM_EBUSY;
    vmem_cache_dismantle(cache);
    return 0;
}

/*
 * The slow ways
 */

/* Puts all objects but the first where the next allocations find them; how many in magazines. */
static unsigned put_aside(vmem_cache_t *cache, const vmem_addr_t *objects, unsigned count)
{
    unsigned left = count;

    while (left > 1 && vmem_magazine_free(cache, objects[left - 1]))
        left--;
    if (left > 1)
        vmem_slab_give(cache, objects + 1, left - 1, "vmem_cache_alloc", 0);
    return count - left;
}

/* Whether more than is asked for may go from the slabs to a magazine. */
static bool has_room_aside(const vmem_cache_t *cache)
{
    return vmem_magazine_is_online(cache) && !vmem_is_awaited(cache->arena);
}

/*
 * An object from the slabs, and a few more for the magazine: all of them are counted as allocated
 * until they are there, so that the books agree at any time, and then only the one.
 */
static __attribute__((noinline)) int take_from_slabs(vmem_cache_t *cache, unsigned flags,
                                                     vmem_addr_t *addrp)
{
    vmem_addr_t objects[VMEM_SLAB_BATCH];
    unsigned long state;
    unsigned count;
    unsigned aside;
    int error;

    count = vmem_slab_take(cache, has_room_aside(cache) ? cache->batch : 1, flags, objects, &error);
    state = vmem_port_lock(&cache->lock);
    cache->misses++;
    cache->allocs += count;
    if (count == 0 && !vmem_may_sleep(flags))
        cache->fails++;
    vmem_port_unlock(&cache->lock, state);
    if (count == 0)
        return error;
    if (count > 1) {
        aside = put_aside(cache, objects, count);
        state = vmem_port_lock(&cache->lock);
        cache->allocs -= count - 1;
        cache->frees -= aside;
        vmem_port_unlock(&cache->lock, state);
    }
    *addrp = objects[0];
    return 0;
}

int vmem_cache_take(vmem_cache_t *cache, unsigned flags, vmem_addr_t *addrp)
{
    return vmem_magazine_alloc(cache, addrp) ? 0 : take_from_slabs(cache, flags, addrp);
}

void vmem_cache_put(vmem_cache_t *cache, vmem_addr_t addr, const char *call, uintptr_t caller)
{
    unsigned long state;

    if (vmem_magazine_free(cache, addr))
        return;
    state = vmem_port_lock(&cache->lock);
    cache->misses++;
    cache->frees++;
    vmem_port_unlock(&cache->lock, state);
    vmem_slab_give(cache, &addr, 1, call, caller);
}

/*
 * What a caller asks for
 */

struct wish {
    vmem_cache_t *cache;
    unsigned flags;
    vmem_addr_t *addrp;
};

static int attempt(void *request)
{
    const struct wish *wish = request;

    return vmem_cache_take(wish->cache, wish->flags, wish->addrp);
}

static __attribute__((noinline)) int wait_for(vmem_cache_t *cache, unsigned flags,
                                              vmem_addr_t *addrp)
{
    struct wish wish = {.cache = cache, .flags = flags};
    struct vmem_waiter waiter = {.arena = cache->arena, .cache = cache, .max = VMEM_ADDR_MAX};
    unsigned long state;
    int error;

    wish.addrp = addrp;
    error = vmem_sleep(&waiter, attempt, &wish);
    if (error != 0) {
        state = vmem_port_lock(&cache->lock);
        cache->fails++;
        vmem_port_unlock(&cache->lock, state);
    }
    return error;
}

static __attribute__((noinline)) void *alloc_slowly(vmem_cache_t *cache, unsigned flags,
                                                    uintptr_t caller)
{
    const char *wrong = cache == NULL ? "cache is NULL" : vmem_wrong_flags(flags);
    vmem_addr_t addr;

    if (wrong != NULL) {
        (void)vmem_fault_named(cache != NULL ? cache->name : NULL, VMEM_FAULT_PARAMETER,
                               "vmem_cache_alloc", wrong, 0, 0, 0, 0, 0, caller);
        return NULL;
    }
    if (!vmem_magazine_pop(cache, &addr) &&
        (vmem_may_sleep(flags) ? wait_for(cache, flags, &addr)
                               : vmem_cache_take(cache, flags, &addr)) != 0)
        return NULL;
#if VMEM_CONFIG_DEBUG
    vmem_cache_note_out(cache, addr, caller);
#endif
    return (void *)(uintptr_t)addr;
}

void *vmem_cache_alloc(vmem_cache_t *cache, unsigned flags)
{
    vmem_addr_t addr = 0;

    if (VMEM_LIKELY(!VMEM_CONFIG_DEBUG && cache != NULL && vmem_policy(flags) <= VMEM_LASTFIT &&
                    vmem_magazine_pop(cache, &addr)))
        return (void *)(uintptr_t)addr;
    return alloc_slowly(cache, flags, (uintptr_t)__builtin_return_address(0));
}

/* What the slabs know to be wrong with giving back an address: object *indexp of a slab, or in none
 * (NULL). With the lock. */
static enum vmem_fault_kind wrong_object(const vmem_cache_t *cache, const struct vmem_slab *slab,
                                         vmem_addr_t addr, uint32_t *indexp)
{
    if (slab == NULL)
        return VMEM_FAULT_FOREIGN;
    if (!vmem_slab_object(cache, slab, addr, indexp) ||
        vmem_slab_object_at(cache, slab, *indexp) != addr)
        return VMEM_FAULT_MISALIGNED;
    return vmem_slab_bit(slab->map, *indexp) ? VMEM_FAULT_DOUBLE_FREE : VMEM_FAULT_NONE;
}

/*
 * What is wrong with a free that the magazine does not take at once: an object that was freed just
 * before may be on top of it, or back in its slab, or even its slab be gone.
 */
static enum vmem_fault_kind wrong_free(vmem_cache_t *cache, vmem_addr_t addr)
{
    enum vmem_fault_kind kind = VMEM_FAULT_DOUBLE_FREE;
    unsigned long state;
    uint32_t i;

    if (vmem_magazine_has_on_top(cache, addr))
        return kind;
    if (vmem_magazine_has_room_behind(cache))
        return VMEM_FAULT_NONE;
    state = vmem_port_lock(&cache->lock);
    kind = wrong_object(cache, vmem_slab_find(cache, addr), addr, &i);
    vmem_port_unlock(&cache->lock, state);
    return kind;
}

static __attribute__((noinline)) void free_slowly(vmem_cache_t *cache, vmem_addr_t addr,
                                                  uintptr_t caller)
{
    enum vmem_fault_kind kind;

    if (cache == NULL || addr == 0) {
        (void)vmem_fault_named(
            cache != NULL ? cache->name : NULL, VMEM_FAULT_PARAMETER, "vmem_cache_free",
            cache == NULL ? "cache is NULL" : "object is NULL", addr, 0, 0, 0, 0, caller);
        return;
    }
#if VMEM_CONFIG_DEBUG
    if (!vmem_cache_note_back(cache, addr, cache->size, "vmem_cache_free", caller))
        return;
#endif
    kind = wrong_free(cache, addr);
    if (kind != VMEM_FAULT_NONE) {
        struct vmem_object object;

        (void)vmem_cache_find(cache, addr, &object);
        vmem_cache_report(cache, kind, "vmem_cache_free", addr, cache->size, &object, caller);
        return;
    }
    vmem_cache_put(cache, addr, "vmem_cache_free", caller);
}

void vmem_cache_free(vmem_cache_t *cache, void *object)
{
    vmem_addr_t addr = (vmem_addr_t)(uintptr_t)object;

    if (VMEM_LIKELY(!VMEM_CONFIG_DEBUG && cache != NULL && addr != 0 &&
                    vmem_magazine_push_other(cache, addr)))
        return;
    free_slowly(cache, addr, (uintptr_t)__builtin_return_address(0));
}

/*
 * Reap
 */

void vmem_cache_strip(vmem_cache_t *cache)
{
    if (cache->reclaim != NULL)
        cache->reclaim(cache->ctx);
    vmem_magazine_reap(cache);
    vmem_slab_reap(cache);
}

void vmem_cache_reap(vmem_cache_t *cache)
{
    if (cache == NULL || !vmem_reap_begin())
        return;
    vmem_cache_strip(cache);
    vmem_reap_end();
}

bool vmem_cache_trim(vmem_cache_t *cache)
{
    return cache != NULL && vmem_magazine_trim(cache);
}

/*
 * Looking
 */

struct search {
    vmem_addr_t addr;
    bool found;
};

static void compare(void *ctx, vmem_addr_t addr)
{
    struct search *search = ctx;

    search->found = search->found || addr == search->addr;
}

bool vmem_cache_waits(vmem_cache_t *cache, vmem_addr_t addr)
{
    struct search search = {.addr = addr};
    unsigned long state = vmem_port_lock(&cache->lock);

    (void)vmem_magazine_rounds(cache, compare, &search);
    vmem_port_unlock(&cache->lock, state);
    return search.found;
}

static void describe(const vmem_cache_t *cache, const struct vmem_slab *slab, uint32_t i,
                     struct vmem_object *object)
{
    struct search search = {.addr = vmem_slab_object_at(cache, slab, i)};

    object->addr = search.addr;
    object->size = cache->size;
    object->in_slab = vmem_slab_bit(slab->map, i);
    if (!object->in_slab)
        (void)vmem_magazine_rounds(cache, compare, &search);
    object->in_magazine = search.found;
    object->out = !object->in_slab && !object->in_magazine;
#if VMEM_CONFIG_DEBUG
    object->out = vmem_slab_bit(vmem_slab_out_map(cache, slab), i);
    if (vmem_slab_callers(cache, slab) != NULL)
        object->caller = vmem_slab_callers(cache, slab)[i];
#endif
}

bool vmem_cache_find(vmem_cache_t *cache, vmem_addr_t addr, struct vmem_object *object)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    const struct vmem_slab *slab = vmem_slab_find(cache, addr);
    uint32_t i;

    memset(object, 0, sizeof *object);
    if (slab != NULL) {
        object->slab = slab->tag.addr;
        if (vmem_slab_object(cache, slab, addr, &i))
            describe(cache, slab, i, object);
    }
    vmem_port_unlock(&cache->lock, state);
    return slab != NULL;
}

#if VMEM_CONFIG_DEBUG

/*
 * With VMEM_CONFIG_DEBUG each object knows whether it is handed out, and to whom.
 */

void vmem_cache_note_out(vmem_cache_t *cache, vmem_addr_t addr, uintptr_t caller)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    const struct vmem_slab *slab = vmem_slab_find(cache, addr);
    uint32_t i;

    if (slab != NULL && vmem_slab_object(cache, slab, addr, &i)) {
        vmem_slab_set_bit(vmem_slab_out_map(cache, slab), i);
        if (vmem_slab_callers(cache, slab) != NULL)
            vmem_slab_callers(cache, slab)[i] = caller;
    }
    vmem_port_unlock(&cache->lock, state);
}

bool vmem_cache_note_back(vmem_cache_t *cache, vmem_addr_t addr, vmem_size_t size, const char *call,
                          uintptr_t caller)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    const struct vmem_slab *slab = vmem_slab_find(cache, addr);
    struct vmem_object object;
    uint32_t i = 0;
    enum vmem_fault_kind kind = wrong_object(cache, slab, addr, &i);

    if (kind == VMEM_FAULT_NONE && !vmem_slab_bit(vmem_slab_out_map(cache, slab), i))
        kind = VMEM_FAULT_DOUBLE_FREE;
    if (kind == VMEM_FAULT_NONE)
        vmem_slab_clear_bit(vmem_slab_out_map(cache, slab), i);
    vmem_port_unlock(&cache->lock, state);
    if (kind == VMEM_FAULT_NONE)
        return true;
    (void)vmem_cache_find(cache, addr, &object);
    vmem_cache_report(cache, kind, call, addr, size, &object, caller);
    return false;
}

#endif

void vmem_cache_stat(vmem_cache_t *cache, struct vmem_cache_stats *stats)
{
    unsigned long state = vmem_port_lock(&cache->lock);

    stats->object_size = cache->size;
    stats->slab_size = cache->slab_size;
    stats->objects_per_slab = cache->capacity;
    stats->slabs = cache->slabs.count;
    stats->empty_slabs = cache->empty.count;
    stats->in_use = vmem_cache_out(cache);
    stats->in_magazines = vmem_magazine_rounds(cache, NULL, NULL);
    stats->magazine_size = vmem_magazine_capacity(cache);
    stats->full_magazines = cache->full_magazines.count;
    stats->empty_magazines = cache->empty_magazines.count;
    stats->allocs = cache->allocs;
    stats->frees = cache->frees;
    for (unsigned i = 0; i != VMEM_CPUS; i++) {
        const struct vmem_cpu *cpu = VMEM_READ_ACQUIRE(cache->cpus[i]);

        stats->allocs += vmem_magazine_out(cpu) + VMEM_READ_ONCE(cpu->frees);
        stats->frees += VMEM_READ_ONCE(cpu->frees);
    }
    stats->fails = cache->fails;
    stats->misses = cache->misses;
    stats->exchanges = cache->exchanges;
    stats->slab_allocs = cache->slab_allocs;
    stats->slab_frees = cache->slab_frees;
    vmem_port_unlock(&cache->lock, state);
}

/*
 * Check
 */

struct round_check {
    const vmem_cache_t *cache;
    vmem_addr_t bad;
    bool found;
};

/* A round is an object that its slab has given out; in a quantum cache it may be a segment. */
static void check_round(void *ctx, vmem_addr_t addr)
{
    struct round_check *check = ctx;
    const vmem_cache_t *cache = check->cache;
    const struct vmem_slab *slab = vmem_slab_find(cache, addr);
    uint32_t i;

    if (slab == NULL
            ? (cache->flags & VMEM_CACHE_QUANTUM) != 0
            : vmem_slab_object(cache, slab, addr, &i) &&
                  vmem_slab_object_at(cache, slab, i) == addr && !vmem_slab_bit(slab->map, i))
        return;
    check->bad = addr;
    check->found = true;
}

static enum vmem_fault_kind check_locked(vmem_cache_t *cache, vmem_addr_t *at)
{
    struct round_check check = {.cache = cache};
    enum vmem_fault_kind kind = vmem_slab_check(cache, at);
    size_t rounds;

    if (kind != VMEM_FAULT_NONE)
        return kind;
    rounds = vmem_magazine_rounds(cache, check_round, &check);
    *at = check.bad;
    if (check.found)
        return VMEM_FAULT_INDEX;
    return vmem_cache_out(cache) + rounds == cache->taken ? VMEM_FAULT_NONE : VMEM_FAULT_SUM;
}

/* Alone: nobody else uses the cache, so what its CPUs have can be compared too. */
static int check(vmem_cache_t *cache, bool alone, const char *call, uintptr_t caller)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    vmem_addr_t at = 0;
    enum vmem_fault_kind kind = alone ? check_locked(cache, &at) : vmem_slab_check(cache, &at);

    vmem_port_unlock(&cache->lock, state);
    if (kind != VMEM_FAULT_NONE)
        (void)vmem_fault_named(cache->name, kind, call, NULL, at, 0, 0, 0, 0, caller);
    return (int)kind;
}

int vmem_cache_check_slabs(vmem_cache_t *cache)
{
    return check(cache, false, "vmem_check", (uintptr_t)__builtin_return_address(0));
}

int vmem_cache_check(vmem_cache_t *cache)
{
    return check(cache, true, "vmem_cache_check", (uintptr_t)__builtin_return_address(0));
}
