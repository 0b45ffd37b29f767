/* SPDX-License-Identifier: MIT */
/*
 * test_print.c - arenas, caches, heaps and ID spaces as text, to the letter.
 */
#include "support.h"

#include <vmem/heap.h>
#include <vmem/id.h>

#include <stdio.h>
#include <string.h>

static char text[8192];

static void append(void *ctx, const char *string)
{
    size_t used = strlen(text);

    checked_port_no_lock("a sink");
    assert_ptr_equal(ctx, text);
    (void)snprintf(&text[used], sizeof(text) - used, "%s", string);
}

static const char *printed(void)
{
    text[0] = '\0';
    vmem_print(append, text);
    return text;
}

static const char *printed_arena(vmem_t *arena)
{
    text[0] = '\0';
    vmem_print_arena(arena, append, text);
    return text;
}

static const char *printed_map(vmem_t *arena, unsigned width)
{
    text[0] = '\0';
    vmem_print_map(arena, width, append, text);
    return text;
}

#define HEADING \
    "arena                    quantum    in use     total   largest    allocs     fails\n"

static vmem_t *make_named(const char *name, vmem_size_t size, vmem_size_t quantum, vmem_t *source,
                          unsigned index)
{
    struct vmem_params params = {
        .name = name, .size = size, .quantum = quantum, .source = source, .flags = index};

    return make_params(&params);
}

/*
 * vmem_print
 */

static void print_without_an_arena_is_a_heading(void **state)
{
    (void)state;
    assert_string_equal(printed(), HEADING);
}

static void print_shows_a_row_an_arena(void **state)
{
    vmem_t *arena = make_named("ids", 1000, 1, NULL, INDEX(state));

    (void)take(arena, 10, VMEM_FIRSTFIT);
    (void)take(arena, 20, VMEM_FIRSTFIT);
    refused(arena, 2000, 0, -VMEM_ENOSPC);
    assert_string_equal(
        printed(), HEADING
        "ids                            1        30      1000       970         2         1\n");
}

static void print_indents_an_arena_under_its_source(void **state)
{
    vmem_t *pages = make_named("pages", 0x10000, 0x1000, NULL, INDEX(state));
    vmem_t *heap, *small;

    (void)make_named("pids", 100, 1, NULL, INDEX(state));
    heap = make_named("heap", 0, 0x1000, pages, INDEX(state));
    (void)make_named("other", 0, 0x1000, pages, INDEX(state));
    small = make_named("small", 0, 0x10, heap, INDEX(state));
    (void)take(small, 0x20, VMEM_FIRSTFIT);
    assert_string_equal(
        printed(), HEADING
        "pages                       4096      4096     65536     61440         1         0\n"
        "  heap                      4096      4096      4096         0         1         0\n"
        "    small                     16        32      4096      4064         1         0\n"
        "  other                     4096         0         0         0         0         0\n"
        "pids                           1         0       100       100         0         0\n");
}

