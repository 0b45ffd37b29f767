/* SPDX-License-Identifier: MIT */
/*
 * objects.c - threads over object caches.
 */
#include "loads.h"

#include <sched.h>
#include <string.h>

#include <vmem/debug.h>

/* The load; see loads.h. */

enum { ALIVE = 0x0b1ec7ed, OBJECTS_MAX = 512 };

static int construct(void *object, void *ctx, unsigned flags)
{
    struct object *made = object;
    struct objects *objects = ctx;
    unsigned call = __atomic_add_fetch(&objects->constructs, 1, __ATOMIC_RELAXED);

    in_hook("construct");
    demand((flags & ~(unsigned)VMEM_SLEEP) == 0);
    if (objects->fail_every > 0 && call % objects->fail_every == 0)
        return -VMEM_ENOMEM;
    claim(object, objects->size, UINT16_MAX); /* the cache's, until its slab goes */
    made->holder = 0;
    made->alive = ALIVE;
    (void)__atomic_add_fetch(&objects->alive, 1, __ATOMIC_RELAXED);
    return 0;
}

static void destruct(void *object, void *ctx)
{
    struct object *made = object;
    struct objects *objects = ctx;

    in_hook("destruct");
    demand(made->holder == 0 && made->alive == ALIVE);
    made->alive = 0;
    drop(object, objects->size, UINT16_MAX);
    (void)__atomic_sub_fetch(&objects->alive, 1, __ATOMIC_RELAXED);
}

void objects_create(struct objects *objects, vmem_t *arena, const char *name)
{
    struct vmem_cache_params params = {
        .name = name,
        .size = objects->size,
        .align = objects->align,
        .construct = construct,
        .destruct = destruct,
        .reclaim = objects->reclaim,
        .ctx = objects,
        .arena = arena,
        .flags = objects->flags,
    };
    int error;

    objects->tally = (struct tally){0};
    do
        error = vmem_cache_create(&params, &objects->cache);
    while (error == -VMEM_ENOMEM && objects->may_fail);
    demand(error == 0);
}

void objects_destroy(struct objects *objects)
{
    struct vmem_cache_stats stats;
    int error;

    vmem_cache_stat(objects->cache, &stats);
    demand(stats.in_use == 0);
    demand(stats.allocs == objects->tally.allocs && stats.frees == objects->tally.frees);
    demand(stats.fails == objects->tally.fails);
    while ((error = vmem_cache_destroy(objects->cache)) == -VMEM_EBUSY)
        (void)sched_yield(); /* somebody is reaping it; an object that is out is a fault */
    demand(error == 0);
    demand(objects->alive == 0);
}

struct object *object_take(struct objects *objects, struct tally *tally, unsigned holder)
{
    struct object *object = vmem_cache_alloc(objects->cache, 0);
    size_t align = objects->align > 0 ? objects->align : 8;

    if (object == NULL) {
        demand(objects->may_fail || objects->fail_every > 0);
        tally->fails++;
        return NULL;
    }
    tally->allocs++;
    demand((uintptr_t)object % align == 0);
    demand(object->alive == ALIVE);
    if (__atomic_exchange_n(&object->holder, holder, __ATOMIC_RELAXED) != 0)
        fail("%p was handed out twice", (void *)object);
    fill(object->payload, objects->size - sizeof(*object), holder);
    return object;
}

void object_give(struct objects *objects, struct tally *tally, struct object *object,
                 unsigned holder)
{
    expect_filled(object->payload, objects->size - sizeof(*object), holder);
    if (__atomic_exchange_n(&object->holder, 0, __ATOMIC_RELAXED) != holder)
        fail("%p was held by somebody else", (void *)object);
    tally->frees++;
    vmem_cache_free(objects->cache, object);
}

void objects_churn(struct worker *self, struct objects *objects, unsigned steps, unsigned most)
{
    struct object *held[OBJECTS_MAX];
    struct tally tally = {0};
    size_t count = 0;

    demand(most <= OBJECTS_MAX);
    for (; steps > 0; steps--) {
        if (count < most && (count == 0 || chance(self, 1, 2))) {
            held[count] = object_take(objects, &tally, self->number);
            count += held[count] != NULL;
        } else {
            size_t i = below(self, count);

            object_give(objects, &tally, held[i], self->number);
            held[i] = held[--count];
        }
    }
    while (count > 0)
        object_give(objects, &tally, held[--count], self->number);
    tally_add(&objects->tally, &tally);
}

