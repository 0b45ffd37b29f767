/* SPDX-License-Identifier: MIT */
/*
 * sections.h - the parts of the report beside the mixes. Each prints its own table; each can be
 * made small, for a quick run that only shows that it works.
 */
#ifndef BENCH_SECTIONS_H
#define BENCH_SECTIONS_H

#include <stddef.h>

/* The smallest span that serves so many operations, over the live volume. */
void fragmentation_print(size_t operations, size_t live);

/* The longest call while an arena grows to so many segments and shrinks to none. */
void growth_print(size_t segments, int runs);

/* Bytes a live segment for 10^4 segments up to most, and bytes of an arena without any. */
void footprint_print(size_t most);

/* A pair of objects or blocks, beside other allocators: `program` is this one's own path. */
void compare_print(const char *program, size_t pairs);

/* What compare_print asks of the program with another malloc: its ns a pair, alone on a line. */
void compare_answer(size_t mix, size_t pairs);

/* Sorts, and returns the value below which `part` of them lie; part 1: the largest. */
unsigned quantile(unsigned *values, size_t count, double part);

#endif
