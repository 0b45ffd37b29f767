/* SPDX-License-Identifier: MIT */
/* What the examples in docs/porting.md take for granted. */
#include <vmem/vmem.h>

extern vmem_t *physical;
extern vmem_t *kernel_addresses;

void console_puts(const char *string);
_Noreturn void panic(const char *why);
void *direct_map(vmem_addr_t frame);
vmem_addr_t direct_unmap(const void *page);
int map_pages(vmem_addr_t addr, vmem_size_t size);
void unmap_pages(vmem_addr_t addr, vmem_size_t size);
