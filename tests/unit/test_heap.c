/* SPDX-License-Identifier: MIT */
/*
 * test_heap.c - what vmem/heap.h promises, with magazines and without: sizes and alignments,
 * contents that stay, misuse that is told and not obeyed, and what is left when something is
 * refused.
 */
#define _DEFAULT_SOURCE /* for mmap */
#include "support.h"

#include <vmem/heap.h>

#include "cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    MEMORY = 1 << 22,
    ROOM = 1 << 26, /* for large quanta */
    GRANULE = 4096,
    LARGEST = 8 * GRANULE, /* class */
    LARGE = LARGEST + 1
};

/*
 * What the tests are written in. A heap is destroyed by the test that made it, with done().
 */

static vmem_heap_t *make_heap(vmem_t *arena)
{
    const struct vmem_heap_params params = {.name = "heap", .arena = arena};
    vmem_heap_t *heap = NULL;

    assert_int_equal(vmem_heap_create(&params, &heap), 0);
    assert_non_null(heap);
    return heap;
}

static struct vmem_heap_stats stats_of(vmem_heap_t *heap)
{
    struct vmem_heap_stats stats;

    memset(&stats, 0, sizeof(stats));
    vmem_heap_stat(heap, &stats);
    return stats;
}

static vmem_size_t in_use(vmem_t *arena)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    return stats.in_use;
}

static void check_heap(vmem_heap_t *heap)
{
    assert_int_equal(vmem_heap_check(heap), 0);
    assert_int_equal(fault_count, 0);
}

/* Destroys a heap of which nothing is out. */
static void done(vmem_heap_t *heap)
{
    struct vmem_heap_stats stats = stats_of(heap);

    check_heap(heap);
    assert_int_equal(stats.blocks, 0);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.large_in_use, 0);
    assert_int_equal(stats.allocs, stats.frees);
    assert_int_equal(vmem_heap_destroy(heap), 0);
}

static void *get(vmem_heap_t *heap, size_t size)
{
    void *block = vmem_heap_alloc(heap, size, 0);

    assert_non_null(block);
    assert_int_equal(fault_count, 0);
    return block;
}

static void *get_aligned(vmem_heap_t *heap, size_t align, size_t size)
{
    void *block = vmem_heap_memalign(heap, align, size, 0);

    assert_non_null(block);
    assert_int_equal((uintptr_t)block % align, 0);
    assert_int_equal(fault_count, 0);
    return block;
}

static void give_block(vmem_heap_t *heap, void *block)
{
    vmem_heap_free(heap, block);
    assert_int_equal(fault_count, 0);
}

static void give_sized(vmem_heap_t *heap, void *block, size_t size)
{
    vmem_heap_free_sized(heap, block, size);
    assert_int_equal(fault_count, 0);
}

/* A pattern of its own for each block, by a number that the test gives it. */

static void fill(void *block, size_t size, unsigned number)
{
    unsigned char *bytes = block;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(number * 31 + i * 7 + (i >> 8));
}

static void assert_filled(const void *block, size_t size, unsigned number)
{
    const unsigned char *bytes = block;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(number * 31 + i * 7 + (i >> 8)))
            fail_msg("byte %zu of %zu has changed", i, size);
}

/*
 * An arena over memory from the C library, of any quantum, that begins `offset` quanta into it,
 * with quantum caches or without.
 */

static char *memory;

static vmem_t *make_quantum(vmem_size_t quantum, vmem_size_t offset, vmem_size_t qcache_max)
{
    struct vmem_params params = {
        .name = "quantum", .size = ROOM, .quantum = quantum, .qcache_max = qcache_max};

    memory = aligned_alloc(1 << 20, ROOM + (1 << 20));
    assert_non_null(memory);
    params.base = (vmem_addr_t)(uintptr_t)memory + quantum * offset;
    return make_params(&params);
}

static void unmake_quantum(vmem_t *arena)
{
    unmake(arena);
    free(memory);
}

/*
 * Creation and destruction
 */

