/* SPDX-License-Identifier: MIT */
/*
 * riscv.h - what a port for many CPUs asks of a RISC-V processor (RV32 or RV64), for a kernel in
 * S-mode. Copy it. In M-mode, define PORT_RISCV_MACHINE_MODE.
 *
 * tp points to the struct percpu of the hart that runs. C code leaves tp alone (it is the thread
 * pointer, and a kernel has no thread-local variables), so in the kernel it always does: a trap
 * from user mode must load it before anything else.
 *
 * Atomic operations on 32-bit words are instructions of the A extension: -march=rv64imac.
 */
#ifndef PORT_RISCV_H
#define PORT_RISCV_H

#ifdef PORT_RISCV_MACHINE_MODE
#define PORT_RISCV_STATUS "mstatus"
#define PORT_RISCV_INTERRUPTS 8 /* MIE */
#else
#define PORT_RISCV_STATUS "sstatus"
#define PORT_RISCV_INTERRUPTS 2 /* SIE */
#endif

struct percpu;

/* This hart's structure. Volatile, or the compiler may keep that of another hart. */
static inline struct percpu *port_percpu(void)
{
    struct percpu *self;
    __asm__ volatile("mv %0, tp" : "=r"(self));
    return self;
}

/* Once on each hart, before the first use of the library there. */
static inline void port_percpu_set(struct percpu *self)
{
    __asm__ volatile("mv tp, %0" : : "r"(self) : "memory");
}

/* Masks interrupts on this hart, and says how it was before: they nest. */
static inline unsigned long port_irq_save(void)
{
    unsigned long state;
    __asm__ volatile("csrrci %0, " PORT_RISCV_STATUS ", %1"
                     : "=r"(state)
                     : "i"(PORT_RISCV_INTERRUPTS)
                     : "memory");
    return state & PORT_RISCV_INTERRUPTS;
}

static inline void port_irq_restore(unsigned long state)
{
    __asm__ volatile("csrs " PORT_RISCV_STATUS ", %0" : : "r"(state) : "memory");
}

/* In a loop that waits for another hart: the hint "pause", which older harts take as a fence. */
static inline void port_relax(void)
{
    __asm__ volatile(".4byte 0x0100000f" : : : "memory");
}

#endif
