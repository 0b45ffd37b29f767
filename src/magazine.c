/* SPDX-License-Identifier: MIT */
/*
 * magazine.c - the magazine layer (Bonwick and Adams 2001, section 3).
 *
 * Concepts
 * --------
 * 1. A CPU has a loaded magazine of a cache and a previous one, which is either full or empty
 *    (or missing). Rounds go to and from the loaded one; where that is empty (full), the two change
 *    places if the previous one is of use; else the depot exchanges it. So whoever frees and
 *    allocates in turn visits the depot once in a magazine's worth of operations at most.
 * 2. The common path takes no lock: it pins the CPU, so that nobody else runs there
 *    (magazine.h). A CPU's structure is written by that CPU alone.
 * 3. Except that another CPU, in a reap, may ask for the magazines: it sets `wanted`, and
 *    `limit` to NULL, so that the next free finds no room and comes here. It does so with the lock,
 *    as a magazine is exchanged, and whoever has exchanged one looks at `wanted` behind that.
 * (Where the two of a CPU change places, without the lock, `limit` may be overwritten at the same
 *    moment: then the next change finds `wanted`.) What is freed when a CPU is asked follows into
 *    the slabs.
 * 4. A magazine is a block of the tag pool. It knows its own capacity, so magazines of
 *    several sizes can be about: those that are not of the present size are given back when they
 *    come to the depot empty. Changing the size moves no round.
 * 5. Contention at the depot raises the size. A port's lock need not tell whether it had to
 *    wait, so a visit counts as contended if the visit before was another CPU's, which has at
 *    least taken the lock's line of memory away. A reap lowers the size to what it was at first.
 * 6. `least` of a depot's list is how many magazines nobody needed since the last trim: that many
 *    are not in the working set.
 *
 * Locking: the cache's lock, for an exchange; taken while pinned.
 */
#include "magazine.h"

#include "slab.h"
#include "sleep.h"

struct vmem_cpu vmem_no_cpu;

enum {
    TYPES = 5,
    VISITS = 64, /* at the depot, after which the size is looked at */
    TRIM_STEP = 8
};

/* Blocks that are whole classes of the pool. */
static size_t type_size(unsigned type)
{
    return (size_t)64 << type;
}

static uint32_t type_capacity(unsigned type)
{
    return (uint32_t)((type_size(type) - sizeof(struct vmem_magazine)) / sizeof(vmem_addr_t));
}

void vmem_magazine_init(vmem_cache_t *cache)
{
    if (cache->capacity >= 32)
        cache->least_type = 2;
    else if (cache->capacity >= 8)
        cache->least_type = 1;
    cache->magazine_type = cache->least_type;
    for (unsigned i = 0; i <= VMEM_CPUS; i++)
        cache->cpus[i] = &vmem_no_cpu;
}

size_t vmem_magazine_capacity(const vmem_cache_t *cache)
{
    return VMEM_CPUS == 0 || (cache->flags & VMEM_CACHE_NO_MAGAZINES) != 0
               ? 0
               : type_capacity(cache->magazine_type);
}

#if VMEM_CPUS > 0

/* Which CPUs may use magazines; one that is alone may from the start. */
static bool online[VMEM_CPUS] = {VMEM_CPUS == 1};

void vmem_cpu_online(unsigned cpu)
{
    if (cpu < VMEM_CPUS)
        VMEM_WRITE_ONCE(online[cpu], true);
}

void vmem_cpu_offline(unsigned cpu)
{
    if (cpu < VMEM_CPUS)
        VMEM_WRITE_ONCE(online[cpu], false);
    vmem_cpu_drain(cpu);
}

static bool may_have(const vmem_cache_t *cache, unsigned i)
{
    return i < VMEM_CPUS && VMEM_READ_ONCE(online[i]) &&
           (cache->flags & VMEM_CACHE_NO_MAGAZINES) == 0;
}

