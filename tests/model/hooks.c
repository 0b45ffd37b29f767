/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - the port of the model tests; see hooks.h.
 *
 * Pages are filled with rubbish when they are lent and again when they come back: whoever relies
 * on zeroes, or reads what it gave away, is found out.
 */
#include "hooks.h"

#include <stdlib.h>
#include <string.h>

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return rng_next(rng) % bound;
}

bool rng_chance(struct rng *rng, unsigned one, unsigned in)
{
    return rng_below(rng, in) < one;
}

/* Pages. */

#define LOANS 4096

struct page_hook page_hook;

static struct loan {
    void *pages;
    size_t size;
} loans[LOANS];
static size_t nloans;

static void complain(const char *what)
{
    if (page_hook.complaint == NULL)
        page_hook.complaint = what;
}

void *vmem_port_pages_alloc(size_t size)
{
    struct loan loan = {NULL, size};

    if (size == 0 || size % VMEM_PAGE_SIZE != 0)
        complain("pages_alloc: not a multiple of the page size");
    if (page_hook.refuse_in == 0 || !rng_chance(&page_hook.rng, 1, page_hook.refuse_in))
        loan.pages = nloans < LOANS ? aligned_alloc(VMEM_PAGE_SIZE, size) : NULL;
    if (loan.pages == NULL) {
        page_hook.refusals++;
        return NULL;
    }
    memset(loan.pages, 0xa5, size);
    loans[nloans++] = loan;
    page_hook.lent += size / VMEM_PAGE_SIZE;
    return loan.pages;
}

void vmem_port_pages_free(void *pages, size_t size)
{
    for (size_t i = nloans; i-- > 0;) {
        if (loans[i].pages != pages || loans[i].size != size)
            continue;
        memset(pages, 0x5a, size);
        free(pages);
        loans[i] = loans[--nloans];
        page_hook.lent -= size / VMEM_PAGE_SIZE;
        return;
    }
    complain("pages_free: of what was not lent");
}

/* Faults. */

struct fault_hook fault_hook;

void vmem_port_fault(const struct vmem_fault *fault)
{
    fault_hook.count++;
    fault_hook.last = *fault;
}

void fault_forget(void)
{
    fault_hook = (struct fault_hook){0};
}

const char *fault_name(enum vmem_fault_kind kind)
{
    static const char *const names[] = {
        [VMEM_FAULT_NONE] = "none",
        [VMEM_FAULT_DOUBLE_FREE] = "double free",
        [VMEM_FAULT_WRONG_SIZE] = "wrong size",
        [VMEM_FAULT_MISALIGNED] = "misaligned",
        [VMEM_FAULT_FOREIGN] = "foreign",
        [VMEM_FAULT_OVERLAP] = "overlap",
        [VMEM_FAULT_BUSY] = "busy",
        [VMEM_FAULT_PARAMETER] = "parameter",
        [VMEM_FAULT_IMPORT] = "import",
        [VMEM_FAULT_ORDER] = "order",
        [VMEM_FAULT_NEIGHBOURS] = "neighbours",
        [VMEM_FAULT_INDEX] = "index",
        [VMEM_FAULT_HASH] = "hash",
        [VMEM_FAULT_SUM] = "sum",
        [VMEM_FAULT_TAGS] = "tags",
    };

    return names[kind];
}
