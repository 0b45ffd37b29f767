/* SPDX-License-Identifier: MIT */
/*
 * id.h - ID spaces: integers one at a time, for which no memory stands.
 *
 * Process IDs, file descriptors, minor numbers, interrupt vectors, ASIDs. One bit an ID, in
 * leaves that exist only where an ID is allocated, found through a tree of summaries: each
 * word has a bit a child that says whether anything below it is free.
 *
 *     static vmem_id_t *pids;
 *     const struct vmem_id_params params = {
 *         .name = "pid", .min = 1, .max = 32767, .wrap = 300, .flags = VMEM_ID_CYCLIC,
 *     };
 *     vmem_addr_t pid;
 *     int error = vmem_id_create(&params, &pids);
 *     if (error == 0)
 *         error = vmem_id_alloc(pids, 0, &pid);
 *     ...
 *     vmem_id_free(pids, pid);
 *
 * COSTS are given with n for the IDs of the space; the logarithm is to the base 64 (32 on
 * a 32-bit machine). A new space takes at most 256 bytes, one that is empty again a leaf or two
 * more, and one that is full at most 2 bits an ID (and one leaf).
 *
 * No space here may be NULL where its function does not say what then happens.
 *
 * CONTEXT. As for arenas (vmem/vmem.h): nothing sleeps but an allocation with VMEM_SLEEP, no hook
 * is called with a lock held, and what does not sleep may be called from an interrupt handler. Each
 * function takes the lock of the space. Calls pages: those that allocate, and free
 * where a leaf goes; with VMEM_SLEEP, wait, and where a request waits, a free calls wake. Requests
 * that wait are served in the order in which they came, but for those whose windows (min, max) do
 * not overlap.
 */
#ifndef VMEM_ID_H
#define VMEM_ID_H

#include <vmem/vmem.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmem_id vmem_id_t;

enum vmem_id_flags {
    VMEM_ID_LOWEST = 0x0, /* the lowest ID that is free: file descriptors, minor numbers */
    VMEM_ID_CYCLIC = 0x1  /* the next that is free after the one allocated last, so that an ID
                             comes back late: process IDs */
};

/* The most IDs in one range: what their leaves take is taken at once. */
#define VMEM_ID_RANGE_MAX ((vmem_size_t)1 << 28)

struct vmem_id_params {
    const char *name;     /* for reports; kept by reference */
    vmem_addr_t min, max; /* inclusive; any range, all integers included */
    vmem_addr_t wrap;     /* cyclic: where to go on after max, a floor below which only the first
                             round goes; 0: min */
    unsigned flags;       /* enum vmem_id_flags */
};

struct vmem_id_stats {
    vmem_size_t in_use;
    vmem_size_t free;
    size_t bytes;    /* of the tag pool, for all of the space */
    uint64_t allocs; /* IDs: a range counts as many as it has */
    uint64_t frees;
    uint64_t fails; /* requests refused, a vmem_id_take() of an allocated ID included */
    uint64_t waits; /* requests that had to wait, */
    size_t waiting; /*    and those that wait now */
};

/*
 * Makes an empty space.
 * 0 and the space in *spacep; or -VMEM_EINVAL: params, spacep or name NULL, min above max, wrap
 * other than 0 and not in [min, max], unknown flags (VMEM_FAULT_PARAMETER); or -VMEM_ENOMEM. O(1).
 */
int vmem_id_create(const struct vmem_id_params *params, vmem_id_t **spacep);

/*
 * Ends a space. 0; or -VMEM_EBUSY: IDs are allocated or waited for, reported as VMEM_FAULT_BUSY
 * with how many are allocated in `size`, or another thread is printing it (not reported: try
 * again); NULL: -VMEM_EINVAL, VMEM_FAULT_PARAMETER. O(1).
 */
int vmem_id_destroy(vmem_id_t *space);

/*
 * Allocates an ID: by the space's mode. `flags`: VMEM_NOSLEEP (0), or VMEM_SLEEP to wait for one.
 *
 * 0 and the ID in *idp; or
 *   -VMEM_ENOSPC  none is free (cyclic: none from the cursor to max, nor from wrap)
 *   -VMEM_ENOMEM  no memory for a leaf
 *   -VMEM_EINVAL  space or idp NULL, unknown flags: reported as VMEM_FAULT_PARAMETER.
 * O(log n) at any occupancy.
 */
int vmem_id_alloc(vmem_id_t *space, unsigned flags, vmem_addr_t *idp);

/*
 * The lowest free ID in [min, max] (inclusive, clipped to the space), in either mode; the cyclic
 * cursor stays. As vmem_id_alloc(), and -VMEM_EINVAL where min is above max. O(log n).
 */
int vmem_id_alloc_in(vmem_id_t *space, vmem_addr_t min, vmem_addr_t max, unsigned flags,
                     vmem_addr_t *idp);

/*
 * The lowest `count` IDs in a row that are free and begin at a multiple of `align` (a power of two;
 * 0: 1), in either mode; the cyclic cursor stays. It does not wait for what the space never has. As
 * vmem_id_alloc(), and -VMEM_EINVAL for a count of 0 or an align that is no power of two; a count
 * above VMEM_ID_RANGE_MAX is -VMEM_ENOMEM.
 * O(log n + count / 64) where the first free IDs serve; else it passes over what is too narrow a
 * word at a time, and over whole leaves that are full or empty in one step.
 */
int vmem_id_alloc_range(vmem_id_t *space, vmem_size_t count, vmem_size_t align, unsigned flags,
                        vmem_addr_t *firstp);

/*
 * Allocates this ID. 0; -VMEM_EBUSY: it is allocated (not reported); -VMEM_ENOMEM; -VMEM_EINVAL: it
 * is not in the space (VMEM_FAULT_PARAMETER). O(log n).
 */
int vmem_id_take(vmem_id_t *space, vmem_addr_t id);

/*
 * Frees an ID, however it was allocated. Needs no memory and cannot fail. Misuse is reported and
 * nothing changes: VMEM_FAULT_DOUBLE_FREE (it is free), VMEM_FAULT_FOREIGN (not in the space),
 * VMEM_FAULT_PARAMETER (space NULL). O(log n).
 */
void vmem_id_free(vmem_id_t *space, vmem_addr_t id);

/*
 * Frees [first, first + count), all of which must be allocated, or nothing is; a count of 0 is
 * reported as VMEM_FAULT_PARAMETER. O(log n + count / 64), in one hold of the lock.
 */
void vmem_id_free_range(vmem_id_t *space, vmem_addr_t first, vmem_size_t count);

/* Whether an ID is allocated; false also for what is not in the space. O(log n). */
bool vmem_id_is_allocated(vmem_id_t *space, vmem_addr_t id);

/*
 * The lowest allocated ID at or above `from`, in *idp; false: there is none. To go through them
 * all, as when a process ends with its files open:
 *
 *     for (vmem_addr_t fd = 0; vmem_id_next(fds, fd, &fd); fd++)
 *         close(fd);
 *
 * O(log n), and it passes over leaves without any in one step.
 */
bool vmem_id_next(vmem_id_t *space, vmem_addr_t from, vmem_addr_t *idp);

/* Copies the counters. O(1). */
void vmem_id_stat(vmem_id_t *space, struct vmem_id_stats *stats);

/*
 * Verifies every invariant: summaries against leaves, counts against bits, no empty leaf. 0, or a
 * positive enum vmem_fault_kind, which is also reported. O(leaves).
 */
int vmem_id_check(vmem_id_t *space);

#ifdef __cplusplus
}
#endif

#endif