bool vmem_magazine_is_online(const vmem_cache_t *cache)
{
    unsigned long pinned;
    unsigned i = vmem_port_pin(&pinned);

    vmem_port_unpin(pinned);
    return may_have(cache, i);
}

/*
 * Magazines
 */

static struct vmem_magazine *make_magazine(uint32_t type)
{
    struct vmem_magazine *magazine = (struct vmem_magazine *)vmem_pool_alloc(type_size(type));

    if (magazine != NULL) {
        magazine->next = NULL;
        magazine->rounds = 0;
        magazine->capacity = type_capacity(type);
    }
    return magazine;
}

static void free_magazine(struct vmem_magazine *magazine)
{
    if (magazine != NULL)
        vmem_pool_free(magazine, sizeof *magazine + magazine->capacity * sizeof(vmem_addr_t));
}

/*
 * The depot. With the lock.
 */

static void depot_put(struct vmem_depot_list *list, struct vmem_magazine *magazine)
{
    magazine->next = list->first;
    list->first = magazine;
    list->count++;
}

static struct vmem_magazine *depot_take(struct vmem_depot_list *list)
{
    struct vmem_magazine *magazine = list->first;

    if (magazine != NULL) {
        list->first = magazine->next;
        list->count--;
        if (list->count < list->least)
            list->least = list->count;
    }
    return magazine;
}

/* Takes an empty magazine in; what is returned is of the wrong size, to be freed. */
static struct vmem_magazine *depot_put_empty(vmem_cache_t *cache, struct vmem_magazine *magazine)
{
    if (magazine == NULL || magazine->capacity != type_capacity(cache->magazine_type))
        return magazine;
    depot_put(&cache->empty_magazines, magazine);
    return NULL;
}

/* Counts a visit, and enlarges the magazines if many were contended; a CPU's first is not one of
 * them. */
static void visit(vmem_cache_t *cache, const struct vmem_cpu *cpu, unsigned i)
{
    cache->exchanges++;
    cache->misses++;
    if (i != cache->last_cpu && cpu->loaded != NULL)
        cache->contended++;
    cache->last_cpu = i;
    if (++cache->visits < VISITS)
        return;
    if (cache->contended >= VISITS / 2 && cache->magazine_type + 1 < TYPES)
        VMEM_WRITE_ONCE(cache->magazine_type, cache->magazine_type + 1);
    cache->visits = 0;
    cache->contended = 0;
}

/*
 * A CPU's magazines. Pinned to it.
 */

static void set_rounds(struct vmem_cpu *cpu, struct vmem_magazine *magazine)
{
    vmem_addr_t *bottom = magazine->round;

    VMEM_WRITE_ONCE(cpu->loaded, magazine);
    VMEM_WRITE_ONCE(cpu->bottom, bottom);
    VMEM_WRITE_ONCE(cpu->top, bottom + magazine->rounds);
    VMEM_WRITE_ONCE(cpu->limit, bottom + magazine->capacity);
    VMEM_OWN_ADD(cpu->received, magazine->rounds);
}

static void set_loaded(struct vmem_cpu *cpu, struct vmem_magazine *magazine)
{
    if (magazine != NULL) {
        set_rounds(cpu, magazine);
        return;
    }
    VMEM_WRITE_ONCE(cpu->loaded, NULL);
    VMEM_WRITE_ONCE(cpu->bottom, NULL);
    VMEM_WRITE_ONCE(cpu->top, NULL);
    VMEM_WRITE_ONCE(cpu->limit, NULL);
}

/* Unloads the magazine; its rounds are written into it. */
static struct vmem_magazine *unload(struct vmem_cpu *cpu)
{
    struct vmem_magazine *magazine = cpu->loaded;

    if (magazine != NULL) {
        uint32_t rounds = (uint32_t)(cpu->top - cpu->bottom);

        VMEM_WRITE_ONCE(magazine->rounds, rounds);
        VMEM_OWN_ADD(cpu->received, -(vmem_word_t)rounds);
    }
    return magazine;
}

