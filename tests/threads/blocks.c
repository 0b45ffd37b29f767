/* SPDX-License-Identifier: MIT */
/*
 * blocks.c - threads over a heap.
 */
#include "loads.h"

#include <string.h>

/* The load; see loads.h. */

enum { BLOCKS_MAX = 256 };

void blocks_create(struct blocks *blocks, vmem_t *arena, const char *name)
{
    struct vmem_heap_params params = {.name = name, .arena = arena};
    int error;

    demand(pthread_mutex_init(&blocks->lock, NULL) == 0);
    do
        error = vmem_heap_create(&params, &blocks->heap);
    while (error == -VMEM_ENOMEM && blocks->may_fail);
    demand(error == 0);
}

void blocks_destroy(struct blocks *blocks)
{
    struct vmem_heap_stats stats;

    blocks_drop_slots(blocks);
    vmem_heap_stat(blocks->heap, &stats);
    demand(stats.blocks == 0 && stats.in_use == 0);
    demand(stats.large_blocks == 0 && stats.large_in_use == 0);
    /* A block that moved was allocated and freed once more. */
    demand(stats.allocs >= blocks->tally.allocs);
    demand(stats.allocs - blocks->tally.allocs == stats.frees - blocks->tally.frees);
    demand(stats.fails == blocks->tally.fails);
    demand(vmem_heap_check(blocks->heap) == 0);
    vmem_heap_reap(blocks->heap);
    vmem_heap_stat(blocks->heap, &stats);
    demand(stats.held == 0);
    demand(vmem_heap_destroy(blocks->heap) == 0);
    demand(pthread_mutex_destroy(&blocks->lock) == 0);
}

/* The block becomes ours, to the last byte that may be used, and is written over. */
static void hold(struct blocks *blocks, struct block *block, unsigned holder)
{
    block->usable = vmem_heap_usable_size(blocks->heap, block->at);
    block->holder = holder;
    demand(block->usable >= block->size);
    demand((uintptr_t)block->at % 16 == 0 && (uintptr_t)block->at % block->align == 0);
    claim(block->at, block->usable, holder);
    fill(block->at, block->size, block->tag);
}

static void expect_zero(const struct block *block)
{
    expect_filled(block->at, block->size, 0);
}

static bool block_take(struct worker *self, struct blocks *blocks, struct tally *tally,
                       struct block *block)
{
    size_t bound = chance(self, 1, 50) ? blocks->largest : chance(self, 1, 2) ? 4096 : 256;
    unsigned kind = (unsigned)below(self, 4);

    *block = (struct block){.size = 8 + below(self, bound - 7), .align = 1};
    block->tag = (unsigned)next_random(self);
    if (kind == 0) {
        block->align = (size_t)8 << below(self, 10);
        block->at = vmem_heap_memalign(blocks->heap, block->align, block->size, 0);
    } else if (kind == 1) {
        block->at = vmem_heap_zalloc(blocks->heap, block->size, 0);
    } else {
        block->at = vmem_heap_alloc(blocks->heap, block->size, 0);
    }
    if (block->at == NULL) {
        demand(blocks->may_fail);
        tally->fails++;
        return false;
    }
    tally->allocs++;
    if (kind == 1)
        expect_zero(block);
    hold(blocks, block, self->number);
    return true;
}

static void block_give(struct worker *self, struct blocks *blocks, struct tally *tally,
                       const struct block *block)
{
    expect_filled(block->at, block->size, block->tag);
    drop(block->at, block->usable, block->holder);
    tally->frees++;
    if (chance(self, 1, 2))
        vmem_heap_free(blocks->heap, block->at);
    else
        vmem_heap_free_sized(blocks->heap, block->at, block->size);
}

/* Moved or not: the contents stay, and so does the alignment. */
static void block_resize(struct worker *self, struct blocks *blocks, struct tally *tally,
                         struct block *block)
{
    size_t size = 8 + below(self, chance(self, 1, 20) ? blocks->largest : 4096);
    unsigned char *at;

    expect_filled(block->at, block->size, block->tag);
    drop(block->at, block->usable, block->holder);
    at = vmem_heap_realloc(blocks->heap, block->at, size, 0);
    if (at != NULL) {
        expect_filled(at, size < block->size ? size : block->size, block->tag);
        block->at = at;
        block->size = size;
    } else {
        demand(blocks->may_fail);
        tally->fails++;
        expect_filled(block->at, block->size, block->tag);
    }
    block->tag = (unsigned)next_random(self);
    hold(blocks, block, self->number);
}

/* What is in the slot becomes ours, and ours whoever's comes next. */
static void block_swap(struct worker *self, struct blocks *blocks, struct block *block)
{
    struct block *slot = &blocks->slots[below(self, SLOTS)];
    struct block other;

    (void)pthread_mutex_lock(&blocks->lock);
    other = *slot;
    *slot = *block;
    (void)pthread_mutex_unlock(&blocks->lock);
    *block = other;
    if (block->at == NULL)
        return;
    shadow_pass(&memory_shadow, (uintptr_t)block->at, block->usable, block->holder, self->number);
    block->holder = self->number;
}

void blocks_churn(struct worker *self, struct blocks *blocks, unsigned steps, unsigned most)
{
    struct block held[BLOCKS_MAX];
    struct tally tally = {0};
    size_t count = 0;

    demand(most <= BLOCKS_MAX);
    for (; steps > 0; steps--) {
        size_t choice = below(self, 8);
        size_t i = count == 0 ? 0 : below(self, count);

        if (count < most && (count == 0 || choice < 3)) {
            count += block_take(self, blocks, &tally, &held[count]);
        } else if (choice < 5) {
            block_resize(self, blocks, &tally, &held[i]);
        } else if (choice < 6) {
            block_swap(self, blocks, &held[i]);
            if (held[i].at == NULL)
                held[i] = held[--count];
        } else {
            block_give(self, blocks, &tally, &held[i]);
            held[i] = held[--count];
        }
    }
    while (count > 0)
        block_give(self, blocks, &tally, &held[--count]);
    tally_add(&blocks->tally, &tally);
}

void blocks_drop_slots(struct blocks *blocks)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct block *block = &blocks->slots[i];

        if (block->at == NULL)
            continue;
        expect_filled(block->at, block->size, block->tag);
        drop(block->at, block->usable, block->holder);
        vmem_heap_free(blocks->heap, block->at);
        blocks->tally.frees++;
        block->at = NULL;
    }
}

/* Four threads over one heap, while another looks and gives back. */

static void churn(struct worker *self)
{
    blocks_churn(self, self->shared, AMOUNT_OF(5000), 150);
}

static void tend(struct worker *self)
{
    struct blocks *blocks = self->shared;
    struct vmem_heap_stats stats;

    for (unsigned round = 0; round < AMOUNT_OF(40); round++) {
        blocks_churn(self, blocks, 100, 20);
        switch (below(self, 3)) {
        case 0:
            vmem_heap_reap(blocks->heap);
            break;
        case 1:
            (void)vmem_heap_trim(blocks->heap);
            break;
        default:
            drain_this_cpu();
            break;
        }
        vmem_heap_stat(blocks->heap, &stats); /* true for its moment only */
    }
}

void scenario_heap(void)
{
    static struct blocks blocks = {.largest = 200000};
    const struct role roles[] = {{4, churn, &blocks}, {1, tend, &blocks}};
    vmem_t *memory = memory_create(MEMORY_PAGES_MAX);

    blocks_create(&blocks, memory, "heap");
    run(roles, LENGTH(roles));
    demand(vmem_check(memory) == 0);
    blocks_destroy(&blocks);
    memory_destroy(memory);
}
