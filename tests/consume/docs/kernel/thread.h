/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

struct thread {
    struct thread *next;
};

struct thread *current_thread(void);
void preempt_disable(void);
void preempt_enable(void);

#endif