static void create_rejects(const struct vmem_heap_params *params)
{
    vmem_heap_t *heap = NULL;

    assert_int_equal(vmem_heap_create(params, &heap), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_heap_create");
    assert_null(heap);
}

static void create_rejects_what_is_no_heap(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_t *coarse = make(0, 1 << 24, 1 << 17, 0);

    (void)state;
    create_rejects(NULL);
    create_rejects(&(struct vmem_heap_params){.arena = arena});
    create_rejects(&(struct vmem_heap_params){.name = "no arena"});
    create_rejects(&(struct vmem_heap_params){.name = "flags", .arena = arena, .flags = 1});
    create_rejects(&(struct vmem_heap_params){.name = "quantum", .arena = coarse});
    assert_int_equal(
        vmem_heap_create(&(struct vmem_heap_params){.name = "x", .arena = arena}, NULL),
        -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void a_new_heap_takes_nothing_from_its_arena(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    struct vmem_heap_stats stats = stats_of(heap);

    (void)state;
    assert_int_equal(in_use(arena), 0);
    assert_int_equal(stats.held + stats.allocs + stats.fails + stats.misses, 0);
    done(heap);
}

static void create_without_memory_changes_nothing(void **state)
{
    const struct vmem_heap_params params = {.name = "refused", .arena = make_memory(MEMORY)};
    vmem_heap_t *heap = NULL;
    unsigned long refuse;

    (void)state;
    for (refuse = 1;; refuse++) {
        vmem_reap(NULL);
        hold_blocks(VMEM_PAGE_SIZE); /* the static ones, so that others have to be lent */
        lender.refuse = refuse;
        if (vmem_heap_create(&params, &heap) == 0)
            break;
        release_blocks();
        assert_null(heap);
        assert_int_equal(lender.refuse, 0);
        check(params.arena);
    }
    assert_true(refuse > 1);
    lender.refuse = 0;
    release_blocks();
    done(heap);
}

static void an_arena_is_not_destroyed_under_a_heap(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);

    (void)state;
    assert_int_equal(vmem_destroy(arena), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    done(heap);
}

static void destroy_rejects_null(void **state)
{
    (void)state;
    assert_int_equal(vmem_heap_destroy(NULL), -VMEM_EINVAL);
    expect_fault(VMEM_FAULT_PARAMETER);
}

static void destroy_says_how_many_blocks_are_out(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *small = get(heap, 40), *large = get(heap, LARGE), *aligned = get_aligned(heap, 64, 1);

    (void)state;
    assert_int_equal(vmem_heap_destroy(heap), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_string_equal(last_fault.arena_name, "heap");
    assert_int_equal(last_fault.size, 3);
    give_block(heap, small);
    give_block(heap, aligned);
    assert_int_equal(vmem_heap_destroy(heap), -VMEM_EBUSY);
    expect_fault(VMEM_FAULT_BUSY);
    assert_int_equal(last_fault.size, 1);
    give_block(heap, large);
    done(heap);
}

static void destroy_waits_for_who_reaps(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    vmem_cache_t *first, *pinned;
    void *block;

    (void)state;
    give_block(heap, get(heap, 100));
    give_block(heap, get(heap, 1000));
    first = vmem_cache_pin_next(arena, 0);
    pinned = vmem_cache_pin_next(arena, first->id);
    vmem_cache_unpin(first);
    assert_int_equal(vmem_heap_destroy(heap), -VMEM_EBUSY);
    assert_int_equal(fault_count, 0);
    block = get(heap, 100);
    give_block(heap, block);
    vmem_cache_unpin(pinned);
    done(heap);
    assert_int_equal(in_use(arena), 0);
}

static void destroy_gives_everything_back(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *blocks[200];

    (void)state;
    for (unsigned i = 0; i < LENGTH(blocks); i++)
        blocks[i] = get(heap, i * 20);
    for (unsigned i = 0; i < LENGTH(blocks); i++)
        give_block(heap, blocks[i]);
    done(heap);
    assert_int_equal(in_use(arena), 0);
}

/*
 * Sizes
 */

/* The most that a block may have beyond a size, below the first size that is large. */
static size_t waste_allowed(size_t size)
{
    return size <= 128 ? 15 : size / 8;
}

static void every_size_is_served_with_little_waste(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);

    (void)state;
    for (size_t size = 0; size <= 70000; size++) {
        char *block = get(heap, size);
        size_t usable = vmem_heap_usable_size(heap, block);

        assert_int_equal((uintptr_t)block % 16, 0);
        assert_true(usable >= size && usable >= 1);
        if (size <= LARGEST)
            assert_true(usable - size <= waste_allowed(size) || size == 0);
        else
            assert_int_equal(usable, (size + GRANULE - 1) / GRANULE * GRANULE);
        block[0] = block[usable - 1] = 1;
        if (size % 2 == 0)
            give_block(heap, block);
        else
            give_sized(heap, block, size);
        if (size % 5000 == 0)
            check_heap(heap);
    }
    done(heap);
}

static void no_more_than_a_ninth_of_a_block_is_wasted(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    for (size_t size = 129; size <= LARGEST; size += 15) {
        void *block = get(heap, size);
        size_t usable = vmem_heap_usable_size(heap, block);

        assert_true((usable - size) * 9 <= usable);
        give_block(heap, block);
    }
    done(heap);
}

static void a_size_of_0_counts_as_1(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *one = get(heap, 1), *none = get(heap, 0), *zeroed = vmem_heap_zalloc(heap, 0, 0);
    void *aligned = get_aligned(heap, 4096, 0);

    (void)state;
    assert_non_null(zeroed);
    assert_ptr_not_equal(one, none);
    assert_int_equal(vmem_heap_usable_size(heap, none), vmem_heap_usable_size(heap, one));
    none = vmem_heap_realloc(heap, none, 0, 0);
    assert_non_null(none);
    give_sized(heap, none, 0);
    give_sized(heap, one, 0);
    give_block(heap, zeroed);
    give_sized(heap, aligned, 0);
    done(heap);
}

static void sizes_above_half_of_the_address_space_are_refused_quietly(void **state)
{
    const size_t sizes[] = {SIZE_MAX,         SIZE_MAX - 1, SIZE_MAX - 4095,    SIZE_MAX - 8192,
                            SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 2 - 4096};
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    char *block = get(heap, 100), *large = get(heap, LARGE);

    (void)state;
    fill(block, 100, 1);
    fill(large, LARGE, 2);
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        assert_null(vmem_heap_alloc(heap, sizes[i], 0));
        assert_null(vmem_heap_zalloc(heap, sizes[i], 0));
        assert_null(vmem_heap_memalign(heap, 4096, sizes[i], 0));
        assert_null(vmem_heap_memalign(heap, SIZE_MAX / 2 + 1, sizes[i], 0));
        assert_null(vmem_heap_realloc(heap, block, sizes[i], 0));
        assert_null(vmem_heap_realloc(heap, large, sizes[i], 0));
        assert_int_equal(stats_of(heap).fails, 6 * (i + 1));
    }
    assert_int_equal(fault_count, 0);
    assert_filled(block, 100, 1);
    assert_filled(large, LARGE, 2);
    give_block(heap, block);
    give_block(heap, large);
    done(heap);
}

static void zalloc_clears_what_was_there(void **state)
{
    const size_t sizes[] = {1, 16, 100, 1000, 5000, LARGEST, LARGE, 100000};
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        unsigned char *block = get(heap, sizes[i]);

        memset(block, 0xee, vmem_heap_usable_size(heap, block));
        give_block(heap, block);
        block = vmem_heap_zalloc(heap, sizes[i], 0);
        assert_non_null(block);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(block[at], 0);
        give_block(heap, block);
    }
    done(heap);
}

static void a_block_at_address_0_is_never_handed_out(void **state)
{
    vmem_t *arena = make(0, 64 * GRANULE, GRANULE, 0); /* large blocks only: nobody writes there */
    vmem_heap_t *heap = make_heap(arena);
    void *blocks[8];
    unsigned count = 0;

    (void)state;
    while ((blocks[count] = vmem_heap_alloc(heap, LARGE, 0)) != NULL)
        count++;
    assert_int_equal(count, 63 / 9);
    assert_int_equal(in_use(arena), count * 9 * GRANULE);
    check_heap(heap);
    while (count > 0)
        give_block(heap, blocks[--count]);
    done(heap);
}

static void parameters_that_can_never_be_right_are_reported(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    const size_t aligns[] = {0, 3, 24, 48, SIZE_MAX, SIZE_MAX / 2 + 2};
    void *block = get(heap, 100);

    (void)state;
    assert_null(vmem_heap_alloc(NULL, 1, 0));
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_heap_alloc");
    assert_null(vmem_heap_alloc(heap, 1, VMEM_LASTFIT + 1));
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_null(vmem_heap_zalloc(heap, LARGE, 0x80000000));
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_string_equal(last_fault.call, "vmem_heap_zalloc");
    assert_null(vmem_heap_realloc(heap, block, 1, 77));
    expect_fault(VMEM_FAULT_PARAMETER);
    assert_null(vmem_heap_realloc(NULL, block, 1, 0));
    expect_fault(VMEM_FAULT_PARAMETER);
    for (unsigned i = 0; i < LENGTH(aligns); i++) {
        assert_null(vmem_heap_memalign(heap, aligns[i], 8, 0));
        expect_fault(VMEM_FAULT_PARAMETER);
        assert_string_equal(last_fault.call, "vmem_heap_memalign");
    }
    give_block(heap, block);
    done(heap);
}

static void every_policy_is_taken(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    for (unsigned policy = VMEM_INSTANTFIT; policy <= VMEM_LASTFIT; policy++) {
        void *small = vmem_heap_alloc(heap, 300 * (policy + 1), policy);
        void *large = vmem_heap_alloc(heap, LARGE, policy);

        assert_true(small != NULL && large != NULL);
        give_block(heap, small);
        give_block(heap, large);
    }
    done(heap);
}

/*
 * Alignment
 */

static void memalign_aligns_to_any_power_of_two(void **state)
{
    const size_t sizes[] = {0, 1, 24, 100, 1024, 5000, 33000};
    vmem_heap_t *heap = make_heap(make_memory(2 * MEMORY));

    (void)state;
    for (size_t align = 1; align <= MEMORY / 2; align *= 2) {
        for (unsigned i = 0; i < LENGTH(sizes); i++) {
            size_t size = sizes[i];
            char *block = get_aligned(heap, align, size);
            size_t usable = vmem_heap_usable_size(heap, block);

            assert_int_equal((uintptr_t)block % 16, 0);
            assert_true(usable >= size);
            memset(block, 0x77, usable);
            check_heap(heap);
            if (i % 2 == 0)
                give_block(heap, block);
            else
                give_sized(heap, block, size);
        }
    }
    done(heap);
}

static void an_alignment_that_no_address_has_is_refused(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    assert_null(vmem_heap_memalign(heap, SIZE_MAX / 2 + 1, 1, 0));
    assert_null(vmem_heap_memalign(heap, SIZE_MAX / 4 + 1, LARGE, 0));
    assert_int_equal(stats_of(heap).fails, 2);
    done(heap);
}

/* The same size, aligned or not, goes back with its size, whichever was there first. */
static void free_sized_knows_aligned_blocks_from_others(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *plain[64], *aligned[64];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < LENGTH(plain); i++) {
            size_t size = (i + 1) * 16;

            plain[i] = get(heap, size);
            aligned[i] = get_aligned(heap, (size_t)32 << i % 6, size);
            fill(plain[i], size, i);
            fill(aligned[i], size, i + 100);
        }
        for (unsigned i = 0; i < LENGTH(plain); i++) {
            size_t size = (i + 1) * 16;

            assert_filled(plain[i], size, i);
            assert_filled(aligned[i], size, i + 100);
            give_sized(heap, aligned[i], size);
            give_sized(heap, plain[i], size);
            check_heap(heap);
        }
    }
    done(heap);
}