static void print_scales_large_numbers(void **state)
{
    static const struct {
        vmem_size_t size;
        const char *column;
    } rows[] = {
        {99999, "     99999"},
        {100000, "     97.6K"},
        {1024 * 1024 - 1, "   1023.9K"},
        {12 * 1024 * 1024 + 512 * 1024, "     12.5M"},
        {1024 * 1024, "      1.0M"},
        {VMEM_ADDR_MAX / 2 + 1, VMEM_ADDR_MAX > UINT32_MAX ? "      8.0E" : "      2.0G"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        vmem_t *arena = make_named("large", rows[i].size, 1, NULL, INDEX(state));
        char expected[256];

        (void)snprintf(expected, sizeof(expected),
                       HEADING
                       "large                          1         0%s%s         0         0\n",
                       rows[i].column, rows[i].column);
        assert_string_equal(printed(), expected);
        unmake(arena);
    }
}

static void print_makes_room_for_a_long_name(void **state)
{
    (void)make_named("a name that is longer than the column for it", 8, 1, NULL, INDEX(state));
    assert_string_equal(printed(), HEADING "a name that is longer than the column for it"
                                           "         1         0         8         8         0"
                                           "         0\n");
}

static unsigned lines;
static vmem_t *sink_arena;

static void allocating_sink(void *ctx, const char *string)
{
    vmem_addr_t addr;

    (void)ctx;
    checked_port_no_lock("a sink");
    lines += string[0] == '\n' && string[1] == '\0';
    (void)vmem_alloc(sink_arena, 1, VMEM_LASTFIT, &addr);
    assert_int_equal(vmem_destroy(sink_arena) == 0, 0);
    fault_count = 0;
}

static void print_to_a_sink_that_allocates_ends(void **state)
{
    sink_arena = make_named("sink", 100000, 1, NULL, INDEX(state));
    (void)take(sink_arena, 1, 0);
    lines = 0;
    vmem_print(allocating_sink, NULL);
    assert_int_equal(lines, 1);
    vmem_print_arena(sink_arena, allocating_sink, NULL);
    vmem_print_map(sink_arena, 10, allocating_sink, NULL);
    assert_true(vmem_whatis(0, allocating_sink, NULL) > 0);
    check(sink_arena);
}

/*
 * Caches in vmem_print
 */

/* The line for what has this name, indentation and all; a newline ends it. */
static const char *line_of(const char *indented_name)
{
    static char line[256];
    const char *at = strstr(printed(), indented_name);

    assert_non_null(at);
    assert_true(at == text || at[-1] == '\n');
    (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n") + 1, at);
    return line;
}

static void print_shows_caches_under_their_arena(void **state)
{
    vmem_t *memory = make_memory(1 << 20);
    struct vmem_cache_params params = {
        .name = "thread", .size = 200, .arena = memory, .flags = VMEM_CACHE_NO_MAGAZINES};
    vmem_cache_t *threads = make_cache_params(&params);
    void *one, *two;

    (void)state;
    params.name = "file";
    params.size = 4096;
    params.align = 4096;
    (void)make_cache_params(&params);
    (void)make_child(memory, MEMORY_QUANTUM, 0);
    one = vmem_cache_alloc(threads, 0);
    two = vmem_cache_alloc(threads, 0);
    vmem_cache_free(threads, two);
    assert_string_equal(
        printed(), HEADING
        "memory                      4096      4096      1.0M   1020.0K         1         0\n"
        "  thread                     200       200      4096         -         2         0\n"
        "  file                      4096         0         0         -         0         0\n"
        "  child                     4096         0         0         0         0         0\n");
    vmem_cache_free(threads, one);
}

static void print_counts_the_refusals_of_a_cache(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(4096), 4096, 4096);

    (void)state;
    assert_null(vmem_cache_alloc(cache, 0)); /* a slab is of several pages */
    assert_string_equal(
        line_of("  cache"),
        "  cache                     4096         0         0         -         0         1\n");
}

static void print_shows_what_share_the_magazines_served(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(1 << 20), 64, 0);
    void *object;

    (void)state;
    assert_null(strstr(line_of("  cache"), "hits")); /* of nothing */
    object = vmem_cache_alloc(cache, 0);
    assert_non_null(strstr(line_of("  cache"), "         0  0.0% hits\n"));
    vmem_cache_free(cache, object);
    for (unsigned i = 0; i < 2500; i++) {
        const struct vmem_cache_stats stats = cache_stats(cache);
        const uint64_t calls = stats.allocs + stats.frees;
        const unsigned thousandths = (unsigned)((calls - stats.misses) * 1000 / calls);
        char expected[32];

        (void)snprintf(expected, sizeof(expected), "  %u.%u%% hits\n", thousandths / 10,
                       thousandths % 10);
        assert_non_null(strstr(line_of("  cache"), expected));
        vmem_cache_free(cache, vmem_cache_alloc(cache, 0));
    }
    assert_non_null(strstr(line_of("  cache"), "  99.9% hits\n")); /* never rounded up to all */
}

static void print_shows_the_quantum_caches_that_are_used(void **state)
{
    const struct vmem_params params = {
        .name = "cached", .size = 64, .quantum = 1, .qcache_max = 4, .flags = INDEX(state)};
    vmem_t *arena = make_params(&params);

    (void)take(arena, 3, 0);
    assert_string_equal(
        printed(), HEADING
        "cached                         1         3        64        48         1         0\n"
        "  quantum cache                3         3        16         -         1         0"
        "  0.0% hits\n");
}

/*
 * Heaps in vmem_print, and alone
 */

static vmem_heap_t *make_heap(const char *name, vmem_t *arena)
{
    const struct vmem_heap_params params = {.name = name, .arena = arena};
    vmem_heap_t *heap = NULL;

    assert_int_equal(vmem_heap_create(&params, &heap), 0);
    return heap;
}

