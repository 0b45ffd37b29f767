/* SPDX-License-Identifier: MIT */
/*
 * hammer.c - takes and gives back all that the kernel hands out, at random, without looking at what
 * others do: each CPU has a hammer, and its timer's interrupts have another.
 *
 * What all must agree on is seen from what is handed out. Memory bears a pattern that begins with
 * the tag of its owner, a word in each line of a processor's cache and the last one: who finds
 * another's there has been given what was not free. A number is marked in a table, by exchanging
 * what stood there. Refusals are right at any time, since others may have it all.
 *
 * Parcels are blocks that go through a mailbox: who posts one frees that which lay there, mostly
 * another CPU's.
 */
#include "kernel.h"

enum { WORD = 8, STRIDE = 64, MAILBOXES = 16, MESSAGE_WORDS = 14 };

struct message {
    uint64_t constructed; /* always this: */
    uint64_t words[MESSAGE_WORDS];
};
#define CONSTRUCTED 0x6d65737361676520ULL

struct parcel {
    uint64_t size;
    uint32_t tag;
};

static const uint64_t pattern_step = 0x9e3779b97f4a7c15;

static vmem_cache_t *messages;
static struct parcel *mailboxes[MAILBOXES];
static uint32_t pid_owner[PID_MAX + 1]; /* the tag of who has it; 0: nobody */
static uint32_t vector_owner[IRQ_FIRST + IRQ_COUNT];

static int message_construct(void *object, void *ctx, unsigned flags)
{
    struct message *message = object;
    (void)ctx;
    (void)flags;
    message->constructed = CONSTRUCTED;
    return 0;
}

static void message_destruct(void *object, void *ctx)
{
    const struct message *message = object;
    (void)ctx;
    expect(message->constructed == CONSTRUCTED, "a message that goes is as constructed");
}

void hammers_init(void)
{
    const struct vmem_cache_params params = {.name = "message",
                                             .size = sizeof(struct message),
                                             .construct = message_construct,
                                             .destruct = message_destruct,
                                             .arena = arenas[ARENA_KMEM]};
    expect(vmem_cache_create(&params, &messages) == 0, "messages have a cache");
}

void hammer_init(struct hammer *hammer, unsigned number, uint64_t seed)
{
    hammer->random = seed + (number + 1) * pattern_step;
    hammer->next_tag = (number + 1) << 24;
}

/* xorshift64*, as in workload.c. */
static uint64_t random_below(struct hammer *hammer, uint64_t limit)
{
    hammer->random ^= hammer->random >> 12;
    hammer->random ^= hammer->random << 25;
    hammer->random ^= hammer->random >> 27;
    return (hammer->random * 0x2545f4914f6cdd1d >> 16) % limit;
}

/* Sizes of all magnitudes alike: between 2^low and 2^high. */
static uint64_t random_size(struct hammer *hammer, unsigned low, unsigned high)
{
    const uint64_t magnitude = 1ULL << (low + random_below(hammer, high - low));
    return magnitude + random_below(hammer, magnitude);
}

/*
 * Marks
 */

static uint64_t *word_at(void *memory, uint64_t offset)
{
    return (uint64_t *)(void *)((char *)memory + offset);
}

/* Writes the pattern of a tag into memory, from an offset on; or only compares it. */
static bool pattern(void *memory, uint64_t from, uint64_t size, uint32_t tag, bool write)
{
    const uint64_t last = (size & ~(uint64_t)(WORD - 1)) - WORD;
    bool is_same = true;
    for (uint64_t at = from; at <= last; at += STRIDE) {
        const uint64_t word = (tag + at) * pattern_step;
        if (write)
            *word_at(memory, at) = word;
        is_same = is_same && *word_at(memory, at) == word;
        if (at < last && at + STRIDE > last)
            at = last - STRIDE;
    }
    return is_same;
}

static struct thread *thread_of(const struct hammer_thing *thing)
{
    return (struct thread *)(uintptr_t)thing->what;
}

static void *memory_of(const struct hammer_thing *thing)
{
    switch (thing->kind) {
    case HAMMER_PAGES:
    case HAMMER_BUFFER:
        return arch_direct(thing->what);
    case HAMMER_THREAD:
        return thread_of(thing)->stack;
    case HAMMER_VECTORS:
        return NULL;
    default:
        return (void *)(uintptr_t)thing->what;
    }
}

