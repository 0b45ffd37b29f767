/* SPDX-License-Identifier: MIT */
/*
 * traps.S - the sixteen ways into the kernel, 128 bytes each: from EL1 with the wrong stack pointer,
 * from EL1, and from programs of 64 and of 32 bits; and each as an exception, an interrupt, a fast
 * interrupt, or an error of the memory system. An interrupt in EL1 is handled. All others have
 * trap_report() called with their number, which does not return.
 */
#define INTERRUPT_IN_KERNEL 5

    .section .text, "ax", @progbits
    .balign 2048
    .globl trap_entries
trap_entries:
    .set entry, 0
    .rept 16
    .balign 128
    .if entry == INTERRUPT_IN_KERNEL
    b interrupt
    .else
    mov x0, #entry
    bl trap_report
    .endif
    .set entry, entry + 1
    .endr

/*
 * Saves what C may change; C keeps the rest. Interrupts stay off until eret, so that the two
 * registers that it returns by stay as they are.
 */
    .balign 128
interrupt:
    stp x29, x30, [sp, #-176]!
    mov x29, sp
    stp x0, x1, [sp, #16]
    stp x2, x3, [sp, #32]
    stp x4, x5, [sp, #48]
    stp x6, x7, [sp, #64]
    stp x8, x9, [sp, #80]
    stp x10, x11, [sp, #96]
    stp x12, x13, [sp, #112]
    stp x14, x15, [sp, #128]
    stp x16, x17, [sp, #144]
    str x18, [sp, #160]
    bl aarch64_interrupt
    ldp x0, x1, [sp, #16]
    ldp x2, x3, [sp, #32]
    ldp x4, x5, [sp, #48]
    ldp x6, x7, [sp, #64]
    ldp x8, x9, [sp, #80]
    ldp x10, x11, [sp, #96]
    ldp x12, x13, [sp, #112]
    ldp x14, x15, [sp, #128]
    ldp x16, x17, [sp, #144]
    ldr x18, [sp, #160]
    ldp x29, x30, [sp], #176
    eret

    .section .note.GNU-stack, "", @progbits