/* A block of each size; the sizes ascend, the blocks are allocated in another order. */
enum { BLOCKS = 3 };
static const size_t block_sizes[BLOCKS] = {48, 512, 3072};

static void take_blocks(vmem_heap_t *heap, void *blocks[BLOCKS])
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        const unsigned which = (i + 1) % BLOCKS;

        blocks[which] = vmem_heap_alloc(heap, block_sizes[which], 0);
        assert_non_null(blocks[which]);
    }
}

static void drop_blocks(vmem_heap_t *heap, void *blocks[BLOCKS])
{
    for (unsigned i = 0; i < BLOCKS; i++)
        vmem_heap_free(heap, blocks[i]);
    assert_int_equal(vmem_heap_destroy(heap), 0);
}

static void print_shows_a_heap_as_one_line(void **state)
{
    vmem_t *memory = make_memory(1 << 20);
    vmem_heap_t *first = make_heap("first", memory), *second = make_heap("second", memory);
    void *blocks[BLOCKS], *others[BLOCKS];
    struct vmem_heap_stats stats;
    char expected[256];

    (void)state;
    take_blocks(first, blocks);
    take_blocks(second, others); /* whose classes stand behind those of the first */
    vmem_heap_free(second, others[0]);
    others[0] = NULL;
    vmem_heap_stat(first, &stats);
    (void)snprintf(expected, sizeof(expected), "  %-20s         -%10zu%10zu         -%10u%10u",
                   "first", (size_t)stats.in_use, (size_t)stats.held, BLOCKS, 0);
    assert_memory_equal(line_of("  first "), expected, strlen(expected));
    vmem_heap_stat(second, &stats);
    (void)snprintf(expected, sizeof(expected), "  %-20s         -%10zu%10zu         -%10u%10u",
                   "second", (size_t)stats.in_use, (size_t)stats.held, BLOCKS, 0);
    assert_memory_equal(line_of("  second "), expected, strlen(expected));
    assert_null(strstr(strstr(text, "  second ") + 1, "  second ")); /* one line alone */
    drop_blocks(first, blocks);
    drop_blocks(second, others);
}

static const char *printed_heap(vmem_heap_t *heap)
{
    text[0] = '\0';
    vmem_print_heap(heap, append, text);
    return text;
}

/* The lines for classes, one a call: object size and bytes in use; false: there are no more. */
static bool next_class(const char **line, unsigned *size, unsigned *in_use)
{
    *line = strchr(*line, '\n') + 1;
    if (**line == '\0')
        return false;
    assert_int_equal(sscanf(*line, "                      %u %u ", size, in_use), 2);
    return true;
}

static void print_heap_shows_its_classes_by_size(void **state)
{
    vmem_t *before = make_memory(1 << 20), *memory = make_memory(1 << 20);
    vmem_heap_t *elsewhere = make_heap("elsewhere", before);
    vmem_heap_t *other = make_heap("other", memory), *heap = make_heap("heap", memory);
    unsigned size, in_use, last = 0, used = 0;
    void *blocks[BLOCKS], *others[BLOCKS];
    const char *line;

    (void)state;
    take_blocks(other, others);
    take_blocks(heap, blocks);
    line = printed_heap(heap);
    assert_memory_equal(line, "heap                           -      3632", 42);
    while (next_class(&line, &size, &in_use)) {
        assert_true(size > last);
        last = size;
        if (in_use != 0) {
            assert_int_equal(size, in_use); /* one block */
            assert_int_equal(size, block_sizes[used++]);
        }
    }
    assert_int_equal(used, BLOCKS);
    drop_blocks(heap, blocks);
    drop_blocks(other, others);
    assert_int_equal(vmem_heap_destroy(elsewhere), 0);
}

static void print_heap_shows_an_aligned_class_beside_the_other(void **state)
{
    vmem_heap_t *heap = make_heap("heap", make_memory(1 << 20));
    void *block = vmem_heap_alloc(heap, 64, 0), *aligned = vmem_heap_memalign(heap, 64, 64, 0);
    const char *line = printed_heap(heap);
    unsigned size, in_use, classes = 0;

    (void)state;
    assert_true(block != NULL && aligned != NULL);
    while (next_class(&line, &size, &in_use))
        classes += size == 64 && in_use == 64;
    assert_int_equal(classes, 2);
    vmem_heap_free(heap, block);
    vmem_heap_free(heap, aligned);
    assert_int_equal(vmem_heap_destroy(heap), 0);
}

