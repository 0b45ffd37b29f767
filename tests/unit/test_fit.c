/* SPDX-License-Identifier: MIT */
/*
 * test_fit.c - the arithmetic of constraints, against a search that tries every address.
 */
#include "support.h"

#include "arena.h"

static bool serves(const struct vmem_request *request, vmem_addr_t first, vmem_addr_t last,
                   vmem_addr_t addr)
{
    const struct vmem_constraints c = {.align = request->align,
                                       .phase = request->phase,
                                       .nocross = request->nocross,
                                       .min = request->min,
                                       .limit = request->max + 1};
    vmem_addr_t end = addr + (request->size - 1);

    return addr >= first && end <= last && end >= addr && legal(addr, request->size, 1, &c);
}

/* Every address of the range, from below and from above, says the same as the arithmetic. */
static void agrees(const struct vmem_request *request, vmem_addr_t first, vmem_size_t length)
{
    vmem_addr_t last = first + (length - 1), low = 0, high = 0, got;
    bool any = false;

    for (vmem_size_t i = 0; i < length; i++) {
        if (serves(request, first, last, first + i)) {
            low = any ? low : first + i;
            high = first + i;
            any = true;
        }
    }
    got = VMEM_ADDR_MAX / 3;
    assert_int_equal(vmem_fit_low(request, first, last, &got), any);
    assert_int_equal(got, any ? low : VMEM_ADDR_MAX / 3);
    got = VMEM_ADDR_MAX / 3;
    assert_int_equal(vmem_fit_high(request, first, last, &got), any);
    assert_int_equal(got, any ? high : VMEM_ADDR_MAX / 3);
}

static void for_every_phase(struct vmem_request *request, vmem_addr_t first, vmem_size_t length)
{
    for (request->phase = 0; request->phase < request->align; request->phase++) {
        request->nocross = 0;
        agrees(request, first, length);
        for (request->nocross = 1; request->nocross <= 32; request->nocross *= 2)
            if (request->nocross >= request->size)
                agrees(request, first, length);
    }
}

static void for_every_shape(struct vmem_request *request, vmem_addr_t first, vmem_size_t length)
{
    for (request->align = 1; request->align <= 16; request->align *= 2)
        for (request->size = 1; request->size <= 17; request->size += 1 + request->size / 4)
            for_every_phase(request, first, length);
}

static void fit_in_a_range_anywhere(void **state)
{
    static const vmem_addr_t firsts[] = {
        0, 1, 7, 8, 0x1000 - 5, VMEM_ADDR_MAX / 2 - 9, VMEM_ADDR_MAX - 40, VMEM_ADDR_MAX - 100};
    struct vmem_request request = {.max = VMEM_ADDR_MAX};

    (void)state;
    for (size_t i = 0; i < LENGTH(firsts); i++)
        for (vmem_size_t length = 1; length <= 41; length += 5)
            for_every_shape(&request, firsts[i], length);
}

static void fit_within_a_window(void **state)
{
    static const vmem_addr_t firsts[] = {0, 61, VMEM_ADDR_MAX - 40};
    struct vmem_request request = {0};

    (void)state;
    for (size_t i = 0; i < LENGTH(firsts); i++) {
        for (vmem_size_t skip = 0; skip < 45; skip += 11) {
            request.min = firsts[i] < VMEM_ADDR_MAX - skip ? firsts[i] + skip : VMEM_ADDR_MAX;
            request.max = request.min < VMEM_ADDR_MAX - 12 ? request.min + 12 : VMEM_ADDR_MAX;
            for_every_shape(&request, firsts[i], 41);
            request.min = 0;
            for_every_shape(&request, firsts[i], 41);
        }
    }
}

static void fit_of_the_largest_alignment_is_address_zero_or_the_middle(void **state)
{
    const vmem_size_t half = VMEM_ADDR_MAX / 2 + 1;
    struct vmem_request request = {.size = 1, .align = half, .max = VMEM_ADDR_MAX};
    vmem_addr_t addr;

    (void)state;
    assert_true(vmem_fit_low(&request, 0, VMEM_ADDR_MAX, &addr));
    assert_int_equal(addr, 0);
    assert_true(vmem_fit_high(&request, 0, VMEM_ADDR_MAX, &addr));
    assert_int_equal(addr, half);
    assert_false(vmem_fit_low(&request, 1, half - 1, &addr));
    assert_false(vmem_fit_high(&request, half + 1, VMEM_ADDR_MAX, &addr));
    request.phase = half - 1;
    assert_true(vmem_fit_high(&request, 0, VMEM_ADDR_MAX, &addr));
    assert_int_equal(addr, VMEM_ADDR_MAX);
}

static void fit_of_the_largest_size(void **state)
{
    struct vmem_request request = {.size = VMEM_ADDR_MAX, .align = 1, .max = VMEM_ADDR_MAX};
    vmem_addr_t addr;

    (void)state;
    assert_true(vmem_fit_low(&request, 0, VMEM_ADDR_MAX, &addr));
    assert_int_equal(addr, 0);
    assert_true(vmem_fit_high(&request, 0, VMEM_ADDR_MAX, &addr));
    assert_int_equal(addr, 1);
    assert_false(vmem_fit_low(&request, 1, VMEM_ADDR_MAX - 1, &addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(fit_in_a_range_anywhere),
        ONCE(fit_within_a_window),
        ONCE(fit_of_the_largest_alignment_is_address_zero_or_the_middle),
        ONCE(fit_of_the_largest_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
