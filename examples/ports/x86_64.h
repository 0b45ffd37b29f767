/* SPDX-License-Identifier: MIT */
/*
 * x86_64.h - what percpu.h needs of the processor. Each architecture has these functions, in this
 * order.
 *
 * The CPU's structure is found through the base of %gs, and begins with its own address, since
 * there is no short way to read a segment's base. A kernel that runs programs exchanges that base
 * at each way in and out (swapgs).
 */
#ifndef PORT_X86_64_H
#define PORT_X86_64_H

#include <stdint.h>

struct percpu;

#define PORT_MSR_GS_BASE 0xc0000101U

/* The structure of the CPU that runs this. */
static inline struct percpu *port_percpu(void)
{
    struct percpu *self;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(self) : : "memory");
    return self;
}

static inline void port_percpu_set(struct percpu *self)
{
    const uint64_t base = (uintptr_t)self;
    __asm__ volatile("wrmsr"
                     :
                     : "c"(PORT_MSR_GS_BASE), "a"((uint32_t)base), "d"((uint32_t)(base >> 32))
                     : "memory");
}

/* Disables interrupts on this CPU; how they were before. */
static inline unsigned long port_irq_save(void)
{
    unsigned long state;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(state) : : "memory");
    return state;
}

static inline void port_irq_restore(unsigned long state)
{
    __asm__ volatile("pushq %0; popfq" : : "r"(state) : "memory", "cc");
}

/* In a loop that waits for another CPU. */
static inline void port_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

#endif
