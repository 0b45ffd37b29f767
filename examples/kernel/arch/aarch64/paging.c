/* SPDX-License-Identifier: MIT */
/*
 * paging.c - page tables of four levels, for the upper half of the addresses.
 *
 * The tables are reached through the direct map. A table is taken when the first entry is to go
 * into it and given back with the last one, so the kernel's page-table pages are exactly those that
 * its mappings need: the demonstration counts them. The tables of the direct map stay.
 *
 * A CPU walks the tables through its caches, while others write them: an entry counts for it once a
 * barrier has passed the writes before. It never remembers that an entry was invalid, so one that
 * becomes valid needs no more than that; and what it does remember goes from all CPUs at once, by
 * one instruction that tells the others. So there is nothing left for arch_flush_others().
 */
#include "aarch64.h"

enum { ENTRIES = 512, PAGE_SHIFT = 12, LEVEL_SHIFT = 9, TOP_LEVEL = 3, LARGE_LEVEL = 1 };

#define VALID 0x1ULL
#define TABLE 0x3ULL            /* to a table of the next level */
#define PAGE 0x703ULL           /* of memory: accessed, inner shareable, the kernel's alone */
#define BLOCK 0x701ULL          /* the same, on a level above the last */
#define NO_EXECUTE (3ULL << 53) /* by nobody */
#define FRAME 0x0000fffffffff000ULL
#define LARGE_SIZE ((uint64_t)PAGE_SIZE * ENTRIES)

extern uint64_t level0[ENTRIES];

const struct arch_layout arch_layout = {
    .name = "aarch64",
    .direct_map = 0xffff800000000000,
    .boot_reach = 2ULL << 30,
    .virtual_base = 0xffffc00000000000,
    .virtual_size = 1ULL << 40,
    .dma_limit = 1ULL << 32,
};

static unsigned index_of(uintptr_t address, unsigned level)
{
    return (unsigned)(address >> (PAGE_SHIFT + level * LEVEL_SHIFT)) % ENTRIES;
}

static bool is_empty(const uint64_t *table, unsigned first)
{
    /* Begins at the entry just cleared: its neighbour mostly tells at once. */
    for (unsigned i = 0; i < ENTRIES; i++)
        if (table[(first + i) % ENTRIES] != 0)
            return false;
    return true;
}

/* What the entry points to is seen before it, and it before what comes next on this CPU. */
static void set_entry(uint64_t *entry, uint64_t value)
{
    __asm__ volatile("dsb ishst" : : : "memory");
    *(volatile uint64_t *)entry = value;
    __asm__ volatile("dsb ishst; isb" : : : "memory");
}

/* All CPUs forget the translation of an address, with the tables on the way. */
static void flush(uintptr_t address)
{
    const uint64_t page = (address >> PAGE_SHIFT) & ((1ULL << 44) - 1);
    __asm__ volatile("tlbi vaae1is, %0; dsb ish; isb" : : "r"(page) : "memory");
}

void arch_flush_others(void)
{
}

/* The table that an entry points to, made if it is not there; NULL: no page for it. */
static uint64_t *table_below(uint64_t *entry)
{
    if ((*entry & VALID) == 0) {
        uint64_t physical;
        if (!page_table_alloc(&physical))
            return NULL;
        set_entry(entry, physical | TABLE);
    }
    return arch_direct(*entry & FRAME);
}

/* The entry for an address in a table of this level, with all tables above it; or NULL. */
static uint64_t *entry_at(uintptr_t address, unsigned level)
{
    uint64_t *table = level0;
    for (unsigned above = TOP_LEVEL; above > level && table != NULL; above--)
        table = table_below(&table[index_of(address, above)]);
    return table == NULL ? NULL : &table[index_of(address, level)];
}

/* Gives back the tables on the way to an address that map nothing, from the last one up. */
static void prune(uintptr_t address)
{
    uint64_t *tables[TOP_LEVEL + 1]; /* from the top down */
    unsigned depth = 0;
    tables[0] = level0;
    while (depth < TOP_LEVEL) {
        const uint64_t entry = tables[depth][index_of(address, TOP_LEVEL - depth)];
        if ((entry & VALID) == 0)
            break;
        tables[++depth] = arch_direct(entry & FRAME);
    }
    for (; depth > 0 && is_empty(tables[depth], index_of(address, TOP_LEVEL - depth)); depth--) {
        set_entry(&tables[depth - 1][index_of(address, TOP_LEVEL - depth + 1)], 0);
        flush(address); /* processors may remember the tables, too */
        page_table_free(arch_physical(tables[depth]));
    }
}

bool arch_direct_map_add(uint64_t base, uint64_t size)
{
    const uint64_t end = base + size;
    for (uint64_t at = base & ~(LARGE_SIZE - 1); at < end; at += LARGE_SIZE) {
        uint64_t *entry = entry_at((uintptr_t)arch_direct(at), LARGE_LEVEL);
        if (entry == NULL)
            return false;
        set_entry(entry, at | BLOCK | NO_EXECUTE);
    }
    return true;
}

bool arch_map(uintptr_t address, uint64_t physical)
{
    uint64_t *entry = entry_at(address, 0);
    if (entry == NULL) {
        prune(address);
        return false;
    }
    set_entry(entry, physical | PAGE | NO_EXECUTE);
    return true;
}

uint64_t arch_unmap(uintptr_t address)
{
    uint64_t *entry = entry_at(address, 0);
    const uint64_t physical = *entry & FRAME;
    set_entry(entry, 0);
    flush(address);
    prune(address);
    return physical;
}
