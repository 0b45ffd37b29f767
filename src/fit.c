/* SPDX-License-Identifier: MIT */
/*
 * fit.c - where in a range a request can go: the arithmetic of constraints.
 *
 * A range is [first, last], both inclusive, since its end may be 2^64. An address
 * serves if it is `phase` more than a multiple of `align`, lies in the request's
 * window, and the segment crosses no multiple of `nocross`. Nothing here adds to
 * an address before it has compared distances, so that nothing can wrap.
 *
 * Why one correction for nocross is enough: if align divides nocross, all blocks
 * of nocross look alike, and what does not fit at the first (last) aligned place
 * of the next block fits nowhere in it. If nocross divides align, all aligned
 * addresses stand at the same place of their block: all cross or none does.
 *
 * Cost: O(1).
 */
#include "arena.h"

static bool crosses(const struct vmem_request *request, vmem_addr_t addr)
{
    vmem_addr_t last = addr + (request->size - 1);

    return request->nocross != 0 && ((addr ^ last) & ~(request->nocross - 1)) != 0;
}

/* The part of [first, last] where the request may begin; false: nowhere. */
static bool clip(const struct vmem_request *request, vmem_addr_t *first, vmem_addr_t *last)
{
    if (*first < request->min)
        *first = request->min;
    if (*last > request->max)
        *last = request->max;
    if (*last < *first || *last - *first < request->size - 1)
        return false;
    *last -= request->size - 1;
    return true;
}

/* The lowest aligned address in [first, last]. */
static bool align_up(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                     vmem_addr_t *addrp)
{
    vmem_size_t distance = (request->phase - first) & (request->align - 1);

    if (distance > last - first)
        return false;
    *addrp = first + distance;
    return true;
}

/* The highest. */
static bool align_down(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                       vmem_addr_t *addrp)
{
    vmem_size_t distance = (last - request->phase) & (request->align - 1);

    if (distance > last - first)
        return false;
    *addrp = last - distance;
    return true;
}

bool vmem_fit_low(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                  vmem_addr_t *addrp)
{
    vmem_addr_t addr;
    vmem_addr_t border;

    if (!clip(request, &first, &last) || !align_up(request, first, last, &addr))
        return false;
    if (crosses(request, addr)) {
        border = (addr | (request->nocross - 1)) + 1;
        if (border > last || !align_up(request, border, last, &addr) || crosses(request, addr))
            return false;
    }
    *addrp = addr;
    return true;
}

bool vmem_fit_high(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                   vmem_addr_t *addrp)
{
    vmem_addr_t addr;
    vmem_addr_t border;

    if (!clip(request, &first, &last) || !align_down(request, first, last, &addr))
        return false;
    if (crosses(request, addr)) {
        border = (addr + (request->size - 1)) & ~(request->nocross - 1);
        if (border < request->size || border - request->size < first ||
            !align_down(request, first, border - request->size, &addr) || crosses(request, addr))
            return false;
    }
    *addrp = addr;
    return true;
}

bool vmem_fit(const struct vmem_request *request, vmem_addr_t cursor, vmem_addr_t first,
              vmem_addr_t last, vmem_addr_t *addrp)
{
    struct vmem_request from_cursor;

    if (request->policy == VMEM_LASTFIT)
        return vmem_fit_high(request, first, last, addrp);
    if (request->policy == VMEM_NEXTFIT && request->min < cursor) {
        from_cursor = *request;
        from_cursor.min = cursor;
        if (vmem_fit_low(&from_cursor, first, last, addrp))
            return true;
    }
    return vmem_fit_low(request, first, last, addrp);
}