/* Where there is a previous one, one is loaded, too. */
static void swap(struct vmem_cpu *cpu)
{
    struct vmem_magazine *loaded = cpu->loaded;
    uint32_t rounds = (uint32_t)(cpu->top - cpu->bottom);

    VMEM_WRITE_ONCE(loaded->rounds, rounds);
    VMEM_OWN_ADD(cpu->received, -(vmem_word_t)rounds);
    set_rounds(cpu, cpu->previous);
    VMEM_WRITE_ONCE(cpu->previous, loaded);
}

/* Loads a magazine of the depot; what was previous is returned. */
static struct vmem_magazine *load(struct vmem_cpu *cpu, struct vmem_magazine *magazine)
{
    struct vmem_magazine *previous = cpu->previous;

    VMEM_WRITE_ONCE(cpu->previous, unload(cpu));
    set_loaded(cpu, magazine);
    return previous;
}

/* Gives a CPU its structure, where it may have one; whether it is worth another try. */
static bool attach(vmem_cache_t *cache, unsigned i)
{
    struct vmem_cpu *cpu;
    unsigned long state;

    if (!may_have(cache, i) || vmem_pool_is_nested()) /* a block of 64 bytes is a node */
        return false;
    cpu = (struct vmem_cpu *)vmem_pool_alloc(64);
    if (cpu == NULL)
        return false;
    memset(cpu, 0, sizeof *cpu);
    state = vmem_port_lock(&cache->lock);
    if (cache->cpus[i] == &vmem_no_cpu) {
        VMEM_WRITE_RELEASE(cache->cpus[i], cpu);
        cpu = NULL;
    }
    vmem_port_unlock(&cache->lock, state);
    if (cpu != NULL)
        vmem_pool_free(cpu, 64);
    return true;
}

/* Gives a magazine's rounds to the slabs, and it back to the pool. */
static void empty_out(vmem_cache_t *cache, struct vmem_magazine *magazine)
{
    if (magazine == NULL)
        return;
    vmem_slab_give(cache, magazine->round, magazine->rounds, "vmem_cache_reap", 0);
    free_magazine(magazine);
}

/*
 * Empties the magazines of CPU i, which is this one, pinned, or is offline. Unpins. One that is
 * offline stays wanted, so that it keeps none that it takes.
 */
static void drain_and_unpin(vmem_cache_t *cache, unsigned i, unsigned long pinned)
{
    struct vmem_cpu *cpu = VMEM_READ_ACQUIRE(cache->cpus[i]);
    struct vmem_magazine *loaded = NULL;
    struct vmem_magazine *previous = NULL;
    unsigned long state;

    if (cpu != &vmem_no_cpu) {
        state = vmem_port_lock(&cache->lock); /* against those who look at all rounds */
        loaded = unload(cpu);
        previous = cpu->previous;
        set_loaded(cpu, NULL);
        VMEM_WRITE_ONCE(cpu->previous, NULL);
        VMEM_WRITE_ONCE(cpu->wanted, may_have(cache, i) ? 0 : 1);
        vmem_port_unlock(&cache->lock, state);
    }
    vmem_port_unpin(pinned);
    empty_out(cache, loaded);
    empty_out(cache, previous);
}

void vmem_magazine_drain(vmem_cache_t *cache, unsigned i)
{
    unsigned long pinned;
    unsigned self = vmem_port_pin(&pinned);

    drain_and_unpin(cache, i < VMEM_CPUS ? i : self, pinned);
}

/* The CPU is whichever this is now, and is returned: a thread may have moved since it last looked.
 */
static unsigned drain_self(vmem_cache_t *cache)
{
    unsigned long pinned;
    unsigned i = vmem_port_pin(&pinned);

    drain_and_unpin(cache, i, pinned);
    return i;
}

