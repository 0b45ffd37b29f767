/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the memory that the library itself uses.
 *
 * Concepts
 * --------
 * 1. All of it comes in pages: first VMEM_CONFIG_STATIC_PAGES of .bss, then pages
 *    that the port lends. A page is cut into blocks of one size, from 32 bytes to
 *    VMEM_BLOCK_MAX, and begins with a header. What is larger takes whole pages from
 *    the port (or one static page) and has no header.
 * 2. Tags are blocks as well. Their pages stand in windows (tag.h), so that a link
 *    of 32 bits can name them.
 * 3. Arenas do not come here for each tag: they hold a small stash under their own
 *    lock and refill it in batches.
 *
 * Refilling
 * ---------
 * 4. The page hook may allocate from any arena, the one that has run out of tags
 *    included, so a refill can bring about another request for tags. It is called
 *    without a lock, and who is inside it is recorded: a request from there is
 *    nested, and is served from what there is, never by another call.
 * 5. The last VMEM_RESERVE nodes are for one of those threads alone, the first (a
 *    node serves where a tag is wanted). No other thread can take them, so that at
 *    least that refill comes to its end.
 * 6. One thread refills VMEM_LOW_WATER tags before the end, so that nested requests
 *    of others find something as well. Who finds nothing at all calls the hook
 *    himself, up to VMEM_REFILLERS threads at once; the next is refused. They are as many as CPUs
 *    can be in there, and then some.
 *
 * Locking: one lock, taken last, held for a few instructions a block, and in a reap
 * for a look at each page.
 * Costs: O(1) a tag or block; a reap looks at each page that has a free block.
 */
#include "pool.h"

#include "cache.h"
#include "sleep.h"

#include <vmem/debug.h>

enum {
    VMEM_BLOCK_CLASSES = 16,
    VMEM_BLOCK_MAX = 1024,

    /*
     * The tags that one allocation can need, all arenas of an import chain together: each marks a
     * new span and cuts a segment out of its middle, which leaves three.
     */
    VMEM_TAGS_PER_CALL = 4 * (VMEM_CONFIG_IMPORT_DEPTH + 1),

    /*
     * The thread that it is for enters the hook with the reserve full, or half full for nodes to
     * fill it. So it lasts for two calls in a row: one for something else, then one for nodes.
     */
    VMEM_RESERVE = 2 * VMEM_TAGS_PER_CALL,

    VMEM_LOW_WATER = 32,
    VMEM_POOL_STEP = 32,                 /* tags that go back in one hold of the lock */
    VMEM_REFILLERS = 32 + 4 * VMEM_CPUS, /* threads of one CPU may interrupt each other there */

    VMEM_HEADER = 64 /* bytes at the start of a page */
};

struct vmem_page {
    struct vmem_page *next; /* pages of its class with a free block */
    struct vmem_page *prev;
    void *free; /* free blocks, each pointing to the next */
    uint16_t used;
    uint8_t block_class;
    bool lent;              /* by the port; else static */
    vmem_link_t first_link; /* the link of the page's first byte */
};

/* The pages of one block size. */
struct vmem_page_list {
    struct vmem_page *first; /* filled up first; wholly free ones come last */
    struct vmem_page *last;
    size_t free; /* blocks */
};

enum { VMEM_BLOCK_CLASS_TAG = sizeof(struct vmem_tag) <= 32 ? 0 : 1, VMEM_BLOCK_CLASS_NODE = 1 };

_Static_assert(sizeof(struct vmem_page) <= VMEM_HEADER, "the header stands before the blocks");

/* Pages of nodes for the reserve, and one each of tags, of arenas and of lists. */
_Static_assert(VMEM_CONFIG_STATIC_PAGES >=
                   (VMEM_RESERVE + 1) * sizeof(struct vmem_node) / (VMEM_PAGE_SIZE - VMEM_HEADER) +
                       4,
               "VMEM_CONFIG_STATIC_PAGES: too few for the first arena");

static _Alignas(
    VMEM_PAGE_SIZE) unsigned char static_pages[VMEM_CONFIG_STATIC_PAGES][VMEM_PAGE_SIZE];

