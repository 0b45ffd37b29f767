/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <vmem/debug.h>

static void put(void *ctx, const char *string)
{
    fputs(string, ctx); /* in a kernel: to the console */
}

void vmem_port_fault(const struct vmem_fault *fault)
{
    vmem_fault_print(fault, put, stdout);
    put(stdout, "\n"); /* and panic, if you like */
}

void *vmem_port_pages_alloc(size_t size)
{
    return (void)size, NULL; /* no pages to lend yet: the static ones must do */
}

void vmem_port_pages_free(void *pages, size_t size)
{
    (void)pages, (void)size;
}

int main(void)
{
    struct vmem_params ram = {.name = "ram", .base = 0x100000, .size = 0x700000, .quantum = 4096};
    struct vmem_constraints low = {.align = 0x10000, .limit = 0x400000};
    vmem_addr_t page, buffer;
    vmem_t *arena;

    if (vmem_create(&ram, &arena) || vmem_alloc(arena, 4096, VMEM_BESTFIT, &page) ||
        vmem_xalloc(arena, 0x8000, &low, VMEM_INSTANTFIT, &buffer))
        return 1;
    vmem_print(put, stdout);
    vmem_free(arena, page, 4096);
    vmem_free(arena, page, 4096); /* reported; nothing changes */
    vmem_xfree(arena, buffer, 0x8000);
    return vmem_check(arena) || vmem_destroy(arena);
}