/* Small, but for its alignment's sake it came straight from the arena. */
static void free_sized_knows_small_blocks_that_are_large(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *small = get(heap, 100), *block = get_aligned(heap, 2 * LARGEST, 100);

    (void)state;
    assert_int_equal(stats_of(heap).large_blocks, 1);
    give_sized(heap, block, 100);
    assert_int_equal(stats_of(heap).large_blocks, 0);
    give_sized(heap, small, 100);
    done(heap);
}

static void free_sized_knows_blocks_that_have_become_small_where_they_stand(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *small = get(heap, 100), *block = get_aligned(heap, 2 * LARGEST, LARGE);

    (void)state;
    assert_ptr_equal(vmem_heap_realloc(heap, block, 100, 0), block);
    assert_int_equal(vmem_heap_usable_size(heap, block), GRANULE);
    give_sized(heap, block, 100);
    assert_int_equal(stats_of(heap).large_blocks, 0);
    give_sized(heap, small, 100);
    done(heap);
}

/*
 * Realloc
 */

static const size_t realloc_sizes[] = {1,     16,      17,    100,   128,   129,   144,
                                       1000,  1024,    1025,  3000,  4096,  5000,  16000,
                                       32767, LARGEST, LARGE, 40000, 70000, 200000};

static void realloc_keeps_the_contents(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    for (unsigned i = 0; i < LENGTH(realloc_sizes); i++) {
        for (unsigned j = 0; j < LENGTH(realloc_sizes); j++) {
            size_t from = realloc_sizes[i], to = realloc_sizes[j];
            void *block = get(heap, from);

            fill(block, from, i);
            block = vmem_heap_realloc(heap, block, to, 0);
            assert_non_null(block);
            assert_true(vmem_heap_usable_size(heap, block) >= to);
            assert_filled(block, from < to ? from : to, i);
            assert_int_equal(stats_of(heap).blocks, 1);
            give_sized(heap, block, to);
        }
        check_heap(heap);
    }
    done(heap);
}

/* The last block before memory that cannot be read. */
static void realloc_reads_no_further_than_the_block(void **state)
{
    enum { SIZE = 1 << 20 };
    char *mapped = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    vmem_t *arena = make((vmem_addr_t)(uintptr_t)mapped, SIZE, GRANULE, 0);
    vmem_heap_t *heap = make_heap(arena);
    char *block = vmem_heap_alloc(heap, LARGE, VMEM_LASTFIT);

    (void)state;
    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_int_equal(mprotect(mapped + SIZE, SIZE, PROT_NONE), 0);
    assert_ptr_equal(block + vmem_heap_usable_size(heap, block), mapped + SIZE);
    fill(block, LARGE, 9);
    block = vmem_heap_realloc(heap, block, 4 * LARGE, 0);
    assert_filled(block, LARGE, 9);
    give_block(heap, block);
    done(heap);
    unmake(arena);
    assert_int_equal(munmap(mapped, 2 * SIZE), 0);
}

static void realloc_keeps_the_alignment(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(2 * MEMORY));

    (void)state;
    for (size_t align = 32; align <= MEMORY / 8; align *= 2) {
        void *block = get_aligned(heap, align, 10);
        void *between = get_aligned(heap, 16, 10); /* so that addresses do not fit by chance */

        fill(block, 10, 5);
        for (unsigned j = 0; j < LENGTH(realloc_sizes); j++) {
            size_t to = realloc_sizes[j * 7 % LENGTH(realloc_sizes)];

            block = vmem_heap_realloc(heap, block, to < 10 ? 10 : to, 0);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % align, 0);
            assert_filled(block, 10, 5);
        }
        give_block(heap, block);
        give_block(heap, between);
        check_heap(heap);
    }
    done(heap);
}

static void realloc_of_null_allocates(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *block = vmem_heap_realloc(heap, NULL, 100, 0);

    (void)state;
    assert_non_null(block);
    assert_true(vmem_heap_usable_size(heap, block) >= 100);
    give_sized(heap, block, 100);
    done(heap);
}

static void realloc_within_a_class_stays(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *block = get(heap, 1030), *moved;

    (void)state;
    assert_ptr_equal(vmem_heap_realloc(heap, block, 1152, 0), block);
    assert_ptr_equal(vmem_heap_realloc(heap, block, 1025, 0), block);
    moved = vmem_heap_realloc(heap, block, 1153, 0);
    assert_ptr_not_equal(moved, block);
    assert_int_equal(stats_of(heap).blocks, 1);
    assert_int_equal(stats_of(heap).in_use, 1280);
    give_block(heap, moved);
    done(heap);
}

