/* SPDX-License-Identifier: MIT */
/*
 * numbers.c - an arena hands out integers, and not all integers are addresses.
 */
#include "kernel.h"

enum { PID_MAX = 32767, IRQ_FIRST = 32, IRQ_COUNT = 224 };

void numbers_init(void)
{
    /* Ordered, and used with next fit: a PID comes round again only after all others have. */
    const struct vmem_params pid = {
        .name = arena_names[ARENA_PID],
        .base = 1,
        .size = PID_MAX,
        .quantum = 1,
        .flags = VMEM_ARENA_ORDERED,
    };
    /* Vectors behind those of the processor. A device with multi-MSI takes an aligned run. */
    const struct vmem_params irq = {
        .name = arena_names[ARENA_IRQ],
        .base = IRQ_FIRST,
        .size = IRQ_COUNT,
        .quantum = 1,
    };
    expect(vmem_create(&pid, &arenas[ARENA_PID]) == 0, "PIDs have an arena");
    expect(vmem_create(&irq, &arenas[ARENA_IRQ]) == 0, "vectors have an arena");
}
