/* SPDX-License-Identifier: MIT */
/*
 * boot.S - the first instructions of each CPU. The first one begins at the PVH entry (32-bit
 * protected mode, paging off, %ebx holding the address of the start info), the others in real mode,
 * from where they join it (start_32). All go to C in 64-bit mode, in the top 2 GiB.
 *
 * The first page tables are constants. They show the first 4 GiB of physical memory at
 * 0xffff800000000000, as the start of the direct map, and the first GiB at 0xffffffff80000000, where
 * the kernel is linked. Others show the beginning at 0, too, for the few instructions that run there
 * while paging comes on.
 */
#define KERNEL_BASE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10
#define CODE_32_SELECTOR 0x18

#define CR0_PE 0x1
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
    lgdt PHYSICAL(gdt_register)
    ljmp $CODE_32_SELECTOR, $PHYSICAL(start_32)

start_32:                       /* each CPU comes here; the first with %ebx */
    movw $DATA_SELECTOR, %ax
    movw %ax, %ds
    movl $PHYSICAL(pml4_low), %eax
    movl %eax, %cr3
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_PE_WP_PG, %eax
    movl %eax, %cr0
    ljmp $CODE_SELECTOR, $PHYSICAL(start_64)

    .code64
start_64:
    movabsq $start_high, %rax
    jmpq *%rax
start_high:
    lgdt gdt_register_high(%rip)
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movq start_stack(%rip), %rsp
    movl $PHYSICAL(pml4), %eax  /* from now on a null pointer is a page fault */
    movq %rax, %cr3
    xorl %ebp, %ebp
    movl %ebx, %edi
    callq *start_function(%rip)
1:  hlt
    jmp 1b

/*
 * Where a CPU but the first begins: in real mode, in a page below 1 MiB to which this is copied
 * (cpus.c). The segment's number is the page's.
 */
    .section .rodata, "a", @progbits
    .globl trampoline, trampoline_end
    .code16
trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl 2f - trampoline
    movl %cr0, %eax
    orl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl $CODE_32_SELECTOR, $PHYSICAL(start_32)
2:  .word gdt_end - gdt - 1
    .long PHYSICAL(gdt)
trampoline_end:
    .code64

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* code, 64-bit */
    .quad 0x00cf93000000ffff    /* data */
    .quad 0x00cf9b000000ffff    /* code, 32-bit */
gdt_end:
gdt_register:
    .word gdt_end - gdt - 1
    .long PHYSICAL(gdt)
gdt_register_high:
    .word gdt_end - gdt - 1
    .quad gdt

    .section .data, "aw", @progbits
    .balign 8
    .globl start_stack, start_function
start_stack:                    /* where the next CPU to start finds its stack, */
    .quad boot_stack_top
start_function:                 /* and where it goes on from here */
    .quad x86_start

    .balign 4096
    .globl pml4
pml4:
    .fill 256, 8, 0
    .quad PHYSICAL(pdpt_low) + TABLE    /* the direct map */
    .fill 254, 8, 0
    .quad PHYSICAL(pdpt_high) + TABLE   /* the kernel */
pml4_low:                       /* while paging comes on */
    .quad PHYSICAL(pdpt_low) + TABLE    /* 0 */
    .fill 510, 8, 0
    .quad PHYSICAL(pdpt_high) + TABLE
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