static void a_large_block_changes_its_size_where_it_stands(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *block = get(heap, LARGE);
    const size_t sizes[] = {100000, 50000, LARGE, 1000000, 99999};

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        vmem_size_t rounded = (sizes[i] + GRANULE - 1) & ~(vmem_size_t)(GRANULE - 1);

        assert_ptr_equal(vmem_heap_realloc(heap, block, sizes[i], 0), block);
        assert_int_equal(vmem_heap_usable_size(heap, block), rounded);
        assert_int_equal(stats_of(heap).large_in_use, rounded);
        check_heap(heap);
    }
    give_sized(heap, block, 99999);
    done(heap);
}

static void a_large_block_moves_where_it_must(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *block = get(heap, LARGE), *behind = get(heap, LARGE), *moved;

    (void)state;
    fill(block, LARGE, 3);
    moved = vmem_heap_realloc(heap, block, 100000, 0);
    assert_ptr_not_equal(moved, block);
    assert_filled(moved, LARGE, 3);
    moved = vmem_heap_realloc(heap, moved, 100, 0); /* does not keep what is large */
    assert_filled(moved, 100, 3);
    assert_int_equal(stats_of(heap).large_blocks, 1);
    give_block(heap, moved);
    give_block(heap, behind);
    done(heap);
}

/* What becomes free needs a tag. */
static void a_large_block_that_cannot_shrink_stays_as_it_is(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *block = get(heap, 4 * LARGE), *behind = get(heap, LARGE);
    size_t usable = vmem_heap_usable_size(heap, block);

    (void)state;
    vmem_reap(NULL); /* with it the tags that the arena has in hand */
    hold_blocks(sizeof(struct vmem_tag));
    lender.refuse_all = true;
    assert_null(vmem_heap_realloc(heap, block, LARGE, 0));
    assert_int_equal(vmem_heap_usable_size(heap, block), usable);
    check_heap(heap);
    lender.refuse_all = false;
    release_blocks();
    assert_ptr_equal(vmem_heap_realloc(heap, block, LARGE, 0), block);
    assert_true(vmem_heap_usable_size(heap, block) < usable);
    give_block(heap, block);
    give_block(heap, behind);
    done(heap);
}

static void a_failed_realloc_leaves_the_block(void **state)
{
    vmem_t *arena = make_memory(1 << 20);
    vmem_heap_t *heap = make_heap(arena);
    void *small = get(heap, 100), *aligned = get_aligned(heap, 64, 64), *large = get(heap, 500000);

    (void)state;
    fill(small, 100, 1);
    fill(aligned, 64, 2);
    fill(large, 500000, 3);
    assert_null(vmem_heap_realloc(heap, small, 600000, 0));
    assert_null(vmem_heap_realloc(heap, aligned, 600000, 0));
    assert_null(vmem_heap_realloc(heap, large, 2000000, 0));
    assert_int_equal(fault_count, 0);
    check_heap(heap);
    assert_int_equal(stats_of(heap).blocks, 3);
    assert_filled(small, 100, 1);
    assert_filled(aligned, 64, 2);
    assert_filled(large, 500000, 3);
    give_block(heap, small);
    give_block(heap, aligned);
    give_sized(heap, large, 500000);
    done(heap);
}

/*
 * Misuse: reported with what is there, and nothing changes.
 */

static void free_of_null_does_nothing(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    vmem_heap_free(heap, NULL);
    vmem_heap_free_sized(heap, NULL, 0);
    vmem_heap_free_sized(heap, NULL, 16);
    vmem_heap_free_sized(heap, NULL, LARGE);
    vmem_heap_free_sized(heap, NULL, SIZE_MAX);
    assert_int_equal(vmem_heap_usable_size(heap, NULL), 0);
    done(heap);
}

/* A call of each function that takes a block, with one that is none. */
static void each_call_reports(vmem_heap_t *heap, void *block, size_t size,
                              enum vmem_fault_kind kind, void *expected)
{
    struct vmem_heap_stats before = stats_of(heap), after;
    const char *const calls[] = {"vmem_heap_free", "vmem_heap_free_sized", "vmem_heap_realloc",
                                 "vmem_heap_usable_size"};

    for (unsigned i = 0; i < LENGTH(calls); i++) {
        switch (i) {
        case 0:
            vmem_heap_free(heap, block);
            break;
        case 1: /* without VMEM_CONFIG_DEBUG it looks at nothing but the first word */
            if (VMEM_CONFIG_DEBUG || kind == VMEM_FAULT_DOUBLE_FREE || size > LARGEST)
                vmem_heap_free_sized(heap, block, size);
            else
                continue;
            break;
        case 2:
            assert_null(vmem_heap_realloc(heap, block, 10, 0));
            break;
        default:
            assert_int_equal(vmem_heap_usable_size(heap, block), 0);
        }
        expect_fault(kind);
        assert_string_equal(last_fault.call, calls[i]);
        assert_string_equal(last_fault.arena_name, "heap");
        assert_int_equal(last_fault.addr, (uintptr_t)block);
        assert_int_equal(last_fault.expected_addr, (uintptr_t)expected);
        after = stats_of(heap);
        assert_memory_equal(&after, &before, sizeof(after));
        check_heap(heap);
    }
}

static void a_double_free_is_reported(void **state)
{
    const size_t sizes[] = {1, 64, 1000, 1024, 1025, LARGEST};
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        void *other = get(heap, sizes[i]), *block = get(heap, sizes[i]);

        give_block(heap, block);
        each_call_reports(heap, block, sizes[i], VMEM_FAULT_DOUBLE_FREE, block);
        give_sized(heap, other, sizes[i]); /* and not only the one that was freed last */
        each_call_reports(heap, block, sizes[i], VMEM_FAULT_DOUBLE_FREE, block);
        block = get_aligned(heap, 128, sizes[i] < 128 ? 128 : sizes[i]);
        give_block(heap, block);
        each_call_reports(heap, block, sizes[i], VMEM_FAULT_DOUBLE_FREE, block);
    }
    done(heap);
}

static void a_double_free_of_a_large_block_is_reported(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *first = get(heap, LARGE), *block = get(heap, LARGE), *behind = get(heap, LARGE);

    (void)state;
    give_block(heap, block);
    each_call_reports(heap, block, LARGE, VMEM_FAULT_DOUBLE_FREE, block);
    give_block(heap, first);
    give_block(heap, behind);
    done(heap);
}

/* The slab may be gone: then it is the arena that knows. */
static void a_block_whose_slab_is_gone_is_free(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *block = get(heap, 100);

    (void)state;
    give_block(heap, block);
    vmem_heap_reap(heap);
    vmem_cpu_drain(0);
    vmem_heap_reap(heap);
    assert_int_equal(in_use(arena), 0);
    vmem_heap_free(heap, block);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    done(heap);
}

static void an_address_inside_a_block_is_reported(void **state)
{
    const size_t sizes[] = {16, 100, 1000, 5000, LARGEST};
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        char *before = get(heap, sizes[i]), *block = get(heap, sizes[i]);

        memset(block, 0, sizes[i]);
        each_call_reports(heap, block + 1, sizes[i], VMEM_FAULT_MISALIGNED, block);
        each_call_reports(heap, block + sizes[i] / 2, sizes[i], VMEM_FAULT_MISALIGNED, block);
        each_call_reports(heap, block + sizes[i] - 1, sizes[i], VMEM_FAULT_MISALIGNED, block);
        give_block(heap, before);
        give_block(heap, block);
    }
    done(heap);
}

