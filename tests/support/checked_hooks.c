/* SPDX-License-Identifier: MIT */
/*
 * support/checked_hooks.c - the hooks that are functions of the port, whoever brings them: checked
 * on the way there. The linker is asked to --wrap them: what calls vmem_port_fault calls
 * __wrap_vmem_port_fault, and what is linked under that name is called __real_vmem_port_fault.
 */
#include "discipline.h"

#include <vmem/port.h>

#include VMEM_PORT_HEADER

void __real_vmem_port_fault(const struct vmem_fault *fault);
void *__real_vmem_port_pages_alloc(size_t size);
void __real_vmem_port_pages_free(void *pages, size_t size);

void __wrap_vmem_port_fault(const struct vmem_fault *fault);
void *__wrap_vmem_port_pages_alloc(size_t size);
void __wrap_vmem_port_pages_free(void *pages, size_t size);

void __wrap_vmem_port_fault(const struct vmem_fault *fault)
{
    checked_port_no_lock("vmem_port_fault");
    __real_vmem_port_fault(fault);
}

void *__wrap_vmem_port_pages_alloc(size_t size)
{
    checked_port_no_lock("vmem_port_pages_alloc");
    return __real_vmem_port_pages_alloc(size);
}

void __wrap_vmem_port_pages_free(void *pages, size_t size)
{
    checked_port_no_lock("vmem_port_pages_free");
    __real_vmem_port_pages_free(pages, size);
}

#if VMEM_CONFIG_SLEEP && defined(VMEM_PORT_WAITS)

void __real_vmem_port_wait(const uint32_t *woken);
void __real_vmem_port_wake(const uint32_t *woken);

void __wrap_vmem_port_wait(const uint32_t *woken);
void __wrap_vmem_port_wake(const uint32_t *woken);

void __wrap_vmem_port_wait(const uint32_t *woken)
{
    checked_port_no_lock("vmem_port_wait");
    __real_vmem_port_wait(woken);
}

void __wrap_vmem_port_wake(const uint32_t *woken)
{
    checked_port_no_lock("vmem_port_wake");
    __real_vmem_port_wake(woken);
}

#endif