/*
 * The slow ways
 */

/* Another CPU asks for all that this one has, perhaps since we last looked. */
static bool is_wanted(const struct vmem_cpu *cpu)
{
    return VMEM_UNLIKELY(VMEM_READ_ONCE(cpu->wanted) != 0);
}

/* Brings a loaded magazine that has a round; false: there is none. Pinned. */
static bool reload_full(vmem_cache_t *cache, struct vmem_cpu *cpu, unsigned i,
                        struct vmem_magazine **surplus)
{
    struct vmem_magazine *full;
    unsigned long state;

    if (cpu->previous != NULL && cpu->previous->rounds > 0) {
        swap(cpu);
        return true;
    }
    state = vmem_port_lock(&cache->lock);
    full = depot_take(&cache->full_magazines);
    if (full != NULL) {
        cache->depot_rounds -= full->rounds;
        visit(cache, cpu, i);
        *surplus = depot_put_empty(cache, load(cpu, full));
    }
    vmem_port_unlock(&cache->lock, state);
    return full != NULL;
}

bool vmem_magazine_alloc(vmem_cache_t *cache, vmem_addr_t *addrp)
{
    struct vmem_magazine *surplus = NULL;
    unsigned long pinned;
    unsigned i = vmem_port_pin(&pinned);
    struct vmem_cpu *cpu = cache->cpus[i];
    bool found = false;

    if (cpu != &vmem_no_cpu)
        found = cpu->top != cpu->bottom || reload_full(cache, cpu, i, &surplus);
    if (is_wanted(cpu)) {
        drain_and_unpin(cache, i, pinned);
        free_magazine(surplus);
        return false;
    }
    if (found) {
        VMEM_OWN_ADD(cpu->top, -1);
        *addrp = *cpu->top;
    }
    vmem_port_unpin(pinned);
    free_magazine(surplus);
    return found;
}

/* Brings a loaded magazine that has room; false: the depot has none. Pinned. */
static bool reload_empty(vmem_cache_t *cache, struct vmem_cpu *cpu, unsigned i)
{
    struct vmem_magazine *empty;
    struct vmem_magazine *full;
    unsigned long state;

    if (cpu->previous != NULL && cpu->previous->rounds == 0) {
        swap(cpu);
        return true;
    }
    state = vmem_port_lock(&cache->lock);
    empty = depot_take(&cache->empty_magazines);
    if (empty != NULL) {
        visit(cache, cpu, i);
        full = load(cpu, empty);
        if (full != NULL) {
            cache->depot_rounds += full->rounds;
            depot_put(&cache->full_magazines, full);
        }
    }
    vmem_port_unlock(&cache->lock, state);
    return empty != NULL;
}

/* One try to put a round in; *ip: on which CPU, *wanted: it is not to go into its magazines, but
 * they are to be emptied. */
static bool push(vmem_cache_t *cache, vmem_addr_t addr, unsigned *ip, bool *wanted)
{
    unsigned long pinned;
    unsigned i = vmem_port_pin(&pinned);
    struct vmem_cpu *cpu = cache->cpus[i];
    bool room = false;

    *ip = i;
    if (cpu != &vmem_no_cpu)
        room = cpu->top < VMEM_READ_ONCE(cpu->limit) || reload_empty(cache, cpu, i);
    *wanted = is_wanted(cpu) || vmem_is_awaited(cache->arena);
    room = room && !*wanted;
    if (room) {
        VMEM_OWN_WRITE(*cpu->top, addr);
        VMEM_OWN_ADD(cpu->top, 1);
        VMEM_OWN_ADD(cpu->frees, 1);
    }
    vmem_port_unpin(pinned);
    return room;
}

