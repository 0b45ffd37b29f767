/* SPDX-License-Identifier: MIT */
/*
 * tree.c - the index of free segments by address, and of spans.
 *
 * Concepts: an AVL tree (Adelson-Velsky and Landis 1962) over tags in address
 * order, in which each node knows the largest size in its subtree. A search for
 * the lowest, highest or next segment that holds a request skips every subtree
 * whose maximum is too small or which lies outside the window, so it goes down one
 * path to its answer. Where a segment is large enough but its position does not
 * serve (alignment, borders), the search goes on from there to the next that is
 * large enough: O(log n) for each such.
 *
 * Nodes have parents, so that nothing here recurses or keeps a path; heights are
 * stored whole, since there is room. Insertion, removal and a change of size all
 * end in the same walk upwards (retrace), which stops where nothing changes.
 *
 * It is used twice: for the free segments of an ordered arena, and for the spans
 * of every arena, whose maxima nobody asks for.
 *
 * Costs: insert, remove, floor O(log n); best fit O(n).
 */
#include "tree.h"

static uint32_t height_of(vmem_link_t link)
{
    return link != 0 ? vmem_node_at(link)->height : 0;
}

static vmem_size_t max_of(vmem_link_t link)
{
    return link != 0 ? vmem_node_at(link)->max : 0;
}

/* The node with the lowest address; 0: the tree is empty. */
static vmem_link_t first_of(vmem_link_t root)
{
    if (root == 0)
        return 0;
    while (vmem_node_at(root)->left != 0)
        root = vmem_node_at(root)->left;
    return root;
}

static bool is_left(vmem_link_t parent, vmem_link_t link)
{
    return vmem_node_at(parent)->left == link;
}

/* Recomputes a node from its children; whether that changed it, and *lean: left height less right.
 */
static bool update(struct vmem_node *node, int *lean)
{
    vmem_size_t max = node->tag.size;
    uint32_t left_height = 0;
    uint32_t right_height = 0;
    uint32_t height;

    if (node->left != 0) {
        const struct vmem_node *left = vmem_node_at(node->left);

        left_height = left->height;
        max = left->max > max ? left->max : max;
    }
    if (node->right != 0) {
        const struct vmem_node *right = vmem_node_at(node->right);

        right_height = right->height;
        max = right->max > max ? right->max : max;
    }
    *lean = (int)left_height - (int)right_height;
    height = 1 + (*lean > 0 ? left_height : right_height);
    if (node->height == height && node->max == max)
        return false;
    node->height = height;
    node->max = max;
    return true;
}

/* Puts `by` where `link` stands below `parent`. */
static void replace_child(vmem_link_t *root, vmem_link_t parent, vmem_link_t link, vmem_link_t by)
{
    if (parent == 0)
        *root = by;
    else if (is_left(parent, link))
        vmem_node_at(parent)->left = by;
    else
        vmem_node_at(parent)->right = by;
    if (by != 0)
        vmem_node_at(by)->parent = parent;
}

/* Turns the edge between a node and its higher child round; the child that now stands there. */
static vmem_link_t rotate(vmem_link_t *root, vmem_link_t link, bool right)
{
    struct vmem_node *node = vmem_node_at(link);
    vmem_link_t child_link = right ? node->left : node->right;
    struct vmem_node *child = vmem_node_at(child_link);
    vmem_link_t inner = right ? child->right : child->left;
    int lean;

    replace_child(root, node->parent, link, child_link);
    if (right) {
        node->left = inner;
        child->right = link;
    } else {
        node->right = inner;
        child->left = link;
    }
    if (inner != 0)
        vmem_node_at(inner)->parent = link;
    node->parent = child_link;
    (void)update(node, &lean);
    (void)update(child, &lean);
    return child_link;
}

/* Restores the balance of a node that leans by two; the node that then stands in its place. */
static vmem_link_t balance(vmem_link_t *root, vmem_link_t link, bool left)
{
    const struct vmem_node *node = vmem_node_at(link);
    vmem_link_t high = left ? node->left : node->right;
    const struct vmem_node *child = vmem_node_at(high);
    uint32_t outer = height_of(left ? child->left : child->right);
    uint32_t inner = height_of(left ? child->right : child->left);

    if (inner > outer)
        (void)rotate(root, high, !left);
    return rotate(root, link, left);
}

