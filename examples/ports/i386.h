/* SPDX-License-Identifier: MIT */
/*
 * i386.h - what percpu.h needs of the processor. Each architecture has these functions, in this
 * order.
 *
 * For one CPU, without a register that points to its structure: port_only_cpu does, which the
 * kernel defines. With several, it is the base of %gs or %fs, which comes from a segment's
 * descriptor: one for each CPU, in a table of its own.
 */
#ifndef PORT_I386_H
#define PORT_I386_H

struct percpu;
extern struct percpu *port_only_cpu;

/* The structure of the CPU that runs this. */
static inline struct percpu *port_percpu(void)
{
    return port_only_cpu;
}

static inline void port_percpu_set(struct percpu *self)
{
    port_only_cpu = self;
}

/* Disables interrupts on this CPU; how they were before. */
static inline unsigned long port_irq_save(void)
{
    unsigned long state;
    __asm__ volatile("pushfl; popl %0; cli" : "=r"(state) : : "memory");
    return state;
}

static inline void port_irq_restore(unsigned long state)
{
    __asm__ volatile("pushl %0; popfl" : : "r"(state) : "memory", "cc");
}

/* In a loop that waits for another CPU. */
static inline void port_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

#endif
