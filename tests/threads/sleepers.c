/* SPDX-License-Identifier: MIT */
/*
 * sleepers.c - threads that wait: VMEM_SLEEP.
 *
 * Nobody who waits holds anything that another may wait for, so all are served in the end. A wake
 * that is lost shows in that the scenario does not end: see `patient` in threads.h.
 */
#include "loads.h"

#include <sched.h>
#include <stdlib.h>

#include <vmem/debug.h>

enum { UNITS = 64 }; /* of the arenas below, all of which one request may want */

/* Three arenas, each of which imports from the one before. Their quanta are 8, 4 and 1. */

enum { CHAIN = 3 };

static const struct link {
    const char *name;
    vmem_size_t quantum;
} links[CHAIN] = {{"first", 8}, {"second", 4}, {"third", 1}};

static void chain_create(vmem_t *chain[CHAIN], unsigned flags)
{
    for (unsigned i = 0; i < CHAIN; i++) {
        struct vmem_params params = {
            .name = links[i].name, .quantum = links[i].quantum, .flags = flags};

        if (i == 0)
            params.size = UNITS;
        else
            params.source = chain[i - 1];
        demand(vmem_create(&params, &chain[i]) == 0);
    }
}

static void chain_destroy(vmem_t *chain[CHAIN])
{
    for (unsigned i = CHAIN; i-- > 0;) {
        demand(vmem_check(chain[i]) == 0);
        demand(vmem_destroy(chain[i]) == 0);
    }
}

/*
 * In turn: while all of an arena is taken, requests come one after the other, for all of it and
 * for a little of it, and then it is freed little by little. Each is served after all that came
 * before it for all, and before all that came after it for all: no small one overtakes a large
 * one, nor the other way round.
 */

enum { QUEUE = 12, LARGE_EVERY = 4 };

static struct {
    vmem_t *arena;
    unsigned large, small; /* requests that have been served, and given back */
} queue;

static uint64_t waits(vmem_t *arena)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    return stats.waits;
}

static void await_queue(uint64_t length)
{
    while (waits(queue.arena) < length)
        (void)sched_yield();
}

static void ask_for_all(unsigned earlier)
{
    vmem_addr_t addr;

    demand(vmem_alloc(queue.arena, UNITS, VMEM_SLEEP, &addr) == 0);
    demand(queue.large == earlier / LARGE_EVERY);
    demand(queue.small == earlier - earlier / LARGE_EVERY);
    queue.large++;
    vmem_free(queue.arena, addr, UNITS);
}

static void ask_for_little(unsigned earlier, vmem_size_t size)
{
    vmem_addr_t addr;

    demand(vmem_alloc(queue.arena, size, VMEM_SLEEP, &addr) == 0);
    demand(queue.large == earlier / LARGE_EVERY + 1);
    (void)__atomic_add_fetch(&queue.small, 1, __ATOMIC_RELAXED);
    vmem_free(queue.arena, addr, size);
}

static void stand_in_line(struct worker *self)
{
    const vmem_size_t *quantum = self->shared;
    unsigned earlier = self->number - 1;

    await_queue(earlier);
    if (earlier % LARGE_EVERY == 0)
        ask_for_all(earlier);
    else
        ask_for_little(earlier, *quantum);
}

static void open_up(struct worker *self)
{
    const vmem_size_t *quantum = self->shared;

    await_queue(QUEUE);
    for (vmem_addr_t addr = 0; addr < UNITS; addr += *quantum) {
        vmem_free(queue.arena, addr, *quantum);
        (void)sched_yield();
    }
}

static void serve_in_turn(vmem_t *arena, vmem_size_t quantum)
{
    const struct role roles[] = {{QUEUE, stand_in_line, &quantum}, {1, open_up, &quantum}};
    vmem_addr_t addr;

    queue.arena = arena;
    queue.large = queue.small = 0;
    for (unsigned i = 0; i < UNITS; i += (unsigned)quantum)
        demand(vmem_alloc(arena, quantum, 0, &addr) == 0);
    run(roles, LENGTH(roles));
    demand(queue.large == QUEUE / LARGE_EVERY && queue.small == QUEUE - QUEUE / LARGE_EVERY);
}

static void wait_in_turn(void)
{
    for (unsigned round = 0; round < AMOUNT_OF(10); round++) {
        for (unsigned i = 0; i < CHAIN; i++) {
            vmem_t *chain[CHAIN];

            chain_create(chain, round % 2 == 0 ? 0 : VMEM_ARENA_ORDERED);
            serve_in_turn(chain[i], links[i].quantum);
            chain_destroy(chain);
        }
    }
}

/* All over the chain, while others take what there is, and give back what is kept. */

