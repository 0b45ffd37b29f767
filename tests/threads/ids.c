/* SPDX-License-Identifier: MIT */
/*
 * ids.c - threads over an ID space.
 */
#include "loads.h"

#include <stdlib.h>

/* The load; see loads.h. */

enum { IDS_MAX = 256, RANGE_MAX = 16 };

struct range {
    vmem_addr_t first;
    vmem_size_t count;
};

void ids_create(struct ids *ids, const struct vmem_id_params *params)
{
    size_t count = (size_t)(params->max - params->min + 1);
    int error;

    ids->min = params->min;
    ids->max = params->max;
    ids->shadow = (struct shadow){params->min, 1, count, calloc(count, sizeof(uint16_t))};
    demand(ids->shadow.holders != NULL);
    do
        error = vmem_id_create(params, &ids->space);
    while (error == -VMEM_ENOMEM && ids->may_fail);
    demand(error == 0);
}

void ids_destroy(struct ids *ids)
{
    struct vmem_id_stats stats;

    vmem_id_stat(ids->space, &stats);
    demand(stats.in_use == 0 && stats.free == ids->max - ids->min + 1);
    demand(stats.fails == ids->tally.fails);
    demand(vmem_id_check(ids->space) == 0);
    demand(vmem_id_destroy(ids->space) == 0);
    for (size_t i = 0; i < ids->shadow.count; i++)
        demand(ids->shadow.holders[i] == 0);
    free(ids->shadow.holders);
}

/* An ID that somebody holds, or not: a take says which, and only one can win it. */
static int take_this(struct worker *self, struct ids *ids, struct range *range)
{
    int error;

    range->first = ids->min + below(self, (size_t)(ids->max - ids->min + 1));
    error = vmem_id_take(ids->space, range->first);
    demand(error == 0 || error == -VMEM_EBUSY || error == -VMEM_ENOMEM);
    return error;
}

/* By one of the other ways. */
static int allocate(struct worker *self, struct ids *ids, struct range *range)
{
    vmem_addr_t middle = ids->min + (ids->max - ids->min) / 2;
    vmem_size_t align = 1;
    int error;

    switch (below(self, 4)) {
    case 0:
        error = vmem_id_alloc_in(ids->space, middle, ids->max, 0, &range->first);
        demand(error != 0 || range->first >= middle);
        break;
    case 1:
        range->count = 1 + below(self, RANGE_MAX);
        align = (vmem_size_t)1 << below(self, 5);
        error = vmem_id_alloc_range(ids->space, range->count, align, 0, &range->first);
        demand(error != 0 || range->first % align == 0);
        break;
    default:
        error = vmem_id_alloc(ids->space, 0, &range->first);
        break;
    }
    demand(error == 0 || error == -VMEM_ENOSPC || error == -VMEM_ENOMEM);
    return error;
}

static bool range_take(struct worker *self, struct ids *ids, struct tally *tally,
                       struct range *range)
{
    int error;

    range->count = 1;
    error = chance(self, 1, 8) ? take_this(self, ids, range) : allocate(self, ids, range);
    if (error != 0) {
        demand(error != -VMEM_ENOMEM || ids->may_fail);
        tally->fails++;
        return false;
    }
    tally->allocs += range->count;
    shadow_claim(&ids->shadow, range->first, range->count, self->number);
    demand(vmem_id_is_allocated(ids->space, range->first));
    return true;
}

static void range_give(struct worker *self, struct ids *ids, struct tally *tally,
                       struct range range)
{
    vmem_addr_t next = 0;

    demand(vmem_id_next(ids->space, range.first, &next) && next == range.first);
    shadow_drop(&ids->shadow, range.first, range.count, self->number);
    tally->frees += range.count;
    if (range.count > 1 || chance(self, 1, 8))
        vmem_id_free_range(ids->space, range.first, range.count);
    else
        vmem_id_free(ids->space, range.first);
}

void ids_churn(struct worker *self, struct ids *ids, unsigned steps, unsigned most)
{
    struct range held[IDS_MAX];
    struct tally tally = {0};
    size_t count = 0;

    demand(most <= IDS_MAX);
    for (; steps > 0; steps--) {
        if (count < most && (count == 0 || chance(self, 1, 2))) {
            count += range_take(self, ids, &tally, &held[count]);
        } else if (count > 0) {
            size_t i = below(self, count);

            range_give(self, ids, &tally, held[i]);
            held[i] = held[--count];
        }
    }
    while (count > 0)
        range_give(self, ids, &tally, held[--count]);
    tally_add(&ids->tally, &tally);
}

/* Two spaces, one of each mode; the second is so small that it is full now and then. */

static void churn(struct worker *self)
{
    ids_churn(self, self->shared, AMOUNT_OF(100000), 200);
}

void scenario_ids(void)
{
    const struct vmem_id_params wide = {
        .name = "pid", .min = 1, .max = 50000, .wrap = 300, .flags = VMEM_ID_CYCLIC};
    const struct vmem_id_params narrow = {.name = "fd", .max = 899};
    static struct ids pids, fds;
    const struct role roles[] = {{2, churn, &pids}, {3, churn, &fds}};

    ids_create(&pids, &wide);
    ids_create(&fds, &narrow);
    run(roles, LENGTH(roles));
    ids_destroy(&pids);
    ids_destroy(&fds);
}
