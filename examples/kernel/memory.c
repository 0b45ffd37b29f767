/* SPDX-License-Identifier: MIT */
/*
 * memory.c - from the machine's memory map to a heap.
 *
 *     phys    physical memory: the usable ranges of the map, less the kernel's image
 *     dma     the part of it that old devices reach, imported from phys as needed
 *     direct  physical memory under the address at which the kernel sees it: page tables
 *     kva     the kernel's virtual addresses; nothing is mapped there yet
 *     kmem    memory: its import takes addresses from kva and maps pages from phys there
 *     heap    blocks of any size, out of kmem
 *
 * Everything else comes out of phys as well: the page tables, and the pages that vmem itself asks
 * for when its static tags run out. So phys feeds its own tags, and bootstrapping is no special
 * case: until there is a phys, vmem lives on its static pool.
 *
 * Locking: the page tables have one lock, and nothing of vmem is called with it. So the tables that
 * a mapping may need are taken before, and what an unmapping leaves over, pages and tables, is kept
 * until all CPUs have forgotten the way to it, and only then freed.
 */
#include "kernel.h"

enum {
    DMA_QUANTUM = 512,
    KVA_QUANTUM = 16 * PAGE_SIZE, /* what kmem grows by */
    KMEM_CACHED = 4 * PAGE_SIZE,  /* runs of up to so many pages come and go through caches */
    UNMAP_STEP = 32               /* pages at a time, and one interrupt to the other CPUs for all */
};

vmem_heap_t *heap;
vmem_cache_t *page_tables;

static uint64_t lent;   /* as in struct memory_use */
static uint64_t mapped; /* likewise */

struct memory_use memory_use(void)
{
    struct vmem_stats direct;
    vmem_stat(arenas[ARENA_DIRECT], &direct);
    return (struct memory_use){.lent = lent, .tables = direct.imported, .mapped = mapped};
}

/* One page of physical memory. */
static bool page_alloc(uint64_t *physical)
{
    vmem_addr_t addr;
    if (arenas[ARENA_PHYS] == NULL || vmem_alloc(arenas[ARENA_PHYS], PAGE_SIZE, 0, &addr) != 0)
        return false;
    *physical = addr;
    return true;
}

static void page_free(uint64_t physical)
{
    vmem_free(arenas[ARENA_PHYS], physical, PAGE_SIZE);
}

/*
 * Page tables are an object cache. One that is free is empty, as it was when it was made, so it is
 * zeroed once, not each time.
 */
static int page_table_construct(void *table, void *ctx, unsigned flags)
{
    uint64_t *entries = table;
    (void)ctx;
    (void)flags;
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*entries); i++)
        entries[i] = 0;
    return 0;
}

static void page_table_destruct(void *table, void *ctx)
{
    const uint64_t *entries = table;
    uint64_t any = 0;
    (void)ctx;
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*entries); i++)
        any |= entries[i];
    expect(any == 0, "a page table that is free is empty");
}

/*
 * Tables on their way between the cache and the page tables: linked by their first entry, which no
 * processor takes for one, since the address of a table is even.
 */
struct tables {
    uint64_t *first;
    unsigned count;
};

static struct port_lock paging_lock = PORT_LOCK_INIT;
static struct tables *at_hand; /* of who has the lock; NULL: at boot */

static void tables_put(struct tables *tables, uint64_t *table)
{
    table[0] = (uintptr_t)tables->first;
    tables->first = table;
    tables->count++;
}

static uint64_t *tables_take(struct tables *tables)
{
    uint64_t *table = tables->first;
    tables->first = (uint64_t *)(uintptr_t)table[0];
    tables->count--;
    table[0] = 0;
    return table;
}

static bool tables_fill(struct tables *tables)
{
    while (tables->count < TABLES_MAX) {
        uint64_t *table = vmem_cache_alloc(page_tables, 0);
        if (table == NULL)
            return false;
        tables_put(tables, table);
    }
    return true;
}

static void tables_free(struct tables *tables)
{
    while (tables->count > 0)
        vmem_cache_free(page_tables, tables_take(tables));
}

static unsigned long paging_begin(struct tables *tables)
{
    const unsigned long state = port_lock(&paging_lock);
    at_hand = tables;
    return state;
}

static void paging_end(unsigned long state)
{
    at_hand = NULL;
    port_unlock(&paging_lock, state);
}

