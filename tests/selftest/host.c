/* SPDX-License-Identifier: MIT */
/* The self-test on a host: twice, since it says that it may be. */
#include "selftest.h"

#include <stdio.h>

#include <vmem/cache.h>

static void to_stdout(void *ctx, const char *string)
{
    (void)ctx;
    (void)fputs(string, stdout);
}

int main(void)
{
    int failed;

    vmem_cpus_online(1);
    failed = vmem_selftest(to_stdout, NULL) + vmem_selftest(to_stdout, NULL);

    return failed == 0 ? 0 : 1;
}
