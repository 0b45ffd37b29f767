/* SPDX-License-Identifier: MIT */
/*
 * workload.c - uses everything there is. A seeded random mix takes and frees blocks of the heap,
 * runs of pages, buffers for DMA, PIDs and interrupt vectors until seven eighths of the memory are
 * taken, goes on at that level, and then takes what is left, page by page. Every word of every
 * block gets a pattern that depends on its owner; numbers are marked in a bitmap. All of it is
 * verified at the peak, and each thing again before it is freed.
 */
#include "kernel.h"

struct item {
    vmem_addr_t addr;
    vmem_size_t size;
    enum arena_id arena;
    uint32_t tag; /* different for each item: what its pattern begins with */
};

static struct {
    struct item *items; /* what is taken, in no order */
    size_t capacity;
    size_t count;
    uint64_t random;
    uint32_t next_tag;
    uint64_t bytes; /* that hold a pattern now */
    uint64_t operations;
    uint64_t refusals;
} work;

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static uint64_t random_bits(void)
{
    work.random ^= work.random >> 12;
    work.random ^= work.random << 25;
    work.random ^= work.random >> 27;
    return work.random * 0x2545f4914f6cdd1d;
}

static uint64_t random_below(uint64_t limit)
{
    return (random_bits() >> 16) % limit;
}

/* Sizes of all magnitudes alike: between 2^low and 2^high. */
static uint64_t random_size(unsigned low, unsigned high)
{
    const uint64_t magnitude = 1ULL << (low + random_below(high - low));
    return magnitude + random_below(magnitude);
}

static uint64_t free_memory(void)
{
    struct vmem_stats stats;
    vmem_stat(arenas[ARENA_PHYS], &stats);
    return stats.free;
}

/* The pattern: an item's words count up from its tag, in steps that touch all their bits. */
enum { WORD = sizeof(uint64_t) };
static const uint64_t pattern_step = 0x9e3779b97f4a7c15;

static uint64_t *words_of(const struct item *item)
{
    if (item->arena == ARENA_HEAP)
        return (uint64_t *)(uintptr_t)item->addr;
    return arch_direct(item->addr);
}

static void write_pattern(const struct item *item)
{
    uint64_t *words = words_of(item);
    uint64_t word = item->tag * pattern_step;
    for (size_t i = 0; i < item->size / WORD; i++) {
        words[i] = word;
        word += pattern_step;
    }
    work.bytes += item->size;
}

static bool verify_pattern(const struct item *item)
{
    const uint64_t *words = words_of(item);
    uint64_t word = item->tag * pattern_step;
    for (size_t i = 0; i < item->size / WORD; i++) {
        if (words[i] != word)
            return false;
        word += pattern_step;
    }
    return true;
}

/* PIDs and vectors: who has which. A number that is handed out twice is seen at once. */
static uint32_t *owner_of(enum arena_id arena, vmem_addr_t number)
{
    static uint32_t pid_owner[32768];
    static uint32_t irq_owner[256];
    return arena == ARENA_PID ? &pid_owner[number] : &irq_owner[number];
}

static bool is_number(const struct item *item)
{
    return item->arena == ARENA_PID || item->arena == ARENA_IRQ;
}

static void mark(const struct item *item)
{
    if (!is_number(item)) {
        write_pattern(item);
        return;
    }
    for (vmem_size_t i = 0; i < item->size; i++) {
        uint32_t *owner = owner_of(item->arena, item->addr + i);
        expect(*owner == 0, "a number has one owner");
        *owner = item->tag;
    }
}

static bool verify(const struct item *item)
{
    if (!is_number(item))
        return verify_pattern(item);
    for (vmem_size_t i = 0; i < item->size; i++)
        if (*owner_of(item->arena, item->addr + i) != item->tag)
            return false;
    return true;
}

static void unmark(const struct item *item)
{
    if (!is_number(item)) {
        work.bytes -= item->size;
        return;
    }
    for (vmem_size_t i = 0; i < item->size; i++)
        *owner_of(item->arena, item->addr + i) = 0;
}

/* A request of this kind, as a kernel would make it: size, constraints, policy. */
struct request {
    vmem_size_t size;
    struct vmem_constraints constraints;
    unsigned flags;
};

static struct request make_request(enum arena_id arena)
{
    struct request request = {0};
    switch (arena) {
    case ARENA_HEAP:
        request.size = random_size(6, 16) & ~(uint64_t)(WORD - 1);
        break;
    case ARENA_PHYS: /* one time in four with large alignment, as for a large page or a ring */
        request.size = (vmem_size_t)PAGE_SIZE << random_below(6);
        if (random_below(4) == 0)
            request.constraints.align = request.size;
        request.flags = VMEM_BESTFIT;
        break;
    case ARENA_DMA: /* a controller that counts with 16 bits */
        request.size = random_size(9, 15) & ~(uint64_t)(WORD - 1);
        request.constraints.nocross = 64 << 10;
        break;
    case ARENA_PID:
        request.size = 1;
        request.flags = VMEM_NEXTFIT;
        break;
    default: /* multi-MSI: 1 to 32 vectors, aligned to their number */
        request.size = 1ULL << random_below(6);
        request.constraints.align = request.size;
        break;
    }
    return request;
}

static bool is_as_requested(vmem_addr_t addr, const struct request *request)
{
    const struct vmem_constraints *c = &request->constraints;
    return (c->align == 0 || addr % c->align == 0) &&
           (c->nocross == 0 || addr / c->nocross == (addr + request->size - 1) / c->nocross);
}

