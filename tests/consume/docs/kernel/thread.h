/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include <kernel/spinlock.h>

struct thread {
    struct thread *next;
};

struct thread *current_thread(void);
void preempt_disable(void);
void preempt_enable(void);
unsigned preempt_count(void);
void sleep_on(const void *channel, struct spinlock *lock);
void wake_all(const void *channel);

#endif
