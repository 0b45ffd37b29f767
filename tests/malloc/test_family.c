/* SPDX-License-Identifier: MIT */
/*
 * test_family.c - what programs may expect of the malloc family, of whoever it is. It is run with
 * ours in place of the host's.
 */
#define _GNU_SOURCE
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The compiler knows these functions, and would refuse what is tried here. */
static volatile size_t huge = PTRDIFF_MAX;
static void *(*volatile realloc_unknown)(void *, size_t) = realloc;
static void *(*volatile reallocarray_unknown)(void *, size_t, size_t) = reallocarray;

/* The values that a block is filled with, whatever its size. */
static void fill(unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(seed + i * 7);
}

static void assert_filled(const unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != (unsigned char)(seed + i * 7))
            fail_msg("byte %zu of %zu is not what it was", i, size);
}

static bool is_aligned(const void *block, size_t align)
{
    return ((uintptr_t)block & (align - 1)) == 0;
}

static void assert_enomem(const void *block)
{
    assert_null(block);
    assert_int_equal(errno, ENOMEM);
    errno = 0;
}

static void the_family_is_ours(void **state)
{
    static const char *const names[] = {
        "malloc", "calloc",         "realloc",           "reallocarray",
        "free",   "posix_memalign", "aligned_alloc",     "memalign",
        "valloc", "pvalloc",        "malloc_usable_size"};
    Dl_info info;

    (void)state;
    for (size_t i = 0; i < LENGTH(names); i++) {
        assert_true(dladdr(dlsym(RTLD_DEFAULT, names[i]), &info) != 0);
        assert_non_null(strstr(info.dli_fname, "vmem-malloc"));
    }
    assert_null(dlsym(RTLD_DEFAULT, "vmem_heap_alloc"));
}

static void blocks_of_no_bytes_are_blocks(void **state)
{
    void *blocks[] = {malloc(0), malloc(0), calloc(0, 8), calloc(8, 0), aligned_alloc(64, 0)};

    (void)state;
    for (size_t i = 0; i < LENGTH(blocks); i++) {
        assert_non_null(blocks[i]);
        for (size_t k = 0; k < i; k++)
            assert_ptr_not_equal(blocks[i], blocks[k]);
    }
    for (size_t i = 0; i < LENGTH(blocks); i++)
        free(blocks[i]);
    free(NULL);
}

static void blocks_of_all_sizes_are_aligned_and_whole(void **state)
{
    (void)state;
    for (size_t size = 1; size < 300000; size += 1 + size / 50) {
        unsigned char *block = malloc(size);

        assert_non_null(block);
        assert_true(is_aligned(block, 16));
        assert_true(malloc_usable_size(block) >= size);
        fill(block, malloc_usable_size(block), (unsigned)size);
        assert_filled(block, malloc_usable_size(block), (unsigned)size);
        free(block);
    }
    assert_int_equal(malloc_usable_size(NULL), 0);
}

static void sizes_that_cannot_be_are_enomem(void **state)
{
    size_t sizes[] = {huge, huge + 1, huge * 2, huge * 2 + 1, huge / 2, huge * 2 - 4096};
    void *const untouched = &sizes;
    void *block = untouched;

    (void)state;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        assert_enomem(malloc(sizes[i]));
        assert_enomem(calloc(sizes[i], 1));
        assert_enomem(realloc_unknown(NULL, sizes[i]));
        assert_enomem(memalign(64, sizes[i]));
        assert_enomem(aligned_alloc(65536, sizes[i]));
        assert_enomem(valloc(sizes[i]));
        assert_enomem(pvalloc(sizes[i]));
        assert_int_equal(posix_memalign(&block, 64, sizes[i]), ENOMEM);
        assert_ptr_equal(block, untouched);
    }
}

static void products_that_overflow_are_enomem(void **state)
{
    unsigned char *block = malloc(100);

    (void)state;
    fill(block, 100, 1);
    assert_enomem(calloc(huge, 4));
    assert_enomem(calloc(huge * 2 + 1, huge * 2 + 1));
    assert_enomem(reallocarray_unknown(block, huge, 4));
    assert_enomem(reallocarray_unknown(NULL, huge * 2 + 1, 2));
    assert_filled(block, 100, 1);
    free(block);
}

