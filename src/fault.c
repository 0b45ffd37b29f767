/* SPDX-License-Identifier: MIT */
/*
 * fault.c - reports of misuse and corruption, with all their numbers.
 *
 * A report is filled in under the lock, where the segments can be looked at, and
 * given to the port's hook after the lock is dropped, so that the hook may print,
 * allocate or never return. Nothing has changed by then, nor does it afterwards.
 */
#include "cache.h"

static const char *meaning(enum vmem_fault_kind kind)
{
    switch (kind) {
    case VMEM_FAULT_DOUBLE_FREE:
        return "double free: the address is free";
    case VMEM_FAULT_WRONG_SIZE:
        return "wrong size: the segment was allocated with another";
    case VMEM_FAULT_MISALIGNED:
        return "misaligned: not the start of an allocated segment";
    case VMEM_FAULT_FOREIGN:
        return "foreign address: in no span of this arena";
    case VMEM_FAULT_OVERLAP:
        return "the range overlaps a span";
    case VMEM_FAULT_IMPORT:
        return "the import hook returned a span that is misaligned or overlaps another";
    case VMEM_FAULT_ORDER:
        return "corrupt: segments are out of order, overlap or leave a gap";
    case VMEM_FAULT_NEIGHBOURS:
        return "corrupt: two neighbouring segments are free";
    case VMEM_FAULT_INDEX:
        return "corrupt: the index of free segments disagrees with them";
    case VMEM_FAULT_HASH:
        return "corrupt: the hash of allocated segments disagrees with them";
    case VMEM_FAULT_SUM:
        return "corrupt: a counter differs from a recount";
    case VMEM_FAULT_TAGS:
        return "corrupt: boundary tags are lost or used twice";
    default:
        return "fault";
    }
}

static void report(const vmem_t *arena, struct vmem_fault *fault)
{
    fault->arena = arena;
    if (fault->arena_name == NULL)
        fault->arena_name = arena != NULL ? arena->name : "-";
    if (fault->what == NULL)
        fault->what = meaning(fault->kind);
    vmem_port_fault(fault);
}

int vmem_fault_report(const vmem_t *arena, enum vmem_fault_kind kind, const char *call,
                      const char *what, vmem_addr_t addr, vmem_size_t size, uintptr_t caller)
{
    struct vmem_fault fault = {
        .kind = kind, .call = call, .what = what, .addr = addr, .size = size, .caller = caller};

    report(arena, &fault);
    return -VMEM_EINVAL;
}

int vmem_fault_object(const vmem_t *arena, const char *name, enum vmem_fault_kind kind,
                      const char *call, const char *what, vmem_addr_t addr, vmem_size_t size,
                      const struct vmem_object *there, uintptr_t caller)
{
    struct vmem_fault fault = {.kind = kind,
                               .call = call,
                               .what = what,
                               .arena_name = name,
                               .addr = addr,
                               .size = size,
                               .caller = caller};

    if (there != NULL) {
        fault.expected_addr = there->addr;
        fault.expected_size = there->size;
        fault.allocated_by = there->caller;
    }
    report(arena, &fault);
    return -VMEM_EINVAL;
}

int vmem_fault_named(const char *name, enum vmem_fault_kind kind, const char *call,
                     const char *what, vmem_addr_t addr, vmem_size_t size,
                     vmem_addr_t expected_addr, vmem_size_t expected_size, uintptr_t allocated_by,
                     uintptr_t caller)
{
    const struct vmem_object there = {
        .addr = expected_addr, .size = expected_size, .caller = allocated_by};

    return vmem_fault_object(NULL, name, kind, call, what, addr, size, &there, caller);
}

void vmem_fault_found(vmem_t *arena, enum vmem_fault_kind kind, const char *call, vmem_addr_t addr,
                      vmem_size_t size, vmem_link_t found, uintptr_t caller, unsigned long state)
{
    struct vmem_fault fault = {
        .kind = kind, .call = call, .addr = addr, .size = size, .caller = caller};

    if (found != 0) {
        const struct vmem_tag *tag = vmem_tag_at(found);

        fault.expected_addr = tag->addr;
        fault.expected_size = tag->size;
#if VMEM_CONFIG_DEBUG
        if (tag->kind == VMEM_KIND_ALLOCATED)
            fault.allocated_by = tag->caller;
#endif
    }
    vmem_port_unlock(&arena->lock, state);
    report(arena, &fault);
}

void vmem_fault_misuse(vmem_t *arena, const char *call, vmem_addr_t addr, vmem_size_t size,
                       uintptr_t caller, unsigned long state)
{
    vmem_link_t link = vmem_segment_at(arena, addr);
    enum vmem_fault_kind kind;

    if (link == 0)
        kind = VMEM_FAULT_FOREIGN;
    else if ((addr & (arena->quantum - 1)) != 0)
        kind = VMEM_FAULT_MISALIGNED;
    else if (vmem_tag_is_free(vmem_tag_at(link)))
        kind = VMEM_FAULT_DOUBLE_FREE;
    else if (vmem_tag_at(link)->addr != addr)
        kind = VMEM_FAULT_MISALIGNED;
    else
        kind = VMEM_FAULT_WRONG_SIZE;
    vmem_fault_found(arena, kind, call, addr, size, link, caller, state);
}