static struct {
    vmem_port_lock_t lock;
    struct vmem_page_list lists[VMEM_BLOCK_CLASSES];
    void *static_free;   /* static pages in no class, each pointing to the next */
    size_t static_fresh; /* static pages never used: the last so many */
    size_t static_used;
    size_t lent;
    size_t tags_used;
    uintptr_t first;                     /* the thread that the reserve is for, in the page hook, */
    uintptr_t refillers[VMEM_REFILLERS]; /*    and the others there */
    unsigned others;                     /* how many */
    bool is_cut[VMEM_CONFIG_STATIC_PAGES]; /* static pages that are cut into blocks */
    uint32_t cuts;                         /* pages that were cut, ever */
    uint64_t refusals;
} pool = {
    .lock = VMEM_PORT_LOCK_INIT,
    .static_fresh = VMEM_CONFIG_STATIC_PAGES,
};

/* Block sizes: four to a power of two, so that at most a fifth is wasted. */
static size_t block_size(unsigned block_class)
{
    static const uint16_t sizes[VMEM_BLOCK_CLASSES] = {
        32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, VMEM_BLOCK_MAX};

    return sizes[block_class];
}

/* The same divided into a page, since dividing may take libgcc. */
static size_t blocks_per_page(unsigned block_class)
{
    enum { ROOM = VMEM_PAGE_SIZE - VMEM_HEADER };
    static const uint16_t counts[VMEM_BLOCK_CLASSES] = {
        ROOM / 32,  ROOM / 64,  ROOM / 96,  ROOM / 128,           ROOM / 160, ROOM / 192,
        ROOM / 224, ROOM / 256, ROOM / 320, ROOM / 384,           ROOM / 448, ROOM / 512,
        ROOM / 640, ROOM / 768, ROOM / 896, ROOM / VMEM_BLOCK_MAX};

    return counts[block_class];
}

/* The smallest class for blocks of `size`, which is at most VMEM_BLOCK_MAX. */
static unsigned block_class_of(size_t size)
{
    unsigned block_class = 0;

    while (block_size(block_class) < size)
        block_class++;
    return block_class;
}

static struct vmem_page *page_of(const void *block)
{
    return (struct vmem_page *)((uintptr_t)block & ~(uintptr_t)(VMEM_PAGE_SIZE - 1));
}

static size_t whole_pages(size_t size)
{
    return (size + VMEM_PAGE_SIZE - 1) & ~(size_t)(VMEM_PAGE_SIZE - 1);
}

/* Whether blocks of a class may be tags, which need links. */
static bool is_tag_class(unsigned block_class)
{
    return block_class <= VMEM_BLOCK_CLASS_NODE;
}

/* Which of the static pages it is. */
static unsigned static_index(const void *page)
{
    return (unsigned)(((uintptr_t)page - (uintptr_t)static_pages) / VMEM_PAGE_SIZE);
}

static bool is_static(const void *page)
{
    return (uintptr_t)page - (uintptr_t)static_pages < sizeof static_pages;
}

/*
 * Windows
 */

#if UINTPTR_MAX > UINT32_MAX

char *vmem_window[VMEM_WINDOWS];
static unsigned windows_used;

/* The region that window w shows. */
static uintptr_t region_of(unsigned w)
{
    return ((uintptr_t)vmem_window[w] + ((uintptr_t)w << VMEM_WINDOW_SHIFT)) >> VMEM_WINDOW_SHIFT;
}

/* The link of a page's first byte; false: its region is the 64th. */
static bool window_link(const void *page, vmem_link_t *linkp)
{
    uintptr_t region = (uintptr_t)page >> VMEM_WINDOW_SHIFT;
    unsigned w = 0;

    while (w < windows_used && region_of(w) != region)
        w++;
    if (w == VMEM_WINDOWS)
        return false;
    if (w == windows_used) {
        vmem_window[w] = (char *)((region - w) << VMEM_WINDOW_SHIFT);
        windows_used++;
    }
    *linkp = (vmem_link_t)(((uintptr_t)page - (uintptr_t)vmem_window[w]) >> VMEM_SLOT_SHIFT);
    return true;
}

static vmem_link_t link_of(const struct vmem_page *page, const void *block)
{
    return page->first_link +
           (vmem_link_t)(((uintptr_t)block - (uintptr_t)page) >> VMEM_SLOT_SHIFT);
}

#else

static bool window_link(const void *page, vmem_link_t *linkp)
{
    *linkp = (vmem_link_t)(uintptr_t)page;
    return true;
}

static vmem_link_t link_of(const struct vmem_page *page, const void *block)
{
    (void)page;
    return (vmem_link_t)(uintptr_t)block;
}

#endif

