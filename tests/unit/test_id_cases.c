/* SPDX-License-Identifier: MIT */
/*
 * test_id_cases.c - ID allocation as another system's test suite knows it: tests/data/id.txt, whose
 * head says what its lines mean. One test is one block of the file, in a space of one mode; a
 * failure names the line.
 */
#include "support.h"

#include <vmem/id.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ID_CASES_FILE
#error "ID_CASES_FILE: the path of id.txt"
#endif

enum { LINES_MAX = 512, BLOCKS_MAX = 64 };

struct line {
    unsigned number;
    char verb[4];
    unsigned long word[4];
    unsigned words; /* numbers behind the verb */
    bool expects;   /* G: an ID, the last word; else it must fail */
};

/* A block in one mode: the state of a test. */
struct block {
    char name[64];
    unsigned flags;
    unsigned first, count; /* its lines */
};

static struct line lines[LINES_MAX];
static unsigned line_count;
static struct block blocks[2 * BLOCKS_MAX];
static unsigned block_count;

/*
 * Reading the file
 */

static void die(unsigned number, const char *what)
{
    (void)fprintf(stderr, "%s:%u: %s\n", ID_CASES_FILE, number, what);
    exit(EXIT_FAILURE);
}

static void parse_numbers(struct line *line)
{
    for (char *text = strtok(NULL, " \n"); text != NULL; text = strtok(NULL, " \n")) {
        char *end;

        if (line->words == LENGTH(line->word))
            die(line->number, "too many words");
        if (strcmp(text, "fail") == 0)
            continue;
        line->expects = *text == '=';
        line->word[line->words++] = strtoul(text + line->expects, &end, 10);
        if (*end != '\0')
            die(line->number, "no number");
    }
}

/* The same block twice, once for each mode. */
static void begin_block(unsigned number)
{
    const char *name = strtok(NULL, " \n");

    if (name == NULL || block_count + 2 > LENGTH(blocks))
        die(number, "T without a name, or too many blocks");
    for (unsigned i = 0; i < 2; i++) {
        struct block *block = &blocks[block_count++];

        block->flags = i == 0 ? VMEM_ID_LOWEST : VMEM_ID_CYCLIC;
        block->first = line_count;
        (void)snprintf(block->name, sizeof(block->name), "%s [%s]", name,
                       i == 0 ? "lowest" : "cyclic");
    }
}

static void parse_line(char *text, unsigned number)
{
    const char *verb = strtok(text, " \n");
    struct line *line = &lines[line_count];

    if (verb == NULL || *verb == '#')
        return;
    if (strcmp(verb, "T") == 0) {
        begin_block(number);
        return;
    }
    if (block_count == 0 || line_count == LINES_MAX)
        die(number, "a line before the first T, or too many lines");
    line->number = number;
    (void)snprintf(line->verb, sizeof(line->verb), "%s", verb);
    parse_numbers(line);
    line_count++;
    blocks[block_count - 1].count++;
    blocks[block_count - 2].count++;
}

static void read_cases(void)
{
    FILE *file = fopen(ID_CASES_FILE, "r");
    char text[256];

    if (file == NULL)
        die(0, "cannot be opened");
    for (unsigned number = 1; fgets(text, sizeof(text), file) != NULL; number++)
        parse_line(text, number);
    (void)fclose(file);
}

/*
 * Running a block
 */

static void complain(const struct line *line, const char *what, unsigned long long id)
{
    print_error("line %u: %s: %llu\n", line->number, what, id);
    fail();
}

static void get(vmem_id_t *space, const struct line *line)
{
    vmem_addr_t id = 0;
    int error = vmem_id_alloc_in(space, line->word[0], line->word[1], 0, &id);

    if (!line->expects && error != -VMEM_ENOSPC)
        complain(line, "served, or another error", id);
    if (line->expects && (error != 0 || id != line->word[2]))
        complain(line, "another ID, or refused", id);
}

static void get_list(vmem_id_t *space, const struct line *line)
{
    for (vmem_addr_t i = line->word[0]; i <= line->word[1]; i++) {
        vmem_addr_t id = 0;

        if (vmem_id_alloc_in(space, line->word[2], line->word[3], 0, &id) != 0 || id != i)
            complain(line, "another ID, or refused", i);
    }
}

static void put_list(vmem_id_t *space, const struct line *line, bool backwards)
{
    unsigned long first = line->word[0], last = line->word[1];

    for (unsigned long i = 0; i <= last - first; i++)
        vmem_id_free(space, backwards ? last - i : first + i);
}

static void must_be_rejected(vmem_id_t *space, const struct line *line)
{
    struct vmem_id_stats before, after;

    vmem_id_stat(space, &before);
    vmem_id_free(space, line->word[0]);
    expect_fault(VMEM_FAULT_DOUBLE_FREE);
    vmem_id_stat(space, &after);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void free_everything(vmem_id_t *space)
{
    for (vmem_addr_t id = 0; vmem_id_next(space, id, &id); id++)
        vmem_id_free(space, id);
}

static void must_be_empty(vmem_id_t *space, const struct line *line)
{
    struct vmem_id_stats stats;

    vmem_id_stat(space, &stats);
    if ((stats.in_use == 0) != (line->word[0] == 1))
        complain(line, "IDs in use", stats.in_use);
}

static void run_line(vmem_id_t *space, const struct line *line)
{
    if (strcmp(line->verb, "G") == 0)
        get(space, line);
    else if (strcmp(line->verb, "GL") == 0)
        get_list(space, line);
    else if (strcmp(line->verb, "P") == 0)
        vmem_id_free(space, line->word[0]);
    else if (strcmp(line->verb, "PL") == 0)
        put_list(space, line, false);
    else if (strcmp(line->verb, "PLR") == 0)
        put_list(space, line, true);
    else if (strcmp(line->verb, "B") == 0)
        must_be_rejected(space, line);
    else if (strcmp(line->verb, "D") == 0)
        free_everything(space);
    else if (strcmp(line->verb, "E") == 0)
        must_be_empty(space, line);
    else
        complain(line, "unknown verb", 0);
    assert_int_equal(vmem_id_check(space), 0);
    if (fault_count != 0)
        complain(line, last_fault.what, last_fault.addr);
}

static void run_block(void **state)
{
    const struct block *block = *state;
    const struct line *line = &lines[block->first];
    struct vmem_id_params params = {.name = block->name, .flags = block->flags};
    vmem_id_t *space;

    assert_string_equal(line->verb, "N");
    params.min = line->word[0];
    params.max = line->word[1];
    assert_int_equal(vmem_id_create(&params, &space), 0);
    for (unsigned i = 1; i < block->count; i++)
        run_line(space, line + i);
    free_everything(space);
    assert_int_equal(vmem_id_destroy(space), 0);
}

int main(void)
{
    static struct CMUnitTest tests[LENGTH(blocks)];

    read_cases();
    for (unsigned i = 0; i < block_count; i++)
        tests[i] = (struct CMUnitTest){blocks[i].name, run_block, setup, teardown, &blocks[i]};
    return _cmocka_run_group_tests("id cases", tests, block_count, NULL, NULL);
}
