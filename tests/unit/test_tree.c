/* SPDX-License-Identifier: MIT */
/*
 * test_tree.c - the tree of segments by address, node by node; and that an ordered arena searches
 * no more of it than it must.
 */
#include "support.h"

#include "arena.h"
#include "pool.h"
#include "tree.h"

enum { NODES = 400 };

struct fixture {
    struct vmem_stash stash;
    vmem_link_t links[NODES]; /* of unused nodes, then of those in the tree in address order */
    unsigned unused, used;
    vmem_link_t root;
};

static void take_nodes(struct fixture *fixture)
{
    *fixture = (struct fixture){.unused = NODES};
    while (fixture->stash.count < NODES)
        assert_int_equal(vmem_pool_take(VMEM_CLASS_NODE, 1, 1, &fixture->stash), 0);
    for (unsigned i = 0; i < NODES; i++) {
        fixture->links[i] = fixture->stash.first;
        fixture->stash.first = vmem_tag_at(fixture->stash.first)->chain;
    }
}

static void return_nodes(struct fixture *fixture)
{
    for (unsigned i = 0; i < NODES; i++) {
        vmem_tag_at(fixture->links[i])->chain = fixture->stash.first;
        fixture->stash.first = fixture->links[i];
    }
    vmem_pool_return(&fixture->stash);
}

static void add_node(struct fixture *fixture, vmem_addr_t addr, vmem_size_t size)
{
    vmem_link_t link = fixture->links[--fixture->unused];
    unsigned at = NODES - 1 - fixture->used++;

    vmem_tag_at(link)->addr = addr;
    vmem_tag_at(link)->size = size;
    vmem_tag_at(link)->list_prev = 0;
    vmem_tree_insert(&fixture->root, link);
    /* Kept sorted at the end of the array. */
    while (at < NODES - 1 && vmem_tag_at(fixture->links[at + 1])->addr < addr) {
        fixture->links[at] = fixture->links[at + 1];
        at++;
    }
    fixture->links[at] = link;
}

static void remove_node(struct fixture *fixture, unsigned nth)
{
    unsigned at = NODES - fixture->used + nth;
    vmem_link_t link = fixture->links[at];

    vmem_tree_remove(&fixture->root, link);
    for (; at > NODES - fixture->used; at--)
        fixture->links[at] = fixture->links[at - 1];
    fixture->used--;
    fixture->links[fixture->unused++] = link;
}

static const struct vmem_tag *nth(const struct fixture *fixture, unsigned n)
{
    return vmem_tag_at(fixture->links[NODES - fixture->used + n]);
}

static bool has(const struct fixture *fixture, vmem_addr_t addr)
{
    for (unsigned n = 0; n < fixture->used; n++)
        if (nth(fixture, n)->addr == addr)
            return true;
    return false;
}

static void assert_sound(const struct fixture *fixture)
{
    assert_int_equal(vmem_tree_recount(fixture->root, fixture->used), fixture->used);
}

static void grow_to(struct fixture *fixture, unsigned count, uint64_t *seed)
{
    while (fixture->used < count) {
        vmem_addr_t addr = (vmem_addr_t)(next_random(seed) % 10000 * 10);

        if (!has(fixture, addr))
            add_node(fixture, addr, 1 + (vmem_size_t)(next_random(seed) % 9));
    }
}

static void insert_and_remove_in_any_order_keep_the_tree_sound(void **state)
{
    struct fixture fixture;
    uint64_t seed = 1962;

    (void)state;
    take_nodes(&fixture);
    for (unsigned round = 0; round < 6; round++) {
        while (fixture.used < NODES - round) {
            grow_to(&fixture, fixture.used + 1, &seed);
            if (fixture.used % 7 == 0)
                assert_sound(&fixture);
        }
        while (fixture.used > round) {
            remove_node(&fixture, (unsigned)(next_random(&seed) % fixture.used));
            assert_sound(&fixture);
        }
    }
    return_nodes(&fixture);
}

