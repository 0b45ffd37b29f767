/* SPDX-License-Identifier: MIT */
/*
 * selftest.c - the library tries itself; see selftest.h.
 *
 * The port, the parts about arenas, and the run of all parts; those about caches, heap and IDs are
 * in objects.c. Each part makes its arenas, uses them, checks the invariants after every step (the
 * macro STEP) and ends them again. The parts go from what everything needs to what needs
 * everything, so the first line that says FAILED is the one to look at.
 */
#include "selftest.h"

#include "parts.h"

#include VMEM_PORT_HEADER

enum { UNITS = 256, RANDOM_STEPS = 4000 };

/* PIECES: so many segments, with holes between them, use up the static pool. */
enum { PIECES = 2000, POOL_PAGES = 96, PHYSICAL_PAGES = 80 };

/* What is printed and counted. */

static void (*print_string)(void *ctx, const char *string);
static void *print_ctx;
static unsigned checks;
static unsigned failed;

static void print(const char *string)
{
    print_string(print_ctx, string);
}

static void print_number(unsigned number)
{
    char digits[12];
    char *at = &digits[sizeof(digits) - 1];

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    print(at);
}

bool selftest_check(bool holds, const char *what, const char *file, int line)
{
    const char *name = file;

    checks++;
    if (holds)
        return true;
    failed++;
    for (; *file != '\0'; file++)
        name = *file == '/' ? file + 1 : name;
    print("FAILED, ");
    print(name);
    print(" line ");
    print_number((unsigned)line);
    print(": ");
    print(what);
    print("\n");
    return false;
}

/* The port. */

/* Memory that is all managed by one arena, which the library's own pages come from as well. */
struct physical {
    struct page pages[PHYSICAL_PAGES];
    vmem_t *arena;
    unsigned fed; /* pages that the library has */
};

static enum { LEND, REFUSE, FEED } page_mode;
static struct physical physicals[2];
static struct physical *feeding; /* FEED: from this one */
static struct page pool_pages[POOL_PAGES];
static bool page_lent[POOL_PAGES];
static vmem_port_lock_t pool_lock = VMEM_PORT_LOCK_INIT;
static struct vmem_fault last_fault;
static unsigned faults;

/* Finds so many pages in a row that are not lent; the first of them. */
static size_t find_pages(size_t count)
{
    size_t run = 0;

    for (size_t i = 0; i < POOL_PAGES; i++) {
        run = page_lent[i] ? 0 : run + 1;
        if (run == count)
            return i + 1 - count;
    }
    return POOL_PAGES;
}

static void *lend(size_t count)
{
    unsigned long state = vmem_port_lock(&pool_lock);
    size_t first = find_pages(count);

    for (size_t i = first; first < POOL_PAGES && i < first + count; i++)
        page_lent[i] = true;
    vmem_port_unlock(&pool_lock, state);
    return first < POOL_PAGES ? &pool_pages[first] : NULL;
}

static unsigned pages_out(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < POOL_PAGES; i++)
        count += page_lent[i];
    return count;
}

void *vmem_port_pages_alloc(size_t size)
{
    vmem_addr_t addr;

    if (page_mode == LEND)
        return lend(size / VMEM_PAGE_SIZE);
    if (page_mode == REFUSE || vmem_alloc(feeding->arena, size, VMEM_INSTANTFIT, &addr) != 0)
        return NULL;
    feeding->fed += (unsigned)(size / VMEM_PAGE_SIZE);
    return (void *)(uintptr_t)addr;
}

static bool is_of(const struct physical *physical, const void *lent)
{
    return (uintptr_t)lent - (uintptr_t)physical->pages < sizeof(physical->pages);
}

static void take_back(size_t first, size_t count)
{
    unsigned long state = vmem_port_lock(&pool_lock);

    for (size_t i = first; i < first + count; i++) {
        CHECK(i < POOL_PAGES && page_lent[i]);
        page_lent[i] = false;
    }
    vmem_port_unlock(&pool_lock, state);
}

