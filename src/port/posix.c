/* SPDX-License-Identifier: MIT */
/*
 * port/posix.c - the port for programs on a host: pages from mmap, reports to
 * standard error, threads as CPUs, and a gate for those that fork.
 *
 * Nothing here allocates, and the hooks for pages leave errno alone, so that this can stand
 * behind malloc and free themselves.
 *
 * Locking: `waiting.lock` is taken alone. `gate.lock` is held by the thread that has closed the
 * gate; `cpus.lock`, for the numbers of threads, is taken last. Neither is taken with one of the
 * library's: a thread gets its number before it takes the first of those.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

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
    int saved = errno;
    char *mapped =
        mmap(NULL, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (mapped == MAP_FAILED) {
        errno = saved;
        return NULL;
    }
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
 * Waiting: one condition for all who wait, since they are few. Whoever wakes has written *woken
 * before, and takes the lock under which it is read, so no wake falls between the look and the
 * wait.
 */

enum { LOOK_AGAIN_NS = 100 * 1000 * 1000 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct timespec soon(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += LOOK_AGAIN_NS;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

void vmem_port_wait(const uint32_t *woken)
{
    struct timespec until = soon();

    (void)pthread_mutex_lock(&waiting.lock);
    while (__atomic_load_n(woken, __ATOMIC_ACQUIRE) == 0)
        if (pthread_cond_timedwait(&waiting.changed, &waiting.lock, &until) != 0)
            break;
    (void)pthread_mutex_unlock(&waiting.lock);
}

void vmem_port_wake(const uint32_t *woken)
{
    (void)woken;
    (void)pthread_mutex_lock(&waiting.lock);
    (void)pthread_cond_broadcast(&waiting.changed);
    (void)pthread_mutex_unlock(&waiting.lock);
}

/*
 * Threads as CPUs
 */

__thread unsigned vmem_posix_cpu = VMEM_PORT_CPUS;
__thread bool vmem_posix_counted;

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    bool has_key;
    pthread_key_t key; /* its destructor knows when a thread ends */
    bool taken[VMEM_PORT_CPUS];
    unsigned online; /* one more than the highest number that there ever was */
} cpus = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static void give_number_back(unsigned cpu)
{
    (void)pthread_mutex_lock(&cpus.lock);
    cpus.taken[cpu] = false;
    (void)pthread_mutex_unlock(&cpus.lock);
}

/* The value of the key is the number of the thread, plus one. */
static void thread_ends(void *value)
{
    unsigned cpu = (unsigned)(uintptr_t)value - 1;
    unsigned place = vmem_posix_enter();

    vmem_cpu_drain(cpu);
    vmem_posix_cpu = VMEM_PORT_CPUS; /* for the destructors that follow */
    give_number_back(cpu);
    vmem_posix_leave(place);
}

static void make_key(void)
{
    cpus.has_key = pthread_key_create(&cpus.key, thread_ends) == 0;
}

/* The lowest free number, and in *onlinep how many CPUs there are with it. */
static unsigned take_number(unsigned *onlinep)
{
    unsigned cpu = 0;

    (void)pthread_mutex_lock(&cpus.lock);
    while (cpu < VMEM_PORT_CPUS && cpus.taken[cpu])
        cpu++;
    if (cpu < VMEM_PORT_CPUS) {
        cpus.taken[cpu] = true;
        if (cpus.online <= cpu)
            cpus.online = cpu + 1;
    }
    *onlinep = cpus.online;
    (void)pthread_mutex_unlock(&cpus.lock);
    return cpu;
}

void vmem_posix_assign_cpu(void)
{
    unsigned online;
    unsigned cpu;

    vmem_posix_counted = true; /* pthread_setspecific may allocate */
    (void)pthread_once(&cpus.once, make_key);
    if (!cpus.has_key)
        return;
    cpu = take_number(&online);
    if (cpu == VMEM_PORT_CPUS)
        return;
    if (pthread_setspecific(cpus.key, (void *)(uintptr_t)(cpu + 1)) != 0) {
        give_number_back(cpu);
        return;
    }
    vmem_cpus_online(online);
    vmem_posix_cpu = cpu;
}

/*
 * The gate
 *
 * Who enters counts himself in and then looks whether the gate is closed; who closes it says so and
 * then looks at the counts. Both in one order for all (SEQ_CST), so at least one sees the other.
 */

enum { CACHE_LINE = 64 };

static struct {
    pthread_mutex_t lock; /* held while it is closed */
    bool closed;
    struct {
        _Alignas(CACHE_LINE) unsigned inside;
    } places[VMEM_PORT_CPUS + 1]; /* one a number, the last for all who have none */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER};

static __thread bool closed_by_me;

unsigned vmem_posix_enter(void)
{
    unsigned place = vmem_posix_cpu;

    for (;;) {
        __atomic_fetch_add(&gate.places[place].inside, 1, __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&gate.closed, __ATOMIC_SEQ_CST) || closed_by_me)
            return place;
        vmem_posix_leave(place);
        (void)pthread_mutex_lock(&gate.lock); /* until it is open */
        (void)pthread_mutex_unlock(&gate.lock);
    }
}

void vmem_posix_leave(unsigned place)
{
    __atomic_fetch_sub(&gate.places[place].inside, 1, __ATOMIC_RELEASE);
}

void vmem_posix_close(void)
{
    (void)pthread_mutex_lock(&gate.lock);
    closed_by_me = true;
    __atomic_store_n(&gate.closed, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i <= VMEM_PORT_CPUS; i++)
        while (__atomic_load_n(&gate.places[i].inside, __ATOMIC_SEQ_CST) != 0)
            (void)sched_yield();
}

void vmem_posix_open(void)
{
    __atomic_store_n(&gate.closed, false, __ATOMIC_SEQ_CST);
    closed_by_me = false;
    (void)pthread_mutex_unlock(&gate.lock);
}

/* Those who were on their way in are not here to count themselves out again. */
static void open_in_child(void)
{
    for (unsigned i = 0; i <= VMEM_PORT_CPUS; i++)
        gate.places[i].inside = 0;
    vmem_posix_open();
}

void vmem_posix_fork_safe(void)
{
    (void)pthread_atfork(vmem_posix_close, vmem_posix_open, open_in_child);
}
