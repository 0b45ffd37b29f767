/* SPDX-License-Identifier: MIT */
/*
 * map.c - what stands at an address: a byte for each granule, 0 for nothing.
 *
 * Concepts
 * --------
 * 1. A radix tree over the numbers of granules. Its nodes are blocks of 1 KiB of the pool: leaves
 *    of as many bytes, one a granule, and inner nodes of pointers.
 * 2. It is no higher than what is in it lies apart: the first leaf is the whole tree. A granule
 *    beside it raises the tree by one node above the top, until both stand below that. So 512 MiB
 *    are found by two loads with granules of 4 KiB and 64-bit pointers, and 64 GiB by three.
 * 3. What the top is, and which granules it holds, is one record. There is one for each height,
 *    since the tree has each only once; it is written before it is made the top and then stays as
 *    it is. Who reads an older one finds all that was there at that time.
 * 4. Nodes stay until the map is destroyed, for who reads takes no lock.
 *
 * Locking: the map's, for who writes. Memory is fetched outside it, one node at a time. Readers
 * see an entry if they know the address from whoever set it: handing on the address is what orders
 * the two.
 * Costs: a leaf for each 4 MiB (with granules of 4 KiB) in which anything ever was; O(height) to
 * read and write.
 */
#include "map.h"

static const vmem_port_lock_t lock_init = VMEM_PORT_LOCK_INIT;

void vmem_map_init(struct vmem_map *map, unsigned granule_shift)
{
    memset(map, 0, sizeof *map);
    map->granule_shift = granule_shift;
    map->lock = lock_init;
    map->roots[0] = (struct vmem_map_root){.prefix = UINTPTR_MAX, .shift = VMEM_MAP_LEAF_BITS};
    map->top = &map->roots[0];
}

/* Depth first: a node goes after all that is below it. */
void vmem_map_destroy(struct vmem_map *map)
{
    struct vmem_map_node *path[VMEM_MAP_LEVELS + 1];
    unsigned seen[VMEM_MAP_LEVELS + 1];
    int height = (int)(map->top - map->roots) - 1; /* of the top; -1: there is none */
    int at = height;

    if (height >= 0) {
        path[at] = map->top->node;
        seen[at] = 0;
    }
    while (at >= 0 && at <= height) {
        if (at == 0 || seen[at] == 1 << VMEM_MAP_INNER_BITS) {
            vmem_pool_free(path[at], sizeof *path[at]);
            at++;
        } else {
            struct vmem_map_node *child = path[at]->child[seen[at]++];

            if (child != NULL) {
                path[--at] = child;
                seen[at] = 0;
            }
        }
    }
}

/*
 * Writing
 */

static struct vmem_map_node *take(struct vmem_map_node **spare)
{
    struct vmem_map_node *node = *spare;

    *spare = NULL;
    return node;
}

/* Puts a node on top of the tree: its first leaf, for this granule, or one above the top. */
static void raise(struct vmem_map *map, uintptr_t granule, struct vmem_map_node *node)
{
    const struct vmem_map_root *old = map->top;
    struct vmem_map_root *top = map->top + 1;

    top->node = node;
    if (old == &map->roots[0]) {
        top->prefix = granule >> VMEM_MAP_LEAF_BITS;
        top->shift = VMEM_MAP_LEAF_BITS;
    } else {
        node->child[old->prefix & VMEM_MAP_INNER_MASK] = old->node;
        top->prefix = old->prefix >> VMEM_MAP_INNER_BITS;
        top->shift = old->shift + VMEM_MAP_INNER_BITS;
    }
    VMEM_WRITE_RELEASE(map->top, top);
}

/* The leaf of a granule; NULL: a node is missing, and *spare is not there to take its place. */
static struct vmem_map_node *reach(struct vmem_map *map, uintptr_t granule,
                                   struct vmem_map_node **spare)
{
    struct vmem_map_node *node;
    unsigned shift;