bool page_table_alloc(uint64_t *physical)
{
    const void *table = NULL;
    if (at_hand == NULL)
        table = vmem_cache_alloc(page_tables, 0);
    else if (at_hand->count > 0)
        table = tables_take(at_hand);
    if (table != NULL)
        *physical = arch_physical(table);
    return table != NULL;
}

void page_table_free(uint64_t physical)
{
    tables_put(at_hand, arch_direct(physical));
}

/* vmem's own memory: from the very arena that may be asking. */
void *vmem_port_pages_alloc(size_t size)
{
    vmem_addr_t addr;
    if (arenas[ARENA_PHYS] == NULL || vmem_alloc(arenas[ARENA_PHYS], size, 0, &addr) != 0)
        return NULL;
    __atomic_fetch_add(&lent, size, __ATOMIC_RELAXED);
    return arch_direct(addr);
}

void vmem_port_pages_free(void *pages, size_t size)
{
    vmem_free(arenas[ARENA_PHYS], (vmem_addr_t)arch_physical(pages), size);
    __atomic_fetch_sub(&lent, size, __ATOMIC_RELAXED);
}

/* Takes the memory away behind up to UNMAP_STEP pages. */
static void unmap_step(uintptr_t base, unsigned pages)
{
    struct tables tables = {0};
    uint64_t physical[UNMAP_STEP];
    const unsigned long state = paging_begin(&tables);
    for (unsigned i = 0; i < pages; i++)
        physical[i] = arch_unmap(base + (uintptr_t)i * PAGE_SIZE);
    paging_end(state);
    arch_flush_others();
    for (unsigned i = 0; i < pages; i++)
        page_free(physical[i]);
    tables_free(&tables);
    __atomic_fetch_sub(&mapped, (uint64_t)pages * PAGE_SIZE, __ATOMIC_RELAXED);
}

/* Takes the memory away behind [base, base + size). */
static void unmap_pages(uintptr_t base, size_t size)
{
    for (size_t pages = size / PAGE_SIZE; pages > 0;) {
        const unsigned step = pages < UNMAP_STEP ? (unsigned)pages : UNMAP_STEP;
        unmap_step(base, step);
        base += (uintptr_t)step * PAGE_SIZE;
        pages -= step;
    }
}

/* Puts a page there: with tables at hand for all that it may need. */
static bool map_page(uintptr_t address, struct tables *tables)
{
    uint64_t physical;
    if (!tables_fill(tables) || !page_alloc(&physical))
        return false;
    const unsigned long state = paging_begin(tables);
    const bool is_mapped = arch_map(address, physical);
    paging_end(state);
    expect(is_mapped, "a page can be mapped where there are tables");
    __atomic_fetch_add(&mapped, PAGE_SIZE, __ATOMIC_RELAXED);
    return true;
}

/* Puts memory behind [base, base + size): all of it or none. */
static bool map_pages(uintptr_t base, size_t size)
{
    struct tables tables = {0};
    size_t offset = 0;
    while (offset < size && map_page(base + offset, &tables))
        offset += PAGE_SIZE;
    tables_free(&tables);
    if (offset < size)
        unmap_pages(base, offset);
    return offset == size;
}

static int kmem_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                       unsigned flags, vmem_addr_t *addrp)
{
    vmem_addr_t addr;
    const int error = vmem_xalloc(ctx, size, c, flags, &addr);
    if (error != 0)
        return error;
    if (!map_pages(addr, size)) {
        vmem_xfree(ctx, addr, size);
        return -VMEM_ENOMEM;
    }
    *addrp = addr;
    return 0;
}

static void kmem_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    unmap_pages(addr, size);
    vmem_xfree(ctx, addr, size);
}

/* Physical memory, seen through the direct map: the same constraints, as far below. */
static int direct_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
                         unsigned flags, vmem_addr_t *addrp)
{
    const vmem_addr_t base = arch_layout.direct_map;
    struct vmem_constraints below = *c;
    if (c->limit != 0 && c->limit <= base)
        return -VMEM_ENOSPC;
    below.min = c->min > base ? c->min - base : 0;
    below.limit = c->limit != 0 ? c->limit - base : 0;
    const int error = vmem_xalloc(ctx, size, &below, flags, addrp);
    if (error == 0)
        *addrp += base;
    return error;
}

