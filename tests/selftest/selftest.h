/* SPDX-License-Identifier: MIT */
/*
 * selftest.h - the library tries itself, wherever it runs: in a kernel before there is anything
 * else, or on a host.
 *
 * selftest.c and objects.c need the library's public headers and no libc. They bring
 * vmem_port_fault, vmem_port_pages_alloc and vmem_port_pages_free with them, 1 MiB of .bss to lend,
 * and as much to be allocated; whoever links them brings memcpy, memmove, memset and memcmp, and
 * defines none of those three.
 */
#ifndef TESTS_SELFTEST_SELFTEST_H
#define TESTS_SELFTEST_SELFTEST_H

/*
 * Runs all of it, which takes well under a second, and some seconds under emulation. Prints a line
 * for each part and each failure, the last of them "self-test: N checks, F failed". Returns F.
 * It may be run again. Two arenas may stay, whose pages hold their own tags.
 */
int vmem_selftest(void (*print)(void *ctx, const char *string), void *ctx);

#endif