static void an_address_inside_a_large_block_is_reported(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    char *block = get(heap, 100000);

    (void)state;
    each_call_reports(heap, block + 16, 100000, VMEM_FAULT_MISALIGNED, block);
    each_call_reports(heap, block + GRANULE, 100000, VMEM_FAULT_MISALIGNED, block);
    each_call_reports(heap, block + 99999, 100000, VMEM_FAULT_MISALIGNED, block);
    give_block(heap, block);
    done(heap);
}

/* Between the last block of a slab and its end. */
static void an_address_behind_the_blocks_of_a_slab_is_reported(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    char *block = get(heap, 144); /* 28 of them leave 64 bytes of 4 KiB */
    char *slab = (char *)((uintptr_t)block & ~(uintptr_t)(GRANULE - 1));

    (void)state;
    vmem_heap_free(heap, slab + 28 * 144);
    expect_fault(VMEM_FAULT_MISALIGNED);
    assert_int_equal(vmem_heap_usable_size(heap, slab + GRANULE - 16), 0);
    expect_fault(VMEM_FAULT_MISALIGNED);
    give_block(heap, block);
    done(heap);
}

static void what_is_not_of_the_heap_is_reported(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena), *other = make_heap(arena);
    void *small = get(other, 100), *large = get(other, LARGE);
    vmem_addr_t segment = take(arena, GRANULE, 0);
    uintptr_t local[2] = {0};

    (void)state;
    each_call_reports(heap, small, LARGE, VMEM_FAULT_FOREIGN,
                      (void *)((uintptr_t)small & ~(uintptr_t)(GRANULE - 1)));
    each_call_reports(heap, large, LARGE, VMEM_FAULT_FOREIGN, large);
    each_call_reports(heap, (void *)(uintptr_t)segment, LARGE, VMEM_FAULT_FOREIGN,
                      (void *)(uintptr_t)segment);
    each_call_reports(heap, local, LARGE, VMEM_FAULT_FOREIGN, NULL);
    each_call_reports(heap, (void *)UINTPTR_MAX, LARGE, VMEM_FAULT_FOREIGN, NULL);
    give_block(other, small);
    give_block(other, large);
    done(heap);
    done(other);
}

static void a_wrong_size_of_a_large_block_is_reported(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    char *block = get(heap, 100000);
    const size_t sizes[] = {LARGE, 90000, 102401, 1000000, SIZE_MAX};

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        vmem_heap_free_sized(heap, block, sizes[i]);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
        assert_int_equal(last_fault.size, sizes[i]);
        assert_int_equal(last_fault.expected_addr, (uintptr_t)block);
        assert_int_equal(last_fault.expected_size, 102400);
        check_heap(heap);
    }
    give_sized(heap, block, 102400); /* which rounds to the same */
    done(heap);
}

static void a_wrong_size_of_a_small_block_is_reported(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    char *block = get(heap, 2000), *small = get(heap, 100), *aligned = get_aligned(heap, 256, 200);

    (void)state;
    for (size_t size = LARGEST / 2; size <= 2 * LARGEST; size *= 2) {
        vmem_heap_free_sized(heap, block, size);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
        assert_int_equal(last_fault.expected_size, 2048);
    }
    if (VMEM_CONFIG_DEBUG) {
        vmem_heap_free_sized(heap, small, 113);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
        vmem_heap_free_sized(heap, small, 96);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
        assert_int_equal(last_fault.expected_size, 112);
        vmem_heap_free_sized(heap, aligned, 257);
        expect_fault(VMEM_FAULT_WRONG_SIZE);
    }
    check_heap(heap);
    give_sized(heap, block, 2048);
    give_sized(heap, small, 97);
    give_sized(heap, aligned, 256);
    done(heap);
}

/* Of a class that was never used, so that there is no cache that could take it by mistake. */
static void a_size_that_no_block_has_is_reported(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *block = get(heap, 100);

    (void)state;
    vmem_heap_free_sized(heap, block, 500);
    expect_fault(VMEM_FAULT_WRONG_SIZE);
    assert_int_equal(last_fault.expected_size, 112);
    check_heap(heap);
    give_block(heap, block);
    done(heap);
}

#if VMEM_CONFIG_DEBUG
static void a_report_says_who_allocated_the_block(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    char *small = get(heap, 100), *large = get(heap, LARGE);

    (void)state;
    vmem_heap_free(heap, small + 16);
    expect_fault(VMEM_FAULT_MISALIGNED);
    assert_true(last_fault.allocated_by != 0 && last_fault.caller != 0);
    vmem_heap_free(heap, large + 16);
    expect_fault(VMEM_FAULT_MISALIGNED);
    assert_true(last_fault.allocated_by != 0 && last_fault.caller != 0);
    give_block(heap, small);
    give_block(heap, large);
    done(heap);
}

static void a_double_free_is_reported_whatever_the_block_holds(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    void *block = get(heap, 100);

    (void)state;
    give_block(heap, block);
    memset(block, 0, 100);
    vmem_heap_free(heap, block);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    vmem_heap_free_sized(heap, block, 100);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    assert_null(vmem_heap_realloc(heap, block, 1000, 0));
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    done(heap);
}
#endif

/* What a freed block holds, written into it by its next owner. */
static void a_block_that_looks_free_is_freed(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    uintptr_t mark, *block = get(heap, 64);
    void *moved;

    (void)state;
    give_block(heap, block);
    mark = *block;
    for (unsigned i = 0; i < 6; i++) {
        uintptr_t *again = get(heap, 64);

        assert_ptr_equal(again, block);
        *again = mark;
        assert_true(vmem_heap_usable_size(heap, again) >= 64);
        if (i % 3 == 0)
            give_block(heap, again);
        else if (i % 3 == 1)
            give_sized(heap, again, 64);
        else {
            moved = vmem_heap_realloc(heap, again, 200, 0);
            assert_non_null(moved);
            assert_int_equal(*(uintptr_t *)moved, mark);
            give_block(heap, moved);
        }
        check_heap(heap);
    }
    done(heap);
}

/* Freed and handed out again, without being written. */
static void a_block_does_not_keep_its_mark(void **state)
{
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    unsigned long locks;
    void *block;

    (void)state;
    give_block(heap, get(heap, 64));
    give_block(heap, get(heap, 64));
    locks = checked_port_locks;
    block = get(heap, 64);
    give_block(heap, block);
    if (has_magazines() && !VMEM_CONFIG_DEBUG) /* nothing had to be looked into */
        assert_int_equal(checked_port_locks, locks);
    vmem_heap_free(heap, block);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    done(heap);
}

/*
 * When something is refused
 */