/* Brings an empty magazine to the depot, for whoever comes first. */
static bool restock(vmem_cache_t *cache)
{
    struct vmem_magazine *magazine = NULL;
    unsigned long state;

    if (!vmem_pool_is_nested())
        magazine = make_magazine(VMEM_READ_ONCE(cache->magazine_type));
    if (magazine == NULL)
        return false;
    state = vmem_port_lock(&cache->lock);
    magazine = depot_put_empty(cache, magazine);
    vmem_port_unlock(&cache->lock, state);
    free_magazine(magazine);
    return true;
}

bool vmem_magazine_free(vmem_cache_t *cache, vmem_addr_t addr)
{
    bool wanted;
    unsigned i;

    for (unsigned tries = 0; tries < 3; tries++) { /* others may take what was restocked */
        if (push(cache, addr, &i, &wanted))
            return true;
        if (wanted) {
            (void)drain_self(cache); /* and this round follows */
            return false;
        }
        if (cache->cpus[i] == &vmem_no_cpu ? !attach(cache, i) : !restock(cache))
            return false;
    }
    return false;
}

/*
 * Reap
 */

/* Takes all magazines out of a list of the depot and empties them: others may fill it meanwhile. */
static void empty_list(vmem_cache_t *cache, struct vmem_depot_list *list)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    struct vmem_magazine *magazine = list->first;

    list->first = NULL;
    list->count = 0;
    list->least = 0;
    if (list == &cache->full_magazines)
        cache->depot_rounds = 0;
    vmem_port_unlock(&cache->lock, state);
    while (magazine != NULL) {
        struct vmem_magazine *next = magazine->next;

        empty_out(cache, magazine);
        magazine = next;
    }
}

static void ask_others(vmem_cache_t *cache, unsigned self)
{
    unsigned long state = vmem_port_lock(&cache->lock);

    for (unsigned i = 0; i != VMEM_CPUS; i++) {
        struct vmem_cpu *cpu = VMEM_READ_ACQUIRE(cache->cpus[i]);

        if (i != self && cpu != &vmem_no_cpu && VMEM_READ_ONCE(cpu->loaded) != NULL) {
            VMEM_WRITE_ONCE(cpu->wanted, 1);
            VMEM_WRITE_ONCE(cpu->limit, NULL);
        }
    }
    vmem_port_unlock(&cache->lock, state);
}

void vmem_magazine_reap(vmem_cache_t *cache)
{
    unsigned long state = vmem_port_lock(&cache->lock);

    VMEM_WRITE_ONCE(cache->magazine_type, cache->least_type);
    vmem_port_unlock(&cache->lock, state);
    ask_others(cache, drain_self(cache));
    empty_list(cache, &cache->full_magazines);
    empty_list(cache, &cache->empty_magazines);
}

void vmem_magazine_destroy(vmem_cache_t *cache)
{
    for (unsigned i = 0; i != VMEM_CPUS; i++) {
        vmem_magazine_drain(cache, i);
        if (cache->cpus[i] != &vmem_no_cpu)
            vmem_pool_free(cache->cpus[i], 64);
        cache->cpus[i] = &vmem_no_cpu;
    }
    empty_list(cache, &cache->full_magazines);
    empty_list(cache, &cache->empty_magazines);
}

/* Empties a magazine that nobody needed since the last trim; false: there is none. */
static bool trim_one(vmem_cache_t *cache, struct vmem_depot_list *list)
{
    unsigned long state = vmem_port_lock(&cache->lock);
    struct vmem_magazine *magazine = NULL;

    if (list->least > 0) {
        list->least--;
        magazine = depot_take(list);
        cache->depot_rounds -= magazine->rounds; /* 0 in an empty one */
    }
    vmem_port_unlock(&cache->lock, state);
    empty_out(cache, magazine);
    return magazine != NULL;
}

