/* SPDX-License-Identifier: MIT */
/*
 * counts.h - instructions a pair, as count.sh wrote them into a file.
 */
#ifndef BENCH_COUNTS_H
#define BENCH_COUNTS_H

/* Exits with a message if the file cannot be read. */
void counts_read(const char *path);

/* Prints those of a subject on a mix in so many columns, or "-" where they are not known. */
void counts_print(const char *mix, const char *subject, int width);

#endif
