/* SPDX-License-Identifier: MIT */
/*
 * timer.c - the timer's interrupt, the only one. SBI sets it to a time, and that alone takes back
 * the interrupt that stands out.
 */
#include "riscv64.h"
#include "sbi.h"

enum { STATUS_INTERRUPTS = 1 << 1, ENABLE_TIMER = 1 << 5, MICROSECONDS = 1000000 };

static uint64_t periods[CPUS_MAX]; /* in ticks of the timer */

static void set_timer(uint64_t when)
{
    (void)sbi_call(SBI_TIME, SBI_TIME_SET, when, 0, 0, 0);
}

/* The next interrupt, a period from now. */
static void set_next(void)
{
    uint64_t now;
    __asm__ volatile("rdtime %0" : "=r"(now));
    set_timer(now + periods[port_percpu()->index]);
}

void arch_interrupts_enable(void)
{
    __asm__ volatile("csrs sstatus, %0" : : "r"(STATUS_INTERRUPTS) : "memory");
}

void arch_idle(void)
{
    __asm__ volatile("wfi" : : : "memory");
}

void arch_timer_start(unsigned microseconds)
{
    periods[port_percpu()->index] = riscv_machine.timebase * microseconds / MICROSECONDS;
    set_next();
    __asm__ volatile("csrs sie, %0" : : "r"(ENABLE_TIMER));
}

void arch_timer_stop(void)
{
    __asm__ volatile("csrc sie, %0" : : "r"(ENABLE_TIMER));
    set_timer(UINT64_MAX);
}

void riscv64_timer_interrupt(void)
{
    struct percpu *cpu = port_percpu();
    cpu->interrupts++;
    set_next();
    kernel_timer();
    cpu->interrupts--;
}
