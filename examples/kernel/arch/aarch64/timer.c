/* SPDX-License-Identifier: MIT */
/*
 * timer.c - interrupts: each CPU's virtual timer, through the interrupt controller, a GICv2.
 *
 * The timer counts down and, at 0, asks for an interrupt until it is set again. The controller has
 * a part that all CPUs share (the distributor; what is said there of a CPU's own interrupts each
 * CPU sees for itself) and an interface for each CPU, which tells the interrupt's number on the way
 * in and is told of its end.
 */
#include "aarch64.h"

enum { DISTRIBUTOR_CONTROL = 0x000, DISTRIBUTOR_ENABLE = 0x100 };
enum { CONTROL = 0x00, PRIORITY_MASK = 0x04, ACKNOWLEDGE = 0x0c, END = 0x10 };
enum { ON = 1, ALL_PRIORITIES = 0xff, NUMBER = 0x3ff, TIMER = 27, MICROSECONDS = 1000000 };

static uint64_t periods[CPUS_MAX]; /* in ticks of the timer */

/* The next interrupt, a period from now. */
static void set_timer(void)
{
    __asm__ volatile("msr cntv_tval_el0, %0; isb" : : "r"(periods[port_percpu()->index]));
}

static void control_timer(uint64_t control)
{
    __asm__ volatile("msr cntv_ctl_el0, %0; isb" : : "r"(control));
}

void arch_interrupts_enable(void)
{
    __asm__ volatile("msr daifclr, #2" : : : "memory");
}

void arch_idle(void)
{
    __asm__ volatile("dsb sy; wfi" : : : "memory");
}

void arch_timer_start(unsigned microseconds)
{
    uint64_t frequency;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    *aarch64_device(GIC_DISTRIBUTOR, DISTRIBUTOR_CONTROL) = ON;
    *aarch64_device(GIC_DISTRIBUTOR, DISTRIBUTOR_ENABLE) = 1U << TIMER;
    *aarch64_device(GIC_CPU_INTERFACE, PRIORITY_MASK) = ALL_PRIORITIES;
    *aarch64_device(GIC_CPU_INTERFACE, CONTROL) = ON;
    periods[port_percpu()->index] = frequency * microseconds / MICROSECONDS;
    set_timer();
    control_timer(ON);
}

void arch_timer_stop(void)
{
    control_timer(0);
}

void aarch64_interrupt(void)
{
    struct percpu *cpu = port_percpu();
    cpu->interrupts++;
    const uint32_t which = *aarch64_device(GIC_CPU_INTERFACE, ACKNOWLEDGE);
    if ((which & NUMBER) == TIMER) { /* or one that has gone again: 1023 */
        set_timer();
        kernel_timer();
        *aarch64_device(GIC_CPU_INTERFACE, END) = which;
    }
    cpu->interrupts--;
}
