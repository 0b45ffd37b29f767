/* SPDX-License-Identifier: MIT */
/*
 * process.c - threads, and the files that processes have open.
 *
 * A thread structure has a stack, and keeps it while it is free: its constructor allocates the
 * stack and its destructor frees it. So a thread that starts soon after another one has ended
 * costs a few instructions, and the stacks of the past are given back when memory is short.
 */
#include "kernel.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);

vmem_cache_t *threads;
unsigned long stacks;

static char *files[PROCESS_COUNT][FILES_MAX]; /* by descriptor: the path; NULL: not open */

static int thread_construct(void *object, void *ctx, unsigned flags)
{
    struct thread *thread = object;
    vmem_addr_t stack;
    (void)ctx;
    const int error = vmem_alloc(arenas[ARENA_KMEM], STACK_SIZE, flags, &stack);
    if (error != 0)
        return error;
    thread->pid = 0;
    thread->stack = (void *)(uintptr_t)stack;
    __atomic_fetch_add(&stacks, 1, __ATOMIC_RELAXED);
    return 0;
}

static void thread_destruct(void *object, void *ctx)
{
    const struct thread *thread = object;
    (void)ctx;
    expect(thread->pid == 0, "a thread that goes has ended");
    vmem_free(arenas[ARENA_KMEM], (uintptr_t)thread->stack, STACK_SIZE);
    __atomic_fetch_sub(&stacks, 1, __ATOMIC_RELAXED);
}

void process_init(void)
{
    const struct vmem_cache_params params = {.name = "thread",
                                             .size = sizeof(struct thread),
                                             .construct = thread_construct,
                                             .destruct = thread_destruct,
                                             .arena = arenas[ARENA_KMEM]};
    expect(vmem_cache_create(&params, &threads) == 0, "threads have a cache");
}

int thread_start(struct thread **threadp)
{
    struct thread *thread = vmem_cache_alloc(threads, 0);
    if (thread == NULL)
        return -VMEM_ENOMEM;
    expect(thread->pid == 0 && thread->stack != NULL, "a thread is handed out as constructed");
    const int error = vmem_id_alloc(ids[IDS_PID], 0, &thread->pid);
    if (error != 0) {
        vmem_cache_free(threads, thread);
        return error;
    }
    *threadp = thread;
    return 0;
}

void thread_end(struct thread *thread)
{
    vmem_id_free(ids[IDS_PID], thread->pid);
    thread->pid = 0;
    vmem_cache_free(threads, thread);
}

static char *copy_string(const char *string)
{
    size_t size = 1;
    while (string[size - 1] != '\0')
        size++;
    char *copy = vmem_heap_alloc(heap, size, 0);
    if (copy != NULL)
        memcpy(copy, string, size);
    return copy;
}

int file_open(unsigned process, const char *path, vmem_addr_t *fdp)
{
    char *copy = copy_string(path);
    if (copy == NULL)
        return -VMEM_ENOMEM;
    const int error = vmem_id_alloc(ids[IDS_FILE + process], 0, fdp);
    if (error != 0) {
        vmem_heap_free(heap, copy);
        return error;
    }
    expect(files[process][*fdp] == NULL, "a descriptor is of one file");
    files[process][*fdp] = copy;
    return 0;
}

const char *file_path(unsigned process, vmem_addr_t fd)
{
    return files[process][fd];
}

void file_close(unsigned process, vmem_addr_t fd)
{
    vmem_heap_free(heap, files[process][fd]);
    files[process][fd] = NULL;
    vmem_id_free(ids[IDS_FILE + process], fd);
}
