/* SPDX-License-Identifier: MIT */
/*
 * test_bits.c - counting zeros and shifting, for every bit there is.
 */
#include "support.h"

#include "bits.h"

enum { ADDR_BITS = (int)sizeof(vmem_addr_t) * 8 };

static void msb_is_the_place_of_the_highest_bit(void **state)
{
    (void)state;
    for (unsigned n = 0; n < ADDR_BITS; n++) {
        vmem_size_t bit = (vmem_size_t)1 << n;

        assert_int_equal(vmem_msb(bit), n);
        assert_int_equal(vmem_msb(bit | 1), n);
        assert_int_equal(vmem_msb(bit | (bit - 1)), n);
    }
}

static void word_msb_and_lsb_are_the_ends_of_a_word(void **state)
{
    (void)state;
    for (unsigned low = 0; low < VMEM_WORD_BITS; low++) {
        for (unsigned high = low; high < VMEM_WORD_BITS; high++) {
            vmem_word_t word = (vmem_word_t)1 << low | (vmem_word_t)1 << high;

            assert_int_equal(vmem_word_lsb(word), low);
            assert_int_equal(vmem_word_msb(word), high);
        }
    }
}

static void shift_right_divides_by_powers_of_two(void **state)
{
    const vmem_size_t values[] = {0, 1, 0x12345678, VMEM_ADDR_MAX, VMEM_ADDR_MAX / 3};

    (void)state;
    for (size_t i = 0; i < LENGTH(values); i++)
        for (unsigned n = 0; n < ADDR_BITS; n++)
            assert_int_equal(vmem_shift_right(values[i], n), values[i] >> n);
}

static void shift_left_multiplies_by_powers_of_two(void **state)
{
    const vmem_size_t values[] = {0, 1, 0x12345678, VMEM_ADDR_MAX, VMEM_ADDR_MAX / 3};

    (void)state;
    for (size_t i = 0; i < LENGTH(values); i++)
        for (unsigned n = 0; n < ADDR_BITS; n++)
            assert_int_equal(vmem_shift_left(values[i], n), (vmem_size_t)(values[i] << n));
}

static void bit_is_a_power_of_two(void **state)
{
    (void)state;
    for (unsigned n = 0; n < ADDR_BITS; n++) {
        assert_int_equal(vmem_bit(n), (vmem_size_t)1 << n);
        assert_true(vmem_is_power_of_two(vmem_bit(n)));
        assert_false(n > 1 && vmem_is_power_of_two(vmem_bit(n) - 1));
        assert_false(n > 0 && vmem_is_power_of_two(vmem_bit(n) + 1));
    }
    assert_false(vmem_is_power_of_two(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONCE(msb_is_the_place_of_the_highest_bit),
        ONCE(word_msb_and_lsb_are_the_ends_of_a_word),
        ONCE(shift_right_divides_by_powers_of_two),
        ONCE(shift_left_multiplies_by_powers_of_two),
        ONCE(bit_is_a_power_of_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