/* What a message has that is its owner's begins behind what is constructed. */
static uint64_t pattern_begin(const struct hammer_thing *thing)
{
    return thing->kind == HAMMER_MESSAGE ? WORD : 0;
}

static void change_owner(uint32_t *owner, uint32_t from, uint32_t to)
{
    expect(__atomic_exchange_n(owner, to, __ATOMIC_RELAXED) == from, "a number has one owner");
}

static void change_owners(const struct hammer_thing *thing, uint32_t from, uint32_t to)
{
    if (thing->kind == HAMMER_THREAD)
        change_owner(&pid_owner[thread_of(thing)->pid], from, to);
    if (thing->kind == HAMMER_VECTORS)
        for (uint64_t i = 0; i < thing->size; i++)
            change_owner(&vector_owner[thing->what + i], from, to);
}

static void mark(const struct hammer_thing *thing)
{
    change_owners(thing, 0, thing->tag);
    if (memory_of(thing) != NULL)
        (void)pattern(memory_of(thing), pattern_begin(thing), thing->size, thing->tag, true);
}

static void unmark(const struct hammer_thing *thing)
{
    change_owners(thing, thing->tag, 0);
    if (memory_of(thing) != NULL)
        expect(pattern(memory_of(thing), pattern_begin(thing), thing->size, thing->tag, false),
               "what a CPU wrote is still there");
}

/*
 * Things of each kind
 */

static bool take_segment(struct hammer_thing *thing, enum arena_id arena, vmem_size_t size,
                         const struct vmem_constraints *c, unsigned flags)
{
    vmem_addr_t addr;
    if (vmem_xalloc(arenas[arena], size, c, flags, &addr) != 0)
        return false;
    expect(c->align == 0 || addr % c->align == 0, "what is aligned on one CPU is on all");
    thing->what = addr;
    thing->size = size;
    return true;
}

static bool take_object(struct hammer_thing *thing, const void *object, uint64_t size)
{
    thing->what = (uintptr_t)object;
    thing->size = object != NULL ? size : 0;
    return object != NULL;
}

static bool take_thread(struct hammer_thing *thing)
{
    struct thread *thread = NULL;
    const bool started = thread_start(&thread) == 0;
    return take_object(thing, started ? thread : NULL, STACK_SIZE);
}

static bool take_message(struct hammer_thing *thing)
{
    struct message *message = vmem_cache_alloc(messages, 0);
    expect(message == NULL || message->constructed == CONSTRUCTED,
           "a message is handed out as constructed");
    return take_object(thing, message, sizeof(*message));
}

static bool take_run(struct hammer *hammer, struct hammer_thing *thing)
{
    const vmem_size_t size = (1 + random_below(hammer, 8)) * PAGE_SIZE; /* cached up to 4 */
    vmem_addr_t addr;
    if (vmem_alloc(arenas[ARENA_KMEM], size, 0, &addr) != 0)
        return false;
    return take_object(thing, (void *)(uintptr_t)addr, size);
}

static bool take(struct hammer *hammer, struct hammer_thing *thing)
{
    const vmem_size_t run = 1ULL << random_below(hammer, 4);
    const struct vmem_constraints none = {0};
    const struct vmem_constraints aligned = {.align = run};
    const struct vmem_constraints buffer = {.nocross = 64 << 10};
    uint64_t size;
    switch (thing->kind) {
    case HAMMER_PAGES:
        return take_segment(thing, ARENA_PHYS, run * PAGE_SIZE, &none, VMEM_BESTFIT);
    case HAMMER_BUFFER:
        size = random_size(hammer, 9, 14) & ~(uint64_t)(WORD - 1);
        return take_segment(thing, ARENA_DMA, size, &buffer, 0);
    case HAMMER_VECTORS:
        return take_segment(thing, ARENA_IRQ, run, &aligned, 0);
    case HAMMER_THREAD:
        return take_thread(thing);
    case HAMMER_MESSAGE:
        return take_message(thing);
    case HAMMER_RUN:
        return take_run(hammer, thing);
    default:
        size = random_size(hammer, 4, 15);
        return take_object(thing, vmem_heap_alloc(heap, size, 0), size);
    }
}

