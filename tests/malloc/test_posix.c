/* SPDX-License-Identifier: MIT */
/*
 * test_posix.c - the port for hosts: pages, threads as CPUs, and the gate.
 */
#define _DEFAULT_SOURCE
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <vmem/cache.h>
#include <vmem/debug.h>
#include <vmem/port/posix.h>

static void pages_are_aligned_and_zero(void **state)
{
    (void)state;
    for (size_t size = VMEM_PAGE_SIZE; size <= 64 * (size_t)VMEM_PAGE_SIZE; size *= 2) {
        unsigned char *pages = vmem_port_pages_alloc(size);

        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages & (VMEM_PAGE_SIZE - 1), 0);
        assert_int_equal(pages[0] + pages[size - 1], 0);
        pages[0] = pages[size - 1] = 1;
        vmem_port_pages_free(pages, size);
    }
}

static void pages_that_are_refused_leave_errno_alone(void **state)
{
    (void)state;
    errno = 12345;
    assert_null(vmem_port_pages_alloc(SIZE_MAX - 16 * (size_t)VMEM_PAGE_SIZE + 1));
    assert_int_equal(errno, 12345);
}

/*
 * Threads that stay until they are told to go: each finds out its number.
 */

struct guest {
    pthread_t thread;
    unsigned cpu;
    sem_t arrived;
    sem_t leave;
};

/* A thread gets its number with the first lock that it takes. */
static unsigned my_cpu(void)
{
    vmem_port_lock_t lock = VMEM_PORT_LOCK_INIT;
    unsigned long pinned;
    unsigned cpu;

    vmem_port_unlock(&lock, vmem_port_lock(&lock));
    cpu = vmem_port_pin(&pinned);
    vmem_port_unpin(pinned);
    return cpu;
}

static void *be_a_guest(void *argument)
{
    struct guest *guest = argument;

    guest->cpu = my_cpu();
    (void)sem_post(&guest->arrived);
    (void)sem_wait(&guest->leave);
    if (guest->cpu != my_cpu())
        guest->cpu = VMEM_PORT_CPUS + 1;
    return NULL;
}

static void invite(struct guest *guest)
{
    assert_int_equal(sem_init(&guest->arrived, 0, 0), 0);
    assert_int_equal(sem_init(&guest->leave, 0, 0), 0);
    assert_int_equal(pthread_create(&guest->thread, NULL, be_a_guest, guest), 0);
    assert_int_equal(sem_wait(&guest->arrived), 0);
}

static void send_off(struct guest *guest)
{
    unsigned cpu = guest->cpu;

    assert_int_equal(sem_post(&guest->leave), 0);
    assert_int_equal(pthread_join(guest->thread, NULL), 0);
    assert_int_equal(guest->cpu, cpu);
}

static void each_thread_keeps_a_number_of_its_own(void **state)
{
    enum { GUESTS = 10 };
    struct guest guests[GUESTS];

    (void)state;
    assert_int_equal(my_cpu(), 0);
    for (unsigned i = 0; i < GUESTS; i++) {
        invite(&guests[i]);
        assert_int_equal(guests[i].cpu, i + 1);
    }
    assert_int_equal(my_cpu(), 0);
    for (unsigned i = 0; i < GUESTS; i++)
        send_off(&guests[i]);
}

static void a_number_is_used_again_when_its_thread_has_ended(void **state)
{
    struct guest guests[3];

    (void)state;
    for (unsigned i = 0; i < LENGTH(guests); i++)
        invite(&guests[i]);
    send_off(&guests[1]);
    invite(&guests[1]);
    assert_int_equal(guests[1].cpu, 2);
    for (unsigned i = 0; i < LENGTH(guests); i++)
        send_off(&guests[i]);
}

static void threads_beyond_the_numbers_have_none(void **state)
{
    static struct guest guests[VMEM_PORT_CPUS + 2];

    (void)state;
    (void)my_cpu();
    for (unsigned i = 0; i < LENGTH(guests); i++) {
        invite(&guests[i]);
        assert_int_equal(guests[i].cpu, i + 1 < VMEM_PORT_CPUS ? i + 1 : VMEM_PORT_CPUS);
    }
    for (unsigned i = 0; i < LENGTH(guests); i++)
        send_off(&guests[i]);
}

