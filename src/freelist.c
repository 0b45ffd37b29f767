/* SPDX-License-Identifier: MIT */
/*
 * freelist.c - the index of free segments by size: two-level lists.
 *
 * Concepts: power-of-two freelists (Bonwick and Adams 4.4.2) as refined by TLSF
 * (Masmano, Ripoll, Crespo and Real 2004): each power of two is cut into 2^4 lists,
 * or 2^3 in arenas of up to 2^16 quanta, and sizes below that many quanta have a
 * list each. A bit for each list says whether it is empty, a summary has a bit for
 * each word of bits: two bit searches find the first list that is not empty at or
 * above any other. All segments of the list above the request's own hold it, so
 * instant fit is a search and a pop, and wastes at most 1/16 (1/8 in a small arena).
 *
 * The lists reach up to the largest span that the arena has had, so that a small
 * arena has few; adding a larger span replaces them by a larger table. Heads do
 * not move between lists then: a list's number depends on the size only.
 *
 * Searches beyond that look at segments one by one, from the request's own list
 * upwards: with constraints, for the policies that care for addresses, and as the
 * last step before a refusal, since a segment may fit although its list does not
 * promise it.
 *
 * Costs: push, remove, instant fit O(1); best fit the best of VMEM_BEST_LOOK, and
 * the next list if none of VMEM_FIT_LOOK fits; searches by address or window O(free segments).
 */
#include "freelist.h"

/* The best of the first few segments of a list; 0: none of them holds `size`. */
static vmem_link_t best_of(const vmem_t *arena, unsigned list, vmem_size_t size)
{
    vmem_link_t link = arena->freelist.heads[list];
    vmem_size_t best_size = 0;
    vmem_link_t best = 0;

    for (unsigned i = 0; link != 0 && i < (best != 0 ? VMEM_BEST_LOOK : VMEM_FIT_LOOK); i++) {
        const struct vmem_tag *tag = vmem_tag_at(link);

        /* best_size - 1 wraps to the largest at first */
        if (tag->size >= size && tag->size - 1 < best_size - 1) {
            best = link;
            best_size = tag->size;
            if (best_size == size)
                break;
        }
        link = tag->list_next;
    }
    return best;
}

unsigned vmem_freelist_best(const vmem_t *arena, vmem_size_t size, vmem_link_t *linkp)
{
    unsigned list = vmem_freelist_next(arena, vmem_freelist_of(arena, size));

    if (list == VMEM_NO_LIST)
        return list;
    *linkp = best_of(arena, list, size);
    if (*linkp != 0)
        return list;
    list = vmem_freelist_next(arena, list + 1);
    if (list != VMEM_NO_LIST)
        *linkp = best_of(arena, list, size);
    return list;
}

/* What a search has found so far. */
struct best {
    struct vmem_place place;
    vmem_size_t size; /* of the segment */
    bool found;
};

/* Whether a fit at addr is better than the best so far, by the policy. */
static bool is_better(const vmem_t *arena, const struct vmem_request *request,
                      const struct best *best, const struct vmem_tag *tag, vmem_addr_t addr)
{
    if (!best->found)
        return true;
    switch (request->policy) {
    case VMEM_BESTFIT:
        return tag->size < best->size;
    case VMEM_NEXTFIT:
        /* Distance from the cursor, round the end of the address space. */
        return addr - arena->cursor < best->place.addr - arena->cursor;
    case VMEM_FIRSTFIT:
        return addr < best->place.addr;
    case VMEM_LASTFIT:
        return addr > best->place.addr;
    default:
        return false;
    }
}

static void consider(const vmem_t *arena, const struct vmem_request *request, vmem_link_t link,
                     struct best *best)
{
    const struct vmem_tag *tag = vmem_tag_at(link);
    vmem_addr_t addr;

    if (tag->size < request->size || tag->addr > request->max ||
        vmem_tag_last(tag) < request->min ||
        !vmem_fit(request, arena->cursor, tag->addr, vmem_tag_last(tag), &addr) ||
        !is_better(arena, request, best, tag, addr))
        return;
    best->found = true;
    best->place.segment = link;
    best->place.addr = addr;
    best->size = tag->size;
}

