/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.c - the lock that checks how it is used.
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

static unsigned long locks; /* taken so far: each has a state of its own */

uintptr_t checked_port_thread = 1;

static void violation(const char *what, const char *where)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "checked port: %s%s\n", what, where);
    abort();
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
    if (lock->state != 0)
        violation("a lock is taken that is held already", "");
    if (depth == DEPTH_MAX)
        violation("more locks are held at once than vmem/port.h promises", "");
    if (depth > 0)
        remember_order(held[depth - 1], lock);
    held[depth++] = lock;
    lock->state = ++locks;
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
    depth--;
    lock->state = 0;
}

void checked_port_no_lock(const char *where)
{
    if (depth != 0)
        violation("a lock is held in ", where);
}
