/* SPDX-License-Identifier: MIT */
/*
 * support/support.c - the hooks of the unit tests, and the vocabulary they are written in.
 *
 * What is lent is listed, so that a page freed twice, never lent, or freed with another size is
 * found at once. Pages from a test's own hooks are its own affair.
 */
#include "support.h"

#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
struct mode modes[MODES] = {
    {"freelists, instant", 0, VMEM_INSTANTFIT},
    {"freelists, best", 0, VMEM_BESTFIT},
    {"freelists, next", 0, VMEM_NEXTFIT},
    {"freelists, first", 0, VMEM_FIRSTFIT},
    {"freelists, last", 0, VMEM_LASTFIT},
    {"ordered, instant", VMEM_ARENA_ORDERED, VMEM_INSTANTFIT},
    {"ordered, best", VMEM_ARENA_ORDERED, VMEM_BESTFIT},
    {"ordered, next", VMEM_ARENA_ORDERED, VMEM_NEXTFIT},
    {"ordered, first", VMEM_ARENA_ORDERED, VMEM_FIRSTFIT},
    {"ordered, last", VMEM_ARENA_ORDERED, VMEM_LASTFIT},
};
/* clang-format on */

/* Fails where the test calls, not here. */
#define equal_at(actual, expected, file, line) \
    _assert_int_equal((LargestIntegralType)(actual), (LargestIntegralType)(expected), file, line)

/* Faults. */

unsigned fault_count;
struct vmem_fault last_fault;

void vmem_port_fault(const struct vmem_fault *fault)
{
    last_fault = *fault;
    fault_count++;
}

void support_expect_fault(enum vmem_fault_kind kind, const char *file, int line)
{
    if (fault_count != 1) {
        print_error("%u faults were reported instead of one; the last: %s\n", fault_count,
                    fault_count > 0 ? last_fault.what : "-");
        _fail(file, line);
    }
    if (last_fault.kind != kind)
        print_error("the fault was: %s: %s\n", last_fault.call, last_fault.what);
    equal_at(last_fault.kind, kind, file, line);
    fault_count = 0;
}

static void no_fault(const char *file, int line)
{
    if (fault_count == 0)
        return;
    print_error("unexpected fault %d: %s: %s\n", (int)last_fault.kind, last_fault.call,
                last_fault.what);
    fault_count = 0;
    _fail(file, line);
}

/* Pages. */

struct lender lender;

enum { LENT_MAX = 8192 };
static struct {
    void *pages;
    size_t size;
} lent[LENT_MAX];
static unsigned lent_count;

static void lender_error(const char *what)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "vmem_port_pages: %s\n", what);
    abort();
}

void *lend_memory(size_t size)
{
    void *pages;

    if (lent_count == LENT_MAX)
        lender_error("the test lends more blocks than it can list");
    pages = aligned_alloc(VMEM_PAGE_SIZE, size);
    if (pages != NULL) {
        memset(pages, 0xa5, size);
        lent[lent_count].pages = pages;
        lent[lent_count].size = size;
        lent_count++;
    }
    return pages;
}

void *vmem_port_pages_alloc(size_t size)
{
    void *pages;

    if (size == 0 || size % VMEM_PAGE_SIZE != 0)
        lender_error("asked for a size that is not in pages");
    lender.calls++;
    if (lender.refuse > 0 && --lender.refuse == 0)
        return NULL;
    if (lender.refuse_all || (lender.largest > 0 && size > lender.largest))
        return NULL;
    pages = lender.alloc != NULL ? lender.alloc(size) : lend_memory(size);
    if (pages != NULL)
        lender.pages += size / VMEM_PAGE_SIZE;
    return pages;
}

static void take_back(void *pages, size_t size)
{
    unsigned i;

    for (i = 0; i < lent_count && lent[i].pages != pages; i++)
        ;
    if (i == lent_count && lender.free != NULL) {
        lender.free(pages, size);
        return;
    }
    if (i == lent_count)
        lender_error("pages are given back that were not lent");
    if (lent[i].size != size)
        lender_error("pages are given back with another size");
    lent[i] = lent[--lent_count];
    memset(pages, 0x5a, size);
    free(pages);
}

