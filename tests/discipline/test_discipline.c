/* SPDX-License-Identifier: MIT */
/*
 * test_discipline.c - each violation of the discipline of locks, pins and hooks ends the program,
 * and is called by its name. Each is made in a process of its own, for each checking port.
 */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it. */
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmem/vmem.h>

#include VMEM_PORT_HEADER

/* Runs it in a child, whose standard error comes back as text; the status. */
static int run(void (*action)(void), char *text, size_t room)
{
    const struct rlimit none = {0, 0};
    int ends[2], status;
    ssize_t length;
    size_t used = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)dup2(ends[1], STDERR_FILENO);
        action();
        _exit(0);
    }
    (void)close(ends[1]);
    while (used < room - 1 && (length = read(ends[0], text + used, room - 1 - used)) > 0)
        used += (size_t)length;
    text[used] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void expect_violation(void (*action)(void), const char *message)
{
    char text[1024];
    int status = run(action, text, sizeof(text));

    assert_non_null(strstr(text, message));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static vmem_port_lock_t first = VMEM_PORT_LOCK_INIT;
static vmem_port_lock_t second = VMEM_PORT_LOCK_INIT;
static vmem_port_lock_t third = VMEM_PORT_LOCK_INIT;

static void lock(vmem_port_lock_t *taken)
{
    (void)vmem_port_lock(taken);
}

static unsigned long pin(void)
{
    unsigned long state;

    (void)vmem_port_pin(&state);
    return state;
}

/* One within the other, and released. */
static void nest(vmem_port_lock_t *outer, vmem_port_lock_t *inner)
{
    unsigned long states[] = {vmem_port_lock(outer), vmem_port_lock(inner)};

    vmem_port_unlock(inner, states[1]);
    vmem_port_unlock(outer, states[0]);
}

static void on_another_cpu(void);

/* No violation. */

static void nest_locks(void)
{
    unsigned long state, pinned;

    nest(&first, &second);
    nest(&second, &third);
    nest(&first, &third);
    pinned = pin();
    nest(&first, &second);
    vmem_port_unpin(pinned);
    state = vmem_port_lock(&first);
    pinned = pin();
    vmem_port_unlock(&second, vmem_port_lock(&second));
    vmem_port_unpin(pinned);
    vmem_port_unlock(&first, state);
    checked_port_no_lock("the end");
}

static void what_is_allowed_passes(void **state)
{
    char text[1024];

    (void)state;
    assert_int_equal(run(nest_locks, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

/* Locks. */

static void take_blank(void)
{
    static vmem_port_lock_t blank;

    lock(&blank);
}

static void an_uninitialised_lock_is_found(void **state)
{
    (void)state;
    expect_violation(take_blank, "a lock is taken that was never initialised");
}

static void take_twice(void)
{
    lock(&first);
    lock(&first);
}

static void a_lock_that_is_taken_twice_is_found(void **state)
{
    (void)state;
    expect_violation(take_twice, "a lock is taken that is held already");
}

static void take_three(void)
{
    lock(&first);
    lock(&second);
    lock(&third);
}

static void a_third_lock_is_found(void **state)
{
    (void)state;
    expect_violation(take_three, "more locks are held at once than vmem/port.h promises");
}

static void release_unheld(void)
{
    vmem_port_unlock(&first, 0);
}

static void a_release_without_a_lock_is_found(void **state)
{
    (void)state;
    expect_violation(release_unheld, "a lock is released that is not held");
}

static void release_outermost(void)
{
    unsigned long state = vmem_port_lock(&first);

    lock(&second);
    vmem_port_unlock(&first, state);
}

static void a_release_of_the_outer_lock_first_is_found(void **state)
{
    (void)state;
    expect_violation(release_outermost, "locks are not released innermost first");
}

static void release_with_an_old_state(void)
{
    unsigned long old = vmem_port_lock(&first);

    vmem_port_unlock(&first, old);
    lock(&first);
    vmem_port_unlock(&first, old);
}

static void a_foreign_state_is_found(void **state)
{
    (void)state;
    expect_violation(release_with_an_old_state,
                     "a lock is released with a state that is not its own");
}

/* Order. */

static void take_in_both_orders(void)
{
    nest(&first, &second);
    nest(&second, &first);
}

static void two_locks_in_both_orders_are_found(void **state)
{
    (void)state;
    expect_violation(take_in_both_orders, "locks are taken against their order");
}

static void take_in_a_circle(void)
{
    nest(&second, &third);
    nest(&first, &second);
    nest(&third, &first);
}

static void a_circle_of_three_locks_is_found(void **state)
{
    (void)state;
    expect_violation(take_in_a_circle, "locks are taken against their order");
}

static void take_two_of_a_class(void)
{
    static vmem_port_lock_t pair[2];

    for (unsigned i = 0; i < 2; i++)
        pair[i] = (vmem_port_lock_t)VMEM_PORT_LOCK_INIT;
    nest(&pair[0], &pair[1]);
}

static void two_locks_of_a_class_are_found(void **state)
{
    (void)state;
    expect_violation(take_two_of_a_class, "two locks of a class are held at once");
}

/* Pins. */

static void pin_twice(void)
{
    (void)pin();
    (void)pin();
}

static void a_pin_within_a_pin_is_found(void **state)
{
    (void)state;
    expect_violation(pin_twice, "the CPU is pinned twice");
}

static void unpin_unpinned(void)
{
    vmem_port_unpin(0);
}

static void an_unpin_without_a_pin_is_found(void **state)
{
    (void)state;
    expect_violation(unpin_unpinned, "the CPU is unpinned without a pin");
}

static void unpin_with_an_old_state(void)
{
    unsigned long old = pin();

    vmem_port_unpin(old);
    (void)pin();
    vmem_port_unpin(old);
}

static void a_foreign_state_of_a_pin_is_found(void **state)
{
    (void)state;
    expect_violation(unpin_with_an_old_state,
                     "the CPU is unpinned with a state that is not its own");
}

static void unpin_elsewhere(void)
{
    unsigned long state = pin();

    on_another_cpu();
    vmem_port_unpin(state);
}

static void an_unpin_on_another_cpu_is_found(void **state)
{
    (void)state;
    expect_violation(unpin_elsewhere, "the CPU is unpinned on another CPU");
}

static void unpin_with_a_lock(void)
{
    unsigned long state = pin();

    lock(&first);
    vmem_port_unpin(state);
}

static void a_lock_that_outlasts_the_pin_is_found(void **state)
{
    (void)state;
    expect_violation(unpin_with_a_lock, "a lock that was taken while pinned outlasts the pin");
}

static void release_an_outer_lock_pinned(void)
{
    unsigned long state = vmem_port_lock(&first);

    (void)pin();
    vmem_port_unlock(&first, state);
}

static void an_outer_lock_released_while_pinned_is_found(void **state)
{
    (void)state;
    expect_violation(release_an_outer_lock_pinned,
                     "a lock that was held before the pin is released before the unpin");
}

/* Hooks. */

static void report_locked(void)
{
    lock(&first);
    (void)vmem_create(NULL, NULL);
}

static void a_fault_with_a_lock_held_is_found(void **state)
{
    (void)state;
    expect_violation(report_locked, "a lock is held in vmem_port_fault");
}

static void report_pinned(void)
{
    (void)pin();
    (void)vmem_create(NULL, NULL);
}

static void a_fault_while_pinned_is_found(void **state)
{
    (void)state;
    expect_violation(report_pinned, "the CPU is pinned in vmem_port_fault");
}

static void borrow_locked(void)
{
    lock(&first);
    (void)vmem_port_pages_alloc(VMEM_PAGE_SIZE);
}

static void a_request_for_pages_with_a_lock_held_is_found(void **state)
{
    (void)state;
    expect_violation(borrow_locked, "a lock is held in vmem_port_pages_alloc");
}

static void give_back_locked(void)
{
    lock(&first);
    vmem_port_pages_free(NULL, VMEM_PAGE_SIZE);
}

static void a_return_of_pages_with_a_lock_held_is_found(void **state)
{
    (void)state;
    expect_violation(give_back_locked, "a lock is held in vmem_port_pages_free");
}

static void call_back_locked(void)
{
    lock(&first);
    checked_port_no_lock("a constructor");
}

static void a_hook_of_a_test_with_a_lock_held_is_found(void **state)
{
    (void)state;
    expect_violation(call_back_locked, "a lock is held in a constructor");
}

#if VMEM_CONFIG_SLEEP && defined(VMEM_PORT_WAITS)

static const uint32_t woken = 1;

static void wait_locked(void)
{
    lock(&first);
    vmem_port_wait(&woken);
}

static void a_wait_with_a_lock_held_is_found(void **state)
{
    (void)state;
    expect_violation(wait_locked, "a lock is held in vmem_port_wait");
}

static void wait_pinned(void)
{
    (void)pin();
    vmem_port_wait(&woken);
}

static void a_wait_while_pinned_is_found(void **state)
{
    (void)state;
    expect_violation(wait_pinned, "the CPU is pinned in vmem_port_wait");
}

static void wake_locked(void)
{
    lock(&first);
    vmem_port_wake(&woken);
}

static void a_wake_with_a_lock_held_is_found(void **state)
{
    (void)state;
    expect_violation(wake_locked, "a lock is held in vmem_port_wake");
}

#ifndef MANY_THREADS

/*
 * A request of one thread that waits: what others do for it is played.
 */

static uint32_t asleep;

static void wait_alone(void)
{
    vmem_port_wait(&asleep);
}

static void a_wait_with_nobody_else_there_is_found(void **state)
{
    (void)state;
    expect_violation(wait_alone, "a request waits for ever: there is nobody else");
}

static void do_nothing(void)
{
}

static void wait_beside_idlers(void)
{
    checked_port_others = do_nothing;
    vmem_port_wait(&asleep);
}

static void a_wakeup_that_is_lost_is_found(void **state)
{
    (void)state;
    expect_violation(wait_beside_idlers, "a wakeup is lost");
}

static void wake_silently(void)
{
    asleep = 1;
}

static void wait_without_being_told(void)
{
    checked_port_others = wake_silently;
    vmem_port_wait(&asleep);
}

static void a_wakeup_of_which_the_port_is_not_told_is_found(void **state)
{
    (void)state;
    expect_violation(wait_without_being_told, "a request is woken, and the port is not told");
}

static void wait_too_often(void)
{
    for (;;)
        vmem_port_wait(&woken);
}

static void a_request_that_is_woken_again_and_again_is_found(void **state)
{
    (void)state;
    expect_violation(wait_too_often, "a request waits for ever: it is woken, and woken");
}

static void wake_and_tell(void)
{
    asleep = 1;
    vmem_port_wake(&asleep);
}

static void use_waits_rightly(void)
{
    checked_port_others = wake_and_tell;
    vmem_port_wait(&asleep);
    vmem_port_wait(&asleep); /* woken meanwhile */
    asleep = 0;
    checked_port_others = do_nothing;
    checked_port_returns_early = true;
    vmem_port_wait(&asleep);
    vmem_port_wake(&woken); /* of whom nobody is */
}

static void a_request_that_is_woken_passes(void **state)
{
    char text[1024];

    (void)state;
    assert_int_equal(run(use_waits_rightly, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

#endif
#endif

#ifdef MANY_THREADS

extern __thread unsigned vmem_posix_cpu;

static void on_another_cpu(void)
{
    vmem_posix_cpu++;
}

static void in_a_thread(void *(*work)(void *argument))
{
    pthread_t thread;

    (void)pthread_create(&thread, NULL, work, NULL);
    (void)pthread_join(thread, NULL);
}

static void *release(void *unused)
{
    (void)unused;
    vmem_port_unlock(&first, 1);
    return NULL;
}

static void release_anothers(void)
{
    lock(&first);
    in_a_thread(release);
}

static void a_release_by_another_thread_is_found(void **state)
{
    (void)state;
    expect_violation(release_anothers, "a lock is released that is not held");
}

static void *nest_first_second(void *unused)
{
    (void)unused;
    nest(&first, &second);
    return NULL;
}

static void *nest_second_first(void *unused)
{
    (void)unused;
    nest(&second, &first);
    return NULL;
}

static void take_in_both_orders_by_two(void)
{
    in_a_thread(nest_first_second);
    in_a_thread(nest_second_first);
}

static void the_orders_of_two_threads_are_compared(void **state)
{
    (void)state;
    expect_violation(take_in_both_orders_by_two, "locks are taken against their order");
}

static void *pin_cpu_0(void *unused)
{
    (void)unused;
    vmem_posix_cpu = 0;
    (void)pin();
    return NULL;
}

static void pin_by_two(void)
{
    in_a_thread(pin_cpu_0);
    in_a_thread(pin_cpu_0);
}

static void two_threads_pinned_to_a_cpu_are_found(void **state)
{
    (void)state;
    expect_violation(pin_by_two, "two threads are pinned to one CPU");
}

#else

static void on_another_cpu(void)
{
    checked_port_cpu++;
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed_passes),
        cmocka_unit_test(an_uninitialised_lock_is_found),
        cmocka_unit_test(a_lock_that_is_taken_twice_is_found),
        cmocka_unit_test(a_third_lock_is_found),
        cmocka_unit_test(a_release_without_a_lock_is_found),
        cmocka_unit_test(a_release_of_the_outer_lock_first_is_found),
        cmocka_unit_test(a_foreign_state_is_found),
        cmocka_unit_test(two_locks_in_both_orders_are_found),
        cmocka_unit_test(a_circle_of_three_locks_is_found),
        cmocka_unit_test(two_locks_of_a_class_are_found),
        cmocka_unit_test(a_pin_within_a_pin_is_found),
        cmocka_unit_test(an_unpin_without_a_pin_is_found),
        cmocka_unit_test(a_foreign_state_of_a_pin_is_found),
        cmocka_unit_test(an_unpin_on_another_cpu_is_found),
        cmocka_unit_test(a_lock_that_outlasts_the_pin_is_found),
        cmocka_unit_test(an_outer_lock_released_while_pinned_is_found),
        cmocka_unit_test(a_fault_with_a_lock_held_is_found),
        cmocka_unit_test(a_fault_while_pinned_is_found),
        cmocka_unit_test(a_request_for_pages_with_a_lock_held_is_found),
        cmocka_unit_test(a_return_of_pages_with_a_lock_held_is_found),
        cmocka_unit_test(a_hook_of_a_test_with_a_lock_held_is_found),
#if VMEM_CONFIG_SLEEP && defined(VMEM_PORT_WAITS)
        cmocka_unit_test(a_wait_with_a_lock_held_is_found),
        cmocka_unit_test(a_wait_while_pinned_is_found),
        cmocka_unit_test(a_wake_with_a_lock_held_is_found),
#ifndef MANY_THREADS
        cmocka_unit_test(a_wait_with_nobody_else_there_is_found),
        cmocka_unit_test(a_wakeup_that_is_lost_is_found),
        cmocka_unit_test(a_wakeup_of_which_the_port_is_not_told_is_found),
        cmocka_unit_test(a_request_that_is_woken_again_and_again_is_found),
        cmocka_unit_test(a_request_that_is_woken_passes),
#endif
#endif
#ifdef MANY_THREADS
        cmocka_unit_test(a_release_by_another_thread_is_found),
        cmocka_unit_test(the_orders_of_two_threads_are_compared),
        cmocka_unit_test(two_threads_pinned_to_a_cpu_are_found),
#endif
    };

    vmem_port_unlock(&first, vmem_port_lock(&first)); /* a thread's first lock may give it a CPU */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