/*
 * ID spaces in vmem_print
 */

static vmem_id_t *make_ids(const char *name, vmem_addr_t min, vmem_addr_t max)
{
    const struct vmem_id_params params = {.name = name, .min = min, .max = max};
    vmem_id_t *space = NULL;

    assert_int_equal(vmem_id_create(&params, &space), 0);
    return space;
}

static void print_shows_id_spaces_behind_all_arenas(void **state)
{
    vmem_id_t *first = make_ids("first", 1, 64), *second = make_ids("second", 10, 11);
    struct vmem_id_stats stats;
    char expected[512];
    vmem_addr_t id;

    (void)make_named("arena", 8, 1, NULL, INDEX(state));
    assert_int_equal(vmem_id_take(first, 5), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vmem_id_alloc(second, 0, &id), i < 2 ? 0 : -VMEM_ENOSPC);
    vmem_id_stat(first, &stats);
    (void)snprintf(
        expected, sizeof(expected),
        HEADING
        "arena                          1         0         8         8         0         0\n"
        "\n"
        "IDs                        first      last    in use    allocs     fails     bytes\n"
        "first                          1        64         1         1         0%10zu\n"
        "second                        10        11         2         2         1",
        stats.bytes);
    assert_memory_equal(printed(), expected, strlen(expected));
    vmem_id_free(first, 5);
    vmem_id_free(second, 10);
    vmem_id_free(second, 11);
    assert_int_equal(vmem_id_destroy(first) | vmem_id_destroy(second), 0);
}

/*
 * What goes while it is printed
 */

static vmem_cache_t *shown_cache, *doomed_cache;
static vmem_id_t *shown_space, *doomed_space;

/* When the line of the one comes, it cannot be destroyed, and the other, which would follow, is. */
static void destroying_sink(void *ctx, const char *string)
{
    append(ctx, string);
    if (strcmp(string, "shown cache") == 0) {
        assert_int_equal(vmem_cache_destroy(shown_cache), -VMEM_EBUSY);
        assert_int_equal(vmem_cache_destroy(doomed_cache), 0);
    }
    if (strcmp(string, "shown space") == 0) {
        assert_int_equal(vmem_id_destroy(shown_space), -VMEM_EBUSY);
        assert_int_equal(vmem_id_destroy(doomed_space), 0);
    }
}

static void print_to_a_sink_that_destroys_caches_and_spaces_ends(void **state)
{
    vmem_t *memory = make_memory(1 << 16);
    struct vmem_cache_params params = {.name = "shown cache", .size = 8, .arena = memory};

    (void)state;
    assert_int_equal(vmem_cache_create(&params, &shown_cache), 0);
    params.name = "doomed cache";
    assert_int_equal(vmem_cache_create(&params, &doomed_cache), 0);
    shown_space = make_ids("shown space", 0, 7);
    doomed_space = make_ids("doomed space", 0, 7);
    text[0] = '\0';
    vmem_print(destroying_sink, text);
    assert_non_null(strstr(text, "shown space"));
    assert_null(strstr(text, "doomed"));
    assert_int_equal(vmem_cache_destroy(shown_cache), 0);
    assert_int_equal(vmem_id_destroy(shown_space), 0);
}

/*
 * vmem_print_arena
 */

/* "  by 0x..." where the caller is known: takes it out, since no test can know the number. */
static const char *without_callers(const char *string)
{
    static char plain[sizeof(text)];
    char *to = plain;
    const char *by;

    while ((by = strstr(string, "  by 0x")) != NULL) {
        memcpy(to, string, (size_t)(by - string));
        to += by - string;
        string = by + strcspn(by, "\n");
    }
    (void)snprintf(to, sizeof(plain) - (size_t)(to - plain), "%s", string);
    return plain;
}

