/* SPDX-License-Identifier: MIT */
/*
 * check.c - misuse told as it happens, and a check of everything at the end.
 *
 * VMEM_MALLOC_CHECK names a file: each process that ends by exit adds a line to it. A process in
 * which anything was found wrong, now or before, ends with FAULT_STATUS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmem/debug.h>
#include <vmem/port/posix.h>

#include "memory.h"

enum { FAULT_STATUS = 99 };

static char path[PATH_MAX]; /* empty: no check */
static unsigned faults;

static void to_stderr(void *ctx, const char *string)
{
    (void)ctx;
    if (write(STDERR_FILENO, string, strlen(string)) < 0)
        return; /* there is no other place to tell it */
}

/* Inside of malloc or free: allocates nothing. */
static void on_fault(const struct vmem_fault *fault)
{
    int saved = errno;

    __atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
    to_stderr(NULL, "vmem malloc: ");
    vmem_fault_print(fault, to_stderr, NULL);
    to_stderr(NULL, "\n");
    errno = saved;
}

static void add_line(const char *line)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (file < 0 || write(file, line, strlen(line)) < 0)
        to_stderr(NULL, line);
    if (file >= 0)
        (void)close(file);
}

static void report(void)
{
    struct vmem_heap_stats stats;
    char line[512];

    vmem_heap_stat(memory_heap, &stats);
    (void)snprintf(line, sizeof line,
                   "%s %ld %s: %llu allocs %llu frees %llu fails, %zu blocks of %llu bytes in use, "
                   "%llu held\n",
                   faults == 0 ? "ok" : "FAULT", (long)getpid(), program_invocation_short_name,
                   (unsigned long long)stats.allocs, (unsigned long long)stats.frees,
                   (unsigned long long)stats.fails, stats.blocks, (unsigned long long)stats.in_use,
                   (unsigned long long)stats.held);
    add_line(line);
}

__attribute__((constructor)) static void prepare(void)
{
    const char *name = secure_getenv("VMEM_MALLOC_CHECK");

    vmem_posix_on_fault = on_fault;
    vmem_posix_fork_safe();
    if (name != NULL)
        (void)snprintf(path, sizeof path, "%s", name);
}

/* Other threads may still be there: they wait at the gate meanwhile. */
__attribute__((destructor)) static void check_at_exit(void)
{
    if (path[0] == '\0' || memory_heap == NULL)
        return;
    vmem_posix_close();
    (void)vmem_heap_check(memory_heap);
    (void)vmem_check(NULL);
    report();
    vmem_posix_open();
    if (faults != 0) {
        (void)fflush(NULL);
        _exit(FAULT_STATUS);
    }
}
