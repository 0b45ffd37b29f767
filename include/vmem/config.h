/* SPDX-License-Identifier: MIT */
/*
 * config.h - every knob, its default, and its compile-time check.
 *
 * Set a knob with -D on the command line, the same for every file that sees a
 * vmem header. What is out of range does not compile.
 */
#ifndef VMEM_CONFIG_H
#define VMEM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * 1: requests can wait: the flag VMEM_SLEEP exists, and the port has vmem_port_wait() and
 * vmem_port_wake(). By default so for programs on a host that name a port (vmem/port/posix.h can).
 */
#ifndef VMEM_CONFIG_SLEEP
#if defined(VMEM_PORT_HEADER) && __STDC_HOSTED__
#define VMEM_CONFIG_SLEEP 1
#else
#define VMEM_CONFIG_SLEEP 0
#endif
#endif

/* The header that says how this kernel locks; see vmem/port.h. */
#ifndef VMEM_PORT_HEADER
#define VMEM_PORT_HEADER "vmem/port/single.h"
#endif

/* Bytes in a page, as vmem_port_pages_alloc() lends them: a power of two. */
#ifndef VMEM_PAGE_SIZE
#define VMEM_PAGE_SIZE 4096
#endif

/*
 * Pages of .bss that hold the first boundary tags, arenas and hashes: enough for
 * a kernel to set up its arenas before it has an allocator to lend pages from.
 * With 4 KiB pages, one page holds 126 tags or 9 arenas.
 */
#ifndef VMEM_CONFIG_STATIC_PAGES
#define VMEM_CONFIG_STATIC_PAGES 16
#endif

/* 1: addresses are 64 bits even where a pointer is 32 (PAE, LPAE, wide IDs). */
#ifndef VMEM_CONFIG_ADDR64
#define VMEM_CONFIG_ADDR64 0
#endif

/* 1: each allocation records its caller, for fault reports; tags grow to 64 bytes. */
#ifndef VMEM_CONFIG_DEBUG
#define VMEM_CONFIG_DEBUG 0
#endif

/*
 * The longest chain of arenas that import from one another. It bounds the stack
 * that an allocation can use and the tags that a nested one can need, so the
 * library's reserve of tags follows from it.
 */
#ifndef VMEM_CONFIG_IMPORT_DEPTH
#define VMEM_CONFIG_IMPORT_DEPTH 8
#endif

#if VMEM_PAGE_SIZE < 4096 || VMEM_PAGE_SIZE > 2097152 || \
    (VMEM_PAGE_SIZE & (VMEM_PAGE_SIZE - 1)) != 0
#error "VMEM_PAGE_SIZE must be a power of two, 4 KiB to 2 MiB"
#endif
#if VMEM_CONFIG_STATIC_PAGES < 5
#error "VMEM_CONFIG_STATIC_PAGES: the first arena needs 5 pages"
#endif
#if VMEM_CONFIG_IMPORT_DEPTH < 1 || VMEM_CONFIG_IMPORT_DEPTH > 16
#error "VMEM_CONFIG_IMPORT_DEPTH must be 1 to 16"
#endif
#if VMEM_CONFIG_ADDR64 != 0 && VMEM_CONFIG_ADDR64 != 1
#error "VMEM_CONFIG_ADDR64 must be 0 or 1"
#endif
#if VMEM_CONFIG_SLEEP != 0 && VMEM_CONFIG_SLEEP != 1
#error "VMEM_CONFIG_SLEEP must be 0 or 1"
#endif
#if VMEM_CONFIG_DEBUG != 0 && VMEM_CONFIG_DEBUG != 1
#error "VMEM_CONFIG_DEBUG must be 0 or 1"
#endif

#endif
