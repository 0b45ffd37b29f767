/* SPDX-License-Identifier: MIT */
/*
 * support/discipline.h - how the hooks of a port are to be used, checked: what the ports of the
 * tests share, that for one thread (checked_port.h) and that for many (checked_threads.h).
 *
 * Of a lock: initialised, not taken twice by a thread, at most two at a time, released by who took
 * it, innermost first, with the state that it was taken with. Of a pin: not nested, handed back on
 * the same CPU with its own state, and the locks taken before and after it nest with it. Of all
 * other hooks: no lock is held when they are called, and the CPU is not pinned.
 *
 * And of all locks together: there is one order in which they are taken. It is an order of classes
 * rather than of locks, as arenas come and go: locks are of one class where one place in the
 * source initialises them. No two of a class are held at once, and "is held when the other is
 * taken" has no cycle, however long. So an order that could deadlock is found without the
 * deadlock, by a single thread too.
 *
 * A violation ends the program with a line that says what was wrong.
 */
#ifndef TESTS_SUPPORT_DISCIPLINE_H
#define TESTS_SUPPORT_DISCIPLINE_H

#ifdef __cplusplus
extern "C" {
#endif

/* What a checked lock begins with. It never changes: who holds it is the threads' to know. */
struct discipline_lock {
    const char *place; /* that initialises it */
    unsigned long mark;
};

#define DISCIPLINE_MARK 0x10c
#define DISCIPLINE_TEXT_OF(line) #line
#define DISCIPLINE_TEXT(line) DISCIPLINE_TEXT_OF(line)

/* clang-format off */
#define DISCIPLINE_LOCK_INIT {__FILE__ ":" DISCIPLINE_TEXT(__LINE__), DISCIPLINE_MARK}
/* clang-format on */

/* What is known of a thread. All zero: it holds nothing. */

enum { DISCIPLINE_DEPTH_MAX = 2 }; /* as vmem/port.h promises */

struct discipline {
    struct {
        const struct discipline_lock *lock;
        unsigned long state;
    } held[DISCIPLINE_DEPTH_MAX]; /* the outermost first */
    unsigned depth;
    struct {
        unsigned long state; /* 0: not pinned */
        unsigned cpu;
        unsigned depth; /* locks held when it began */
    } pin;
    unsigned long states; /* handed out so far, so that each is one of its own, and never 0 */
};

/* The port's: who is running. */
struct discipline *discipline_self(void);

/* Before the lock is taken, and before it is released. */
unsigned long discipline_lock(const struct discipline_lock *lock);
void discipline_unlock(const struct discipline_lock *lock, unsigned long state);

/* Once the CPU is pinned, and before it is unpinned. */
unsigned long discipline_pin(unsigned cpu);
void discipline_unpin(unsigned cpu, unsigned long state);

/* Ends the program if a lock is held, or the CPU pinned: for hooks, and for the end of a test. */
void checked_port_no_lock(const char *where);

_Noreturn void discipline_violation(const char *what, const char *where);

#ifdef __cplusplus
}
#endif

#endif
