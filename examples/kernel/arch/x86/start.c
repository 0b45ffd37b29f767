/* SPDX-License-Identifier: MIT */
/*
 * start.c - from boot.S to kernel_main(): reads the PVH start info.
 *
 * PVH is the Xen project's boot protocol for x86 ("x86/HVM direct boot ABI"). An ELF note names a
 * 32-bit entry point; the loader, here QEMU's -kernel, enters it with the address of a table that
 * bears the memory map and the command line. They lie in memory that the map calls usable, so they
 * are copied before anything is allocated.
 */
#include "x86.h"

enum { START_INFO_MAGIC = 0x336ec578, MEMORY_TYPE_RAM = 1 };

struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line;
    uint64_t rsdp;
    uint64_t memory_map; /* from version 1 on */
    uint32_t memory_map_count;
    uint32_t reserved;
};

struct memory_map_entry {
    uint64_t base;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

static void copy_memory_map(const struct start_info *info, struct boot_info *boot)
{
    const struct memory_map_entry *map = arch_direct(info->memory_map);
    const unsigned room = sizeof(boot->memory) / sizeof(boot->memory[0]);
    for (unsigned i = 0; i < info->memory_map_count && i < room; i++) {
        boot->memory[i].base = map[i].base;
        boot->memory[i].size = map[i].size;
        boot->memory[i].usable = map[i].type == MEMORY_TYPE_RAM;
        boot->memory_count++;
    }
}

static void copy_command_line(const struct start_info *info, struct boot_info *boot)
{
    if (info->command_line == 0)
        return;
    const char *line = arch_direct(info->command_line);
    for (size_t i = 0; i < sizeof(boot->command_line) - 1 && line[i] != '\0'; i++)
        boot->command_line[i] = line[i];
}

_Noreturn void x86_start(uint32_t start_info)
{
    static struct boot_info boot;
    const struct start_info *info = arch_direct(start_info);
    uint64_t rsdp = 0;
    port_percpu_set(cpu_percpu(0));
    x86_traps_init();
    if (info->magic == START_INFO_MAGIC && info->version >= 1) {
        copy_memory_map(info, &boot);
        copy_command_line(info, &boot);
        rsdp = info->rsdp;
    }
    x86_find_cpus(rsdp, &boot);
    boot.image_base = (uintptr_t)image_physical_base;
    boot.image_end = (uintptr_t)image_physical_end;
    kernel_main(&boot);
    arch_exit(false); /* kernel_main() ends by itself */
}
