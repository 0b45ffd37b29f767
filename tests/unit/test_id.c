/* SPDX-License-Identifier: MIT */
/*
 * test_id.c - ID spaces: what vmem/id.h says, sentence by sentence; the borders of words, leaves
 * and nodes; refused pages; and long random runs against a model that is an array of bytes.
 *
 * Every step is followed by vmem_id_check(). The teardown frees what is allocated and destroys the
 * spaces, and so verifies that no page is lost.
 */
#include "support.h"

#include "id.h"

#include <stdlib.h>
#include <string.h>

#define ID(test)                              \
    {                                         \
#test, test, setup, id_teardown, NULL \
    }
#define ID_IN(test, flags, label)                                          \
    {                                                                      \
#test " [" label "]", test, setup, id_teardown, &mode_flags[flags] \
    }
#define ID_IN_BOTH(test) \
    ID_IN(test, VMEM_ID_LOWEST, "lowest"), ID_IN(test, VMEM_ID_CYCLIC, "cyclic")

enum {
    WORD = VMEM_WORD_BITS,
    LEAF = VMEM_WORD_BITS * VMEM_WORD_BITS, /* IDs in a leaf, */
    NODE = LEAF * VMEM_WORD_BITS            /*    and in a node of leaves */
};

#define UNTOUCHED ((vmem_addr_t)0x1234567)

static unsigned mode_flags[] = {VMEM_ID_LOWEST, VMEM_ID_CYCLIC};
#define FLAGS(state) (*(const unsigned *)*(state))

static vmem_id_t *made[16];
static unsigned made_count;

#define make_space(min, max, wrap, flags) \
    support_make_space(&(struct vmem_id_params){"test", min, max, wrap, flags}, __FILE__, __LINE__)

static vmem_id_t *support_make_space(const struct vmem_id_params *params, const char *file,
                                     int line)
{
    vmem_id_t *space = NULL;

    _assert_int_equal((LargestIntegralType)vmem_id_create(params, &space), 0, file, line);
    _assert_true(space != NULL && made_count < LENGTH(made), "a space", file, line);
    made[made_count++] = space;
    return space;
}

static void free_all_ids(vmem_id_t *space)
{
    bool more = true;

    for (vmem_addr_t id = 0; more && vmem_id_next(space, id, &id); more = id++ != VMEM_ADDR_MAX)
        vmem_id_free(space, id);
}

static int id_teardown(void **state)
{
    int failures = 0;

    while (made_count > 0) {
        vmem_id_t *space = made[--made_count];

        free_all_ids(space);
        failures += vmem_id_check(space) != 0 || vmem_id_destroy(space) != 0;
    }
    return failures + teardown(state);
}

/*
 * Steps
 */

#define check_space(space) support_check_space(space, __FILE__, __LINE__)
static void support_check_space(vmem_id_t *space, const char *file, int line)
{
    int kind = vmem_id_check(space);

    if (fault_count != 0)
        print_error("fault: %s: %s\n", last_fault.call, last_fault.what);
    _assert_int_equal(fault_count, 0, file, line);
    _assert_int_equal((LargestIntegralType)kind, 0, file, line);
}

static vmem_addr_t in_use(vmem_id_t *space)
{
    struct vmem_id_stats stats;

    vmem_id_stat(space, &stats);
    return stats.in_use;
}

/*
 * Against a model
 */

enum { MODEL_MAX = 3 * LEAF + 77 };

struct model {
    vmem_id_t *space;
    struct vmem_id_params params;
    uint64_t random;
    vmem_size_t size;
    vmem_size_t cursor;
    vmem_size_t in_use;
    unsigned char used[MODEL_MAX];
};

/* The first of [from, to] that the model has free; size: none. */
static vmem_size_t model_lowest(const struct model *model, vmem_size_t from, vmem_size_t to)
{
    for (vmem_size_t i = from; i <= to && i < model->size; i++)
        if (!model->used[i])
            return i;
    return model->size;
}

