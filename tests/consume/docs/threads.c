/* SPDX-License-Identifier: MIT */
/* A kernel with memory and no other purpose than to run the README's second example. */
#include <stdint.h>
#include <stdlib.h>
#include <vmem/port.h>

#include "second.h" /* that example, as the README has it */

void vmem_port_fault(const struct vmem_fault *fault)
{
    (void)fault;
    abort();
}

void *vmem_port_pages_alloc(size_t size)
{
    (void)size;
    return NULL; /* the static pages must do */
}

void vmem_port_pages_free(void *pages, size_t size)
{
    (void)pages;
    (void)size;
}

enum { MEMORY = 1 << 20, STACK = 16384 };

int main(void)
{
    struct vmem_params params = {.name = "memory", .size = MEMORY, .quantum = 4096};
    struct thread *all[MEMORY / STACK] = {NULL};
    size_t made = 0;
    vmem_t *memory;

    params.base = (vmem_addr_t)(uintptr_t)aligned_alloc(4096, MEMORY);
    if (params.base == 0 || vmem_create(&params, &memory) != 0 || threads_init(memory) != 0)
        return 1;
    while (made < MEMORY / STACK && (all[made] = thread_create(STACK)) != NULL) {
        all[made]->stack[0] = all[made]->stack[STACK - 1] = 1;
        made++;
    }
    if (made < MEMORY / STACK / 2 || made == MEMORY / STACK) /* the threads take room, too */
        return 2;
    if (all[0]->id != 1 || all[made - 1]->id != made || vmem_check(NULL) != 0)
        return 3;
    while (made > 0)
        thread_destroy(all[--made]);
    if (vmem_id_destroy(ids) != 0 || vmem_cache_destroy(threads) != 0 ||
        vmem_heap_destroy(heap) != 0)
        return 4;
    return vmem_check(NULL) != 0 || vmem_destroy(memory) != 0 ? 5 : 0;
}
