/* SPDX-License-Identifier: MIT */
/*
 * block_heaps.c - heaps, against the model; see world.h.
 */
#include "world.h"

#include <inttypes.h>

void heap_create(struct block_heap *heap, struct space *space, const char *name)
{
    const struct vmem_heap_params params = {.name = name, .arena = space->arena};
    uint64_t refusals = page_hook.refusals;
    int error;

    *heap = (struct block_heap){.space = space, .name = name};
    error = vmem_heap_create(&params, &heap->heap);
    trace("create heap %s over %s -> %d\n", name, space->name, error);
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_create");
    if (error == -VMEM_ENOMEM && page_hook.refusals > refusals)
        heap->heap = NULL;
    else if (error != 0)
        disagree("vmem_heap_create failed with %d", error);
}

void heap_destroy(struct block_heap *heap)
{
    trace("destroy heap %s\n", heap->name);
    if (vmem_heap_destroy(heap->heap) != 0)
        disagree("vmem_heap_destroy failed");
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_destroy");
    heap->heap = NULL;
}

/* Allocation. */

static vmem_size_t granule(const struct block_heap *heap)
{
    return heap->space->quantum > 4096 ? heap->space->quantum : 4096;
}

static size_t some_block_size(void)
{
    switch (below(16)) {
    case 0:
        return (size_t)below(200000);
    case 1:
    case 2:
        return (size_t)below(16384);
    case 3:
        return (size_t)1 << below(16);
    default:
        return (size_t)below(1024);
    }
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The block and what is asked of it, known by all that can be asked. */
static void check_block(const struct block_heap *heap, const struct interval *block)
{
    size_t asked = block->asked > 0 ? (size_t)block->asked : 1;

    if (block->addr % 16 != 0 || block->addr % block->align != 0)
        disagree("a block of heap %s is not aligned to 0x%" PRIx64, heap->name,
                 (uint64_t)block->align);
    if (block->size < asked)
        disagree("of 0x%zx bytes, 0x%" PRIx64 " may be used", asked, (uint64_t)block->size);
    if (block->align == 1 && asked > 128 && asked <= 8 * granule(heap) &&
        block->size - asked > block->size / 8)
        disagree("a block of 0x%" PRIx64 " for 0x%zx", (uint64_t)block->size, asked);
    if (block->align == 1 && asked <= 128 && block->size >= asked + 16)
        disagree("a block of 0x%" PRIx64 " for 0x%zx", (uint64_t)block->size, asked);
}

/* In the model, and full of its pattern. */
static void hold(struct block_heap *heap, struct interval *block)
{
    block->size = vmem_heap_usable_size(heap->heap, (void *)(uintptr_t)block->addr);
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_usable_size");
    check_block(heap, block);
    block->filled = block->size;
    block->pattern = rng_next(&world_rng);
    heap->usable += block->size;
    heap->blocks++;
    world_take(block);
}

static void judge_refusal(struct block_heap *heap, size_t size, bool excused)
{
    heap->tally.fails++;
    if (!excused && size > 8 * granule(heap) && size < SIZE_MAX / 2)
        space_expect_full(heap->space, size, granule(heap));
}

void heap_alloc(struct block_heap *heap)
{
    struct interval block = {.asked = some_block_size(), .align = 1, .owner = heap};
    uint64_t before = excuses();
    unsigned kind = (unsigned)below(4), flags = some_policy();
    size_t size = (size_t)block.asked;
    unsigned char *p;

    if (chance(1, 64))
        size = SIZE_MAX / 2 + 2 + (size_t)below(SIZE_MAX / 2 - 2);
    if (kind == 0) {
        block.align = (vmem_size_t)1 << below(chance(1, 8) ? 18 : 13);
        p = vmem_heap_memalign(heap->heap, (size_t)block.align, size, flags);
    } else if (kind == 1) {
        p = vmem_heap_zalloc(heap->heap, size, flags);
    } else {
        p = vmem_heap_alloc(heap->heap, size, flags);
    }
    trace("alloc heap %s: 0x%zx align 0x%" PRIx64 " -> %p\n", heap->name, size,
          (uint64_t)block.align, (void *)p);
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_alloc");
    if (p == NULL) {
        judge_refusal(heap, size, excuses() > before || kind == 0);
        return;
    }
    if (size != block.asked)
        disagree("a block above half of the address space");
    if (kind == 1 && !is_zero(p, size))
        disagree("a block of zeroes is not");
    block.addr = (uintptr_t)p;
    heap->tally.allocs++;
    hold(heap, &block);
}

static void let_go(struct block_heap *heap, size_t index)
{
    heap->usable -= world.out.at[index].size;
    heap->blocks--;
    world_give(index);
}

void heap_realloc(struct block_heap *heap)
{
    uint64_t before = excuses();
    struct interval block;
    size_t size = some_block_size();
    size_t index;
    void *p;

    if (!world_some(heap, &index))
        return;
    block = world.out.at[index];
    let_go(heap, index);
    p = vmem_heap_realloc(heap->heap, (void *)(uintptr_t)block.addr, size, some_policy());
    trace("realloc heap %s: 0x%" PRIx64 " from 0x%" PRIx64 " to 0x%zx -> %p\n", heap->name,
          (uint64_t)block.addr, (uint64_t)block.size, size, p);
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_realloc");
    if (p == NULL) {
        judge_refusal(heap, size, excuses() > before || block.align > 1);
        size = (size_t)block.asked;
    } else {
        block.addr = (uintptr_t)p;
        block.asked = size;
    }
    if (!pattern_holds(&block, block.addr, p == NULL || size > block.size ? block.size : size))
        disagree("realloc loses what is in the block");
    hold(heap, &block);
}

void heap_free(struct block_heap *heap, size_t index)
{
    struct interval block = world.out.at[index];

    let_go(heap, index);
    trace("free heap %s: 0x%" PRIx64 "\n", heap->name, (uint64_t)block.addr);
    if (chance(1, 2))
        vmem_heap_free(heap->heap, (void *)(uintptr_t)block.addr);
    else
        vmem_heap_free_sized(heap->heap, (void *)(uintptr_t)block.addr, (size_t)block.asked);
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_free");
    heap->tally.frees++;
}

/* Misuse. */

/* Any of those that look at a block say the same of what is none. */
static void misuse(struct block_heap *heap, void *p)
{
    switch (below(3)) {
    case 0:
        vmem_heap_free(heap->heap, p);
        break;
    case 1:
        if (vmem_heap_usable_size(heap->heap, p) != 0)
            disagree("bytes may be used of what is not a block");
        break;
    default:
        if (vmem_heap_realloc(heap->heap, p, 100, 0) != NULL)
            disagree("what is not a block gets another size");
        break;
    }
}

void heap_misuse(struct block_heap *heap)
{
    uintptr_t addr;
    size_t index;

    trace("misuse heap %s\n", heap->name);
    misuse(heap, &world);
    expect_fault(VMEM_FAULT_FOREIGN, "use of what is in no heap");
    if (!world_some(heap, &index))
        return;
    addr = (uintptr_t)world.out.at[index].addr;
    if (chance(1, 2)) {
        misuse(heap, (void *)(addr + 1 + (uintptr_t)below(world.out.at[index].size - 1)));
        expect_fault(VMEM_FAULT_MISALIGNED, "use of a part of a block");
    } else if (chance(1, 2)) {
        if (vmem_heap_destroy(heap->heap) != -VMEM_EBUSY || fault_hook.last.size != heap->blocks)
            disagree("a heap in use is destroyed, or the fault does not say how many are out");
        expect_fault(VMEM_FAULT_BUSY, "vmem_heap_destroy of a heap in use");
    } else {
        heap_free(heap, index);
        vmem_heap_free(heap->heap, (void *)addr);
        if (fault_hook.last.kind == VMEM_FAULT_FOREIGN) /* its slab, or itself, has gone */
            expect_fault(VMEM_FAULT_FOREIGN, "free of what has gone");
        else
            expect_fault(VMEM_FAULT_DOUBLE_FREE, "free of what is free");
    }
}

void heap_reap(struct block_heap *heap)
{
    trace("reap or trim heap %s\n", heap->name);
    if (chance(1, 2))
        vmem_heap_reap(heap->heap);
    else
        while (vmem_heap_trim(heap->heap))
            ;
    expect_fault(VMEM_FAULT_NONE, "vmem_heap_reap or vmem_heap_trim");
}

/* Looking. */

void heap_check(struct block_heap *heap)
{
    struct vmem_heap_stats stats;

    vmem_heap_stat(heap->heap, &stats);
    if (stats.blocks != heap->blocks || stats.in_use != heap->usable || stats.held < stats.in_use)
        disagree("heap %s: %zu blocks of 0x%" PRIx64 " in 0x%" PRIx64
                 ", expected %zu of 0x%" PRIx64,
                 heap->name, stats.blocks, (uint64_t)stats.in_use, (uint64_t)stats.held,
                 heap->blocks, (uint64_t)heap->usable);
    /* A block that moved was allocated and freed once more. */
    if (stats.allocs < heap->tally.allocs || stats.fails != heap->tally.fails ||
        stats.allocs - heap->tally.allocs != stats.frees - heap->tally.frees)
        disagree("heap %s: the counters are %" PRIu64 ", %" PRIu64 ", %" PRIu64
                 ", expected %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                 heap->name, stats.allocs, stats.frees, stats.fails, heap->tally.allocs,
                 heap->tally.frees, heap->tally.fails);
    if (vmem_heap_check(heap->heap) != 0)
        disagree("heap %s: vmem_heap_check: %s", heap->name, fault_hook.last.what);
    expect_fault(VMEM_FAULT_NONE, "a look at a heap");
}
