/* SPDX-License-Identifier: MIT */
/*
 * traps.S - the processor's 32 exceptions. Each entry makes the stack look alike (some exceptions
 * push an error code, for the others it pushes 0), adds its number, and calls trap_report(), which
 * does not return. And the interrupts: each saves what a function in C may change, and there is
 * nothing else to save, since this kernel uses general registers only.
 */
#define HAS_ERROR_CODE 0x60227d00 /* a bit for each that does: 8, 10-14, 17, 21, 29, 30 */

    .section .text, "ax", @progbits
    .balign 16
    .globl trap_entries
trap_entries:
    .set vector, 0
    .rept 32
    .balign 16
    .if ((HAS_ERROR_CODE >> vector) & 1) == 0
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .balign 16
trap_common:
    cld
    movq %rsp, %rdi
    andq $-16, %rsp
    call trap_report

    .macro interrupt name function
    .balign 16
    .globl \name
\name:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11                  /* with the five words of the processor: aligned to 16 */
    cld
    call \function
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    iretq
    .endm

    interrupt interrupt_timer, x86_timer
    interrupt interrupt_flush, x86_flush
    .balign 16
    .globl interrupt_spurious
interrupt_spurious:             /* the interrupt controller changed its mind: nothing is due */
    iretq

    .section .note.GNU-stack, "", @progbits