static bool model_is_free(const struct model *model, vmem_size_t first, vmem_size_t count)
{
    for (vmem_size_t i = 0; i < count; i++)
        if (first + i >= model->size || model->used[first + i])
            return false;
    return true;
}

static vmem_size_t model_run(const struct model *model, vmem_size_t count, vmem_size_t align)
{
    for (vmem_size_t i = 0; i < model->size; i++)
        if ((model->params.min + i) % align == 0 && model_is_free(model, i, count))
            return i;
    return model->size;
}

static void model_set(struct model *model, vmem_size_t first, vmem_size_t count, bool used)
{
    memset(&model->used[first], used, (size_t)count);
    model->in_use += used ? count : 0 - count;
}

/* A number below n, of all sizes alike. */
static vmem_size_t some(struct model *model, vmem_size_t n)
{
    return (vmem_size_t)(next_random(&model->random) % n) >> next_random(&model->random) % 12;
}

/* The same below the size and 3, so that IDs behind the space are met too, where there are any. */
static vmem_size_t some_place(struct model *model)
{
    return some(model, model->size + (model->params.max <= VMEM_ADDR_MAX - 3 ? 3 : 0));
}

/* What an allocation returned, against where the model says that it must be. */
static void expect_place(struct model *model, int error, vmem_addr_t id, vmem_size_t place,
                         vmem_size_t count)
{
    if (place == model->size) {
        assert_int_equal(error, -VMEM_ENOSPC);
        assert_int_equal(id, UNTOUCHED);
        return;
    }
    assert_int_equal(error, 0);
    assert_int_equal(id, model->params.min + place);
    model_set(model, place, count, true);
}

static void step_alloc(struct model *model)
{
    vmem_addr_t id = UNTOUCHED;
    vmem_size_t place;
    int error = vmem_id_alloc(model->space, 0, &id);

    if (model->params.flags == VMEM_ID_LOWEST) {
        place = model_lowest(model, 0, model->size);
    } else {
        vmem_size_t wrap = model->params.wrap != 0 ? model->params.wrap - model->params.min : 0;

        place = model_lowest(model, model->cursor, model->size);
        if (place == model->size)
            place = model_lowest(model, wrap, model->cursor);
        if (place != model->size)
            model->cursor = place + 1;
    }
    expect_place(model, error, id, place, 1);
}

static void step_alloc_in(struct model *model)
{
    vmem_size_t first = some_place(model), other = some_place(model);
    vmem_size_t last = first > other ? first : other;
    vmem_addr_t id = UNTOUCHED;
    int error =
        vmem_id_alloc_in(model->space, model->params.min + first, model->params.min + last, 0, &id);

    expect_place(model, error, id, model_lowest(model, first, last), 1);
}

static void step_alloc_range(struct model *model)
{
    vmem_size_t count = 1 + some(model, next_random(&model->random) % 8 ? 100 : model->size);
    vmem_size_t align = (vmem_size_t)1 << next_random(&model->random) % 8;
    vmem_addr_t id = UNTOUCHED;
    int error = vmem_id_alloc_range(model->space, count, align, 0, &id);

    expect_place(model, error, id, model_run(model, count, align), count);
}

static void step_take(struct model *model)
{
    vmem_size_t i = (vmem_size_t)(next_random(&model->random) % model->size);
    int error = vmem_id_take(model->space, model->params.min + i);

    assert_int_equal(error, model->used[i] ? -VMEM_EBUSY : 0);
    if (error == 0)
        model_set(model, i, 1, true);
}

static void step_free(struct model *model)
{
    vmem_size_t i = (vmem_size_t)(next_random(&model->random) % model->size);

    vmem_id_free(model->space, model->params.min + i);
    if (model->used[i])
        model_set(model, i, 1, false);
    else
        expect_fault(VMEM_FAULT_DOUBLE_FREE);
}