void vmem_port_pages_free(void *lent, size_t size)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!is_of(&physicals[i], lent))
            continue;
        physicals[i].fed -= (unsigned)(size / VMEM_PAGE_SIZE);
        vmem_free(physicals[i].arena, (uintptr_t)lent, size);
        return;
    }
    take_back(((uintptr_t)lent - (uintptr_t)pool_pages) / VMEM_PAGE_SIZE, size / VMEM_PAGE_SIZE);
}

void vmem_port_fault(const struct vmem_fault *fault)
{
    faults++;
    last_fault = *fault;
}

bool fault_was(enum vmem_fault_kind kind)
{
    bool was = faults == 1 && last_fault.kind == kind;

    faults = 0;
    return was;
}

void lend_pages(bool lend)
{
    page_mode = lend ? LEND : REFUSE;
}

/* Helpers. */

static vmem_t *create(const char *name, vmem_addr_t base, vmem_size_t size, vmem_size_t quantum,
                      unsigned flags)
{
    const struct vmem_params params = {
        .name = name, .base = base, .size = size, .quantum = quantum, .flags = flags};
    vmem_t *arena = NULL;

    if (CHECK(vmem_create(&params, &arena) == 0))
        CHECK(vmem_check(arena) == 0);
    return arena;
}

static vmem_t *create_child(const char *name, vmem_t *source, vmem_size_t quantum, unsigned flags)
{
    const struct vmem_params params = {
        .name = name, .quantum = quantum, .source = source, .flags = flags};
    vmem_t *arena = NULL;

    CHECK(vmem_create(&params, &arena) == 0);
    return arena;
}

/* The address that must be found: an allocation whose answer is pinned. */
static bool gives(vmem_t *arena, vmem_size_t size, unsigned policy, vmem_addr_t expected)
{
    vmem_addr_t addr = ~expected;

    return STEP(arena, vmem_alloc(arena, size, policy, &addr)) && addr == expected;
}

static bool gives_under(vmem_t *arena, vmem_size_t size, const struct vmem_constraints *c,
                        unsigned policy, vmem_addr_t expected)
{
    vmem_addr_t addr = ~expected;

    return STEP(arena, vmem_xalloc(arena, size, c, policy, &addr)) && addr == expected;
}

static void give_back(vmem_t *arena, vmem_addr_t addr, vmem_size_t size)
{
    vmem_free(arena, addr, size);
    CHECK(vmem_check(arena) == 0);
}

/* The parts. Those with a parameter are run with both indexes. */

static void part_create(unsigned flags)
{
    struct vmem_params bad = {.name = "bad", .size = 8, .quantum = 3, .flags = flags};
    vmem_t *arena = create("a", 0, 64, 1, flags);
    vmem_t *refused = NULL;
    struct vmem_stats stats = stats_of(arena);

    CHECK(stats.total == 64 && stats.free == 64 && stats.in_use == 0 && stats.largest_free == 64);
    CHECK(gives(arena, 64, VMEM_INSTANTFIT, 0)); /* address 0, and all of it */
    CHECK(vmem_destroy(arena) == -VMEM_EBUSY && fault_was(VMEM_FAULT_BUSY));
    give_back(arena, 0, 64);
    CHECK(vmem_destroy(arena) == 0);

    arena = create("b", VMEM_ADDR_MAX - 15, 16, 1, flags); /* to the last address */
    CHECK(gives(arena, 1, VMEM_LASTFIT, VMEM_ADDR_MAX));
    CHECK(gives(arena, 15, VMEM_FIRSTFIT, VMEM_ADDR_MAX - 15));
    give_back(arena, VMEM_ADDR_MAX, 1);
    give_back(arena, VMEM_ADDR_MAX - 15, 15);
    CHECK(vmem_destroy(arena) == 0);
    CHECK(vmem_create(&bad, &refused) == -VMEM_EINVAL && fault_was(VMEM_FAULT_PARAMETER));
}

