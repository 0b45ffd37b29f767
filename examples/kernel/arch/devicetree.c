/* SPDX-License-Identifier: MIT */
/*
 * devicetree.c - reads a flattened device tree ("Devicetree Specification", chapter 5).
 *
 * It is a list of big-endian words: a node begins, has properties, has nodes within it, and ends.
 * What a node is can be said when it ends, since by then all of its properties have been met; how
 * many words its addresses have, its parent has said before. So one walk keeps no more than the
 * nodes from the root down to where it is.
 *
 * There are two walks: the first finds memory, and the second cuts out of it what is reserved. In
 * one, the map could be full before the last reservation comes, and that memory would be handed
 * out.
 */
#include "devicetree.h"

#define MAGIC 0xd00dfeedU
enum { WORD = 4, DEPTH_MAX = 16 };
enum { HEADER_SIZE = 4, HEADER_STRUCTURE = 8, HEADER_STRINGS = 12, HEADER_RESERVED = 16 };
enum { NODE_BEGINS = 1, NODE_ENDS = 2, PROPERTY = 3, NOTHING = 4 };

struct node {
    const char *name;
    const char *type;
    const char *status;
    const uint8_t *reg;
    uint32_t reg_size;
    unsigned address_words; /* of the addresses and sizes in the nodes within it */
    unsigned size_words;
};

struct reader {
    const uint8_t *blob;
    struct boot_info *boot;
    struct devicetree *tree;
    bool reserving;              /* the second walk */
    unsigned depth;              /* path[depth] is where the reader is; */
    struct node path[DEPTH_MAX]; /*    path[1] the root; path[0] stands for what is above it */
};

/* A number of so many words; what does not fit into 64 bits is no address here. */
static uint64_t number(const uint8_t *at, unsigned words)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < words * WORD; i++)
        value = value << 8 | at[i];
    return value;
}

static uint32_t word(const uint8_t *at)
{
    return (uint32_t)number(at, 1);
}

static bool equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/*
 * The memory map
 */

static void add_range(struct boot_info *boot, uint64_t base, uint64_t size, bool usable)
{
    if (boot->memory_count < sizeof(boot->memory) / sizeof(boot->memory[0]))
        boot->memory[boot->memory_count++] = (struct memory_range){base, size, usable};
}

/* Cuts [base, base + size) out of what is usable. */
static void reserve(struct boot_info *boot, uint64_t base, uint64_t size)
{
    const uint64_t end = base + size;
    for (unsigned i = 0; i < boot->memory_count; i++) {
        struct memory_range *range = &boot->memory[i];
        const uint64_t range_end = range->base + range->size;
        if (!range->usable || base >= range_end || end <= range->base)
            continue;
        if (base > range->base) {
            range->size = base - range->base;
            if (end < range_end)
                add_range(boot, end, range_end - end, true);
        } else if (end < range_end) {
            range->base = end;
            range->size = range_end - end;
        } else {
            range->usable = false;
        }
    }
    add_range(boot, base, size, false);
}

static void sort_ranges(struct boot_info *boot)
{
    for (unsigned i = 1; i < boot->memory_count; i++) {
        const struct memory_range range = boot->memory[i];
        unsigned at = i;
        for (; at > 0 && boot->memory[at - 1].base > range.base; at--)
            boot->memory[at] = boot->memory[at - 1];
        boot->memory[at] = range;
    }
}

/*
 * Nodes
 */

static void copy_command_line(struct boot_info *boot, const char *line)
{
    for (size_t i = 0; i < sizeof(boot->command_line) - 1 && line[i] != '\0'; i++)
        boot->command_line[i] = line[i];
}

static void read_property(struct reader *reader, const char *name, const uint8_t *value,
                          uint32_t size)
{
    struct node *node = &reader->path[reader->depth];
    if (equal(name, "#address-cells")) {
        node->address_words = word(value);
    } else if (equal(name, "#size-cells")) {
        node->size_words = word(value);
    } else if (equal(name, "device_type")) {
        node->type = (const char *)value;
    } else if (equal(name, "status")) {
        node->status = (const char *)value;
    } else if (equal(name, "reg")) {
        node->reg = value;
        node->reg_size = size;
    } else if (equal(name, "timebase-frequency")) {
        reader->tree->timebase = number(value, size / WORD);
    } else if (equal(name, "bootargs") && equal(node->name, "chosen")) {
        copy_command_line(reader->boot, (const char *)value);
    }
}

