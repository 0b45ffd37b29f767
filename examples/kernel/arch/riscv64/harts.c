/* SPDX-License-Identifier: MIT */
/*
 * harts.c - the other harts. They are stopped until SBI is asked for them (its extension HSM);
 * which one came first is the firmware's choice, so the CPU's number and the hart's differ.
 */
#include "riscv64.h"
#include "sbi.h"

_Noreturn void riscv64_start_cpu(unsigned long index)
{
    port_percpu_set(cpu_percpu((unsigned)index));
    riscv_traps_init();
    kernel_cpu_main((unsigned)index);
}

/* boot.S finds the CPU's number on its stack. */
bool arch_cpu_start(unsigned index)
{
    unsigned long *stack = cpu_stack_top(index);
    stack -= 2;
    *stack = index;
    return sbi_call(SBI_HSM, SBI_HSM_START, riscv_machine.cpu_ids[index], start_cpu_physical,
                    (unsigned long)stack, 0) == SBI_SUCCESS;
}
