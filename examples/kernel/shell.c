/* SPDX-License-Identifier: MIT */
/*
 * shell.c - a prompt on the console, to look at it all and to try it.
 *
 * A line is split into words at blanks; the first is looked up in the table of commands below, the
 * others are its arguments. What a command cannot read it names, and does nothing.
 */
#include "kernel.h"

enum { LINE_MAX = 100, WORDS_MAX = 8, MAP_WIDTH = 72 };

struct words {
    unsigned count;
    char *word[WORDS_MAX + 1]; /* one more than is allowed, to notice it */
};

static bool is_running;

static bool equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* What follows `prefix` in a string that begins with it; or NULL. */
static const char *after(const char *string, const char *prefix)
{
    while (*prefix != '\0')
        if (*string++ != *prefix++)
            return NULL;
    return string;
}

/* Reads a line, with echo; backspace takes the last character back, control-U all. */
static void read_line(char *line)
{
    unsigned length = 0;
    for (;;) {
        const char c = arch_console_read();
        if (c == '\r' || c == '\n')
            break;
        unsigned erase = 0;
        if (c == '\b' || c == 0x7f) {
            erase = length > 0 ? 1 : 0;
        } else if (c == 'U' - '@') {
            erase = length;
        } else if (c >= ' ' && c < 0x7f && length < LINE_MAX) {
            line[length++] = c;
            print("%c", c);
        }
        for (; erase > 0; erase--) {
            length--;
            print("\b \b");
        }
    }
    line[length] = '\0';
    print("\n");
}

static struct words split(char *line)
{
    struct words words = {0};
    while (words.count <= WORDS_MAX) {
        while (*line == ' ')
            *line++ = '\0';
        if (*line == '\0')
            break;
        words.word[words.count++] = line;
        while (*line != ' ' && *line != '\0')
            line++;
    }
    return words;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20; /* to lower case */
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

static unsigned suffix_shift(char c)
{
    switch (c | 0x20) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    default:
        return 0;
    }
}

