/* SPDX-License-Identifier: MIT */
/*
 * id.c - ID spaces: a bitmap (bitmap.h) of each one's IDs, keyed by their distance from the
 * smallest, so that any range of integers can be one, all of them included.
 *
 * Memory: nodes of the bitmap come from the pool, never with the lock held. Whoever finds that
 * some are missing counts them, drops the lock, fetches them into a stock of his own, and looks
 * again. So nothing has changed when the pool refuses. What is left of the stock, or was taken out
 * of the bitmap, goes back at the end, without the lock; but for one node that the space keeps, so
 * that one ID allocated and freed at a border does not fetch and return a leaf each time.
 *
 * Modes: the lowest free ID is found from the root, the next one from the cursor. Both have a short
 * way, and a long one (allocate) for all that is not in the words and leaves that are there.
 *
 * Locking: a lock a space; the list of spaces has its own, taken before. Who goes through the list
 * pins the space that he looks at; a space that is pinned cannot be destroyed.
 */
#include "id.h"

#include "sleep.h"

struct request {
    vmem_addr_t first, last; /* the window, in keys */
    vmem_size_t count, align;
    bool run;     /* more than one ID, or aligned: anywhere in the space */
    bool by_mode; /* one ID, by the space's mode: anywhere */
};

static struct {
    vmem_port_lock_t lock;
    vmem_id_t *first;
    vmem_id_t *last;
    uint32_t ids;
} spaces = {.lock = VMEM_PORT_LOCK_INIT};

static const vmem_port_lock_t lock_init = VMEM_PORT_LOCK_INIT;

/*
 * The list of spaces
 */

static void enlist(struct vmem_id *space)
{
    unsigned long state = vmem_port_lock(&spaces.lock);

    space->id = ++spaces.ids;
    space->prev = spaces.last;
    if (spaces.last != NULL)
        spaces.last->next = space;
    else
        spaces.first = space;
    spaces.last = space;
    vmem_port_unlock(&spaces.lock, state);
}

/* Whether a request waits for an ID. With the lock. */
static inline bool is_awaited(const struct vmem_id *space)
{
#if VMEM_SLEEPS
    return space->awaited > 0;
#else
    (void)space;
    return false;
#endif
}

/* Takes a space off the list; false: it is in use (*idlep false), or pinned. */
static bool delist(struct vmem_id *space, bool *idlep)
{
    unsigned long state = vmem_port_lock(&spaces.lock);
    unsigned long space_state = vmem_port_lock(&space->lock);
    bool leaves;

    *idlep = vmem_bitmap_is_empty(&space->map) && !is_awaited(space);
    leaves = *idlep && space->pins == 0;
    vmem_port_unlock(&space->lock, space_state);
    if (leaves) {
        if (space->prev != NULL)
            space->prev->next = space->next;
        else
            spaces.first = space->next;
        if (space->next != NULL)
            space->next->prev = space->prev;
        else
            spaces.last = space->prev;
    }
    vmem_port_unlock(&spaces.lock, state);
    return leaves;
}

vmem_id_t *vmem_id_pin_next(uint32_t after)
{
    unsigned long state = vmem_port_lock(&spaces.lock);
    vmem_id_t *space = spaces.first;

    while (space != NULL && space->id <= after)
        space = space->next;
    if (space != NULL)
        space->pins++;
    vmem_port_unlock(&spaces.lock, state);
    return space;
}

void vmem_id_unpin(vmem_id_t *space)
{
    unsigned long state = vmem_port_lock(&spaces.lock);

    space->pins--;
    vmem_port_unlock(&spaces.lock, state);
}

/*
 * Creation
 */

static const char *wrong_params(const struct vmem_id_params *params)
{
    if (params->name == NULL)
        return "name is NULL";
    if (params->min > params->max)
        return "min is above max";
    if (params->wrap != 0 && (params->wrap < params->min || params->wrap > params->max))
        return "wrap is not in [min, max]";
    if ((params->flags & ~(unsigned)VMEM_ID_CYCLIC) != 0)
        return "unknown flags";
    return NULL;
}

