/* SPDX-License-Identifier: MIT */
/*
 * support/checked_port.c - a thread, a CPU, and another thread's turn, all of them played.
 */
#include "checked_port.h"

#include <stddef.h>

static struct discipline self;

unsigned long checked_port_locks;
uintptr_t checked_port_thread = 1;
unsigned checked_port_cpu;
bool checked_port_moves;
void (*checked_port_meanwhile)(void);

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