static void part_policies(unsigned flags)
{
    vmem_t *arena = create("policies", 0x1000, 32 * 16, 16, flags);
    vmem_addr_t addr;

    for (unsigned i = 0; i < 8; i++)
        CHECK(gives(arena, 64, VMEM_FIRSTFIT, 0x1000 + i * 64));
    CHECK(vmem_alloc(arena, 1, VMEM_INSTANTFIT, &addr) == -VMEM_ENOSPC);
    give_back(arena, 0x1000, 64); /* holes of 4, 8 and 4 quanta */
    give_back(arena, 0x1080, 64);
    give_back(arena, 0x10c0, 64);
    give_back(arena, 0x1140, 64);

    CHECK(gives(arena, 16, VMEM_FIRSTFIT, 0x1000));
    CHECK(gives(arena, 16, VMEM_NEXTFIT, 0x1010));
    CHECK(gives(arena, 16, VMEM_LASTFIT, 0x1170));
    CHECK(gives(arena, 16, VMEM_NEXTFIT, 0x1020)); /* nothing above: from the start again */
    CHECK(STEP(arena, vmem_alloc(arena, 48, VMEM_BESTFIT, &addr)) && addr == 0x1140);
    CHECK(STEP(arena, vmem_alloc(arena, 128, VMEM_INSTANTFIT, &addr)) && addr == 0x1080);

    give_back(arena, 0x1080, 128);
    give_back(arena, 0x1140, 48);
    give_back(arena, 0x1000, 16);
    give_back(arena, 0x1020, 16);
    give_back(arena, 0x1170, 16);
    give_back(arena, 0x1010, 16);
    for (unsigned i = 0; i < 8; i++)
        if (i != 0 && i != 2 && i != 3 && i != 5)
            give_back(arena, 0x1000 + i * 64, 64);
    CHECK(stats_of(arena).largest_free == 32 * 16);
    CHECK(vmem_destroy(arena) == 0);
}

static void part_constraints(unsigned flags)
{
    const struct vmem_constraints aligned = {.align = 64};
    const struct vmem_constraints phased = {.align = 64, .phase = 8};
    const struct vmem_constraints bounded = {.nocross = 32, .min = 24, .limit = 56};
    const struct vmem_constraints exact = {.min = 200, .limit = 204};
    const struct vmem_constraints at_end = {.align = 8, .phase = 4, .min = VMEM_ADDR_MAX - 11};
    vmem_t *arena = create("constraints", 0, 256, 1, flags);
    vmem_addr_t addr;

    CHECK(gives(arena, 1, VMEM_FIRSTFIT, 0));
    CHECK(gives_under(arena, 4, &aligned, VMEM_FIRSTFIT, 64));
    CHECK(gives_under(arena, 4, &aligned, VMEM_LASTFIT, 192));
    CHECK(gives_under(arena, 4, &phased, VMEM_FIRSTFIT, 8));
    CHECK(gives_under(arena, 16, &bounded, VMEM_FIRSTFIT, 32));
    CHECK(gives_under(arena, 4, &exact, VMEM_BESTFIT, 200));
    CHECK(vmem_xalloc(arena, 4, &exact, VMEM_INSTANTFIT, &addr) == -VMEM_ENOSPC);
    give_back(arena, 200, 4);
    give_back(arena, 32, 16);
    give_back(arena, 8, 4);
    give_back(arena, 192, 4);
    give_back(arena, 64, 4);
    give_back(arena, 0, 1);
    CHECK(vmem_destroy(arena) == 0);

    arena = create("the end", VMEM_ADDR_MAX - 63, 64, 1, flags);
    CHECK(gives_under(arena, 4, &at_end, VMEM_FIRSTFIT, VMEM_ADDR_MAX - 11));
    CHECK(gives_under(arena, 4, &at_end, VMEM_LASTFIT, VMEM_ADDR_MAX - 3));
    CHECK(vmem_xalloc(arena, 4, &at_end, VMEM_BESTFIT, &addr) == -VMEM_ENOSPC);
    give_back(arena, VMEM_ADDR_MAX - 11, 4);
    give_back(arena, VMEM_ADDR_MAX - 3, 4);
    CHECK(vmem_destroy(arena) == 0);
}