/* One of each kind of call; says how many were refused. */
static unsigned try_everything(vmem_heap_t *heap)
{
    void *blocks[16], *moved;
    unsigned refused = 0;

    blocks[0] = vmem_heap_alloc(heap, 100, 0);
    blocks[1] = vmem_heap_memalign(heap, 256, 10, 0);
    blocks[2] = vmem_heap_alloc(heap, LARGE, 0);
    blocks[3] = vmem_heap_memalign(heap, 2 * LARGEST, 10, 0);
    blocks[4] = vmem_heap_zalloc(heap, 20000, 0);
    blocks[5] = vmem_heap_alloc(heap, 300, 0);
    moved = vmem_heap_realloc(heap, blocks[5], 1, 0);
    if (moved != NULL)
        blocks[5] = moved;
    blocks[6] = vmem_heap_realloc(heap, NULL, 100000, 0);
    for (unsigned i = 7; i < LENGTH(blocks); i++) /* each of a class of its own */
        blocks[i] = vmem_heap_alloc(heap, (size_t)30 << (i - 7), 0);
    check_heap(heap);
    for (unsigned i = 0; i < LENGTH(blocks); i++) {
        refused += blocks[i] == NULL;
        if (blocks[i] != NULL)
            fill(blocks[i], 1, i);
        vmem_heap_free(heap, blocks[i]);
        assert_int_equal(fault_count, 0);
    }
    return refused + (moved == NULL);
}

static void a_refused_page_leaves_every_count_right(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    unsigned refused = 0;

    (void)state;
    for (unsigned long refuse = 1;; refuse++) {
        vmem_heap_t *heap;
        unsigned long left;

        vmem_reap(NULL);
        hold_blocks(VMEM_PAGE_SIZE); /* the static ones, so that others have to be lent */
        heap = make_heap(arena);
        lender.refuse = refuse;
        refused += try_everything(heap);
        left = lender.refuse;
        lender.refuse = 0;
        release_blocks();
        assert_int_equal(try_everything(heap), 0);
        done(heap);
        assert_int_equal(in_use(arena), 0);
        if (left > 0) /* so many calls were not made */
            break;
    }
    assert_true(refused > 0);
}

/* From some page on, every one: what is refused then is refused again. */
static void without_pages_what_is_there_still_serves(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *block = get(heap, 64), *large = get(heap, LARGE);

    (void)state;
    hold_blocks(1024);
    lender.refuse_all = true;
    (void)try_everything(heap);
    give_block(heap, block);
    give_block(heap, large); /* to free takes nothing */
    check_heap(heap);
    lender.refuse_all = false;
    release_blocks();
    assert_int_equal(try_everything(heap), 0);
    done(heap);
}

static void a_large_block_that_finds_no_place_in_the_map_goes_back(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);

    (void)state;
    give(arena, take(arena, GRANULE, 0), GRANULE); /* which has its tags then */
    hold_blocks(1024);
    lender.refuse_all = true;
    assert_null(vmem_heap_alloc(heap, LARGE, 0));
    assert_int_equal(stats_of(heap).fails, 1);
    assert_int_equal(in_use(arena), 0);
    check_heap(heap);
    lender.refuse_all = false;
    release_blocks();
    done(heap);
}

/* While one thread gets the memory for a class, another one makes it. */

static vmem_heap_t *contended;
static void *theirs;

static void *meanwhile(size_t size)
{
    lender.alloc = NULL;
    lender.free = NULL;
    checked_port_thread = 2;
    theirs = vmem_heap_alloc(contended, 500, 0);
    checked_port_thread = 1;
    return lend_memory(size);
}

static void no_free(void *pages, size_t size)
{
    (void)size;
    fail_msg("%p was not lent", pages);
}

static void two_threads_make_one_class(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    void *ours;

    (void)state;
    contended = make_heap(arena);
    give_block(contended, get(contended, 100));
    hold_blocks(sizeof(struct vmem_cache));
    lender.alloc = meanwhile;
    lender.free = no_free;
    ours = vmem_heap_alloc(contended, 500, 0);
    assert_null(lender.alloc); /* it was called */
    assert_true(ours != NULL && theirs != NULL && ours != theirs);
    assert_int_equal(stats_of(contended).in_use, 2 * 512);
    release_blocks();
    give_sized(contended, ours, 500);
    give_sized(contended, theirs, 500);
    done(contended);
}

static void a_full_arena_serves_again_once_blocks_are_freed(void **state)
{
    const size_t sizes[] = {24, 5000, LARGE, 700, 50000};
    static void *blocks[40000];
    vmem_t *arena = make_memory(1 << 20);
    vmem_heap_t *heap = make_heap(arena);

    (void)state;
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        unsigned count = 0;

        for (; count < LENGTH(blocks); count++) {
            blocks[count] = vmem_heap_alloc(heap, sizes[i], 0);
            if (blocks[count] == NULL)
                break;
            fill(blocks[count], sizes[i], count);
        }
        assert_true(count < LENGTH(blocks) && count * sizes[i] > MEMORY / 4 / 2);
        assert_int_equal(stats_of(heap).fails, i + 1);
        while (count > 0) {
            count--;
            assert_filled(blocks[count], sizes[i], count);
            give_block(heap, blocks[count]);
        }
        check_heap(heap);
    }
    done(heap);
}

/*
 * The whole heap
 */

static void reap_gives_back_what_is_not_in_use(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *blocks[300], *kept = get(heap, 500);

    (void)state;
    for (unsigned i = 0; i < LENGTH(blocks); i++)
        blocks[i] = get(heap, 10 * i);
    for (unsigned i = 0; i < LENGTH(blocks); i++)
        give_block(heap, blocks[i]);
    assert_true(in_use(arena) > GRANULE);
    vmem_heap_reap(heap);
    assert_int_equal(in_use(arena), stats_of(heap).held);
    assert_int_equal(stats_of(heap).blocks, 1);
    give_block(heap, kept);
    vmem_heap_reap(heap);
    assert_int_equal(in_use(arena), 0);
    assert_int_equal(stats_of(heap).held, 0);
    done(heap);
}

static void trim_gives_back_step_by_step_what_nobody_needs(void **state)
{
    static void *blocks[6000];
    vmem_heap_t *heap = make_heap(make_memory(MEMORY));
    unsigned steps = 0;
    vmem_size_t held_before;

    (void)state;
    for (unsigned i = 0; i < LENGTH(blocks); i++)
        blocks[i] = get(heap, i % 2 == 0 ? 64 : 100);
    for (unsigned i = 0; i < LENGTH(blocks); i++)
        give_block(heap, blocks[i]);
    while (vmem_heap_trim(heap)) /* all that was there has been touched since; from now on not */
        ;
    held_before = stats_of(heap).held;
    while (vmem_heap_trim(heap)) {
        check_heap(heap);
        steps++;
    }
    if (has_magazines()) {
        assert_true(steps > 1);
        assert_true(stats_of(heap).held < held_before);
    } else {
        assert_int_equal(steps, 0);
    }
    done(heap);
}