static void calloc_gives_zeros_where_something_was(void **state)
{
    static const unsigned char zeros[70000];

    (void)state;
    for (size_t size = 1; size < sizeof zeros; size += 1 + size / 9) {
        unsigned char *dirty = malloc(size);
        unsigned char *clean;

        fill(dirty, size, 255);
        free(dirty);
        clean = calloc(1, size);
        assert_memory_equal(clean, zeros, size);
        free(clean);
    }
}

static void realloc_keeps_what_fits(void **state)
{
    unsigned char *block = NULL;
    size_t size = 0;

    (void)state;
    for (unsigned step = 0; step < 400; step++) {
        size_t next = (step * 7919U) % (step % 3 == 0 ? 2000000 : 3000) + 1;
        unsigned char *moved = realloc(block, next);

        assert_non_null(moved);
        assert_filled(moved, size < next ? size : next, step - 1);
        fill(moved, next, step);
        block = moved;
        size = next;
    }
    free(block);
}

static void realloc_that_fails_leaves_the_block(void **state)
{
    static const size_t sizes[] = {1, 100, 5000, 200000, 3000000};

    (void)state;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        unsigned char *block = malloc(sizes[i]);

        fill(block, sizes[i], 3);
        assert_enomem(realloc_unknown(block, huge + 1));
        assert_enomem(realloc_unknown(block, huge / 2));
        assert_filled(block, sizes[i], 3);
        free(block);
    }
}

static void realloc_to_nothing_frees(void **state)
{
    void *block = malloc(100);

    (void)state;
    errno = 0;
    assert_null(realloc(block, 0));
    assert_int_equal(errno, 0);
    block = realloc(NULL, 0);
    assert_non_null(block);
    free(block);
}

static void every_alignment_is_kept(void **state)
{
    (void)state;
    for (size_t align = sizeof(void *); align <= (size_t)4 << 20; align *= 2)
        for (size_t size = 1; size < 40000; size = size * 5 + 2) {
            void *blocks[3] = {NULL};

            assert_int_equal(posix_memalign(&blocks[0], align, size), 0);
            blocks[1] = aligned_alloc(align, size);
            blocks[2] = memalign(align, size);
            for (size_t i = 0; i < LENGTH(blocks); i++) {
                assert_non_null(blocks[i]);
                assert_true(is_aligned(blocks[i], align));
                assert_true(malloc_usable_size(blocks[i]) >= size);
                fill(blocks[i], size, (unsigned)i);
            }
            for (size_t i = 0; i < LENGTH(blocks); i++) {
                assert_filled(blocks[i], size, (unsigned)i);
                free(blocks[i]);
            }
        }
}

static void alignments_that_cannot_be_are_einval(void **state)
{
    static const size_t aligns[] = {0, 3, 24, 4097};
    int here;
    void *block = &here;

    (void)state;
    for (size_t i = 0; i < LENGTH(aligns); i++) {
        volatile size_t align = aligns[i];

        assert_int_equal(posix_memalign(&block, align, 100), EINVAL);
        errno = 0;
        assert_null(aligned_alloc(align, 100));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_null(memalign(align, 100));
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(posix_memalign(&block, sizeof(void *) / 2, 100), EINVAL);
    assert_ptr_equal(block, &here);
}

static void valloc_gives_pages(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *some = valloc(100);
    void *whole = pvalloc(page + 1);

    (void)state;
    assert_true(is_aligned(some, page));
    assert_true(is_aligned(whole, page));
    assert_true(malloc_usable_size(some) >= 100);
    assert_true(malloc_usable_size(whole) >= 2 * page);
    free(some);
    free(whole);
}

static void free_leaves_errno_alone(void **state)
{
    void *blocks[100];

    (void)state;
    for (size_t size = 10; size < (size_t)64 << 20; size *= 10) {
        for (size_t i = 0; i < LENGTH(blocks); i++)
            blocks[i] = malloc(size);
        errno = 12345;
        for (size_t i = 0; i < LENGTH(blocks); i++)
            free(blocks[i]);
        assert_int_equal(errno, 12345);
    }
}

/* Pages that the process has in memory. */
static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
    assert_int_equal(fclose(file), 0);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void assert_goes_back(size_t size, size_t count)
{
    void **blocks = malloc(count * sizeof *blocks);
    size_t before = resident();

    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size);
    }
    assert_true(resident() > before + size * count / 4 * 3);
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
    assert_true(resident() < before + size * count / 4);
    free(blocks);
}

