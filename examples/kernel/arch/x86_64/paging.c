/* SPDX-License-Identifier: MIT */
/*
 * paging.c - page tables of four levels.
 *
 * The tables are reached through the direct map. A table is taken when the first entry is to go
 * into it and given back with the last one, so the kernel's page-table pages are exactly those that
 * its mappings need: the demonstration counts them. The tables of the direct map stay. Who changes
 * tables is alone at it (memory.c); all CPUs read them at any time.
 */
#include "x86_64.h"

enum { ENTRIES = 512, PAGE_SHIFT = 12, LEVEL_SHIFT = 9, TOP_LEVEL = 3, LARGE_LEVEL = 1 };

#define PRESENT 0x1ULL
#define WRITABLE 0x2ULL
#define LARGE 0x80ULL
#define NO_EXECUTE (1ULL << 63)
#define FRAME 0x000ffffffffff000ULL
#define LARGE_SIZE ((uint64_t)PAGE_SIZE * ENTRIES)

extern uint64_t pml4[ENTRIES];

const struct arch_layout arch_layout = {
    .name = "x86_64",
    .direct_map = 0xffff800000000000,
    .boot_reach = 1ULL << 32,
    .virtual_base = 0xffffc00000000000,
    .virtual_size = 1ULL << 40,
    .dma_limit = 16 << 20, /* an ISA device's 24 bits */
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

static void flush(uintptr_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

void x86_64_flush_all(void)
{
    uint64_t tables;
    __asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(tables) : : "memory");
}

/* The table that an entry points to, made if it is not there; NULL: no page for it. */
static uint64_t *table_below(uint64_t *entry)
{
    if ((*entry & PRESENT) == 0) {
        uint64_t physical;
        if (!page_table_alloc(&physical))
            return NULL;
        *entry = physical | PRESENT | WRITABLE;
    }
    return arch_direct(*entry & FRAME);
}

/* The entry for an address in a table of this level, with all tables above it; or NULL. */
static uint64_t *entry_at(uintptr_t address, unsigned level)
{
    uint64_t *table = pml4;
    for (unsigned above = TOP_LEVEL; above > level && table != NULL; above--)
        table = table_below(&table[index_of(address, above)]);
    return table == NULL ? NULL : &table[index_of(address, level)];
}

/* Gives back the tables on the way to an address that map nothing, from the last one up. */
static void prune(uintptr_t address)
{
    uint64_t *tables[TOP_LEVEL + 1]; /* from the top down */
    unsigned depth = 0;
    tables[0] = pml4;
    while (depth < TOP_LEVEL) {
        const uint64_t entry = tables[depth][index_of(address, TOP_LEVEL - depth)];
        if ((entry & PRESENT) == 0)
            break;
        tables[++depth] = arch_direct(entry & FRAME);
    }
    for (; depth > 0 && is_empty(tables[depth], index_of(address, TOP_LEVEL - depth)); depth--) {
        tables[depth - 1][index_of(address, TOP_LEVEL - depth + 1)] = 0;
        flush(address); /* the processor may remember the tables, too */
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
        *entry = at | PRESENT | WRITABLE | LARGE | NO_EXECUTE;
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
    *entry = physical | PRESENT | WRITABLE | NO_EXECUTE;
    return true;
}

uint64_t arch_unmap(uintptr_t address)
{
    uint64_t *entry = entry_at(address, 0);
    const uint64_t physical = *entry & FRAME;
    *entry = 0;
    flush(address);
    prune(address);
    return physical;
}