static void init(struct vmem_id *space, const struct vmem_id_params *params)
{
    memset(space, 0, sizeof *space);
    space->lock = lock_init;
    space->name = params->name;
    space->cyclic = (params->flags & VMEM_ID_CYCLIC) != 0;
    space->min = params->min;
    space->wrap = params->wrap != 0 ? params->wrap - params->min : 0;
    vmem_bitmap_init(&space->map, params->max - params->min);
}

int vmem_id_create(const struct vmem_id_params *params, vmem_id_t **spacep)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    const char *wrong;
    vmem_id_t *space;

    wrong = params == NULL || spacep == NULL ? "params or spacep is NULL" : wrong_params(params);
    if (wrong != NULL)
        return vmem_fault_named(params != NULL ? params->name : NULL, VMEM_FAULT_PARAMETER,
                                "vmem_id_create", wrong, params != NULL ? params->min : 0, 0, 0, 0,
                                0, caller);
    space = (vmem_id_t *)vmem_pool_alloc(sizeof *space);
    if (space == NULL)
        return -VMEM_ENOMEM;
    init(space, params);
    enlist(space);
    *spacep = space;
    return 0;
}

int vmem_id_destroy(vmem_id_t *space)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    bool idle;

    if (space == NULL)
        return vmem_fault_report(NULL, VMEM_FAULT_PARAMETER, "vmem_id_destroy", "space is NULL", 0,
                                 0, caller);
    if (!delist(space, &idle)) {
        if (!idle)
            (void)vmem_fault_named(space->name, VMEM_FAULT_BUSY, "vmem_id_destroy",
                                   "busy: IDs are allocated, or a request waits for one",
                                   space->min, space->in_use, 0, 0, 0, caller);
        return -VMEM_EBUSY;
    }
    if (space->map.shift > 0 && space->map.root != 0)
        vmem_pool_free(vmem_bitmap_node_at(space->map.root), vmem_bitmap_root_bytes(&space->map));
    if (space->spare != NULL)
        vmem_pool_free(space->spare, vmem_bitmap_node_bytes());
    vmem_pool_free(space, sizeof *space);
    return 0;
}

/*
 * Nodes that come and go
 */

/* Fetches the root. Drops the lock for that. */
static int fetch_root(struct vmem_id *space, unsigned long *state)
{
    size_t size = vmem_bitmap_root_bytes(&space->map);
    void *root;

    vmem_port_unlock(&space->lock, *state);
    root = vmem_pool_alloc(size);
    *state = vmem_port_lock(&space->lock);
    if (root == NULL)
        return -VMEM_ENOMEM;
    if (vmem_bitmap_wants_root(&space->map)) {
        vmem_bitmap_give_root(&space->map, root);
        return 0;
    }
    vmem_port_unlock(&space->lock, *state); /* another thread was faster */
    vmem_pool_free(root, size);
    *state = vmem_port_lock(&space->lock);
    return 0;
}

/* Fetches nodes, up to a count. Drops the lock for that. */
static int fetch(struct vmem_id *space, struct vmem_bitmap_stock *stock, vmem_size_t count,
                 unsigned long *state)
{
    vmem_port_unlock(&space->lock, *state);
    while (stock->count < count) {
        void *node = vmem_pool_alloc(vmem_bitmap_node_bytes());

        if (node == NULL)
            break;
        vmem_bitmap_stock_add(stock, (struct vmem_bitmap_node *)node);
    }
    *state = vmem_port_lock(&space->lock);
    return stock->count >= count ? 0 : -VMEM_ENOMEM;
}

/*
 * Sees to it that the stock has the nodes for [first, last]: 0; or -VMEM_ENOMEM; or 1: it has now,
 * but the lock was dropped for that, so that the place may be gone.
 */