bool vmem_magazine_trim(vmem_cache_t *cache)
{
    unsigned long state;

    for (unsigned step = 0; step < TRIM_STEP; step++)
        if (!trim_one(cache, &cache->full_magazines) && !trim_one(cache, &cache->empty_magazines))
            break;
    state = vmem_port_lock(&cache->lock);
    if (cache->full_magazines.least + cache->empty_magazines.least > 0) {
        vmem_port_unlock(&cache->lock, state);
        return true;
    }
    cache->full_magazines.least = cache->full_magazines.count;
    cache->empty_magazines.least = cache->empty_magazines.count;
    vmem_port_unlock(&cache->lock, state);
    return false;
}

/*
 * Looking
 */

static size_t visit_magazine(const struct vmem_magazine *magazine, size_t rounds,
                             void (*visit_round)(void *ctx, vmem_addr_t addr), void *ctx)
{
    if (visit_round != NULL)
        for (size_t n = 0; n < rounds; n++)
            visit_round(ctx, VMEM_OWN_READ(magazine->round[n]));
    return rounds;
}

/*
 * With the lock, no magazine can leave a CPU, but its two may change places: one may then be seen
 * twice and the other not. How many rounds are loaded is told by `top` alone, if it points into the
 * magazine that was seen.
 */
static size_t visit_cpu(const struct vmem_cpu *cpu,
                        void (*visit_round)(void *ctx, vmem_addr_t addr), void *ctx)
{
    const struct vmem_magazine *loaded = VMEM_READ_ONCE(cpu->loaded);
    const struct vmem_magazine *previous = VMEM_READ_ONCE(cpu->previous);
    size_t count = 0;

    if (loaded != NULL) {
        uintptr_t bytes = (uintptr_t)VMEM_READ_ONCE(cpu->top) - (uintptr_t)loaded->round;

        if (bytes <= loaded->capacity * sizeof(vmem_addr_t))
            count += visit_magazine(loaded, bytes / sizeof(vmem_addr_t), visit_round, ctx);
    }
    if (previous != NULL && previous != loaded)
        count += visit_magazine(previous, VMEM_READ_ONCE(previous->rounds), visit_round, ctx);
    return count;
}

size_t vmem_magazine_rounds(const vmem_cache_t *cache,
                            void (*visit_round)(void *ctx, vmem_addr_t addr), void *ctx)
{
    size_t count = 0;

    for (unsigned i = 0; i != VMEM_CPUS; i++)
        count += visit_cpu(VMEM_READ_ACQUIRE(cache->cpus[i]), visit_round, ctx);
    if (visit_round == NULL)
        return count + cache->depot_rounds;
    for (const struct vmem_magazine *m = cache->full_magazines.first; m != NULL; m = m->next)
        count += visit_magazine(m, m->rounds, visit_round, ctx);
    return count;
}

#else

/*
 * A port without CPUs: there are no magazines.
 */

void vmem_cpu_online(unsigned cpu)
{
    (void)cpu;
}

void vmem_cpu_offline(unsigned cpu)
{
    (void)cpu;
}

bool vmem_magazine_is_online(const vmem_cache_t *cache)
{
    (void)cache;
    return false;
}

bool vmem_magazine_alloc(vmem_cache_t *cache, vmem_addr_t *addrp)
{
    (void)cache;
    (void)addrp;
    return false;
}

bool vmem_magazine_free(vmem_cache_t *cache, vmem_addr_t addr)
{
    (void)cache;
    (void)addr;
    return false;
}

void vmem_magazine_drain(vmem_cache_t *cache, unsigned i)
{
    (void)cache;
    (void)i;
}

void vmem_magazine_reap(vmem_cache_t *cache)
{
    (void)cache;
}

void vmem_magazine_destroy(vmem_cache_t *cache)
{
    (void)cache;
}

bool vmem_magazine_trim(vmem_cache_t *cache)
{
    (void)cache;
    return false;
}

size_t vmem_magazine_rounds(const vmem_cache_t *cache,
                            void (*visit_round)(void *ctx, vmem_addr_t addr), void *ctx)
{
    (void)cache;
    (void)visit_round;
    (void)ctx;
    return 0;
}

#endif