static void part_spans(unsigned flags)
{
    vmem_t *arena = create("spans", 0, 0, 4, flags);
    vmem_addr_t addr;

    CHECK(vmem_alloc(arena, 4, VMEM_INSTANTFIT, &addr) == -VMEM_ENOSPC);
    CHECK(STEP(arena, vmem_add(arena, 64, 64, 0)));
    CHECK(STEP(arena, vmem_add(arena, 0, 64, 0)));
    CHECK(vmem_add(arena, 32, 64, 0) == -VMEM_EEXIST && fault_was(VMEM_FAULT_OVERLAP));
    CHECK(vmem_contains(arena, 0, 64) && vmem_contains(arena, 127, 1));
    CHECK(!vmem_contains(arena, 32, 64) && !vmem_contains(arena, 128, 1));
    CHECK(vmem_alloc(arena, 68, VMEM_INSTANTFIT, &addr) == -VMEM_ENOSPC); /* not across spans */
    CHECK(gives(arena, 64, VMEM_FIRSTFIT, 0));
    CHECK(vmem_remove(arena, 0, 64) == -VMEM_EBUSY);
    CHECK(STEP(arena, vmem_remove(arena, 64, 64)));
    CHECK(vmem_remove(arena, 64, 64) == -VMEM_EINVAL && fault_was(VMEM_FAULT_PARAMETER));
    give_back(arena, 0, 64);
    CHECK(STEP(arena, vmem_remove(arena, 0, 64)));
    CHECK(stats_of(arena).spans == 0 && stats_of(arena).total == 0);
    CHECK(vmem_destroy(arena) == 0);
}

static void part_imports(unsigned flags)
{
    const struct vmem_constraints high = {.align = 0x2000, .min = 0x80000};
    vmem_t *root = create("root", 0, 0x100000, 0x1000, flags);
    vmem_t *middle = create_child("middle", root, 0x100, flags);
    vmem_t *leaf = create_child("leaf", middle, 8, flags);
    vmem_addr_t addr, other;
    uint64_t imports;

    CHECK(STEP(leaf, vmem_alloc(leaf, 24, VMEM_INSTANTFIT, &addr)));
    CHECK(vmem_contains(root, addr, 24) && stats_of(root).segments == 1);
    CHECK(vmem_check(middle) == 0 && vmem_check(root) == 0);
    imports = stats_of(leaf).imports;
    for (unsigned i = 0; i < 10; i++) { /* the empty span is kept: no import each time */
        give_back(leaf, addr, 24);
        CHECK(STEP(leaf, vmem_alloc(leaf, 24, VMEM_INSTANTFIT, &addr)));
    }
    CHECK(stats_of(leaf).imports == imports);
    CHECK(STEP(leaf, vmem_xalloc(leaf, 24, &high, VMEM_INSTANTFIT, &other)));
    CHECK(other >= 0x80000 && other % 0x2000 == 0);
    CHECK(vmem_alloc(leaf, 0x200000, VMEM_INSTANTFIT, &(vmem_addr_t){0}) == -VMEM_ENOSPC);
    CHECK(vmem_destroy(middle) == -VMEM_EBUSY && fault_was(VMEM_FAULT_BUSY));
    give_back(leaf, other, 24);
    give_back(leaf, addr, 24);
    vmem_reap(leaf);
    vmem_reap(middle);
    CHECK(vmem_check(leaf) == 0 && vmem_check(middle) == 0 && vmem_check(root) == 0);
    CHECK(stats_of(leaf).total == 0 && stats_of(root).in_use == 0);
    CHECK(vmem_destroy(leaf) == 0 && vmem_destroy(middle) == 0 && vmem_destroy(root) == 0);
}