/*
 * What a thread leaves in its magazines.
 */

enum { OBJECTS = 200 };

static void *use_a_cache(void *argument)
{
    void *objects[OBJECTS];

    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = vmem_cache_alloc(argument, 0);
    for (unsigned i = 0; i < OBJECTS; i++)
        vmem_cache_free(argument, objects[i]);
    return NULL;
}

static void the_magazines_of_a_thread_are_drained_when_it_ends(void **state)
{
    static _Alignas(4096) unsigned char memory[1 << 20];
    const struct vmem_params space = {
        .name = "memory", .base = (uintptr_t)memory, .size = sizeof memory, .quantum = 4096};
    struct vmem_cache_params objects = {.name = "object", .size = 100};
    struct vmem_cache_stats stats;
    vmem_cache_t *cache;
    pthread_t thread;

    (void)state;
    assert_int_equal(vmem_create(&space, &objects.arena), 0);
    assert_int_equal(vmem_cache_create(&objects, &cache), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_a_cache, cache), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    vmem_cache_stat(cache, &stats);
    assert_int_equal(stats.allocs, OBJECTS);
    assert_int_equal(stats.frees, OBJECTS);
    assert_true(stats.exchanges + stats.misses < 2 * OBJECTS); /* it had some */
    vmem_cache_reap(cache); /* the depot's; of no CPU but this one */
    vmem_cache_stat(cache, &stats);
    assert_int_equal(stats.in_magazines, 0);
    assert_int_equal(vmem_cache_check(cache), 0);
    assert_int_equal(vmem_cache_destroy(cache), 0);
    assert_int_equal(vmem_destroy(objects.arena), 0);
}

/*
 * The gate. The short sleeps give the other thread time to do what it must not.
 */

struct visit {
    pthread_t thread;
    sem_t inside;
    bool has_left;
};

static void set(bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_SEQ_CST);
}

static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void *stay_inside(void *argument)
{
    struct visit *visit = argument;
    unsigned place = vmem_posix_enter();

    (void)sem_post(&visit->inside);
    (void)usleep(10000);
    set(&visit->has_left);
    vmem_posix_leave(place);
    return NULL;
}

static void closing_waits_for_those_inside(void **state)
{
    struct visit visit = {.has_left = false};

    (void)state;
    assert_int_equal(sem_init(&visit.inside, 0, 0), 0);
    assert_int_equal(pthread_create(&visit.thread, NULL, stay_inside, &visit), 0);
    assert_int_equal(sem_wait(&visit.inside), 0);
    vmem_posix_close();
    assert_true(is_set(&visit.has_left));
    vmem_posix_open();
    assert_int_equal(pthread_join(visit.thread, NULL), 0);
}

static void *go_in_and_out(void *argument)
{
    struct visit *visit = argument;
    unsigned place;

    (void)sem_post(&visit->inside);
    place = vmem_posix_enter();
    set(&visit->has_left);
    vmem_posix_leave(place);
    return NULL;
}

static void nobody_comes_in_while_it_is_closed(void **state)
{
    struct visit visit = {.has_left = false};

    (void)state;
    assert_int_equal(sem_init(&visit.inside, 0, 0), 0);
    vmem_posix_close();
    assert_int_equal(pthread_create(&visit.thread, NULL, go_in_and_out, &visit), 0);
    assert_int_equal(sem_wait(&visit.inside), 0);
    (void)usleep(10000);
    assert_false(is_set(&visit.has_left));
    vmem_posix_leave(vmem_posix_enter()); /* but who closed it */
    vmem_posix_open();
    assert_int_equal(pthread_join(visit.thread, NULL), 0);
    assert_true(is_set(&visit.has_left));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_aligned_and_zero),
        cmocka_unit_test(pages_that_are_refused_leave_errno_alone),
        cmocka_unit_test(each_thread_keeps_a_number_of_its_own),
        cmocka_unit_test(a_number_is_used_again_when_its_thread_has_ended),
        cmocka_unit_test(threads_beyond_the_numbers_have_none),
        cmocka_unit_test(the_magazines_of_a_thread_are_drained_when_it_ends),
        cmocka_unit_test(closing_waits_for_those_inside),
        cmocka_unit_test(nobody_comes_in_while_it_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
