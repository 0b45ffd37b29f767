/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what an architecture does for the kernel. The rest of it is portable.
 *
 * An architecture is a folder: the first instructions, a linker script, a console, an exit, page
 * tables, the other CPUs, and two interrupts: a timer, and where the machine has no better way,
 * one CPU telling the others to forget translations. It fills a struct boot_info from what the
 * machine handed over and calls kernel_main() on the CPU that was there first. A kernel that maps
 * nothing needs no page tables, and one CPU is enough (i386, which only runs the self-test).
 */
#ifndef DEMO_ARCH_H
#define DEMO_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <percpu.h>

enum { PAGE_SIZE = 4096, CPUS_MAX = PORT_CPUS };

/* Where things are in this architecture's address space. */
struct arch_layout {
    const char *name;
    uintptr_t direct_map;   /* physical memory appears from here on, */
    uint64_t boot_reach;    /*    at boot only so far: more by arch_direct_map_add() */
    uintptr_t virtual_base; /* for the kernel to map things in: */
    size_t virtual_size;    /*    nothing is there at boot */
    uint64_t dma_limit;     /* devices that count addresses in few bits reach what is below */
};
extern const struct arch_layout arch_layout;

/* One line of the memory map that the machine handed over, as it stands there. */
struct memory_range {
    uint64_t base;
    uint64_t size;
    bool usable; /* or else: reserved, ROM, tables of the firmware ... */
};

/*
 * What the machine handed over, copied: the kernel may use every usable range, but for its own
 * image.
 */
struct boot_info {
    char command_line[128];
    struct memory_range memory[64];
    unsigned memory_count;
    uint64_t image_base; /* the kernel itself, with its stacks and first page tables */
    uint64_t image_end;
    unsigned cpu_count; /* 1 to CPUS_MAX; this is CPU 0 */
};

/* A byte to the console; a byte from it, once there is one. */
void arch_console_write(char c);
char arch_console_read(void);

/* Ends the machine, and tells whoever started it whether all went well. */
_Noreturn void arch_exit(bool passed);

/* The memory at a physical address that the direct map reaches. */
static inline void *arch_direct(uint64_t physical)
{
    return (void *)(arch_layout.direct_map + (uintptr_t)physical);
}

static inline uint64_t arch_physical(const void *direct)
{
    return (uintptr_t)direct - arch_layout.direct_map;
}

/*
 * Page tables. False: no page for a table; then nothing has changed. The tables come from and go
 * to page_table_alloc() and _free(); one that maps nothing any more goes back, but for those of the
 * direct map. One CPU at a time may be in arch_map() and arch_unmap(): memory.c has a lock for it.
 *
 * What arch_unmap() took away, this CPU has forgotten. Others may remember it, and what a table
 * said that has gone back, until arch_flush_others() returns: not before is such a page used again.
 * It may be called in an interrupt handler, and by several CPUs at once, but with no lock held.
 */
enum { TABLES_MAX = 3 }; /* that one arch_map() can need: so often page_table_alloc() will answer */
bool arch_direct_map_add(uint64_t base, uint64_t size); /* at boot */
bool arch_map(uintptr_t address, uint64_t physical);    /* one page that is not mapped */
uint64_t arch_unmap(uintptr_t address);                 /* one that is; returns what was there */
void arch_flush_others(void);

/*
 * Other CPUs. Starts number 1 to cpu_count - 1, which enters kernel_cpu_main() on its own stack,
 * with its register set to its struct percpu, traps that report, the kernel's page tables, and
 * interrupts disabled. False: it does not come.
 */
bool arch_cpu_start(unsigned index);

/*
 * Interrupts, of the CPU that calls. The timer calls kernel_timer() again and again, with
 * interrupts disabled and counted in struct percpu; to start it once more changes its period.
 */
void arch_interrupts_enable(void);
void arch_timer_start(unsigned microseconds);
void arch_timer_stop(void);
void arch_idle(void); /* waits for an interrupt; may return without */

/* The other direction: what the kernel supplies, once for all (cpus.c), */
struct percpu *cpu_percpu(unsigned index); /* for port_percpu_set(), before anything else in C */
void *cpu_stack_top(unsigned index);       /* for each CPU but the first */
_Noreturn void kernel_cpu_main(unsigned index);
void kernel_timer(void);

/* and each kernel for itself. */
void kernel_main(const struct boot_info *boot);
bool page_table_alloc(uint64_t *physical); /* a page within the direct map, zeroed */
void page_table_free(uint64_t physical);   /* it is kept until others have forgotten it */

#endif