/* Restores heights, maxima and balance from a node upwards. */
static void retrace(vmem_link_t *root, vmem_link_t link)
{
    while (link != 0) {
        int lean;
        bool changed = update(vmem_node_at(link), &lean);

        if (lean > 1 || lean < -1)
            link = balance(root, link, lean > 0);
        else if (!changed)
            return;
        link = vmem_node_at(link)->parent;
    }
}

void vmem_tree_insert(vmem_link_t *root, vmem_link_t link)
{
    struct vmem_node *node = vmem_node_at(link);
    vmem_link_t parent = 0;
    vmem_link_t *at = root;

    while (*at != 0) {
        struct vmem_node *above = vmem_node_at(*at);

        parent = *at;
        at = node->tag.addr < above->tag.addr ? &above->left : &above->right;
    }
    *at = link;
    node->left = 0;
    node->right = 0;
    node->parent = parent;
    node->height = 1;
    node->max = node->tag.size;
    retrace(root, parent);
}

/* Puts the successor of a node that has two children in its place. */
static void replace_by_successor(vmem_link_t *root, vmem_link_t link)
{
    const struct vmem_node *node = vmem_node_at(link);
    vmem_link_t successor_link = first_of(node->right);
    struct vmem_node *successor = vmem_node_at(successor_link);
    vmem_link_t lowest = successor->parent;

    if (lowest != link) {
        replace_child(root, lowest, successor_link, successor->right);
        successor->right = node->right;
        vmem_node_at(node->right)->parent = successor_link;
    }
    successor->left = node->left;
    vmem_node_at(node->left)->parent = successor_link;
    replace_child(root, node->parent, link, successor_link);
    successor->height = node->height; /* what the parent knows */
    successor->max = node->max;
    if (lowest != link)
        retrace(root, lowest);
    retrace(root, successor_link); /* which the first may have stopped short of */
}

void vmem_tree_remove(vmem_link_t *root, vmem_link_t link)
{
    const struct vmem_node *node = vmem_node_at(link);

    if (node->left != 0 && node->right != 0) {
        replace_by_successor(root, link);
        return;
    }
    replace_child(root, node->parent, link, node->left != 0 ? node->left : node->right);
    retrace(root, node->parent);
}

void vmem_tree_replace(vmem_link_t *root, vmem_link_t from, vmem_link_t to)
{
    const struct vmem_node *node = vmem_node_at(to);

    replace_child(root, node->parent, from, to);
    if (node->left != 0)
        vmem_node_at(node->left)->parent = to;
    if (node->right != 0)
        vmem_node_at(node->right)->parent = to;
}

void vmem_tree_resized(vmem_link_t link)
{
    int lean;

    while (link != 0 && update(vmem_node_at(link), &lean))
        link = vmem_node_at(link)->parent;
}

vmem_link_t vmem_tree_floor(vmem_link_t root, vmem_addr_t addr)
{
    vmem_link_t floor = 0;

    while (root != 0) {
        const struct vmem_node *node = vmem_node_at(root);

        if (node->tag.addr <= addr) {
            floor = root;
            root = node->right;
        } else {
            root = node->left;
        }
    }
    return floor;
}

vmem_link_t vmem_tree_ceiling(vmem_link_t root, vmem_addr_t addr)
{
    vmem_link_t ceiling = 0;

    while (root != 0) {
        const struct vmem_node *node = vmem_node_at(root);

        if (node->tag.addr >= addr) {
            ceiling = root;
            root = node->left;
        } else {
            root = node->right;
        }
    }
    return ceiling;
}

vmem_size_t vmem_tree_largest(vmem_link_t root)
{
    return max_of(root);
}

/*
 * Searches. `upward` goes from low addresses to high ones, else the reverse.
 */

static vmem_link_t near_child(const struct vmem_node *node, bool upward)
{
    return upward ? node->left : node->right;
}

static vmem_link_t far_child(const struct vmem_node *node, bool upward)
{
    return upward ? node->right : node->left;
}

/* Whether the near subtree can hold a segment for the request: not if it lies before the window. */
static bool is_near_worthwhile(const struct vmem_request *request, const struct vmem_node *node,
                               bool upward)
{
    bool in_window =
        upward ? node->tag.addr > request->min : vmem_tag_last(&node->tag) < request->max;

    return in_window && max_of(near_child(node, upward)) >= request->size;
}

/* Whether all nodes further on lie past the window. */
static bool is_past(const struct vmem_request *request, const struct vmem_node *node, bool upward)
{
    return upward ? node->tag.addr > request->max : vmem_tag_last(&node->tag) < request->min;
}

