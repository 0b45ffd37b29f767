/* SPDX-License-Identifier: MIT */
/*
 * numbers.c - not all that a kernel hands out is memory: PIDs, file descriptors, vectors.
 */
#include "kernel.h"

vmem_id_t *ids[IDS_COUNT];
const char *const id_names[IDS_COUNT] = {"pid", "fd.init", "fd.shell", "fd.server"};

static void create_ids(enum id_space space, struct vmem_id_params params)
{
    params.name = id_names[space];
    expect(vmem_id_create(&params, &ids[space]) == 0, "an ID space is created");
}

void numbers_init(void)
{
    /* A PID comes back only after all others had their turn, and a low one never. */
    create_ids(IDS_PID, (struct vmem_id_params){
                            .min = 1, .max = PID_MAX, .wrap = PID_WRAP, .flags = VMEM_ID_CYCLIC});
    /* A process gets the lowest descriptor that it does not use, as POSIX wants it. */
    for (unsigned i = IDS_FILE; i < IDS_COUNT; i++)
        create_ids(i, (struct vmem_id_params){.max = FILES_MAX - 1, .flags = VMEM_ID_LOWEST});

    /* Vectors behind those of the processor. A device with multi-MSI takes an aligned run. */
    const struct vmem_params irq = {
        .name = arena_names[ARENA_IRQ], .base = IRQ_FIRST, .size = IRQ_COUNT, .quantum = 1};
    expect(vmem_create(&irq, &arenas[ARENA_IRQ]) == 0, "vectors have an arena");
}
