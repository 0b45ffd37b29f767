/* SPDX-License-Identifier: MIT */
/*
 * intervals.c - sets of address ranges that must not overlap; see intervals.h.
 */
#include "intervals.h"

#include <string.h>

/* The first that ends at or above the address. */
static size_t place_of(const struct intervals *set, vmem_addr_t addr)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (set->at[middle].addr + (set->at[middle].size - 1) < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool intervals_add(struct intervals *set, const struct interval *interval)
{
    size_t place = place_of(set, interval->addr);
    vmem_addr_t last = interval->addr + (interval->size - 1);

    if (interval->size == 0 || last < interval->addr || set->count == INTERVALS_MAX)
        return false;
    if (place < set->count && set->at[place].addr <= last)
        return false;
    memmove(&set->at[place + 1], &set->at[place], (set->count - place) * sizeof(set->at[0]));
    set->at[place] = *interval;
    set->count++;
    return true;
}

void intervals_remove(struct intervals *set, size_t index)
{
    set->count--;
    memmove(&set->at[index], &set->at[index + 1], (set->count - index) * sizeof(set->at[0]));
}

size_t intervals_find(const struct intervals *set, vmem_addr_t addr)
{
    size_t place = place_of(set, addr);

    return place < set->count && set->at[place].addr <= addr ? place : SIZE_MAX;
}

size_t intervals_of(const struct intervals *set, const void *owner, size_t start)
{
    for (size_t i = 0; i < set->count; i++) {
        size_t index = (start + i) % set->count;

        if (set->at[index].owner == owner)
            return index;
    }
    return SIZE_MAX;
}

static unsigned char pattern_byte(uint64_t pattern, vmem_size_t i)
{
    return (unsigned char)(pattern >> (i % 8 * 8) ^ i / 8 * 37);
}

void pattern_write(const struct interval *interval)
{
    unsigned char *bytes = (void *)(uintptr_t)interval->addr;

    for (vmem_size_t i = 0; i < interval->filled; i++)
        bytes[i] = pattern_byte(interval->pattern, i);
}

bool pattern_holds(const struct interval *interval, vmem_addr_t addr, vmem_size_t size)
{
    const unsigned char *bytes = (const void *)(uintptr_t)addr;

    for (vmem_size_t i = 0; i < size && i < interval->filled; i++)
        if (bytes[i] != pattern_byte(interval->pattern, i))
            return false;
    return true;
}
