/* SPDX-License-Identifier: MIT */
/*
 * waits.h - the port of vmem-bench-waits: that of vmem-bench, but one that can wait, so that
 * VMEM_SLEEP exists, and what it costs where nobody waits can be counted. Nobody does.
 */
#ifndef BENCH_WAITS_H
#define BENCH_WAITS_H

#include <vmem/port/single.h>

#define VMEM_PORT_WAITS

static inline void vmem_port_wait(const uint32_t *woken)
{
    (void)woken;
}

static inline void vmem_port_wake(const uint32_t *woken)
{
    (void)woken;
}

#endif
