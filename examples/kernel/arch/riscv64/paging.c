/* SPDX-License-Identifier: MIT */
/*
 * paging.c - page tables of four levels (Sv48).
 *
 * The tables are reached through the direct map. A table is taken when the first entry is to go
 * into it and given back with the last one, so the kernel's page-table pages are exactly those that
 * its mappings need: the demonstration counts them. The tables of the direct map stay.
 *
 * A hart may remember an entry until it is told to forget it, and only itself can do so: the others
 * are asked through SBI. It may even remember that an entry was invalid. To ask all of them at each
 * mapping would cost more than the mapping, so a hart that faults where there is a page forgets and
 * tries again (traps.c).
 */
#include "riscv64.h"
#include "sbi.h"

enum { ENTRIES = 512, PAGE_SHIFT = 12, LEVEL_SHIFT = 9, TOP_LEVEL = 3, LARGE_LEVEL = 1 };
enum { FRAME_SHIFT = 10 };

#define VALID 0x01ULL
#define MEMORY                                                                         \
    0xe7ULL /* dirty, accessed, global, writable, readable, valid: a page on any level \
             */
#define FRAMES 0x003ffffffffffc00ULL
#define LARGE_SIZE ((uint64_t)PAGE_SIZE * ENTRIES)

extern uint64_t root_table[ENTRIES];

const struct arch_layout arch_layout = {
    .name = "riscv64",
    .direct_map = 0xffff800000000000,
    .boot_reach = 1ULL << 32,
    .virtual_base = 0xffffc00000000000,
    .virtual_size = 1ULL << 40,
    .dma_limit = 1ULL << 32,
};

static unsigned index_of(uintptr_t address, unsigned level)
{
    return (unsigned)(address >> (PAGE_SHIFT + level * LEVEL_SHIFT)) % ENTRIES;
}

static uint64_t physical_of(uint64_t entry)
{
    return (entry & FRAMES) << (PAGE_SHIFT - FRAME_SHIFT);
}

static uint64_t make_entry(uint64_t physical, uint64_t flags)
{
    return physical >> (PAGE_SHIFT - FRAME_SHIFT) | flags;
}

static bool is_empty(const uint64_t *table, unsigned first)
{
    /* Begins at the entry just cleared: its neighbour mostly tells at once. */
    for (unsigned i = 0; i < ENTRIES; i++)
        if (table[(first + i) % ENTRIES] != 0)
            return false;
    return true;
}

/* What the entry points to is seen before it. */
static void set_entry(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* This hart forgets the page at an address, or that there was none; */
static void flush(uintptr_t address)
{
    __asm__ volatile("sfence.vma %0" : : "r"(address) : "memory");
}

/* and where the tables are: the other form of the instruction keeps them. */
static void flush_tables(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}

void arch_flush_others(void)
{
    const unsigned long all = (unsigned long)-1; /* harts, in place of a mask; addresses */
    (void)sbi_call(SBI_RFENCE, SBI_RFENCE_SFENCE_VMA, 0, all, 0, all);
}

/* The table that an entry points to, made if it is not there; NULL: no page for it. */
static uint64_t *table_below(uint64_t *entry)
{
    if ((*entry & VALID) == 0) {
        uint64_t physical;
        if (!page_table_alloc(&physical))
            return NULL;
        set_entry(entry, make_entry(physical, VALID));
        flush_tables();
    }
    return arch_direct(physical_of(*entry));
}

/* The entry for an address in a table of this level, with all tables above it; or NULL. */
static uint64_t *entry_at(uintptr_t address, unsigned level)
{
    uint64_t *table = root_table;
    for (unsigned above = TOP_LEVEL; above > level && table != NULL; above--)
        table = table_below(&table[index_of(address, above)]);
    return table == NULL ? NULL : &table[index_of(address, level)];
}

/* Gives back the tables on the way to an address that map nothing, from the last one up. */
static void prune(uintptr_t address)
{
    uint64_t *tables[TOP_LEVEL + 1]; /* from the top down */
    unsigned depth = 0;
    tables[0] = root_table;
    while (depth < TOP_LEVEL) {
        const uint64_t entry = tables[depth][index_of(address, TOP_LEVEL - depth)];
        if ((entry & VALID) == 0)
            break;
        tables[++depth] = arch_direct(physical_of(entry));
    }
    for (; depth > 0 && is_empty(tables[depth], index_of(address, TOP_LEVEL - depth)); depth--) {
        set_entry(&tables[depth - 1][index_of(address, TOP_LEVEL - depth + 1)], 0);
        flush_tables();
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
        set_entry(entry, make_entry(at, MEMORY));
        flush((uintptr_t)arch_direct(at));
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
    set_entry(entry, make_entry(physical, MEMORY));
    flush(address);
    return true;
}

uint64_t arch_unmap(uintptr_t address)
{
    uint64_t *entry = entry_at(address, 0);
    const uint64_t physical = physical_of(*entry);
    set_entry(entry, 0);
    flush(address);
    prune(address);
    return physical;
}

bool riscv64_fault_was_stale(uintptr_t address)
{
    const uint64_t *table = root_table;
    if (address - arch_layout.virtual_base >= arch_layout.virtual_size)
        return false;
    for (unsigned level = TOP_LEVEL; level > 0; level--) {
        const uint64_t entry = *(const volatile uint64_t *)&table[index_of(address, level)];
        if ((entry & VALID) == 0)
            return false;
        table = arch_direct(physical_of(entry));
    }
    flush_tables();
    return (*(const volatile uint64_t *)&table[index_of(address, 0)] & VALID) != 0;
}
