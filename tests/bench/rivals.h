/* SPDX-License-Identifier: MIT */
/*
 * rivals.h - other allocators, where they are installed.
 *
 * What measures malloc() measures whichever the program was started with. So the program starts
 * itself again with each of them preloaded, and reads from that what it has measured: the same
 * loop on the same sequence, within the same second as the library's.
 */
#ifndef BENCH_RIVALS_H
#define BENCH_RIVALS_H

#include <stdbool.h>
#include <stddef.h>

struct rival {
    const char *name;
    const char *library; /* what to preload; "-": nothing, it is the C library's */
};

extern const struct rival rivals[];
extern const size_t rival_count;

/* Runs `program malloc <its library> <arguments>` with it preloaded, and reads a number that this
   prints. False: it is not installed. */
bool rival_ask(const struct rival *rival, const char *program, const char *arguments,
               double *valuep);

/* In the program so started: whether that library is what malloc() comes from. */
bool rival_is_loaded(const char *library);

#endif