static int provide(struct vmem_id *space, vmem_addr_t first, vmem_addr_t last,
                   struct vmem_bitmap_stock *stock, unsigned long *state)
{
    vmem_size_t missing;
    int error;

    if (last - first >= VMEM_ID_RANGE_MAX)
        return -VMEM_ENOMEM;
    if (vmem_bitmap_wants_root(&space->map)) {
        error = fetch_root(space, state);
        return error != 0 ? error : 1;
    }
    missing = vmem_bitmap_missing(&space->map, first, last);
    if (space->spare != NULL) {
        vmem_bitmap_stock_add(stock, space->spare);
        space->spare = NULL;
    }
    if (missing <= stock->count)
        return 0;
    error = fetch(space, stock, missing, state);
    return error != 0 ? error : 1;
}

/* Keeps one node if the space has none, drops the lock, and gives the others back. */
static inline void finish(struct vmem_id *space, struct vmem_bitmap_stock *stock,
                          unsigned long state)
{
    if (VMEM_UNLIKELY(stock->count > 0) && space->spare == NULL)
        space->spare = vmem_bitmap_stock_take(stock);
    vmem_port_unlock(&space->lock, state);
    while (VMEM_UNLIKELY(stock->count > 0))
        vmem_pool_free(vmem_bitmap_stock_take(stock), vmem_bitmap_node_bytes());
}

/*
 * Allocation
 */

/* The key that the space's mode prefers. */
static bool find_by_mode(const struct vmem_id *space, struct vmem_bitmap_place *place)
{
    const struct vmem_bitmap *map = &space->map;

    place->key = space->cyclic ? space->cursor : 0;
    if (vmem_bitmap_find_free(map, place) && place->key <= map->last)
        return true;
    place->key = space->wrap;
    return space->cyclic && vmem_bitmap_find_free(map, place) && place->key <= map->last;
}

/* Finds the place that a request asks for; false: there is none. */
static bool search(const struct vmem_id *space, const struct request *request,
                   struct vmem_bitmap_place *place)
{
    if (request->by_mode)
        return find_by_mode(space, place);
    if (request->run)
        return vmem_bitmap_find_run(&space->map, request->count, request->align, space->min,
                                    &place->key);
    place->key = request->first;
    return vmem_bitmap_find_free(&space->map, place) && place->key <= request->last;
}

/* A cyclic search goes on behind the key that the last one found. */
static inline void move_on(struct vmem_id *space, vmem_addr_t key)
{
    space->cursor = key == space->map.last ? space->wrap : key + 1;
}

/* One attempt. */
static int try_once(struct vmem_id *space, const struct request *request, vmem_addr_t *idp)
{
    struct vmem_bitmap_stock stock = {.first = NULL};
    struct vmem_bitmap_place place = {.key = 0};
    unsigned long state = vmem_port_lock(&space->lock);
    int error;

    do {
        if (search(space, request, &place))
            error = provide(space, place.key, place.key + (request->count - 1), &stock, &state);
        else
            error = -VMEM_ENOSPC;
    } while (error > 0);
    if (error == 0) {
        vmem_bitmap_set(&space->map, place.key, place.key + (request->count - 1), &stock);
        space->in_use += request->count;
        if (request->by_mode)
            move_on(space, place.key);
    }
    finish(space, &stock, state);
    if (error == 0)
        *idp = space->min + place.key;
    return error;
}

/* What an attempt is made with. */
struct wish {
    struct vmem_id *space;
    const struct request *request;
    vmem_addr_t *idp;
};

static int attempt(void *ctx)
{
    const struct wish *wish = ctx;

    return try_once(wish->space, wish->request, wish->idp);
}

static __attribute__((noinline)) int wait_for(struct vmem_id *space, const struct request *request,
                                              vmem_addr_t *idp)
{
    struct wish wish = {.space = space, .request = request};
    struct vmem_waiter waiter = {.space = space, .min = request->first, .max = request->last};

    wish.idp = idp;
    if (request->run || request->by_mode)
        waiter.max = VMEM_ADDR_MAX;
    return vmem_sleep(&waiter, attempt, &wish);
}