void vmem_port_pages_free(void *pages, size_t size)
{
    take_back(pages, size);
    lender.returns++;
    lender.pages -= size / VMEM_PAGE_SIZE;
}

static void *blocks[8192];
static unsigned block_count;
static size_t block_size;

void hold_blocks(size_t size)
{
    unsigned long calls = lender.calls;

    block_size = size;
    /* Up to one that comes from the port: the reserve of tags, which goes before, is full then. */
    while (lender.calls == calls)
        blocks[block_count++] = vmem_pool_alloc(size);
    lender.refuse_all = true;
    while (block_count < LENGTH(blocks) && (blocks[block_count] = vmem_pool_alloc(size)) != NULL)
        block_count++;
    lender.refuse_all = false;
}

void release_blocks(void)
{
    while (block_count > 0)
        vmem_pool_free(blocks[--block_count], block_size);
}

/* Arenas. */

enum { MADE_MAX = 64 };
static vmem_t *made[MADE_MAX];
static unsigned made_count;
static struct vmem_pool_stats pool_before;

vmem_t *support_make(const struct vmem_params *params, const char *file, int line)
{
    vmem_t *arena = NULL;

    equal_at(vmem_create(params, &arena), 0, file, line);
    if (arena == NULL || made_count == MADE_MAX)
        _fail(file, line);
    made[made_count++] = arena;
    support_check(arena, file, line);
    return arena;
}

static void free_all(vmem_t *arena)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;

    while (vmem_walk_next(arena, &cursor, &segment)) {
        if (segment.kind == VMEM_SEGMENT_ALLOCATED)
            vmem_free(arena, segment.addr, segment.size);
    }
}

static void forget(const vmem_t *arena)
{
    for (unsigned i = 0; i < made_count; i++) {
        if (made[i] == arena) {
            memmove(&made[i], &made[i + 1], (made_count - i - 1) * sizeof(made[0]));
            made_count--;
            return;
        }
    }
}

void support_unmake(vmem_t *arena, const char *file, int line)
{
    free_all(arena);
    equal_at(vmem_destroy(arena), 0, file, line);
    forget(arena);
}

/* Memory for arenas, until the teardown. */
static void *memories[MADE_MAX];
static unsigned memory_count;

vmem_t *support_make_memory(size_t size, const char *file, int line)
{
    const size_t align = (size_t)1 << 20, whole = (size + align - 1) / align * align;
    void *memory = memory_count < MADE_MAX ? aligned_alloc(align, whole) : NULL;
    const struct vmem_params params = {.name = "memory",
                                       .base = (vmem_addr_t)(uintptr_t)memory,
                                       .size = size,
                                       .quantum = MEMORY_QUANTUM};

    if (memory == NULL)
        _fail(file, line);
    memset(memory, 0, size);
    memories[memory_count++] = memory;
    return support_make(&params, file, line);
}

/* Caches. */

static vmem_cache_t *made_caches[MADE_MAX];
static unsigned made_cache_count;

vmem_cache_t *support_make_cache(const struct vmem_cache_params *params, const char *file, int line)
{
    vmem_cache_t *cache = NULL;

    equal_at(vmem_cache_create(params, &cache), 0, file, line);
    if (cache == NULL || made_cache_count == MADE_MAX)
        _fail(file, line);
    made_caches[made_cache_count++] = cache;
    support_check_cache(cache, file, line);
    return cache;
}

void support_unmake_cache(vmem_cache_t *cache, const char *file, int line)
{
    unsigned i;

    equal_at(vmem_cache_destroy(cache), 0, file, line);
    for (i = 0; i < made_cache_count && made_caches[i] != cache; i++)
        ;
    if (i < made_cache_count)
        made_caches[i] = made_caches[--made_cache_count];
}

void support_check_cache(vmem_cache_t *cache, const char *file, int line)
{
    int kind = vmem_cache_check(cache);

    no_fault(file, line);
    equal_at(kind, 0, file, line);
}