    while (granule >> map->top->shift != map->top->prefix) {
        if (*spare == NULL)
            return NULL;
        raise(map, granule, take(spare));
    }
    node = map->top->node;
    for (shift = map->top->shift; shift > VMEM_MAP_LEAF_BITS;) {
        struct vmem_map_node **child;

        shift -= VMEM_MAP_INNER_BITS;
        child = &node->child[granule >> shift & VMEM_MAP_INNER_MASK];
        if (*child == NULL) {
            if (*spare == NULL)
                return NULL;
            VMEM_WRITE_RELEASE(*child, take(spare));
        }
        node = *child;
    }
    return node;
}

int vmem_map_set(struct vmem_map *map, uintptr_t addr, uintptr_t size, unsigned char byte)
{
    uintptr_t first = addr >> map->granule_shift;
    uintptr_t last = (addr + (size - 1)) >> map->granule_shift;
    struct vmem_map_node *spare = NULL;
    struct vmem_map_node *leaf;

    for (;;) {
        unsigned long state = vmem_port_lock(&map->lock);

        leaf = reach(map, first, &spare);
        for (uintptr_t i = first; leaf != NULL && i <= last; i++)
            VMEM_WRITE_ONCE(leaf->byte[i & VMEM_MAP_LEAF_MASK], byte);
        vmem_port_unlock(&map->lock, state);
        if (leaf != NULL)
            break;
        spare = (struct vmem_map_node *)vmem_pool_alloc(sizeof *spare);
        if (spare == NULL)
            return -VMEM_ENOMEM;
        memset(spare, 0, sizeof *spare);
    }
    if (spare != NULL) /* another thread has put one there meanwhile */
        vmem_pool_free(spare, sizeof *spare);
    return 0;
}

bool vmem_map_clear(struct vmem_map *map, uintptr_t addr, unsigned char byte)
{
    unsigned long state = vmem_port_lock(&map->lock);
    bool is_set = vmem_map_get(map, addr) == byte;

    if (is_set) {
        uintptr_t granule = addr >> map->granule_shift;
        struct vmem_map_node *spare = NULL; /* and none is needed */
        struct vmem_map_node *leaf = reach(map, granule, &spare);

        VMEM_WRITE_ONCE(leaf->byte[granule & VMEM_MAP_LEAF_MASK], 0);
    }
    vmem_port_unlock(&map->lock, state);
    return is_set;
}

/*
 * Going through
 */

/* The leaf of a granule; NULL: all granules before *nextp are nothing, 0 standing for the end. */
static const struct vmem_map_node *leaf_at(const struct vmem_map *map, uintptr_t granule,
                                           uintptr_t *nextp)
{
    const struct vmem_map_root *root = map->top;
    const struct vmem_map_node *node = root->node;
    unsigned shift = root->shift;

    *nextp = 0;
    if (node == NULL || granule >> shift > root->prefix)
        return NULL;
    *nextp = root->prefix << shift;
    if (granule < *nextp)
        return NULL;
    while (shift > VMEM_MAP_LEAF_BITS) {
        shift -= VMEM_MAP_INNER_BITS;
        node = node->child[granule >> shift & VMEM_MAP_INNER_MASK];
        *nextp = ((granule >> shift) + 1) << shift;
        if (node == NULL)
            return NULL;
    }
    return node;
}

unsigned char vmem_map_next(const struct vmem_map *map, uintptr_t *addrp)
{
    uintptr_t granule = *addrp >> map->granule_shift;
    uintptr_t next;

    do {
        const struct vmem_map_node *leaf = leaf_at(map, granule, &next);

        if (leaf == NULL) {
            granule = next;
        } else if (leaf->byte[granule & VMEM_MAP_LEAF_MASK] != 0) {
            *addrp = granule << map->granule_shift;
            return leaf->byte[granule & VMEM_MAP_LEAF_MASK];
        } else {
            granule++;
        }
    } while (granule != 0);
    return 0;
}