/* Each address and size that a node has. */
static void read_ranges(struct reader *reader, const struct node *node, const struct node *parent)
{
    const uint8_t *at = node->reg;
    const unsigned words = parent->address_words + parent->size_words;
    for (uint32_t left = node->reg_size / WORD; words > 0 && left >= words; left -= words) {
        const uint64_t base = number(at, parent->address_words);
        const uint64_t size = number(at + parent->address_words * WORD, parent->size_words);
        if (reader->reserving)
            reserve(reader->boot, base, size);
        else
            add_range(reader->boot, base, size, true);
        at += words * WORD;
    }
}

static void read_cpu(struct reader *reader, const struct node *node, const struct node *parent)
{
    struct boot_info *boot = reader->boot;
    const uint64_t id = number(node->reg, parent->address_words);
    if (id != reader->tree->cpu_ids[0] && boot->cpu_count < CPUS_MAX &&
        (equal(node->status, "okay") || equal(node->status, "")))
        reader->tree->cpu_ids[boot->cpu_count++] = id;
}

static void node_ends(struct reader *reader)
{
    const struct node *node = &reader->path[reader->depth];
    const struct node *parent = node - 1;
    if (reader->reserving) {
        if (equal(parent->name, "reserved-memory"))
            read_ranges(reader, node, parent);
    } else if (equal(node->type, "memory")) {
        read_ranges(reader, node, parent);
    } else if (equal(node->type, "cpu") && node->reg != NULL) {
        read_cpu(reader, node, parent);
    }
}

/*
 * The walk
 */

static const uint8_t *behind_string(const uint8_t *string)
{
    while (*string != '\0')
        string++;
    return string + 1;
}

/* The next word: they begin at multiples of their size. */
static const uint8_t *next_word(const struct reader *reader, const uint8_t *at)
{
    const size_t offset = (size_t)(at - reader->blob);
    return reader->blob + (offset + WORD - 1) / WORD * WORD;
}

/* False: a tree that is too deep, or is none. */
static bool walk(struct reader *reader)
{
    static const struct node unknown = {
        .name = "", .type = "", .status = "", .address_words = 2, .size_words = 1};
    const char *strings = (const char *)reader->blob + word(reader->blob + HEADER_STRINGS);
    const uint8_t *at = reader->blob + word(reader->blob + HEADER_STRUCTURE);
    reader->depth = 0;
    reader->path[0] = unknown;
    do {
        const uint32_t token = word(at);
        at += WORD;
        if (token == NODE_BEGINS) {
            if (++reader->depth == DEPTH_MAX)
                return false;
            reader->path[reader->depth] = unknown;
            reader->path[reader->depth].name = (const char *)at;
            at = next_word(reader, behind_string(at));
        } else if (token == PROPERTY) {
            const uint32_t size = word(at);
            read_property(reader, strings + word(at + WORD), at + 2 * WORD, size);
            at = next_word(reader, at + 2 * WORD + size);
        } else if (token == NODE_ENDS) {
            node_ends(reader);
            reader->depth--;
        } else if (token != NOTHING) {
            return false;
        }
    } while (reader->depth > 0);
    return true;
}

/* What the header reserves: pairs of an address and a size, up to a pair of zeros. */
static void reserve_listed(struct reader *reader)
{
    enum { PAIR = 4 * WORD };
    const uint8_t *at = reader->blob + word(reader->blob + HEADER_RESERVED);
    for (; number(at + PAIR / 2, 2) != 0; at += PAIR)
        reserve(reader->boot, number(at, 2), number(at + PAIR / 2, 2));
}

bool devicetree_read(uint64_t physical, uint64_t boot_cpu, struct boot_info *boot,
                     struct devicetree *tree)
{
    static struct reader reader;
    reader = (struct reader){.blob = arch_direct(physical), .boot = boot, .tree = tree};
    tree->cpu_ids[0] = boot_cpu;
    boot->cpu_count = 1;
    if (word(reader.blob) != MAGIC || !walk(&reader))
        return false;
    reader.reserving = true;
    walk(&reader);
    reserve_listed(&reader);
    reserve(boot, physical, word(reader.blob + HEADER_SIZE));
    sort_ranges(boot);
    return true;
}