/* Decimal, or hexadecimal behind 0x, and perhaps K, M or G. */
static bool read_number(const char *text, vmem_size_t *number)
{
    const char *hex = after(text, "0x");
    const unsigned base = hex != NULL ? 16 : 10;
    const char *at = hex != NULL ? hex : text;
    vmem_size_t value = 0;
    const char *first = at;
    for (; digit_value(*at) < base; at++) {
        const unsigned digit = digit_value(*at);
        if (value > (VMEM_ADDR_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    const unsigned shift = suffix_shift(*at);
    if (at == first || value > VMEM_ADDR_MAX >> shift || at[shift > 0 ? 1 : 0] != '\0')
        return false;
    *number = value << shift;
    return true;
}

static bool number_argument(const char *text, vmem_size_t *number)
{
    const bool ok = read_number(text, number);
    if (!ok)
        print("'%s' is no number: write 4096, 0x1000 or 4K\n", text);
    return ok;
}

/* Which of `count` names this is; `count`: none of them. */
static unsigned name_argument(const char *name, const char *const *names, unsigned count,
                              const char *what)
{
    for (unsigned i = 0; i < count; i++)
        if (equal(name, names[i]))
            return i;
    print("no %s '%s': there are", what, name);
    for (unsigned i = 0; i < count; i++)
        print(" %s", names[i]);
    print("\n");
    return count;
}

static vmem_t *arena_argument(const char *name)
{
    const unsigned i = name_argument(name, arena_names, ARENA_COUNT, "arena");
    return i < ARENA_COUNT ? arenas[i] : NULL;
}

static vmem_id_t *ids_argument(const char *name)
{
    const unsigned i = name_argument(name, id_names, IDS_COUNT, "ID space");
    return i < IDS_COUNT ? ids[i] : NULL;
}

/* One word behind the size: a policy, or a constraint as name=number. */
static bool request_argument(const char *word, struct vmem_constraints *c, unsigned *flags)
{
    static const struct {
        const char *name;
        unsigned flag;
    } policies[] = {{"instant", VMEM_INSTANTFIT},
                    {"best", VMEM_BESTFIT},
                    {"next", VMEM_NEXTFIT},
                    {"first", VMEM_FIRSTFIT},
                    {"last", VMEM_LASTFIT}};
    const struct {
        const char *name;
        vmem_size_t *value;
    } constraints[] = {{"align=", &c->align},
                       {"phase=", &c->phase},
                       {"nocross=", &c->nocross},
                       {"min=", &c->min},
                       {"limit=", &c->limit}};
    for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (equal(word, policies[i].name)) {
            *flags = policies[i].flag;
            return true;
        }
    }
    for (unsigned i = 0; i < sizeof(constraints) / sizeof(constraints[0]); i++) {
        const char *value = after(word, constraints[i].name);
        if (value != NULL)
            return number_argument(value, constraints[i].value);
    }
    print("'%s' is neither a policy nor a constraint\n", word);
    return false;
}

static const char *error_text(int error)
{
    switch (error) {
    case -VMEM_ENOMEM:
        return "ENOMEM, no memory for a tag or behind the addresses";
    case -VMEM_EBUSY:
        return "EBUSY, it is in use";
    case -VMEM_EINVAL:
        return "EINVAL, reported above";
    case -VMEM_ENOSPC:
        return "ENOSPC, no free segment satisfies the request";
    default:
        return "an error that this shell does not know";
    }
}

static void allocate(const struct words *words, bool with_constraints)
{
    struct vmem_constraints c = {0};
    unsigned flags = 0;
    vmem_size_t size;
    vmem_addr_t addr;
    vmem_t *arena = arena_argument(words->word[1]);
    if (arena == NULL || !number_argument(words->word[2], &size))
        return;
    for (unsigned i = 3; i < words->count; i++)
        if (!request_argument(words->word[i], &c, &flags))
            return;
    const int error = with_constraints ? vmem_xalloc(arena, size, &c, flags, &addr)
                                       : vmem_alloc(arena, size, flags, &addr);
    if (error == 0)
        print("0x%lx\n", addr);
    else
        print("refused: %s\n", error_text(error));
}

/* The caches that this kernel has made; the heap and the arenas have more of their own. */
static void do_caches(const struct words *words)
{
    const struct {
        const char *name;
        vmem_cache_t *cache;
    } caches[] = {{"page table", page_tables}, {"thread", threads}};
    struct vmem_cache_stats stats;
    (void)words;
    print("cache       objects of   in slabs of  slabs  in use  in magazines  (of)  in depot\n");
    for (unsigned i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        vmem_cache_stat(caches[i].cache, &stats);
        print("%-10s  %10lu  %3lu = %7lu  %5lu  %6lu  %12lu  %4lu  %8lu\n", caches[i].name,
              (unsigned long)stats.object_size, (unsigned long)stats.objects_per_slab,
              (unsigned long)stats.slab_size, (unsigned long)stats.slabs,
              (unsigned long)stats.in_use, (unsigned long)stats.in_magazines,
              (unsigned long)stats.magazine_size, (unsigned long)stats.full_magazines);
    }
}

static void do_heap(const struct words *words)
{
    (void)words;
    vmem_print_heap(heap, console_sink, NULL);
}

static void do_malloc(const struct words *words)
{
    vmem_size_t size;
    if (!number_argument(words->word[1], &size))
        return;
    void *block = vmem_heap_alloc(heap, size, 0);
    if (block != NULL)
        print("0x%lx, of which %lu bytes may be used\n", (unsigned long)(uintptr_t)block,
              (unsigned long)vmem_heap_usable_size(heap, block));
    else
        print("refused\n");
}

static void do_mfree(const struct words *words)
{
    vmem_addr_t addr;
    const unsigned before = faults;
    if (!number_argument(words->word[1], &addr))
        return;
    vmem_heap_free(heap, (void *)(uintptr_t)addr);
    print(faults == before ? "freed\n" : "not freed\n");
}

/* The IDs that are in use, in runs. */
static void do_ids(const struct words *words)
{
    vmem_id_t *space = ids_argument(words->word[1]);
    vmem_addr_t first = 0;
    if (space == NULL)
        return;
    while (vmem_id_next(space, first, &first)) {
        vmem_addr_t end = first + 1;
        while (vmem_id_is_allocated(space, end))
            end++;
        if (end - first > 1)
            print("%lu-%lu ", (unsigned long)first, (unsigned long)(end - 1));
        else
            print("%lu ", (unsigned long)first);
        first = end;
    }
    print("in use\n");
}

static void do_take(const struct words *words)
{
    vmem_addr_t id;
    vmem_id_t *space = ids_argument(words->word[1]);
    if (space == NULL || (words->count > 2 && !number_argument(words->word[2], &id)))
        return;
    const int error = words->count > 2 ? vmem_id_take(space, id) : vmem_id_alloc(space, 0, &id);
    if (error == 0)
        print("%lu\n", (unsigned long)id);
    else
        print("refused: %s\n", error_text(error));
}

static void do_drop(const struct words *words)
{
    vmem_addr_t id;
    const unsigned before = faults;
    vmem_id_t *space = ids_argument(words->word[1]);
    if (space == NULL || !number_argument(words->word[2], &id))
        return;
    vmem_id_free(space, id);
    print(faults == before ? "freed\n" : "not freed\n");
}

static void do_reap(const struct words *words)
{
    (void)words;
    vmem_reap(NULL);
    struct vmem_stats stats;
    vmem_stat(arenas[ARENA_PHYS], &stats);
    print("%s free in phys\n", size_text(stats.free).text);
}

static void do_arenas(const struct words *words)
{
    (void)words;
    vmem_print(console_sink, NULL);
}

static void do_alloc(const struct words *words)
{
    allocate(words, false);
}

static void do_xalloc(const struct words *words)
{
    allocate(words, true);
}

static void do_free(const struct words *words)
{
    vmem_size_t size;
    vmem_addr_t addr;
    vmem_t *arena = arena_argument(words->word[1]);
    const unsigned before = faults;
    if (arena == NULL || !number_argument(words->word[2], &addr) ||
        !number_argument(words->word[3], &size))
        return;
    vmem_free(arena, addr, size);
    print(faults == before ? "freed\n" : "not freed\n");
}

static void do_map(const struct words *words)
{
    vmem_size_t width = MAP_WIDTH;
    vmem_t *arena = arena_argument(words->word[1]);
    if (arena == NULL || (words->count > 2 && !number_argument(words->word[2], &width)))
        return;
    if (width < 1 || width > 256) {
        print("a map is 1 to 256 characters wide\n");
        return;
    }
    vmem_print_map(arena, (unsigned)width, console_sink, NULL);
}

static void do_walk(const struct words *words)
{
    vmem_t *arena = arena_argument(words->word[1]);
    if (arena != NULL)
        vmem_print_arena(arena, console_sink, NULL);
}

static void do_whatis(const struct words *words)
{
    vmem_addr_t addr;
    if (number_argument(words->word[1], &addr) && vmem_whatis(addr, console_sink, NULL) == 0)
        print("nothing knows it\n");
}

static void do_check(const struct words *words)
{
    const unsigned before = problems;
    (void)words;
    arenas_check();
    print(problems == before ? "every invariant holds\n" : "broken\n");
}

static void do_help(const struct words *words);

static void do_quit(const struct words *words)
{
    (void)words;
    is_running = false;
}

static const struct command {
    const char *name;
    unsigned least; /* words, with the command itself */
    unsigned most;
    void (*run)(const struct words *words);
    const char *usage;
    const char *what;
} commands[] = {
    {"arenas", 1, 1, do_arenas, "", "the tree of arenas and caches; ID spaces"},
    {"alloc", 3, 4, do_alloc, "ARENA SIZE [POLICY]", "allocate: instant, best, next, first, last"},
    {"xalloc", 3, WORDS_MAX, do_xalloc, "ARENA SIZE [align=N] [phase=N] [nocross=N]",
     "and [min=N] [limit=N] [POLICY]"},
    {"free", 4, 4, do_free, "ARENA ADDRESS SIZE", "free what you allocated"},
    {"map", 2, 3, do_map, "ARENA [WIDTH]", ". free, # allocated, + both, | a new span"},
    {"walk", 2, 2, do_walk, "ARENA", "its spans and segments"},
    {"malloc", 2, 2, do_malloc, "SIZE", "a block of the heap"},
    {"mfree", 2, 2, do_mfree, "ADDRESS", "free it"},
    {"heap", 1, 1, do_heap, "", "the heap, and its size classes"},
    {"take", 2, 3, do_take, "SPACE [ID]", "take the next ID of an ID space, or this one"},
    {"drop", 3, 3, do_drop, "SPACE ID", "free it"},
    {"ids", 2, 2, do_ids, "SPACE", "those that are in use"},
    {"caches", 1, 1, do_caches, "", "their slabs and magazines"},
    {"whatis", 2, 2, do_whatis, "ADDRESS", "what everything knows of it"},
    {"reap", 1, 1, do_reap, "", "give back what is held without need"},
    {"check", 1, 1, do_check, "", "every invariant of everything"},
    {"help", 1, 1, do_help, "", "this list"},
    {"quit", 1, 1, do_quit, "", "end, with the verdict from before"},
};

static void do_help(const struct words *words)
{
    (void)words;
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        print("  %-6s %-45s %s\n", commands[i].name, commands[i].usage, commands[i].what);
    print("  numbers are 4096, 0x1000 or 4K\n");
}

static void run_command(const struct words *words)
{
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *command = &commands[i];
        if (!equal(words->word[0], command->name))
            continue;
        if (words->count < command->least || words->count > command->most) {
            print("usage: %s %s\n", command->name, command->usage);
            return;
        }
        command->run(words);
        return;
    }
    print("no command '%s': try help\n", words->word[0]);
}

void shell_run(void)
{
    char line[LINE_MAX + 1];
    print("\n--- shell: try help ---\n\n");
    is_running = true;
    while (is_running) {
        print("vmem> ");
        read_line(line);
        const struct words words = split(line);
        if (words.count > 0)
            run_command(&words);
    }
}
