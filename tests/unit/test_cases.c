/* SPDX-License-Identifier: MIT */
/*
 * test_cases.c - constrained allocation as other systems' test suites know it:
 * tests/data/xalloc.txt under every policy on both indexes. One test is one block of the file under
 * one policy on one index; a failure names the block, the line, the policy and the index.
 *
 * Some answers are pinned: "unique" ones for every policy, "lowest" ones for first fit, refusals
 * for all. For the others any legal answer will do, and legality is judged here, from the list of
 * spans and held segments that the file itself describes. Later lines of a block build on the
 * answer that the suite's own system gave; so after an answer that is legal but another, the
 * segment is freed and the expected place taken by a request for exactly this address. That
 * steers the arena to where the following lines have their meaning. Where the file names no
 * address ("in:", "ok"), its column `low` is the lowest legal answer, which its own later lines
 * assume, and serves for steering and as first fit's answer alike.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef CASES_FILE
#error "CASES_FILE: the path of xalloc.txt"
#endif

enum { BLOCKS_MAX = 64, LINES_MAX = 64, HELD_MAX = 64, SPANS_MAX = 16 };

enum expectation { EXPECT_FAIL, EXPECT_ADDRESS, EXPECT_RANGE, EXPECT_ANY, EXPECT_SAME };

struct line {
    unsigned number;
    char verb; /* X, F or + */
    char id[8];
    uint64_t base, size; /* of X and + */
    uint64_t align, phase, nocross, min, max;
    enum expectation expectation;
    uint64_t expected, expected_last;
    bool unique; /* one legal answer */
    bool has_low;
    uint64_t low; /* the lowest legal answer */
};

struct block {
    char name[48];
    uint64_t base, size, quantum;
    struct line lines[LINES_MAX];
    unsigned count;
    bool wide; /* needs 64-bit addresses */
};

static struct block blocks[BLOCKS_MAX];
static unsigned block_count;

/*
 * Reading the file
 */

static void die(unsigned number, const char *what)
{
    (void)fprintf(stderr, "%s:%u: %s\n", CASES_FILE, number, what);
    exit(EXIT_FAILURE);
}

static uint64_t hexadecimal(const char *text, unsigned number)
{
    char *end;
    uint64_t value;

    value = strtoull(text, &end, 16);
    if (end == text || *end != '\0')
        die(number, "no number");
    return value;
}

static void parse_expectation(struct line *line, char *text)
{
    char *colon;

    if (strcmp(text, "fail") == 0) {
        line->expectation = EXPECT_FAIL;
    } else if (strcmp(text, "ok") == 0) {
        line->expectation = EXPECT_ANY;
    } else if (strcmp(text, "same") == 0) {
        line->expectation = EXPECT_SAME;
    } else if (text[0] == '=') {
        line->expectation = EXPECT_ADDRESS;
        line->expected = hexadecimal(text + 1, line->number);
    } else if (strncmp(text, "in:", 3) == 0 && (colon = strchr(text + 3, ':')) != NULL) {
        line->expectation = EXPECT_RANGE;
        line->expected_last = hexadecimal(colon + 1, line->number);
        *colon = '\0';
        line->expected = hexadecimal(text + 3, line->number);
    } else {
        die(line->number, "unknown expectation");
    }
}

static void parse_comment(struct line *line, const char *comment)
{
    const char *low = strstr(comment, "low=0x");

    line->unique = strstr(comment, "legal=1 ") != NULL;
    line->has_low = low != NULL;
    if (low != NULL)
        line->low = strtoull(low + 4, NULL, 16);
}

static unsigned split_words(char *text, char *words[], unsigned most)
{
    unsigned count = 0;

    for (char *word = strtok(text, " \n"); word != NULL && count < most; word = strtok(NULL, " \n"))
        words[count++] = word;
    return count;
}

/* X id size align phase nocross min max expect */
static void parse_request(struct line *line, char *words[], unsigned count)
{
    if (count != 9)
        die(line->number, "X takes eight words");
    line->size = hexadecimal(words[2], line->number);
    line->align = hexadecimal(words[3], line->number);
    line->phase = hexadecimal(words[4], line->number);
    line->nocross = hexadecimal(words[5], line->number);
    line->min = hexadecimal(words[6], line->number);
    line->max = hexadecimal(words[7], line->number);
    parse_expectation(line, words[8]);
}