static void memory_goes_back_to_the_system(void **state)
{
    (void)state;
    assert_goes_back((size_t)8 << 20, 8);
    assert_goes_back((size_t)300000, 200);
    assert_goes_back((size_t)1000, 100000);
}

/* The exit status of a child that does this, and then ends as if all were well. */
static int status_after(void (*misuse)(void))
{
    int status;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        misuse();
        exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void *volatile victim;

static void do_nothing(void)
{
}

static void free_a_large_block_twice(void)
{
    victim = malloc(1000000);
    free(victim);
    free(victim);
}

static void free_a_small_block_twice(void)
{
    victim = malloc(64);
    free(victim);
    free(victim);
}

static void free_the_inside_of_a_block(void)
{
    victim = malloc(640);
    victim = (char *)victim + 16;
    free(victim);
}

static void free_what_was_never_allocated(void)
{
    static char memory[64];

    victim = memory + 16;
    free(victim);
}

static void misuse_is_reported_and_ends_in_a_status(void **state)
{
    (void)state;
    assert_int_equal(status_after(do_nothing), 0);
    assert_int_equal(status_after(free_a_large_block_twice), 99);
    assert_int_equal(status_after(free_a_small_block_twice), 99);
    assert_int_equal(status_after(free_the_inside_of_a_block), 99);
    assert_int_equal(status_after(free_what_was_never_allocated), 99);
}

/*
 * Takes all that there is, each block linked to the one before; how many, and the last in *lastp.
 * 0: there is no end to it.
 */
static size_t take_all(size_t size, void ***lastp)
{
    const size_t enough = ((size_t)256 << 20) / size;
    size_t count = 0;
    void **block;

    errno = 0;
    *lastp = NULL;
    while (count < enough && (block = malloc(size)) != NULL) {
        *block = *lastp;
        *lastp = block;
        count++;
    }
    return errno == ENOMEM ? count : 0;
}

static void free_all(void **last)
{
    while (last != NULL) {
        void **before = *last;

        free(last);
        last = before;
    }
}

/* With a limit to what may be mapped, all is taken and freed in several sizes, and again. */
static void run_out_of_memory(void)
{
    static const size_t sizes[] = {64, 1000, 50000, 3000000};
    struct rlimit limit = {.rlim_cur = (rlim_t)64 << 20, .rlim_max = RLIM_INFINITY};
    void **last;

    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        _exit(1);
    for (unsigned i = 0; i < 2 * LENGTH(sizes); i++) {
        size_t size = sizes[i % LENGTH(sizes)];
        size_t count = take_all(size, &last);

        if (count < ((size_t)32 << 20) / size)
            _exit(2);
        free_all(last);
    }
}

static void what_was_used_up_and_freed_can_be_had_again(void **state)
{
    (void)state;
    assert_int_equal(status_after(run_out_of_memory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_family_is_ours),
        cmocka_unit_test(blocks_of_no_bytes_are_blocks),
        cmocka_unit_test(blocks_of_all_sizes_are_aligned_and_whole),
        cmocka_unit_test(sizes_that_cannot_be_are_enomem),
        cmocka_unit_test(products_that_overflow_are_enomem),
        cmocka_unit_test(calloc_gives_zeros_where_something_was),
        cmocka_unit_test(realloc_keeps_what_fits),
        cmocka_unit_test(realloc_that_fails_leaves_the_block),
        cmocka_unit_test(realloc_to_nothing_frees),
        cmocka_unit_test(every_alignment_is_kept),
        cmocka_unit_test(alignments_that_cannot_be_are_einval),
        cmocka_unit_test(valloc_gives_pages),
        cmocka_unit_test(free_leaves_errno_alone),
        cmocka_unit_test(memory_goes_back_to_the_system),
        cmocka_unit_test(what_was_used_up_and_freed_can_be_had_again),
        cmocka_unit_test(misuse_is_reported_and_ends_in_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
