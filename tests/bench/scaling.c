/* SPDX-License-Identifier: MIT */
/*
 * scaling.c - vmem-bench-scaling: the magazine layer on 1 to 256 virtual CPUs.
 *
 *     vmem-bench-scaling           every pattern, the CPUs taking turns
 *     vmem-bench-scaling random    the same, the next CPU drawn at random
 *     vmem-bench-scaling quick     a short run that also verifies what must hold
 *
 * The real library runs on one thread, one operation of one CPU after the other. Which CPU it is,
 * the driver says; so every run is the same, and the machine has as many CPUs as we please. What
 * two CPUs do at once is not shown, but what they take from one another is: lines.c counts it.
 *
 * The patterns:
 *
 *     local    each CPU allocates an object and frees it
 *     ring     each allocates one and frees one of its neighbour's
 *     pairs    one of two allocates, the other frees
 *     fan      one allocates, all others free in turn
 *     swing    each allocates 40, which is more than one magazine and less than two, and
 *              frees them
 *     burst    each allocates 1000, which is many magazines, and frees them
 *     random   each allocates, or frees any object that there is
 *
 * What it implies: a CPU that does nothing but this takes OPERATION cycles for an operation, the
 * lines that it has to fetch, and the time for which it holds the cache's lock, which is HOLD
 * cycles and, again, lines. N CPUs saturate the lock when N operations hold it for as long as one
 * takes: from there on more CPUs do no more work. OPERATION is half a pair (docs/performance.md),
 * HOLD the longest hold in bursts (vmem-bounded), at one instruction a cycle; a line takes 100 to
 * 300.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmem/cache.h>

#include "../../src/cache.h"
#include "lines.h"
#include "random.h"

enum {
    CPUS = VMEM_PORT_CPUS,
    OBJECT = 64,
    SWING = 40,
    BURST = 1000,
    IN_FLIGHT = 64, /* objects between a producer and a consumer */
    ROOM = 1024,    /* of a queue */
    OPERATION = 14,
    HOLD = 71,
    WORK = 1000, /* cycles beside an operation, of a CPU that does something else as well */
    TURNS = 4000
};

/* Objects that wait for a CPU: taken from the front, or from the end. */
struct queue {
    void *object[ROOM];
    unsigned first, count;
};

struct world {
    vmem_t *arena;
    vmem_cache_t *cache;
    unsigned cpus;
    bool at_random;
    struct generator generator;
    struct queue queue[CPUS];
    bool freeing[CPUS]; /* burst */
    unsigned consumer;  /* fan */
    uint64_t operations;
    uint64_t grown[2]; /* operations after which magazines had the size of the next types */
};

static struct world world;

static void die(const char *what)
{
    (void)fprintf(stderr, "scaling: %s\n", what);
    exit(EXIT_FAILURE);
}

/*
 * Operations
 */

static void note_growth(void)
{
    unsigned steps = world.cache->magazine_type - world.cache->least_type;

    world.operations++;
    for (unsigned i = 0; i < steps && i < 2; i++)
        if (world.grown[i] == 0)
            world.grown[i] = world.operations;
}

static void alloc(struct queue *queue)
{
    void *object = vmem_cache_alloc(world.cache, 0);

    if (object == NULL || queue->count == ROOM)
        die("no object, or no room for it");
    queue->object[(queue->first + queue->count++) % ROOM] = object;
    note_growth();
}

static void give(struct queue *queue)
{
    void *object = queue->object[queue->first];

    queue->first = (queue->first + 1) % ROOM;
    queue->count--;
    vmem_cache_free(world.cache, object);
    note_growth();
}

/*
 * Patterns: what the CPU that runs does in its turn.
 */

static void local(unsigned cpu)
{
    struct queue *queue = &world.queue[cpu];

    if (queue->count == 0)
        alloc(queue);
    else
        give(queue);
}

static void ring(unsigned cpu)
{
    alloc(&world.queue[(cpu + 1) % world.cpus]);
    if (world.queue[cpu].count > 0)
        give(&world.queue[cpu]);
}

static void pairs(unsigned cpu)
{
    struct queue *queue = &world.queue[cpu / 2];

    if (world.cpus == 1)
        local(cpu);
    else if (cpu % 2 == 0 && queue->count < IN_FLIGHT)
        alloc(queue);
    else if (cpu % 2 != 0 && queue->count > 0)
        give(queue);
}

static void fan(unsigned cpu)
{
    if (world.cpus == 1) {
        local(cpu);
    } else if (cpu > 0) {
        if (world.queue[cpu].count > 0)
            give(&world.queue[cpu]);
    } else {
        for (unsigned i = 1; i < world.cpus; i++) {
            world.consumer = world.consumer % (world.cpus - 1) + 1;
            if (world.queue[world.consumer].count < IN_FLIGHT)
                alloc(&world.queue[world.consumer]);
        }
    }
}

