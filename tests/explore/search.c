/* SPDX-License-Identifier: MIT */
/*
 * search.c - which fiber goes on.
 *
 * Iterative context bounding (Musuvathi and Qadeer, PLDI 2007): all schedules without a preemption
 * come first, then all with one, and so on, so that the first failure found is one of the simplest.
 * Where the fiber that runs cannot go on, who is next is free; where it could, another in its place
 * costs one.
 *
 * Depth-first, by running again: the choices of the last run stand on a stack. The next run repeats
 * them up to the last that has an alternative left, takes that, and the first alternative from
 * there on. A run repeats exactly, since nothing in it depends on anything but the choices.
 *
 * Random schedules have no bound. In each, one hook in so many is a switch, another number each
 * time: few switches find what needs a long stretch alone, many what needs a close race.
 *
 * A schedule is written as letters and counts: "A12B3" is fiber A for 12 hooks and B for 3, and
 * from there on as without preemptions.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 20000 };

/* Where there was a choice: the fibers in order of preference, and which of them it is now. */
struct choice {
    uint8_t options[FIBERS_MAX];
    uint8_t count;
    uint8_t at;
};

static struct search {
    struct options options;
    const char *program;
    const char *scenario;
    enum { BOUNDED, RANDOM, REPLAY } mode;
    unsigned bound;  /* of this pass */
    uint64_t random; /* state */
    unsigned one_in; /* hooks, is a switch */
    struct tally tally;

    /* Of this run: */
    unsigned points;
    unsigned preemptions;
    unsigned met;          /* choices of the stack */
    const char *replay;    /* what is left of the string, */
    unsigned long segment; /*    and of its letter before */
    unsigned letter;
    uint8_t taken[POINTS_MAX];

    unsigned height;
    struct choice choices[POINTS_MAX];
} * search;

void search_init(const struct options *options, const char *program)
{
    search = calloc(1, sizeof *search);
    if (search == NULL)
        abort();
    search->options = *options;
    search->program = program;
    search->mode = options->replay != NULL ? REPLAY : BOUNDED;
}

const struct tally *search_tally(void)
{
    return &search->tally;
}

/* splitmix64 (Steele, Lea and Flood 2014) */
static unsigned below(unsigned bound)
{
    uint64_t z = search->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ (z >> 31)) % bound);
}

/*
 * From one run to the next
 */

static void begin_run(void)
{
    search->points = 0;
    search->preemptions = 0;
    search->met = 0;
    search->replay = search->options.replay;
    search->segment = 0;
    if (search->mode == RANDOM)
        search->one_in = 2U << below(6);
}

void search_begin(const char *scenario)
{
    search->scenario = scenario;
    search->bound = 0;
    search->height = 0;
    search->random = search->options.seed;
    memset(&search->tally, 0, sizeof search->tally);
    if (search->mode == RANDOM)
        search->mode = BOUNDED;
    begin_run();
}

/* Goes over to the next alternative of the last choice that has one; false: none has. */
static bool advance(void)
{
    while (search->height > 0) {
        struct choice *last = &search->choices[search->height - 1];

        if (++last->at < last->count)
            return true;
        search->height--;
    }
    return false;
}

static bool next_bounded(void)
{
    if (search->preemptions == search->bound) /* those with fewer were counted before */
        search->tally.exact[search->bound]++;
    if (advance())
        return true;
    if (search->bound < search->options.bound) {
        search->bound++;
        return true;
    }
    search->mode = RANDOM;
    return search->options.random > 0;
}

bool search_next(void)
{
    bool more = false;

    if (search->points > search->tally.points)
        search->tally.points = search->points;
    if (search->mode == BOUNDED)
        more = next_bounded();
    else if (search->mode == RANDOM)
        more = ++search->tally.random < search->options.random;
    begin_run();
    return more;
}

/*
 * At a hook
 */

static bool has(unsigned set, unsigned fiber)
{
    return (set >> fiber & 1) != 0;
}

