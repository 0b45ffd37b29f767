/* SPDX-License-Identifier: MIT */
/*
 * console.c - formatted output, and bars that show progress. What one call prints stays together,
 * whoever else prints.
 */
#include "console.h"
#include "arch/arch.h"
#include <stdarg.h>

enum { PROGRESS_WIDTH = 50 };

static void put(char c)
{
    if (c == '\n')
        arch_console_write('\r');
    arch_console_write(c);
}

static void put_repeated(char c, unsigned count)
{
    while (count-- > 0)
        put(c);
}

static unsigned length_of(const char *string)
{
    unsigned length = 0;
    while (string[length] != '\0')
        length++;
    return length;
}

/* One conversion: everything between a % and the letter that ends it. */
struct conversion {
    bool left;
    bool zeros;
    bool is_long;
    unsigned width;
};

static void put_field(const struct conversion *conversion, const char *string)
{
    const unsigned length = length_of(string);
    const unsigned padding = conversion->width > length ? conversion->width - length : 0;
    if (!conversion->left)
        put_repeated(conversion->zeros ? '0' : ' ', padding);
    while (*string != '\0')
        put(*string++);
    if (conversion->left)
        put_repeated(' ', padding);
}

static void put_number(const struct conversion *conversion, unsigned long number, unsigned base)
{
    char digits[24];
    char *first = &digits[sizeof(digits) - 1];
    *first = '\0';
    do {
        *--first = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    put_field(conversion, first);
}

/* Reads what stands between the % and the letter; returns where the letter is. */
static const char *parse(const char *format, struct conversion *conversion, va_list *arguments)
{
    for (; *format == '-' || *format == '0'; format++) {
        conversion->left |= *format == '-';
        conversion->zeros |= *format == '0';
    }
    if (*format == '*') {
        conversion->width = (unsigned)va_arg(*arguments, int);
        format++;
    }
    for (; *format >= '0' && *format <= '9'; format++)
        conversion->width = conversion->width * 10 + (unsigned)(*format - '0');
    if (*format == 'l') {
        conversion->is_long = true;
        format++;
    }
    return format;
}

static void put_conversion(const struct conversion *conversion, char letter, va_list *arguments)
{
    char character[2] = {0};
    switch (letter) {
    case 's':
        put_field(conversion, va_arg(*arguments, const char *));
        break;
    case 'c':
        character[0] = (char)va_arg(*arguments, int);
        put_field(conversion, character);
        break;
    case 'u':
    case 'x':
        put_number(conversion,
                   conversion->is_long ? va_arg(*arguments, unsigned long)
                                       : va_arg(*arguments, unsigned),
                   letter == 'x' ? 16 : 10);
        break;
    default: /* the format attribute leaves only %% */
        put(letter);
        break;
    }
}

/* Who prints: the address of the CPU's structure. A trap in the middle goes on without the lock. */
static struct port_lock print_lock = PORT_LOCK_INIT;
static const struct percpu *printing;

static void print_all(const char *format, va_list *arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        struct conversion conversion = {0};
        format = parse(format + 1, &conversion, arguments);
        put_conversion(&conversion, *format, arguments);
    }
}

void print(const char *format, ...)
{
    const struct percpu *self = port_percpu();
    const bool is_nested = __atomic_load_n(&printing, __ATOMIC_RELAXED) == self;
    const unsigned long state = is_nested ? 0 : port_lock(&print_lock);
    va_list arguments;
    __atomic_store_n(&printing, self, __ATOMIC_RELAXED);
    va_start(arguments, format);
    print_all(format, &arguments);
    va_end(arguments);
    if (!is_nested) {
        __atomic_store_n(&printing, NULL, __ATOMIC_RELAXED);
        port_unlock(&print_lock, state);
    }
}

void console_sink(void *ctx, const char *string)
{
    (void)ctx;
    print("%s", string);
}

struct size_text size_text(uint64_t bytes)
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct size_text result;
    char *at = result.text;
    unsigned unit = 0;
    unsigned rest = 0; /* of 1024 */
    for (; bytes >= 1024; bytes >>= 10) {
        rest = (unsigned)bytes % 1024;
        unit++;
    }
    const unsigned whole = (unsigned)bytes;
    for (unsigned digit = 1000; digit > 0; digit /= 10)
        if (whole >= digit || digit == 1)
            *at++ = (char)('0' + whole / digit % 10);
    if (unit > 0) {
        *at++ = '.';
        *at++ = (char)('0' + rest * 10 / 1024);
    }
    *at++ = ' ';
    for (const char *letter = units[unit]; *letter != '\0'; letter++)
        *at++ = *letter;
    *at = '\0';
    return result;
}

void progress_begin(struct progress *bar, const char *what, uint64_t whole)
{
    bar->whole = whole;
    bar->drawn = 0;
    print("  %-10s [", what);
}

void progress_report(struct progress *bar, uint64_t done)
{
    while (bar->drawn < PROGRESS_WIDTH && done * PROGRESS_WIDTH >= bar->whole * (bar->drawn + 1)) {
        put('#');
        bar->drawn++;
    }
}

void progress_end(struct progress *bar)
{
    progress_report(bar, bar->whole);
    print("]");
}
