/* SPDX-License-Identifier: MIT */
/*
 * smp.c - the other CPUs: starting them, and making them forget translations.
 *
 * STARTING. A CPU that is told INIT, then STARTUP, begins in real mode at a page below 1 MiB. One
 * is taken out of the memory map for that, and the trampoline of boot.S copied there. One CPU
 * starts at a time, so the stack that the next one takes is a variable.
 *
 * FORGETTING. No CPU sees when another one's tables change, so whoever unmaps asks: it raises
 * `asked`, interrupts the others and waits until each has answered that number, having forgotten
 * all it knew. Several may ask at once, and a CPU that waits for answers gives its own meanwhile,
 * so it may wait with interrupts disabled. Those who spin for a lock with interrupts disabled need
 * not answer: whoever has a lock waits for nobody.
 */
#include "x86_64.h"

enum { LOW_MEMORY = 1 << 20, PATIENCE = 1000000, DELAY_PORT = 0x80 };

extern char trampoline[];
extern char trampoline_end[];
extern char *start_stack;
extern void (*start_function)(void);

static uint64_t trampoline_page; /* 0: there is no place for it */
static unsigned starting;        /* the index of the CPU that does */

static uint32_t asked;
static struct {
    uint32_t answered;
    uint32_t is_up;
} cpus[CPUS_MAX] = {[0] = {.is_up = 1}};

/* Splits a page off the end of a usable range, and adds it to the map as reserved. */
void smp_reserve(struct boot_info *boot)
{
    const unsigned room = sizeof(boot->memory) / sizeof(boot->memory[0]);
    for (unsigned i = 0; i < boot->memory_count && boot->memory_count < room; i++) {
        struct memory_range *range = &boot->memory[i];
        const uint64_t end = (range->base + range->size) & ~(uint64_t)(PAGE_SIZE - 1);
        if (!range->usable || end > LOW_MEMORY || end <= range->base + PAGE_SIZE)
            continue;
        trampoline_page = end - PAGE_SIZE;
        range->size = trampoline_page - range->base;
        boot->memory[boot->memory_count++] =
            (struct memory_range){.base = trampoline_page, .size = PAGE_SIZE};
        return;
    }
}

static void mark_up(unsigned index)
{
    __atomic_store_n(&cpus[index].is_up, 1, __ATOMIC_SEQ_CST);
    x86_64_flush_all(); /* from here on it is asked */
}

static bool is_up(unsigned index)
{
    return __atomic_load_n(&cpus[index].is_up, __ATOMIC_SEQ_CST) != 0;
}

/* Where boot.S goes on, on the new stack. */
static void start_other(void)
{
    const unsigned index = starting;
    port_percpu_set(cpu_percpu(index));
    x86_64_traps_load();
    apic_init();
    mark_up(index);
    kernel_cpu_main(index);
}

/* A write to this port takes about a microsecond, on any PC. */
static void delay(unsigned microseconds)
{
    while (microseconds-- > 0)
        x86_out8(DELAY_PORT, 0);
}

bool arch_cpu_start(unsigned index)
{
    char *page = arch_direct(trampoline_page);
    if (trampoline_page == 0)
        return false;
    for (size_t i = 0; i < (size_t)(trampoline_end - trampoline); i++)
        page[i] = trampoline[i];
    starting = index;
    start_stack = cpu_stack_top(index);
    start_function = start_other;
    apic_send(acpi_apic_id(index), APIC_INIT);
    delay(10000);
    for (unsigned i = 0; i < 2 && !is_up(index); i++) {
        apic_send(acpi_apic_id(index), APIC_STARTUP + (uint32_t)(trampoline_page / PAGE_SIZE));
        for (unsigned wait = 0; wait < PATIENCE && !is_up(index); wait++)
            delay(1);
    }
    return is_up(index);
}

void arch_interrupts_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

void arch_idle(void)
{
    __asm__ volatile("hlt" : : : "memory");
}

/* With interrupts disabled: a late answer must not follow a later one. */
static void answer(unsigned index)
{
    const uint32_t number = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
    if (number == cpus[index].answered)
        return;
    x86_64_flush_all();
    __atomic_store_n(&cpus[index].answered, number, __ATOMIC_SEQ_CST);
}

void x86_flush(void)
{
    answer(port_percpu()->index);
    apic_end();
}

void arch_flush_others(void)
{
    const unsigned self = port_percpu()->index;
    const unsigned long state = port_irq_save();
    const uint32_t number = __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < CPUS_MAX; i++)
        if (i != self && is_up(i))
            apic_send(acpi_apic_id(i), APIC_FIXED + VECTOR_FLUSH);
    for (unsigned i = 0; i < CPUS_MAX; i++)
        while (i != self && is_up(i) &&
               (int32_t)(__atomic_load_n(&cpus[i].answered, __ATOMIC_SEQ_CST) - number) < 0) {
            answer(self);
            port_relax();
        }
    port_irq_restore(state);
}