/* Whether any fit will do once one of a list is found: sizes grow from list to list. */
static bool is_by_size(const struct vmem_request *request)
{
    return request->policy == VMEM_INSTANTFIT || request->policy == VMEM_BESTFIT;
}

/* How many segments of a list to look at, if one of them fits. */
static size_t enough(const struct vmem_request *request)
{
    switch (request->policy) {
    case VMEM_INSTANTFIT:
        return 1;
    case VMEM_BESTFIT:
        return VMEM_BEST_LOOK;
    default:
        return SIZE_MAX;
    }
}

/* Looks at up to `look` segments of each list from `first` to `last`. */
static void scan(const vmem_t *arena, const struct vmem_request *request, unsigned first,
                 unsigned last, size_t look, struct best *best)
{
    unsigned list = vmem_freelist_next(arena, first);

    for (; list <= last && list != VMEM_NO_LIST; list = vmem_freelist_next(arena, list + 1)) {
        vmem_link_t link = arena->freelist.heads[list];

        for (size_t i = 0; link != 0 && i < look; i++, link = vmem_tag_at(link)->list_next) {
            consider(arena, request, link, best);
            if (best->found && i + 1 >= enough(request))
                return;
        }
        if (best->found && is_by_size(request))
            return;
    }
}

/*
 * A size that holds the request wherever it begins; 0: there is none. To reach the alignment takes
 * less than align, to pass a border at most the request and another alignment.
 */
static vmem_size_t sufficient_size(const vmem_t *arena, const struct vmem_request *request)
{
    vmem_size_t slack = request->align - arena->quantum;
    vmem_size_t size = request->size + slack;

    if (request->min != 0 || request->max != VMEM_ADDR_MAX || size < slack)
        return 0;
    if (request->nocross == 0)
        return size;
    return size <= VMEM_ADDR_MAX / 2 ? 2 * size : 0;
}

/*
 * Instant and best fit: a bounded look at the lists from the request's own up to the one that is
 * sure to serve; then, rather than refuse, a look at everything.
 */
static void search_by_size(const vmem_t *arena, const struct vmem_request *request,
                           struct best *best)
{
    unsigned own = vmem_freelist_of(arena, request->size);
    vmem_size_t sufficient = sufficient_size(arena, request);
    unsigned sure = sufficient != 0 ? vmem_freelist_above(arena, sufficient) : VMEM_NO_LIST;

    if (request->policy == VMEM_INSTANTFIT && sufficient != 0)
        scan(arena, request, sure, VMEM_NO_LIST, 1, best);
    else
        scan(arena, request, own, VMEM_NO_LIST, request->plain ? VMEM_FIT_LOOK : VMEM_BEST_LOOK,
             best);
    if (best->found || (request->plain && (arena->flags & VMEM_ARENA_STRICT) != 0))
        return;
    /* What no list promises: from `sure` on, the first segment would have served. */
    scan(arena, request, own, request->plain ? own : VMEM_NO_LIST, SIZE_MAX, best);
}

bool vmem_freelist_search(const vmem_t *arena, const struct vmem_request *request,
                          struct vmem_place *place)
{
    struct best best = {.found = false};

    if (is_by_size(request))
        search_by_size(arena, request, &best);
    else
        scan(arena, request, vmem_freelist_of(arena, request->size), VMEM_NO_LIST, SIZE_MAX, &best);
    *place = best.place;
    return best.found;
}

vmem_size_t vmem_freelist_largest(const vmem_t *arena)
{
    vmem_word_t summary = arena->freelist.summary;
    vmem_size_t largest = 0;
    unsigned i;

    if (summary == 0)
        return 0;
    i = vmem_word_msb(summary);
    i = i * VMEM_WORD_BITS + vmem_word_msb(arena->freelist.map[i]);
    for (vmem_link_t link = arena->freelist.heads[i]; link != 0;) {
        const struct vmem_tag *tag = vmem_tag_at(link);

        if (tag->size > largest)
            largest = tag->size;
        link = tag->list_next;
    }
    return largest;
}

