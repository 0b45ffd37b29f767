/* SPDX-License-Identifier: MIT */
/*
 * scenarios.h - what scenarios share: arenas in units, and segments that are claimed.
 */
#ifndef TESTS_EXPLORE_SCENARIOS_H
#define TESTS_EXPLORE_SCENARIOS_H

#include "explore.h"

#include VMEM_PORT_HEADER

#define NOWHERE VMEM_ADDR_MAX

static inline vmem_t *make(const char *name, vmem_addr_t base, vmem_size_t size, vmem_t *source)
{
    const struct vmem_params params = {
        .name = name, .base = base, .size = size, .quantum = 1, .source = source};
    vmem_t *arena = NULL;

    demand(vmem_create(&params, &arena) == 0);
    return arena;
}

/* One allocation, claimed; NOWHERE: refused for want of room. */
static inline vmem_addr_t take(vmem_t *arena, vmem_size_t size)
{
    vmem_addr_t addr;
    int error = vmem_alloc(arena, size, VMEM_INSTANTFIT, &addr);

    demand(error == 0 || error == -VMEM_ENOSPC);
    if (error != 0)
        return NOWHERE;
    claim(addr, size);
    return addr;
}

/* Where there is room, whatever the others do. */
static inline vmem_addr_t take_sure(vmem_t *arena, vmem_size_t size)
{
    vmem_addr_t addr = take(arena, size);

    demand(addr != NOWHERE);
    return addr;
}

static inline void give(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    if (addr == NOWHERE)
        return;
    drop(addr, size);
    vmem_free(arena, addr, size);
}

#endif