/* Whether there is anything to wait for: as many IDs as that, and no more than go at once. */
static bool may_ever_fit(const struct vmem_id *space, const struct request *request)
{
    vmem_addr_t first = request->run ? -space->min & (request->align - 1) : 0; /* key, aligned */

    return request->count <= VMEM_ID_RANGE_MAX && first <= space->map.last &&
           request->count - 1 <= space->map.last - first;
}

/* Counts a refusal. */
static int refuse(struct vmem_id *space, int error)
{
    unsigned long state = vmem_port_lock(&space->lock);

    space->fails++;
    vmem_port_unlock(&space->lock, state);
    return error;
}

static int allocate(struct vmem_id *space, const struct request *request, unsigned flags,
                    vmem_addr_t *idp)
{
    bool waits = vmem_may_sleep(flags) && may_ever_fit(space, request);
    int error = waits ? wait_for(space, request, idp) : try_once(space, request, idp);

    return error != 0 ? refuse(space, error) : 0;
}

/* Whether an ID is one of the space. */
static inline bool is_inside(const struct vmem_id *space, vmem_addr_t id)
{
    return id - space->min <= space->map.last; /* below min it wraps to above the last */
}

/* What can never be right about an allocation; NULL: nothing. */
static inline const char *wrong_request(const vmem_id_t *space, unsigned flags,
                                        const vmem_addr_t *idp)
{
    if (space == NULL)
        return "space is NULL";
    if (idp == NULL)
        return "the place for the result is NULL";
    return vmem_policy(flags) != 0 ? "unknown flags" : NULL;
}

static int wrong_call(const vmem_id_t *space, const char *call, const char *what, vmem_addr_t id,
                      vmem_size_t count, uintptr_t caller)
{
    return vmem_fault_named(space != NULL ? space->name : NULL, VMEM_FAULT_PARAMETER, call, what,
                            id, count, 0, 0, 0, caller);
}

int vmem_id_alloc(vmem_id_t *space, unsigned flags, vmem_addr_t *idp)
{
    static const struct request by_mode = {.count = 1, .by_mode = true};
    const char *wrong = wrong_request(space, flags, idp);
    struct vmem_bitmap_place place;
    unsigned long state;

    if (VMEM_UNLIKELY(wrong != NULL))
        return wrong_call(space, "vmem_id_alloc", wrong, 0, 1,
                          (uintptr_t)__builtin_return_address(0));
    if (VMEM_UNLIKELY(vmem_may_sleep(flags)))
        return allocate(space, &by_mode, flags, idp);
    state = vmem_port_lock(&space->lock);
    if (VMEM_LIKELY(space->cyclic ? vmem_bitmap_find_near(&space->map, space->cursor, &place)
                                  : vmem_bitmap_find_lowest(&space->map, &place)) &&
        VMEM_LIKELY(place.key <= space->map.last)) {
        vmem_bitmap_set_bits(&space->map, place.leaf, place.key,
                             vmem_bitmap_bit(vmem_bitmap_digit(place.key, 0)));
        space->in_use++;
        move_on(space, place.key);
        vmem_port_unlock(&space->lock, state);
        *idp = space->min + place.key;
        return 0;
    }
    vmem_port_unlock(&space->lock, state);
    return allocate(space, &by_mode, flags, idp);
}

/* Clips [min, max] to the space, in keys; false: nothing is left. */
static bool clip(const struct vmem_id *space, vmem_addr_t min, vmem_addr_t max,
                 struct request *request)
{
    if (max < space->min || (min > space->min && min - space->min > space->map.last))
        return false;
    request->first = min > space->min ? min - space->min : 0;
    request->last = max - space->min < space->map.last ? max - space->min : space->map.last;
    return true;
}

