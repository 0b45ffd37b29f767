/* SPDX-License-Identifier: MIT */
/*
 * print.c - arenas, caches, heaps, ID spaces, segments and faults as text, through a
 * sink of one function.
 *
 * Everything is read first, under the locks and one line at a time, and handed to
 * the sink afterwards. Lines are made of short pieces: no buffer holds a whole one,
 * since a kernel's stack is small. What a line is about is pinned meanwhile, so the
 * sink, and other threads, may do what they like to all the rest.
 *
 * Counts and sizes are decimal, and from 100,000 on in units of 1024 with one place
 * (12.3M); addresses are hexadecimal.
 */
#include "arena.h"
#include "cache.h"
#include "id.h"

struct printer {
    vmem_sink_t *sink;
    void *ctx;
};

enum {
    NAME_WIDTH = 22,
    COLUMN_WIDTH = 10,
    MAP_WIDTH_MAX = 256,
    DIGITS = 24 /* of a 64-bit number in decimal, with room for a unit */
};

static void put(const struct printer *to, const char *string)
{
    to->sink(to->ctx, string);
}

static void put_spaces(const struct printer *to, unsigned count)
{
    while (count-- > 0)
        put(to, " ");
}

static unsigned length(const char *string)
{
    unsigned n = 0;

    while (string[n] != '\0')
        n++;
    return n;
}

static void put_right(const struct printer *to, const char *string, unsigned width)
{
    unsigned n = length(string);

    put_spaces(to, width > n ? width - n : 1);
    put(to, string);
}

/* Divides by ten in 16-bit steps, without a 64-bit division; the remainder. */
static unsigned divide_by_ten(uint64_t *value)
{
    uint64_t quotient = 0;
    uint32_t rest = 0;

    for (int shift = 48; shift >= 0; shift -= 16) {
        uint32_t part = (rest << 16) | (uint32_t)((*value >> shift) & 0xffff);

        quotient = (quotient << 16) | part / 10;
        rest = part % 10;
    }
    *value = quotient;
    return rest;
}

/* Writes digits so that they end before `end`; where they begin. */
static char *decimal(uint64_t value, char *end)
{
    do
        *--end = (char)('0' + divide_by_ten(&value));
    while (value != 0);
    return end;
}

/* A number in up to seven characters. */
static const char *scaled(uint64_t value, char buffer[DIGITS])
{
    static const char units[] = "KMGTPE";
    char *end = &buffer[DIGITS - 1];
    unsigned unit = 0;

    *end = '\0';
    if (value < 100000)
        return decimal(value, end);
    while (value >= UINT64_C(1024) * 1024) {
        value >>= 10;
        unit++;
    }
    *--end = units[unit];
    *--end = (char)('0' + (((uint32_t)value & 1023) * 10 >> 10));
    *--end = '.';
    return decimal(value >> 10, end);
}

