/* SPDX-License-Identifier: MIT */
/*
 * main.c - the demonstration: a kernel that boots, builds its allocators with vmem, works them
 * until the memory is used up, then from all CPUs at once, gives everything back, and says whether
 * all of it was right.
 */
#include "kernel.h"

#ifndef DEMO_SHELL
#define DEMO_SHELL 0
#endif

static void print_memory_map(const struct boot_info *boot)
{
    print("memory map of the machine\n\n");
    for (unsigned i = 0; i < boot->memory_count; i++) {
        const struct memory_range *range = &boot->memory[i];
        print("  0x%012lx - 0x%012lx  %10s  %s\n", range->base, range->base + range->size - 1,
              size_text(range->size).text, range->usable ? "usable" : "reserved");
    }
    print("  0x%012lx - 0x%012lx  %10s  this kernel\n", boot->image_base, boot->image_end - 1,
          size_text(boot->image_end - boot->image_base).text);
}

/* Whether a word of the command line is this one. */
static bool has_argument(const char *line, const char *word)
{
    while (*line != '\0') {
        const char *w = word;
        while (*line == ' ')
            line++;
        while (*line != '\0' && *line != ' ' && *line == *w) {
            line++;
            w++;
        }
        if (*w == '\0' && (*line == '\0' || *line == ' '))
            return true;
        while (*line != '\0' && *line != ' ')
            line++;
    }
    return false;
}

static struct vmem_cache_stats stats_of(vmem_cache_t *cache)
{
    struct vmem_cache_stats stats;
    vmem_cache_stat(cache, &stats);
    return stats;
}

/* Nothing is handed out any more but the direct map's page tables, and nothing waits to be. */
static void check_caches_are_empty(size_t tables_at_boot)
{
    const struct vmem_cache_stats tables = stats_of(page_tables);
    struct vmem_heap_stats blocks;
    struct vmem_id_stats space;
    expect(tables.in_use == tables_at_boot && tables.in_magazines == 0 && tables.empty_slabs == 0,
           "no page table is left, in use or free, but the direct map's");
    expect(stats_of(threads).slabs == 0, "no thread is left, in use or free");
    expect(stacks == 0, "free threads have given their stacks back");
    vmem_heap_stat(heap, &blocks);
    expect(blocks.blocks == 0 && blocks.in_use == 0 && blocks.held == 0, "the heap is empty");
    for (unsigned i = 0; i < IDS_COUNT; i++) {
        vmem_id_stat(ids[i], &space);
        expect(space.in_use == 0 && space.allocs == space.frees, "each number is back");
    }
}

/* All that was taken is back: what phys still holds is exactly what vmem and the tables hold. */
static void check_all_returned(size_t tables_at_boot)
{
    struct vmem_stats stats;
    vmem_reap(NULL);
    check_caches_are_empty(tables_at_boot);
    for (unsigned i = ARENA_PHYS + 1; i < ARENA_COUNT; i++) {
        vmem_stat(arenas[i], &stats);
        expect(i == ARENA_DIRECT || (stats.in_use == 0 && stats.imported == 0),
               "everything is back in the end");
    }
    const struct memory_use use = memory_use();
    vmem_stat(arenas[ARENA_PHYS], &stats);
    expect(use.mapped == 0, "no page is mapped in the end");
    expect(stats.in_use == use.lent + use.tables, "no page is lost");
    expect(vmem_check(NULL) == 0, "every invariant holds in the end");
}

void kernel_main(const struct boot_info *boot)
{
    print("\nvmem demonstration kernel, %s\n\n", arch_layout.name);
    print_memory_map(boot);
    print("\n%u CPUs\n", boot->cpu_count);
    expect(boot->memory_count > 0, "the machine hands over a memory map");
    vmem_cpus_online(1);
    memory_init(boot);
    numbers_init();
    process_init();
    expect(cpus_start(boot->cpu_count) == boot->cpu_count, "each CPU of the machine starts");
    vmem_cpus_online(boot->cpu_count);
    const size_t tables_at_boot = stats_of(page_tables).in_use;
    arenas_print("before");

    workload_run();
    smp_run();
    misuse_run();
    check_all_returned(tables_at_boot);
    arenas_print("after");

    if (DEMO_SHELL || has_argument(boot->command_line, "shell"))
        shell_run();
    if (problems == 0)
        print("\nvmem demo: PASS\n");
    else
        print("\nvmem demo: FAIL, %u problems\n", problems);
    arch_exit(problems == 0);
}
