/* SPDX-License-Identifier: MIT */
/*
 * explore.h - every interleaving of a few fibers, and what a scenario is made of.
 *
 * The parts
 * ---------
 *     machine.c    fibers, and the hooks of the port: what a lock, a pin, a sleep or a page means
 *     search.c     which fiber goes on at each hook: all choices in turn, random ones, or given
 * ones snapshot.c   the program's memory, so that each run begins in the same state explore.c the
 * command arenas.c tags.c caches.c waiters.c    the scenarios
 *
 * A scenario sets up arenas and up to four fibers. Then they are run again and again, each time on
 * a copy of the memory as it was after the set-up, and each time by another schedule, until there
 * is none left within the bound on preemptions. After each run the scenario says whether what its
 * fibers got was right, the whole library is checked, everything is given back, and nothing may
 * be lost. A static variable is part of the memory that is restored, so a scenario may keep what it
 * likes in one.
 */
#ifndef TESTS_EXPLORE_H
#define TESTS_EXPLORE_H

#include <vmem/cache.h>
#include <vmem/heap.h>
#include <vmem/port.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum { FIBERS_MAX = 4 };

struct scenario {
    const char *name;
    const char *about;
    void (*set_up)(void); /* makes what is needed, and the fibers */
    void (*finish)(void); /* after all fibers: judges, and gives everything back */
};

/* Of each file, closed by one without a name. */
extern const struct scenario arena_scenarios[];
extern const struct scenario tag_scenarios[];
extern const struct scenario cache_scenarios[];
extern const struct scenario waiter_scenarios[];
extern const struct scenario large_scenarios[]; /* which take long to bound 2 */

/*
 * For scenarios
 */

/* One more fiber, on a CPU, which others may share with it. */
void fiber(unsigned cpu, void (*body)(void));

/* The same, a thread that finds itself on the next CPU whenever it is unpinned. */
void roamer(unsigned cpu, void (*body)(void));

/*
 * The same, an interrupt handler: begins also where the CPU is pinned (its own pin then finds it
 * so, and gets VMEM_PORT_CPUS), and ends before another fiber of its CPU goes on.
 */
void handler(unsigned cpu, void (*body)(void));

/* Checks the arena at every moment at which no lock is held, until the run ends. */
void watch(vmem_t *arena);

/* For set_up and finish: on which CPU they run. */
void on_cpu(unsigned cpu);

/* Ends the program with a line that says what kind of failure it is, and the schedule. */
_Noreturn void fail(const char *kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define demand(condition)                                                              \
    do {                                                                               \
        if (!(condition))                                                              \
            fail("result", "%s:%d: %s does not hold", __FILE__, __LINE__, #condition); \
    } while (0)

/* Who holds what, in units 0 to 511: each is nobody's, or one fiber's. */
void claim(vmem_addr_t addr, vmem_size_t size);
void drop(vmem_addr_t addr, vmem_size_t size);
bool is_claimed(vmem_addr_t addr, vmem_size_t size);

/*
 * Pages: one at a time, from a stock. Each call of the hook is noted, from the moment at which the
 * fiber let go of its last lock until it takes the next: whom the library has let in first is told
 * by the first of these.
 */
enum { PAGE_CALLS_MAX = 16 };

struct page_call {
    unsigned from, to; /* in hooks; to: 0 as long as it lasts */
    bool failed;       /* says the scenario */
};

extern struct page_hook {
    void *(*lend)(struct page_call *call); /* NULL: any page of the stock */
    void (*take_back)(void *page);
    bool refuses;  /* every call */
    unsigned lent; /* pages */
    struct page_call calls[PAGE_CALLS_MAX];
    unsigned count;
} page_hook;
void *stock_page(size_t i);
void *any_stock_page(void);
size_t stock_return(const void *page);

/* The fiber that runs: 0 and on. */
unsigned self(void);

/* Whether a fiber sleeps. */
bool is_asleep(unsigned fiber);

/* A fault of this kind may be reported; any other is a failure. faults: how many were. */
extern struct fault_hook {
    enum vmem_fault_kind allowed;
    unsigned count;
} fault_hook;

/*
 * machine.c for search.c and explore.c
 */

void machine_init(void);

/* Runs all fibers to their ends. */
void machine_run(void);
unsigned machine_fibers(void);

/*
 * search.c
 */

struct options {
    unsigned bound;
    unsigned long random; /* random schedules, beyond the bound */
    uint64_t seed;
    const char *replay;
    bool spurious; /* a wait may return early */
};

enum { BOUND_MAX = 8 };

/* What a search has seen. */
struct tally {
    unsigned long exact[BOUND_MAX + 1]; /* schedules with just so many preemptions */
    unsigned long random;
    unsigned points; /* in the longest run */
};

/* Kept where no restoring reaches it. */
void search_init(const struct options *options, const char *program);

/* Begins with a scenario; then, once a run: whether there is one more. */
void search_begin(const char *scenario);
bool search_next(void);
const struct tally *search_tally(void);

/*
 * Which fiber goes on: one of a set, as bits. asleep: those that a spurious wake would free. The
 * current one, if it is in the set, goes on for nothing; another in its place is a preemption.
 */
unsigned search_choose(unsigned enabled, unsigned asleep, unsigned current);

/* With --replay: tells what happens. */
void search_trace(unsigned current, const char *what, const void *object);

/* Prints the schedule so far, and how to see it again. */
void search_print_schedule(void);

/*
 * snapshot.c
 */

struct snapshot;
struct snapshot *snapshot_take(void);
void snapshot_restore(const struct snapshot *snapshot);
void snapshot_free(struct snapshot *snapshot);

#endif