/* As much of a run of allocated IDs as there is, and now and then one too many. */
static void step_free_range(struct model *model)
{
    vmem_size_t first = (vmem_size_t)(next_random(&model->random) % model->size);
    vmem_size_t count = 0, most = 1 + some(model, model->size);

    while (count < most && first + count < model->size && model->used[first + count])
        count++;
    if (first + count < model->size && next_random(&model->random) % 8 == 0) {
        bool is_free = model->used[first + count] == 0;

        if (is_free || count == 0) {
            vmem_id_free_range(model->space, model->params.min + first, count + 1);
            expect_fault(VMEM_FAULT_DOUBLE_FREE);
            assert_int_equal(last_fault.expected_addr, model->params.min + first + count);
            return;
        }
    }
    if (count == 0)
        return;
    vmem_id_free_range(model->space, model->params.min + first, count);
    model_set(model, first, count, false);
}

static void step_next(struct model *model)
{
    vmem_size_t from = some_place(model);
    vmem_addr_t id = UNTOUCHED;
    bool found = vmem_id_next(model->space, model->params.min + from, &id);

    while (from < model->size && !model->used[from])
        from++;
    assert_int_equal(found, from < model->size);
    assert_int_equal(id, found ? model->params.min + from : UNTOUCHED);
}

static void step_is_allocated(struct model *model)
{
    vmem_size_t i = some_place(model);

    assert_int_equal(vmem_id_is_allocated(model->space, model->params.min + i),
                     i < model->size && model->used[i]);
}

static void model_step(struct model *model, unsigned growth)
{
    static void (*const steps[])(struct model *) = {
        step_alloc, step_alloc,      step_alloc_in, step_alloc_range,
        step_take,  step_free_range, step_free,     step_free_range,
    };
    unsigned n = (unsigned)(next_random(&model->random) % 8);

    /* By turns more is allocated than freed, and the reverse. */
    if (n < 5 && next_random(&model->random) % 8 >= growth)
        n = 5 + n % 3;
    steps[n](model);
    step_next(model);
    step_is_allocated(model);
    check_space(model->space);
    assert_int_equal(in_use(model->space), model->in_use);
}

static void run_model(const struct vmem_id_params *params, uint64_t seed, unsigned steps)
{
    static struct model model;

    memset(&model, 0, sizeof(model));
    model.params = *params;
    model.size = params->max - params->min + 1;
    model.random = seed;
    assert_true(model.size <= MODEL_MAX);
    print_message("%u IDs from 0x%llx, seed 0x%llx\n", (unsigned)model.size,
                  (unsigned long long)params->min, (unsigned long long)seed);
    model.space = make_space(params->min, params->max, params->wrap, params->flags);
    for (unsigned i = 0; i < steps; i++)
        model_step(&model, (i / 256) % 2 == 0 ? 6 : 2);
    free_all_ids(model.space);
    assert_int_equal(in_use(model.space), 0);
}

static void random_steps_do_what_a_model_does(void **state)
{
    const vmem_size_t sizes[] = {1,        2,    WORD - 1, WORD,     WORD + 1,
                                 3 * WORD, LEAF, LEAF + 1, MODEL_MAX};
    const vmem_addr_t lowest[] = {0, 1, 0x12345};
    const char *given = getenv("VMEM_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        for (size_t j = 0; j <= LENGTH(lowest); j++) {
            /* The last of them ends with the address space. */
            vmem_addr_t min = j < LENGTH(lowest) ? lowest[j] : VMEM_ADDR_MAX - (sizes[i] - 1);
            struct vmem_id_params params = {
                .name = "random", .min = min, .max = min + (sizes[i] - 1), .flags = FLAGS(state)};

            if (j == 1)
                params.wrap = min + sizes[i] / 3;
            run_model(&params, seed + i * 16 + j, 2000);
            assert_int_equal(vmem_id_destroy(made[--made_count]), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ID_IN_BOTH(random_steps_do_what_a_model_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