/* Four threads over one cache, each holding some. */

static void churn(struct worker *self)
{
    objects_churn(self, self->shared, AMOUNT_OF(100000), 200);
}

void scenario_cache(void)
{
    struct objects objects = {.size = 64};
    struct role role = {4, churn, &objects};
    vmem_t *memory = memory_create(MEMORY_PAGES_MAX);

    objects_create(&objects, memory, "objects");
    run(&role, 1);
    demand(vmem_cache_check(objects.cache) == 0);
    demand(vmem_check(memory) == 0);
    objects_destroy(&objects);
    memory_destroy(memory);
}

/*
 * What one thread allocates another frees: full magazines go through the depot one way, and empty
 * ones the other.
 */

enum { QUEUE = 128, TRANSFERS = AMOUNT_OF(50000) };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct object *queue[QUEUE];
    unsigned from[QUEUE];
    size_t first, count;
    struct objects objects;
} transfer = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static void produce(struct worker *self)
{
    struct tally tally = {0};

    for (unsigned i = 0; i < TRANSFERS; i++) {
        struct object *object = object_take(&transfer.objects, &tally, self->number);
        size_t at;

        (void)pthread_mutex_lock(&transfer.lock);
        while (transfer.count == QUEUE)
            (void)pthread_cond_wait(&transfer.change, &transfer.lock);
        at = (transfer.first + transfer.count++) % QUEUE;
        transfer.queue[at] = object;
        transfer.from[at] = self->number;
        (void)pthread_cond_broadcast(&transfer.change);
        (void)pthread_mutex_unlock(&transfer.lock);
    }
    tally_add(&transfer.objects.tally, &tally);
}

static void consume(struct worker *self)
{
    struct tally tally = {0};

    for (unsigned i = 0; i < TRANSFERS; i++) {
        struct object *object;
        unsigned from;

        (void)pthread_mutex_lock(&transfer.lock);
        while (transfer.count == 0)
            (void)pthread_cond_wait(&transfer.change, &transfer.lock);
        object = transfer.queue[transfer.first];
        from = transfer.from[transfer.first];
        transfer.first = (transfer.first + 1) % QUEUE;
        transfer.count--;
        (void)pthread_cond_broadcast(&transfer.change);
        (void)pthread_mutex_unlock(&transfer.lock);
        object_give(&transfer.objects, &tally, object, from);
    }
    tally_add(&transfer.objects.tally, &tally);
    (void)self;
}

void scenario_transfer(void)
{
    const struct role roles[] = {{2, produce, NULL}, {2, consume, NULL}};
    vmem_t *memory = memory_create(MEMORY_PAGES_MAX);
    struct vmem_cache_stats stats;

    transfer.objects = (struct objects){.size = 40};
    objects_create(&transfer.objects, memory, "transfer");
    run(roles, LENGTH(roles));
    vmem_cache_stat(transfer.objects.cache, &stats);
    demand(stats.exchanges > 0); /* or this tests nothing */
    demand(vmem_cache_check(transfer.objects.cache) == 0);
    objects_destroy(&transfer.objects);
    memory_destroy(memory);
}

/*
 * All threads take many at once and give them back at once, so that they meet at the depot and
 * its magazines grow, while others reap, which makes them small again, trim and drain.
 */

enum { BURST = 400 };

static void burst(struct worker *self)
{
    struct object *held[BURST];
    struct objects *objects = self->shared;
    struct tally tally = {0};

    for (unsigned round = 0; round < AMOUNT_OF(300); round++) {
        size_t count = 1 + below(self, BURST);

        for (size_t i = 0; i < count; i++)
            held[i] = object_take(objects, &tally, self->number);
        while (count > 0)
            object_give(objects, &tally, held[--count], self->number);
    }
    tally_add(&objects->tally, &tally);
}

