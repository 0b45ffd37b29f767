/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.c - the lock and the pin that check how they are used.
 *
 * The locks that are held stand on a stack, the outermost first. Each pair that was ever held at
 * once is remembered, so that the same two in the other order are found without a deadlock.
 */
#include "checked_port.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 2, PAIRS_MAX = 1024 };

static vmem_port_lock_t *held[DEPTH_MAX];
static unsigned depth;
static struct {
    vmem_port_lock_t *outer, *inner;
} pairs[PAIRS_MAX];
static unsigned pair_count;

static struct {
    unsigned long state; /* of the pin; 0: not pinned */
    unsigned cpu;
    unsigned depth; /* locks held when it began */
} pinned;
static unsigned long pins;

unsigned long checked_port_locks; /* and so each has a state of its own */
uintptr_t checked_port_thread = 1;
unsigned checked_port_cpu;
bool checked_port_moves;
void (*checked_port_meanwhile)(void);

static void violation(const char *what, const char *where)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "checked port: %s%s\n", what, where);
    abort();
}

static void let_others_run(void)
{
    void (*meanwhile)(void) = checked_port_meanwhile;

    if (meanwhile == NULL || depth != 0 || pinned.state != 0)
        return;
    checked_port_meanwhile = NULL;
    meanwhile();
    checked_port_meanwhile = meanwhile;
}

static void remember_order(vmem_port_lock_t *outer, vmem_port_lock_t *inner)
{
    for (unsigned i = 0; i < pair_count; i++) {
        if (pairs[i].outer == inner && pairs[i].inner == outer)
            violation("two locks are taken in both orders", "");
        if (pairs[i].outer == outer && pairs[i].inner == inner)
            return;
    }
    if (pair_count < PAIRS_MAX) {
        pairs[pair_count].outer = outer;
        pairs[pair_count].inner = inner;
        pair_count++;
    }
}

unsigned long checked_port_lock(vmem_port_lock_t *lock)
{
    if (lock->mark != CHECKED_PORT_MARK)
        violation("a lock is taken that was never initialised", "");
    if (lock->state != 0)
        violation("a lock is taken that is held already", "");
    if (depth == DEPTH_MAX)
        violation("more locks are held at once than vmem/port.h promises", "");
    if (depth > 0)
        remember_order(held[depth - 1], lock);
    held[depth++] = lock;
    lock->state = ++checked_port_locks;
    return lock->state;
}

void checked_port_unlock(vmem_port_lock_t *lock, unsigned long state)
{
    if (lock->state == 0)
        violation("a lock is released that is not held", "");
    if (lock->state != state)
        violation("a lock is released with a state that is not its own", "");
    if (held[depth - 1] != lock)
        violation("locks are not released innermost first", "");
    if (pinned.state != 0 && depth == pinned.depth)
        violation("a lock that was held before the pin is released before the unpin", "");
    depth--;
    lock->state = 0;
    let_others_run();
}

void checked_port_no_lock(const char *where)
{
    if (depth != 0)
        violation("a lock is held in ", where);
    if (pinned.state != 0)
        violation("the CPU is pinned in ", where);
}

unsigned checked_port_pin(unsigned long *state)
{
    if (pinned.state != 0)
        violation("the CPU is pinned twice", "");
    pinned.state = *state = ~++pins;
    pinned.cpu = checked_port_cpu;
    pinned.depth = depth;
    return pinned.cpu;
}

void checked_port_unpin(unsigned long state)
{
    if (pinned.state == 0)
        violation("the CPU is unpinned without a pin", "");
    if (pinned.state != state)
        violation("the CPU is unpinned with a state that is not its own", "");
    if (pinned.cpu != checked_port_cpu)
        violation("the CPU is unpinned on another CPU", "");
    if (pinned.depth != depth)
        violation("a lock that was taken while pinned outlasts the pin", "");
    pinned.state = 0;
    if (checked_port_moves)
        checked_port_cpu = (checked_port_cpu + 1) % (VMEM_PORT_CPUS + 1);
    let_others_run();
}