static vmem_link_t descend(const struct vmem_request *request, vmem_link_t link, bool upward)
{
    while (is_near_worthwhile(request, vmem_node_at(link), upward))
        link = near_child(vmem_node_at(link), upward);
    return link;
}

/* The node after this one, past subtrees that cannot hold the request; 0: none. */
static vmem_link_t advance(const struct vmem_request *request, vmem_link_t link, bool upward)
{
    vmem_link_t far = far_child(vmem_node_at(link), upward);

    if (max_of(far) >= request->size)
        return descend(request, far, upward);
    for (;;) {
        vmem_link_t parent = vmem_node_at(link)->parent;

        if (parent == 0 || is_left(parent, link) == upward)
            return parent;
        link = parent;
    }
}

static bool fits(const struct vmem_request *request, vmem_link_t link, bool upward,
                 struct vmem_place *place)
{
    const struct vmem_tag *tag = vmem_tag_at(link);

    if (tag->size < request->size)
        return false;
    place->segment = link;
    if (upward)
        return vmem_fit_low(request, tag->addr, vmem_tag_last(tag), &place->addr);
    return vmem_fit_high(request, tag->addr, vmem_tag_last(tag), &place->addr);
}

/* The first segment in that direction which the request fits in. */
static bool search_ordered(vmem_link_t root, const struct vmem_request *request, bool upward,
                           struct vmem_place *place)
{
    vmem_link_t link;

    if (max_of(root) < request->size)
        return false;
    for (link = descend(request, root, upward); link != 0; link = advance(request, link, upward)) {
        if (is_past(request, vmem_node_at(link), upward))
            return false;
        if (fits(request, link, upward, place))
            return true;
    }
    return false;
}

static bool search_best(vmem_link_t root, const struct vmem_request *request,
                        struct vmem_place *place)
{
    vmem_size_t best = 0;
    vmem_link_t link;

    if (max_of(root) < request->size)
        return false;
    for (link = descend(request, root, true); link != 0; link = advance(request, link, true)) {
        vmem_size_t size = vmem_tag_at(link)->size;
        struct vmem_place candidate;

        if (is_past(request, vmem_node_at(link), true) || best == request->size)
            break;
        if ((best == 0 || size < best) && fits(request, link, true, &candidate)) {
            *place = candidate;
            best = size;
        }
    }
    return best != 0;
}

static bool search_next(const vmem_t *arena, const struct vmem_request *request,
                        struct vmem_place *place)
{
    struct vmem_request from_cursor = *request;

    if (from_cursor.min < arena->cursor) {
        from_cursor.min = arena->cursor;
        if (search_ordered(arena->tree, &from_cursor, true, place))
            return true;
    }
    return search_ordered(arena->tree, request, true, place);
}

bool vmem_tree_search(const vmem_t *arena, const struct vmem_request *request,
                      struct vmem_place *place)
{
    switch (request->policy) {
    case VMEM_BESTFIT:
        return search_best(arena->tree, request, place);
    case VMEM_NEXTFIT:
        return search_next(arena, request, place);
    default:
        return search_ordered(arena->tree, request, request->policy != VMEM_LASTFIT, place);
    }
}

/*
 * Check
 */

static bool is_node_right(vmem_link_t root, vmem_link_t link)
{
    const struct vmem_node *node = vmem_node_at(link);
    struct vmem_node copy = *node;
    int lean;

    if ((node->parent == 0) != (link == root))
        return false;
    if (link != root && !is_left(node->parent, link) && vmem_node_at(node->parent)->right != link)
        return false;
    return !update(&copy, &lean) && lean >= -1 && lean <= 1;
}

/* The node after this one, whatever its size. */
static vmem_link_t successor_of(vmem_link_t link)
{
    if (vmem_node_at(link)->right != 0)
        return first_of(vmem_node_at(link)->right);
    for (;;) {
        vmem_link_t parent = vmem_node_at(link)->parent;

        if (parent == 0 || is_left(parent, link))
            return parent;
        link = parent;
    }
}

size_t vmem_tree_recount(vmem_link_t root, size_t limit)
{
    vmem_link_t prev = 0;
    size_t count = 0;

    for (vmem_link_t link = first_of(root); link != 0; link = successor_of(link)) {
        if (++count > limit || !is_node_right(root, link))
            return SIZE_MAX;
        if (prev != 0 && vmem_tag_last(vmem_tag_at(prev)) >= vmem_tag_at(link)->addr)
            return SIZE_MAX;
        prev = link;
    }
    return count;
}
