/* SPDX-License-Identifier: MIT */
/* kernel.h - the parts of the demonstration kernel, one a file, and what they share. */
#ifndef DEMO_KERNEL_H
#define DEMO_KERNEL_H

#include "arch/arch.h"
#include "console.h"
#include "cpus.h"
#include <vmem/cache.h>
#include <vmem/debug.h>
#include <vmem/heap.h>
#include <vmem/id.h>
#include <vmem/port.h>
#include <vmem/vmem.h>

/* The kernel's arenas, each after the one that it imports from. */
enum arena_id {
    ARENA_PHYS,   /* physical memory, in bytes */
    ARENA_DMA,    /* of that, what old devices reach: imports from it */
    ARENA_DIRECT, /* of that, where the direct map shows it: imports from it */
    ARENA_KVA,    /* kernel virtual addresses */
    ARENA_KMEM,   /* of those, with memory behind them: imports from it */
    ARENA_IRQ,    /* interrupt vectors */
    ARENA_COUNT
};
extern vmem_t *arenas[ARENA_COUNT];
extern const char *const arena_names[ARENA_COUNT];

/* memory.c: physical memory, virtual addresses, the heap, the pages that vmem is lent. */
void memory_init(const struct boot_info *boot);
extern vmem_heap_t *heap;
extern vmem_cache_t *page_tables;

struct memory_use {
    uint64_t lent;   /* bytes lent to vmem for its tags, hashes and magazines */
    uint64_t tables; /* bytes in the slabs of page tables */
    uint64_t mapped; /* bytes mapped behind kmem */
};
struct memory_use memory_use(void);

/* numbers.c: resources that are no memory. */
enum { PID_MAX = 32767, PID_WRAP = 300, IRQ_FIRST = 32, IRQ_COUNT = 224 };
enum id_space {
    IDS_PID,  /* a thread's number */
    IDS_FILE, /* the first process's file descriptors; the other processes' follow */
    PROCESS_COUNT = 3,
    IDS_COUNT = IDS_FILE + PROCESS_COUNT
};
extern vmem_id_t *ids[IDS_COUNT];
extern const char *const id_names[IDS_COUNT];
void numbers_init(void);

/* process.c: threads, and the files that processes have open. */
enum { STACK_SIZE = 2 * PAGE_SIZE, FILES_MAX = 256 };
struct thread {
    vmem_addr_t pid; /* 0 while the structure is free */
    void *stack;     /* there from the constructor to the destructor */
};
extern vmem_cache_t *threads;
extern unsigned long stacks; /* that there are */
void process_init(void);
int thread_start(struct thread **threadp);
void thread_end(struct thread *thread);
int file_open(unsigned process, const char *path, vmem_addr_t *fdp);
const char *file_path(unsigned process, vmem_addr_t fd); /* NULL: not open */
void file_close(unsigned process, vmem_addr_t fd);

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

/* smp.c: uses it from all CPUs, and from their timers' interrupts. */
void smp_run(void);

/* waiting.c: requests that wait for what other CPUs, or handlers, have. */
void waiting_run(void);

/* hammer.c: one of those who use it there, with what he has taken. */
enum hammer_kind {
    HAMMER_PAGES,   /* of phys */
    HAMMER_BUFFER,  /* of dma */
    HAMMER_VECTORS, /* of irq */
    HAMMER_THREAD,  /* with its PID and its stack */
    HAMMER_MESSAGE, /* of a cache that there is for that */
    HAMMER_BLOCK,   /* of the heap, perhaps moved to another size */
    HAMMER_PARCEL,  /* likewise, for somebody else to free */
    HAMMER_RUN,     /* of kmem: pages that come and go through quantum caches, or past them */
    HAMMER_KINDS
};
enum { HAMMER_THINGS = 48 };
struct hammer {
    uint64_t random;
    uint32_t next_tag;
    unsigned long operations;
    unsigned long refusals;
    struct hammer_thing {
        enum hammer_kind kind;
        uint32_t tag;  /* different for each thing: what its pattern begins with */
        uint64_t what; /* an address; a thread's address; the first vector */
        uint64_t size; /* bytes, vectors; 0: nothing */
    } things[HAMMER_THINGS];
};
void hammers_init(void);
void hammer_init(struct hammer *hammer, unsigned number, uint64_t seed);
void hammer_step(struct hammer *hammer, unsigned kinds); /* bit k: of kind k */
void hammer_drain(struct hammer *hammer);
void hammers_end(void); /* when all are drained */

/* shell.c: a prompt; returns on "quit". */
void shell_run(void);

#endif
