/* SPDX-License-Identifier: MIT */
/*
 * boot.S - the first instructions of each CPU: from EL1 with the MMU off, at the physical address,
 * to C in the top 2 GiB.
 *
 * The first page tables are constants. Those of the upper half (TTBR1) show the first 2 GiB of
 * physical memory at 0xffff800000000000 as the start of the direct map, devices in the first and
 * RAM in the second; and that GiB of RAM at 0xffffffff80000000, where the kernel is linked. Those
 * of the lower half (TTBR0) show the RAM where it is, for the few instructions that run there while
 * the MMU comes on; then the lower half is switched off.
 *
 * With the MMU off a CPU does not look into the caches of the others. So it reads nothing that the
 * kernel has written until its own is on: what it must know comes in a register.
 */
#define RAM_BASE 0x40000000
#define KERNEL_BASE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE + RAM_BASE)

/* Attribute 0: memory, write back. Attribute 1: devices, nGnRE. */
#define MAIR 0x04ff
/* 48 bits of address and 4 KiB pages in both halves; tables are cached, and shared with all. */
#define TCR 0xb5103510
#define TCR_IPS_SHIFT 32
#define TCR_EPD0 0x80
/* The bits that must be 1; instruction and data caches, the stack's alignment is checked, MMU. */
#define SCTLR 0x30d0180d

#define TABLE 0x3
#define MEMORY 0x0040000000000701   /* a block: accessed, inner shareable, not for users; */
#define DEVICES 0x0060000000000405  /*    not executable by users, or by nobody */
#define NOT_EXECUTABLE 0x0020000000000000

    .section .text.boot, "ax", @progbits
    .globl start
start:
    mov x20, #0                 /* the first CPU */
    b enable_mmu

/* PSCI enters here with x0 as arch_cpu_start() gave it: a stack, with the CPU's number on it. */
start_cpu:
    mov x20, x0

enable_mmu:
    msr daifset, #0xf
    ldr x0, =MAIR
    msr mair_el1, x0
    ldr x0, =TCR
    mrs x1, id_aa64mmfr0_el1    /* physical addresses as wide as the processor has them */
    bfi x0, x1, #TCR_IPS_SHIFT, #3
    msr tcr_el1, x0
    adrp x0, level0_low
    msr ttbr0_el1, x0
    adrp x0, level0
    msr ttbr1_el1, x0
    dsb ish
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x0, =SCTLR
    msr sctlr_el1, x0
    isb
    ldr x0, =start_high
    br x0
start_high:
    mrs x0, tcr_el1             /* from now on a null pointer is a fault */
    orr x0, x0, #TCR_EPD0
    msr tcr_el1, x0
    isb
    tlbi vmalle1
    dsb nsh
    isb
    mov x29, #0
    mov x30, #0
    cbnz x20, 1f
    ldr x0, =boot_stack_top
    mov sp, x0
    b aarch64_start
1:  mov sp, x20
    ldr x0, [sp], #16
    b aarch64_start_cpu

    .ltorg

    .section .rodata, "a", @progbits
    .balign 8
    .globl image_physical, start_cpu_physical
image_physical:
    .quad PHYSICAL(image_begin), PHYSICAL(image_end)
start_cpu_physical:
    .quad PHYSICAL(start_cpu)

    .section .data, "aw", @progbits
    .balign 4096
    .globl level0
level0:                         /* of the upper half */
    .fill 256, 8, 0
    .quad PHYSICAL(level1_direct) + TABLE
    .fill 254, 8, 0
    .quad PHYSICAL(level1_kernel) + TABLE
level1_direct:
    .quad DEVICES
    .quad RAM_BASE + MEMORY + NOT_EXECUTABLE
    .fill 510, 8, 0
level1_kernel:
    .fill 510, 8, 0
    .quad RAM_BASE + MEMORY
    .quad 0
level0_low:                     /* of the lower half */
    .quad PHYSICAL(level1_low) + TABLE
    .fill 511, 8, 0
level1_low:
    .quad 0
    .quad RAM_BASE + MEMORY
    .fill 510, 8, 0

    .section .bss, "aw", @nobits
    .balign 16
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
