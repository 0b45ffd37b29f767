/* SPDX-License-Identifier: MIT */
/*
 * machine.c - a machine of fibers: what the hooks of the port mean.
 *
 * At each hook the scheduler chooses among the fibers that can go on. A fiber cannot while
 *
 *   - it wants a lock that another holds;
 *   - it sleeps: vmem_port_wait() found 0, and nobody has called vmem_port_wake() with its address
 *     since. It then looks again, and sleeps on if it still finds 0;
 *   - another fiber of its CPU holds a lock, since a lock keeps interrupts and so the CPU, or has
 *     pinned the CPU; a handler goes on beside a pin, as an interrupt does where a pin only
 *     disables preemption;
 *   - a handler of its CPU has begun and not ended.
 *
 * If nobody can go on and not all have ended, that is a deadlock: the way in which a lost wakeup
 * shows. How hooks are used is checked as in tests/support: locks that are initialised, not taken
 * twice, two at most, released innermost first and with their own state; and no hook with a
 * lock held or the CPU pinned.
 *
 * There is one more fiber, which is outside: the program before and after a run. Its hooks do not
 * schedule.
 */
#define _XOPEN_SOURCE 700
#include "explore.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <vmem/debug.h>

#include VMEM_PORT_HEADER

enum { OUTSIDE = FIBERS_MAX, STACK_SIZE = 128 * 1024, LOCKS_MAX = 2, WATCHED_MAX = 4 };

static struct fiber {
    void (*body)(void);
    unsigned cpu;
    bool is_handler;
    bool roams;
    bool begun;
    bool ended;
    const vmem_port_lock_t *wants;
    vmem_port_lock_t *held[LOCKS_MAX]; /* the outermost first */
    unsigned depth;
    bool pinned;
    unsigned depth_at_pin;
    const uint32_t *sleeps_on; /* NULL: it does not */
    unsigned last_unlock;      /* when */
    struct page_call *call;    /* of the page hook, over but for the next lock */
} fibers[FIBERS_MAX + 1];

static unsigned fiber_count;
static unsigned current = OUTSIDE;
static unsigned cpu_users[VMEM_PORT_CPUS]; /* that have it pinned */
static unsigned now;                       /* hooks so far */
static vmem_t *watched[WATCHED_MAX];
static unsigned watched_count;

/* What no restoring may reach. */
struct contexts {
    ucontext_t fibers[FIBERS_MAX + 1];
    char stacks[FIBERS_MAX][STACK_SIZE];
};

static struct contexts *contexts;

/*
 * Failure
 */

static char letter(unsigned fiber)
{
    return fiber == OUTSIDE ? '-' : (char)('A' + fiber);
}

void fail(const char *kind, const char *format, ...)
{
    va_list arguments;

    printf("FAILED: %s: ", kind);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    printf("\nin fiber %c\n", letter(current));
    search_print_schedule();
    (void)fflush(stdout);
    exit(1);
}

/*
 * The scheduler
 */

/* Whether another fiber keeps the CPU of this one. */
static bool is_kept_off(unsigned i)
{
    for (unsigned k = 0; k < fiber_count; k++) {
        const struct fiber *other = &fibers[k];

        if (k == i || other->cpu != fibers[i].cpu || other->ended)
            continue;
        if (other->depth > 0 || (other->pinned && !fibers[i].is_handler) ||
            (other->is_handler && other->begun))
            return true;
    }
    return false;
}

static unsigned enabled_fibers(unsigned *asleep)
{
    unsigned enabled = 0;

    *asleep = 0;
    for (unsigned i = 0; i < fiber_count; i++) {
        const struct fiber *f = &fibers[i];

        if (f->ended || is_kept_off(i) || (f->wants != NULL && f->wants->holder != 0))
            continue;
        if (f->sleeps_on != NULL)
            *asleep |= 1U << i;
        else
            enabled |= 1U << i;
    }
    return enabled;
}