static void parse_step(struct block *block, unsigned number, char *words[], unsigned count,
                       const char *comment)
{
    struct line *line;

    if (block->count == LINES_MAX || count < 2)
        die(number, "too many lines in a block, or too few words in a line");
    line = &block->lines[block->count++];
    line->number = number;
    line->verb = words[0][0];
    (void)snprintf(line->id, sizeof(line->id), "%s", words[1]);
    if (line->verb == 'X') {
        parse_request(line, words, count);
        parse_comment(line, comment);
    } else if (line->verb == '+') {
        line->base = hexadecimal(words[1], number);
        line->size = hexadecimal(words[2], number);
    } else if (line->verb != 'F') {
        die(number, "unknown verb");
    }
}

/* Numbers that need 64 bits; the highest stands for "no limit" and does not. */
static bool is_wide(const struct block *block)
{
    uint64_t all = block->base | block->size;

    for (unsigned i = 0; i < block->count; i++) {
        const struct line *line = &block->lines[i];

        all |= line->base | line->size | line->align | line->phase | line->nocross | line->min;
        all |= line->max != UINT64_MAX ? line->max : 0;
    }
    return all > VMEM_ADDR_MAX;
}

static void parse_line(char *text, unsigned number)
{
    struct block *block = block_count > 0 ? &blocks[block_count - 1] : NULL;
    char *comment = strchr(text, '#');
    char *words[10];
    unsigned count;

    if (comment != NULL)
        *comment++ = '\0';
    count = split_words(text, words, LENGTH(words));
    if (count == 0)
        return;
    if (words[0][0] == 'T') {
        if (block_count == BLOCKS_MAX || count != 3)
            die(number, "too many blocks, or T without a name");
        (void)snprintf(blocks[block_count++].name, sizeof(block->name), "%s (%s)", words[1],
                       words[2]);
    } else if (block == NULL) {
        die(number, "a line before the first T");
    } else if (words[0][0] == 'A') {
        block->base = hexadecimal(words[1], number);
        block->size = hexadecimal(words[2], number);
        block->quantum = hexadecimal(words[3], number);
    } else {
        parse_step(block, number, words, count, comment != NULL ? comment : "");
    }
}

static void read_cases(void)
{
    FILE *file = fopen(CASES_FILE, "r");
    char text[512];

    if (file == NULL)
        die(0, "cannot be opened");
    for (unsigned number = 1; fgets(text, sizeof(text), file) != NULL; number++)
        parse_line(text, number);
    (void)fclose(file);
    for (unsigned i = 0; i < block_count; i++)
        blocks[i].wide = is_wide(&blocks[i]);
}

/*
 * Running a block
 */

struct held {
    char id[8];
    vmem_addr_t addr;
    vmem_size_t size; /* 0: not held now */
};

struct span {
    vmem_addr_t base;
    vmem_size_t size;
};

struct run {
    const struct block *block;
    const struct mode *mode;
    vmem_t *arena;
    struct held held[HELD_MAX];
    unsigned held_count;
    struct span spans[SPANS_MAX];
    unsigned span_count;
};

static void complain(const struct run *run, const struct line *line, const char *what,
                     vmem_addr_t addr)
{
    print_error("%s, line %u, %s: %s: 0x%llx\n", run->block->name, line->number, run->mode->name,
                what, (unsigned long long)addr);
    fail();
}

static struct held *held_as(struct run *run, const char *id)
{
    for (unsigned i = 0; i < run->held_count; i++)
        if (strcmp(run->held[i].id, id) == 0)
            return &run->held[i];
    assert_true(run->held_count < HELD_MAX);
    (void)snprintf(run->held[run->held_count].id, sizeof(run->held[0].id), "%s", id);
    return &run->held[run->held_count++];
}

static struct vmem_constraints constraints_of(const struct line *line)
{
    struct vmem_constraints c = {
        .align = (vmem_size_t)line->align,
        .phase = (vmem_size_t)line->phase,
        .nocross = (vmem_size_t)line->nocross,
        .min = (vmem_addr_t)line->min,
        .limit = line->max >= VMEM_ADDR_MAX ? 0 : (vmem_addr_t)line->max + 1,
    };

    return c;
}

static bool overlap(vmem_addr_t one, vmem_size_t one_size, vmem_addr_t other,
                    vmem_size_t other_size)
{
    return one <= other + (other_size - 1) && other <= one + (one_size - 1);
}

/* Legal, within one span, and clear of everything that is held. */
static bool is_legal(const struct run *run, const struct line *line, vmem_addr_t addr)
{
    const struct vmem_constraints c = constraints_of(line);
    vmem_size_t quantum = (vmem_size_t)run->block->quantum;
    vmem_size_t size = ((vmem_size_t)line->size + quantum - 1) / quantum * quantum;
    bool inside = false;

    if (!legal(addr, size, quantum, &c))
        return false;
    for (unsigned i = 0; i < run->span_count; i++)
        inside = inside || (addr >= run->spans[i].base && size <= run->spans[i].size &&
                            addr - run->spans[i].base <= run->spans[i].size - size);
    for (unsigned i = 0; i < run->held_count; i++)
        if (run->held[i].size > 0 && overlap(addr, size, run->held[i].addr, run->held[i].size))
            return false;
    return inside;
}

