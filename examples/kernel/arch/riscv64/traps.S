/* SPDX-License-Identifier: MIT */
/*
 * traps.S - the one way into the kernel, for exceptions and interrupts alike. Saves what C may
 * change; C keeps the rest. Interrupts stay off until sret, so that the two registers that it returns
 * by stay as they are.
 *
 * There are no programs: sp is a stack of the kernel, and tp points to the hart's struct percpu. A
 * kernel with programs keeps that pointer in sscratch meanwhile, exchanges it with tp here, and finds
 * the stack through it.
 */
    .section .text, "ax", @progbits
    .balign 4                   /* the lowest bits of stvec are a mode */
    .globl trap_entry
trap_entry:
    addi sp, sp, -128
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd t3, 32(sp)
    sd t4, 40(sp)
    sd t5, 48(sp)
    sd t6, 56(sp)
    sd a0, 64(sp)
    sd a1, 72(sp)
    sd a2, 80(sp)
    sd a3, 88(sp)
    sd a4, 96(sp)
    sd a5, 104(sp)
    sd a6, 112(sp)
    sd a7, 120(sp)
    csrr a0, scause
    csrr a1, sepc
    csrr a2, stval
    call trap_handle
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld t3, 32(sp)
    ld t4, 40(sp)
    ld t5, 48(sp)
    ld t6, 56(sp)
    ld a0, 64(sp)
    ld a1, 72(sp)
    ld a2, 80(sp)
    ld a3, 88(sp)
    ld a4, 96(sp)
    ld a5, 104(sp)
    ld a6, 112(sp)
    ld a7, 120(sp)
    addi sp, sp, 128
    sret

    .section .note.GNU-stack, "", @progbits
