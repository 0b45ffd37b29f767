/* SPDX-License-Identifier: MIT */
/*
 * support/support.h - what the unit tests share: the hooks, and the vocabulary they are written in.
 *
 * A test makes arenas with make() and takes and gives with macros that check the whole arena
 * after each step. It leaves everything where it is: the teardown frees what is allocated,
 * destroys the arenas, and then verifies that not a page, tag or lock was lost, and that no
 * fault was reported that the test did not expect.
 */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it. */
#include <cmocka.h>

#include "checked_port.h"

#include <vmem/cache.h>
#include <vmem/debug.h>
#include <vmem/vmem.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Modes: an index and a policy. A test gets one as its state. */

struct mode {
    const char *name;
    unsigned index;  /* 0 or VMEM_ARENA_ORDERED */
    unsigned policy; /* of enum vmem_flags */
};

enum { POLICIES = 5, MODES = 2 * POLICIES };
extern struct mode modes[MODES]; /* the freelists with each policy, then the ordered tree */
static inline const struct mode *mode_of(void **state)
{
    return *state;
}
#define INDEX(state) (mode_of(state)->index)
#define POLICY(state) (mode_of(state)->policy)

/* A test begins on a CPU that has no magazines; with setup_magazines, on CPU 0, which has. */
int setup(void **state);
int setup_magazines(void **state);
int teardown(void **state);

static inline bool has_magazines(void)
{
    return checked_port_cpu < VMEM_PORT_CPUS;
}

/* Entries for the table of tests: as it is, on both indexes, and with every policy on both. */
/* clang-format off */
#define ONCE(test) {#test, test, setup, teardown, &modes[0]}
#define MODE(test, mode, label) {#test " [" label "]", test, setup, teardown, &modes[mode]}
#define ON_BOTH(test) MODE(test, 0, "freelists"), MODE(test, POLICIES, "ordered")
#define ON_ALL(test)                                                                               \
    MODE(test, 0, "freelists, instant"), MODE(test, 1, "freelists, best"),                         \
    MODE(test, 2, "freelists, next"), MODE(test, 3, "freelists, first"),                           \
    MODE(test, 4, "freelists, last"), MODE(test, 5, "ordered, instant"),                           \
    MODE(test, 6, "ordered, best"), MODE(test, 7, "ordered, next"),                                \
    MODE(test, 8, "ordered, first"), MODE(test, 9, "ordered, last")
#define WITH_MAGAZINES(test) {#test " [magazines]", test, setup_magazines, teardown, &modes[0]}
#define WITH_AND_WITHOUT(test) MODE(test, 0, "slabs alone"), WITH_MAGAZINES(test)
/* clang-format on */

/* Faults: vmem_port_fault() records; a test takes them off with expect_fault(). */

extern unsigned fault_count;
extern struct vmem_fault last_fault; /* valid after expect_fault() too */
#define expect_fault(kind) support_expect_fault(kind, __FILE__, __LINE__)
void support_expect_fault(enum vmem_fault_kind kind, const char *file, int line);

/* Pages: vmem_port_pages_alloc() lends from the C library, unless the test says otherwise. */

struct lender {
    size_t pages;          /* out at the moment */
    unsigned long calls;   /* of vmem_port_pages_alloc, since setup */
    unsigned long returns; /* of vmem_port_pages_free, since setup */
    unsigned long refuse;  /* the call to refuse: 1 is the next; 0 none */
    bool refuse_all;       /* refuses from now on */
    size_t largest;        /* refuses more than this at once; 0: lends any size */
    void *(*alloc)(size_t size);
    void (*free)(void *pages, size_t size); /* of what alloc lent; both NULL: the C library */
};
extern struct lender lender;

/* What the C library lends: for an alloc of the test's own. */
void *lend_memory(size_t size);

/* Takes all blocks of a size that the pool has in stock, so that the next asks for a page. */
void hold_blocks(size_t size);
void release_blocks(void);

/* Arenas. */

#define make(base, size, quantum, flags)                                                      \
    support_make(                                                                             \
        &(struct vmem_params){"test", base, size, quantum, 0, NULL, NULL, NULL, NULL, flags}, \
        __FILE__, __LINE__)
#define make_child(source, quantum, flags)                                                 \
    support_make(                                                                          \
        &(struct vmem_params){"child", 0, 0, quantum, 0, source, NULL, NULL, NULL, flags}, \
        __FILE__, __LINE__)
#define make_params(params) support_make(params, __FILE__, __LINE__)
vmem_t *support_make(const struct vmem_params *params, const char *file, int line);

/* Frees everything that is allocated, and destroys the arena, before the teardown would. */
#define unmake(arena) support_unmake(arena, __FILE__, __LINE__)
void support_unmake(vmem_t *arena, const char *file, int line);

/* Caches, over memory or over any arena. The teardown destroys them, when nothing is out. */

/* An arena of so many bytes of memory, in quanta of 4 KiB, aligned to 1 MiB. */
enum { MEMORY_QUANTUM = 4096 };
#define make_memory(size) support_make_memory(size, __FILE__, __LINE__)
vmem_t *support_make_memory(size_t size, const char *file, int line);

