/* SPDX-License-Identifier: MIT */
/*
 * report.c - what went wrong, and the state of everything as text.
 */
#include "kernel.h"

vmem_t *arenas[ARENA_COUNT];
const char *const arena_names[ARENA_COUNT] = {"phys", "dma", "direct", "kva", "kmem", "irq"};

unsigned problems;
unsigned faults;
enum vmem_fault_kind last_fault;

void expect(bool condition, const char *what)
{
    if (!condition) {
        __atomic_fetch_add(&problems, 1, __ATOMIC_RELAXED);
        print("\nPROBLEM: not so: %s\n", what);
    }
}

/* A sink for a long line: breaks it behind each semicolon. */
static void break_line(void *ctx, const char *string)
{
    (void)ctx;
    for (; *string != '\0'; string++) {
        print("%c", *string);
        if (*string == ';')
            print("\n     ");
    }
}

/* vmem's report of a misuse. A kernel would panic; this one goes on, since nothing has changed. */
void vmem_port_fault(const struct vmem_fault *fault)
{
    __atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
    last_fault = fault->kind;
    print("  ");
    vmem_fault_print(fault, break_line, NULL);
    print("\n");
}

void arenas_check(void)
{
    for (unsigned i = 0; i < ARENA_COUNT; i++)
        expect(vmem_check(arenas[i]) == 0, "an arena and its caches keep their invariants");
    for (unsigned i = 0; i < IDS_COUNT; i++)
        expect(vmem_id_check(ids[i]) == 0, "an ID space keeps its invariants");
    expect(vmem_heap_check(heap) == 0, "the heap keeps its invariants");
    expect(vmem_check(NULL) == 0, "all arenas and the tag pool agree");
}

void arenas_print(const char *when)
{
    enum { MAP_WIDTH = 72 };
    print("\n--- arenas %s ---\n\n", when);
    vmem_print(console_sink, NULL);
    print("\n");
    for (unsigned i = 0; i < ARENA_COUNT; i++) {
        print("%-6s ", arena_names[i]);
        vmem_print_map(arenas[i], MAP_WIDTH, console_sink, NULL);
    }
    const struct memory_use use = memory_use();
    print("\nof phys: behind kmem %s, page tables %s, lent to vmem %s\n",
          size_text(use.mapped).text, size_text(use.tables).text, size_text(use.lent).text);
    arenas_check();
}