/* Counts a list; SIZE_MAX: a segment is not free, not linked back, or belongs elsewhere. */
static size_t recount_list(const vmem_t *arena, unsigned list, size_t limit)
{
    vmem_link_t prev = 0;
    size_t count = 0;

    for (vmem_link_t link = arena->freelist.heads[list]; link != 0;) {
        const struct vmem_tag *tag = vmem_tag_at(link);

        if (!vmem_tag_is_free(tag) || (prev != 0 && tag->list_prev != prev) ||
            vmem_freelist_of(arena, tag->size) != list || ++count > limit)
            return SIZE_MAX;
        prev = link;
        link = tag->list_next;
    }
    return count;
}

static bool bit_is_set(const struct vmem_freelist *freelist, unsigned list)
{
    return (freelist->map[list / VMEM_WORD_BITS] >> (list % VMEM_WORD_BITS) & 1) != 0;
}

size_t vmem_freelist_recount(const vmem_t *arena, size_t limit)
{
    const struct vmem_freelist *freelist = &arena->freelist;
    size_t total = 0;

    for (unsigned list = 0; list < freelist->lists; list++) {
        size_t count = recount_list(arena, list, limit);

        if (count == SIZE_MAX || bit_is_set(freelist, list) != (count > 0))
            return SIZE_MAX;
        total += count;
    }
    for (unsigned i = 0; i * VMEM_WORD_BITS < freelist->lists; i++)
        if ((freelist->summary >> i & 1) != (freelist->map[i] != 0))
            return SIZE_MAX;
    return total;
}

/*
 * The table: a map and the heads in one block.
 */

static size_t map_words(unsigned lists)
{
    return (lists + VMEM_WORD_BITS - 1) / VMEM_WORD_BITS;
}

static size_t table_size(unsigned lists)
{
    return map_words(lists) * sizeof(vmem_word_t) + lists * sizeof(vmem_link_t);
}

/* Puts a table that is all zero in the place of the present one. */
static void table_fill(struct vmem_freelist *freelist, vmem_word_t *table, unsigned lists)
{
    vmem_link_t *heads = (vmem_link_t *)(void *)(table + map_words(lists));

    if (freelist->map != NULL) {
        memcpy(table, freelist->map, map_words(freelist->lists) * sizeof(vmem_word_t));
        memcpy(heads, freelist->heads, freelist->lists * sizeof(vmem_link_t));
    }
    freelist->map = table;
    freelist->heads = heads;
    freelist->lists = lists;
}

bool vmem_freelist_reach(vmem_t *arena, vmem_size_t size)
{
    struct vmem_freelist *freelist = &arena->freelist;
    unsigned lists = vmem_freelist_of(arena, size) + 1;
    vmem_word_t *table;
    vmem_word_t *unused;
    unsigned unused_lists;
    unsigned long state = vmem_port_lock(&arena->lock);
    bool reached = lists <= freelist->lists;

    vmem_port_unlock(&arena->lock, state);
    if (reached)
        return true;
    table = (vmem_word_t *)vmem_pool_alloc(table_size(lists));
    if (table == NULL)
        return false;
    memset(table, 0, table_size(lists));
    state = vmem_port_lock(&arena->lock);
    if (lists > freelist->lists) {
        unused = freelist->map;
        unused_lists = freelist->lists;
        table_fill(freelist, table, lists);
    } else { /* another thread was faster */
        unused = table;
        unused_lists = lists;
    }
    vmem_port_unlock(&arena->lock, state);
    if (unused != NULL)
        vmem_pool_free(unused, table_size(unused_lists));
    return true;
}

void vmem_freelist_destroy(vmem_t *arena)
{
    if (arena->freelist.map != NULL)
        vmem_pool_free(arena->freelist.map, table_size(arena->freelist.lists));
}
