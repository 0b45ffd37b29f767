/* SPDX-License-Identifier: MIT */
/*
 * baseline.h - the allocator that a hobbyist would write, to measure the library against.
 */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <vmem/vmem.h>

struct baseline;

/* NULL: no memory. */
struct baseline *baseline_create(vmem_addr_t base, vmem_size_t size, vmem_size_t quantum);
void baseline_destroy(struct baseline *list);

/* First fit, whatever policy is wanted. 0, or -VMEM_ENOSPC, or -VMEM_ENOMEM. */
int baseline_alloc(struct baseline *list, vmem_size_t size, vmem_addr_t *addrp);
int baseline_xalloc(struct baseline *list, vmem_size_t size, const struct vmem_constraints *c,
                    vmem_addr_t *addrp);

/* addr is what was allocated. */
void baseline_free(struct baseline *list, vmem_addr_t addr);

#endif