/* A refusal for want of space is only right where there was none: seen where nothing constrains. */
static void check_refusal(enum arena_id arena, const struct request *request, int error)
{
    struct vmem_stats stats;
    work.refusals++;
    if ((arena == ARENA_PHYS || arena == ARENA_PID) && request->constraints.align == 0 &&
        error == -VMEM_ENOSPC) {
        vmem_stat(arenas[arena], &stats);
        expect(stats.largest_free < request->size, "refused only for want of space");
    }
}

static bool take(enum arena_id arena, const struct request *request)
{
    if (work.count == work.capacity)
        return false;
    struct item *item = &work.items[work.count];
    work.operations++;
    const int error = vmem_xalloc(arenas[arena], request->size, &request->constraints,
                                  request->flags, &item->addr);
    if (error != 0) {
        check_refusal(arena, request, error);
        return false;
    }
    expect(is_as_requested(item->addr, request), "what was allocated is what was asked for");
    item->size = request->size;
    item->arena = arena;
    item->tag = ++work.next_tag;
    mark(item);
    work.count++;
    return true;
}

static void take_any(void)
{
    static const enum arena_id mix[] = {ARENA_HEAP, ARENA_HEAP, ARENA_HEAP, ARENA_HEAP,
                                        ARENA_HEAP, ARENA_HEAP, ARENA_PHYS, ARENA_PHYS,
                                        ARENA_PHYS, ARENA_DMA,  ARENA_PID,  ARENA_IRQ};
    const enum arena_id arena = mix[random_below(sizeof(mix) / sizeof(mix[0]))];
    const struct request request = make_request(arena);
    (void)take(arena, &request);
}

static void give_back(size_t which)
{
    struct item *item = &work.items[which];
    work.operations++;
    expect(verify(item), "what was written is still there");
    unmark(item);
    vmem_xfree(arenas[item->arena], item->addr, item->size);
    *item = work.items[--work.count];
}

static void give_back_any(void)
{
    if (work.count > 0)
        give_back(random_below(work.count));
}

/* Takes three and frees one, until an eighth is left. */
static void fill(void)
{
    struct progress bar;
    const uint64_t begin = free_memory();
    const uint64_t floor = begin / 8;
    progress_begin(&bar, "fill", begin - floor);
    while (free_memory() > floor && work.count < work.capacity) {
        if (random_below(4) == 0)
            give_back_any();
        else
            take_any();
        const uint64_t now = free_memory();
        progress_report(&bar, now < begin ? begin - now : 0);
    }
    progress_end(&bar);
    print(" %s\n", size_text(work.bytes).text);
}

/* Goes on at that level: as many operations as there are things. */
static void churn(void)
{
    struct progress bar;
    const size_t rounds = work.count;
    progress_begin(&bar, "churn", rounds);
    for (size_t i = 0; i < rounds; i++) {
        if (random_below(2) == 0)
            give_back_any();
        else
            take_any();
        progress_report(&bar, i);
    }
    progress_end(&bar);
    print(" %s\n", size_text(work.bytes).text);
}

/* Takes what is left: the largest runs first, single pages in the end, and all PIDs. */
static void brim(void)
{
    struct progress bar;
    const uint64_t begin = free_memory();
    progress_begin(&bar, "brim", begin);
    for (vmem_size_t pages = 1024; pages > 0; pages /= 2) {
        const struct request run = {.size = pages * PAGE_SIZE};
        while (take(ARENA_PHYS, &run))
            progress_report(&bar, begin - free_memory());
    }
    progress_end(&bar);
    print(" %s\n", size_text(work.bytes).text);
}

static void verify_all(void)
{
    struct progress bar;
    uint64_t done = 0;
    size_t damaged = 0;
    progress_begin(&bar, "verify", work.bytes);
    for (size_t i = 0; i < work.count; i++) {
        damaged += verify(&work.items[i]) ? 0 : 1;
        done += is_number(&work.items[i]) ? 0 : work.items[i].size;
        progress_report(&bar, done);
    }
    progress_end(&bar);
    print(" %s\n", size_text(done).text);
    expect(damaged == 0, "every word holds what its owner wrote");
}

static void drain(void)
{
    struct progress bar;
    const uint64_t whole = work.bytes;
    progress_begin(&bar, "drain", whole);
    while (work.count > 0) {
        give_back_any();
        progress_report(&bar, whole - work.bytes);
    }
    progress_end(&bar);
    print(" %s\n", size_text(work.bytes).text);
    expect(work.bytes == 0, "nothing is left");
}

/* The list of what is taken lives in the heap as well: room for an item every 8 KiB. */
static bool begin(vmem_size_t *size)
{
    vmem_addr_t addr;
    work.random = 20010625; /* the conference at which vmem was presented */
    work.capacity = free_memory() / 8192;
    *size = work.capacity * sizeof(struct item);
    if (vmem_alloc(arenas[ARENA_HEAP], *size, 0, &addr) != 0) {
        expect(false, "the heap has room for the workload's list");
        return false;
    }
    work.items = (struct item *)(uintptr_t)addr;
    return true;
}

void workload_run(void)
{
    vmem_size_t size;
    if (!begin(&size))
        return;
    const uint64_t whole = free_memory();
    print("\n--- workload ---\n\n");
    fill();
    churn();
    brim();
    verify_all();
    const uint64_t left = free_memory();
    print("  peak: %lu things, %s of %s in use, %s free\n", (unsigned long)work.count,
          size_text(whole - left).text, size_text(whole).text, size_text(left).text);
    expect(left <= whole / 64, "nearly all memory is in use at the peak");
    arenas_print("at the peak");
    print("\n");
    drain();
    print("  %lu operations, %lu refused for want of space or of tags\n",
          (unsigned long)work.operations, (unsigned long)work.refusals);
    vmem_free(arenas[ARENA_HEAP], (vmem_addr_t)(uintptr_t)work.items, size);
}
