/* SPDX-License-Identifier: MIT */
/*
 * support/discipline.c - the checks of discipline.h.
 *
 * What a thread holds stands on a stack of its own, so nothing here waits, but for the order of
 * classes, which is looked at only where locks nest. The order is kept closed: `before[a][b]` says
 * that a chain of locks held and taken leads from a to b. A new pair joins all that comes before
 * its first to all that comes after its second, and makes a cycle if it stands there the other way
 * round.
 */
#include "discipline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void discipline_violation(const char *what, const char *where)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "checked port: %s%s\n", what, where);
    abort();
}

/*
 * The order
 */

enum { CLASSES_MAX = 32 };

static struct {
    pthread_mutex_t lock;
    const char *places[CLASSES_MAX];
    unsigned count;
    bool before[CLASSES_MAX][CLASSES_MAX];
} order = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned class_of(const struct discipline_lock *lock)
{
    for (unsigned i = 0; i < order.count; i++)
        if (order.places[i] == lock->place || strcmp(order.places[i], lock->place) == 0)
            return i;
    if (order.count == CLASSES_MAX)
        discipline_violation("there are more classes of locks than it can tell apart", "");
    order.places[order.count] = lock->place;
    return order.count++;
}

static bool is_at_or_before(unsigned a, unsigned b)
{
    return a == b || order.before[a][b];
}

static void join(unsigned outer, unsigned inner)
{
    for (unsigned a = 0; a < order.count; a++)
        for (unsigned b = 0; b < order.count; b++)
            if (is_at_or_before(a, outer) && is_at_or_before(inner, b))
                order.before[a][b] = true;
}

static void follow_order(const struct discipline_lock *outer, const struct discipline_lock *inner)
{
    char places[256];
    unsigned a, b;
    bool same, cycle;

    (void)pthread_mutex_lock(&order.lock);
    a = class_of(outer);
    b = class_of(inner);
    same = a == b;
    cycle = order.before[b][a];
    if (!same && !cycle && !order.before[a][b])
        join(a, b);
    (void)pthread_mutex_unlock(&order.lock);
    (void)snprintf(places, sizeof(places), ": %s, then %s", outer->place, inner->place);
    if (same)
        discipline_violation("two locks of a class are held at once", places);
    if (cycle)
        discipline_violation("locks are taken against their order", places);
}

/*
 * Locks
 */

static bool is_held(const struct discipline *self, const struct discipline_lock *lock)
{
    for (unsigned i = 0; i < self->depth; i++)
        if (self->held[i].lock == lock)
            return true;
    return false;
}

unsigned long discipline_lock(const struct discipline_lock *lock)
{
    struct discipline *self = discipline_self();

    if (lock->mark != DISCIPLINE_MARK)
        discipline_violation("a lock is taken that was never initialised", "");
    if (is_held(self, lock))
        discipline_violation("a lock is taken that is held already", "");
    if (self->depth == DISCIPLINE_DEPTH_MAX)
        discipline_violation("more locks are held at once than vmem/port.h promises", "");
    if (self->depth > 0)
        follow_order(self->held[self->depth - 1].lock, lock);
    self->held[self->depth].lock = lock;
    self->held[self->depth++].state = ++self->states;
    return self->states;
}

void discipline_unlock(const struct discipline_lock *lock, unsigned long state)
{
    struct discipline *self = discipline_self();

    if (!is_held(self, lock))
        discipline_violation("a lock is released that is not held", "");
    if (self->held[self->depth - 1].lock != lock)
        discipline_violation("locks are not released innermost first", "");
    if (self->held[self->depth - 1].state != state)
        discipline_violation("a lock is released with a state that is not its own", "");
    if (self->pin.state != 0 && self->depth == self->pin.depth)
        discipline_violation("a lock that was held before the pin is released before the unpin",
                             "");
    self->depth--;
}

/*
 * Pins, and hooks
 */

unsigned long discipline_pin(unsigned cpu)
{
    struct discipline *self = discipline_self();

    if (self->pin.state != 0)
        discipline_violation("the CPU is pinned twice", "");
    self->pin.state = ++self->states;
    self->pin.cpu = cpu;
    self->pin.depth = self->depth;
    return self->pin.state;
}

void discipline_unpin(unsigned cpu, unsigned long state)
{
    struct discipline *self = discipline_self();

    if (self->pin.state == 0)
        discipline_violation("the CPU is unpinned without a pin", "");
    if (self->pin.state != state)
        discipline_violation("the CPU is unpinned with a state that is not its own", "");
    if (self->pin.cpu != cpu)
        discipline_violation("the CPU is unpinned on another CPU", "");
    if (self->pin.depth != self->depth)
        discipline_violation("a lock that was taken while pinned outlasts the pin", "");
    self->pin.state = 0;
}

void checked_port_no_lock(const char *where)
{
    const struct discipline *self = discipline_self();

    if (self->depth != 0)
        discipline_violation("a lock is held in ", where);
    if (self->pin.state != 0)
        discipline_violation("the CPU is pinned in ", where);
}