void support_cache_same(vmem_cache_t *cache, const struct vmem_cache_stats *before,
                        const char *file, int line)
{
    struct vmem_cache_stats now;

    support_check_cache(cache, file, line);
    memset(&now, 0, sizeof(now));
    vmem_cache_stat(cache, &now);
    now.fails = before->fails;
    now.misses = before->misses;
    _assert_memory_equal(&now, before, sizeof(now), file, line);
}

static unsigned char pattern(uint32_t serial, size_t at)
{
    return (unsigned char)((serial * UINT32_C(0x9e3779b9) + at * 0x55) >> 13);
}

bool hold(struct holding *held, unsigned flags)
{
    unsigned char *object = vmem_cache_alloc(held->cache, flags);
    uint32_t serial = ++held->serial;

    if (object == NULL)
        return false;
    assert_true(held->count < HOLDING_MAX);
    for (size_t at = held->spared; at < held->size; at++)
        object[at] = pattern(serial, at);
    held->objects[held->count].object = object;
    held->objects[held->count++].serial = serial;
    return true;
}

void hold_all(struct holding *held)
{
    while (hold(held, 0))
        ;
}

void support_drop(struct holding *held, size_t i, const char *file, int line)
{
    unsigned char *object = held->objects[i].object;
    uint32_t serial = held->objects[i].serial;

    for (size_t at = held->spared; at < held->size; at++)
        equal_at(object[at], pattern(serial, at), file, line);
    held->objects[i] = held->objects[--held->count];
    vmem_cache_free(held->cache, object);
    no_fault(file, line);
}

void support_drop_all(struct holding *held, const char *file, int line)
{
    while (held->count > 0)
        support_drop(held, held->count - 1, file, line);
}

int setup(void **state)
{
    (void)state;
    lender = (struct lender){.pages = lender.pages};
    fault_count = 0;
    checked_port_thread = 1;
    checked_port_cpu = VMEM_PORT_CPUS;
    checked_port_moves = false;
    checked_port_others = NULL;
    checked_port_returns_early = false;
    checked_port_waits = 0;
    vmem_reap(NULL);
    vmem_pool_stat(&pool_before);
    return 0;
}

int setup_magazines(void **state)
{
    int error = setup(state);

    vmem_cpus_online(VMEM_PORT_CPUS);
    checked_port_cpu = 0;
    return error;
}

/* Where a test has failed and objects are out, all is left as it is, and the next begins anew. */
static int destroy_all(void)
{
    int failures = 0;

    while (made_cache_count > 0)
        failures += vmem_cache_destroy(made_caches[--made_cache_count]) != 0;
    if (failures > 0)
        memory_count = made_count = 0;
    while (made_count > 0) {
        vmem_t *arena = made[--made_count];

        free_all(arena);
        failures += vmem_destroy(arena) != 0;
    }
    while (memory_count > 0)
        free(memories[--memory_count]);
    return failures;
}

int teardown(void **state)
{
    struct vmem_pool_stats after;
    unsigned faults = fault_count;
    int failures;

    (void)state;
    checked_port_no_lock("the end of a test");
    fault_count = 0;
    failures = destroy_all();
    vmem_reap(NULL);
    vmem_pool_stat(&after);
    failures += vmem_check(NULL) != 0 || faults != 0 || fault_count != 0;
    failures += after.tags_used != pool_before.tags_used;
    failures += after.lent_pages != pool_before.lent_pages || after.lent_pages != lender.pages;
    if (failures != 0)
        print_error("left behind: %u faults (%s), %zu tags, %zu pages lent; before: %zu, %zu\n",
                    faults + fault_count, faults + fault_count > 0 ? last_fault.what : "-",
                    after.tags_used, after.lent_pages, pool_before.tags_used,
                    pool_before.lent_pages);
    return failures == 0 ? 0 : -1;
}

/* Steps. */

void support_check(vmem_t *arena, const char *file, int line)
{
    int kind = vmem_check(arena);

    no_fault(file, line);
    equal_at(kind, 0, file, line);
}

