/* SPDX-License-Identifier: MIT */
/* Code written for FreeBSD's zones, NetBSD's pool caches and OpenBSD's pools. */
#include "kernel.h"

#define VMEM_COMPAT_BSD
#include <vmem/compat.h>

#include "bsd_example.h" /* out of the comment in compat.h */

/* Names of the other families are the kernel's own. */
static int kmem_alloc(int own)
{
    return own;
}

static int kmalloc(int own)
{
    return own;
}

static void other_families_stay_away(void)
{
    CHECK(kmem_alloc(1) == 1 && kmalloc(2) == 2);
}

struct item {
    int prepared; /* by init, or a constructor */
    int taken;    /* by ctor */
};

static int prepared, taken, failing;

static int is_zero(const void *item, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)item;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return 0;
    }
    return 1;
}

/* What init, fini and constructors are told of a request that may wait. */
enum {
    WAITOK = VMEM_CONFIG_SLEEP ? M_WAITOK : M_NOWAIT,
    POOL_WAITOK = VMEM_CONFIG_SLEEP ? PR_WAITOK : PR_NOWAIT
};

/* FreeBSD */

static int item_init(void *mem, int size, int flags)
{
    CHECK(size == sizeof(struct item) && flags == WAITOK);
    if (failing)
        return 12;
    ((struct item *)mem)->prepared = 1;
    ((struct item *)mem)->taken = 0;
    prepared++;
    return 0;
}

static void item_fini(void *mem, int size)
{
    CHECK(size == sizeof(struct item) && ((struct item *)mem)->prepared == 1);
    prepared--;
}

static int item_ctor(void *mem, int size, void *arg, int flags)
{
    CHECK(size == sizeof(struct item) && arg == &taken && flags == WAITOK);
    CHECK(((struct item *)mem)->taken == 0);
    if (failing)
        return 12;
    ((struct item *)mem)->taken = 1;
    taken++;
    return 0;
}

static void item_dtor(void *mem, int size, void *arg)
{
    CHECK(size == sizeof(struct item) && arg == &taken && ((struct item *)mem)->taken == 1);
    ((struct item *)mem)->taken = 0;
    taken--;
}

static void init_and_fini_run_once_ctor_and_dtor_each_time(void)
{
    uma_zone_t zone = uma_zcreate("item", sizeof(struct item), item_ctor, item_dtor, item_init,
                                  item_fini, UMA_ALIGN_CACHE, 0);
    void *item;
    int ready = 0;

    CHECK(zone != NULL);
    for (int i = 0; i < 3; i++) {
        item = uma_zalloc_arg(zone, &taken, M_WAITOK);
        CHECK(item != NULL && (uintptr_t)item % 64 == 0 && taken == 1);
        if (i == 0)
            ready = prepared; /* more than one, where a magazine is filled */
        CHECK(ready > 0 && prepared == ready);
        uma_zfree_arg(zone, item, &taken);
        CHECK(taken == 0 && prepared == ready);
    }
    uma_zdestroy(zone);
    CHECK(prepared == 0 && faults == 0);
}

static void an_init_or_ctor_that_fails_fails_the_allocation(void)
{
    uma_zone_t init = uma_zcreate("init", sizeof(struct item), NULL, NULL, item_init, item_fini,
                                  UMA_ALIGN_PTR, 0);
    uma_zone_t ctor = uma_zcreate("ctor", sizeof(struct item), item_ctor, item_dtor, NULL, NULL,
                                  UMA_ALIGN_PTR, UMA_ZONE_ZINIT);

    CHECK(init != NULL && ctor != NULL);
    failing = 1;
    CHECK(uma_zalloc(init, M_WAITOK) == NULL);
    CHECK(uma_zalloc_arg(ctor, &taken, M_WAITOK) == NULL);
    failing = 0;
    uma_zdestroy(init);
    uma_zdestroy(ctor);
    CHECK(prepared == 0 && taken == 0 && faults == 0);
}

static void an_item_is_zero_where_that_was_asked_for(void)
{
    uma_zone_t plain = uma_zcreate("plain", 200, NULL, NULL, NULL, NULL, UMA_ALIGN_CHAR, 0);
    uma_zone_t zinit = uma_zcreate("zinit", 200, NULL, NULL, NULL, NULL, UMA_ALIGN_PTR,
                                   UMA_ZONE_ZINIT | UMA_ZONE_NOBUCKET);
    void *item;

    CHECK(plain != NULL && zinit != NULL);
    item = uma_zalloc(plain, M_NOWAIT);
    CHECK(item != NULL);
    __builtin_memset(item, 0xff, 200);
    uma_zfree(plain, item);
    item = uma_zalloc(plain, M_NOWAIT | M_ZERO);
    CHECK(item != NULL && is_zero(item, 200));
    uma_zfree(plain, item);
    item = uma_zalloc(zinit, M_NOWAIT);
    CHECK(item != NULL && is_zero(item, 200));
    uma_zfree(zinit, item);
    uma_zfree(zinit, NULL);
    uma_zdestroy(plain);
    uma_zdestroy(zinit);
    CHECK(faults == 0);
}

static void a_zone_is_refused_for_what_it_could_not_do(void)
{
    enum { ZONE_NOFREE = 0x20 };

    CHECK(uma_zcreate("no", 200, NULL, NULL, NULL, NULL, UMA_ALIGN_PTR, ZONE_NOFREE) == NULL);
    CHECK(uma_zcreate("no", 200, NULL, NULL, NULL, NULL, -1, 0) == NULL);
    CHECK(faults == 0);
    CHECK(uma_zcreate("no", 200, NULL, NULL, NULL, NULL, 4, 0) == NULL); /* 4 is no mask */
    CHECK(reported());
}

