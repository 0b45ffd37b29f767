/* SPDX-License-Identifier: MIT */
/*
 * boot.S - the first instructions: in M-mode, with no firmware below, a0 holding the hart's number
 * and a1 the device tree's address. Every hart comes here, and one is enough. A trap ends the
 * machine as failed: nothing but a mistake causes one.
 */
    .section .text.boot, "ax", @progbits
    .globl start
start:
    csrw mie, zero
    lla t0, trap
    csrw mtvec, t0
    bnez a0, wait
    lla sp, boot_stack_top
    tail riscv_start

    .balign 4                   /* the lowest bits of mtvec are a mode */
trap:
    li a0, 0
    tail arch_exit

wait:
    wfi
    j wait

    .section .rodata, "a", @progbits
    .balign 4
    .globl image_physical
image_physical:
    .word image_begin, image_end

    .section .bss, "aw", @nobits
    .balign 16
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