/*
 * Pages. Everything from here to the next heading is called with the lock held.
 */

static void list_add_first(struct vmem_page_list *list, struct vmem_page *page)
{
    page->prev = NULL;
    page->next = list->first;
    if (list->first != NULL)
        list->first->prev = page;
    else
        list->last = page;
    list->first = page;
}

static void list_add_last(struct vmem_page_list *list, struct vmem_page *page)
{
    page->next = NULL;
    page->prev = list->last;
    if (list->last != NULL)
        list->last->next = page;
    else
        list->first = page;
    list->last = page;
}

static void list_remove(struct vmem_page_list *list, struct vmem_page *page)
{
    if (page->prev != NULL)
        page->prev->next = page->next;
    else
        list->first = page->next;
    if (page->next != NULL)
        page->next->prev = page->prev;
    else
        list->last = page->prev;
}

/* Cuts a page into blocks. False: no link can name it. */
static bool page_add(void *memory, unsigned block_class, bool lent)
{
    struct vmem_page_list *list = &pool.lists[block_class];
    struct vmem_page *page = (struct vmem_page *)memory;
    size_t size = block_size(block_class);
    size_t count = blocks_per_page(block_class);
    vmem_link_t first_link = 0;

    if (is_tag_class(block_class) && !window_link(memory, &first_link))
        return false;
    page->first_link = first_link;
    page->free = NULL;
    page->used = 0;
    page->block_class = (uint8_t)block_class;
    page->lent = lent;
    for (size_t i = 1; i <= count; i++) {
        void **block = (void **)(void *)((char *)memory + VMEM_PAGE_SIZE - i * size);

        *block = page->free;
        page->free = block;
    }
    list_add_last(list, page);
    list->free += count;
    pool.cuts++;
    if (!lent)
        pool.is_cut[static_index(page)] = true;
    return true;
}

/* Takes a wholly free page out of its class. */
static void page_remove(struct vmem_page *page)
{
    struct vmem_page_list *list = &pool.lists[page->block_class];

    if (!page->lent)
        pool.is_cut[static_index(page)] = false;
    list_remove(list, page);
    list->free -= blocks_per_page(page->block_class);
}

static void *static_page_take(void)
{
    void **page = (void **)pool.static_free;

    if (page != NULL)
        pool.static_free = *page;
    else if (pool.static_fresh > 0)
        page = (void **)(void *)static_pages[VMEM_CONFIG_STATIC_PAGES - pool.static_fresh--];
    else
        return NULL;
    pool.static_used++;
    return page;
}

static void static_page_return(void *page)
{
    *(void **)page = pool.static_free;
    pool.static_free = page;
    pool.static_used--;
}

static void *block_take(unsigned block_class)
{
    struct vmem_page_list *list = &pool.lists[block_class];
    struct vmem_page *page = list->first;
    void **block = (void **)page->free;

    page->free = *block;
    page->used++;
    if (page->free == NULL)
        list_remove(list, page);
    list->free--;
    return block;
}

static void block_return(void *block)
{
    struct vmem_page *page = page_of(block);
    struct vmem_page_list *list = &pool.lists[page->block_class];
    bool was_full = page->free == NULL;

    *(void **)block = page->free;
    page->free = block;
    page->used--;
    list->free++;
    if (was_full) {
        list_add_first(list, page);
    } else if (page->used == 0) {
        list_remove(list, page);
        list_add_last(list, page);
    }
}

/* Whether anybody is inside the page hook. */
static bool is_refilling(void)
{
    return pool.first != 0 || pool.others > 0;
}

/* The place of a thread among the others; pool.others: it is none of them. */
static unsigned place_of(uintptr_t self)
{
    unsigned place = 0;

    while (place < pool.others && pool.refillers[place] != self)
        place++;
    return place;
}

/* A thread enters the hook; false: there are too many. */
static bool enter_hook(uintptr_t self, bool as_first)
{
    if (as_first)
        pool.first = self;
    else if (pool.others < VMEM_REFILLERS)
        pool.refillers[pool.others++] = self;
    else
        return false;
    return true;
}

static void leave_hook(uintptr_t self)
{
    if (pool.first == self)
        pool.first = 0;
    else
        pool.refillers[place_of(self)] = pool.refillers[--pool.others];
}

static bool is_nested(void)
{
    uintptr_t self;

    if (!is_refilling())
        return false;
    self = vmem_port_self();
    return pool.first == self || place_of(self) < pool.others;
}

