/* SPDX-License-Identifier: MIT */
/*
 * boot.S - the first instructions of each hart: from S-mode with paging off, at the physical
 * address, to C in the top 2 GiB.
 *
 * The first page tables are constants, of four levels (Sv48). They show the first 4 GiB of physical
 * memory at 0xffff800000000000 as the start of the direct map, devices in the first two and RAM in
 * the others; and the first GiB of RAM at 0xffffffff80000000, where the kernel is linked. The RAM is
 * not shown where it is: the instruction behind the one that switches paging on is nowhere, and the
 * trap that this causes goes on in the upper half.
 */
#define RAM_BASE 0x80000000
#define KERNEL_BASE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE + RAM_BASE)

#define SATP_SV48 (9 << 60)
#define PAGE_SHIFT 12

/* An entry has a page's number at bit 10. What points to a table, kernel.ld computes. */
#define PAGES(physical) ((physical) >> 2)
#define MEMORY 0xe7             /* dirty, accessed, global, writable, readable, valid; */
#define EXECUTABLE 0x08

    .section .text.boot, "ax", @progbits
    .globl start
start:                          /* a0: the hart's number. a1: the device tree's address */
    mv s0, a0
    mv s1, a1
    li s2, 0                    /* the first hart */
    j enable_paging

/* SBI enters here with a1 as arch_cpu_start() gave it: a stack, with the CPU's number on it. */
start_cpu:
    mv s2, a1

enable_paging:
    csrw sie, zero
    ld t0, high
    csrw stvec, t0
    lla t0, root_table
    srli t0, t0, PAGE_SHIFT
    li t1, SATP_SV48
    or t0, t0, t1
    sfence.vma
    csrw satp, t0
    .balign 4
start_high:
    sfence.vma
    csrci sstatus, 2            /* interrupts stay off */
    bnez s2, 1f
    ld sp, boot_stack
    mv a0, s0
    mv a1, s1
    tail riscv_start
1:  mv sp, s2
    ld a0, 0(sp)
    addi sp, sp, 16
    tail riscv64_start_cpu

    .balign 8
high:
    .dword start_high
boot_stack:
    .dword boot_stack_top

    .section .rodata, "a", @progbits
    .balign 8
    .globl image_physical, start_cpu_physical
image_physical:
    .dword PHYSICAL(image_begin), PHYSICAL(image_end)
start_cpu_physical:
    .dword PHYSICAL(start_cpu)

    .section .data, "aw", @progbits
    .balign 4096
    .globl root_table
root_table:
    .fill 256, 8, 0
    .dword entry_direct
    .fill 254, 8, 0
    .dword entry_kernel
    .globl table_direct, table_kernel
table_direct:
    .dword PAGES(0x00000000) + MEMORY
    .dword PAGES(0x40000000) + MEMORY
    .dword PAGES(0x80000000) + MEMORY
    .dword PAGES(0xc0000000) + MEMORY
    .fill 508, 8, 0
table_kernel:
    .fill 510, 8, 0
    .dword PAGES(RAM_BASE) + MEMORY + EXECUTABLE
    .dword 0

    .section .bss, "aw", @nobits
    .balign 16
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
