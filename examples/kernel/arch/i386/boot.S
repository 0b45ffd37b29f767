/* SPDX-License-Identifier: MIT */
/*
 * boot.S - the first instructions: the PVH entry is 32-bit protected mode already, with paging off
 * and flat segments, %ebx holding the address of the start info. Only the segments' descriptors
 * are still the loader's.
 */
#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10

    .section .note.pvh, "a", @note
    .balign 4
    .long 4                     /* bytes in the name */
    .long 4                     /* and in the value */
    .long 18                    /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start
    .long 0                     /* QEMU reads eight bytes of the value */

    .section .text.boot, "ax", @progbits
    .code32
    .globl start
start:
    cli
    cld
    lgdt gdt_register
    ljmp $CODE_SELECTOR, $1f
1:  movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $boot_stack_top - 12, %esp     /* aligned to 16 once the argument is there */
    xorl %ebp, %ebp
    pushl %ebx
    call x86_start
2:  hlt
    jmp 2b

    .section .rodata, "a", @progbits
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* code */
    .quad 0x00cf93000000ffff    /* data */
gdt_end:
gdt_register:
    .word gdt_end - gdt - 1
    .long gdt

    .section .bss, "aw", @nobits
    .balign 16
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