static void part_resize_and_split(unsigned flags)
{
    vmem_t *arena = create("resize", 0, 128, 1, flags);

    CHECK(gives(arena, 16, VMEM_FIRSTFIT, 0));
    CHECK(STEP(arena, vmem_resize(arena, 0, 16, 32, 0)));
    CHECK(gives(arena, 16, VMEM_FIRSTFIT, 32));
    CHECK(vmem_resize(arena, 0, 32, 33, 0) == -VMEM_ENOSPC);
    CHECK(STEP(arena, vmem_resize(arena, 0, 32, 8, 0)));
    CHECK(STEP(arena, vmem_resize(arena, 0, 8, 32, 0)));
    CHECK(STEP(arena, vmem_resize(arena, 32, 16, 96, 0))); /* to the end of the span */
    CHECK(vmem_resize(arena, 32, 96, 97, 0) == -VMEM_ENOSPC);
    CHECK(STEP(arena, vmem_split(arena, 32, 96, 32)));
    CHECK(STEP(arena, vmem_split(arena, 64, 64, 32)));
    give_back(arena, 64, 32); /* a hole in the middle of what was one segment */
    CHECK(stats_of(arena).segments == 3 && stats_of(arena).largest_free == 32);
    give_back(arena, 32, 32);
    give_back(arena, 96, 32);
    give_back(arena, 0, 32);
    CHECK(stats_of(arena).largest_free == 128);
    CHECK(vmem_destroy(arena) == 0);
}

/* Counts what comes through a sink: letters and lines. */
struct text {
    unsigned letters, lines;
};

static void count_text(void *ctx, const char *string)
{
    struct text *text = ctx;

    for (; *string != '\0'; string++) {
        text->letters++;
        text->lines += *string == '\n';
    }
}

static int count_segment(void *ctx, const struct vmem_segment *segment)
{
    *(vmem_size_t *)ctx += segment->size;
    return 0;
}

static void part_walk_and_print(unsigned flags)
{
    vmem_t *arena = create("walk", 0, 64, 1, flags);
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    struct text text = {0};
    vmem_size_t sum = 0;

    CHECK(gives(arena, 16, VMEM_FIRSTFIT, 0));
    CHECK(gives(arena, 16, VMEM_LASTFIT, 48));
    CHECK(vmem_walk_next(arena, &cursor, &segment) && segment.kind == VMEM_SEGMENT_SPAN &&
          segment.size == 64 && !segment.imported);
    CHECK(vmem_walk_next(arena, &cursor, &segment) && segment.kind == VMEM_SEGMENT_ALLOCATED &&
          segment.addr == 0 && segment.size == 16);
    CHECK(vmem_walk_next(arena, &cursor, &segment) && segment.kind == VMEM_SEGMENT_FREE &&
          segment.addr == 16 && segment.size == 32);
    CHECK(vmem_walk_next(arena, &cursor, &segment) && segment.addr == 48);
    CHECK(!vmem_walk_next(arena, &cursor, &segment));
    CHECK(vmem_walk(arena, VMEM_SEGMENT_ALLOCATED, count_segment, &sum) == 0 && sum == 32);
    CHECK(vmem_find(arena, 20, &segment) && segment.addr == 16 && segment.size == 32);
    CHECK(!vmem_find(arena, 64, &segment));

    vmem_print(count_text, &text);
    CHECK(text.lines >= 1);
    text = (struct text){0};
    vmem_print_arena(arena, count_text, &text);
    CHECK(text.lines >= 4);
    text = (struct text){0};
    vmem_print_map(arena, 32, count_text, &text);
    CHECK(text.letters >= 32 && text.lines <= 1);
    text = (struct text){0};
    CHECK(vmem_whatis(50, count_text, &text) == 1 && text.letters > 0);

    give_back(arena, 0, 16);
    give_back(arena, 48, 16);
    CHECK(vmem_destroy(arena) == 0);
}