static _Noreturn void deadlock(void)
{
    char states[FIBERS_MAX * 48] = "";
    size_t at = 0;

    for (unsigned i = 0; i < fiber_count; i++) {
        const struct fiber *f = &fibers[i];
        const char *state = f->ended               ? "has ended"
                            : f->sleeps_on != NULL ? "sleeps"
                            : f->wants != NULL     ? "wants a lock"
                                                   : "is kept off its CPU";

        at += (size_t)snprintf(states + at, sizeof states - at, "; %c %s", letter(i), state);
    }
    fail("deadlock", "nobody can go on%s", states);
}

static bool all_have_ended(void)
{
    for (unsigned i = 0; i < fiber_count; i++)
        if (!fibers[i].ended)
            return false;
    return true;
}

static void switch_to(unsigned next)
{
    unsigned from = current;

    current = next;
    if (from != next && swapcontext(&contexts->fibers[from], &contexts->fibers[next]) != 0)
        abort();
}

/* Lets another fiber go on, or this one, if it can. */
static void reschedule(void)
{
    unsigned asleep;
    unsigned enabled = enabled_fibers(&asleep);
    unsigned next;

    if (all_have_ended()) {
        switch_to(OUTSIDE);
        return;
    }
    if (enabled == 0)
        deadlock();
    next = search_choose(enabled, asleep, current);
    fibers[next].sleeps_on = NULL; /* a wake for no reason */
    fibers[next].begun = true;
    switch_to(next);
}

static bool is_any_lock_held(void)
{
    for (unsigned i = 0; i < fiber_count; i++)
        if (fibers[i].depth > 0)
            return true;
    return false;
}

/* The check takes locks itself: from outside. */
static void check_watched(void)
{
    unsigned fiber = current;

    if (watched_count == 0 || is_any_lock_held())
        return;
    current = OUTSIDE;
    for (unsigned i = 0; i < watched_count; i++)
        if (vmem_check(watched[i]) != 0)
            fail("check", "an arena is not sound");
    current = fiber;
}

static void at_hook(const char *what, const void *object)
{
    now++;
    if (current == OUTSIDE)
        return;
    search_trace(current, what, object);
    check_watched();
    reschedule();
}

/*
 * Locks
 */

unsigned long explore_lock(vmem_port_lock_t *lock)
{
    struct fiber *f = &fibers[current];

    if (lock->mark != EXPLORE_MARK)
        fail("discipline", "a lock is taken that was never initialised");
    if (lock->holder == current + 1)
        fail("discipline", "a lock is taken by who holds it already");
    if (f->depth == LOCKS_MAX)
        fail("discipline", "more locks are held at once than vmem/port.h promises");
    f->wants = lock;
    at_hook("lock", lock);
    f->wants = NULL;
    if (lock->holder != 0)
        fail("explorer", "a lock is held by %c", letter(lock->holder - 1));
    lock->holder = current + 1;
    f->held[f->depth++] = lock;
    if (f->call != NULL)
        f->call->to = now;
    f->call = NULL;
    return EXPLORE_MARK + f->depth;
}

void explore_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    struct fiber *f = &fibers[current];

    if (lock->holder != current + 1)
        fail("discipline", "a lock is released by who does not hold it");
    if (f->held[f->depth - 1] != lock)
        fail("discipline", "locks are not released innermost first");
    if (state != EXPLORE_MARK + f->depth)
        fail("discipline", "a lock is released with a state that is not its own");
    if (f->pinned && f->depth == f->depth_at_pin)
        fail("discipline", "a lock that was held before the pin is released before the unpin");
    f->depth--;
    f->last_unlock = now;
    lock->holder = 0;
    at_hook("unlock", lock);
}

static void expect_free(const char *hook)
{
    if (fibers[current].depth > 0)
        fail("discipline", "a lock is held in %s", hook);
    if (fibers[current].pinned)
        fail("discipline", "the CPU is pinned in %s", hook);
}

/*
 * CPUs
 */

uintptr_t explore_self(void)
{
    return current + 1;
}

unsigned self(void)
{
    return current;
}

bool is_asleep(unsigned fiber)
{
    return fibers[fiber].sleeps_on != NULL;
}

void on_cpu(unsigned cpu)
{
    fibers[OUTSIDE].cpu = cpu;
}