static void print_arena_shows_spans_and_segments(void **state)
{
    vmem_t *arena = make_named("ids", 0x100, 0x10, NULL, INDEX(state));

    expect(0, vmem_add(arena, VMEM_ADDR_MAX - 0xf, 0x10, 0), arena);
    (void)take_at(arena, 0x40, 0x20);
    (void)printed_arena(arena);
    assert_string_equal(without_callers(text),
                        VMEM_ADDR_MAX > UINT32_MAX
                            ? "ids:\n"
                              "span                [0x0, 0xff]  size 256\n"
                              "  free              [0x0, 0x3f]  size 64\n"
                              "  allocated         [0x40, 0x5f]  size 32\n"
                              "  free              [0x60, 0xff]  size 160\n"
                              "span                [0xfffffffffffffff0, 0xffffffffffffffff]"
                              "  size 16\n"
                              "  free              [0xfffffffffffffff0, 0xffffffffffffffff]"
                              "  size 16\n"
                            : "ids:\n"
                              "span                [0x0, 0xff]  size 256\n"
                              "  free              [0x0, 0x3f]  size 64\n"
                              "  allocated         [0x40, 0x5f]  size 32\n"
                              "  free              [0x60, 0xff]  size 160\n"
                              "span                [0xfffffff0, 0xffffffff]  size 16\n"
                              "  free              [0xfffffff0, 0xffffffff]  size 16\n");
#if VMEM_CONFIG_DEBUG
    assert_non_null(strstr(text, "size 32  by 0x"));
#else
    assert_null(strstr(text, " by "));
#endif
}

static void print_arena_says_what_is_imported(void **state)
{
    vmem_t *source = make_named("source", 0x1000, 0x1000, NULL, INDEX(state));
    vmem_t *child = make_named("child", 0, 0x1000, source, INDEX(state));

    (void)take(child, 0x1000, 0);
    (void)printed_arena(child);
    assert_string_equal(without_callers(text), "child:\n"
                                               "span      imported  [0x0, 0xfff]  size 4096\n"
                                               "  allocated         [0x0, 0xfff]  size 4096\n");
}

static void print_arena_of_an_empty_arena_is_its_name(void **state)
{
    assert_string_equal(printed_arena(make_named("empty", 0, 1, NULL, INDEX(state))), "empty:\n");
}

/*
 * vmem_print_map
 */

static void map_shows_a_character_a_quantum(void **state)
{
    vmem_t *arena = make_named("map", 16, 1, NULL, INDEX(state));

    assert_string_equal(printed_map(arena, 16), "................\n");
    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 15, 1);
    (void)take_at(arena, 7, 3);
    assert_string_equal(printed_map(arena, 16), "##.....###.....#\n");
}

static void map_shows_both_where_a_cell_has_both(void **state)
{
    vmem_t *arena = make_named("map", 16, 1, NULL, INDEX(state));

    (void)take_at(arena, 0, 2);
    (void)take_at(arena, 7, 3);
    assert_string_equal(printed_map(arena, 8), "#..+#...\n");
    assert_string_equal(printed_map(arena, 1), "+\n");
    assert_string_equal(printed_map(arena, 2), "++\n");
}

static void map_shows_where_a_span_begins(void **state)
{
    vmem_t *arena = make_named("map", 8, 1, NULL, INDEX(state));

    expect(0, vmem_add(arena, 100, 8, 0), arena);
    (void)take_at(arena, 4, 4);
    (void)take_at(arena, 101, 7);
    assert_string_equal(printed_map(arena, 16), "....####|#######\n");
}

static void map_hides_the_borders_of_too_many_spans(void **state)
{
    vmem_t *arena = make_named("map", 2, 1, NULL, INDEX(state));

    for (vmem_addr_t i = 1; i < 8; i++)
        expect(0, vmem_add(arena, 10 * i, 2, 0), arena);
    (void)take_at(arena, 10, 2);
    assert_string_equal(printed_map(arena, 16), "..##............\n");
}

static void map_may_be_wider_than_the_arena(void **state)
{
    vmem_t *arena = make_named("map", 4, 1, NULL, INDEX(state));

    (void)take_at(arena, 1, 1);
    assert_string_equal(printed_map(arena, 8), "..##....\n");
}

static void map_s_width_is_1_to_256(void **state)
{
    vmem_t *arena = make_named("map", 0x10000, 1, NULL, INDEX(state));

    assert_int_equal(strlen(printed_map(arena, 256)), 257);
    assert_int_equal(strlen(printed_map(arena, 10000)), 257);
    assert_string_equal(printed_map(arena, 0), ".\n");
}

