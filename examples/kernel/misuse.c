/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - five mistakes that kernels make. Each is reported with what is really there, and
 * changes nothing: every segment, every ID and every counter is the same afterwards.
 */
#include "kernel.h"

enum { BLOCK = 256, WRONG = 512, MISTAKES = 5 };

/* Folds a number into a digest: Fowler, Noll and Vo's FNV-1a, a word at a time. */
static uint64_t fold(uint64_t digest, uint64_t number)
{
    return (digest ^ number) * 0x100000001b3;
}

static uint64_t digest_arena(uint64_t digest, vmem_t *arena)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    struct vmem_stats stats;
    while (vmem_walk_next(arena, &cursor, &segment)) {
        digest = fold(digest, (uint64_t)segment.kind);
        digest = fold(digest, segment.addr);
        digest = fold(digest, segment.size);
    }
    vmem_stat(arena, &stats);
    digest = fold(digest, stats.in_use);
    digest = fold(digest, stats.free);
    digest = fold(digest, stats.allocs);
    return fold(digest, stats.frees);
}

static uint64_t digest_cache(uint64_t digest, vmem_cache_t *cache)
{
    struct vmem_cache_stats stats;
    vmem_cache_stat(cache, &stats);
    digest = fold(digest, stats.in_use);
    digest = fold(digest, stats.in_magazines);
    digest = fold(digest, stats.allocs);
    return fold(digest, stats.frees);
}

static uint64_t digest_ids(uint64_t digest, vmem_id_t *space)
{
    struct vmem_id_stats stats;
    for (vmem_addr_t id = 0; vmem_id_next(space, id, &id); id++)
        digest = fold(digest, id);
    vmem_id_stat(space, &stats);
    digest = fold(digest, stats.in_use);
    digest = fold(digest, stats.allocs);
    return fold(digest, stats.frees);
}

/* A number that stands for the state of everything. */
static uint64_t digest_all(void)
{
    uint64_t digest = 0xcbf29ce484222325;
    struct vmem_heap_stats stats;
    for (unsigned i = 0; i < ARENA_COUNT; i++)
        digest = digest_arena(digest, arenas[i]);
    for (unsigned i = 0; i < IDS_COUNT; i++)
        digest = digest_ids(digest, ids[i]);
    digest = digest_cache(digest, page_tables);
    digest = digest_cache(digest, threads);
    vmem_heap_stat(heap, &stats);
    digest = fold(digest, stats.in_use);
    digest = fold(digest, stats.blocks);
    digest = fold(digest, stats.allocs);
    return fold(digest, stats.frees);
}

static uint64_t digest_before;
static unsigned faults_before;

static void expect_mistake(const char *what)
{
    print("\n%s:\n", what);
    digest_before = digest_all();
    faults_before = faults;
}

static void expect_report(enum vmem_fault_kind kind)
{
    expect(faults == faults_before + 1 && last_fault == kind, "the mistake is reported as it is");
    expect(digest_all() == digest_before, "nothing has changed");
    arenas_check();
    print("  nothing has changed\n");
}

static void misuse_heap(void)
{
    void *kept = vmem_heap_alloc(heap, BLOCK, 0);
    void *freed = vmem_heap_alloc(heap, BLOCK, 0);
    expect(kept != NULL && freed != NULL, "the heap has two blocks left");
    vmem_heap_free(heap, freed);

    expect_mistake("a block of the heap is freed twice");
    vmem_heap_free(heap, freed);
    expect_report(VMEM_FAULT_DOUBLE_FREE);

    expect_mistake("a block of 256 bytes is freed as 512");
    vmem_heap_free_sized(heap, kept, WRONG);
    expect_report(VMEM_FAULT_WRONG_SIZE);

    expect_mistake("a virtual address is freed as a physical one");
    vmem_free(arenas[ARENA_PHYS], (uintptr_t)kept & ~(vmem_addr_t)(PAGE_SIZE - 1), PAGE_SIZE);
    expect_report(VMEM_FAULT_FOREIGN);

    vmem_heap_free(heap, kept);
}

static void misuse_thread(void)
{
    struct thread *thread;
    if (thread_start(&thread) != 0) {
        expect(false, "one more thread can start");
        return;
    }
    expect_mistake("a thread is freed as a page table");
    vmem_cache_free(page_tables, thread);
    expect_report(VMEM_FAULT_FOREIGN);

    const vmem_addr_t pid = thread->pid;
    thread_end(thread);
    expect_mistake("a PID is freed twice");
    vmem_id_free(ids[IDS_PID], pid);
    expect_report(VMEM_FAULT_DOUBLE_FREE);
}

void misuse_run(void)
{
    print("\n--- misuse ---\n");
    expect(faults == 0, "no fault until now");
    misuse_heap();
    misuse_thread();
    expect(faults == MISTAKES, "one fault for each mistake");
}