/* Whether this policy must give the answer that the line names. */
static bool is_pinned(const struct run *run, const struct line *line)
{
    return line->unique || (run->mode->policy == VMEM_FIRSTFIT && line->has_low);
}

/* The answer that the following lines of the block assume. */
static vmem_addr_t assumed(const struct line *line, const struct held *held)
{
    if (line->expectation == EXPECT_ADDRESS)
        return (vmem_addr_t)line->expected;
    if (line->expectation == EXPECT_SAME)
        return held->addr;
    return (vmem_addr_t)line->low;
}

static void must_be_refused(struct run *run, const struct line *line)
{
    const struct vmem_constraints c = constraints_of(line);
    vmem_addr_t addr = 0;
    int error = vmem_xalloc(run->arena, (vmem_size_t)line->size, &c, run->mode->policy, &addr);

    if (error == 0)
        complain(run, line, "served although nothing is legal", addr);
    /* Some suites ask for what can never be right: a window smaller than the size, say. */
    if (error == -VMEM_EINVAL)
        expect_fault(VMEM_FAULT_PARAMETER);
    else
        assert_int_equal(error, -VMEM_ENOSPC);
}

static void must_be_served(struct run *run, const struct line *line)
{
    const struct vmem_constraints c = constraints_of(line);
    struct held *held = held_as(run, line->id);
    vmem_addr_t addr = 0, wanted = assumed(line, held);
    vmem_size_t size = (vmem_size_t)line->size;
    int error = vmem_xalloc(run->arena, size, &c, run->mode->policy, &addr);

    if (error != 0)
        complain(run, line, "refused although this is legal", (vmem_addr_t)line->low);
    if (!is_legal(run, line, addr))
        complain(run, line, "the answer is not legal", addr);
    if (is_pinned(run, line) && addr != (vmem_addr_t)line->low)
        complain(run, line, "the answer is pinned to another", addr);
    if (addr != wanted) {
        give(run->arena, addr, size);
        (void)take_at(run->arena, wanted, size);
    }
    held->addr = wanted;
    held->size = size;
}

static void add_span(struct run *run, uint64_t base, uint64_t size)
{
    run->spans[run->span_count].base = (vmem_addr_t)base;
    run->spans[run->span_count++].size = (vmem_size_t)size;
}

static void run_line(struct run *run, const struct line *line)
{
    struct held *held;

    if (line->verb == '+') {
        assert_int_equal(vmem_add(run->arena, (vmem_addr_t)line->base, (vmem_size_t)line->size, 0),
                         0);
        add_span(run, line->base, line->size);
    } else if (line->verb == 'F') {
        held = held_as(run, line->id);
        vmem_xfree(run->arena, held->addr, held->size);
        held->size = 0;
    } else if (line->expectation == EXPECT_FAIL) {
        must_be_refused(run, line);
    } else {
        must_be_served(run, line);
    }
    check(run->arena);
}

struct case_state {
    const struct block *block;
    const struct mode *mode;
};

static void run_block(void **state)
{
    const struct case_state *which = *state;
    const struct block *block = which->block;
    struct run run = {.block = block, .mode = which->mode};

    if (block->wide)
        skip();
    run.arena = make((vmem_addr_t)block->base, (vmem_size_t)block->size,
                     (vmem_size_t)block->quantum, which->mode->index);
    if (block->size > 0)
        add_span(&run, block->base, block->size);
    for (unsigned i = 0; i < block->count; i++)
        run_line(&run, &block->lines[i]);
}

int main(void)
{
    static struct case_state states[BLOCKS_MAX * MODES];
    static struct CMUnitTest tests[BLOCKS_MAX * MODES];
    static char names[BLOCKS_MAX * MODES][96];
    size_t count = 0;

    read_cases();
    for (unsigned i = 0; i < block_count; i++) {
        for (unsigned m = 0; m < MODES; m++, count++) {
            states[count].block = &blocks[i];
            states[count].mode = &modes[m];
            (void)snprintf(names[count], sizeof(names[count]), "%.47s [%s]", blocks[i].name,
                           modes[m].name);
            tests[count].name = names[count];
            tests[count].test_func = run_block;
            tests[count].setup_func = setup;
            tests[count].teardown_func = teardown;
            tests[count].initial_state = &states[count];
        }
    }
    return _cmocka_run_group_tests("cases", tests, count, NULL, NULL);
}