static const char *hexadecimal(uint64_t value, char buffer[DIGITS])
{
    char *at = &buffer[DIGITS - 1];

    *at = '\0';
    do {
        *--at = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    *--at = 'x';
    *--at = '0';
    return at;
}

static void put_hexadecimal(const struct printer *to, uint64_t value)
{
    char buffer[DIGITS];

    put(to, hexadecimal(value, buffer));
}

static void put_decimal(const struct printer *to, uint64_t value)
{
    char buffer[DIGITS];

    buffer[DIGITS - 1] = '\0';
    put(to, decimal(value, &buffer[DIGITS - 1]));
}

static void put_column(const struct printer *to, uint64_t value)
{
    char buffer[DIGITS];

    put_right(to, scaled(value, buffer), COLUMN_WIDTH);
}

/*
 * The tree of arenas
 */

static void put_name(const struct printer *to, const char *name, unsigned indent)
{
    unsigned used = indent + length(name);

    put_spaces(to, indent);
    put(to, name);
    put_spaces(to, used < NAME_WIDTH ? NAME_WIDTH - used : 0);
}

/* part of whole in percent, with one place: long division, since a CPU may have no other. */
static void put_percentage(const struct printer *to, uint64_t part, uint64_t whole)
{
    unsigned thousandths = 0;

    for (unsigned digit = 0; digit < 4; digit++) {
        thousandths *= 10;
        for (; part >= whole; part -= whole)
            thousandths++;
        part *= 10;
    }
    put_decimal(to, thousandths / 10);
    put(to, ".");
    put_decimal(to, thousandths % 10);
    put(to, "%");
}

/* What a line says of a cache, or of all size classes of a heap together. */
struct cache_row {
    vmem_size_t object_size; /* 0: of several sizes */
    vmem_size_t in_use, in_slabs;
    uint64_t allocs, frees, fails, misses;
    bool has_magazines;
};

/* Not inlined, for the sake of the stack: all the counters would lie beside an arena's. */
static __attribute__((noinline)) void add_to_row(struct cache_row *row, vmem_cache_t *cache)
{
    struct vmem_cache_stats stats;

    vmem_cache_stat(cache, &stats);
    row->in_use += stats.in_use * stats.object_size;
    row->in_slabs += stats.slabs * stats.slab_size;
    row->allocs += stats.allocs;
    row->frees += stats.frees;
    row->fails += stats.fails;
    row->misses += stats.misses;
    row->has_magazines |= stats.magazine_size > 0;
}

/* In the columns of arenas. Hits are what a CPU's magazines served of all allocations and frees. */
static void print_cache_row(const struct printer *to, const char *name, unsigned indent,
                            const struct cache_row *row)
{
    uint64_t calls = row->allocs + row->frees;

    put_name(to, name, indent);
    if (row->object_size != 0)
        put_column(to, row->object_size);
    else
        put_right(to, "-", COLUMN_WIDTH);
    put_column(to, row->in_use);
    put_column(to, row->in_slabs);
    put_right(to, "-", COLUMN_WIDTH);
    put_column(to, row->allocs);
    put_column(to, row->fails);
    if (row->has_magazines && calls > 0) {
        put(to, "  ");
        put_percentage(to, row->misses < calls ? calls - row->misses : 0, calls);
        put(to, " hits");
    }
    put(to, "\n");
}

/* The next cache over the arena of the same owner, a heap, pinned; NULL: none. */
static vmem_cache_t *next_class(vmem_t *arena, const void *owner, uint32_t after)
{
    vmem_cache_t *cache;

    while ((cache = vmem_cache_pin_next(arena, after)) != NULL && cache->owner != owner) {
        after = cache->id;
        vmem_cache_unpin(cache);
    }
    return cache;
}

static bool is_first_class(vmem_t *arena, const vmem_cache_t *cache)
{
    vmem_cache_t *first = next_class(arena, cache->owner, 0);

    if (first != NULL)
        vmem_cache_unpin(first);
    return first == cache;
}

/* A heap, whose classes begin with this one. */
static void print_classes(const struct printer *to, vmem_t *arena, vmem_cache_t *first,
                          unsigned indent)
{
    struct cache_row row;
    vmem_cache_t *cache;
    uint32_t after = 0;

    memset(&row, 0, sizeof row);
    while ((cache = next_class(arena, first->owner, after)) != NULL) {
        after = cache->id;
        add_to_row(&row, cache);
        vmem_cache_unpin(cache);
    }
    print_cache_row(to, first->name, indent, &row);
}

static void print_cache(const struct printer *to, const char *name, vmem_cache_t *cache,
                        unsigned indent)
{
    struct cache_row row;

    memset(&row, 0, sizeof row);
    row.object_size = cache->size;
    add_to_row(&row, cache);
    print_cache_row(to, name, indent, &row);
}

/* A quantum cache bears the name of its arena, which stands above it. */
static const char *name_of(const vmem_cache_t *cache)
{
    return (cache->flags & VMEM_CACHE_QUANTUM) != 0 ? "quantum cache" : cache->name;
}

/* Caches, but for each heap one line in the place of its size classes. */
static void print_caches(const struct printer *to, vmem_t *arena, unsigned indent)
{
    vmem_cache_t *cache;
    uint32_t after = 0;

    while ((cache = vmem_cache_pin_next(arena, after)) != NULL) {
        after = cache->id;
        if (cache->owner == NULL)
            print_cache(to, name_of(cache), cache, indent);
        else if (is_first_class(arena, cache))
            print_classes(to, arena, cache, indent);
        vmem_cache_unpin(cache);
    }
}

static __attribute__((noinline)) void print_row(const struct printer *to, vmem_t *arena,
                                                unsigned indent)
{
    struct vmem_stats stats;

    vmem_stat(arena, &stats);
    put_name(to, arena->name, indent);
    put_column(to, arena->quantum);
    put_column(to, stats.in_use);
    put_column(to, stats.total);
    put_column(to, stats.largest_free);
    put_column(to, stats.allocs);
    put_column(to, stats.fails);
    put(to, "\n");
}

/*
 * The arena after `after` that imports from `source` (NULL: from none), pinned; NULL: none is left.
 */
static vmem_t *next_child(const vmem_t *source, uint32_t after)
{
    vmem_t *arena;

    while ((arena = vmem_pin_next(after)) != NULL && arena->source != source) {
        after = arena->id;
        vmem_unpin(arena);
    }
    return arena;
}

/* Down to the first child, else on to the next sibling, else up: no stack grows with the tree. */
static void print_arenas(const struct printer *to)
{
    vmem_t *arena = NULL; /* whose children are looked for; pinned, as all above it */
    uint32_t after = 0;

    put(to, "arena                    quantum    in use     total   largest    allocs     fails\n");
    for (;;) {
        vmem_t *child = next_child(arena, after);

        if (child != NULL) {
            print_row(to, child, 2U * child->depth);
            print_caches(to, child, 2U * child->depth + 2);
            arena = child;
            after = 0;
        } else if (arena != NULL) {
            vmem_t *parent = arena->source;

            after = arena->id;
            vmem_unpin(arena);
            arena = parent;
        } else {
            return;
        }
    }
}

static __attribute__((noinline)) void print_ids(const struct printer *to, vmem_id_t *space)
{
    struct vmem_id_stats stats;

    vmem_id_stat(space, &stats);
    put_name(to, space->name, 0);
    put_column(to, space->min);
    put_column(to, space->min + space->map.last);
    put_column(to, stats.in_use);
    put_column(to, stats.allocs);
    put_column(to, stats.fails);
    put_column(to, stats.bytes);
    put(to, "\n");
}

void vmem_print(vmem_sink_t *sink, void *ctx)
{
    const struct printer to = {sink, ctx};
    vmem_id_t *space;
    uint32_t after = 0;

    print_arenas(&to);
    while ((space = vmem_id_pin_next(after)) != NULL) {
        if (after == 0)
            put(&to, "\nIDs                        first      last    in use    "
                     "allocs     fails     bytes\n");
        after = space->id;
        print_ids(&to, space);
        vmem_id_unpin(space);
    }
}

/*
 * One heap
 */

/* The class of the next larger size: of the smallest one that is behind (size, id), pinned. */
static vmem_cache_t *next_larger_class(vmem_t *arena, const void *owner, vmem_size_t size,
                                       uint32_t id)
{
    vmem_cache_t *best = NULL, *cache;
    uint32_t after = 0;

    while ((cache = next_class(arena, owner, after)) != NULL) {
        vmem_cache_t *other = cache;

        after = cache->id;
        if (cache->size < size || (cache->size == size && cache->id <= id)) {
            vmem_cache_unpin(cache);
            continue;
        }
        if (best == NULL || cache->size < best->size) {
            other = best;
            best = cache;
        }
        if (other != NULL)
            vmem_cache_unpin(other);
    }
    return best;
}

static bool print_heap_of(const struct printer *to, vmem_t *arena, const vmem_heap_t *heap)
{
    vmem_cache_t *cache = next_class(arena, heap, 0);
    vmem_size_t size = 0;
    uint32_t id = 0;

    if (cache == NULL)
        return false;
    print_classes(to, arena, cache, 0);
    vmem_cache_unpin(cache);
    while ((cache = next_larger_class(arena, heap, size, id)) != NULL) {
        size = cache->size;
        id = cache->id;
        print_cache(to, "", cache, 0);
        vmem_cache_unpin(cache);
    }
    return true;
}

void vmem_print_heap(const vmem_heap_t *heap, vmem_sink_t *sink, void *ctx)
{
    const struct printer to = {sink, ctx};
    uint32_t after = 0;
    bool found = false;
    vmem_t *arena;

    while (!found && (arena = vmem_pin_next(after)) != NULL) {
        after = arena->id;
        found = print_heap_of(&to, arena, heap);
        vmem_unpin(arena);
    }
}

/*
 * One arena
 */

static void put_range(const struct printer *to, vmem_addr_t addr, vmem_size_t size)
{
    put(to, "[");
    put_hexadecimal(to, addr);
    put(to, ", ");
    put_hexadecimal(to, addr + (size - 1));
    put(to, "]");
}

static void print_segment(const struct printer *to, const struct vmem_segment *segment)
{
    if (segment->kind == VMEM_SEGMENT_SPAN)
        put(to, segment->imported ? "span      imported  " : "span                ");
    else
        put(to,
            segment->kind == VMEM_SEGMENT_FREE ? "  free              " : "  allocated         ");
    put_range(to, segment->addr, segment->size);
    put(to, "  size ");
    put_decimal(to, segment->size);
    if (segment->caller != 0) {
        put(to, "  by ");
        put_hexadecimal(to, segment->caller);
    }
    put(to, "\n");
}

void vmem_print_arena(vmem_t *arena, vmem_sink_t *sink, void *ctx)
{
    const struct printer to = {sink, ctx};
    struct vmem_cursor cursor;
    struct vmem_segment segment;

    memset(&cursor, 0, sizeof cursor);
    put(&to, arena->name);
    put(&to, ":\n");
    while (vmem_walk_next(arena, &cursor, &segment))
        print_segment(&to, &segment);
}

/*
 * The map. Spans are laid end to end and cut into cells of equal size; each cell shows what lies in
 * it. Segments come in order, so a cell is printed as soon as the next one is reached.
 */

enum { CELL_FREE = 1, CELL_ALLOCATED = 2, CELL_SPAN = 4 };

struct map {
    const struct printer *to;
    unsigned width;
    unsigned cell;     /* the one that is being filled, and */
    unsigned what;     /*    what is in it so far */
    unsigned shift;    /* sizes are taken in units of 2^shift, so that */
    vmem_size_t total; /*    this times the width fits 64 bits */
    vmem_size_t seen;  /* of the total, not shifted */
    bool show_spans;   /* unless so many that they would hide the rest */
};

static void print_cell(struct map *map)
{
    char string[2] = {" .#+"[map->what & (CELL_FREE | CELL_ALLOCATED)], '\0'};

    put(map->to, (map->what & CELL_SPAN) != 0 ? "|" : string);
    map->cell++;
    map->what = 0;
}

/* offset * width: compare with a cell's number times the total. */
static uint64_t scaled_offset(const struct map *map, vmem_size_t offset)
{
    return (uint64_t)vmem_shift_right(offset, map->shift) * map->width;
}

static uint64_t next_cell(const struct map *map)
{
    return (uint64_t)map->total * (map->cell + 1);
}

static void add_to_map(struct map *map, const struct vmem_segment *segment)
{
    unsigned what = segment->kind == VMEM_SEGMENT_FREE ? CELL_FREE : CELL_ALLOCATED;

    while (map->cell + 1 < map->width && next_cell(map) <= scaled_offset(map, map->seen))
        print_cell(map);
    if (segment->kind == VMEM_SEGMENT_SPAN) {
        map->what |= map->seen != 0 && map->show_spans ? CELL_SPAN : 0;
        return;
    }
    map->what |= what;
    map->seen += segment->size;
    while (map->cell + 1 < map->width && next_cell(map) < scaled_offset(map, map->seen)) {
        print_cell(map);
        map->what |= what;
    }
}

/* Takes what the map is drawn to from the arena. */
static void map_init(struct map *map, vmem_t *arena)
{
    unsigned long state = vmem_port_lock(&arena->lock);
    vmem_size_t total = arena->total;

    if (total == 0 && arena->span_count > 0)
        total = VMEM_ADDR_MAX; /* all addresses there are */
    map->show_spans = arena->span_count <= map->width / 4;
    vmem_port_unlock(&arena->lock, state);
    while (vmem_shift_right(total, map->shift) > VMEM_ADDR_MAX / MAP_WIDTH_MAX)
        map->shift++;
    map->total = vmem_shift_right(total, map->shift);
}

void vmem_print_map(vmem_t *arena, unsigned width, vmem_sink_t *sink, void *ctx)
{
    const struct printer to = {sink, ctx};
    struct vmem_cursor cursor;
    struct map map = {.to = &to};
    struct vmem_segment segment;

    memset(&cursor, 0, sizeof cursor);
    map.width = width == 0 ? 1 : width > MAP_WIDTH_MAX ? MAP_WIDTH_MAX : width;
    map_init(&map, arena);
    while (vmem_walk_next(arena, &cursor, &segment))
        add_to_map(&map, &segment);
    while (map.cell < map.width)
        print_cell(&map);
    put(&to, "\n");
}

/*
 * What an address is
 */

/* "0x1004 is 4 into the allocated segment [0x1000, 0x10ff]" */
static void put_offset(const struct printer *to, vmem_addr_t addr, const char *what,
                       vmem_addr_t first, vmem_size_t size)
{
    put_hexadecimal(to, addr);
    put(to, " is ");
    put_decimal(to, addr - first);
    put(to, " into the ");
    put(to, what);
    put(to, " ");
    put_range(to, first, size);
}

static void put_quoted(const struct printer *to, const char *before, const char *name)
{
    put(to, before);
    put(to, " '");
    put(to, name);
    put(to, "'");
}

static void end_whatis(const struct printer *to, uintptr_t caller)
{
    if (caller != 0) {
        put(to, ", allocated by ");
        put_hexadecimal(to, caller);
    }
    put(to, "\n");
}

static bool whatis_segment(const struct printer *to, vmem_t *arena, vmem_addr_t addr)
{
    struct vmem_segment segment;

    if (!vmem_find(arena, addr, &segment))
        return false;
    put_offset(to, addr, segment.kind == VMEM_SEGMENT_FREE ? "free segment" : "allocated segment",
               segment.addr, segment.size);
    put_quoted(to, " of", arena->name);
    end_whatis(to, segment.caller);
    return true;
}

static bool whatis_object(const struct printer *to, vmem_cache_t *cache, vmem_addr_t addr)
{
    struct vmem_object object;

    if (!vmem_cache_find(cache, addr, &object))
        return false;
    if (object.size == 0) {
        put_offset(to, addr, "slab", object.slab, cache->slab_size);
        put_quoted(to, " of cache", cache->name);
        put(to, ", between the objects");
    } else {
        put_offset(to, addr, "object", object.addr, object.size);
        put_quoted(to, " of cache", cache->name);
        put(to, object.in_slab       ? ", free in its slab"
                : object.in_magazine ? ", free in a magazine"
                                     : ", handed out");
    }
    end_whatis(to, object.in_slab || object.in_magazine ? 0 : object.caller);
    return true;
}

static unsigned whatis_caches(const struct printer *to, vmem_t *arena, vmem_addr_t addr)
{
    unsigned known = 0;
    vmem_cache_t *cache;
    uint32_t after = 0;

    while ((cache = vmem_cache_pin_next(arena, after)) != NULL) {
        after = cache->id;
        known += whatis_object(to, cache, addr);
        vmem_cache_unpin(cache);
    }
    return known;
}

static unsigned whatis_ids(const struct printer *to, vmem_addr_t addr)
{
    unsigned known = 0;
    vmem_id_t *space;
    uint32_t after = 0;

    while ((space = vmem_id_pin_next(after)) != NULL) {
        after = space->id;
        if (addr - space->min <= space->map.last) {
            put_hexadecimal(to, addr);
            put_quoted(to,
                       vmem_id_is_allocated(space, addr) ? " is an allocated ID of"
                                                         : " is a free ID of",
                       space->name);
            put(to, "\n");
            known++;
        }
        vmem_id_unpin(space);
    }
    return known;
}

unsigned vmem_whatis(vmem_addr_t addr, vmem_sink_t *sink, void *ctx)
{
    const struct printer to = {sink, ctx};
    unsigned known = 0;
    uint32_t after = 0;
    vmem_t *arena;

    while ((arena = vmem_pin_next(after)) != NULL) {
        after = arena->id;
        known += whatis_segment(&to, arena, addr);
        known += whatis_caches(&to, arena, addr);
        vmem_unpin(arena);
    }
    return known + whatis_ids(&to, addr);
}

/*
 * Faults
 */

void vmem_fault_print(const struct vmem_fault *fault, vmem_sink_t *sink, void *ctx)
{
    const struct printer to = {sink, ctx};

    put(&to, fault->call);
    put(&to, "('");
    put(&to, fault->arena_name);
    put(&to, "', ");
    put_hexadecimal(&to, fault->addr);
    put(&to, ", size ");
    put_decimal(&to, fault->size);
    put(&to, "): ");
    put(&to, fault->what);
    if (fault->expected_size != 0) {
        put(&to, "; there is ");
        put_range(&to, fault->expected_addr, fault->expected_size);
        put(&to, " size ");
        put_decimal(&to, fault->expected_size);
    }
    if (fault->allocated_by != 0) {
        put(&to, "; allocated by ");
        put_hexadecimal(&to, fault->allocated_by);
    }
    if (fault->caller != 0) {
        put(&to, "; called from ");
        put_hexadecimal(&to, fault->caller);
    }
}