int vmem_id_alloc_in(vmem_id_t *space, vmem_addr_t min, vmem_addr_t max, unsigned flags,
                     vmem_addr_t *idp)
{
    const char *wrong = wrong_request(space, flags, idp);
    struct request request = {.count = 1};

    if (wrong == NULL && min > max)
        wrong = "min is above max";
    if (wrong != NULL)
        return wrong_call(space, "vmem_id_alloc_in", wrong, min, 1,
                          (uintptr_t)__builtin_return_address(0));
    if (!clip(space, min, max, &request))
        return refuse(space, -VMEM_ENOSPC);
    return allocate(space, &request, flags, idp);
}

int vmem_id_alloc_range(vmem_id_t *space, vmem_size_t count, vmem_size_t align, unsigned flags,
                        vmem_addr_t *firstp)
{
    const char *wrong = wrong_request(space, flags, firstp);

    if (align == 0)
        align = 1;
    if (wrong == NULL && count == 0)
        wrong = "count is 0";
    if (wrong == NULL && !vmem_is_power_of_two(align))
        wrong = "align is not a power of two";
    if (wrong != NULL)
        return wrong_call(space, "vmem_id_alloc_range", wrong, 0, count,
                          (uintptr_t)__builtin_return_address(0));
    return allocate(space, &(struct request){.count = count, .align = align, .run = true}, flags,
                    firstp);
}

int vmem_id_take(vmem_id_t *space, vmem_addr_t id)
{
    const char *wrong = space == NULL ? "space is NULL" : NULL;
    int error;

    if (wrong == NULL && !is_inside(space, id))
        wrong = "the ID is not in the space";
    if (wrong != NULL)
        return wrong_call(space, "vmem_id_take", wrong, id, 1,
                          (uintptr_t)__builtin_return_address(0));
    error = allocate(
        space, &(struct request){.first = id - space->min, .last = id - space->min, .count = 1},
        VMEM_NOSLEEP, &id);
    return error == -VMEM_ENOSPC ? -VMEM_EBUSY : error;
}

/*
 * Freeing
 */

/* A free that is refused: with IDs that are not in the space, or one that is free. */
static void wrong_free(const vmem_id_t *space, const char *call, vmem_addr_t id, vmem_size_t count,
                       const vmem_addr_t *freep, uintptr_t caller)
{
    if (freep != NULL)
        (void)vmem_fault_named(space->name, VMEM_FAULT_DOUBLE_FREE, call,
                               "double free: the ID is free", id, count, *freep, 1, 0, caller);
    else if (space != NULL && count != 0)
        (void)vmem_fault_named(space->name, VMEM_FAULT_FOREIGN, call,
                               "foreign ID: not in this space", id, count, 0, 0, 0, caller);
    else
        (void)wrong_call(space, call, space == NULL ? "space is NULL" : "count is 0", id, count,
                         caller);
}

void vmem_id_free(vmem_id_t *space, vmem_addr_t id)
{
    struct vmem_bitmap_stock stock = {.first = NULL};
    vmem_word_t bit;
    unsigned long state;

    if (VMEM_UNLIKELY(space == NULL || !is_inside(space, id))) {
        wrong_free(space, "vmem_id_free", id, 1, NULL, (uintptr_t)__builtin_return_address(0));
        return;
    }
    bit = vmem_bitmap_bit(vmem_bitmap_digit(id - space->min, 0));
    state = vmem_port_lock(&space->lock);
    if (VMEM_LIKELY(vmem_bitmap_clear_bits(&space->map, id - space->min, bit, &stock))) {
        bool awaited = is_awaited(space);

        space->in_use--;
        space->frees++;
        finish(space, &stock, state);
        if (VMEM_UNLIKELY(awaited))
            vmem_wake_space(space);
        return;
    }
    vmem_port_unlock(&space->lock, state);
    wrong_free(space, "vmem_id_free", id, 1, &id, (uintptr_t)__builtin_return_address(0));
}

