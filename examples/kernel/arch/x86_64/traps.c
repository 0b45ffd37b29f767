/* SPDX-License-Identifier: MIT */
/*
 * traps.c - a kernel that maps memory should say where it faulted, not reset the machine: each
 * exception is printed and ends the machine as failed. What is handled are the interrupts of the
 * local APIC (apic.c).
 */
#include "../../console.h"
#include "x86_64.h"

enum { VECTORS = 256, TRAPS = 32, ENTRY_BYTES = 16, CODE_SELECTOR = 0x08, INTERRUPT_GATE = 0x8e00 };

struct trap_frame {
    uint64_t vector;
    uint64_t error;
    uint64_t rip;
};

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint16_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

struct idt_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern char trap_entries[];
extern char interrupt_timer[];
extern char interrupt_flush[];
extern char interrupt_spurious[];
_Noreturn void trap_report(const struct trap_frame *frame);

static struct gate idt[VECTORS];

static void set_gate(unsigned vector, uintptr_t entry)
{
    idt[vector].offset_low = (uint16_t)entry;
    idt[vector].selector = CODE_SELECTOR;
    idt[vector].type = INTERRUPT_GATE;
    idt[vector].offset_middle = (uint16_t)(entry >> 16);
    idt[vector].offset_high = (uint32_t)(entry >> 32);
}

void x86_traps_init(void)
{
    for (unsigned i = 0; i < TRAPS; i++)
        set_gate(i, (uintptr_t)trap_entries + i * (uintptr_t)ENTRY_BYTES);
    set_gate(VECTOR_TIMER, (uintptr_t)interrupt_timer);
    set_gate(VECTOR_FLUSH, (uintptr_t)interrupt_flush);
    set_gate(VECTOR_SPURIOUS, (uintptr_t)interrupt_spurious);
    x86_64_traps_load();
    apic_init();
}

void x86_64_traps_load(void)
{
    const struct idt_register idtr = {sizeof(idt) - 1, (uintptr_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

_Noreturn void trap_report(const struct trap_frame *frame)
{
    uint64_t fault_address;
    __asm__ volatile("movq %%cr2, %0" : "=r"(fault_address));
    print("\ntrap %lu at 0x%lx: error 0x%lx, cr2 0x%lx\n", frame->vector, frame->rip, frame->error,
          fault_address);
    arch_exit(false);
}
