/* SPDX-License-Identifier: MIT */
/*
 * helgrind.h - what Helgrind is to know of atomic accesses; -included in all that it looks at.
 *
 * Helgrind sees the machine's instructions, in which an atomic access of one word looks like any
 * other. But what it reads of an instruction with a lock prefix is a read only. So atomic stores
 * are made exchanges here: then atomic accesses do not race with each other, and still do with
 * plain writes. What an acquire synchronises with, it is told: the releases of the same word
 * before. So nothing of ours needs to be suppressed, and no word is left unwatched.
 *
 * The wait of glibc sometimes signals its own condition, of which Helgrind complains as if we
 * had done so without the mutex. Nothing is reported from within that one call.
 */
#ifndef TESTS_THREADS_HELGRIND_H
#define TESTS_THREADS_HELGRIND_H

#define _DEFAULT_SOURCE
#include <pthread.h>
#undef _DEFAULT_SOURCE /* a source that needs it says so itself */
#include <valgrind/helgrind.h>

static inline int helgrind_acquires(int order)
{
    return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}

static inline int helgrind_releases(int order)
{
    return order != __ATOMIC_RELAXED && order != __ATOMIC_ACQUIRE && order != __ATOMIC_CONSUME;
}

/*
 * Helgrind runs one thread at a time, and seldom changes: what happens between two of a thread's
 * locks would hardly ever meet another thread. So each changes now and then at an atomic access.
 */
static inline void helgrind_take_turns(void)
{
    static __thread unsigned accesses;

    if (++accesses % 16 == 0)
        (void)sched_yield();
}

static inline void helgrind_before(const volatile void *word, int order)
{
    helgrind_take_turns();
    if (helgrind_releases(order))
        ANNOTATE_HAPPENS_BEFORE(word);
}

static inline void helgrind_after(const volatile void *word, int order)
{
    if (helgrind_acquires(order))
        ANNOTATE_HAPPENS_AFTER(word);
}

/* In the place of the compiler's own: a macro's name within itself is not replaced. */

#define __atomic_load_n(word, order)                                                  \
    __extension__({                                                                   \
        __typeof__(word) at_ = (word);                                                \
        __typeof__(*at_) got_ = (helgrind_take_turns(), __atomic_load_n(at_, order)); \
        helgrind_after(at_, order);                                                   \
        got_;                                                                         \
    })

#define __atomic_store_n(word, value, order)                       \
    __extension__({                                                \
        __typeof__(word) to_ = (word);                             \
        helgrind_before(to_, order);                               \
        (void)__atomic_exchange_n(to_, (value), __ATOMIC_SEQ_CST); \
    })

#define HELGRIND_UPDATE(operation, word, value, order) \
    __extension__({                                    \
        __typeof__(word) in_ = (word);                 \
        __typeof__(*in_) was_;                         \
        helgrind_before(in_, order);                   \
        was_ = operation(in_, (value), order);         \
        helgrind_after(in_, order);                    \
        was_;                                          \
    })
#define __atomic_fetch_add(word, value, order) \
    HELGRIND_UPDATE(__atomic_fetch_add, word, value, order)
#define __atomic_fetch_sub(word, value, order) \
    HELGRIND_UPDATE(__atomic_fetch_sub, word, value, order)
#define __atomic_add_fetch(word, value, order) \
    HELGRIND_UPDATE(__atomic_add_fetch, word, value, order)
#define __atomic_sub_fetch(word, value, order) \
    HELGRIND_UPDATE(__atomic_sub_fetch, word, value, order)
#define __atomic_exchange_n(word, value, order) \
    HELGRIND_UPDATE(__atomic_exchange_n, word, value, order)

#define HELGRIND_QUIETLY(call)            \
    __extension__({                       \
        int result_;                      \
        VALGRIND_DISABLE_ERROR_REPORTING; \
        result_ = (call);                 \
        VALGRIND_ENABLE_ERROR_REPORTING;  \
        result_;                          \
    })
#define pthread_cond_wait(condition, mutex) HELGRIND_QUIETLY(pthread_cond_wait(condition, mutex))
#define pthread_cond_timedwait(condition, mutex, until) \
    HELGRIND_QUIETLY(pthread_cond_timedwait(condition, mutex, until))

#endif
