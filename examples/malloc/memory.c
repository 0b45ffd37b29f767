/* SPDX-License-Identifier: MIT */
/*
 * memory.c - where the blocks come from: two arenas and a heap over them.
 *
 *     reserved   address space: one range that the kernel has promised and not backed
 *     mapped     memory: imports parts of it, and makes them readable and writable
 *     heap       cuts that into blocks
 *
 * The quantum of `reserved` is the unit in which `mapped` imports, and gives back: a span whose
 * last block is freed goes back to the system, but for one that the arena keeps.
 */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmem/port/posix.h>

/* What is asked for; half of it, and again, where there is less to be had. */
#define RESERVE ((size_t)1 << (sizeof(size_t) > 4 ? 36 : 30))
#define IMPORT_UNIT ((size_t)1 << 20)

vmem_heap_t *memory_heap;
static vmem_t *reserved;

static void *at(vmem_addr_t addr)
{
    return (void *)(uintptr_t)addr;
}

static int import(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                  vmem_addr_t *addrp)
{
    int saved = errno;
    int error = vmem_xalloc(reserved, size, c, flags, addrp);

    (void)ctx;
    if (error == 0 && mprotect(at(*addrp), (size_t)size, PROT_READ | PROT_WRITE) != 0) {
        vmem_xfree(reserved, *addrp, size);
        error = -VMEM_ENOMEM;
    }
    errno = saved;
    return error;
}

/*
 * A new mapping in place of the old one drops its pages, and what the system had promised for them.
 * If it has no room to note one more mapping, the pages go and the rest stays.
 */
static void release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    int saved = errno;

    (void)ctx;
    if (mmap(at(addr), (size_t)size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        (void)madvise(at(addr), (size_t)size, MADV_DONTNEED);
    vmem_xfree(reserved, addr, size);
    errno = saved; /* free() must not change it */
}

/* Address space, and in *sizep how much, whole import units; NULL: none. */
static void *reserve(size_t *sizep)
{
    for (size_t size = RESERVE; size >= 2 * IMPORT_UNIT; size /= 2) {
        char *start =
            mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (start != MAP_FAILED) {
            size_t before = -(uintptr_t)start & (IMPORT_UNIT - 1);

            *sizep = size - (before > 0 ? IMPORT_UNIT : 0);
            return start + before;
        }
    }
    return NULL;
}

static void start(void)
{
    struct vmem_params space = {.name = "reserved", .quantum = IMPORT_UNIT};
    struct vmem_params memory = {.name = "mapped", .import = import, .release = release};
    struct vmem_heap_params heap = {.name = "malloc"};
    vmem_heap_t *made;
    size_t size;

    space.base = (vmem_addr_t)(uintptr_t)reserve(&size);
    if (space.base == 0)
        return;
    space.size = size;
    memory.quantum = (vmem_size_t)sysconf(_SC_PAGESIZE);
    if (vmem_create(&space, &reserved) != 0)
        return;
    memory.source = reserved;
    if (vmem_create(&memory, &heap.arena) != 0 || vmem_heap_create(&heap, &made) != 0)
        return;
    __atomic_store_n(&memory_heap, made, __ATOMIC_RELEASE);
}

vmem_heap_t *memory_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, start);
    return memory_heap;
}
