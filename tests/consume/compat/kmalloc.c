/* SPDX-License-Identifier: MIT */
/* Code written for Linux. */
#include "kernel.h"

#define VMEM_COMPAT_KMALLOC
#include <vmem/compat.h>

#include "kmalloc_example.h" /* out of the comment in compat.h */

/* Names of the other families are the kernel's own. */
static int kmem_alloc(int own)
{
    return own;
}

static int pool_get(int own)
{
    return own;
}

static void other_families_stay_away(void)
{
    CHECK(kmem_alloc(1) == 1 && pool_get(2) == 2);
}

static void fill(unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(i * 7 + 1);
}

static int is_filled(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != (unsigned char)(i * 7 + 1))
            return 0;
    }
    return 1;
}

static int is_zero(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != 0)
            return 0;
    }
    return 1;
}

static void a_block_may_be_used_as_far_as_ksize_says(void)
{
    unsigned char *block = (unsigned char *)kmalloc(100, GFP_KERNEL);

    CHECK(block != NULL && ksize(block) >= 100 && ksize(NULL) == 0);
    fill(block, ksize(block));
    CHECK(is_filled(block, ksize(block)));
    kfree(block);
    CHECK(faults == 0);
}

static void zeroed_memory_is_zero(void)
{
    unsigned char *block = (unsigned char *)kmalloc(1000, GFP_KERNEL);

    CHECK(block != NULL);
    fill(block, 1000);
    kfree(block);
    block = (unsigned char *)kzalloc(1000, GFP_KERNEL);
    CHECK(block != NULL && is_zero(block, 1000));
    fill(block, 1000);
    kfree(block);
    block = (unsigned char *)kmalloc(1000, GFP_ATOMIC | __GFP_ZERO);
    CHECK(block != NULL && is_zero(block, 1000));
    fill(block, 1000);
    kfree(block);
    block = (unsigned char *)kcalloc(10, 100, GFP_KERNEL);
    CHECK(block != NULL && is_zero(block, 1000));
    kfree(block);
    CHECK(faults == 0);
}

static void krealloc_keeps_the_contents(void)
{
    unsigned char *block = (unsigned char *)krealloc(NULL, 50, GFP_KERNEL);

    CHECK(block != NULL);
    fill(block, 50);
    block = (unsigned char *)krealloc(block, 50000, GFP_KERNEL);
    CHECK(block != NULL && is_filled(block, 50));
    block = (unsigned char *)krealloc(block, 20, GFP_KERNEL);
    CHECK(block != NULL && is_filled(block, 20));
    CHECK(krealloc(block, 0, GFP_KERNEL) == NULL); /* and it is free: see kernel_end() */
    CHECK(faults == 0);
}

static void a_krealloc_that_fails_leaves_the_block(void)
{
    unsigned char *block = (unsigned char *)kmalloc(50, GFP_KERNEL);

    CHECK(block != NULL);
    fill(block, 50);
    CHECK(krealloc(block, 2 * (size_t)KERNEL_MEMORY, GFP_NOWAIT) == NULL);
    CHECK(is_filled(block, 50));
    kfree(block);
    CHECK(faults == 0);
}

static void a_product_that_is_too_large_is_refused(void)
{
    CHECK(kmalloc_array(SIZE_MAX / 2, 3, GFP_KERNEL) == NULL);
    CHECK(kcalloc(SIZE_MAX / 2, 3, GFP_KERNEL) == NULL);
    CHECK(faults == 0);
}

static void nothing_may_be_freed_and_nothing_allocated(void)
{
    void *block = kmalloc(0, GFP_NOWAIT);

    CHECK(block != NULL);
    kfree(block);
    kfree(NULL);
    CHECK(faults == 0);
}

static void a_foreign_address_is_reported(void)
{
    static char not_ours[64];

    kfree(not_ours);
    CHECK(reported());
}

#if VMEM_CONFIG_SLEEP

static void gfp_kernel_waits_for_memory(void)
{
    void *block;

    kernel_lack_memory();
    CHECK(kmalloc(100000, GFP_ATOMIC) == NULL);
    block = kzalloc(100000, GFP_KERNEL);
    kernel_end_other();
    kernel_lack_memory();
    CHECK(krealloc(block, 200000, GFP_NOWAIT) == NULL);
    block = krealloc(block, 200000, GFP_KERNEL);
    kernel_end_other();
    CHECK(block != NULL && faults == 0);
    kfree(block);
}

#endif

int main(void)
{
    kernel_begin();
    other_families_stay_away();
    a_block_may_be_used_as_far_as_ksize_says();
    zeroed_memory_is_zero();
    krealloc_keeps_the_contents();
    a_krealloc_that_fails_leaves_the_block();
    a_product_that_is_too_large_is_refused();
    nothing_may_be_freed_and_nothing_allocated();
    a_foreign_address_is_reported();
#if VMEM_CONFIG_SLEEP
    gfp_kernel_waits_for_memory();
#endif
    CHECK(kmalloc_example() == 0);
    return kernel_end();
}