static void bursts_of(unsigned cpu, unsigned length)
{
    struct queue *queue = &world.queue[cpu];

    if (queue->count == 0)
        world.freeing[cpu] = false;
    if (queue->count == length)
        world.freeing[cpu] = true;
    if (world.freeing[cpu])
        give(queue);
    else
        alloc(queue);
}

static void swing(unsigned cpu)
{
    bursts_of(cpu, SWING);
}

static void burst(unsigned cpu)
{
    bursts_of(cpu, BURST);
}

/* Any object: of any queue, the oldest. There are 64 a CPU, more or less. */
static void any(unsigned cpu)
{
    struct queue *queue = &world.queue[random_below(&world.generator, world.cpus)];

    if (random_below(&world.generator, 2 * IN_FLIGHT) < queue->count)
        give(queue);
    else
        alloc(&world.queue[cpu]);
}

static const struct pattern {
    const char *name;
    void (*turn)(unsigned cpu);
} patterns[] = {{"local", local}, {"ring", ring},   {"swing", swing}, {"pairs", pairs},
                {"fan", fan},     {"burst", burst}, {"random", any}};

enum { PATTERNS = sizeof patterns / sizeof *patterns };

/*
 * Runs
 */

static void create(unsigned cpus, bool at_random)
{
    const struct vmem_params params = {
        .name = "scaling", .base = 1 << 20, .size = (vmem_size_t)1 << 30, .quantum = 4096};
    struct vmem_cache_params cache_params = {.name = "scaling", .size = OBJECT};

    memset(&world, 0, sizeof world);
    world.cpus = cpus;
    world.at_random = at_random;
    world.generator.state = 0x9e3779b97f4a7c15;
    if (vmem_create(&params, &world.arena) != 0)
        die("no arena");
    cache_params.arena = world.arena;
    if (vmem_cache_create(&cache_params, &world.cache) != 0)
        die("no cache");
    lines_forget();
    lines_know(&world.cache->lock, &world.arena->lock);
}

static void destroy(void)
{
    for (unsigned i = 0; i < CPUS; i++)
        while (world.queue[i].count > 0)
            give(&world.queue[i]);
    if (vmem_cache_check(world.cache) != 0 || vmem_cache_destroy(world.cache) != 0 ||
        vmem_destroy(world.arena) != 0)
        die("the cache is not as it should be");
}

/* So many operations. */
static void run(const struct pattern *pattern, uint64_t operations)
{
    uint64_t end = world.operations + operations;

    lines_watch(true);
    for (unsigned turn = 0; world.operations < end; turn++) {
        scaling_cpu =
            world.at_random ? random_below(&world.generator, world.cpus) : turn % world.cpus;
        pattern->turn(scaling_cpu);
    }
    lines_watch(false);
    scaling_cpu = 0;
}

/* What a measured run says, an operation. */
struct result {
    double visits; /* of the depot */
    double locks[LINES_LOCKS];
    double writes, reads, held;
    uint64_t grown[2];
    size_t rounds;  /* of a magazine, in the end */
    double waiting; /* bytes of objects in magazines, a CPU, */
    double depot;   /*    and of them in the depot */
};

static struct result measured(const struct pattern *pattern, unsigned cpus, bool at_random,
                              uint64_t turns)
{
    const uint64_t operations = turns * (cpus < 8 ? 8 : cpus);
    struct vmem_cache_stats before, after;
    struct result result;

    create(cpus, at_random);
    run(pattern, 2 * operations);
    memset(&lines, 0, sizeof lines);
    vmem_cache_stat(world.cache, &before);
    run(pattern, operations);
    vmem_cache_stat(world.cache, &after);
    result.visits = (double)(after.exchanges - before.exchanges) / (double)operations;
    for (unsigned i = 0; i < LINES_LOCKS; i++)
        result.locks[i] = (double)lines.locks[i] / (double)operations;
    result.writes = (double)lines.writes / (double)operations;
    result.reads = (double)lines.reads / (double)operations;
    result.held = (double)lines.held / (double)operations;
    memcpy(result.grown, world.grown, sizeof result.grown);
    result.rounds = after.magazine_size;
    result.waiting = (double)(after.in_magazines * OBJECT) / cpus;
    result.depot = 0;
    for (const struct vmem_magazine *m = world.cache->full_magazines.first; m != NULL; m = m->next)
        result.depot += (double)(m->rounds * OBJECT) / cpus;
    destroy();
    return result;
}

/* The cycles for which an operation holds the lock. */
static double busy(const struct result *result, double line)
{
    return result->locks[LINES_CACHE] * HOLD + result->held * line;
}

