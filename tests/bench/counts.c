/* SPDX-License-Identifier: MIT */
/* counts.c - see counts.h. */
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct count {
    char mix[40];
    char subject[16];
    double instructions;
};

static struct count counts[256];
static size_t count_count;

void counts_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[128];

    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while (count_count < sizeof counts / sizeof *counts && fgets(line, sizeof line, file) != NULL) {
        struct count *count = &counts[count_count];

        if (sscanf(line, "%39[^\t]\t%15[^\t]\t%lf", count->mix, count->subject,
                   &count->instructions) == 3)
            count_count++;
    }
    (void)fclose(file);
}

void counts_print(const char *mix, const char *subject, int width)
{
    for (size_t i = 0; i < count_count; i++) {
        if (strcmp(counts[i].mix, mix) == 0 && strcmp(counts[i].subject, subject) == 0) {
            printf("%*.1f", width, counts[i].instructions);
            return;
        }
    }
    printf("%*s", width, "-");
}
