/* SPDX-License-Identifier: MIT */
/* rivals.c - see rivals.h. */
#define _DEFAULT_SOURCE
#include "rivals.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

const struct rival rivals[] = {
    {"libc", "-"},
    {"jemalloc", "libjemalloc.so.2"},
    {"tcmalloc", "libtcmalloc_minimal.so.4"},
    {"mimalloc", "libmimalloc.so.2"},
};
const size_t rival_count = sizeof rivals / sizeof *rivals;

static bool is_own(const char *library)
{
    return strcmp(library, "-") == 0;
}

bool rival_is_loaded(const char *library)
{
    return is_own(library) || dlopen(library, RTLD_LAZY | RTLD_NOLOAD) != NULL;
}

/* The dynamic linker's complaint about a library that is not there is not for the report. */
bool rival_ask(const struct rival *rival, const char *program, const char *arguments,
               double *valuep)
{
    char command[512];
    char line[64];
    bool answered;
    FILE *answer;

    if (snprintf(command, sizeof command, "LD_PRELOAD='%s' '%s' malloc '%s' %s 2>/dev/null",
                 is_own(rival->library) ? "" : rival->library, program, rival->library,
                 arguments) >= (int)sizeof command)
        return false;
    answer = popen(command, "r"); /* NOLINT(cert-env33-c): it is itself that it runs */
    if (answer == NULL)
        return false;
    answered = fgets(line, sizeof line, answer) != NULL && sscanf(line, "%lf", valuep) == 1;
    return pclose(answer) == 0 && answered;
}