/* A hook before, and one while pinned, for what the other CPUs do meanwhile. */
unsigned explore_pin(unsigned long *state)
{
    struct fiber *f = &fibers[current];
    unsigned users;

    if (f->pinned)
        fail("discipline", "the CPU is pinned twice");
    at_hook("pin", NULL);
    f->pinned = true;
    f->depth_at_pin = f->depth;
    *state = EXPLORE_MARK + f->cpu;
    users = cpu_users[f->cpu]++;
    at_hook("pinned", NULL);
    return users == 0 ? f->cpu : VMEM_PORT_CPUS;
}

void explore_unpin(unsigned long state)
{
    struct fiber *f = &fibers[current];

    if (!f->pinned)
        fail("discipline", "the CPU is unpinned without a pin");
    if (state != EXPLORE_MARK + f->cpu)
        fail("discipline", "the CPU is unpinned with a state that is not its own");
    if (f->depth != f->depth_at_pin)
        fail("discipline", "a lock that was taken while pinned outlasts the pin");
    f->pinned = false;
    cpu_users[f->cpu]--;
    if (f->roams && f->depth == 0)
        f->cpu = (f->cpu + 1) % VMEM_PORT_CPUS;
    at_hook("unpin", NULL);
}

/*
 * Sleeping
 */

void explore_wait(const uint32_t *woken)
{
    expect_free("wait");
    if (current == OUTSIDE)
        fail("deadlock", "the program waits where nobody else runs");
    if (fibers[current].is_handler)
        fail("discipline", "an interrupt handler waits");
    at_hook("wait", woken);
    if (*(const volatile uint32_t *)woken == 0) {
        fibers[current].sleeps_on = woken;
        at_hook("sleep", woken);
    }
}

void explore_wake(const uint32_t *woken)
{
    expect_free("wake");
    at_hook("wake", woken);
    for (unsigned i = 0; i < fiber_count; i++)
        if (fibers[i].sleeps_on == woken && *(const volatile uint32_t *)woken != 0)
            fibers[i].sleeps_on = NULL;
    at_hook("woken", woken);
}

/*
 * Pages: from a stock, filled with rubbish whenever they change hands.
 */

enum { STOCK = 12 };

struct page_hook page_hook;

static _Alignas(VMEM_PAGE_SIZE) unsigned char stock[STOCK][VMEM_PAGE_SIZE];
static bool is_lent[STOCK];

void *stock_page(size_t i)
{
    if (i >= STOCK || is_lent[i])
        fail("discipline", "page %lu of the stock is not there", (unsigned long)i);
    is_lent[i] = true;
    return stock[i];
}

size_t stock_return(const void *page)
{
    size_t i = (size_t)((const unsigned char *)page - stock[0]) / VMEM_PAGE_SIZE;

    if (i >= STOCK || !is_lent[i])
        fail("discipline", "a page comes back that was not lent");
    is_lent[i] = false;
    return i;
}

void *any_stock_page(void)
{
    for (size_t i = 0; i < STOCK; i++)
        if (!is_lent[i])
            return stock_page(i);
    return NULL;
}

static struct page_call *note_call(void)
{
    struct page_call *call = &page_hook.calls[page_hook.count];

    if (current == OUTSIDE)
        return NULL;
    if (page_hook.count++ == PAGE_CALLS_MAX)
        fail("explorer", "the page hook is called too often");
    call->from = fibers[current].last_unlock;
    return call;
}

void *vmem_port_pages_alloc(size_t size)
{
    struct page_call *call = note_call();
    void *page = NULL;

    expect_free("vmem_port_pages_alloc");
    at_hook("pages_alloc", NULL);
    if (!page_hook.refuses && size == VMEM_PAGE_SIZE)
        page = page_hook.lend != NULL ? page_hook.lend(call) : any_stock_page();
    if (page != NULL) {
        memset(page, 0xa5, size);
        page_hook.lent++;
    }
    at_hook("lent", page);
    fibers[current].call = call;
    return page;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    expect_free("vmem_port_pages_free");
    at_hook("pages_free", pages);
    if (size != VMEM_PAGE_SIZE)
        fail("discipline", "more pages come back than were lent");
    memset(pages, 0x5a, size);
    page_hook.lent--;
    if (page_hook.take_back != NULL)
        page_hook.take_back(pages);
    else
        (void)stock_return(pages);
}

