/* SPDX-License-Identifier: MIT */
/*
 * lines.c - a model of the caches of 256 CPUs: which of them has which line of 64 bytes.
 *
 * The library is compiled with the compiler's instrumentation for ThreadSanitizer: a call before
 * each load and store. The runtime that belongs to it is not linked; the calls come here instead.
 * So what is counted is each access of the library, on every path, exactly, and deterministically.
 *
 * The model is that of every coherent cache (MESI), with caches of unlimited size: a line is with
 * any number of CPUs that have read it since it was last written, or with the one that wrote it.
 *
 *     write    a CPU writes a line that another CPU has: the line, or at least the right to write,
 *              comes from there
 *     read     a CPU reads a line that another CPU has written since this one last had it
 *
 * Each of these is one transfer between two CPUs, 100 to 300 cycles. What is not counted: a line
 * that no CPU has yet (it comes from memory, once); the stack; what the port itself would write
 * (a CPU's own count of pins, an interrupt mask), except that each lock is written when it is taken
 * and again when it is dropped; spinning, of those who wait for a lock; and the objects' own lines,
 * which the library never touches, and which go wherever the user takes them.
 */
#include "lines.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SHIFT = 6, SLOTS = 1 << 17, WORDS = VMEM_PORT_CPUS / 64 };

struct line {
    uintptr_t number;     /* 0: none */
    uint64_t with[WORDS]; /* a bit a CPU */
    uint32_t writer;      /* the last */
    bool written;
};

struct lines_counts lines;
unsigned scaling_cpu;

static struct line table[SLOTS];
static size_t used;
static bool watching;
static const vmem_port_lock_t *cache_lock;
static const vmem_port_lock_t *arena_lock;
static unsigned cache_held;
static uintptr_t stack_top;

void lines_know(const vmem_port_lock_t *cache, const vmem_port_lock_t *arena)
{
    cache_lock = cache;
    arena_lock = arena;
}

/* The driver's own frame is above all of the library's. */
__attribute__((noinline)) void lines_watch(bool on)
{
    watching = on;
    stack_top = (uintptr_t)__builtin_frame_address(0) + 4096;
}

void lines_forget(void)
{
    memset(table, 0, sizeof table);
    memset(&lines, 0, sizeof lines);
    used = 0;
}

static struct line *find(uintptr_t number)
{
    size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 40) % SLOTS;

    while (table[i].number != number && table[i].number != 0)
        i = (i + 1) % SLOTS;
    if (table[i].number == 0) {
        if (++used > SLOTS / 2) {
            (void)fputs("scaling: too many lines\n", stderr);
            exit(EXIT_FAILURE);
        }
        table[i].number = number;
    }
    return &table[i];
}

static bool is_with(const struct line *line, unsigned cpu)
{
    return (line->with[cpu / 64] >> (cpu % 64) & 1) != 0;
}

static bool is_with_another(const struct line *line, unsigned cpu)
{
    uint64_t others = 0;

    for (unsigned w = 0; w < WORDS; w++)
        others |= w == cpu / 64 ? line->with[w] & ~((uint64_t)1 << (cpu % 64)) : line->with[w];
    return others != 0;
}

static void count(uint64_t *counter)
{
    ++*counter;
    lines.held += cache_held;
}

static void touch(uintptr_t number, bool write)
{
    struct line *line = find(number);
    unsigned cpu = scaling_cpu;

    if (write) {
        if (is_with_another(line, cpu))
            count(&lines.writes);
        memset(line->with, 0, sizeof line->with);
        line->written = true;
        line->writer = cpu;
    } else if (!is_with(line, cpu) && line->written && line->writer != cpu) {
        count(&lines.reads);
    }
    line->with[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

static void access(const volatile void *address, size_t size, bool write)
{
    uintptr_t first = (uintptr_t)address;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (!watching || (first >= here && first < stack_top))
        return;
    for (uintptr_t n = first >> LINE_SHIFT; n <= (first + size - 1) >> LINE_SHIFT; n++)
        touch(n, write);
}

static enum lines_lock kind_of(const vmem_port_lock_t *lock)
{
    if (lock == cache_lock)
        return LINES_CACHE;
    return lock == arena_lock ? LINES_ARENA : LINES_OTHER;
}

unsigned long vmem_port_lock(vmem_port_lock_t *lock)
{
    if (!watching)
        return 0;
    lines.locks[kind_of(lock)]++;
    cache_held += lock == cache_lock;
    access(&lock->taken, sizeof lock->taken, true);
    return 0;
}

void vmem_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    (void)state;
    if (!watching)
        return;
    access(&lock->taken, sizeof lock->taken, true);
    cache_held -= lock == cache_lock;
}

/*
 * What the compiler calls
 */

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

/* clang-format off */
#define ACCESSES(size) \
    void __tsan_read##size(void *address); \
    void __tsan_write##size(void *address); \
    void __tsan_unaligned_read##size(void *address); \
    void __tsan_unaligned_write##size(void *address); \
    void __tsan_read##size(void *address) { access(address, size, false); } \
    void __tsan_write##size(void *address) { access(address, size, true); } \
    void __tsan_unaligned_read##size(void *address) { access(address, size, false); } \
    void __tsan_unaligned_write##size(void *address) { access(address, size, true); }

#define ATOMICS(bits) \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order); \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t value, int order); \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order) \
    { \
        (void)order; \
        access(a, sizeof *a, false); \
        return *a; \
    } \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t value, int order) \
    { \
        (void)order; \
        access(a, sizeof *a, true); \
        *a = value; \
    }
/* clang-format on */

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);

void __tsan_read_range(void *address, size_t size)
{
    access(address, size, false);
}

void __tsan_write_range(void *address, size_t size)
{
    access(address, size, true);
}