static void give_back(struct worker *self)
{
    struct objects *objects = self->shared;
    struct vmem_cache_stats stats;

    for (unsigned round = 0; round < AMOUNT_OF(200); round++) {
        struct tally tally = {0};
        struct object *object = object_take(objects, &tally, self->number);

        switch (below(self, 4)) {
        case 0:
            vmem_cache_reap(objects->cache);
            break;
        case 1:
            (void)vmem_cache_trim(objects->cache);
            break;
        case 2:
            drain_this_cpu();
            break;
        default:
            vmem_cache_stat(objects->cache, &stats);
            demand(stats.objects_per_slab > 0);
            break;
        }
        object_give(objects, &tally, object, self->number);
        tally_add(&objects->tally, &tally);
        (void)sched_yield();
    }
}

void scenario_bursts(void)
{
    struct objects objects = {.size = 24};
    const struct role roles[] = {{4, burst, &objects}, {1, give_back, &objects}};
    vmem_t *memory = memory_create(MEMORY_PAGES_MAX);

    objects_create(&objects, memory, "bursts");
    run(roles, LENGTH(roles));
    demand(vmem_cache_check(objects.cache) == 0);
    objects_destroy(&objects);
    memory_destroy(memory);
}

/* Caches and arenas that come and go, over one in which others work and which is reaped. */

static struct {
    vmem_t *memory;
    struct objects lasting;
} lifecycle;

static void use_cache(struct worker *self, vmem_t *arena)
{
    static const size_t sizes[] = {16, 24, 200, 1000, 4096, 20000};
    struct objects objects = {.size = sizes[below(self, LENGTH(sizes))]};

    objects.flags = chance(self, 1, 4) ? VMEM_CACHE_NO_MAGAZINES : 0;
    objects_create(&objects, arena, "short-lived");
    objects_churn(self, &objects, 100, 24);
    objects_destroy(&objects);
}

/* An arena of the worker's own, with quantum caches, which goes while others reap everything. */
static void use_arena(struct worker *self)
{
    struct vmem_params params = {
        .name = "short-lived", .quantum = 512, .qcache_max = 4096, .source = lifecycle.memory};
    vmem_addr_t addrs[16];
    vmem_t *arena = NULL;
    int error;

    demand(vmem_create(&params, &arena) == 0);
    for (size_t i = 0; i < LENGTH(addrs); i++) {
        demand(vmem_alloc(arena, 512 * (1 + i), 0, &addrs[i]) == 0);
        shadow_claim(&memory_shadow, addrs[i], 512 * (1 + i), self->number);
    }
    use_cache(self, arena);
    for (size_t i = 0; i < LENGTH(addrs); i++) {
        shadow_drop(&memory_shadow, addrs[i], 512 * (1 + i), self->number);
        vmem_free(arena, addrs[i], 512 * (1 + i));
    }
    while ((error = vmem_destroy(arena)) == -VMEM_EBUSY)
        (void)sched_yield(); /* somebody is going through the arenas, which is no fault */
    demand(error == 0);
}

static void come_and_go(struct worker *self)
{
    for (unsigned round = 0; round < AMOUNT_OF(100); round++) {
        if (chance(self, 1, 3))
            use_arena(self);
        else
            use_cache(self, lifecycle.memory);
    }
}

static void stay(struct worker *self)
{
    objects_churn(self, &lifecycle.lasting, AMOUNT_OF(50000), 100);
}

static void count_text(void *ctx, const char *string)
{
    in_hook("a sink");
    *(size_t *)ctx += strlen(string);
}

static void reap_and_print(struct worker *self)
{
    for (unsigned round = 0; round < AMOUNT_OF(100); round++) {
        size_t length = 0;

        if (chance(self, 1, 3)) {
            vmem_print(count_text, &length);
            demand(length > 0);
        } else {
            vmem_reap(chance(self, 1, 2) ? NULL : lifecycle.memory);
        }
        (void)sched_yield();
    }
}

void scenario_lifecycle(void)
{
    const struct role roles[] = {
        {3, come_and_go, NULL}, {1, stay, NULL}, {1, reap_and_print, NULL}};

    lifecycle.memory = memory_create(MEMORY_PAGES_MAX);
    lifecycle.lasting = (struct objects){.size = 128};
    objects_create(&lifecycle.lasting, lifecycle.memory, "lasting");
    run(roles, LENGTH(roles));
    demand(vmem_check(lifecycle.memory) == 0);
    objects_destroy(&lifecycle.lasting);
    memory_destroy(lifecycle.memory);
}