/* How many CPUs saturate the lock, that work so long beside each operation; 0: no number does. */
static double saturation(const struct result *result, double line, double work)
{
    double held = busy(result, line);
    double fetching = (result->writes + result->reads - result->held) * line;

    return held > 0 ? (OPERATION + work + fetching + held) / held : 0;
}

static void print_saturation(const struct result *result)
{
    static const unsigned line[] = {100, 200, 300, 200}, work[] = {0, 0, 0, WORK};

    printf("%7.1f", busy(result, 200));
    for (unsigned i = 0; i < sizeof line / sizeof *line; i++) {
        double cpus = saturation(result, line[i], work[i]);

        if (cpus == 0)
            printf("%7s", "never");
        else
            printf("%7.0f", cpus);
    }
}

static void print(unsigned cpus, const struct result *result)
{
    printf("%5u%7zu%9llu%9llu%9.5f%9.5f%9.5f%9.5f%8.4f%8.4f%7.1f%9.0f%9.0f", cpus, result->rounds,
           (unsigned long long)result->grown[0], (unsigned long long)result->grown[1],
           result->visits, result->locks[LINES_CACHE], result->locks[LINES_ARENA],
           result->locks[LINES_OTHER], result->writes, result->reads,
           result->locks[LINES_CACHE] > 0 ? result->held / result->locks[LINES_CACHE] : 0,
           result->waiting, result->depot);
    print_saturation(result);
    printf("\n");
    (void)fflush(stdout);
}

static void print_pattern(const struct pattern *pattern, bool at_random)
{
    printf("\n%-5s%7s%9s%9s%9s%9s%9s%9s%8s%8s%7s%9s%9s%7s%28s\n", pattern->name, "", "grown", "",
           "depot", "locks", "", "", "lines", "", "a lock", "waiting", "", "held",
           "saturates at so many CPUs");
    printf("%5s%7s%9s%9s%9s%9s%9s%9s%8s%8s%7s%9s%9s%7s%7s%7s%7s%7s\n", "CPUs", "rounds", "once",
           "twice", "visits", "cache", "arena", "pool", "writes", "reads", "lines", "bytes",
           "in depot", "at 200", "100", "200", "300", "work");
    for (unsigned cpus = 1; cpus <= CPUS; cpus *= 2) {
        struct result result = measured(pattern, cpus, at_random, TURNS);

        print(cpus, &result);
    }
}

/*
 * What must hold, with few CPUs and with many
 */

static void must(bool condition, const char *pattern, unsigned cpus, const char *what)
{
    if (condition)
        return;
    (void)fprintf(stderr, "scaling: %s on %u CPUs: not so: %s\n", pattern, cpus, what);
    exit(EXIT_FAILURE);
}

static void verify(const struct pattern *pattern, const struct result *few, unsigned cpus,
                   const struct result *result)
{
    const char *name = pattern->name;

    if (pattern->turn == local || pattern->turn == ring) {
        must(result->locks[LINES_CACHE] == 0, name, cpus, "no lock is taken once it is warm");
        must(result->writes + result->reads == 0, name, cpus, "no line goes to another CPU");
        must(result->grown[0] == 0, name, cpus, "magazines stay small without contention");
    }
    if (pattern->turn == swing)
        must(result->visits == 0, name, cpus, "two magazines hold a burst");
    if (pattern->turn == pairs || pattern->turn == burst) {
        must(result->visits < 1.2 / 62, name, cpus, "magazines have grown");
        must(result->locks[LINES_CACHE] < 1.6 * result->visits, name, cpus,
             "the lock is taken for little else than the depot");
        must(result->visits < 1.1 * few->visits, name, cpus, "more CPUs do not visit more often");
        must(result->writes < 1.5 * few->writes, name, cpus, "nor take more lines");
    }
    must(result->locks[LINES_ARENA] + result->locks[LINES_OTHER] < 0.01, name, cpus,
         "the arena and the pool are left alone once it is warm");
}

static void quick(void)
{
    static const unsigned few = 8, many = 128;

    for (unsigned i = 0; i < PATTERNS; i++) {
        struct result with_few = measured(&patterns[i], few, false, TURNS);
        struct result with_many = measured(&patterns[i], many, false, TURNS);

        printf("\n%s\n", patterns[i].name);
        print(few, &with_few);
        print(many, &with_many);
        verify(&patterns[i], &with_few, few, &with_few);
        verify(&patterns[i], &with_few, many, &with_many);
    }
}

int main(int argc, char **argv)
{
    const char *argument = argc > 1 ? argv[1] : "";

    vmem_cpus_online(CPUS);
    if (strcmp(argument, "quick") == 0) {
        quick();
        return EXIT_SUCCESS;
    }
    for (unsigned i = 0; i < PATTERNS; i++)
        print_pattern(&patterns[i], strcmp(argument, "random") == 0);
    return EXIT_SUCCESS;
}