/* How many blocks of a class are there for this thread to take. */
static size_t available(unsigned block_class)
{
    size_t free = pool.lists[block_class].free;
    size_t reserve = 0;

    if (block_class == VMEM_BLOCK_CLASS_NODE && (pool.first == 0 || pool.first != vmem_port_self()))
        reserve = VMEM_RESERVE;
    return free > reserve ? free - reserve : 0;
}

/* Calls the page hook, and reports pages that are not aligned. */
static void *call_hook(size_t size)
{
    void *pages = vmem_port_pages_alloc(size);

    if (((uintptr_t)pages & (VMEM_PAGE_SIZE - 1)) == 0)
        return pages;
    (void)vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, "vmem_port_pages_alloc",
                            "the pages are not aligned to VMEM_PAGE_SIZE", (uintptr_t)pages, size,
                            0);
    vmem_port_pages_free(pages, size);
    return NULL;
}

/*
 * Asks the port for pages; least: the nodes that the reserve must still have for this to be the one
 * thread that it is for. Drops the lock for the time of the call.
 */
static void *ask_port(size_t size, size_t least, unsigned long *state)
{
    uintptr_t self = vmem_port_self();
    void *pages;

    if (!enter_hook(self, pool.first == 0 && pool.lists[VMEM_BLOCK_CLASS_NODE].free >= least))
        return NULL;
    vmem_port_unlock(&pool.lock, *state);
    pages = call_hook(size);
    *state = vmem_port_lock(&pool.lock);
    leave_hook(self);
    if (pages != NULL)
        pool.lent += size / VMEM_PAGE_SIZE;
    else
        pool.refusals++;
    return pages;
}

/* Gives pages back, dropping the lock. */
static void return_to_port(void *pages, size_t size, unsigned long *state)
{
    pool.lent -= size / VMEM_PAGE_SIZE;
    vmem_port_unlock(&pool.lock, *state);
    vmem_port_pages_free(pages, size);
    *state = vmem_port_lock(&pool.lock);
}

/* A wholly free page of another class changes over to this one; false: there is none. */
static bool change_over(unsigned block_class)
{
    for (unsigned c = 0; c < VMEM_BLOCK_CLASSES; c++) {
        struct vmem_page *page = pool.lists[c].last;
        size_t keep = blocks_per_page(c) + (is_tag_class(c) ? VMEM_LOW_WATER : 0);

        if (c == block_class || page == NULL || page->used > 0 || available(c) < keep)
            continue;
        page_remove(page);
        if (page_add(page, block_class, page->lent))
            return true;
        (void)page_add(page, c, page->lent); /* its region has no window, which tags need */
    }
    return false;
}

/* Adds a page to a class: a static one, one of another, or the port's. Drops the lock for that. */
static bool grow(unsigned block_class, unsigned long *state)
{
    void *page = static_page_take();

    if (page != NULL)
        return page_add(page, block_class, false);
    if (change_over(block_class))
        return true;
    page =
        ask_port(VMEM_PAGE_SIZE,
                 block_class == VMEM_BLOCK_CLASS_NODE ? VMEM_TAGS_PER_CALL : VMEM_RESERVE, state);
    if (page == NULL)
        return false;
    if (page_add(page, block_class, true))
        return true;
    pool.refusals++;
    return_to_port(page, VMEM_PAGE_SIZE, state);
    return false;
}

/* Fills the reserve, as the hook may only be called with a full one. */
static bool fill_reserve(unsigned long *state)
{
    while (pool.lists[VMEM_BLOCK_CLASS_NODE].free < VMEM_RESERVE && !is_refilling())
        if (!grow(VMEM_BLOCK_CLASS_NODE, state))
            return false;
    return true;
}

/* Sees to it that `count` blocks of a class are there. Drops the lock. */
static bool provide(unsigned block_class, size_t count, unsigned long *state)
{
    while (available(block_class) < count) {
        if (is_nested())
            return false;
        if (!fill_reserve(state) || !grow(block_class, state))
            return available(block_class) >= count; /* another thread may have been luckier */
    }
    return true;
}

/* Drops the lock. If pages were cut in between, those hear of it who wait for memory. */
static void unlock(uint32_t cuts, unsigned long state)
{
    bool grown = pool.cuts != cuts;

    vmem_port_unlock(&pool.lock, state);
    if (grown)
        vmem_wake_memory();
}

/*
 * Tags
 */

