/* SPDX-License-Identifier: MIT */
/*
 * start.c - from boot.S to kernel_main(), and the same for the other CPUs.
 *
 * QEMU enters an ELF file with nothing in the registers and leaves the device tree at the start of
 * RAM. Whoever comes by another loader finds its address in x0. The other CPUs are off until the
 * firmware is asked for them by PSCI ("Arm Power State Coordination Interface").
 */
#include "../devicetree.h"
#include "aarch64.h"

enum { DEVICE_TREE = 0x40000000, PSCI_SUCCESS = 0 };
#define PSCI_CPU_ON 0xc4000003
#define AFFINITY 0xff00ffffffULL /* the bits of MPIDR that name a CPU, here and in the tree */

static struct devicetree machine;

_Noreturn void aarch64_start(void)
{
    static struct boot_info boot;
    uint64_t mpidr;
    port_percpu_set(cpu_percpu(0));
    aarch64_traps_init();
    __asm__ volatile("mrs %0, mpidr_el1" : "=r"(mpidr));
    (void)devicetree_read(DEVICE_TREE, mpidr & AFFINITY, &boot, &machine);
    boot.image_base = image_physical[0];
    boot.image_end = image_physical[1];
    kernel_main(&boot);
    arch_exit(false); /* kernel_main() ends by itself */
}

_Noreturn void aarch64_start_cpu(unsigned index)
{
    port_percpu_set(cpu_percpu(index));
    aarch64_traps_init();
    kernel_cpu_main(index);
}

/* boot.S finds the CPU's number on its stack. */
bool arch_cpu_start(unsigned index)
{
    uint64_t *stack = cpu_stack_top(index);
    stack -= 2;
    *stack = index;
    register uint64_t x0 __asm__("x0") = PSCI_CPU_ON;
    register uint64_t x1 __asm__("x1") = machine.cpu_ids[index];
    register uint64_t x2 __asm__("x2") = start_cpu_physical;
    register uint64_t x3 __asm__("x3") = (uintptr_t)stack;
    __asm__ volatile("dsb ish; hvc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     :
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "memory");
    return x0 == PSCI_SUCCESS;
}
