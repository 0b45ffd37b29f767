/* SPDX-License-Identifier: MIT */
/* hooks.c - what the port for one thread leaves to be brought. The linker leads the way here
 * through a check only from other files. */
#include <vmem/port.h>

void vmem_port_fault(const struct vmem_fault *fault)
{
    (void)fault;
}

void *vmem_port_pages_alloc(size_t size)
{
    (void)size;
    return NULL;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    (void)pages;
    (void)size;
}
