/* SPDX-License-Identifier: MIT */
/*
 * threads.h - what the thread tests share: workers that start together, memory and who holds each
 * unit of it, and the hooks of the port.
 *
 * Who holds what is told twice, and neither is told by the library. Each unit of an arena under
 * test has a token in a shadow: whoever gets a segment, object or block exchanges the tokens of
 * all its units for his own number, and must find them to be nobody's. Objects of a cache carry a
 * token of their own besides, which a constructor set up. The exchanges are relaxed, so that they
 * order nothing: under ThreadSanitizer, a library that hands memory from one thread to another
 * without synchronising the two is found out by what these write into it.
 *
 * Nothing here depends on time. Every worker does a number of operations and ends.
 */
#ifndef TESTS_THREADS_THREADS_H
#define TESTS_THREADS_THREADS_H

#include <pthread.h>

#include <vmem/cache.h>
#include <vmem/heap.h>
#include <vmem/id.h>
#include <vmem/port.h>

/* How much of everything is done, in percent: less where code is instrumented and slow. */
#ifndef AMOUNT
#define AMOUNT 100
#endif
#define AMOUNT_OF(steps) ((steps)*AMOUNT / 100 + 1)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Ends the program with a line that says what is wrong. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define demand(condition)                                                    \
    do {                                                                     \
        if (!(condition))                                                    \
            fail("%s:%d: %s does not hold", __FILE__, __LINE__, #condition); \
    } while (0)

/* Workers. */

struct worker {
    unsigned number; /* 1 and on: a token; 0 is nobody */
    uint64_t random;
    void *shared;
};

uint64_t next_random(struct worker *self);
size_t below(struct worker *self, size_t bound); /* 0 to bound - 1 */
bool chance(struct worker *self, unsigned one, unsigned in);

/* So many threads that do this, with this. */
struct role {
    unsigned count;
    void (*work)(struct worker *self);
    void *shared;
};

/* Starts all, together, and waits for all to end. */
void run(const struct role *roles, unsigned count);

/* What threads did to one thing, added up: to be compared with what that says of itself. */
struct tally {
    uint64_t allocs, frees, fails;
};
void tally_add(struct tally *sum, const struct tally *part);

/* What a kernel does on a CPU that goes idle: its magazines are given back. */
void drain_this_cpu(void);

/* Pages: from the posix port, but each n-th call is refused; 0: none is. */
extern unsigned refuse_every;

/*
 * Waiting: in the posix port, which looks again now and then; but whoever is patient waits for a
 * wake. Set it where each that is free wakes, before the threads start.
 */
extern bool patient;

/* Who holds what. */

struct shadow {
    vmem_addr_t base;
    vmem_size_t unit; /* a power of two */
    size_t count;
    uint16_t *holders; /* zero: nobody */
};

void shadow_claim(struct shadow *shadow, vmem_addr_t addr, vmem_size_t size, unsigned holder);
void shadow_drop(struct shadow *shadow, vmem_addr_t addr, vmem_size_t size, unsigned holder);
/* From one to another. */
void shadow_pass(struct shadow *shadow, vmem_addr_t addr, vmem_size_t size, unsigned from,
                 unsigned to);

/* Memory: an arena of so many pages of 4 KiB, and its shadow, in units of 8 bytes. */

#define MEMORY_PAGE ((vmem_size_t)4096)
enum { MEMORY_PAGES_MAX = 8192 };

extern struct shadow memory_shadow;
vmem_t *memory_create(size_t pages);
void memory_destroy(vmem_t *memory);
void claim(const void *block, size_t size, unsigned holder);
void drop(const void *block, size_t size, unsigned holder);

void fill(void *block, size_t size, unsigned tag);
void expect_filled(const void *block, size_t size, unsigned tag);

/* Each hook that the tests bring says that it is called: with the checked port, no lock is held. */
#ifdef CHECKED
#include "discipline.h"
static inline void in_hook(const char *name)
{
    checked_port_no_lock(name);
}
#else
static inline void in_hook(const char *name)
{
    (void)name;
}
#endif

/* At the end of a scenario, after all was destroyed: nothing is lost. */
void expect_nothing_left(void);

/* Scenarios, one a name: see the table in threads.c. */
void scenario_cache(void);
void scenario_transfer(void);
void scenario_bursts(void);
void scenario_lifecycle(void);
void scenario_heap(void);
void scenario_quantum(void);
void scenario_ids(void);
void scenario_pressure(void);
void scenario_waves(void);
void scenario_refusals(void);
void scenario_sleep(void);

#endif
