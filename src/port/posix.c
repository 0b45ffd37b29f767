/* SPDX-License-Identifier: MIT */
/*
 * port/posix.c - the port for programs on a host: pages from mmap, reports to
 * standard error.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include <vmem/cache.h>
#include <vmem/debug.h>
#include <vmem/port/posix.h>

void (*vmem_posix_on_fault)(const struct vmem_fault *fault);

uintptr_t vmem_posix_self(void)
{
    return (uintptr_t)&errno;
}

static void to_stderr(void *ctx, const char *string)
{
    (void)ctx;
    (void)fputs(string, stderr);
}

void vmem_port_fault(const struct vmem_fault *fault)
{
    if (vmem_posix_on_fault != NULL) {
        vmem_posix_on_fault(fault);
        return;
    }
    vmem_fault_print(fault, to_stderr, NULL);
    (void)fputc('\n', stderr);
}

/* mmap aligns to the host's pages; where ours are larger, more is mapped and the ends cut off. */
void *vmem_port_pages_alloc(size_t size)
{
    size_t spare = VMEM_PAGE_SIZE > 4096 ? VMEM_PAGE_SIZE : 0;
    char *mapped =
        mmap(NULL, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (mapped == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)mapped & (VMEM_PAGE_SIZE - 1);
    if (before > 0)
        (void)munmap(mapped, before);
    if (spare > before)
        (void)munmap(mapped + before + size, spare - before);
    return mapped + before;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    (void)munmap(pages, size);
}

/*
 * Threads as CPUs
 */

__thread unsigned vmem_posix_cpu;

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    pthread_key_t key; /* its destructor knows when a thread ends */
    bool taken[VMEM_PORT_CPUS];
} cpus = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* The value of the key is the number of the thread, plus one. */
static void thread_ends(void *value)
{
    unsigned cpu = (unsigned)(uintptr_t)value - 1;

    vmem_cpu_drain(cpu);
    vmem_posix_cpu = VMEM_PORT_CPUS + 1; /* destructors that follow have none */
    (void)pthread_mutex_lock(&cpus.lock);
    cpus.taken[cpu] = false;
    (void)pthread_mutex_unlock(&cpus.lock);
}

static void make_key(void)
{
    (void)pthread_key_create(&cpus.key, thread_ends);
}

unsigned vmem_posix_assign_cpu(void)
{
    unsigned cpu = 0;

    vmem_posix_cpu = VMEM_PORT_CPUS + 1; /* while what follows may allocate */
    (void)pthread_once(&cpus.once, make_key);
    (void)pthread_mutex_lock(&cpus.lock);
    while (cpu < VMEM_PORT_CPUS && cpus.taken[cpu])
        cpu++;
    if (cpu < VMEM_PORT_CPUS)
        cpus.taken[cpu] = true;
    (void)pthread_mutex_unlock(&cpus.lock);
    if (cpu < VMEM_PORT_CPUS) {
        (void)pthread_setspecific(cpus.key, (void *)(uintptr_t)(cpu + 1));
        vmem_cpus_online(cpu + 1);
        vmem_posix_cpu = cpu + 1;
    }
    return cpu;
}