static void map_of_the_whole_address_space(void **state)
{
    vmem_t *arena = make(0, VMEM_ADDR_MAX, 1, INDEX(state));

    expect(0, vmem_add(arena, VMEM_ADDR_MAX, 1, 0), arena);
    (void)take_at(arena, VMEM_ADDR_MAX / 32 * 9, VMEM_ADDR_MAX / 16);
    assert_string_equal(printed_map(arena, 16), "....++.........|\n");
}

static void map_of_an_empty_arena_is_blank(void **state)
{
    assert_string_equal(printed_map(make(0, 0, 1, INDEX(state)), 4), "    \n");
}

/*
 * vmem_whatis
 */

static unsigned whatis(vmem_addr_t addr)
{
    text[0] = '\0';
    return vmem_whatis(addr, append, text);
}

static void whatis_names_every_arena_that_contains_the_address(void **state)
{
    vmem_t *source = make_named("source", 0x2000, 0x1000, NULL, INDEX(state));
    vmem_t *child = make_named("child", 0, 0x10, source, INDEX(state));
    const char *comma;

    (void)make_named("elsewhere", 0x100, 1, NULL, INDEX(state));
    (void)take_at(source, 0, 0x1000);
    (void)take(child, 0x10, VMEM_FIRSTFIT);
    assert_int_equal(whatis(0x1004), 2);
    comma = strstr(text, ", allocated by 0x");
#if VMEM_CONFIG_DEBUG
    assert_non_null(comma);
#else
    assert_null(comma);
    assert_string_equal(text,
                        "0x1004 is 4 into the allocated segment [0x1000, 0x1fff] of 'source'\n"
                        "0x1004 is 4 into the allocated segment [0x1000, 0x100f] of 'child'\n");
#endif
    assert_int_equal(whatis(0x1010), 2);
    assert_non_null(
        strstr(text, "0x1010 is 0 into the free segment [0x1010, 0x1fff] of 'child'\n"));
}

static void whatis_says_which_object_of_which_cache(void **state)
{
    vmem_t *memory = make_memory(1 << 20);
    vmem_cache_t *other = make_cache(memory, 192, 64), *cache = make_cache(memory, 192, 64);
    void *elsewhere = vmem_cache_alloc(other, 0);
    char *object = vmem_cache_alloc(cache, 0);
    char expected[256];

    (void)state;
    assert_int_equal(whatis((vmem_addr_t)(uintptr_t)object + 5), 2);
    (void)snprintf(expected, sizeof(expected),
                   "%p is 5 into the object [%p, %p] of cache 'cache', handed out",
                   (void *)(object + 5), (void *)object, (void *)(object + 191));
    assert_non_null(strstr(text, expected));
#if VMEM_CONFIG_DEBUG
    assert_non_null(strstr(text, "handed out, allocated by 0x"));
#else
    assert_non_null(strstr(text, "handed out\n"));
#endif
    vmem_cache_free(cache, object);
    (void)whatis((vmem_addr_t)(uintptr_t)object);
    assert_non_null(
        strstr(text, has_magazines() ? ", free in a magazine\n" : ", free in its slab\n"));
    assert_null(strstr(text, "handed out"));
    vmem_cache_free(other, elsewhere);
}

static void whatis_sees_segments_in_a_quantum_cache(void **state)
{
    const struct vmem_params params = {
        .name = "cached", .size = 64, .quantum = 1, .qcache_max = 4, .flags = INDEX(state)};
    vmem_t *arena = make_params(&params);

    (void)take(arena, 3, 0);
    assert_int_equal(whatis(1), 2);
    assert_non_null(strstr(text, "0x1 is 1 into the allocated segment [0x0, 0x2] of 'cached'"));
    assert_non_null(
        strstr(text, "0x1 is 1 into the object [0x0, 0x2] of cache 'cached', handed out"));
    assert_int_equal(whatis(4), 2);
    assert_non_null(strstr(text, "into the free segment"));
    assert_non_null(strstr(text, "4 is 1 into the object [0x3, 0x5] of cache 'cached', free in"));
}

static void whatis_of_what_lies_between_objects(void **state)
{
    vmem_cache_t *cache = make_cache(make_memory(1 << 20), 4096 - 512, 512);
    const struct vmem_cache_stats stats = cache_stats(cache);
    char *object = vmem_cache_alloc(cache, 0);
    vmem_addr_t slab = (vmem_addr_t)(uintptr_t)object & ~(stats.slab_size - 1);

    (void)state;
    assert_true(stats.objects_per_slab * stats.object_size < stats.slab_size);
    assert_int_equal(whatis(slab + stats.slab_size - 1), 2);
    assert_non_null(strstr(text, "] of cache 'cache', between the objects\n"));
    vmem_cache_free(cache, object);
}

