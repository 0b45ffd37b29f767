/* SPDX-License-Identifier: MIT */
/*
 * test_threads.c - threads that allocate while the process forks, more of them than there are
 * magazines for, and a process that ends while they go on. It is run with our malloc in place of
 * the host's, which checks everything in each process that exits, a child of a fork included.
 */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEED = 19940606, SLOTS = 64 };

static unsigned next(unsigned *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

/* A block whose first and last bytes say whose it is. */
struct slot {
    unsigned char *block;
    size_t size;
    unsigned char owner;
};

struct churn {
    unsigned random;
    struct slot slots[SLOTS];
    unsigned damaged; /* blocks that were not as they had been left */
};

static size_t some_size(unsigned *random)
{
    static const size_t limits[] = {64, 64, 1024, 1024, 1024, 16384, 200000, 2000000};

    return 2 + next(random) % limits[next(random) % LENGTH(limits)];
}

static void mark(struct slot *slot, unsigned char owner)
{
    slot->owner = owner;
    slot->block[0] = owner;
    slot->block[slot->size - 1] = owner;
}

static bool is_marked(const struct slot *slot)
{
    return slot->block[0] == slot->owner && slot->block[slot->size - 1] == slot->owner;
}

static void give_up(struct churn *churn, struct slot *slot)
{
    churn->damaged += !is_marked(slot);
    free(slot->block);
    slot->block = NULL;
}

/* Shrunk or grown: the first byte must stay. */
static void resize(struct churn *churn, struct slot *slot)
{
    size_t size = some_size(&churn->random);
    unsigned char *block = realloc(slot->block, size);

    if (block == NULL) {
        churn->damaged++;
        return;
    }
    churn->damaged += block[0] != slot->owner;
    slot->block = block;
    slot->size = size;
    mark(slot, slot->owner);
}

static void step(struct churn *churn)
{
    struct slot *slot = &churn->slots[next(&churn->random) % SLOTS];

    if (slot->block == NULL) {
        slot->size = some_size(&churn->random);
        slot->block = malloc(slot->size);
        if (slot->block != NULL)
            mark(slot, (unsigned char)next(&churn->random));
        else
            churn->damaged++;
    } else if (next(&churn->random) % 4 == 0) {
        resize(churn, slot);
    } else {
        give_up(churn, slot);
    }
}

static void finish(struct churn *churn)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (churn->slots[i].block != NULL)
            give_up(churn, &churn->slots[i]);
}

static bool stop;

static void *churn_until_stopped(void *argument)
{
    struct churn *churn = argument;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        step(churn);
    finish(churn);
    return NULL;
}

static void *churn_a_little(void *argument)
{
    struct churn *churn = argument;

    for (unsigned i = 0; i < 300; i++)
        step(churn);
    finish(churn);
    return NULL;
}

static void start(pthread_t *threads, struct churn *churns, size_t count, void *(*run)(void *))
{
    for (size_t i = 0; i < count; i++) {
        memset(&churns[i], 0, sizeof churns[i]);
        churns[i].random = SEED + (unsigned)i;
        assert_int_equal(pthread_create(&threads[i], NULL, run, &churns[i]), 0);
    }
}

static void join(pthread_t *threads, const struct churn *churns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(churns[i].damaged, 0);
    }
}

static int status_of(pid_t child)
{
    int status = -1;

    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

/* What a child does: it allocates, alone and beside a thread, has perhaps a child too, and exits.
 */
static void be_a_child(bool has_child)
{
    static struct churn mine, its;
    pthread_t thread;
    pid_t child = 0;

    (void)alarm(60); /* what hangs, fails */
    (void)churn_a_little(&mine);
    if (pthread_create(&thread, NULL, churn_a_little, &its) != 0)
        _exit(2);
    if (has_child) {
        child = fork();
        (void)churn_a_little(&mine);
        if (child != 0 && status_of(child) != 0)
            _exit(3);
    }
    if (child == 0 && has_child) /* the thread is not here */
        exit(mine.damaged > 0);
    if (pthread_join(thread, NULL) != 0)
        _exit(4);
    exit(mine.damaged + its.damaged > 0);
}

static void a_child_can_allocate_whatever_threads_did_at_the_fork(void **state)
{
    enum { THREADS = 4, FORKS = 100 };
    static struct churn churns[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    (void)fflush(NULL); /* or each child would print it again */
    stop = false;
    start(threads, churns, THREADS, churn_until_stopped);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
            be_a_child(i % 10 == 0);
        assert_int_equal(status_of(child), 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    join(threads, churns, THREADS);
}

static void threads_beyond_the_magazines_allocate_too(void **state)
{
    enum { THREADS = 100, ROUNDS = 3 };
    static struct churn churns[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        stop = false;
        start(threads, churns, THREADS, churn_until_stopped);
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
        join(threads, churns, THREADS);
    }
}

/* Each thread frees what the one before it has allocated. */
static void *free_and_allocate(void *argument)
{
    struct churn *churn = argument;

    finish(churn);
    for (unsigned i = 0; i < 300; i++)
        step(churn);
    return NULL;
}

static void blocks_are_freed_by_other_threads(void **state)
{
    enum { HANDS = 200 };
    static struct churn churn = {.random = SEED};
    pthread_t thread;

    (void)state;
    for (unsigned i = 0; i < HANDS; i++) {
        assert_int_equal(pthread_create(&thread, NULL, free_and_allocate, &churn), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    finish(&churn);
    assert_int_equal(churn.damaged, 0);
}

static void a_process_may_end_while_threads_allocate(void **state)
{
    enum { THREADS = 3, TIMES = 20 };
    static struct churn churns[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    (void)fflush(NULL);
    for (unsigned i = 0; i < TIMES; i++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            (void)alarm(60);
            stop = false;
            start(threads, churns, THREADS, churn_until_stopped);
            (void)usleep(1000 * (i % 5));
            exit(0);
        }
        assert_int_equal(status_of(child), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_can_allocate_whatever_threads_did_at_the_fork),
        cmocka_unit_test(threads_beyond_the_magazines_allocate_too),
        cmocka_unit_test(blocks_are_freed_by_other_threads),
        cmocka_unit_test(a_process_may_end_while_threads_allocate),
    };

    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
