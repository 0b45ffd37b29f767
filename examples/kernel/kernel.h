/* SPDX-License-Identifier: MIT */
/* kernel.h - the parts of the demonstration kernel, one a file, and what they share. */
#ifndef DEMO_KERNEL_H
#define DEMO_KERNEL_H

#include "arch/arch.h"
#include "console.h"
#include <vmem/debug.h>
#include <vmem/port.h>
#include <vmem/vmem.h>

/* The kernel's arenas, each after the one that it imports from. */
enum arena_id {
    ARENA_PHYS, /* physical memory, in bytes */
    ARENA_DMA,  /* of that, below 16 MiB, for devices: imports from it */
    ARENA_KVA,  /* kernel virtual addresses */
    ARENA_HEAP, /* of those, with memory behind them: imports from it */
    ARENA_PID,
    ARENA_IRQ,
    ARENA_COUNT
};
extern vmem_t *arenas[ARENA_COUNT];
extern const char *const arena_names[ARENA_COUNT];

/* memory.c: physical memory, virtual addresses, the heap, the pages that vmem is lent. */
void memory_init(const struct boot_info *boot);

struct memory_use {
    uint64_t lent;   /* bytes lent to vmem for its tags and hashes */
    uint64_t tables; /* bytes in page tables */
    uint64_t mapped; /* bytes mapped behind the heap */
};
struct memory_use memory_use(void);

/* numbers.c: resources that are no memory. */
void numbers_init(void);

/* report.c: what went wrong so far, and the fault hook. */
void expect(bool condition, const char *what);
void arenas_check(void);
void arenas_print(const char *when);
extern unsigned problems;
extern unsigned faults; /* reports by vmem */
extern enum vmem_fault_kind last_fault;

/* workload.c: uses it all. misuse.c: uses it wrongly. */
void workload_run(void);
void misuse_run(void);

/* shell.c: a prompt; returns on "quit". */
void shell_run(void);

#endif
