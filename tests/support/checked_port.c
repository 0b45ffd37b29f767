/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.c - a thread, a CPU, and another thread's turn, all of them played.
 */
#include "checked_port.h"

#include <stddef.h>

enum { SLEEPERS_MAX = 16, WAITS_MAX = 1000 };

static struct discipline self;

/* Requests that wait at the moment: a place with NULL is free. */
static struct {
    const uint32_t *woken;
    bool told;
} sleepers[SLEEPERS_MAX];

unsigned long checked_port_locks;
uintptr_t checked_port_thread = 1;
unsigned checked_port_cpu;
bool checked_port_moves;
void (*checked_port_meanwhile)(void);
void (*checked_port_others)(void);
bool checked_port_returns_early;
unsigned long checked_port_waits;
unsigned long checked_port_wakes;

struct discipline *discipline_self(void)
{
    return &self;
}

static void let_others_run(void)
{
    void (*meanwhile)(void) = checked_port_meanwhile;

    if (meanwhile == NULL || self.depth != 0 || self.pin.state != 0)
        return;
    checked_port_meanwhile = NULL;
    meanwhile();
    checked_port_meanwhile = meanwhile;
}

unsigned long checked_port_lock(vmem_port_lock_t *lock)
{
    checked_port_locks++;
    return discipline_lock(lock);
}

void checked_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    discipline_unlock(lock, state);
    let_others_run();
}

unsigned checked_port_pin(unsigned long *state)
{
    *state = discipline_pin(checked_port_cpu);
    return checked_port_cpu;
}

void checked_port_unpin(unsigned long state)
{
    discipline_unpin(checked_port_cpu, state);
    if (checked_port_moves)
        checked_port_cpu = (checked_port_cpu + 1) % (VMEM_PORT_CPUS + 1);
    let_others_run();
}

static void play_others(void)
{
    void (*others)(void) = checked_port_others;
    uintptr_t thread = checked_port_thread;
    unsigned cpu = checked_port_cpu;

    if (others == NULL)
        discipline_violation("a request waits for ever: there is nobody else", "");
    checked_port_others = NULL;
    checked_port_thread = thread + 1;
    others();
    checked_port_others = others;
    checked_port_thread = thread;
    checked_port_cpu = cpu;
}

void vmem_port_wait(const uint32_t *woken)
{
    unsigned i = 0;

    if (++checked_port_waits == WAITS_MAX)
        discipline_violation("a request waits for ever: it is woken, and woken", "");
    while (i < SLEEPERS_MAX && sleepers[i].woken != NULL)
        i++;
    if (i == SLEEPERS_MAX)
        discipline_violation("more requests wait than the test can play", "");
    sleepers[i].woken = woken;
    sleepers[i].told = *woken != 0;
    if (*woken == 0)
        play_others();
    sleepers[i].woken = NULL;
    if (*woken == 0 && !checked_port_returns_early)
        discipline_violation("a wakeup is lost: others did what they do, and nobody woke it", "");
    if (*woken != 0 && !sleepers[i].told)
        discipline_violation("a request is woken, and the port is not told", "");
}

void vmem_port_wake(const uint32_t *woken)
{
    checked_port_wakes++;
    for (unsigned i = 0; i < SLEEPERS_MAX; i++)
        sleepers[i].told = sleepers[i].told || sleepers[i].woken == woken;
}