void vmem_id_free_range(vmem_id_t *space, vmem_addr_t first, vmem_size_t count)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    struct vmem_bitmap_stock stock = {.first = NULL};
    struct vmem_bitmap_place place;
    vmem_addr_t last;
    unsigned long state;
    bool awaited;

    if (space == NULL || count == 0 || !is_inside(space, first) ||
        count - 1 > space->map.last - (first - space->min)) {
        wrong_free(space, "vmem_id_free_range", first, count, NULL, caller);
        return;
    }
    place.key = first - space->min;
    last = place.key + (count - 1);
    state = vmem_port_lock(&space->lock);
    if (vmem_bitmap_find_free(&space->map, &place) && place.key <= last) {
        vmem_addr_t is_free = space->min + place.key;

        vmem_port_unlock(&space->lock, state);
        wrong_free(space, "vmem_id_free_range", first, count, &is_free, caller);
        return;
    }
    vmem_bitmap_clear(&space->map, first - space->min, last, &stock);
    space->in_use -= count;
    space->frees += count;
    awaited = is_awaited(space);
    finish(space, &stock, state);
    if (awaited)
        vmem_wake_space(space);
}

/*
 * Looking
 */

bool vmem_id_is_allocated(vmem_id_t *space, vmem_addr_t id)
{
    unsigned long state;
    bool allocated;

    if (!is_inside(space, id))
        return false;
    state = vmem_port_lock(&space->lock);
    allocated = vmem_bitmap_is_used(&space->map, id - space->min);
    vmem_port_unlock(&space->lock, state);
    return allocated;
}

bool vmem_id_next(vmem_id_t *space, vmem_addr_t from, vmem_addr_t *idp)
{
    vmem_addr_t key = from > space->min ? from - space->min : 0;
    unsigned long state;
    bool found;

    if (key > space->map.last)
        return false;
    state = vmem_port_lock(&space->lock);
    found = vmem_bitmap_find_used(&space->map, &key);
    vmem_port_unlock(&space->lock, state);
    if (found)
        *idp = space->min + key;
    return found;
}

void vmem_id_stat(vmem_id_t *space, struct vmem_id_stats *stats)
{
    unsigned long state = vmem_port_lock(&space->lock);
    bool empty = vmem_bitmap_is_empty(&space->map);

    stats->in_use = space->in_use;
    stats->free = space->map.last - space->in_use + 1;
    stats->bytes =
        vmem_pool_block(sizeof *space) + (space->map.nodes + (space->spare != NULL ? 1 : 0)) *
                                             vmem_pool_block(vmem_bitmap_node_bytes());
    if (space->map.shift > 0 && space->map.root != 0)
        stats->bytes += vmem_pool_block(vmem_bitmap_root_bytes(&space->map));
    stats->allocs = space->in_use + space->frees;
    stats->frees = space->frees;
    stats->fails = space->fails;
    stats->waits = 0;
    stats->waiting = 0;
#if VMEM_SLEEPS
    stats->waits = space->waits;
    stats->waiting = space->awaited;
#endif
    vmem_port_unlock(&space->lock, state);

    /* All integers are 2^64, which is 0. */
    if (stats->in_use == 0 && !empty)
        stats->in_use = VMEM_ADDR_MAX;
    if (stats->free == 0 && empty)
        stats->free = VMEM_ADDR_MAX;
}

int vmem_id_check(vmem_id_t *space)
{
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    unsigned long state = vmem_port_lock(&space->lock);
    vmem_size_t count = 0;
    enum vmem_fault_kind kind = vmem_bitmap_check(&space->map, &count);
    const char *what = NULL;

    if (kind == VMEM_FAULT_INDEX)
        what = "corrupt: the summaries of free IDs disagree with them";
    if (kind == VMEM_FAULT_NONE && count != space->in_use)
        kind = VMEM_FAULT_SUM;
    vmem_port_unlock(&space->lock, state);
    if (kind != VMEM_FAULT_NONE)
        (void)vmem_fault_named(space->name, kind, "vmem_id_check", what, space->min, 0, 0, 0, 0,
                               caller);
    return (int)kind;
}
