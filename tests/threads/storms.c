/* SPDX-License-Identifier: MIT */
/*
 * storms.c - everything at once: too little memory, pages refused, threads that come and go.
 */
#include "loads.h"

#include <sched.h>

/*
 * Two caches and a heap in an arena that cannot hold what all of them want. One keeps objects in
 * reserve, and is asked to give them up.
 */

enum { TIGHT_PAGES = 64, RESERVE = 64, FILL_MAX = 1024 };

static struct {
    vmem_t *memory;
    struct objects thrifty, greedy;
    struct blocks blocks;
    pthread_mutex_t lock; /* of the reserve */
    struct object *reserve[RESERVE];
    size_t reserved;
    unsigned reclaims;
} tight = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { NOBODYS = 1000 }; /* who holds what is in reserve */

static struct object *from_reserve(void)
{
    struct object *object = NULL;

    (void)pthread_mutex_lock(&tight.lock);
    if (tight.reserved > 0)
        object = tight.reserve[--tight.reserved];
    (void)pthread_mutex_unlock(&tight.lock);
    return object;
}

static bool to_reserve(struct object *object)
{
    bool room;

    (void)pthread_mutex_lock(&tight.lock);
    room = tight.reserved < RESERVE;
    if (room)
        tight.reserve[tight.reserved++] = object;
    (void)pthread_mutex_unlock(&tight.lock);
    return room;
}

static void reclaim(void *ctx)
{
    struct tally tally = {0};
    struct object *object;

    in_hook("reclaim");
    (void)__atomic_add_fetch(&tight.reclaims, 1, __ATOMIC_RELAXED);
    while ((object = from_reserve()) != NULL)
        object_give(ctx, &tally, object, NOBODYS);
    tally_add(&((struct objects *)ctx)->tally, &tally);
}

static void be_thrifty(struct worker *self)
{
    (void)self;
    for (unsigned i = 0; i < AMOUNT_OF(10000); i++) {
        struct tally tally = {0};
        struct object *object = object_take(&tight.thrifty, &tally, NOBODYS);

        if (object != NULL && !to_reserve(object))
            object_give(&tight.thrifty, &tally, object, NOBODYS);
        tally_add(&tight.thrifty.tally, &tally);
    }
}

/* Takes until there is nothing more, and then gives all back. */
static size_t fill_up(struct objects *objects, unsigned holder)
{
    struct object *held[FILL_MAX];
    struct tally tally = {0};
    size_t count = 0, most;

    while (count < FILL_MAX && (held[count] = object_take(objects, &tally, holder)) != NULL)
        count++;
    most = count;
    while (count > 0)
        object_give(objects, &tally, held[--count], holder);
    tally_add(&objects->tally, &tally);
    return most;
}

static void be_greedy(struct worker *self)
{
    for (unsigned round = 0; round < AMOUNT_OF(20); round++)
        (void)fill_up(&tight.greedy, self->number);
}

static void use_heap(struct worker *self)
{
    blocks_churn(self, &tight.blocks, AMOUNT_OF(3000), 60);
}

/* As many objects as the whole arena holds, now that nobody else needs any of it. */
static void expect_room(struct objects *objects)
{
    struct vmem_cache_stats stats;
    size_t fits;

    vmem_cache_stat(objects->cache, &stats);
    fits = TIGHT_PAGES * MEMORY_PAGE / (size_t)stats.slab_size * stats.objects_per_slab;
    demand(fits < FILL_MAX);
    demand(fill_up(objects, NOBODYS) == fits);
}

