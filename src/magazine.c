/* SPDX-License-Identifier: MIT */
/*
 * magazine.c - the magazine layer.
 */
#include <vmem/cache.h>

#include "arena.h"

void vmem_cpus_online(unsigned count)
{
    (void)count;
}

void vmem_cpu_drain(unsigned cpu)
{
    (void)cpu;
}
