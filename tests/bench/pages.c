/* SPDX-License-Identifier: MIT */
/*
 * pages.c - one large reservation, given out from its start; what comes back is given out again
 * for the same size, which is a power of two (the library's hashes) or else is forgotten.
 */
#define _DEFAULT_SOURCE
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vmem/debug.h>

#define RESERVE ((size_t)2 << 30)
#define CLASSES 32

static unsigned char *region;
static size_t used; /* of the region, given out at least once */
static size_t lent;
static void *returned[CLASSES]; /* by the logarithm of the size: linked through the first word */

static void reserve(void)
{
    if (region != NULL)
        return;
    region = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) {
        perror("bench: mmap");
        exit(EXIT_FAILURE);
    }
}

static unsigned class_of(size_t size)
{
    unsigned class = 0;

    while (((size_t)1 << class) < size)
        class ++;
    return class;
}

void *vmem_port_pages_alloc(size_t size)
{
    unsigned class = class_of(size);
    void *pages = returned[class];

    reserve();
    if (pages != NULL && size == (size_t)1 << class) {
        returned[class] = *(void **)pages;
    } else {
        if (RESERVE - used < size)
            return NULL;
        pages = region + used;
        used += size;
    }
    lent += size;
    return pages;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    unsigned class = class_of(size);

    lent -= size;
    if (size != (size_t)1 << class)
        return;
    *(void **)pages = returned[class];
    returned[class] = pages;
}

size_t pages_held(void)
{
    struct vmem_pool_stats stats;

    vmem_pool_stat(&stats);
    return stats.static_pages * VMEM_PAGE_SIZE + lent;
}

void pages_touch(size_t size)
{
    reserve();
    if (RESERVE - used < size)
        size = RESERVE - used;
    memset(region + used, 0, size);
}

static void to_stderr(void *ctx, const char *string)
{
    (void)ctx;
    (void)fputs(string, stderr);
}

void vmem_port_fault(const struct vmem_fault *fault)
{
    vmem_fault_print(fault, to_stderr, NULL);
    (void)fputs("\n", stderr);
    abort();
}
