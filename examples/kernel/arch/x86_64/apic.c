/* SPDX-License-Identifier: MIT */
/*
 * apic.c - the local APIC: each CPU's own interrupt controller, with a timer, by which CPUs also
 * interrupt one another. All of them see their own at the same physical address.
 *
 * The other controller, the PC's pair of 8259, is shut off: nothing here has a use for a device's
 * interrupt.
 */
#include "x86_64.h"

#define APIC_BASE_MSR 0x1bU
#define APIC_BASE_MASK 0xfffff000U

enum {
    APIC_ID = 0x20,
    APIC_EOI = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_COMMAND = 0x300,
    APIC_COMMAND_TO = 0x310,
    APIC_TIMER = 0x320,
    APIC_LINT0 = 0x350,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_DIVIDE = 0x3e0
};

enum {
    ENABLED = 0x100,
    MASKED = 0x10000,
    PERIODIC = 0x20000,
    PENDING = 0x1000,
    ID_SHIFT = 24,
    DIVIDE_BY_1 = 0xb,
    PER_MICROSECOND = 1000, /* under QEMU; on a machine it is measured, against the PIT */
    PIC_FIRST_MASK = 0x21,
    PIC_SECOND_MASK = 0xa1
};

static volatile uint32_t *apic(unsigned offset)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(APIC_BASE_MSR));
    return arch_direct((low & APIC_BASE_MASK) + offset);
}

void apic_init(void)
{
    x86_out8(PIC_FIRST_MASK, 0xff);
    x86_out8(PIC_SECOND_MASK, 0xff);
    *apic(APIC_LINT0) = MASKED;
    *apic(APIC_SPURIOUS) = ENABLED | VECTOR_SPURIOUS;
}

unsigned apic_id(void)
{
    return *apic(APIC_ID) >> ID_SHIFT;
}

/* The two halves of a command are not to be torn by a handler that sends one, too. */
void apic_send(unsigned to, uint32_t command)
{
    const unsigned long state = port_irq_save();
    while ((*apic(APIC_COMMAND) & PENDING) != 0)
        port_relax();
    *apic(APIC_COMMAND_TO) = to << ID_SHIFT;
    *apic(APIC_COMMAND) = command;
    port_irq_restore(state);
}

void apic_end(void)
{
    *apic(APIC_EOI) = 0;
}

void arch_timer_start(unsigned microseconds)
{
    *apic(APIC_TIMER_DIVIDE) = DIVIDE_BY_1;
    *apic(APIC_TIMER) = PERIODIC | VECTOR_TIMER;
    *apic(APIC_TIMER_INITIAL) = microseconds * PER_MICROSECOND;
}

void arch_timer_stop(void)
{
    *apic(APIC_TIMER) = MASKED;
}

void x86_timer(void)
{
    struct percpu *cpu = port_percpu();
    cpu->interrupts++;
    kernel_timer();
    cpu->interrupts--;
    apic_end();
}
