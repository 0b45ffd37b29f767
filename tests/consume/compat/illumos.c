/* SPDX-License-Identifier: MIT */
/* Code written for illumos. */
#include "kernel.h"

#define VMEM_COMPAT_ILLUMOS
#include <vmem/compat.h>

#include "illumos_example.h" /* out of the comment in compat.h */

/* Names of the other families are the kernel's own. */
static int kmalloc(int own)
{
    return own;
}

static int uma_zalloc(int own)
{
    return own;
}

static void other_families_stay_away(void)
{
    CHECK(kmalloc(1) == 1 && uma_zalloc(2) == 2);
}

static void *address(uintptr_t value)
{
    return (void *)value;
}

static vmem_t *identifiers(uintptr_t base, size_t size)
{
    vmem_t *arena =
        vm_create("ids", address(base), size, 1, NULL, NULL, NULL, 0, VM_SLEEP | VMC_IDENTIFIER);

    CHECK(arena != NULL);
    return arena;
}

static void an_arena_hands_out_what_it_was_given(void)
{
    vmem_t *arena = identifiers(1, 1);
    void *one = vm_alloc(arena, 1, VM_SLEEP);

    CHECK(one == address(1));
    CHECK(vm_alloc(arena, 1, VM_NOSLEEP) == NULL);
    CHECK(vm_add(arena, address(7), 2, VM_SLEEP) == address(7));
    CHECK(vm_contains(arena, address(7), 2) && !vm_contains(arena, address(8), 2));
    vm_free(arena, one, 1);
    vm_destroy(arena);
    CHECK(faults == 0);
}

static void each_policy_is_the_one_of_its_name(void)
{
    vmem_t *arena = identifiers(10, 90);
    void *low = vm_xalloc(arena, 5, 0, 0, 0, address(20), address(25), VM_SLEEP); /* 10-19 free */

    CHECK(low == address(20));
    CHECK(vm_alloc(arena, 5, VM_FIRSTFIT) == address(10));
    CHECK(vm_alloc(arena, 5, VM_NEXTFIT) == address(15));
    CHECK(vm_alloc(arena, 1, VM_NEXTFIT) == address(25));
    CHECK(vm_alloc(arena, 1, VM_ENDALLOC) == address(99));
    CHECK(vm_alloc(arena, 1, VM_FIRSTFIT | VM_ENDALLOC) == address(98));
    vm_free(arena, address(10), 5);
    CHECK(vm_alloc(arena, 5, VM_BESTFIT) == address(10));
    vm_free(arena, address(10), 5);
    vm_free(arena, address(15), 5);
    vm_xfree(arena, low, 5);
    vm_free(arena, address(25), 1);
    vm_free(arena, address(99), 1);
    vm_free(arena, address(98), 1);
    vm_destroy(arena);
    CHECK(faults == 0);
}

static void constraints_come_in_the_order_of_illumos(void)
{
    vmem_t *arena = identifiers(1, 4095);
    void *aligned = vm_xalloc(arena, 8, 64, 0, 0, NULL, NULL, VM_SLEEP);
    void *phased = vm_xalloc(arena, 8, 64, 3, 0, NULL, NULL, VM_SLEEP);
    void *bounded = vm_xalloc(arena, 24, 1, 0, 32, address(1000), address(1064), VM_SLEEP);

    CHECK(aligned != NULL && (uintptr_t)aligned % 64 == 0);
    CHECK(phased != NULL && (uintptr_t)phased % 64 == 3);
    CHECK((uintptr_t)bounded >= 1000 && (uintptr_t)bounded + 24 <= 1064);
    CHECK((uintptr_t)bounded / 32 == ((uintptr_t)bounded + 23) / 32);
    vm_xfree(arena, aligned, 8);
    vm_xfree(arena, phased, 8);
    vm_xfree(arena, bounded, 24);
    vm_destroy(arena);
    CHECK(faults == 0);
}

static void vm_alloc_and_vm_free_as_hooks_import_from_the_source(void)
{
    vmem_t *source = identifiers(0x1000, 0x1000);
    vmem_t *child = vm_create("child", NULL, 0, 0x100, vm_alloc, vm_free, source, 0, VM_SLEEP);
    void *segment;

    CHECK(child != NULL);
    segment = vm_alloc(child, 0x100, VM_SLEEP);
    CHECK(vm_contains(source, segment, 0x100));
    vm_free(child, segment, 0x100);
    vm_destroy(child);
    vm_destroy(source);
    CHECK(faults == 0);
}

