/* SPDX-License-Identifier: MIT */
/*
 * aarch64.h - what a port for many CPUs asks of an ARMv8 processor, for a kernel in EL1. Copy it.
 *
 * TPIDR_EL1 is the kernel's own register: it points to the struct percpu of the CPU that runs. The
 * interrupt mask is in DAIF. All of this works before the MMU is on.
 *
 * Compile the kernel with -mno-outline-atomics (or -march=armv8.1-a), or gcc calls libgcc for each
 * atomic operation.
 */
#ifndef PORT_AARCH64_H
#define PORT_AARCH64_H

struct percpu;

/* This CPU's structure. Volatile, or the compiler may keep that of another CPU. */
static inline struct percpu *port_percpu(void)
{
    struct percpu *self;
    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(self));
    return self;
}

/* Once on each CPU, before the first use of the library there. */
static inline void port_percpu_set(struct percpu *self)
{
    __asm__ volatile("msr tpidr_el1, %0" : : "r"(self) : "memory");
}

/* Masks interrupts on this CPU, and says how it was before: they nest. */
static inline unsigned long port_irq_save(void)
{
    unsigned long state;
    __asm__ volatile("mrs %0, daif\n\t"
                     "msr daifset, #2"
                     : "=r"(state)
                     :
                     : "memory");
    return state;
}

static inline void port_irq_restore(unsigned long state)
{
    __asm__ volatile("msr daif, %0" : : "r"(state) : "memory");
}

/* In a loop that waits for another CPU. */
static inline void port_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
}

#endif