static unsigned tag_block_class(enum vmem_tag_class tag_class)
{
    return tag_class == VMEM_CLASS_TAG ? VMEM_BLOCK_CLASS_TAG : VMEM_BLOCK_CLASS_NODE;
}

static void take_tags(unsigned block_class, size_t count, struct vmem_stash *stash)
{
    pool.tags_used += count;
    stash->count += (uint32_t)count;
    for (; count > 0; count--) {
        struct vmem_tag *tag = (struct vmem_tag *)block_take(block_class);

        tag->chain = stash->first;
        stash->first = link_of(page_of(tag), tag);
    }
}

int vmem_pool_take(enum vmem_tag_class tag_class, uint32_t min, uint32_t want,
                   struct vmem_stash *stash)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    unsigned block_class = tag_block_class(tag_class);
    uint32_t cuts = pool.cuts;
    bool nested = is_nested();
    size_t ready;

    if (nested && available(block_class) < min)
        block_class = VMEM_BLOCK_CLASS_NODE;
    if (!provide(block_class, min, &state)) {
        unlock(cuts, state);
        return -VMEM_ENOMEM;
    }
    ready = available(block_class);
    if (nested || ready < VMEM_LOW_WATER + want)
        want = min; /* what is short is for all */
    take_tags(block_class, want, stash);
    if (!is_refilling())
        (void)provide(block_class, VMEM_LOW_WATER, &state);
    unlock(cuts, state);
    return 0;
}

/* Gives up to VMEM_POOL_STEP tags back: so many in one hold of the lock. */
static void return_some(struct vmem_stash *stash)
{
    unsigned long state = vmem_port_lock(&pool.lock);

    for (unsigned i = 0; i < VMEM_POOL_STEP && stash->first != 0; i++) {
        struct vmem_tag *tag = vmem_tag_at(stash->first);

        stash->first = tag->chain;
        stash->count--;
        pool.tags_used--;
        block_return(tag);
    }
    vmem_port_unlock(&pool.lock, state);
}

void vmem_pool_return(struct vmem_stash *stash)
{
    do
        return_some(stash);
    while (stash->first != 0);
    vmem_wake_memory();
}

/*
 * Blocks
 */

bool vmem_pool_is_nested(void)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    bool nested = is_nested();

    vmem_port_unlock(&pool.lock, state);
    return nested;
}

static void *take_pages(size_t size, unsigned long *state)
{
    void *pages = size == VMEM_PAGE_SIZE ? static_page_take() : NULL;

    if (pages != NULL)
        return pages;
    if (is_nested() || !fill_reserve(state))
        return NULL;
    return ask_port(size, VMEM_RESERVE, state);
}

size_t vmem_pool_block(size_t size)
{
    return size > VMEM_BLOCK_MAX ? whole_pages(size) : block_size(block_class_of(size));
}

void *vmem_pool_alloc(size_t size)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    uint32_t cuts = pool.cuts;
    void *block = NULL;

    if (size > VMEM_BLOCK_MAX)
        block = take_pages(whole_pages(size), &state);
    else if (provide(block_class_of(size), 1, &state))
        block = block_take(block_class_of(size));
    unlock(cuts, state);
    return block;
}

void vmem_pool_free(void *block, size_t size)
{
    unsigned long state = vmem_port_lock(&pool.lock);

    if (size <= VMEM_BLOCK_MAX)
        block_return(block);
    else if (is_static(block))
        static_page_return(block);
    else
        return_to_port(block, whole_pages(size), &state);
    vmem_port_unlock(&pool.lock, state);
    vmem_wake_memory();
}

/*
 * Reap, check, statistics
 */

/* A static page to stand in for a lent one. */
static bool add_static(unsigned block_class)
{
    void *page = static_page_take();

    if (page == NULL)
        return false;
    if (page_add(page, block_class, false))
        return true;
    static_page_return(page);
    return false;
}

/* Brings the static pages of a class to the front, and one more if there is one. */
static void prefer_static(unsigned block_class)
{
    struct vmem_page_list *list = &pool.lists[block_class];

    (void)add_static(block_class);
    for (unsigned i = 0; i < VMEM_CONFIG_STATIC_PAGES; i++) {
        struct vmem_page *page = (struct vmem_page *)(void *)static_pages[i];

        if (pool.is_cut[i] && page->block_class == block_class && page->free != NULL) {
            list_remove(list, page);
            list_add_first(list, page);
        }
    }
}

