/* SPDX-License-Identifier: MIT */
/*
 * acpi.c - which CPUs there are, from the firmware's tables (ACPI specification, chapter 5): the
 * root pointer RSDP names the table of tables, XSDT or RSDT, and the table "APIC" (MADT) lists the
 * CPUs by their interrupt controllers. Fields are not aligned, so they are read byte by byte.
 */
#include "x86_64.h"

enum {
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_XSDT = 24,
    TABLE_LENGTH = 4,
    TABLE_ENTRIES = 36,
    MADT_ENTRIES = 44,
    MADT_LOCAL_APIC = 0,
    LOCAL_APIC_ID = 3,
    LOCAL_APIC_FLAGS = 4,
    LOCAL_APIC_ENABLED = 1
};

static unsigned apic_ids[CPUS_MAX];

unsigned acpi_apic_id(unsigned index)
{
    return apic_ids[index];
}

static uint64_t read(const unsigned char *at, unsigned bytes)
{
    uint64_t number = 0;
    while (bytes-- > 0)
        number = number << 8 | at[bytes];
    return number;
}

static bool is_madt(const unsigned char *table)
{
    return table[0] == 'A' && table[1] == 'P' && table[2] == 'I' && table[3] == 'C';
}

static const unsigned char *find_madt(uint64_t rsdp)
{
    const unsigned char *root = arch_direct(rsdp);
    const bool wide = root[RSDP_REVISION] >= 2 && read(root + RSDP_XSDT, 8) != 0;
    const unsigned step = wide ? 8 : 4;
    const unsigned char *tables =
        arch_direct(wide ? read(root + RSDP_XSDT, 8) : read(root + RSDP_RSDT, 4));
    const uint64_t length = read(tables + TABLE_LENGTH, 4);
    for (uint64_t at = TABLE_ENTRIES; at + step <= length; at += step) {
        const unsigned char *table = arch_direct(read(tables + at, step));
        if (is_madt(table))
            return table;
    }
    return NULL;
}

/* The CPU that reads this is number 0, the others follow as they stand there. */
void x86_find_cpus(uint64_t rsdp, struct boot_info *boot)
{
    const unsigned char *madt = rsdp != 0 ? find_madt(rsdp) : NULL;
    const uint64_t length = madt != NULL ? read(madt + TABLE_LENGTH, 4) : 0;
    apic_ids[0] = apic_id();
    boot->cpu_count = 1;
    for (uint64_t at = MADT_ENTRIES; at < length && boot->cpu_count < CPUS_MAX;
         at += madt[at + 1]) {
        const unsigned char *entry = madt + at;
        if (entry[0] == MADT_LOCAL_APIC && entry[LOCAL_APIC_ID] != apic_ids[0] &&
            (read(entry + LOCAL_APIC_FLAGS, 4) & LOCAL_APIC_ENABLED) != 0)
            apic_ids[boot->cpu_count++] = entry[LOCAL_APIC_ID];
    }
    smp_reserve(boot);
}