static void the_counters_add_up(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *small = get(heap, 100), *aligned = get_aligned(heap, 64, 65), *large = get(heap, LARGE);
    struct vmem_heap_stats stats = stats_of(heap);

    (void)state;
    assert_int_equal(stats.blocks, 3);
    assert_int_equal(stats.in_use, 112 + 128 + LARGEST + GRANULE);
    assert_int_equal(stats.large_blocks, 1);
    assert_int_equal(stats.large_in_use, LARGEST + GRANULE);
    assert_int_equal(stats.held, in_use(arena));
    assert_int_equal(stats.allocs, 3);
    assert_int_equal(stats.frees, 0);
    assert_true(stats.misses >= 2);
    give_block(heap, small);
    give_block(heap, aligned);
    give_block(heap, large);
    stats = stats_of(heap);
    assert_int_equal(stats.frees, 3);
    assert_int_equal(stats.blocks + stats.in_use + stats.large_in_use, 0);
    done(heap);
}

static void check_finds_a_large_block_that_is_gone(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *block = get(heap, LARGE);

    (void)state;
    vmem_xfree(arena, (vmem_addr_t)(uintptr_t)block, LARGE);
    assert_int_equal(vmem_heap_check(heap), VMEM_FAULT_INDEX);
    expect_fault(VMEM_FAULT_INDEX);
    assert_string_equal(last_fault.call, "vmem_heap_check");
    assert_int_equal(last_fault.addr, (uintptr_t)block);
    (void)take_at(arena, (vmem_addr_t)(uintptr_t)block, LARGEST); /* of another size */
    assert_int_equal(vmem_heap_check(heap), VMEM_FAULT_SUM);
    expect_fault(VMEM_FAULT_SUM);
    assert_int_equal(vmem_resize(arena, (vmem_addr_t)(uintptr_t)block, LARGEST, LARGE, 0), 0);
    give_block(heap, block);
    done(heap);
}

static void check_finds_a_corrupt_class(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    void *block = get(heap, 16);
    vmem_cache_t *cache = vmem_cache_pin_next(arena, 0);

    (void)state;
    cache->taken++;
    assert_int_equal(vmem_heap_check(heap), VMEM_FAULT_SUM);
    expect_fault(VMEM_FAULT_SUM);
    cache->taken--;
    vmem_cache_unpin(cache);
    give_block(heap, block);
    done(heap);
}

/* A slab that comes behind the heap's back, and so is not in its map. */
static void check_finds_a_slab_that_the_map_does_not_know(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    vmem_cache_t *cache = vmem_cache_pin_next(arena, 0);
    int (*slab_made)(vmem_cache_t *, vmem_addr_t) = cache->slab_made;
    void *block;

    (void)state;
    cache->slab_made = NULL;
    block = get(heap, 16);
    assert_int_equal(vmem_heap_check(heap), VMEM_FAULT_INDEX);
    expect_fault(VMEM_FAULT_INDEX);
    assert_int_equal(slab_made(cache, (uintptr_t)block & ~(uintptr_t)(GRANULE - 1)), 0);
    cache->slab_made = slab_made;
    vmem_cache_unpin(cache);
    give_block(heap, block);
    done(heap);
}

static void check_finds_a_class_that_is_none(void **state)
{
    vmem_t *arena = make_memory(MEMORY);
    vmem_heap_t *heap = make_heap(arena);
    vmem_cache_t *cache = vmem_cache_pin_next(arena, 0);
    void *ctx = cache->ctx, *block = get(heap, 16);
    vmem_addr_t segment = take(arena, cache->slab_size, 0);

    (void)state;
    for (uintptr_t byte = 30; byte < 128; byte += 97) { /* not yet used, and beyond the last */
        cache->ctx = (void *)byte;
        assert_int_equal(cache->slab_made(cache, segment), 0);
        assert_int_equal(vmem_heap_check(heap), VMEM_FAULT_INDEX);
        expect_fault(VMEM_FAULT_INDEX);
        assert_int_equal(last_fault.addr, segment);
        cache->slab_gone(cache, segment);
    }
    cache->ctx = ctx;
    vmem_cache_unpin(cache);
    give_block(heap, block);
    done(heap);
}

/*
 * At random, over arenas of several quanta, two heaps at a time, against what the test knows.
 */

enum { HELD = 300, STEPS = 6000 };

static struct {
    vmem_heap_t *heap;
    unsigned char *block;
    size_t size, align;
    unsigned number;
} held[HELD];

static size_t random_size(uint64_t *random)
{
    return (size_t)(next_random(random) % ((uint64_t)1 << next_random(random) % 17));
}

static void assert_held(size_t i)
{
    size_t usable = vmem_heap_usable_size(held[i].heap, held[i].block);

    assert_true(usable >= held[i].size);
    assert_int_equal((uintptr_t)held[i].block % held[i].align, 0);
    assert_filled(held[i].block, held[i].size, held[i].number);
}

static void take_one(vmem_heap_t *heap, size_t i, unsigned number, uint64_t *random)
{
    size_t size = random_size(random);
    bool aligned = next_random(random) % 4 == 0;

    held[i].heap = heap;
    held[i].size = size;
    held[i].align = aligned ? (size_t)1 << next_random(random) % 18 : 16;
    held[i].number = number;
    held[i].block =
        aligned ? vmem_heap_memalign(heap, held[i].align, size, 0) : vmem_heap_alloc(heap, size, 0);
    assert_non_null(held[i].block);
    fill(held[i].block, size, number);
}

static void resize_one(size_t i, uint64_t *random)
{
    size_t size = random_size(random);
    void *block = vmem_heap_realloc(held[i].heap, held[i].block, size, 0);

    assert_non_null(block);
    assert_filled(block, size < held[i].size ? size : held[i].size, held[i].number);
    held[i].block = block;
    held[i].size = size;
    fill(block, size, held[i].number);
}

static void drop_one(size_t i, uint64_t *random)
{
    if (next_random(random) % 2 == 0)
        vmem_heap_free(held[i].heap, held[i].block);
    else
        vmem_heap_free_sized(held[i].heap, held[i].block, held[i].size);
    held[i].block = NULL;
}

static void check_heaps(vmem_heap_t *const heaps[2])
{
    size_t blocks = 0;

    for (size_t i = 0; i < HELD; i++)
        blocks += held[i].block != NULL;
    check_heap(heaps[0]);
    check_heap(heaps[1]);
    assert_int_equal(stats_of(heaps[0]).blocks + stats_of(heaps[1]).blocks, blocks);
}

/* Segments of an arena's quantum caches, in use while the heaps are. */
static void take_pages(vmem_t *arena, vmem_addr_t *pages, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(vmem_alloc(arena, (i % 8 + 1) * GRANULE, 0, &pages[i]), 0);
}

static void give_pages(vmem_t *arena, const vmem_addr_t *pages, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        vmem_free(arena, pages[i], (i % 8 + 1) * GRANULE);
}

