/* SPDX-License-Identifier: MIT */
/*
 * ids.c - ID spaces of 2n IDs, with n of them allocated.
 */
#include "meter.h"

#include <id.h>
#include <vmem/id.h>

enum { PAIRS = 20000, RANGE = 16 };

static void alloc(vmem_id_t *space, struct segment *id, enum operation operation)
{
    measure(operation);
    int error = vmem_id_alloc(space, 0, &id->addr);
    measure(NOTHING);
    expect(error == 0, "there is an ID");
}

static void give(vmem_id_t *space, const struct segment *id)
{
    measure(ID_FREE);
    vmem_id_free(space, id->addr);
    measure(NOTHING);
}

static void ranges(vmem_id_t *space)
{
    vmem_addr_t first;

    for (unsigned i = 0; i < 2; i++) {
        measure(ID_RANGE);
        int error = vmem_id_alloc_range(space, RANGE, RANGE, 0, &first);
        measure(NOTHING);
        expect(error == 0, "there is a range");
        vmem_id_free_range(space, first, RANGE);
    }
}

static void run(size_t n, unsigned flags, enum operation operation)
{
    const struct vmem_id_params params = {.name = "ids", .max = 2 * n + 63, .flags = flags};
    vmem_id_t *space = NULL;

    expect(vmem_id_create(&params, &space) == 0, "a space is created");
    meter_know(&space->lock, LOCK_SPACE);
    for (size_t i = 0; i < n; i++)
        alloc(space, &live[i], operation);
    ranges(space);
    for (unsigned i = 0; i < PAIRS; i++) {
        struct segment *id = &live[random_to((uint32_t)n)];

        give(space, id);
        alloc(space, id, operation);
    }
    for (size_t i = 0; i < n; i++)
        give(space, &live[i]);
    expect(vmem_id_destroy(space) == 0, "a space is destroyed");
}

void ids_run(size_t n)
{
    run(n, VMEM_ID_LOWEST, ID_LOWEST);
    run(n, VMEM_ID_CYCLIC, ID_CYCLIC);
}
