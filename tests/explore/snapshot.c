/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - the program's static memory, copied and restored.
 *
 * The library keeps its pool, its lists and its first pages in static variables, and so do the
 * machine and the scenarios. All of them lie between two symbols of the linker. What is to outlive
 * a run (the search, the fibers' stacks, the buffers of stdio) is on the heap or in the C library,
 * and the pointers to it are set before the first copy.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

extern char __data_start[]; /* of the program's own .data, */
extern char _end[];         /*    and behind its .bss */

struct snapshot {
    size_t size;
    char bytes[];
};

struct snapshot *snapshot_take(void)
{
    size_t size = (size_t)((uintptr_t)_end - (uintptr_t)__data_start);
    struct snapshot *snapshot = malloc(sizeof *snapshot + size);

    if (snapshot == NULL)
        abort();
    snapshot->size = size;
    memcpy(snapshot->bytes, __data_start, size);
    return snapshot;
}

void snapshot_restore(const struct snapshot *snapshot)
{
    memcpy(__data_start, snapshot->bytes, snapshot->size);
}

void snapshot_free(struct snapshot *snapshot)
{
    free(snapshot);
}
