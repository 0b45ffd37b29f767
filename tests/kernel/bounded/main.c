/* SPDX-License-Identifier: MIT */
/*
 * main.c - a kernel that measures the most that any operation does under a lock, with 10^2 live
 * segments to 10^6, prints it as a table, and fails if what is O(1) grows. See meter.c.
 *
 * Its argument is the largest size. The library's pages, and the driver's tables, come from the
 * largest range of memory: what comes back is given out again for the same size.
 */
#include "meter.h"

#include "../../../examples/kernel/arch/arch.h"
#include "../../../examples/kernel/console.h"
#include <vmem/cache.h>
#include <vmem/debug.h>

enum { CLASSES = 48 };

struct segment *live;

static uint64_t region; /* memory that was never given out */
static uint64_t region_end;
static void *returned[CLASSES]; /* by the logarithm of the size: linked through the first word */
static size_t lent;
static uint64_t generator;
static unsigned failures;

void expect(bool condition, const char *what)
{
    if (condition)
        return;
    failures++;
    print("bounded: not so: %s\n", what);
}

uint32_t random_to(uint32_t bound)
{
    uint64_t x = generator;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    generator = x;
    return (uint32_t)(((x * 0x2545f4914f6cdd1d >> 32) * bound) >> 32);
}

/*
 * Memory
 */

static void find_region(const struct boot_info *boot)
{
    for (unsigned i = 0; i < boot->memory_count; i++) {
        uint64_t base = boot->memory[i].base;
        uint64_t end = base + boot->memory[i].size;

        if (!boot->memory[i].usable)
            continue;
        if (base < boot->image_end)
            base = boot->image_end;
        if (end > arch_layout.boot_reach)
            end = arch_layout.boot_reach;
        if (end > base && end - base > region_end - region) {
            region = (base + VMEM_PAGE_SIZE - 1) & ~(uint64_t)(VMEM_PAGE_SIZE - 1);
            region_end = end;
        }
    }
}

void *memory_take(size_t size)
{
    uint64_t taken = region;

    size = (size + VMEM_PAGE_SIZE - 1) & ~(size_t)(VMEM_PAGE_SIZE - 1);
    if (region_end - region < size)
        return NULL;
    region += size;
    return arch_direct(taken);
}

static unsigned class_of(size_t size)
{
    unsigned class = 0;

    while (((size_t)1 << class) < size)
        class ++;
    return class;
}

/* Sizes are a page, or a table of a power of two of pages. */
void *vmem_port_pages_alloc(size_t size)
{
    void *pages = returned[class_of(size)];

    if (pages != NULL)
        returned[class_of(size)] = *(void **)pages;
    else
        pages = memory_take((size_t)1 << class_of(size));
    if (pages != NULL)
        lent += size;
    return pages;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    lent -= size;
    *(void **)pages = returned[class_of(size)];
    returned[class_of(size)] = pages;
}

/*
 * The rest
 */

void vmem_port_fault(const struct vmem_fault *fault)
{
    vmem_fault_print(fault, console_sink, NULL);
    expect(false, "nothing is misused");
}

/* This kernel maps nothing. */
bool page_table_alloc(uint64_t *physical)
{
    (void)physical;
    return false;
}

void page_table_free(uint64_t physical)
{
    (void)physical;
}

/* All that runs with n live, from the same state each time. */
static void run(size_t n)
{
    generator = 0x9e3779b97f4a7c15;
    segments_run(n);
    spans_run(n);
    ordered_run(n);
    objects_run(n);
    ids_run(n);
    measure(REAP_ALL);
    vmem_reap(NULL);
    measure(NOTHING);
    expect(vmem_check(NULL) == 0, "every invariant holds");
    expect(lent == 0, "all pages are back");
}

static size_t number(const char *text)
{
    size_t n = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (size_t)(*text - '0');
    return n;
}

void kernel_main(const struct boot_info *boot)
{
    size_t most = number(boot->command_line);
    unsigned sizes = 0;

    print("\nvmem, bounded work, up to %lu\n", most);
    find_region(boot);
    meter_init();
    vmem_cpus_online(1);
    live = memory_take((most + 1) * sizeof *live);
    expect(live != NULL, "there is memory");
    for (size_t n = LIVE_LEAST; failures == 0 && sizes < SIZES && n <= most; n *= 10) {
        meter_size(sizes++);
        run(n);
    }
    expect(sizes > 0 && meter_print(sizes), "what is O(1) stays flat");
    print(failures == 0 ? "\nbounded: PASS\n" : "\nbounded: FAIL\n");
    arch_exit(failures == 0);
}
