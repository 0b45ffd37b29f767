/* SPDX-License-Identifier: MIT */
/*
 * memory.c - from the machine's memory map to a heap.
 *
 *     phys    physical memory: the usable ranges of the map, less the kernel's image
 *     dma     the part of it that old devices reach, imported from phys as needed
 *     kva     the kernel's virtual addresses; nothing is mapped there yet
 *     heap    memory: its import takes addresses from kva and maps pages from phys there
 *
 * Everything else comes out of phys as well: the page tables, and the pages that vmem itself asks
 * for when its static tags run out. So phys feeds its own tags, and bootstrapping is no special
 * case: until there is a phys, vmem lives on its static pool.
 */
#include "kernel.h"

enum {
    HEAP_QUANTUM = 64,
    DMA_QUANTUM = 512,
    DMA_LIMIT = 16 << 20,
    KVA_QUANTUM = 16 * PAGE_SIZE /* what the heap grows by */
};

static struct memory_use use;

struct memory_use memory_use(void)
{
    return use;
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

bool page_table_alloc(uint64_t *physical)
{
    if (!page_alloc(physical))
        return false;
    uint64_t *table = arch_direct(*physical);
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*table); i++)
        table[i] = 0;
    use.tables += PAGE_SIZE;
    return true;
}

void page_table_free(uint64_t physical)
{
    page_free(physical);
    use.tables -= PAGE_SIZE;
}

/* vmem's own memory: from the very arena that may be asking. */
void *vmem_port_pages_alloc(size_t size)
{
    vmem_addr_t addr;
    if (arenas[ARENA_PHYS] == NULL || vmem_alloc(arenas[ARENA_PHYS], size, 0, &addr) != 0)
        return NULL;
    use.lent += size;
    return arch_direct(addr);
}

void vmem_port_pages_free(void *pages, size_t size)
{
    vmem_free(arenas[ARENA_PHYS], (vmem_addr_t)arch_physical(pages), size);
    use.lent -= size;
}

/* Takes the memory away behind [base, base + size). */
static void unmap_pages(uintptr_t base, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE) {
        page_free(arch_unmap(base + offset));
        use.mapped -= PAGE_SIZE;
    }
}

/* Puts memory behind [base, base + size): all of it or none. */
static bool map_pages(uintptr_t base, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE) {
        uint64_t physical;
        const bool have_page = page_alloc(&physical);
        if (!have_page || !arch_map(base + offset, physical)) {
            if (have_page)
                page_free(physical);
            unmap_pages(base, offset);
            return false;
        }
        use.mapped += PAGE_SIZE;
    }
    return true;
}

static int heap_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c,
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

static void heap_release(void *ctx, vmem_addr_t addr, vmem_size_t size)
{
    unmap_pages(addr, size);
    vmem_xfree(ctx, addr, size);
}

/* The caller's constraints, and that the device can reach it. */
static int dma_import(void *ctx, vmem_size_t size, const struct vmem_constraints *c, unsigned flags,
                      vmem_addr_t *addrp)
{
    struct vmem_constraints reachable = *c;
    if (c->min >= DMA_LIMIT)
        return -VMEM_ENOSPC;
    if (c->limit == 0 || c->limit > DMA_LIMIT)
        reachable.limit = DMA_LIMIT;
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

void memory_init(const struct boot_info *boot)
{
    create(ARENA_PHYS, (struct vmem_params){.quantum = PAGE_SIZE});
    add_memory(boot, 0, arch_layout.boot_reach);
    add_memory(boot, arch_layout.boot_reach, UINT64_MAX);

    create(ARENA_DMA, (struct vmem_params){.quantum = DMA_QUANTUM,
                                           .source = arenas[ARENA_PHYS],
                                           .import = dma_import,
                                           .release = dma_release,
                                           .ctx = arenas[ARENA_PHYS]});
    create(ARENA_KVA, (struct vmem_params){.base = arch_layout.virtual_base,
                                           .size = arch_layout.virtual_size,
                                           .quantum = KVA_QUANTUM});
    create(ARENA_HEAP, (struct vmem_params){.quantum = HEAP_QUANTUM,
                                            .source = arenas[ARENA_KVA],
                                            .import = heap_import,
                                            .release = heap_release,
                                            .ctx = arenas[ARENA_KVA]});
}