/* NetBSD */

static int object_ctor(void *arg, void *object, int flags)
{
    CHECK(arg == &prepared && flags == POOL_WAITOK);
    if (failing)
        return 12;
    ((struct item *)object)->prepared = 1;
    prepared++;
    return 0;
}

static void object_dtor(void *arg, void *object)
{
    CHECK(arg == &prepared && ((struct item *)object)->prepared == 1);
    prepared--;
}

static void a_pool_cache_keeps_objects_constructed(void)
{
    pool_cache_t cache = pool_cache_init(sizeof(struct item), 128, 0, 0, "item", NULL, 0,
                                         object_ctor, object_dtor, &prepared);
    struct item *item;

    CHECK(cache != NULL);
    item = (struct item *)pool_cache_get(cache, PR_WAITOK);
    CHECK(item != NULL && (uintptr_t)item % 128 == 0 && item->prepared == 1);
    pool_cache_put(cache, item);
    CHECK(prepared > 0);
    pool_cache_invalidate(cache);
    CHECK(prepared == 0);
    failing = 1;
    CHECK(pool_cache_get(cache, PR_WAITOK) == NULL);
    failing = 0;
    pool_cache_destroy(cache);
    CHECK(prepared == 0 && faults == 0);
}

static void a_pool_cache_zeroes_where_that_was_asked_for(void)
{
    pool_cache_t cache = pool_cache_init(100, 0, 0, 0, "bytes", NULL, 0, NULL, NULL, NULL);
    void *item;

    CHECK(cache != NULL);
    item = pool_cache_get(cache, PR_NOWAIT);
    CHECK(item != NULL);
    __builtin_memset(item, 0xff, 100);
    pool_cache_put(cache, item);
    item = pool_cache_get(cache, PR_NOWAIT | PR_ZERO);
    CHECK(item != NULL && is_zero(item, 100));
    pool_cache_put(cache, item);
    pool_cache_destroy(cache);
    CHECK(faults == 0);
}

static void a_pool_cache_is_refused_for_what_it_could_not_do(void)
{
    CHECK(pool_cache_init(100, 8, 4, 0, "no", NULL, 0, NULL, NULL, NULL) == NULL);
    CHECK(pool_cache_init(100, 8, 0, 1, "no", NULL, 0, NULL, NULL, NULL) == NULL);
    CHECK(faults == 0);
}

/* OpenBSD */

static void a_pool_lies_where_the_caller_put_it(void)
{
    struct pool pool;
    void *one, *other;

    pool_init(&pool, 300, 32, 0, 0, "pool", NULL);
    CHECK(pool.cache != NULL);
    one = pool_get(&pool, PR_WAITOK);
    other = pool_get(&pool, PR_NOWAIT | PR_ZERO);
    CHECK(one != NULL && other != NULL && one != other && (uintptr_t)one % 32 == 0);
    CHECK(is_zero(other, 300));
    pool_destroy(&pool);
    CHECK(reported() && pool.cache != NULL); /* two are still out */
    pool_put(&pool, one);
    pool_put(&pool, other);
    pool_destroy(&pool);
    CHECK(pool.cache == NULL && faults == 0);
}

static void a_pool_that_cannot_be_gives_nothing(void)
{
    struct pool pool;

    pool_init(&pool, 300, 32, 0, 1, "pool", NULL);
    CHECK(pool.cache == NULL && faults == 0);
    CHECK(pool_get(&pool, PR_WAITOK) == NULL);
    CHECK(reported());
}

#if VMEM_CONFIG_SLEEP

static void those_that_may_wait_do(void)
{
    uma_zone_t zone = uma_zcreate("zone", 5000, NULL, NULL, NULL, NULL, UMA_ALIGN_PTR, 0);
    pool_cache_t cache = pool_cache_init(6000, 0, 0, 0, "cache", NULL, 0, NULL, NULL, NULL);
    struct pool pool;
    void *items[3];

    pool_init(&pool, 7000, 0, 0, 0, "pool", NULL);
    kernel_lack_memory();
    CHECK(uma_zalloc(zone, M_NOWAIT) == NULL);
    items[0] = uma_zalloc(zone, M_WAITOK);
    kernel_end_other();
    kernel_lack_memory();
    CHECK(pool_cache_get(cache, PR_NOWAIT) == NULL);
    items[1] = pool_cache_get(cache, PR_WAITOK);
    kernel_end_other();
    kernel_lack_memory();
    CHECK(pool_get(&pool, PR_NOWAIT) == NULL);
    items[2] = pool_get(&pool, PR_WAITOK);
    kernel_end_other();
    CHECK(items[0] != NULL && items[1] != NULL && items[2] != NULL);
    uma_zfree(zone, items[0]);
    pool_cache_put(cache, items[1]);
    pool_put(&pool, items[2]);
    uma_zdestroy(zone);
    pool_cache_destroy(cache);
    pool_destroy(&pool);
    CHECK(faults == 0);
}

#endif

int main(void)
{
    kernel_begin();
    other_families_stay_away();
    init_and_fini_run_once_ctor_and_dtor_each_time();
    an_init_or_ctor_that_fails_fails_the_allocation();
    an_item_is_zero_where_that_was_asked_for();
    a_zone_is_refused_for_what_it_could_not_do();
    a_pool_cache_keeps_objects_constructed();
    a_pool_cache_zeroes_where_that_was_asked_for();
    a_pool_cache_is_refused_for_what_it_could_not_do();
    a_pool_lies_where_the_caller_put_it();
    a_pool_that_cannot_be_gives_nothing();
#if VMEM_CONFIG_SLEEP
    those_that_may_wait_do();
#endif
    CHECK(bsd_example() == 0);
    return kernel_end();
}
