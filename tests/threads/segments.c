/* SPDX-License-Identifier: MIT */
/*
 * segments.c - threads over an arena of integers that has quantum caches and imports its spans.
 */
#include "loads.h"

#include <stdlib.h>

#include <vmem/debug.h>

/* The load; see loads.h. */

enum { SEGMENTS_MAX = 256, QCACHE_QUANTA = 8, UNITS = 1 << 17 };

struct segment {
    vmem_addr_t addr;
    vmem_size_t size;
};

/* The source begins at address 0, and its quantum is four of the arena's. */
void segments_create(struct segments *segments)
{
    vmem_size_t quantum = segments->quantum;
    struct vmem_params source = {.name = "source", .size = UNITS * quantum, .quantum = 4 * quantum};
    struct vmem_params params = {
        .name = "numbers", .quantum = quantum, .qcache_max = QCACHE_QUANTA * quantum};

    segments->shadow = (struct shadow){0, quantum, UNITS, calloc(UNITS, sizeof(uint16_t))};
    demand(segments->shadow.holders != NULL);
    demand(vmem_create(&source, &segments->source) == 0);
    params.source = segments->source;
    demand(vmem_create(&params, &segments->arena) == 0);
}

void segments_destroy(struct segments *segments)
{
    struct vmem_stats stats;

    vmem_stat(segments->arena, &stats);
    demand(stats.in_use == 0 && stats.segments == 0 && stats.free == stats.total);
    demand(stats.allocs == segments->tally.allocs && stats.frees == segments->tally.frees);
    demand(stats.fails == segments->tally.fails);
    demand(vmem_check(segments->arena) == 0);
    vmem_reap(segments->arena);
    vmem_stat(segments->arena, &stats);
    demand(stats.total == 0 && stats.imports == stats.releases);
    demand(vmem_destroy(segments->arena) == 0);
    vmem_stat(segments->source, &stats);
    demand(stats.in_use == 0 && stats.segments == 0);
    demand(vmem_destroy(segments->source) == 0);
    for (size_t i = 0; i < segments->shadow.count; i++)
        demand(segments->shadow.holders[i] == 0);
    free(segments->shadow.holders);
}

static bool segment_take(struct worker *self, struct segments *segments, struct tally *tally,
                         struct segment *segment)
{
    vmem_size_t quantum = segments->quantum;
    vmem_size_t quanta = 1 + below(self, chance(self, 1, 4) ? 2 * QCACHE_QUANTA : QCACHE_QUANTA);
    struct vmem_constraints c = {.align = quantum << below(self, 4)};
    unsigned kind = (unsigned)below(self, 8);
    int error;

    segment->size = quanta * quantum;
    if (kind == 0)
        error = vmem_xalloc(segments->arena, segment->size, &c, 0, &segment->addr);
    else
        error = vmem_alloc(segments->arena, segment->size,
                           kind == 1 ? (unsigned)below(self, VMEM_LASTFIT + 1) : VMEM_INSTANTFIT,
                           &segment->addr);
    if (error != 0) {
        demand(segments->may_fail);
        demand(error == -VMEM_ENOSPC || error == -VMEM_ENOMEM);
        tally->fails++;
        return false;
    }
    tally->allocs++;
    demand(segment->addr % quantum == 0 && (kind != 0 || segment->addr % c.align == 0));
    shadow_claim(&segments->shadow, segment->addr, segment->size, self->number);
    return true;
}

static void segment_give(struct worker *self, struct segments *segments, struct tally *tally,
                         struct segment segment)
{
    shadow_drop(&segments->shadow, segment.addr, segment.size, self->number);
    tally->frees++;
    if (chance(self, 1, 2))
        vmem_free(segments->arena, segment.addr, segment.size);
    else
        vmem_xfree(segments->arena, segment.addr, segment.size);
}

void segments_churn(struct worker *self, struct segments *segments, unsigned steps, unsigned most)
{
    struct segment held[SEGMENTS_MAX];
    struct tally tally = {0};
    size_t count = 0;

    demand(most <= SEGMENTS_MAX);
    for (; steps > 0; steps--) {
        if (count < most && (count == 0 || chance(self, 1, 2))) {
            count += segment_take(self, segments, &tally, &held[count]);
        } else {
            size_t i = below(self, count);

            segment_give(self, segments, &tally, held[i]);
            held[i] = held[--count];
        }
    }
    while (count > 0)
        segment_give(self, segments, &tally, held[--count]);
    tally_add(&segments->tally, &tally);
}

/* Four threads over one arena, while another looks at it, and gives back what its caches keep. */

static void churn(struct worker *self)
{
    segments_churn(self, self->shared, AMOUNT_OF(60000), 200);
}

/* What a walk shows lies in order, and it ends, whatever the others do meanwhile. */
static void look(const struct segments *segments)
{
    struct vmem_cursor cursor = {0};
    struct vmem_segment segment;
    vmem_addr_t next = 0;

    while (vmem_walk_next(segments->arena, &cursor, &segment)) {
        demand(segment.size > 0 && segment.addr % segments->quantum == 0);
        if (segment.kind == VMEM_SEGMENT_SPAN)
            continue;
        demand(segment.addr >= next);
        next = segment.addr + segment.size;
    }
}

static void tend(struct worker *self)
{
    struct segments *segments = self->shared;
    struct vmem_stats stats;

    for (unsigned round = 0; round < AMOUNT_OF(60); round++) {
        segments_churn(self, segments, 100, 20);
        if (chance(self, 1, 3))
            vmem_reap(segments->arena);
        else if (chance(self, 1, 2))
            drain_this_cpu();
        else
            look(segments);
        vmem_stat(segments->source, &stats);
        demand(stats.in_use <= UNITS * segments->quantum);
    }
}

void scenario_quantum(void)
{
    struct segments segments = {.quantum = 16};
    const struct role roles[] = {{4, churn, &segments}, {1, tend, &segments}};

    segments_create(&segments);
    run(roles, LENGTH(roles));
    segments_destroy(&segments);
}
