/* SPDX-License-Identifier: MIT */
/*
 * mixes.h - the operation mixes, and what each of them is run on.
 *
 * Every mix is one loop: free what a slot holds, allocate for it again. What differs is the state
 * that the loop starts from and the sequence of slots and sizes, which is generated beforehand
 * and the same for every subject.
 */
#ifndef BENCH_MIXES_H
#define BENCH_MIXES_H

#include <vmem/vmem.h>

enum layout {
    LAYOUT_DENSE,       /* `live` segments */
    LAYOUT_EVERY_OTHER, /* of 2 * live segments of one quantum, every other is freed again and
                           one slot is churned: each free segment is a hole of one quantum */
    LAYOUT_PUNCHED      /* all of the span in single quanta, and some at random freed again */
};

enum constrained { CONSTRAINED_NOT, CONSTRAINED_ALIGN, CONSTRAINED_WINDOW, CONSTRAINED_ALL };

struct mix {
    const char *name;
    enum layout layout;
    enum constrained constrained;
    size_t live;
    size_t spare;        /* quanta in a dense arena beside those that `live` asks for */
    unsigned punched;    /* freed again, in per cent */
    vmem_size_t largest; /* sizes are 1..largest quanta, uniform */
    vmem_size_t quantum;
    unsigned policy; /* VMEM_INSTANTFIT ... */
    unsigned flags;  /* VMEM_ARENA_*, or VMEM_ID_* of a space */
    bool space;      /* the library's subject is an ID space, not an arena */
    bool baseline;   /* whether the baseline can be run on it in reasonable time */
};

extern const struct mix mixes[];
extern const size_t mix_count;

enum subject_kind { SUBJECT_LIBRARY, SUBJECT_BASELINE, SUBJECT_EMPTY, SUBJECT_COUNT };
extern const char *const subject_names[SUBJECT_COUNT];

struct operation {
    uint32_t slot;
    uint32_t size;
};

struct slot {
    vmem_addr_t addr;
    vmem_size_t size;
};

/* A mix, set up for a subject and ready to be measured. */
struct run {
    const struct mix *mix;
    enum subject_kind subject;
    void *arena;
    size_t live;  /* of mix->live, unless a quick run made it less; */
    size_t slots; /*    how many of them are churned */
    size_t pairs;
    vmem_size_t span; /* in units */
    struct slot *slot;
    struct operation *operation;          /* `pairs` of them */
    struct vmem_constraints *constraints; /* `pairs` of them, or NULL */
};

/* `live` 0: what the mix says. Exits with a message if there is no memory. */
void run_prepare(struct run *run, const struct mix *mix, enum subject_kind subject, size_t live,
                 size_t pairs);
void run_destroy(struct run *run);

/*
 * The sequence, once. The name of the function that does it begins with measured_, for callgrind
 * to know it by. Exits with a message if an allocation is refused.
 */
void run_measure(struct run *run);

/* The same, unmeasured. */
void run_warm(struct run *run);

/* Exits if the library's subject is not as it should be. */
void run_check(const struct run *run);

/* The same, with the time of each of the 2 * pairs calls, in ticks, the minimum of it and what is
   already in `ticks`: what is repeatable stays, what the machine did meanwhile goes. */
void run_sample(struct run *run, uint32_t *ticks);

#endif