static void part_faults(unsigned flags)
{
    vmem_t *arena = create("faults", 0x1000, 0x1000, 0x10, flags);
    struct vmem_stats before, after;
    struct text text = {0};
    vmem_addr_t addr;

    CHECK(gives(arena, 0x40, VMEM_FIRSTFIT, 0x1000));
    before = stats_of(arena);
    vmem_free(arena, 0x1100, 0x10);
    CHECK(fault_was(VMEM_FAULT_DOUBLE_FREE));
    vmem_free(arena, 0x1000, 0x20);
    CHECK(fault_was(VMEM_FAULT_WRONG_SIZE));
    CHECK(last_fault.arena == arena && last_fault.addr == 0x1000 && last_fault.size == 0x20 &&
          last_fault.expected_addr == 0x1000 && last_fault.expected_size == 0x40);
    vmem_fault_print(&last_fault, count_text, &text);
    CHECK(text.letters > 0 && text.lines == 0);
    vmem_free(arena, 0x1010, 0x10);
    CHECK(fault_was(VMEM_FAULT_MISALIGNED));
    vmem_free(arena, 0x8000, 0x10);
    CHECK(fault_was(VMEM_FAULT_FOREIGN));
    vmem_free(NULL, 0x1000, 0x40);
    CHECK(fault_was(VMEM_FAULT_PARAMETER));
    CHECK(vmem_alloc(arena, 0, 0, &addr) == -VMEM_EINVAL && fault_was(VMEM_FAULT_PARAMETER));
    CHECK(vmem_split(arena, 0x1000, 0x40, 0x40) == -VMEM_EINVAL && fault_was(VMEM_FAULT_PARAMETER));
    CHECK(vmem_resize(arena, 0x1040, 0x10, 0x20, 0) == -VMEM_EINVAL &&
          fault_was(VMEM_FAULT_DOUBLE_FREE));
    after = stats_of(arena);
    CHECK(after.in_use == before.in_use && after.frees == before.frees &&
          after.segments == before.segments && vmem_check(arena) == 0);
    give_back(arena, 0x1000, 0x40);
    CHECK(vmem_destroy(arena) == 0);
}

/* Takes single units, every second of which is given back, until there are no tags left. */
static unsigned use_up_tags(vmem_t *arena, unsigned most)
{
    struct vmem_constraints c = {0};
    vmem_addr_t addr;
    unsigned taken = 0;
    int error = 0;

    for (; taken < most && error == 0; taken++) {
        c.min = 2 * taken;
        c.limit = c.min + 1;
        error = vmem_xalloc(arena, 1, &c, VMEM_INSTANTFIT, &addr);
    }
    if (error != 0) {
        CHECK(error == -VMEM_ENOMEM);
        taken--;
    }
    CHECK(vmem_check(arena) == 0);
    return taken;
}

static void part_refusal(unsigned flags)
{
    vmem_t *arena = create("refusal", 0, 2 * PIECES, 1, flags);
    struct vmem_pool_stats pool;
    unsigned taken;

    page_mode = REFUSE;
    taken = use_up_tags(arena, PIECES);
    CHECK(taken < PIECES); /* or the static pool is larger than this test expects */
    CHECK(stats_of(arena).segments == taken);
    CHECK(vmem_split(arena, 0, 1, 1) == -VMEM_EINVAL && fault_was(VMEM_FAULT_PARAMETER));
    for (unsigned i = 0; i < taken; i++) /* freeing needs no memory */
        vmem_free(arena, 2 * i, 1);
    CHECK(vmem_check(arena) == 0 && stats_of(arena).largest_free == 2 * PIECES);
    page_mode = LEND;
    CHECK(use_up_tags(arena, PIECES) == PIECES);
    vmem_pool_stat(&pool);
    CHECK(pages_out() > 0 && pool.lent_pages >= pages_out() && pool.refusals > 0);
    for (unsigned i = PIECES; i-- > 0;)
        vmem_free(arena, 2 * i, 1);
    CHECK(vmem_check(arena) == 0);
    CHECK(vmem_destroy(arena) == 0);
    vmem_reap(NULL);
    CHECK(pages_out() == 0 && vmem_check(NULL) == 0);
}