static struct {
    vmem_t *chain[CHAIN];
    struct shadow shadow;
} crowd;

static void take_and_give(struct worker *self, unsigned flags)
{
    unsigned i = (unsigned)below(self, CHAIN);
    size_t quanta = UNITS / (size_t)links[i].quantum;
    vmem_size_t size = links[i].quantum * (1 + below(self, chance(self, 1, 8) ? quanta : 3));
    struct vmem_constraints c = {.align = links[i].quantum << below(self, 2)};
    vmem_addr_t addr;
    int error = chance(self, 1, 3) ? vmem_xalloc(crowd.chain[i], size, &c, flags, &addr)
                                   : vmem_alloc(crowd.chain[i], size, flags, &addr);

    if (error != 0) {
        demand(error == -VMEM_ENOSPC && (flags & VMEM_SLEEP) == 0);
        return;
    }
    shadow_claim(&crowd.shadow, addr, size, self->number);
    (void)sched_yield();
    shadow_drop(&crowd.shadow, addr, size, self->number);
    vmem_free(crowd.chain[i], addr, size);
}

static void wait_and_give(struct worker *self)
{
    for (unsigned i = 0; i < AMOUNT_OF(1000); i++)
        take_and_give(self, VMEM_SLEEP | (unsigned)below(self, VMEM_LASTFIT + 1));
}

static void push_in(struct worker *self)
{
    for (unsigned i = 0; i < AMOUNT_OF(1000); i++) {
        take_and_give(self, VMEM_NOSLEEP);
        if (chance(self, 1, 50))
            vmem_reap(chance(self, 1, 2) ? NULL : crowd.chain[below(self, CHAIN)]);
    }
}

static void wait_all_over(void)
{
    const struct role roles[] = {{5, wait_and_give, NULL}, {1, push_in, NULL}};
    static uint16_t holders[UNITS];

    crowd.shadow = (struct shadow){0, 1, UNITS, holders};
    chain_create(crowd.chain, 0);
    run(roles, LENGTH(roles));
    chain_destroy(crowd.chain);
}

/* For IDs: any, one of the upper half, a few in a row, all. */

static struct {
    vmem_id_t *space;
    struct shadow shadow;
} numbers;

static int take_ids(struct worker *self, vmem_size_t *count, vmem_addr_t *first)
{
    *count = 1;
    switch (below(self, 8)) {
    case 0:
        *count = UNITS;
        break;
    case 1:
    case 2:
        *count = (vmem_size_t)1 << below(self, 4);
        break;
    case 3:
        return vmem_id_alloc_in(numbers.space, UNITS - 2, UNITS - 1, VMEM_SLEEP, first);
    default:
        return vmem_id_alloc(numbers.space, VMEM_SLEEP, first);
    }
    return vmem_id_alloc_range(numbers.space, *count, *count, VMEM_SLEEP, first);
}

static void wait_for_ids(struct worker *self)
{
    for (unsigned i = 0; i < AMOUNT_OF(1000); i++) {
        vmem_addr_t first = 0;
        vmem_size_t count;

        demand(take_ids(self, &count, &first) == 0);
        shadow_claim(&numbers.shadow, first, count, self->number);
        (void)sched_yield();
        shadow_drop(&numbers.shadow, first, count, self->number);
        vmem_id_free_range(numbers.space, first, count);
    }
}

static void wait_for_numbers(void)
{
    const struct vmem_id_params params = {.name = "numbers", .max = UNITS - 1};
    const struct role role = {5, wait_for_ids, NULL};
    static uint16_t holders[UNITS];

    numbers.shadow = (struct shadow){0, 1, UNITS, holders};
    demand(vmem_id_create(&params, &numbers.space) == 0);
    run(&role, 1);
    demand(vmem_id_check(numbers.space) == 0);
    demand(vmem_id_destroy(numbers.space) == 0);
}

/*
 * For memory: objects of a cache, blocks of a heap and pages of the arena below them. The first is
 * waited for, and then what else there is is taken too, so that there is soon nothing left.
 */

enum { PAGES = 12, SOME = 12 };

static struct {
    vmem_t *memory;
    struct objects objects;
    vmem_heap_t *heap;
} store;

static void use_objects(struct worker *self)
{
    struct object *held[SOME];
    struct tally tally = {0};
    size_t count = 0, most = 1 + below(self, SOME);

    held[count++] = vmem_cache_alloc(store.objects.cache, VMEM_SLEEP);
    demand(held[0] != NULL &&
           __atomic_exchange_n(&held[0]->holder, self->number, __ATOMIC_RELAXED) == 0);
    fill(held[0]->payload, store.objects.size - sizeof(*held[0]), self->number);
    tally.allocs++;
    while (count < most &&
           (held[count] = object_take(&store.objects, &tally, self->number)) != NULL)
        count++;
    (void)sched_yield();
    while (count > 0)
        object_give(&store.objects, &tally, held[--count], self->number);
    tally_add(&store.objects.tally, &tally);
}

