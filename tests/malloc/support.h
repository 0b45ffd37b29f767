/* SPDX-License-Identifier: MIT */
/*
 * support.h - what the tests of this folder share.
 */
#ifndef TESTS_MALLOC_SUPPORT_H
#define TESTS_MALLOC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it. */
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
