/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - three mistakes that kernels make. Each is reported with what is really there, and
 * changes nothing: every segment and every counter of every arena is the same afterwards.
 */
#include "kernel.h"

enum { BLOCK = 256, WRONG = 512 };

/* Folds a number into a digest: Fowler, Noll and Vo's FNV-1a, a word at a time. */
static uint64_t fold(uint64_t digest, uint64_t number)
{
    return (digest ^ number) * 0x100000001b3;
}

/* A number that stands for the whole state of all arenas. */
static uint64_t digest_all(void)
{
    uint64_t digest = 0xcbf29ce484222325;
    for (unsigned i = 0; i < ARENA_COUNT; i++) {
        struct vmem_cursor cursor = {0};
        struct vmem_segment segment;
        struct vmem_stats stats;
        while (vmem_walk_next(arenas[i], &cursor, &segment)) {
            digest = fold(digest, (uint64_t)segment.kind);
            digest = fold(digest, segment.addr);
            digest = fold(digest, segment.size);
        }
        vmem_stat(arenas[i], &stats);
        digest = fold(digest, stats.in_use);
        digest = fold(digest, stats.free);
        digest = fold(digest, stats.allocs);
        digest = fold(digest, stats.frees);
    }
    return digest;
}

static void misuse(const char *what, enum arena_id arena, vmem_addr_t addr, vmem_size_t size,
                   enum vmem_fault_kind kind)
{
    const unsigned faults_before = faults;
    const uint64_t before = digest_all();
    print("\n%s\n", what);
    vmem_free(arenas[arena], addr, size);
    expect(faults == faults_before + 1 && last_fault == kind, "the mistake is reported as it is");
    expect(digest_all() == before, "nothing has changed");
    arenas_check();
    print("  nothing has changed\n");
}

void misuse_run(void)
{
    vmem_addr_t kept;
    vmem_addr_t freed;
    print("\n--- misuse ---\n");
    expect(faults == 0, "no fault until now");
    if (vmem_alloc(arenas[ARENA_HEAP], BLOCK, 0, &kept) != 0 ||
        vmem_alloc(arenas[ARENA_HEAP], BLOCK, 0, &freed) != 0) {
        expect(false, "the heap has two blocks left");
        return;
    }
    vmem_free(arenas[ARENA_HEAP], freed, BLOCK);
    misuse("a block of the heap is freed twice:", ARENA_HEAP, freed, BLOCK, VMEM_FAULT_DOUBLE_FREE);
    misuse("a block of 256 bytes is freed as 512:", ARENA_HEAP, kept, WRONG, VMEM_FAULT_WRONG_SIZE);
    misuse("a virtual address is freed as a physical one:", ARENA_PHYS, kept & ~(vmem_addr_t)4095,
           PAGE_SIZE, VMEM_FAULT_FOREIGN);
    vmem_free(arenas[ARENA_HEAP], kept, BLOCK);
    expect(faults == 3, "three faults in all");
}