/* Takes page after page until there is none; returns how many. */
static unsigned take_all(vmem_t *arena, vmem_addr_t first, bool taken[PHYSICAL_PAGES])
{
    unsigned count = 0;
    vmem_addr_t addr;

    while (vmem_alloc(arena, VMEM_PAGE_SIZE, VMEM_INSTANTFIT, &addr) == 0) {
        taken[(addr - first) / VMEM_PAGE_SIZE] = true;
        count++;
    }
    CHECK(vmem_check(arena) == 0);
    return count;
}

/*
 * Physical pages that the tags are made of as well: every page is ours or holds tags, down to the
 * last. Another arena uses up tags, or there would be enough in the static pool. Pages that hold
 * the tags of one another may stay lent: such an arena is then left as it is, as in a kernel.
 */
static void part_own_tags(unsigned flags)
{
    struct physical *physical = &physicals[flags == 0 ? 0 : 1];
    vmem_addr_t first = (uintptr_t)physical->pages;
    vmem_t *pieces = create("pieces", 0, 2 * PIECES, 1, flags);
    bool ours[PHYSICAL_PAGES] = {false};
    unsigned taken, count;

    if (physical->arena == NULL)
        physical->arena = create("physical", first, sizeof(physical->pages), VMEM_PAGE_SIZE, flags);
    feeding = physical;
    page_mode = FEED;
    taken = use_up_tags(pieces, PIECES);
    CHECK(taken == PIECES && physical->fed > 0);
    count = take_all(physical->arena, first, ours);
    CHECK(count + physical->fed == PHYSICAL_PAGES && stats_of(physical->arena).free == 0);

    for (unsigned i = 0; i < taken; i++)
        vmem_free(pieces, 2 * i, 1);
    CHECK(vmem_destroy(pieces) == 0);
    for (unsigned i = 0; i < PHYSICAL_PAGES; i++)
        if (ours[i])
            vmem_free(physical->arena, (uintptr_t)&physical->pages[i], VMEM_PAGE_SIZE);
    vmem_reap(NULL);
    CHECK(vmem_check(NULL) == 0);
    CHECK(stats_of(physical->arena).in_use == (vmem_size_t)physical->fed * VMEM_PAGE_SIZE);
    CHECK(physical->fed <= 1); /* tags have been moved together */
    page_mode = REFUSE;
    if (physical->fed == 0) {
        CHECK(vmem_destroy(physical->arena) == 0);
        physical->arena = NULL;
    }
    page_mode = LEND;
}

/* Random operations, against one number a unit: how long the segment is that begins there. */

static unsigned char length_at[UNITS];
static bool taken_at[UNITS];
static uint32_t random_state;

static unsigned random_below(unsigned bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (random_state >> 8) % bound;
}

static bool is_legal(unsigned at, unsigned size, const struct vmem_constraints *c)
{
    if (at + size > UNITS || at < c->min || (c->limit != 0 && at + size > c->limit))
        return false;
    if (c->align != 0 && (at & (c->align - 1)) != c->phase)
        return false;
    if (c->nocross != 0 && (at & ~(c->nocross - 1)) != ((at + size - 1) & ~(c->nocross - 1)))
        return false;
    for (unsigned i = 0; i < size; i++)
        if (taken_at[at + i])
            return false;
    return true;
}

static struct vmem_constraints random_constraints(unsigned size)
{
    struct vmem_constraints c = {0};

    if (random_below(2) == 0)
        return c;
    c.align = (vmem_size_t)1 << random_below(6);
    c.phase = random_below((unsigned)c.align);
    if (random_below(2) == 0)
        c.nocross = (vmem_size_t)16 << random_below(3);
    if (random_below(2) == 0) {
        c.min = random_below(UNITS);
        c.limit = c.min + size + random_below(64);
    }
    return c;
}

