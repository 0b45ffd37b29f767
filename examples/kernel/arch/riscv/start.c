/* SPDX-License-Identifier: MIT */
/*
 * start.c - from boot.S to kernel_main(): reads the device tree, whose address the firmware (or,
 * without one, QEMU) hands over in a1.
 */
#include "riscv.h"

struct devicetree riscv_machine;

_Noreturn void riscv_start(unsigned long hart, unsigned long device_tree)
{
    static struct boot_info boot;
    port_percpu_set(cpu_percpu(0));
    riscv_traps_init();
    (void)devicetree_read(device_tree, hart, &boot, &riscv_machine);
    boot.image_base = image_physical[0];
    boot.image_end = image_physical[1];
    kernel_main(&boot);
    arch_exit(false); /* kernel_main() ends by itself */
}
