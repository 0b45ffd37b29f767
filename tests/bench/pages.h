/* SPDX-License-Identifier: MIT */
/*
 * pages.h - the hooks of the bench: pages for the library, counted, and no tolerance for faults.
 */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include <stddef.h>

/* Bytes that the library holds now: its static pages and what it was lent. */
size_t pages_held(void);

/* Touches `size` bytes of the pages to come, so that no page fault falls into a measurement. */
void pages_touch(size_t size);

#endif
