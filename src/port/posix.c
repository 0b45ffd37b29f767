/* SPDX-License-Identifier: MIT */
/*
 * port/posix.c - the port for programs on a host: pages from mmap, reports to
 * standard error.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <vmem/debug.h>
#include <vmem/port/posix.h>

void (*vmem_posix_on_fault)(const struct vmem_fault *fault);

uintptr_t vmem_posix_self(void)
{
    return (uintptr_t)&errno;
}

static void to_stderr(void *ctx, const char *string)
{
    (void)ctx;
    (void)fputs(string, stderr);
}

void vmem_port_fault(const struct vmem_fault *fault)
{
    if (vmem_posix_on_fault != NULL) {
        vmem_posix_on_fault(fault);
        return;
    }
    vmem_fault_print(fault, to_stderr, NULL);
    (void)fputc('\n', stderr);
}

void *vmem_port_pages_alloc(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages != MAP_FAILED ? pages : NULL;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    (void)munmap(pages, size);
}
