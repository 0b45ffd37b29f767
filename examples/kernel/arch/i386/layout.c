/* SPDX-License-Identifier: MIT */
/*
 * layout.c - no paging, no traps: an address is a physical address. Enough for the self-test, which
 * is all that runs here.
 */
#include "../x86/x86.h"

const struct arch_layout arch_layout = {
    .name = "i386",
    .direct_map = 0,
    .boot_reach = 1ULL << 32,
    .virtual_base = 0,
    .virtual_size = 0,
};

void x86_traps_init(void)
{
}