void vmem_pool_gather(void)
{
    unsigned long state = vmem_port_lock(&pool.lock);

    prefer_static(VMEM_BLOCK_CLASS_TAG);
    if (VMEM_BLOCK_CLASS_NODE != VMEM_BLOCK_CLASS_TAG)
        prefer_static(VMEM_BLOCK_CLASS_NODE);
    vmem_port_unlock(&pool.lock, state);
}

vmem_link_t vmem_pool_gathered(vmem_link_t link)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    const struct vmem_page *page = page_of(vmem_tag_at(link));
    const struct vmem_page *first = pool.lists[page->block_class].first;
    struct vmem_stash taken = {.first = 0};

    if (page->lent && page->used <= blocks_per_page(page->block_class) / 2 && first != page &&
        (first->used > 0 || !first->lent) && available(page->block_class) > 0)
        take_tags(page->block_class, 1, &taken);
    vmem_port_unlock(&pool.lock, state);
    return taken.first;
}

static struct vmem_page *free_page(unsigned block_class, bool lent)
{
    struct vmem_page *page = pool.lists[block_class].last;

    while (page != NULL && page->used == 0 && page->lent != lent)
        page = page->prev;
    return page != NULL && page->used == 0 ? page : NULL;
}

/* A wholly free page that may go: where the reserve needs it, a static one takes its place. */
static struct vmem_page *spare_page(unsigned block_class, bool lent)
{
    struct vmem_page *page = free_page(block_class, lent);

    if (page != NULL && available(block_class) < blocks_per_page(block_class) &&
        !(lent && add_static(block_class)))
        return NULL;
    return page;
}

static void reap_static(void)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    struct vmem_page *page;

    for (unsigned c = 0; c < VMEM_BLOCK_CLASSES; c++) {
        while ((page = spare_page(c, false)) != NULL) {
            page_remove(page);
            static_page_return(page);
        }
    }
    vmem_port_unlock(&pool.lock, state);
}

/* Drops the lock for each page. */
static size_t reap_lent(void)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    struct vmem_page *page;
    size_t returned = 0;

    for (unsigned c = 0; c < VMEM_BLOCK_CLASSES; c++) {
        while ((page = spare_page(c, true)) != NULL) {
            page_remove(page);
            return_to_port(page, VMEM_PAGE_SIZE, &state);
            returned++;
        }
    }
    vmem_port_unlock(&pool.lock, state);
    return returned;
}

/*
 * Lent pages first, since a look for a wholly free page passes by those of the other kind, and
 * there are few static ones; then static ones, which may stand in for what is lent still.
 */
size_t vmem_pool_reap(void)
{
    size_t returned = reap_lent();

    reap_static();
    return returned + reap_lent();
}

static bool page_check(const struct vmem_page *page, unsigned block_class)
{
    size_t capacity = blocks_per_page(block_class);
    size_t free = 0;

    if (page->block_class != block_class || page->used >= capacity)
        return false;
    for (void *block = page->free; block != NULL && free <= capacity; block = *(void **)block) {
        if (page_of(block) != page)
            return false;
        free++;
    }
    return free + page->used == capacity;
}

bool vmem_pool_check(size_t tags_used)
{
    unsigned long state = vmem_port_lock(&pool.lock);
    bool good = tags_used == pool.tags_used;

    for (unsigned c = 0; c < VMEM_BLOCK_CLASSES; c++) {
        const struct vmem_page_list *list = &pool.lists[c];
        size_t free = 0;

        for (const struct vmem_page *page = list->first; good && page != NULL; page = page->next) {
            good = page_check(page, c);
            free += blocks_per_page(c) - page->used;
        }
        good = good && free == list->free;
    }
    vmem_port_unlock(&pool.lock, state);
    return good;
}

void vmem_pool_stat(struct vmem_pool_stats *stats)
{
    unsigned long state = vmem_port_lock(&pool.lock);

    stats->static_pages = pool.static_used;
    stats->lent_pages = pool.lent;
    stats->tags_used = pool.tags_used;
    stats->tags_free = pool.lists[VMEM_BLOCK_CLASS_TAG].free;
    if (VMEM_BLOCK_CLASS_NODE != VMEM_BLOCK_CLASS_TAG)
        stats->tags_free += pool.lists[VMEM_BLOCK_CLASS_NODE].free;
    stats->refusals = pool.refusals;
    vmem_port_unlock(&pool.lock, state);
}
