/* SPDX-License-Identifier: MIT */
/*
 * boot.S - the first instructions: from the PVH entry (32-bit protected mode, paging off, %ebx
 * holding the address of the start info) to C in 64-bit mode, in the top 2 GiB.
 *
 * The first page tables are constants. They show the first 4 GiB of physical memory twice, at 0 for
 * the few instructions that run there while paging comes on, and at 0xffff800000000000 as the start
 * of the direct map; and the first GiB at 0xffffffff80000000, where the kernel is linked.
 */
#define KERNEL_BASE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10

#define CR0_PE_WP_PG 0x80010001
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900

#define TABLE 0x3               /* present, writable */
#define LARGE_PAGE 0x83         /* and 2 MiB */

    .section .note.pvh, "a", @note
    .balign 4
    .long 4                     /* bytes in the name */
    .long 8                     /* and in the value */
    .long 18                    /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYSICAL(start)

    .section .text.boot, "ax", @progbits
    .code32
    .globl start
start:
    cli
    cld
    movl $PHYSICAL(pml4), %eax
    movl %eax, %cr3
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_PE_WP_PG, %eax
    movl %eax, %cr0
    lgdt PHYSICAL(gdt_register_low)
    ljmp $CODE_SELECTOR, $PHYSICAL(start_64)

    .code64
start_64:
    movabsq $start_high, %rax
    jmpq *%rax
start_high:
    lgdt gdt_register(%rip)
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    leaq boot_stack_top(%rip), %rsp
    movq $0, pml4(%rip)         /* from now on a null pointer is a page fault */
    movq %cr3, %rax
    movq %rax, %cr3
    xorl %ebp, %ebp
    movl %ebx, %edi
    call x86_start
1:  hlt
    jmp 1b

    .section .rodata, "a", @progbits
    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* code, 64-bit */
    .quad 0x00cf93000000ffff    /* data */
gdt_end:
gdt_register_low:
    .word gdt_end - gdt - 1
    .long PHYSICAL(gdt)
gdt_register:
    .word gdt_end - gdt - 1
    .quad gdt

    .section .data, "aw", @progbits
    .balign 4096
    .globl pml4
pml4:
    .quad PHYSICAL(pdpt_low) + TABLE    /* 0 */
    .fill 255, 8, 0
    .quad PHYSICAL(pdpt_low) + TABLE    /* the direct map */
    .fill 254, 8, 0
    .quad PHYSICAL(pdpt_high) + TABLE   /* the kernel */
pdpt_low:
    .quad PHYSICAL(pd) + TABLE
    .quad PHYSICAL(pd) + 0x1000 + TABLE
    .quad PHYSICAL(pd) + 0x2000 + TABLE
    .quad PHYSICAL(pd) + 0x3000 + TABLE
    .fill 508, 8, 0
pdpt_high:
    .fill 510, 8, 0
    .quad PHYSICAL(pd) + TABLE
    .quad 0
pd:                             /* four of them */
    .set address, 0
    .rept 4 * 512
    .quad address + LARGE_PAGE
    .set address, address + 0x200000
    .endr

    .section .bss, "aw", @nobits
    .balign 16
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