static void at_random(vmem_size_t quantum, vmem_size_t offset, vmem_size_t qcache_max,
                      uint64_t random)
{
    vmem_t *arena = make_quantum(quantum, offset, qcache_max);
    vmem_addr_t pages[40];
    vmem_heap_t *heaps[] = {make_heap(arena), make_heap(arena)};

    print_message("quantum %llu, seed %#llx\n", (unsigned long long)quantum,
                  (unsigned long long)random);
    for (unsigned step = 0; step < STEPS; step++) {
        size_t i = (size_t)(next_random(&random) % HELD);

        if (qcache_max > 0 && step % 1000 == 0)
            take_pages(arena, pages, LENGTH(pages));
        if (qcache_max > 0 && step % 1000 == 999)
            give_pages(arena, pages, LENGTH(pages));

        if (has_magazines())
            checked_port_cpu = (unsigned)(next_random(&random) % VMEM_PORT_CPUS);
        if (held[i].block == NULL) {
            take_one(heaps[next_random(&random) % 2], i, step, &random);
        } else {
            assert_held(i);
            if (next_random(&random) % 3 == 0)
                resize_one(i, &random);
            else
                drop_one(i, &random);
        }
        assert_int_equal(fault_count, 0);
        if (step % 500 == 0)
            check_heaps(heaps);
        if (step % 1500 == 0)
            vmem_heap_reap(heaps[0]);
    }
    for (size_t i = 0; i < HELD; i++) {
        if (held[i].block != NULL) {
            assert_held(i);
            drop_one(i, &random);
        }
    }
    done(heaps[0]);
    done(heaps[1]);
    assert_int_equal(in_use(arena), 0);
    unmake_quantum(arena);
}

static void at_random_in_pages(void **state)
{
    (void)state;
    at_random(4096, 0, 0, 0x51a7c3);
}

static void at_random_beside_quantum_caches(void **state)
{
    (void)state;
    at_random(4096, 0, 16 * GRANULE, 0xb0a710);
}

static void at_random_in_an_arena_of_bytes(void **state)
{
    (void)state;
    at_random(1, 13, 0, 0x1f2e3d);
}

static void at_random_with_a_small_quantum(void **state)
{
    (void)state;
    at_random(16, 3, 0, 0x77aa55);
}

static void at_random_with_the_largest_quantum(void **state)
{
    (void)state;
    at_random(65536, 1, 0, 0xc0ffee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(create_rejects_what_is_no_heap),
        ONCE(a_new_heap_takes_nothing_from_its_arena),
        ONCE(create_without_memory_changes_nothing),
        ONCE(an_arena_is_not_destroyed_under_a_heap),
        ONCE(destroy_rejects_null),
        WITH_AND_WITHOUT(destroy_says_how_many_blocks_are_out),
        ONCE(destroy_waits_for_who_reaps),
        WITH_AND_WITHOUT(destroy_gives_everything_back),
        WITH_AND_WITHOUT(every_size_is_served_with_little_waste),
        ONCE(no_more_than_a_ninth_of_a_block_is_wasted),
        WITH_AND_WITHOUT(a_size_of_0_counts_as_1),
        ONCE(sizes_above_half_of_the_address_space_are_refused_quietly),
        WITH_AND_WITHOUT(zalloc_clears_what_was_there),
        ONCE(a_block_at_address_0_is_never_handed_out),
        WITH_AND_WITHOUT(parameters_that_can_never_be_right_are_reported),
        WITH_AND_WITHOUT(every_policy_is_taken),
        WITH_AND_WITHOUT(memalign_aligns_to_any_power_of_two),
        ONCE(an_alignment_that_no_address_has_is_refused),
        WITH_AND_WITHOUT(free_sized_knows_aligned_blocks_from_others),
        WITH_AND_WITHOUT(free_sized_knows_small_blocks_that_are_large),
        WITH_AND_WITHOUT(free_sized_knows_blocks_that_have_become_small_where_they_stand),
        WITH_AND_WITHOUT(realloc_keeps_the_contents),
        ONCE(realloc_reads_no_further_than_the_block),
        WITH_AND_WITHOUT(realloc_keeps_the_alignment),
        ONCE(realloc_of_null_allocates),
        ONCE(realloc_within_a_class_stays),
        ONCE(a_large_block_changes_its_size_where_it_stands),
        ONCE(a_large_block_moves_where_it_must),
        ONCE(a_large_block_that_cannot_shrink_stays_as_it_is),
        ONCE(a_failed_realloc_leaves_the_block),
        WITH_AND_WITHOUT(free_of_null_does_nothing),
        WITH_AND_WITHOUT(a_double_free_is_reported),
        ONCE(a_double_free_of_a_large_block_is_reported),
        WITH_AND_WITHOUT(a_block_whose_slab_is_gone_is_free),
        WITH_AND_WITHOUT(an_address_inside_a_block_is_reported),
        ONCE(an_address_inside_a_large_block_is_reported),
        WITH_AND_WITHOUT(an_address_behind_the_blocks_of_a_slab_is_reported),
        WITH_AND_WITHOUT(what_is_not_of_the_heap_is_reported),
        ONCE(a_wrong_size_of_a_large_block_is_reported),
        WITH_AND_WITHOUT(a_wrong_size_of_a_small_block_is_reported),
        WITH_AND_WITHOUT(a_size_that_no_block_has_is_reported),
#if VMEM_CONFIG_DEBUG
        WITH_AND_WITHOUT(a_report_says_who_allocated_the_block),
        WITH_AND_WITHOUT(a_double_free_is_reported_whatever_the_block_holds),
#endif
        WITH_AND_WITHOUT(a_block_that_looks_free_is_freed),
        WITH_AND_WITHOUT(a_block_does_not_keep_its_mark),
        WITH_AND_WITHOUT(a_refused_page_leaves_every_count_right),
        WITH_AND_WITHOUT(without_pages_what_is_there_still_serves),
        WITH_AND_WITHOUT(a_large_block_that_finds_no_place_in_the_map_goes_back),
        ONCE(two_threads_make_one_class),
        WITH_AND_WITHOUT(a_full_arena_serves_again_once_blocks_are_freed),
        WITH_AND_WITHOUT(reap_gives_back_what_is_not_in_use),
        WITH_AND_WITHOUT(trim_gives_back_step_by_step_what_nobody_needs),
        WITH_AND_WITHOUT(the_counters_add_up),
        ONCE(check_finds_a_large_block_that_is_gone),
        ONCE(check_finds_a_corrupt_class),
        ONCE(check_finds_a_slab_that_the_map_does_not_know),
        ONCE(check_finds_a_class_that_is_none),
        WITH_AND_WITHOUT(at_random_in_pages),
        WITH_AND_WITHOUT(at_random_beside_quantum_caches),
        WITH_AND_WITHOUT(at_random_in_an_arena_of_bytes),
        WITH_AND_WITHOUT(at_random_with_a_small_quantum),
        WITH_AND_WITHOUT(at_random_with_the_largest_quantum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