static void use_blocks(struct worker *self)
{
    /* Slabs of up to two pages, or more than what a class serves. */
    size_t size = chance(self, 1, 4) ? 9 * (size_t)MEMORY_PAGE : 1 + below(self, 1000);
    void *blocks[SOME] = {vmem_heap_alloc(store.heap, size, VMEM_SLEEP)};
    size_t count = 1, most = 1 + below(self, SOME);

    demand(blocks[0] != NULL);
    while (count < most && (blocks[count] = vmem_heap_alloc(store.heap, size, 0)) != NULL)
        count++;
    for (size_t i = 0; i < count; i++)
        claim(blocks[i], size, self->number);
    (void)sched_yield();
    while (count > 0) {
        drop(blocks[--count], size, self->number);
        vmem_heap_free(store.heap, blocks[count]);
    }
}

static void use_pages(struct worker *self)
{
    vmem_size_t size = MEMORY_PAGE * (1 + below(self, chance(self, 1, 4) ? PAGES : 2));
    vmem_addr_t addr;

    demand(vmem_alloc(store.memory, size, VMEM_SLEEP, &addr) == 0);
    shadow_claim(&memory_shadow, addr, size, self->number);
    (void)sched_yield();
    shadow_drop(&memory_shadow, addr, size, self->number);
    vmem_free(store.memory, addr, size);
}

static void use_memory(struct worker *self)
{
    static void (*const uses[])(struct worker *) = {use_objects, use_blocks, use_pages};

    for (unsigned i = 0; i < AMOUNT_OF(200); i++)
        uses[below(self, LENGTH(uses))](self);
}

/* All the memory, some of which waits in the magazines of one who only frees, and then no more. */

static struct {
    unsigned ready, served;
} last;

static void free_slowly(struct worker *self)
{
    struct object *held[2 * SOME];
    struct tally tally = {0};
    size_t count = 0;

    while (count < LENGTH(held))
        held[count++] = object_take(&store.objects, &tally, self->number);
    while (count > SOME)
        object_give(&store.objects, &tally, held[--count], self->number);
    __atomic_store_n(&last.ready, 1, __ATOMIC_RELEASE);
    while (waits(store.memory) == 0)
        (void)sched_yield();
    while (count > 0)
        object_give(&store.objects, &tally, held[--count], self->number);
    tally_add(&store.objects.tally, &tally);
    while (__atomic_load_n(&last.served, __ATOMIC_ACQUIRE) == 0)
        (void)sched_yield();
}

static void want_all(struct worker *self)
{
    vmem_addr_t addr;

    (void)self;
    while (__atomic_load_n(&last.ready, __ATOMIC_ACQUIRE) == 0)
        (void)sched_yield();
    demand(vmem_alloc(store.memory, PAGES * MEMORY_PAGE, VMEM_SLEEP, &addr) == 0);
    vmem_free(store.memory, addr, PAGES * MEMORY_PAGE);
    __atomic_store_n(&last.served, 1, __ATOMIC_RELEASE);
}

static void wait_for_the_last(void)
{
    const struct role roles[] = {{1, free_slowly, NULL}, {1, want_all, NULL}};

    store.memory = memory_create(PAGES);
    store.objects = (struct objects){.size = 1000};
    objects_create(&store.objects, store.memory, "objects");
    run(roles, LENGTH(roles));
    objects_destroy(&store.objects);
    memory_destroy(store.memory);
}

static void wait_for_memory(void)
{
    const struct role role = {5, use_memory, NULL};
    struct vmem_heap_params params = {.name = "heap"};

    store.memory = memory_create(PAGES);
    store.objects = (struct objects){.size = 1000, .may_fail = true};
    objects_create(&store.objects, store.memory, "objects");
    params.arena = store.memory;
    demand(vmem_heap_create(&params, &store.heap) == 0);
    run(&role, 1);
    demand(vmem_heap_check(store.heap) == 0);
    demand(vmem_heap_destroy(store.heap) == 0);
    objects_destroy(&store.objects);
    memory_destroy(store.memory);
}

void scenario_sleep(void)
{
    patient = true;
    wait_in_turn();
    wait_all_over();
    wait_for_numbers();
    wait_for_the_last();
    patient = false; /* a round may come to a magazine in the moment in which that is asked for */
    wait_for_memory();
}