static unsigned imported;
static vmem_t *asked;

static void *own_alloc(vmem_t *source, size_t size, int vmflag)
{
    void *span = vm_alloc(source, size, vmflag);

    asked = source;
    imported += span != NULL;
    return span;
}

static void own_free(vmem_t *source, void *vaddr, size_t size)
{
    asked = source;
    imported--;
    vm_free(source, vaddr, size);
}

static void hooks_of_ones_own_are_called_with_the_source(void)
{
    static struct vm_hooks hooks;
    vmem_t *source = identifiers(0x1000, 0x1000);
    vmem_t *child =
        vm_create_hooked(&hooks, "child", NULL, 0, 0x100, own_alloc, own_free, source, 0, VM_SLEEP);
    void *segment;

    CHECK(child != NULL);
    segment = vm_alloc(child, 0x100, VM_SLEEP);
    CHECK(segment != NULL && asked == source && imported == 1);
    CHECK(vm_alloc(child, 0x10000, VM_NOSLEEP) == NULL);
    asked = NULL;
    vm_free(child, segment, 0x100);
    vm_destroy(child);
    CHECK(asked == source && imported == 0);
    vm_destroy(source);
    CHECK(faults == 0);
}

static void a_span_that_does_not_serve_goes_back_to_the_hooks(void)
{
    static struct vm_hooks hooks;
    vmem_t *source = identifiers(0x1100, 0x1000);
    vmem_t *child =
        vm_create_hooked(&hooks, "child", NULL, 0, 0x100, own_alloc, own_free, source, 0, VM_SLEEP);

    CHECK(child != NULL);
    asked = NULL;
    CHECK(vm_xalloc(child, 0x100, 0x2000, 0, 0, NULL, address(0x2000), VM_NOSLEEP) == NULL);
    CHECK(asked == source && imported == 0); /* they brought what they had: below 0x2000 */
    vm_destroy(child);
    vm_destroy(source);
    CHECK(faults == 0);
}

static void vm_create_refuses_hooks_of_ones_own(void)
{
    vmem_t *source = identifiers(0x1000, 0x1000);

    CHECK(vm_create("no", NULL, 0, 0x100, own_alloc, own_free, source, 0, VM_SLEEP) == NULL);
    vm_destroy(source);
}

static void a_double_free_is_reported(void)
{
    vmem_t *arena = identifiers(1, 100);
    void *one = vm_alloc(arena, 1, VM_SLEEP);

    vm_free(arena, one, 1);
    vm_free(arena, one, 1);
    CHECK(reported());
    vm_destroy(arena);
}

static void ids_come_in_turn_and_end_with_minus_one(void)
{
    id_space_t *space = id_space_create("id", 3, 6);

    CHECK(id_alloc(space) == 3 && id_alloc_nosleep(space) == 4);
    id_free(space, 3);
    CHECK(id_alloc(space) == 5);
    CHECK(id_alloc(space) == 3);
    CHECK(id_alloc_nosleep(space) == -1 && id_allocff_nosleep(space) == -1);
    id_free(space, 3);
    id_free(space, 4);
    id_free(space, 5);
    id_space_destroy(space);
    CHECK(faults == 0);
}

static void allocff_takes_the_lowest_id(void)
{
    id_space_t *space = id_space_create("id", 0, 10);

    CHECK(id_alloc(space) == 0 && id_alloc(space) == 1);
    id_free(space, 0);
    CHECK(id_allocff(space) == 0 && id_allocff_nosleep(space) == 2);
    for (int id = 0; id < 3; id++)
        id_free(space, id);
    id_space_destroy(space);
    CHECK(faults == 0);
}

static void a_specific_id_is_given_once(void)
{
    id_space_t *space = id_space_create("id", 0, 10);

    CHECK(id_alloc_specific_nosleep(space, 7) == 7);
    CHECK(id_alloc_specific_nosleep(space, 7) == -1);
    id_free(space, 7);
    id_space_destroy(space);
    CHECK(faults == 0);
}

