/* SPDX-License-Identifier: MIT */
/*
 * explore.c - the command:
 *
 *     explore [--bound N] [--random N] [--seed N] [--spurious] NAME...
 *     explore [--spurious] --replay SCENARIO SCHEDULE
 *     explore --list
 *
 * A name is that of a scenario, of a group of them, or "all". Prints a row a scenario: how many
 * schedules there are with no preemption, with one, and so on, all of which were run. Ends with the
 * first failure, status 1, and how to see it again.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vmem/debug.h>

static const struct group {
    const char *name;
    const struct scenario *scenarios;
} groups[] = {{"arenas", arena_scenarios},
              {"tags", tag_scenarios},
              {"caches", cache_scenarios},
              {"waiters", waiter_scenarios},
              {"large", large_scenarios}};

static struct options options = {.bound = 2, .seed = 1};

static void list(void)
{
    for (size_t i = 0; i < LENGTH(groups); i++)
        for (const struct scenario *s = groups[i].scenarios; s->name != NULL; s++)
            printf("%-8s %-18s %s\n", groups[i].name, s->name, s->about);
}

/* After the fibers: sound, then judged and given back by the scenario, then nothing left. */
static void finish(const struct scenario *scenario)
{
    if (vmem_check(NULL) != 0)
        fail("check", "the library is not sound");
    scenario->finish();
    page_hook.refuses = true;
    vmem_reap(NULL);
    if (vmem_check(NULL) != 0)
        fail("check", "the library is not sound at the end");
    if (page_hook.lent != 0)
        fail("leak", "%u pages are lost", page_hook.lent);
}

static void print_header(void)
{
    printf("%-18s %6s %6s", "scenario", "fibers", "hooks");
    for (unsigned bound = 0; bound <= options.bound; bound++)
        printf(" %9s%u", "bound ", bound);
    printf(" %10s %7s\n", "random", "seconds");
}

static void print_row(const char *name, double seconds)
{
    const struct tally *tally = search_tally();

    printf("%-18s %6u %6u", name, machine_fibers(), tally->points);
    for (unsigned bound = 0; bound <= options.bound; bound++)
        printf(" %10lu", tally->exact[bound]);
    printf(" %10lu %7.1f\n", tally->random, seconds);
    (void)fflush(stdout);
}

/* From the memory as the program found it, to that again. */
static void explore(const struct scenario *scenario)
{
    struct snapshot *before = snapshot_take();
    struct snapshot *ready;
    clock_t begin = clock();

    search_begin(scenario->name);
    scenario->set_up();
    ready = snapshot_take();
    do {
        snapshot_restore(ready);
        machine_run();
        finish(scenario);
    } while (search_next());
    print_row(scenario->name, (double)(clock() - begin) / CLOCKS_PER_SEC);
    snapshot_restore(before);
    snapshot_free(ready);
    snapshot_free(before);
}

/* What has this name, be it a scenario or a group; false: nothing has. */
static bool explore_named(const char *name)
{
    bool all = strcmp(name, "all") == 0;
    bool found = false;

    for (size_t i = 0; i < LENGTH(groups); i++) {
        bool whole = all || strcmp(name, groups[i].name) == 0;

        for (const struct scenario *s = groups[i].scenarios; s->name != NULL; s++) {
            if (whole || strcmp(name, s->name) == 0) {
                explore(s);
                found = true;
            }
        }
    }
    return found;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: explore [--bound N] [--random N] [--seed N] [--spurious] "
                          "NAME...\n"
                          "       explore [--spurious] --replay SCENARIO SCHEDULE\n"
                          "       explore --list\n");
    return 2;
}

static bool take_option(int argc, char **argv, int *at)
{
    const char *value = *at + 1 < argc ? argv[*at + 1] : "";

    if (strcmp(argv[*at], "--spurious") == 0) {
        options.spurious = true;
        *at += 1;
        return true;
    }
    if (strcmp(argv[*at], "--bound") == 0)
        options.bound = (unsigned)strtoul(value, NULL, 0);
    else if (strcmp(argv[*at], "--random") == 0)
        options.random = strtoul(value, NULL, 0);
    else if (strcmp(argv[*at], "--seed") == 0)
        options.seed = strtoull(value, NULL, 0);
    else
        return false;
    *at += 2;
    return options.bound <= BOUND_MAX;
}

int main(int argc, char **argv)
{
    int at = 1;

    while (at < argc && take_option(argc, argv, &at))
        ;
    if (argc == at + 1 && strcmp(argv[at], "--list") == 0) {
        list();
        return 0;
    }
    if (argc == at + 3 && strcmp(argv[at], "--replay") == 0) {
        options.replay = argv[at + 2];
        argc = at + 2;
        at++;
    }
    if (at >= argc || argv[at][0] == '-')
        return usage();
    search_init(&options, argv[0]);
    machine_init();
    print_header();
    for (; at < argc; at++)
        if (!explore_named(argv[at]))
            return usage();
    return 0;
}
