/* SPDX-License-Identifier: MIT */
/*
 * The kernel that the programs here are written for: its memory, its heap, and its hooks. They are
 * compiled as C and as C++, for a kernel that cannot sleep, and, with the posix port, for one that
 * can.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdio.h>
#include <stdlib.h>
#include <vmem/heap.h>
#include <vmem/port.h>

#if VMEM_CONFIG_SLEEP
#include <pthread.h>
#include <sched.h>
#include <vmem/port/posix.h>
#endif

static vmem_t *kernel_memory;
static vmem_heap_t *kernel_heap;
static unsigned faults; /* reports so far */

#define VMEM_COMPAT_HEAP kernel_heap
#define VMEM_COMPAT_ARENA kernel_memory

#define CHECK(truth)                                                            \
    do {                                                                        \
        if (!(truth)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #truth); \
            exit(1);                                                            \
        }                                                                       \
    } while (0)

#ifdef __cplusplus
extern "C" {
#endif

#if VMEM_CONFIG_SLEEP

static void count_fault(const struct vmem_fault *fault)
{
    (void)fault;
    faults++;
}

#else

void vmem_port_fault(const struct vmem_fault *fault)
{
    (void)fault;
    faults++;
}

void *vmem_port_pages_alloc(size_t size)
{
    return aligned_alloc(VMEM_PAGE_SIZE, size);
}

void vmem_port_pages_free(void *pages, size_t size)
{
    (void)size;
    free(pages);
}

#endif

#ifdef __cplusplus
}
#endif

enum { KERNEL_MEMORY = 1 << 22, KERNEL_PAGE = 4096 };

static inline void kernel_begin(void)
{
    struct vmem_params memory;
    struct vmem_heap_params heap;

    memory.name = "memory";
    memory.base = (vmem_addr_t)(uintptr_t)aligned_alloc(KERNEL_PAGE, KERNEL_MEMORY);
    memory.size = KERNEL_MEMORY;
    memory.quantum = KERNEL_PAGE;
    memory.qcache_max = 0;
    memory.source = NULL;
    memory.import = NULL;
    memory.release = NULL;
    memory.ctx = NULL;
    memory.flags = 0;
    CHECK(memory.base != 0);
#if VMEM_CONFIG_SLEEP
    vmem_posix_on_fault = count_fault;
#endif
    CHECK(vmem_create(&memory, &kernel_memory) == 0);
    heap.name = "heap";
    heap.arena = kernel_memory;
    heap.flags = 0;
    CHECK(vmem_heap_create(&heap, &kernel_heap) == 0);
}

/* Everything has been given back, and nothing was reported that was not expected. */
static inline int kernel_end(void)
{
    CHECK(faults == 0);
    CHECK(vmem_heap_check(kernel_heap) == 0);
    CHECK(vmem_heap_destroy(kernel_heap) == 0);
    CHECK(vmem_destroy(kernel_memory) == 0);
    return 0;
}

#if VMEM_CONFIG_SLEEP

/*
 * Another thread, that frees something once a request waits. For memory: all that there is has been
 * taken before.
 */
static pthread_t kernel_other;

static void kernel_begin_other(void *(*work)(void *arg), void *arg)
{
    CHECK(pthread_create(&kernel_other, NULL, work, arg) == 0);
}

static void kernel_end_other(void)
{
    CHECK(pthread_join(kernel_other, NULL) == 0);
}

static void kernel_await_waiter(vmem_t *arena)
{
    struct vmem_stats stats;

    do {
        (void)sched_yield();
        vmem_stat(arena, &stats);
    } while (stats.waiting == 0);
}

static void *kernel_free_pages(void *arg)
{
    vmem_addr_t *pages = (vmem_addr_t *)arg;

    kernel_await_waiter(kernel_memory);
    for (; *pages != 0; pages++)
        vmem_free(kernel_memory, *pages, KERNEL_PAGE);
    return NULL;
}

/* There is no memory, until somebody waits for it. */
static inline void kernel_lack_memory(void)
{
    static vmem_addr_t pages[KERNEL_MEMORY / KERNEL_PAGE + 1];
    unsigned count = 0;

    while (vmem_alloc(kernel_memory, KERNEL_PAGE, VMEM_BESTFIT, &pages[count]) == 0)
        count++;
    pages[count] = 0;
    kernel_begin_other(kernel_free_pages, pages);
}

#endif

/* One report has come since the last look. */
static inline int reported(void)
{
    int one = faults == 1;

    faults = 0;
    return one;
}

#endif
