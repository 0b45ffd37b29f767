/* SPDX-License-Identifier: MIT */
/*
 * malloc.c - the malloc family over a vmem heap.
 *
 * As on the host that it stands in for: a size of 0 is served, realloc to 0 frees, a size that
 * cannot be is ENOMEM, and free leaves errno alone. Each call is one bracket of the port's gate
 * (vmem/port/posix.h), which a process that has one thread does not need.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include <vmem/port/posix.h>

#include "memory.h"

#define EXPORT __attribute__((visibility("default")))

enum { ALONE = VMEM_PORT_CPUS + 1 }; /* no place in the gate */

static unsigned enter(void)
{
    return __libc_single_threaded ? ALONE : vmem_posix_enter();
}

static void leave(unsigned place)
{
    if (place != ALONE)
        vmem_posix_leave(place);
}

/* Before constructors run, the dynamic linker already allocates. */
static vmem_heap_t *the_heap(void)
{
    vmem_heap_t *heap = __atomic_load_n(&memory_heap, __ATOMIC_ACQUIRE);

    return __builtin_expect(heap != NULL, 1) ? heap : memory_start();
}

static void *or_enomem(void *block)
{
    if (__builtin_expect(block == NULL, 0))
        errno = ENOMEM;
    return block;
}

/*
 * What waits in magazines and empty slabs is of use to a program that goes on as before, and lost
 * on one that is past its peak. A kernel has a timer to look after that; here every so many frees
 * of a thread do, where more than half of what the heap holds is idle.
 */
enum { FREES_BETWEEN_LOOKS = 1 << 15, IDLE_AT_LEAST = 4 << 20 };

static __attribute__((noinline)) void give_back(vmem_heap_t *heap)
{
    struct vmem_heap_stats stats;

    vmem_heap_stat(heap, &stats);
    if (stats.held > 2 * stats.in_use + IDLE_AT_LEAST)
        vmem_heap_reap(heap);
}

static bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

EXPORT void *malloc(size_t size)
{
    vmem_heap_t *heap = the_heap();
    void *block = NULL;

    if (__builtin_expect(heap != NULL, 1)) {
        unsigned place = enter();

        block = vmem_heap_alloc(heap, size, VMEM_INSTANTFIT);
        leave(place);
    }
    return or_enomem(block);
}

EXPORT void *calloc(size_t count, size_t size)
{
    vmem_heap_t *heap = the_heap();
    void *block = NULL;
    size_t bytes;

    if (!__builtin_mul_overflow(count, size, &bytes) && heap != NULL) {
        unsigned place = enter();

        block = vmem_heap_zalloc(heap, bytes, VMEM_INSTANTFIT);
        leave(place);
    }
    return or_enomem(block);
}

EXPORT void free(void *block)
{
    static __thread unsigned frees;
    vmem_heap_t *heap = the_heap();
    unsigned place;

    if (block == NULL)
        return;
    place = enter();
    vmem_heap_free(heap, block);
    if (__builtin_expect(++frees % FREES_BETWEEN_LOOKS == 0, 0))
        give_back(heap);
    leave(place);
}

EXPORT void *realloc(void *block, size_t size)
{
    void *moved;
    unsigned place;

    if (block == NULL)
        return malloc(size);
    if (size == 0) {
        free(block);
        return NULL;
    }
    place = enter();
    moved = vmem_heap_realloc(the_heap(), block, size, VMEM_INSTANTFIT);
    leave(place);
    return or_enomem(moved);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return or_enomem(NULL);
    return realloc(block, bytes);
}

/* NULL: no memory. align is a power of two. */
static void *aligned(size_t align, size_t size)
{
    vmem_heap_t *heap = the_heap();
    void *block = NULL;

    if (heap != NULL) {
        unsigned place = enter();

        block = vmem_heap_memalign(heap, align, size, VMEM_INSTANTFIT);
        leave(place);
    }
    return block;
}

EXPORT int posix_memalign(void **blockp, size_t align, size_t size)
{
    void *block;

    if (!is_power_of_two(align) || align < sizeof(void *))
        return EINVAL;
    block = aligned(align, size);
    if (block == NULL)
        return ENOMEM;
    *blockp = block;
    return 0;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    if (!is_power_of_two(align)) {
        errno = EINVAL;
        return NULL;
    }
    return or_enomem(aligned(align, size));
}

EXPORT void *memalign(size_t align, size_t size)
{
    return aligned_alloc(align, size);
}

EXPORT void *valloc(size_t size)
{
    return or_enomem(aligned(page_size(), size));
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = page_size();
    size_t rounded;

    if (__builtin_add_overflow(size, page - 1, &rounded))
        return or_enomem(NULL);
    return valloc(rounded & ~(page - 1));
}

EXPORT size_t malloc_usable_size(void *block)
{
    size_t size = 0;

    if (block != NULL) {
        unsigned place = enter();

        size = vmem_heap_usable_size(the_heap(), block);
        leave(place);
    }
    return size;
}
