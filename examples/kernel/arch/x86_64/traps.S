/* SPDX-License-Identifier: MIT */
/*
 * traps.S - the processor's 32 exceptions. Each entry makes the stack look alike (some exceptions
 * push an error code, for the others it pushes 0), adds its number, and calls trap_report(), which
 * does not return.
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

    .section .note.GNU-stack, "", @progbits