static void give_back(struct hammer_thing *thing)
{
    void *object = (void *)(uintptr_t)thing->what;
    unmark(thing);
    switch (thing->kind) {
    case HAMMER_PAGES:
        vmem_xfree(arenas[ARENA_PHYS], thing->what, thing->size);
        break;
    case HAMMER_BUFFER:
        vmem_xfree(arenas[ARENA_DMA], thing->what, thing->size);
        break;
    case HAMMER_VECTORS:
        vmem_xfree(arenas[ARENA_IRQ], thing->what, thing->size);
        break;
    case HAMMER_THREAD:
        thread_end(object);
        break;
    case HAMMER_MESSAGE:
        vmem_cache_free(messages, object);
        break;
    case HAMMER_RUN:
        vmem_free(arenas[ARENA_KMEM], thing->what, thing->size);
        break;
    default:
        vmem_heap_free(heap, object);
        break;
    }
    thing->size = 0;
}

/* A block becomes larger or smaller: what fits into both is still there, its first word at least.
 */
static void resize(struct hammer *hammer, struct hammer_thing *thing)
{
    const uint64_t size = random_size(hammer, 4, 15);
    unmark(thing);
    void *block = vmem_heap_realloc(heap, (void *)(uintptr_t)thing->what, size, 0);
    if (block != NULL) {
        expect(pattern(block, 0, WORD, thing->tag, false), "what a CPU wrote has moved along");
        (void)take_object(thing, block, size);
    }
    mark(thing);
}

/*
 * Parcels
 */

static void open_parcel(struct parcel *parcel)
{
    if (parcel == NULL)
        return;
    expect(pattern(parcel, sizeof(*parcel), parcel->size, parcel->tag, false),
           "a parcel arrives as it was sent");
    vmem_heap_free(heap, parcel);
}

static bool send_parcel(struct hammer *hammer, uint32_t tag)
{
    const uint64_t size = random_size(hammer, 5, 12);
    struct parcel *parcel = vmem_heap_alloc(heap, size, 0);
    if (parcel == NULL)
        return false;
    parcel->size = size;
    parcel->tag = tag;
    (void)pattern(parcel, sizeof(*parcel), size, tag, true);
    open_parcel(
        __atomic_exchange_n(&mailboxes[random_below(hammer, MAILBOXES)], parcel, __ATOMIC_ACQ_REL));
    return true;
}

/*
 * Hammers
 */

static enum hammer_kind random_kind(struct hammer *hammer, unsigned kinds)
{
    unsigned kind;
    do
        kind = (unsigned)random_below(hammer, HAMMER_KINDS);
    while ((kinds >> kind & 1) == 0);
    return (enum hammer_kind)kind;
}

static bool take_new(struct hammer *hammer, struct hammer_thing *thing, unsigned kinds)
{
    thing->kind = random_kind(hammer, kinds);
    thing->tag = ++hammer->next_tag;
    if (thing->kind == HAMMER_PARCEL)
        return send_parcel(hammer, thing->tag);
    if (!take(hammer, thing))
        return false;
    mark(thing);
    return true;
}

void hammer_step(struct hammer *hammer, unsigned kinds)
{
    struct hammer_thing *thing = &hammer->things[random_below(hammer, HAMMER_THINGS)];
    hammer->operations++;
    if (thing->size == 0)
        hammer->refusals += take_new(hammer, thing, kinds) ? 0 : 1;
    else if (thing->kind == HAMMER_BLOCK && random_below(hammer, 3) == 0)
        resize(hammer, thing);
    else
        give_back(thing);
}

void hammer_drain(struct hammer *hammer)
{
    for (unsigned i = 0; i < HAMMER_THINGS; i++)
        if (hammer->things[i].size != 0)
            give_back(&hammer->things[i]);
}

void hammers_end(void)
{
    for (unsigned i = 0; i < MAILBOXES; i++) {
        open_parcel(mailboxes[i]);
        mailboxes[i] = NULL;
    }
    expect(vmem_cache_destroy(messages) == 0, "no message is left");
}
