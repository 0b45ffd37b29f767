/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_SPINLOCK_H
#define KERNEL_SPINLOCK_H

struct spinlock {
    int held;
};

/* clang-format off */
#define SPINLOCK_INIT {0}
/* clang-format on */

void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);
unsigned long irq_save(void);
void irq_restore(unsigned long state);

#endif