static unsigned cost(unsigned enabled, unsigned current, unsigned fiber)
{
    return (has(enabled, current) && fiber != current) || !has(enabled, fiber) ? 1 : 0;
}

/* The current fiber first, then the others in turn, then those asleep. */
static struct choice options_for(unsigned enabled, unsigned asleep, unsigned current)
{
    struct choice choice = {.count = 0};
    unsigned left = search->mode == BOUNDED ? search->bound - search->preemptions : 1;

    for (unsigned i = 0; i < FIBERS_MAX; i++) {
        unsigned fiber = (current + i) % FIBERS_MAX;

        if (has(enabled, fiber) && cost(enabled, current, fiber) <= left)
            choice.options[choice.count++] = (uint8_t)fiber;
    }
    for (unsigned fiber = 0; fiber < FIBERS_MAX; fiber++)
        if (search->options.spurious && has(asleep, fiber) && left > 0)
            choice.options[choice.count++] = (uint8_t)fiber;
    return choice;
}

static unsigned choose_bounded(const struct choice *choice)
{
    struct choice *known = &search->choices[search->met];

    if (choice->count == 1)
        return choice->options[0];
    if (search->met == search->height) {
        *known = *choice;
        search->height++;
    } else if (known->count != choice->count ||
               memcmp(known->options, choice->options, choice->count) != 0) {
        fail("explorer", "a run did not repeat itself");
    }
    search->met++;
    return known->options[known->at];
}

static unsigned choose_random(const struct choice *choice, bool can_go_on)
{
    if (choice->count > 1 && (!can_go_on || below(search->one_in) == 0))
        return choice->options[below(choice->count)];
    return choice->options[0];
}

/* The next letter and count of the string; false: it is at its end. */
static bool next_segment(void)
{
    char *end;

    if (*search->replay == '\0')
        return false;
    search->letter = (unsigned)(*search->replay - 'A');
    search->segment = strtoul(search->replay + 1, &end, 10);
    if (search->letter >= FIBERS_MAX || search->segment == 0)
        fail("replay", "\"%s\" is no schedule", search->replay);
    search->replay = end;
    return true;
}

static unsigned choose_given(const struct choice *choice, unsigned enabled, unsigned asleep)
{
    if (search->segment == 0 && !next_segment())
        return choice->options[0];
    search->segment--;
    if (!has(enabled | asleep, search->letter))
        fail("replay", "this is another scenario's schedule: %c cannot go on",
             (char)('A' + search->letter));
    return search->letter;
}

unsigned search_choose(unsigned enabled, unsigned asleep, unsigned current)
{
    struct choice choice = options_for(enabled, asleep, current);
    unsigned next;

    if (search->points == POINTS_MAX)
        fail("livelock", "no end after %u hooks", search->points);
    if (search->mode == BOUNDED)
        next = choose_bounded(&choice);
    else if (search->mode == RANDOM)
        next = choose_random(&choice, has(enabled, current));
    else
        next = choose_given(&choice, enabled, asleep);
    search->preemptions += cost(enabled, current, next);
    search->taken[search->points++] = (uint8_t)next;
    return next;
}

void search_trace(unsigned current, const char *what, const void *object)
{
    if (search->mode == REPLAY)
        printf("%5u  %c  %s %p\n", search->points, (char)('A' + current), what, object);
}

/* Without its end, in which nobody is preempted. */
static void print_string(void)
{
    unsigned begin = 0;

    for (unsigned i = 1; i <= search->points; i++) {
        if (i < search->points && search->taken[i] == search->taken[begin])
            continue;
        printf("%c%u", (char)('A' + search->taken[begin]), i - begin);
        begin = i;
    }
}

void search_print_schedule(void)
{
    printf("schedule: %u hooks, %u preemptions\n", search->points, search->preemptions);
    printf("again: %s%s --replay %s \"", search->program,
           search->options.spurious ? " --spurious" : "", search->scenario);
    print_string();
    printf("\"\n");
}