static void whatis_says_whether_an_id_is_allocated(void **state)
{
    vmem_id_t *space = make_ids("ids", 10, 19);

    (void)state;
    assert_int_equal(vmem_id_take(space, 19), 0);
    assert_int_equal(whatis(9) + whatis(20), 0);
    assert_int_equal(whatis(10), 1);
    assert_string_equal(text, "0xa is a free ID of 'ids'\n");
    assert_int_equal(whatis(19), 1);
    assert_string_equal(text, "0x13 is an allocated ID of 'ids'\n");
    vmem_id_free(space, 19);
    assert_int_equal(vmem_id_destroy(space), 0);
}

static void whatis_of_an_id_in_a_space_of_all_integers(void **state)
{
    vmem_id_t *space = make_ids("all", 0, VMEM_ADDR_MAX);

    (void)state;
    assert_int_equal(whatis(0) + whatis(VMEM_ADDR_MAX), 2);
    assert_int_equal(vmem_id_destroy(space), 0);
}

static void whatis_knows_nothing_of_a_foreign_address(void **state)
{
    (void)make_named("ids", 8, 1, NULL, INDEX(state));
    assert_int_equal(whatis(8), 0);
    assert_string_equal(text, "");
}

static void whatis_of_the_last_address_of_the_space(void **state)
{
    (void)make(VMEM_ADDR_MAX, 1, 1, INDEX(state));
    assert_int_equal(whatis(VMEM_ADDR_MAX), 1);
    assert_string_equal(text, VMEM_ADDR_MAX > UINT32_MAX
                                  ? "0xffffffffffffffff is 0 into the free segment "
                                    "[0xffffffffffffffff, 0xffffffffffffffff] of 'test'\n"
                                  : "0xffffffff is 0 into the free segment "
                                    "[0xffffffff, 0xffffffff] of 'test'\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(print_without_an_arena_is_a_heading),
        ON_BOTH(print_shows_a_row_an_arena),
        ON_BOTH(print_indents_an_arena_under_its_source),
        ON_BOTH(print_scales_large_numbers),
        ON_BOTH(print_makes_room_for_a_long_name),
        ONCE(print_shows_caches_under_their_arena),
        ONCE(print_counts_the_refusals_of_a_cache),
        WITH_MAGAZINES(print_shows_what_share_the_magazines_served),
        ON_BOTH(print_shows_the_quantum_caches_that_are_used),
        WITH_AND_WITHOUT(print_shows_a_heap_as_one_line),
        WITH_AND_WITHOUT(print_heap_shows_its_classes_by_size),
        WITH_AND_WITHOUT(print_heap_shows_an_aligned_class_beside_the_other),
        ON_BOTH(print_shows_id_spaces_behind_all_arenas),
        ON_BOTH(print_to_a_sink_that_allocates_ends),
        ONCE(print_to_a_sink_that_destroys_caches_and_spaces_ends),
        ON_BOTH(print_arena_shows_spans_and_segments),
        ON_BOTH(print_arena_says_what_is_imported),
        ON_BOTH(print_arena_of_an_empty_arena_is_its_name),
        ON_BOTH(map_shows_a_character_a_quantum),
        ON_BOTH(map_shows_both_where_a_cell_has_both),
        ON_BOTH(map_shows_where_a_span_begins),
        ON_BOTH(map_hides_the_borders_of_too_many_spans),
        ON_BOTH(map_may_be_wider_than_the_arena),
        ON_BOTH(map_s_width_is_1_to_256),
        ON_BOTH(map_of_the_whole_address_space),
        ON_BOTH(map_of_an_empty_arena_is_blank),
        ON_BOTH(whatis_names_every_arena_that_contains_the_address),
        WITH_AND_WITHOUT(whatis_says_which_object_of_which_cache),
        ON_BOTH(whatis_sees_segments_in_a_quantum_cache),
        ONCE(whatis_of_what_lies_between_objects),
        ONCE(whatis_says_whether_an_id_is_allocated),
        ONCE(whatis_of_an_id_in_a_space_of_all_integers),
        ON_BOTH(whatis_knows_nothing_of_a_foreign_address),
        ON_BOTH(whatis_of_the_last_address_of_the_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