static void random_alloc(vmem_t *arena)
{
    unsigned size = 1 + random_below(12);
    unsigned policy = random_below(5);
    struct vmem_constraints c = random_constraints(size);
    unsigned lowest = UNITS, highest = UNITS;
    vmem_addr_t addr = 0;
    int error = vmem_xalloc(arena, size, &c, policy, &addr);

    for (unsigned at = 0; at < UNITS; at++) {
        if (!is_legal(at, size, &c))
            continue;
        lowest = lowest == UNITS ? at : lowest;
        highest = at;
    }
    if (!CHECK(error == (lowest == UNITS ? -VMEM_ENOSPC : 0)) || error != 0)
        return;
    if (!CHECK(addr < UNITS && is_legal((unsigned)addr, size, &c)))
        return;
    CHECK(policy != VMEM_FIRSTFIT || addr == lowest);
    CHECK(policy != VMEM_LASTFIT || addr == highest);
    length_at[addr] = (unsigned char)size;
    for (unsigned i = 0; i < size; i++)
        taken_at[addr + i] = true;
}

static void random_free(vmem_t *arena)
{
    unsigned at = random_below(UNITS);

    while (at < UNITS && length_at[at] == 0)
        at++;
    if (at == UNITS)
        return;
    vmem_free(arena, at, length_at[at]);
    for (unsigned i = 0; i < length_at[at]; i++)
        taken_at[at + i] = false;
    length_at[at] = 0;
}

static void part_random(unsigned flags)
{
    vmem_t *arena = create("random", 0, UNITS, 1, flags);
    vmem_size_t used = 0;

    random_state = 2463534242U;
    for (unsigned step = 0; step < RANDOM_STEPS; step++) {
        if (random_below(9) < 5)
            random_alloc(arena);
        else
            random_free(arena);
        if (!CHECK(vmem_check(arena) == 0))
            break;
    }
    for (unsigned at = 0; at < UNITS; at++)
        used += taken_at[at];
    CHECK(stats_of(arena).in_use == used);
    for (unsigned at = 0; at < UNITS; at++) {
        if (length_at[at] != 0)
            vmem_free(arena, at, length_at[at]);
        length_at[at] = 0;
        taken_at[at] = false;
    }
    CHECK(stats_of(arena).largest_free == UNITS);
    CHECK(vmem_destroy(arena) == 0);
}

static void run(const char *name, void (*part)(unsigned flags))
{
    unsigned before = checks;
    unsigned failed_before = failed;

    part(0);
    part(VMEM_ARENA_ORDERED);
    CHECK(faults == 0 && vmem_check(NULL) == 0);
    faults = 0;
    print(failed == failed_before ? "  passed  " : "  FAILED  ");
    print(name);
    print(", ");
    print_number(checks - before);
    print(" checks\n");
}

int vmem_selftest(void (*print_to)(void *ctx, const char *string), void *ctx)
{
    print_string = print_to;
    print_ctx = ctx;
    checks = 0;
    failed = 0;
    faults = 0;
    page_mode = LEND;
    run("create and destroy", part_create);
    run("policies", part_policies);
    run("constraints", part_constraints);
    run("spans", part_spans);
    run("imports", part_imports);
    run("resize and split", part_resize_and_split);
    run("walk and print", part_walk_and_print);
    run("faults", part_faults);
    run("random operations", part_random);
    run("caches", part_caches);
    run("magazines", part_magazines);
    run("quantum caches", part_quantum_caches);
    run("heap", part_heap);
    run("IDs", part_ids);
    run("pressure", part_pressure);
    run("refused pages", part_refusal);
    run("refused pages, for objects", part_refused_objects);
    run("pages that hold their own tags", part_own_tags);
    print("self-test: ");
    print_number(checks);
    print(" checks, ");
    print_number(failed);
    print(" failed\n");
    return (int)failed;
}
