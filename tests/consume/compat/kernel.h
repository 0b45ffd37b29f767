/* SPDX-License-Identifier: MIT */
/*
 * The kernel that the programs here are written for: its memory, its heap, and its hooks. They are
 * compiled as C and as C++.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdio.h>
#include <stdlib.h>
#include <vmem/heap.h>
#include <vmem/port.h>

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

/* One report has come since the last look. */
static inline int reported(void)
{
    int one = faults == 1;

    faults = 0;
    return one;
}

#endif