static void direct_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    vmem_xfree(ctx, addr - arch_layout.direct_map, size);
}

/* The caller's constraints, and that the device can reach it. */
static int dma_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                      vmem_addr_t *addrp)
{
    struct vmem_constraints reachable = *c;
    if (c->min >= arch_layout.dma_limit)
        return -VMEM_ENOSPC;
    if (c->limit == 0 || c->limit > arch_layout.dma_limit)
        reachable.limit = arch_layout.dma_limit;
    return vmem_xalloc(ctx, size, &reachable, flags, addrp);
}

static void dma_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    vmem_xfree(ctx, addr, size);
}

/* Gives the whole pages of [base, end) to phys, less what the boot image occupies. */
static void add_usable(const struct boot_info *boot, uint64_t base, uint64_t end)
{
    base = (base + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    end &= ~(uint64_t)(PAGE_SIZE - 1);
    const uint64_t parts[2][2] = {
        {base, end < boot->image_base ? end : boot->image_base},
        {base > boot->image_end ? base : boot->image_end, end},
    };
    for (unsigned i = 0; i < 2; i++) {
        if (parts[i][0] < parts[i][1]) {
            expect(vmem_add(arenas[ARENA_PHYS], parts[i][0], parts[i][1] - parts[i][0], 0) == 0,
                   "a usable range becomes a span");
        }
    }
}

/*
 * Adds what lies in [from, to) of every usable range. What the first page tables do not reach comes
 * in a second round: its part of the direct map takes its tables from the first.
 */
static void add_memory(const struct boot_info *boot, uint64_t from, uint64_t to)
{
    for (unsigned i = 0; i < boot->memory_count; i++) {
        const struct memory_range *range = &boot->memory[i];
        const uint64_t base = range->base > from ? range->base : from;
        const uint64_t end = range->base + range->size < to ? range->base + range->size : to;
        if (!range->usable || base >= end)
            continue;
        if (from > 0 && !arch_direct_map_add(base, end - base)) {
            expect(false, "the direct map reaches all memory");
            continue;
        }
        add_usable(boot, base, end);
    }
}

static void create(enum arena_id id, struct vmem_params params)
{
    params.name = arena_names[id];
    expect(vmem_create(&params, &arenas[id]) == 0, "an arena is created");
}

static void create_direct(void)
{
    create(ARENA_DIRECT, (struct vmem_params){.quantum = PAGE_SIZE,
                                              .source = arenas[ARENA_PHYS],
                                              .import = direct_import,
                                              .release = direct_release,
                                              .ctx = arenas[ARENA_PHYS]});
    const struct vmem_cache_params tables = {.name = "page table",
                                             .size = PAGE_SIZE,
                                             .align = PAGE_SIZE,
                                             .construct = page_table_construct,
                                             .destruct = page_table_destruct,
                                             .arena = arenas[ARENA_DIRECT]};
    expect(vmem_cache_create(&tables, &page_tables) == 0, "page tables have a cache");
}

static void create_kmem(void)
{
    create(ARENA_KVA, (struct vmem_params){.base = arch_layout.virtual_base,
                                           .size = arch_layout.virtual_size,
                                           .quantum = KVA_QUANTUM});
    create(ARENA_KMEM, (struct vmem_params){.quantum = PAGE_SIZE,
                                            .qcache_max = KMEM_CACHED,
                                            .source = arenas[ARENA_KVA],
                                            .import = kmem_import,
                                            .release = kmem_release,
                                            .ctx = arenas[ARENA_KVA]});
    const struct vmem_heap_params params = {.name = "kmalloc", .arena = arenas[ARENA_KMEM]};
    expect(vmem_heap_create(&params, &heap) == 0, "there is a heap");
}

void memory_init(const struct boot_info *boot)
{
    create(ARENA_PHYS, (struct vmem_params){.quantum = PAGE_SIZE});
    add_memory(boot, 0, arch_layout.boot_reach);
    create_direct();
    add_memory(boot, arch_layout.boot_reach, UINT64_MAX);
    create(ARENA_DMA, (struct vmem_params){.quantum = DMA_QUANTUM,
                                           .source = arenas[ARENA_PHYS],
                                           .import = dma_import,
                                           .release = dma_release,
                                           .ctx = arenas[ARENA_PHYS]});
    create_kmem();
}
