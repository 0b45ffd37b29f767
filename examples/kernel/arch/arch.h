/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what an architecture does for the kernel. The rest of it is portable.
 *
 * An architecture is a folder: the first instructions, a linker script, a console, an exit, and
 * page tables. It fills a struct boot_info from what the machine handed over and calls
 * kernel_main(). A kernel that maps nothing needs no page tables (i386, which only runs the
 * self-test, has none).
 */
#ifndef DEMO_ARCH_H
#define DEMO_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_SIZE = 4096 };

/* Where things are in this architecture's address space. */
struct arch_layout {
    const char *name;
    uintptr_t direct_map;   /* physical memory appears from here on, */
    uint64_t boot_reach;    /*    at boot only so far: more by arch_direct_map_add() */
    uintptr_t virtual_base; /* for the kernel to map things in: */
    size_t virtual_size;    /*    nothing is there at boot */
};
extern const struct arch_layout arch_layout;

/* One line of the memory map that the machine handed over, as it stands there. */
struct memory_range {
    uint64_t base;
    uint64_t size;
    bool usable; /* or else: reserved, ROM, tables of the firmware ... */
};

/*
 * What the machine handed over, copied: the kernel may use every usable range, but for its own
 * image.
 */
struct boot_info {
    char command_line[128];
    struct memory_range memory[64];
    unsigned memory_count;
    uint64_t image_base; /* the kernel itself, with its stack and first page tables */
    uint64_t image_end;
};

/* A byte to the console; a byte from it, once there is one. */
void arch_console_write(char c);
char arch_console_read(void);

/* Ends the machine, and tells whoever started it whether all went well. */
_Noreturn void arch_exit(bool passed);

/* The memory at a physical address that the direct map reaches. */
static inline void *arch_direct(uint64_t physical)
{
    return (void *)(arch_layout.direct_map + (uintptr_t)physical);
}

static inline uint64_t arch_physical(const void *direct)
{
    return (uintptr_t)direct - arch_layout.direct_map;
}

/*
 * Page tables. False: no page for a table; then nothing has changed. The tables come from and go
 * to page_table_alloc() and _free(); one that maps nothing any more goes back, but for those of the
 * direct map.
 */
bool arch_direct_map_add(uint64_t base, uint64_t size);
bool arch_map(uintptr_t address, uint64_t physical); /* one page that is not mapped */
uint64_t arch_unmap(uintptr_t address);              /* one that is; returns what was there */

/* The other direction: what the kernel supplies. */
void kernel_main(const struct boot_info *boot);
bool page_table_alloc(uint64_t *physical); /* a page within the direct map, zeroed */
void page_table_free(uint64_t physical);

#endif
