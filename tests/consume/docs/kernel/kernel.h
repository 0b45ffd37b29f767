/* SPDX-License-Identifier: MIT */
/* What the examples in docs/porting.md take for granted. */
#include <vmem/cache.h>
#include <vmem/heap.h>
#include <vmem/id.h>

#include <kernel/spinlock.h>
#include <kernel/thread.h>

extern vmem_t *physical;
extern vmem_t *kernel_addresses;
extern vmem_heap_t *heap;
extern vmem_cache_t *threads;

void console_puts(const char *string);
_Noreturn void panic(const char *why);
void *direct_map(vmem_addr_t frame);
vmem_addr_t direct_unmap(const void *page);
int map_pages(vmem_addr_t addr, vmem_size_t size);
void unmap_pages(vmem_addr_t addr, vmem_size_t size);
void reschedule(void);
