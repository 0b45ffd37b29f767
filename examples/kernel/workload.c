/* SPDX-License-Identifier: MIT */
/*
 * workload.c - uses everything there is. A seeded random mix takes and frees blocks of the heap,
 * runs of pages, buffers for DMA, threads, files and interrupt vectors until seven eighths of the
 * memory are taken, goes on at that level, and then takes what is left, down to the last page.
 *
 * Every byte of memory gets a pattern that depends on its owner, and every number is marked as
 * its owner's. All of it is verified at the peak, and each thing again before it is freed. What the
 * ID spaces hand out is compared with what they must, found by looking at all marks.
 */
#include "kernel.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);
int memcmp(const void *a, const void *b, size_t size);

enum kind { BLOCK, PAGES, BUFFER, THREAD, OPEN_FILE, VECTORS };

struct item {
    enum kind kind;
    uint32_t tag;  /* different for each item: what its pattern begins with */
    uint64_t what; /* an address; a thread's address; a file descriptor; the first vector */
    uint64_t size; /* bytes, vectors; a file's process */
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
    uint32_t pid_owner[PID_MAX + 1]; /* the tag of who has it; 0: nobody */
    uint32_t vector_owner[IRQ_FIRST + IRQ_COUNT];
    vmem_addr_t last_pid;
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

/* As kernels do: every second block is a small structure or string, the others are buffers. */
static uint64_t random_block_size(void)
{
    return random_below(2) == 0 ? random_size(3, 10) : random_size(10, 16);
}

static uint64_t free_memory(void)
{
    struct vmem_stats stats;
    vmem_stat(arenas[ARENA_PHYS], &stats);
    return stats.free;
}

/*
 * Memory and its pattern: words that count up from the owner's tag, in steps that touch all their
 * bits.
 */

enum { WORD = sizeof(uint64_t) };
static const uint64_t pattern_step = 0x9e3779b97f4a7c15;

static struct thread *thread_of(const struct item *item)
{
    return (struct thread *)(uintptr_t)item->what;
}

static unsigned char *memory_of(const struct item *item)
{
    switch (item->kind) {
    case BLOCK:
        return (unsigned char *)(uintptr_t)item->what;
    case PAGES:
    case BUFFER:
        return arch_direct(item->what);
    case THREAD:
        return thread_of(item)->stack;
    default:
        return NULL;
    }
}

static void write_pattern(const struct item *item)
{
    unsigned char *memory = memory_of(item);
    uint64_t word = item->tag * pattern_step;
    uint64_t left = item->size;
    for (; left >= WORD; left -= WORD) {
        *(uint64_t *)(void *)memory = word;
        memory += WORD;
        word += pattern_step;
    }
    memcpy(memory, &word, left);
}

static bool verify_pattern(const struct item *item, uint64_t size)
{
    const unsigned char *memory = memory_of(item);
    uint64_t word = item->tag * pattern_step;
    for (; size >= WORD; size -= WORD) {
        if (*(const uint64_t *)(const void *)memory != word)
            return false;
        memory += WORD;
        word += pattern_step;
    }
    return memcmp(memory, &word, size) == 0;
}

static const char *path_of(const struct item *item)
{
    static const char *const paths[] = {"/dev/console", "/etc/fstab", "/var/log/kernel", "/"};
    return paths[item->tag % (sizeof(paths) / sizeof(paths[0]))];
}

static bool equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Gives a number (back) to its owner. One that is handed out twice is seen at once. */
static void set_owner(uint32_t *owner, uint32_t tag)
{
    expect((*owner == 0) != (tag == 0), "a number has one owner");
    *owner = tag;
}

static void set_owners(const struct item *item, uint32_t tag)
{
    if (item->kind == THREAD)
        set_owner(&work.pid_owner[thread_of(item)->pid], tag);
    if (item->kind == VECTORS)
        for (uint64_t i = 0; i < item->size; i++)
            set_owner(&work.vector_owner[item->what + i], tag);
}

static void mark(const struct item *item)
{
    set_owners(item, item->tag);
    if (memory_of(item) != NULL) {
        write_pattern(item);
        work.bytes += item->size;
    }
}

static void unmark(const struct item *item)
{
    set_owners(item, 0);
    if (memory_of(item) != NULL)
        work.bytes -= item->size;
}

static bool verify(const struct item *item)
{
    switch (item->kind) {
    case OPEN_FILE:
        return equal(file_path((unsigned)item->size, item->what), path_of(item));
    case VECTORS:
        for (uint64_t i = 0; i < item->size; i++)
            if (work.vector_owner[item->what + i] != item->tag)
                return false;
        return true;
    case THREAD:
        return work.pid_owner[thread_of(item)->pid] == item->tag &&
               verify_pattern(item, item->size);
    default:
        return verify_pattern(item, item->size);
    }
}

/*
 * Segments of arenas: size, constraints and policy as a kernel asks for them.
 */

struct request {
    vmem_size_t size;
    struct vmem_constraints constraints;
    unsigned flags;
};

static enum arena_id arena_of(enum kind kind)
{
    return kind == PAGES ? ARENA_PHYS : kind == BUFFER ? ARENA_DMA : ARENA_IRQ;
}

static struct request make_request(enum kind kind)
{
    struct request request = {0};
    switch (kind) {
    case PAGES: /* one time in four with large alignment, as for a large page or a ring */
        request.size = (vmem_size_t)PAGE_SIZE << random_below(6);
        if (random_below(4) == 0)
            request.constraints.align = request.size;
        request.flags = VMEM_BESTFIT;
        break;
    case BUFFER: /* a controller that counts with 16 bits */
        request.size = random_size(9, 15) & ~(uint64_t)(WORD - 1);
        request.constraints.nocross = 64 << 10;
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

static int take_segment(struct item *item, const struct request *request)
{
    const enum arena_id arena = arena_of(item->kind);
    struct vmem_stats stats;
    vmem_addr_t addr;
    const int error =
        vmem_xalloc(arenas[arena], request->size, &request->constraints, request->flags, &addr);
    if (error == 0) {
        expect(is_as_requested(addr, request), "what was allocated is what was asked for");
        item->what = addr;
        item->size = request->size;
    } else if (arena == ARENA_PHYS && request->constraints.align == 0 && error == -VMEM_ENOSPC) {
        vmem_stat(arenas[arena], &stats);
        expect(stats.largest_free < request->size, "refused only for want of space");
    }
    return error;
}

/*
 * Blocks, threads and files
 */

static int take_block(struct item *item)
{
    item->size = random_block_size();
    const void *block = vmem_heap_alloc(heap, item->size, 0);
    item->what = (uintptr_t)block;
    if (block == NULL)
        return -VMEM_ENOMEM;
    expect(item->what % 16 == 0 && vmem_heap_usable_size(heap, block) >= item->size,
           "a block is aligned, and as large as was asked for");
    return 0;
}

/* The PID that comes next: the first after the last one that nobody has; 0: there is none. */
static vmem_addr_t next_pid(void)
{
    vmem_addr_t pid = work.last_pid;
    for (unsigned i = 0; i < PID_MAX; i++) {
        pid = pid == PID_MAX ? PID_WRAP : pid + 1;
        if (work.pid_owner[pid] == 0)
            return pid;
    }
    return 0;
}

static int take_thread(struct item *item)
{
    struct thread *thread;
    const int error = thread_start(&thread);
    if (error == -VMEM_ENOSPC)
        expect(next_pid() == 0, "a PID is refused only where none is free");
    if (error != 0)
        return error;
    expect(thread->pid == next_pid(), "PIDs go round");
    work.last_pid = thread->pid;
    item->what = (uintptr_t)thread;
    item->size = STACK_SIZE;
    return 0;
}

static int take_file(struct item *item)
{
    const unsigned process = (unsigned)random_below(PROCESS_COUNT);
    unsigned lowest = 0;
    vmem_addr_t fd;
    while (lowest < FILES_MAX && file_path(process, lowest) != NULL)
        lowest++;
    const int error = file_open(process, path_of(item), &fd);
    if (error == -VMEM_ENOSPC)
        expect(lowest == FILES_MAX, "a descriptor is refused only where none is free");
    if (error != 0)
        return error;
    expect(fd == lowest, "the lowest descriptor is taken");
    item->what = fd;
    item->size = process;
    return 0;
}

/*
 * One thing after another
 */

static bool take(enum kind kind, const struct request *request)
{
    if (work.count == work.capacity)
        return false;
    struct item *item = &work.items[work.count];
    *item = (struct item){.kind = kind, .tag = ++work.next_tag};
    work.operations++;
    const int error = kind == BLOCK       ? take_block(item)
                      : kind == THREAD    ? take_thread(item)
                      : kind == OPEN_FILE ? take_file(item)
                                          : take_segment(item, request);
    if (error != 0) {
        work.refusals++;
        return false;
    }
    mark(item);
    work.count++;
    return true;
}

static bool take_any(void)
{
    static const enum kind mix[] = {BLOCK, BLOCK, BLOCK, BLOCK,  BLOCK,  BLOCK,     BLOCK,
                                    BLOCK, PAGES, PAGES, BUFFER, THREAD, OPEN_FILE, VECTORS};
    const enum kind kind = mix[random_below(sizeof(mix) / sizeof(mix[0]))];
    const struct request request = make_request(kind);
    return take(kind, &request);
}

static void give_back(size_t which)
{
    struct item *item = &work.items[which];
    work.operations++;
    expect(verify(item), "what was written is still there");
    unmark(item);
    switch (item->kind) {
    case BLOCK:
        vmem_heap_free(heap, (void *)(uintptr_t)item->what);
        break;
    case THREAD:
        thread_end(thread_of(item));
        break;
    case OPEN_FILE:
        file_close((unsigned)item->size, item->what);
        break;
    default:
        vmem_xfree(arenas[arena_of(item->kind)], item->what, item->size);
        break;
    }
    *item = work.items[--work.count];
}

/* A block becomes larger or smaller: what fits into both is still there. */
static void resize(struct item *item)
{
    const uint64_t size = random_block_size();
    const uint64_t kept = size < item->size ? size : item->size;
    work.operations++;
    void *block = vmem_heap_realloc(heap, (void *)(uintptr_t)item->what, size, 0);
    if (block == NULL) {
        work.refusals++;
        expect(verify(item), "a block that cannot be resized is as it was");
        return;
    }
    item->what = (uintptr_t)block;
    expect(verify_pattern(item, kept), "what was written has moved along");
    work.bytes += size - item->size;
    item->size = size;
    write_pattern(item);
}

static void give_back_any(void)
{
    if (work.count > 0)
        give_back(random_below(work.count));
}

static void resize_any(void)
{
    struct item *item = &work.items[random_below(work.count)];
    if (item->kind == BLOCK)
        resize(item);
}

/*
 * The phases
 */

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
            (void)take_any();
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
    for (size_t i = 0; i < rounds && work.count > 0; i++) {
        const uint64_t what = random_below(5);
        if (what == 0)
            resize_any();
        else if (what < 3)
            give_back_any();
        else
            (void)take_any();
        progress_report(&bar, i);
    }
    progress_end(&bar);
    print(" %s\n", size_text(work.bytes).text);
}

/* Takes what is left: pages, the largest runs first, then whatever still finds a place. */
static void brim(void)
{
    enum { REFUSALS = 100 };
    struct progress bar;
    const uint64_t begin = free_memory();
    progress_begin(&bar, "brim", begin);
    for (vmem_size_t pages = 1024; pages > 0; pages /= 2) {
        const struct request run = {.size = pages * PAGE_SIZE};
        while (take(PAGES, &run))
            progress_report(&bar, begin - free_memory());
    }
    for (unsigned refused = 0; refused < REFUSALS && work.count < work.capacity;)
        refused += take_any() ? 0 : 1;
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
        done += memory_of(&work.items[i]) != NULL ? work.items[i].size : 0;
        progress_report(&bar, done);
    }
    progress_end(&bar);
    print(" %s\n", size_text(done).text);
    expect(damaged == 0, "every byte holds what its owner wrote");
}

/* What is counted inside is what was taken here. */
static void check_counts(void)
{
    size_t things[VECTORS + 1] = {0};
    struct vmem_cache_stats thread_stats;
    struct vmem_heap_stats heap_stats;
    struct vmem_id_stats id_stats;
    size_t open_files = 0;
    for (size_t i = 0; i < work.count; i++)
        things[work.items[i].kind]++;
    vmem_cache_stat(threads, &thread_stats);
    expect(thread_stats.in_use == things[THREAD], "the cache counts the threads");
    vmem_id_stat(ids[IDS_PID], &id_stats);
    expect(id_stats.in_use == things[THREAD], "each thread has a PID");
    for (unsigned i = IDS_FILE; i < IDS_COUNT; i++) {
        vmem_id_stat(ids[i], &id_stats);
        open_files += id_stats.in_use;
    }
    expect(open_files == things[OPEN_FILE], "each file has a descriptor");
    vmem_heap_stat(heap, &heap_stats); /* each file has a path, and this list is a block, too */
    expect(heap_stats.blocks == things[BLOCK] + open_files + 1, "the heap counts the blocks");
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

/* Threads that come and go, one after the other, until PIDs have gone round. */
static void spawn(void)
{
    enum { THREADS = PID_MAX + 1000 };
    struct progress bar;
    progress_begin(&bar, "spawn", THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        if (take(THREAD, NULL))
            give_back(work.count - 1);
        progress_report(&bar, i);
    }
    progress_end(&bar);
    print(" %u threads\n", (unsigned)THREADS);
    expect(work.last_pid >= PID_WRAP, "low PIDs do not come back");
}

/* The list of what is taken lives in the heap as well: room for an item every 8 KiB. */
static bool begin(void)
{
    work.random = 20010625; /* the conference at which vmem was presented */
    work.capacity = free_memory() / 8192;
    work.items = vmem_heap_alloc(heap, work.capacity * sizeof(struct item), 0);
    expect(work.items != NULL, "the heap has room for the workload's list");
    return work.items != NULL;
}

void workload_run(void)
{
    print("\n--- workload ---\n\n");
    if (!begin())
        return;
    const uint64_t whole = free_memory();
    fill();
    churn();
    brim();
    verify_all();
    check_counts();
    const uint64_t left = free_memory();
    print("  peak: %lu things, %s of %s in use, %s free\n", (unsigned long)work.count,
          size_text(whole - left).text, size_text(whole).text, size_text(left).text);
    expect(left <= whole / 64, "nearly all memory is in use at the peak");
    arenas_print("at the peak");
    print("\n");
    drain();
    spawn();
    check_counts();
    print("  %lu operations, %lu refused for want of space or of tags\n",
          (unsigned long)work.operations, (unsigned long)work.refusals);
    vmem_heap_free(heap, work.items);
}