static void insert_in_order_makes_no_list_of_it(void **state)
{
    struct fixture fixture;

    (void)state;
    for (unsigned down = 0; down < 2; down++) {
        take_nodes(&fixture);
        for (unsigned i = 0; i < NODES; i++)
            add_node(&fixture, down != 0 ? 10 * (NODES - i) : 10 * i, 1);
        assert_sound(&fixture);
        /* Adelson-Velsky and Landis: at most 1.44 log2(n + 2), which is 12.4. */
        assert_true(vmem_node_at(fixture.root)->height <= 12);
        for (unsigned i = 0; i < NODES; i++) {
            remove_node(&fixture, down != 0 ? fixture.used - 1 : 0);
            assert_sound(&fixture);
        }
        assert_int_equal(fixture.root, 0);
        return_nodes(&fixture);
    }
}

static void floor_ceiling_and_first_find_the_neighbours_of_an_address(void **state)
{
    struct fixture fixture;
    uint64_t seed = 5;

    (void)state;
    take_nodes(&fixture);
    assert_int_equal(vmem_tree_floor(0, 5), 0);
    assert_int_equal(vmem_tree_ceiling(0, 5), 0);
    assert_int_equal(vmem_tree_ceiling(0, 0), 0);
    grow_to(&fixture, 200, &seed);
    assert_ptr_equal(vmem_tag_at(vmem_tree_ceiling(fixture.root, 0)), nth(&fixture, 0));
    for (unsigned n = 0; n < fixture.used; n++) {
        vmem_addr_t addr = nth(&fixture, n)->addr;

        assert_ptr_equal(vmem_tag_at(vmem_tree_floor(fixture.root, addr)), nth(&fixture, n));
        assert_ptr_equal(vmem_tag_at(vmem_tree_floor(fixture.root, addr + 9)), nth(&fixture, n));
        assert_ptr_equal(vmem_tag_at(vmem_tree_ceiling(fixture.root, addr)), nth(&fixture, n));
        if (n > 0)
            assert_ptr_equal(
                vmem_tag_at(vmem_tree_ceiling(fixture.root, nth(&fixture, n - 1)->addr + 1)),
                nth(&fixture, n));
    }
    assert_int_equal(vmem_tree_ceiling(fixture.root, nth(&fixture, fixture.used - 1)->addr + 1), 0);
    if (nth(&fixture, 0)->addr > 0)
        assert_int_equal(vmem_tree_floor(fixture.root, nth(&fixture, 0)->addr - 1), 0);
    return_nodes(&fixture);
}

static void resized_brings_the_maxima_up_to_date(void **state)
{
    struct fixture fixture;
    uint64_t seed = 77;

    (void)state;
    take_nodes(&fixture);
    assert_int_equal(vmem_tree_largest(0), 0);
    grow_to(&fixture, 300, &seed);
    for (unsigned i = 0; i < 300; i++) {
        unsigned n = (unsigned)(next_random(&seed) % 300);
        vmem_link_t link = fixture.links[NODES - 300 + n];
        vmem_size_t largest = 0;

        vmem_tag_at(link)->size = 1 + (vmem_size_t)(next_random(&seed) % 10);
        vmem_tree_resized(link);
        for (n = 0; n < 300; n++)
            if (nth(&fixture, n)->size > largest)
                largest = nth(&fixture, n)->size;
        assert_int_equal(vmem_tree_largest(fixture.root), largest);
        assert_sound(&fixture);
    }
    return_nodes(&fixture);
}

