/* SPDX-License-Identifier: MIT */
/* C++ sees C functions: the calls link, and the hooks that are written in C++ are found. */
#include <vmem/debug.h>
#include <vmem/port.h>
#include <vmem/vmem.h>

static unsigned faults;

void vmem_port_fault(const struct vmem_fault *)
{
    ++faults;
}

void *vmem_port_pages_alloc(size_t)
{
    return nullptr;
}

void vmem_port_pages_free(void *, size_t)
{
}

int main()
{
    vmem_params params = {};
    vmem_t *arena = nullptr;
    vmem_addr_t id = 0;

    params.name = "id";
    params.size = 100;
    params.quantum = 1;
    params.flags = VMEM_ARENA_ORDERED;
    if (vmem_create(&params, &arena) != 0 || vmem_alloc(arena, 1, VMEM_FIRSTFIT, &id) != 0)
        return 1;
    vmem_free(arena, id, 1);
    vmem_free(arena, id, 1);
    return faults == 1 && vmem_check(arena) == 0 && vmem_destroy(arena) == 0 ? 0 : 1;
}