vmem_addr_t support_take(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                         unsigned flags, const char *file, int line)
{
    vmem_addr_t addr = 0;
    int error;

    error = c == NULL ? vmem_alloc(arena, size, flags, &addr)
                      : vmem_xalloc(arena, size, c, flags, &addr);
    no_fault(file, line);
    equal_at(error, 0, file, line);
    support_check(arena, file, line);
    return addr;
}

vmem_addr_t support_take_at(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *file,
                            int line)
{
    struct vmem_constraints c = {.min = addr, .limit = (vmem_addr_t)(addr + size)};
    vmem_addr_t got = support_take(arena, size, &c, 0, file, line);

    equal_at(got, addr, file, line);
    return got;
}

void support_refused(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                     unsigned flags, int error, const char *file, int line)
{
    static struct snapshot before;
    const vmem_addr_t untouched = 0x1234567;
    vmem_addr_t addr = untouched;
    int got;

    snapshot(arena, &before);
    got = c == NULL ? vmem_alloc(arena, size, flags, &addr)
                    : vmem_xalloc(arena, size, c, flags, &addr);
    equal_at(got, error, file, line);
    equal_at(addr, untouched, file, line);
    if (error == -VMEM_EINVAL)
        support_expect_fault(VMEM_FAULT_PARAMETER, file, line);
    support_check(arena, file, line);
    support_same(arena, &before, file, line);
}

void support_give(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *file, int line)
{
    vmem_free(arena, addr, size);
    support_check(arena, file, line);
}

/* Looking. */

static size_t describe(const struct vmem_segment *segment, vmem_size_t quantum, bool in_span,
                       char *text, size_t room)
{
    unsigned long long quanta = segment->size / quantum;
    int length;

    if (segment->kind == VMEM_SEGMENT_SPAN)
        length = snprintf(text, room, in_span ? "][" : "[");
    else
        length =
            snprintf(text, room, "%c%llu", segment->kind == VMEM_SEGMENT_FREE ? '.' : '#', quanta);
    return (size_t)length;
}

void support_layout(vmem_t *arena, vmem_size_t quantum, const char *text, const char *file,
                    int line)
{
    char actual[4096] = "";
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    size_t used = 0;

    while (vmem_walk_next(arena, &cursor, &segment) && used < sizeof(actual) - 64)
        used += describe(&segment, quantum, used > 0, &actual[used], sizeof(actual) - used);
    if (used > 0)
        (void)snprintf(&actual[used], sizeof(actual) - used, "]");
    _assert_string_equal(actual, text, file, line);
}

void snapshot(vmem_t *arena, struct snapshot *shot)
{
    struct vmem_cursor cursor = {0};

    memset(shot, 0, sizeof(*shot));
    vmem_stat(arena, &shot->stats);
    while (shot->count < SNAPSHOT_MAX &&
           vmem_walk_next(arena, &cursor, &shot->segments[shot->count]))
        shot->count++;
}

void support_same(vmem_t *arena, const struct snapshot *shot, const char *file, int line)
{
    static struct snapshot now;

    snapshot(arena, &now);
    equal_at(now.count, shot->count, file, line);
    for (size_t i = 0; i < now.count; i++) {
        const struct vmem_segment *is = &now.segments[i], *was = &shot->segments[i];

        equal_at(is->kind, was->kind, file, line);
        equal_at(is->addr, was->addr, file, line);
        equal_at(is->size, was->size, file, line);
        equal_at(is->imported, was->imported, file, line);
        equal_at(is->caller, was->caller, file, line);
    }
    now.stats.fails = shot->stats.fails;
    _assert_memory_equal(&now.stats, &shot->stats, sizeof(now.stats), file, line);
}

bool legal(vmem_addr_t addr, vmem_size_t size, vmem_size_t quantum,
           const struct vmem_constraints *c)
{
    vmem_size_t align = c->align > quantum ? c->align : quantum;
    vmem_addr_t last = addr + (size - 1);

    if (last < addr || addr < c->min || (c->limit != 0 && last >= c->limit))
        return false;
    if (addr % align != c->phase)
        return false;
    return c->nocross == 0 || addr / c->nocross == last / c->nocross;
}

uint64_t next_random(uint64_t *state)
{
    /* Marsaglia's xorshift; the state must not be 0. */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