static void recount_finds_nodes_out_of_order_and_links_that_are_not_answered(void **state)
{
    struct fixture fixture;
    struct vmem_node *root, *left;
    vmem_addr_t addr;

    (void)state;
    take_nodes(&fixture);
    for (unsigned i = 0; i < 7; i++)
        add_node(&fixture, 10 * i, 5);
    assert_int_equal(vmem_tree_recount(fixture.root, 7), 7);
    assert_int_equal(vmem_tree_recount(fixture.root, 6), SIZE_MAX);
    root = vmem_node_at(fixture.root);
    left = vmem_node_at(root->left);
    addr = left->tag.addr;
    left->tag.addr = 28; /* up to 32, into the root's */
    assert_int_equal(vmem_tree_recount(fixture.root, 7), SIZE_MAX);
    left->tag.addr = addr;
    left->parent = root->right;
    assert_int_equal(vmem_tree_recount(fixture.root, 7), SIZE_MAX);
    left->parent = fixture.root;
    assert_int_equal(vmem_tree_recount(root->left, 7), SIZE_MAX); /* whose parent is not 0 */
    assert_sound(&fixture);
    return_nodes(&fixture);
}

/* An arena of 4096 quanta, whose every other one is free, and a hole of three at the top. */
static vmem_t *make_comb(unsigned index)
{
    vmem_t *arena = make(0, 4096, 1, index);
    vmem_addr_t addr;

    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(vmem_alloc(arena, 1, VMEM_FIRSTFIT, &addr), 0);
    for (vmem_addr_t i = 0; i < 4096; i += 2)
        vmem_free(arena, i, 1);
    vmem_free(arena, 4093, 1);
    check(arena);
    return arena;
}

static void an_arena_s_tree_is_as_high_as_the_logarithm_of_its_holes(void **state)
{
    vmem_t *arena = make_comb(VMEM_ARENA_ORDERED);

    (void)state;
    assert_true(vmem_node_at(arena->tree)->height <= 16); /* 1.44 log2(2048) */
}

static void a_full_arena_s_tree_holds_its_holes_alone(void **state)
{
    vmem_t *arena = make(0, 4096, 1, VMEM_ARENA_ORDERED);
    vmem_addr_t addr;

    (void)state;
    for (unsigned i = 0; i < 4096; i++)
        assert_int_equal(vmem_alloc(arena, 1, VMEM_NEXTFIT, &addr), 0);
    vmem_free(arena, 100, 1);
    vmem_free(arena, 3000, 1);
    assert_int_equal(vmem_node_at(arena->tree)->height, 2);
    assert_int_equal(take(arena, 1, VMEM_NEXTFIT), 100);
    assert_int_equal(take(arena, 1, VMEM_NEXTFIT), 3000);
    assert_int_equal(arena->tree, 0);
}

/*
 * Subtrees that are too small are not entered: their nodes are made to look as if they would serve,
 * while their maxima still say that they do not.
 */
static void searches_pass_by_what_is_too_small(void **state)
{
    static const unsigned policies[] = {VMEM_FIRSTFIT, VMEM_INSTANTFIT, VMEM_NEXTFIT, VMEM_LASTFIT,
                                        VMEM_BESTFIT};
    vmem_t *arena = make_comb(VMEM_ARENA_ORDERED);
    struct vmem_node *root = vmem_node_at(arena->tree);
    struct vmem_tag *bait = vmem_tag_at(root->left);

    (void)state;
    for (size_t i = 0; i < LENGTH(policies); i++) {
        struct vmem_request request = {
            .size = 3, .align = 1, .max = VMEM_ADDR_MAX, .policy = policies[i], .plain = true};
        struct vmem_place place;

        bait->size = 3;
        assert_true(vmem_tree_search(arena, &request, &place));
        bait->size = 1;
        assert_int_equal(place.addr, 4092);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(insert_and_remove_in_any_order_keep_the_tree_sound),
        ONCE(insert_in_order_makes_no_list_of_it),
        ONCE(floor_ceiling_and_first_find_the_neighbours_of_an_address),
        ONCE(resized_brings_the_maxima_up_to_date),
        ONCE(recount_finds_nodes_out_of_order_and_links_that_are_not_answered),
        ONCE(an_arena_s_tree_is_as_high_as_the_logarithm_of_its_holes),
        ONCE(a_full_arena_s_tree_holds_its_holes_alone),
        ONCE(searches_pass_by_what_is_too_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
