/* SPDX-License-Identifier: MIT */
/*
 * bits.h - what a compiler would otherwise ask libgcc for.
 *
 * Counting zeros is one instruction where the compiler has it and a few steps of
 * bisection where it would call __clzdi2. Shifts of a 64-bit address by a variable
 * amount are made of 32-bit halves on 32-bit machines, for the same reason.
 */
#ifndef VMEM_BITS_H
#define VMEM_BITS_H

#include <vmem/vmem.h>

#define VMEM_LIKELY(x) __builtin_expect(!!(x), 1)
#define VMEM_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* For the few functions whose call would cost as much as their work. */
#define VMEM_INLINE static inline __attribute__((always_inline))

/*
 * Words that more than one CPU reads and writes without a lock: as one access each, and, where it
 * matters, in order. Before ARMv6 there was one CPU, and compilers would call libgcc.
 */
#if defined(__arm__) && __ARM_ARCH < 6
#define VMEM_READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define VMEM_WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define VMEM_READ_ACQUIRE(x) VMEM_READ_ONCE(x)
#define VMEM_WRITE_RELEASE(x, value) VMEM_WRITE_ONCE(x, value)
#else
#define VMEM_READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define VMEM_WRITE_ONCE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#define VMEM_READ_ACQUIRE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define VMEM_WRITE_RELEASE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELEASE)
#endif

/* A word of a bitmap. */
typedef uintptr_t vmem_word_t;
enum { VMEM_WORD_BITS = (int)sizeof(vmem_word_t) * 8 };

#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__) || \
    (defined(__arm__) && defined(__ARM_FEATURE_CLZ)) || defined(__powerpc__)

static inline unsigned vmem_word_msb(vmem_word_t word)
{
    return (unsigned)(VMEM_WORD_BITS - 1) ^
           (unsigned)(sizeof word == 8 ? __builtin_clzll(word) : __builtin_clz((unsigned)word));
}

static inline unsigned vmem_word_lsb(vmem_word_t word)
{
    return (unsigned)(sizeof word == 8 ? __builtin_ctzll(word) : __builtin_ctz((unsigned)word));
}

#else

static inline unsigned vmem_word_msb(vmem_word_t word)
{
    unsigned bit = 0;

    for (unsigned step = VMEM_WORD_BITS / 2; step > 0; step /= 2) {
        if (word >> step != 0) {
            word >>= step;
            bit += step;
        }
    }
    return bit;
}

static inline unsigned vmem_word_lsb(vmem_word_t word)
{
    return vmem_word_msb(word & (~word + 1));
}

#endif

#if VMEM_CONFIG_ADDR64 && UINTPTR_MAX <= UINT32_MAX

static inline unsigned vmem_msb(vmem_size_t size)
{
    uint32_t high = (uint32_t)(size >> 32);

    return high != 0 ? 32 + vmem_word_msb(high) : vmem_word_msb((uint32_t)size);
}

static inline vmem_size_t vmem_shift_right(vmem_size_t size, unsigned n)
{
    uint32_t high = (uint32_t)(size >> 32);
    uint32_t low = (uint32_t)size;

    if (n >= 32)
        return high >> (n - 32);
    if (n == 0)
        return size;
    return (vmem_size_t)(high >> n) << 32 | (low >> n | high << (32 - n));
}

static inline vmem_size_t vmem_shift_left(vmem_size_t size, unsigned n)
{
    uint32_t high = (uint32_t)(size >> 32);
    uint32_t low = (uint32_t)size;

    if (n >= 32)
        return (vmem_size_t)(low << (n - 32)) << 32;
    if (n == 0)
        return size;
    return (vmem_size_t)(high << n | low >> (32 - n)) << 32 | low << n;
}

static inline vmem_size_t vmem_bit(unsigned n)
{
    return n >= 32 ? (vmem_size_t)((uint32_t)1 << (n - 32)) << 32 : (uint32_t)1 << n;
}

#else

/* The place of the highest bit that is set; size is not 0. */
static inline unsigned vmem_msb(vmem_size_t size)
{
    return vmem_word_msb(size);
}

static inline vmem_size_t vmem_shift_right(vmem_size_t size, unsigned n)
{
    return size >> n;
}

static inline vmem_size_t vmem_shift_left(vmem_size_t size, unsigned n)
{
    return size << n;
}

/* 2^n */
static inline vmem_size_t vmem_bit(unsigned n)
{
    return (vmem_size_t)1 << n;
}

#endif

static inline bool vmem_is_power_of_two(vmem_size_t size)
{
    return size != 0 && (size & (size - 1)) == 0;
}

#endif