void scenario_pressure(void)
{
    const struct role roles[] = {{1, be_thrifty, NULL}, {2, be_greedy, NULL}, {2, use_heap, NULL}};

    tight.memory = memory_create(TIGHT_PAGES);
    tight.thrifty = (struct objects){.size = 512, .may_fail = true, .reclaim = reclaim};
    tight.greedy = (struct objects){.size = 1024, .may_fail = true};
    tight.blocks.may_fail = true;
    tight.blocks.largest = 40000;
    objects_create(&tight.thrifty, tight.memory, "thrifty");
    objects_create(&tight.greedy, tight.memory, "greedy");
    blocks_create(&tight.blocks, tight.memory, "heap");
    run(roles, LENGTH(roles));
    demand(tight.greedy.tally.fails > 0 && tight.reclaims > 0); /* or this tests nothing */
    blocks_drop_slots(&tight.blocks);
    expect_room(&tight.thrifty);
    expect_room(&tight.greedy);
    demand(vmem_check(tight.memory) == 0);
    blocks_destroy(&tight.blocks);
    objects_destroy(&tight.thrifty);
    objects_destroy(&tight.greedy);
    memory_destroy(tight.memory);
}

/*
 * A kernel's worth of everything, for the next two: an object cache and a heap over one arena, a
 * quantum-cached arena over another, and IDs.
 */

static struct everything {
    vmem_t *memory;
    struct objects objects;
    struct blocks blocks;
    struct segments segments;
    struct ids ids;
    unsigned steps;
} all;

static void create_everything(bool may_fail)
{
    const struct vmem_id_params params = {.name = "id", .max = 19999, .flags = VMEM_ID_CYCLIC};

    all.memory = memory_create(MEMORY_PAGES_MAX);
    all.objects = (struct objects){.size = 96, .may_fail = may_fail};
    all.blocks.may_fail = may_fail;
    all.blocks.largest = 100000;
    all.segments = (struct segments){.quantum = 1, .may_fail = may_fail};
    all.ids = (struct ids){.may_fail = may_fail};
    objects_create(&all.objects, all.memory, "objects");
    blocks_create(&all.blocks, all.memory, "heap");
    segments_create(&all.segments);
    ids_create(&all.ids, &params);
}

static void destroy_everything(void)
{
    demand(vmem_check(NULL) == 0);
    blocks_destroy(&all.blocks);
    objects_destroy(&all.objects);
    segments_destroy(&all.segments);
    ids_destroy(&all.ids);
    memory_destroy(all.memory);
}

static void churn_everything(struct worker *self)
{
    for (unsigned i = 0; i < 4; i++) {
        objects_churn(self, &all.objects, all.steps, 100);
        blocks_churn(self, &all.blocks, all.steps, 60);
        segments_churn(self, &all.segments, all.steps, 100);
        ids_churn(self, &all.ids, all.steps, 100);
    }
}

/*
 * Waves of threads, each of which leaves blocks to the next; in some waves there are more than
 * the port has CPUs for, so that a few have no magazines.
 */

void scenario_waves(void)
{
    static const unsigned sizes[] = {3, 8, 1, 72, 16, 2, 100, 5};

    create_everything(false);
    for (size_t wave = 0; wave < LENGTH(sizes); wave++) {
        struct role role = {sizes[wave], churn_everything, NULL};

        all.steps = 40 + AMOUNT_OF(800) / sizes[wave];
        run(&role, 1);
        demand(vmem_cache_check(all.objects.cache) == 0);
        demand(vmem_heap_check(all.blocks.heap) == 0);
    }
    destroy_everything();
}

/* Every n-th page is refused, for several n, and the pages that there are come and go. */

static void reap(struct worker *self)
{
    for (unsigned round = 0; round < AMOUNT_OF(40); round++) {
        vmem_reap(chance(self, 1, 4) ? NULL : all.memory);
        drain_this_cpu();
        (void)sched_yield();
    }
}

void scenario_refusals(void)
{
    static const unsigned every[] = {1, 2, 3, 7};
    const struct role roles[] = {{4, churn_everything, NULL}, {1, reap, NULL}};

    all.steps = AMOUNT_OF(500);
    create_everything(true);
    for (size_t i = 0; i < LENGTH(every); i++) {
        refuse_every = every[i];
        run(roles, LENGTH(roles));
        refuse_every = 0;
        demand(vmem_check(NULL) == 0);
    }
    demand(all.objects.tally.fails + all.blocks.tally.fails + all.segments.tally.fails +
               all.ids.tally.fails >
           0); /* or this tests nothing */
    destroy_everything();
}