static void an_empty_or_negative_id_space_is_refused(void)
{
    CHECK(id_space_create("id", 5, 5) == NULL);
    CHECK(id_space_create("id", -1, 5) == NULL);
    CHECK(id_space_create("id", 0, 0) == NULL);
    CHECK(faults == 0);
}

static void memory_is_given_zeroed_and_taken_by_size(void)
{
    unsigned char *bytes = (unsigned char *)kmem_alloc(100, KM_SLEEP);

    CHECK(bytes != NULL);
    for (unsigned i = 0; i < 100; i++)
        bytes[i] = 0xff;
    kmem_free(bytes, 100);
    bytes = (unsigned char *)kmem_zalloc(100, KM_NOSLEEP);
    CHECK(bytes != NULL);
    for (unsigned i = 0; i < 100; i++)
        CHECK(bytes[i] == 0);
    kmem_free(bytes, 100);
    CHECK(kmem_alloc(0, KM_SLEEP) == NULL);
    kmem_free(NULL, 0);
    CHECK(faults == 0);
}

static void memory_that_is_not_there_is_null(void)
{
    CHECK(kmem_alloc(2 * (size_t)KERNEL_MEMORY, KM_NOSLEEP) == NULL);
    CHECK(faults == 0);
}

#if VMEM_CONFIG_SLEEP

static void *free_one(void *arg)
{
    vmem_t *arena = (vmem_t *)arg;

    kernel_await_waiter(arena);
    vm_free(arena, address(1), 1);
    return NULL;
}

static void *free_five(void *arg)
{
    id_space_t *space = (id_space_t *)arg;
    struct vmem_id_stats stats;

    do {
        (void)sched_yield();
        vmem_id_stat(space, &stats);
    } while (stats.waiting == 0);
    id_free(space, 5);
    return NULL;
}

static void those_that_may_sleep_do(void)
{
    vmem_t *arena = identifiers(1, 1);
    id_space_t *space = id_space_create("id", 5, 6);
    kmem_cache_t *cache = kmem_cache_create("foo", 5000, 0, NULL, NULL, NULL, NULL, NULL, 0);
    void *block;

    CHECK(vm_alloc(arena, 1, VM_SLEEP) == address(1));
    kernel_begin_other(free_one, arena);
    CHECK(vm_alloc(arena, 1, VM_SLEEP) == address(1));
    kernel_end_other();
    kernel_begin_other(free_one, arena);
    CHECK(vm_xalloc(arena, 1, 0, 0, 0, address(1), NULL, VM_SLEEP | VM_BESTFIT) == address(1));
    kernel_end_other();
    vm_xfree(arena, address(1), 1);
    vm_destroy(arena);

    CHECK(id_alloc(space) == 5);
    kernel_begin_other(free_five, space);
    CHECK(id_alloc(space) == 5);
    kernel_end_other();
    kernel_begin_other(free_five, space);
    CHECK(id_allocff(space) == 5);
    kernel_end_other();
    id_free(space, 5);
    id_space_destroy(space);

    kernel_lack_memory();
    CHECK(kmem_alloc(100000, KM_NOSLEEP) == NULL);
    block = kmem_alloc(100000, KM_SLEEP);
    kernel_end_other();
    CHECK(block != NULL);
    kmem_free(block, 100000);
    kernel_lack_memory();
    CHECK(kmem_zalloc(100000, KM_NOSLEEP) == NULL);
    block = kmem_zalloc(100000, KM_SLEEP);
    kernel_end_other();
    CHECK(block != NULL);
    kmem_free(block, 100000);
    kernel_lack_memory();
    CHECK(kmem_cache_alloc(cache, KM_NOSLEEP) == NULL);
    block = kmem_cache_alloc(cache, KM_SLEEP);
    kernel_end_other();
    CHECK(block != NULL);
    kmem_cache_free(cache, block);
    kmem_cache_destroy(cache);
    CHECK(faults == 0);
}

#endif

struct foo {
    int state;
};

static int foos, reclaims, failing;

static int foo_constructor(void *buf, void *arg, int kmflags)
{
    CHECK(arg == &foos && kmflags == (VMEM_CONFIG_SLEEP ? KM_SLEEP : KM_NOSLEEP));
    if (failing)
        return -1;
    ((struct foo *)buf)->state = 42;
    foos++;
    return 0;
}

