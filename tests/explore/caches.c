/* SPDX-License-Identifier: MIT */
#include "explore.h"
const struct scenario cache_scenarios[] = {{NULL, NULL, NULL, NULL}};