/*
 * Faults
 */

struct fault_hook fault_hook;

static void append(void *ctx, const char *string)
{
    (void)ctx;
    (void)fputs(string, stdout);
}

void vmem_port_fault(const struct vmem_fault *fault)
{
    expect_free("vmem_port_fault");
    fault_hook.count++;
    if (fault->kind == fault_hook.allowed)
        return;
    vmem_fault_print(fault, append, NULL);
    printf("\n");
    fail("fault", "the library reports one");
}

/*
 * Who holds what
 */

enum { UNITS = 512 };

static uint8_t holders[UNITS]; /* 0: nobody; else the fiber, and one more */

static void pass(vmem_addr_t addr, vmem_size_t size, unsigned from, unsigned to)
{
    if (size > UNITS || addr > UNITS - size)
        fail("result", "%lu + %lu is in no arena", (unsigned long)addr, (unsigned long)size);
    for (vmem_size_t i = addr; i < addr + size; i++) {
        if (holders[i] != from)
            fail("overlap", "unit %lu of %lu + %lu is held by %c", (unsigned long)i,
                 (unsigned long)addr, (unsigned long)size,
                 holders[i] == 0 ? '-' : letter(holders[i] - 1U));
        holders[i] = (uint8_t)to;
    }
}

void claim(vmem_addr_t addr, vmem_size_t size)
{
    pass(addr, size, 0, current + 1);
}

void drop(vmem_addr_t addr, vmem_size_t size)
{
    demand(is_claimed(addr, 1));
    pass(addr, size, holders[addr], 0);
}

bool is_claimed(vmem_addr_t addr, vmem_size_t size)
{
    for (vmem_size_t i = addr; i < addr + size; i++)
        if (holders[i] != 0)
            return true;
    return false;
}

/*
 * Fibers
 */

static struct fiber *add_fiber(unsigned cpu, void (*body)(void))
{
    if (fiber_count == FIBERS_MAX || cpu >= VMEM_PORT_CPUS)
        abort();
    fibers[fiber_count].body = body;
    fibers[fiber_count].cpu = cpu;
    return &fibers[fiber_count++];
}

void fiber(unsigned cpu, void (*body)(void))
{
    (void)add_fiber(cpu, body);
}

void roamer(unsigned cpu, void (*body)(void))
{
    add_fiber(cpu, body)->roams = true;
}

void handler(unsigned cpu, void (*body)(void))
{
    add_fiber(cpu, body)->is_handler = true;
}

void watch(vmem_t *arena)
{
    if (watched_count == WATCHED_MAX)
        abort();
    watched[watched_count++] = arena;
}

unsigned machine_fibers(void)
{
    return fiber_count;
}

static void live(void)
{
    fibers[current].body();
    expect_free("the end of a fiber");
    fibers[current].ended = true;
    search_trace(current, "end", NULL);
    reschedule();
}

/* What is corrupt is often found out by the processor first. */
static void on_signal(int number)
{
    fail("crash", "signal %d", number);
}

void machine_init(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_size = STACK_SIZE};

    contexts = malloc(sizeof *contexts);
    stack.ss_sp = malloc(STACK_SIZE);
    if (contexts == NULL || stack.ss_sp == NULL || sigaltstack(&stack, NULL) != 0)
        abort();
    for (size_t i = 0; i < LENGTH(numbers); i++)
        if (sigaction(numbers[i], &action, NULL) != 0)
            abort();
}

void machine_run(void)
{
    unsigned asleep;
    unsigned next;

    for (unsigned i = 0; i < fiber_count; i++) {
        ucontext_t *context = &contexts->fibers[i];

        (void)getcontext(context);
        context->uc_stack.ss_sp = contexts->stacks[i];
        context->uc_stack.ss_size = STACK_SIZE;
        context->uc_link = NULL;
        makecontext(context, live, 0);
    }
    next = search_choose(enabled_fibers(&asleep), 0, OUTSIDE);
    fibers[next].begun = true;
    switch_to(next);
}