#define make_cache(arena, size, align)                                                       \
    support_make_cache(                                                                      \
        &(struct vmem_cache_params){"cache", size, align, NULL, NULL, NULL, NULL, arena, 0}, \
        __FILE__, __LINE__)
#define make_cache_params(params) support_make_cache(params, __FILE__, __LINE__)
vmem_cache_t *support_make_cache(const struct vmem_cache_params *params, const char *file,
                                 int line);

/* Destroys it before the teardown would. */
#define unmake_cache(cache) support_unmake_cache(cache, __FILE__, __LINE__)
void support_unmake_cache(vmem_cache_t *cache, const char *file, int line);

#define check_cache(cache) support_check_cache(cache, __FILE__, __LINE__)
void support_check_cache(vmem_cache_t *cache, const char *file, int line);

static inline struct vmem_cache_stats cache_stats(vmem_cache_t *cache)
{
    struct vmem_cache_stats stats;

    vmem_cache_stat(cache, &stats);
    return stats;
}

/* A cache is as it was, except for the counts of refusals and misses. */
#define assert_cache_same(cache, before) support_cache_same(cache, before, __FILE__, __LINE__)
void support_cache_same(vmem_cache_t *cache, const struct vmem_cache_stats *before,
                        const char *file, int line);

/*
 * Objects of memory that are out. Each is filled with a pattern of its own, but for the first
 * `spared` bytes, and verified before it is freed: two that share a byte are found.
 */
enum { HOLDING_MAX = 8192 };
struct holding {
    vmem_cache_t *cache;
    size_t size, spared;
    size_t count;
    uint32_t serial; /* of the last one */
    struct {
        unsigned char *object;
        uint32_t serial;
    } objects[HOLDING_MAX];
};

/* Takes one more; false: refused. */
bool hold(struct holding *held, unsigned flags);

/* As many as there are, until one is refused. */
void hold_all(struct holding *held);

#define drop(held, i) support_drop(held, i, __FILE__, __LINE__)
#define drop_all(held) support_drop_all(held, __FILE__, __LINE__)
void support_drop(struct holding *held, size_t i, const char *file, int line);
void support_drop_all(struct holding *held, const char *file, int line);

/* Steps. Each is followed by vmem_check(). */

#define check(arena) support_check(arena, __FILE__, __LINE__)
void support_check(vmem_t *arena, const char *file, int line);

#define take(arena, size, flags) support_take(arena, size, NULL, flags, __FILE__, __LINE__)
#define xtake(arena, size, c, flags) support_take(arena, size, c, flags, __FILE__, __LINE__)
vmem_addr_t support_take(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                         unsigned flags, const char *file, int line);

/* The segment [addr, addr + size), by a request for this one address. */
#define take_at(arena, addr, size) support_take_at(arena, addr, size, __FILE__, __LINE__)
vmem_addr_t support_take_at(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *file,
                            int line);

/* The request returns `error` (negative), leaves the out-parameter and the arena alone. */
#define refused(arena, size, flags, error) \
    support_refused(arena, size, NULL, flags, error, __FILE__, __LINE__)
#define xrefused(arena, size, c, flags, error) \
    support_refused(arena, size, c, flags, error, __FILE__, __LINE__)
void support_refused(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                     unsigned flags, int error, const char *file, int line);

#define give(arena, addr, size) support_give(arena, addr, size, __FILE__, __LINE__)
void support_give(vmem_t *arena, vmem_addr_t addr, vmem_size_t size, const char *file, int line);

/* Any other call that returns 0 or an error, followed by the check. */
#define expect(error, call, arena)     \
    do {                               \
        assert_int_equal(call, error); \
        check(arena);                  \
    } while (0)

/*
 * The segments in words: a pair of brackets for each span, #n for n allocated quanta and .n for
 * n free ones. "[#2.6][#1]" is a span of eight quanta, the first two allocated, and a full span.
 */
#define assert_layout(arena, quantum, text) support_layout(arena, quantum, text, __FILE__, __LINE__)
void support_layout(vmem_t *arena, vmem_size_t quantum, const char *text, const char *file,
                    int line);

/* Everything that a walk and vmem_stat() can tell. */

enum { SNAPSHOT_MAX = 4096 };
struct snapshot {
    struct vmem_stats stats;
    size_t count;
    struct vmem_segment segments[SNAPSHOT_MAX];
};
void snapshot(vmem_t *arena, struct snapshot *shot);

/* The arena is as it was: contents and counters, except the count of refusals. */
#define assert_same(arena, shot) support_same(arena, shot, __FILE__, __LINE__)
void support_same(vmem_t *arena, const struct snapshot *shot, const char *file, int line);

/* Whether an address of this size satisfies the constraints: said anew, in the plainest words. */
bool legal(vmem_addr_t addr, vmem_size_t size, vmem_size_t quantum,
           const struct vmem_constraints *c);

/* A small random number generator with a state of the test's own. */
uint64_t next_random(uint64_t *state);

#endif
