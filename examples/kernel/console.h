/* SPDX-License-Identifier: MIT */
/* console.h - text for a person. */
#ifndef DEMO_CONSOLE_H
#define DEMO_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

/* A small printf: %c %s %u %x with l, a width or *, and the flags - and 0; and %%. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for text that exists already, as the sink of vmem/debug.h wants it. */
void console_sink(void *ctx, const char *string);

/* A number of bytes in four digits and a unit: "255.9 MiB". */
struct size_text {
    char text[16];
};
struct size_text size_text(uint64_t bytes);

/* A bar that grows to the right, so that it reads as well in a log: begin, at least once report. */
struct progress {
    uint64_t whole;
    unsigned drawn;
};
void progress_begin(struct progress *bar, const char *what, uint64_t whole);
void progress_report(struct progress *bar, uint64_t done);
void progress_end(struct progress *bar);

#endif