static void foo_destructor(void *buf, void *arg)
{
    CHECK(arg == &foos && ((struct foo *)buf)->state == 42);
    foos--;
}

static void foo_reclaim(void *arg)
{
    CHECK(arg == &foos);
    reclaims++;
}

static void objects_are_constructed_until_the_cache_ends(void)
{
    kmem_cache_t *cache = kmem_cache_create("foo", sizeof(struct foo), 0, foo_constructor,
                                            foo_destructor, foo_reclaim, &foos, NULL, 0);
    struct foo *foo;

    CHECK(cache != NULL);
    foo = (struct foo *)kmem_cache_alloc(cache, KM_SLEEP);
    CHECK(foo != NULL && foo->state == 42);
    kmem_cache_free(cache, foo);
    CHECK(foos > 0);
    kmem_cache_reap_now(cache);
    CHECK(reclaims == 1 && foos == 0);
    kmem_cache_destroy(cache);
    CHECK(foos == 0 && faults == 0);
}

static void a_constructor_that_fails_fails_the_allocation(void)
{
    kmem_cache_t *cache = kmem_cache_create("foo", sizeof(struct foo), 0, foo_constructor,
                                            foo_destructor, NULL, &foos, NULL, 0);

    CHECK(cache != NULL);
    failing = 1;
    CHECK(kmem_cache_alloc(cache, KM_SLEEP) == NULL);
    failing = 0;
    kmem_cache_destroy(cache);
    CHECK(foos == 0 && faults == 0);
}

static void a_destructor_does_without_a_constructor(void)
{
    kmem_cache_t *cache = kmem_cache_create("foo", sizeof(struct foo), 64, NULL, foo_destructor,
                                            NULL, &foos, kernel_memory, KMC_NOMAGAZINE);
    struct foo *foo;

    CHECK(cache != NULL);
    foo = (struct foo *)kmem_cache_alloc(cache, KM_NOSLEEP);
    CHECK(foo != NULL && (uintptr_t)foo % 64 == 0);
    foo->state = 42;
    kmem_cache_free(cache, foo);
    kmem_cache_destroy(cache);
    CHECK(foos == -1 && faults == 0);
    foos = 0;
}

static void a_cache_with_an_object_out_stays(void)
{
    kmem_cache_t *cache =
        kmem_cache_create("foo", sizeof(struct foo), 0, NULL, NULL, NULL, NULL, NULL, 0);
    void *foo = kmem_cache_alloc(cache, KM_SLEEP);

    kmem_cache_destroy(cache);
    CHECK(reported());
    kmem_cache_free(cache, foo);
    kmem_cache_destroy(cache);
    CHECK(faults == 0);
}

static void a_cache_that_cannot_be_leaves_nothing_behind(void)
{
    CHECK(kmem_cache_create("foo", 0, 0, NULL, NULL, NULL, NULL, NULL, 0) == NULL);
    CHECK(reported());
}

int main(void)
{
    kernel_begin();
    other_families_stay_away();
    an_arena_hands_out_what_it_was_given();
    each_policy_is_the_one_of_its_name();
    constraints_come_in_the_order_of_illumos();
    vm_alloc_and_vm_free_as_hooks_import_from_the_source();
    hooks_of_ones_own_are_called_with_the_source();
    a_span_that_does_not_serve_goes_back_to_the_hooks();
    vm_create_refuses_hooks_of_ones_own();
    a_double_free_is_reported();
    ids_come_in_turn_and_end_with_minus_one();
    allocff_takes_the_lowest_id();
    a_specific_id_is_given_once();
    an_empty_or_negative_id_space_is_refused();
    memory_is_given_zeroed_and_taken_by_size();
    memory_that_is_not_there_is_null();
#if VMEM_CONFIG_SLEEP
    those_that_may_sleep_do();
#endif
    objects_are_constructed_until_the_cache_ends();
    a_constructor_that_fails_fails_the_allocation();
    a_destructor_does_without_a_constructor();
    a_cache_with_an_object_out_stays();
    a_cache_that_cannot_be_leaves_nothing_behind();
    CHECK(illumos_example() == 0);
    return kernel_end();
}
