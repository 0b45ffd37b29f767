/* SPDX-License-Identifier: MIT */
#include "explore.h"
const struct scenario tag_scenarios[] = {{NULL, NULL, NULL, NULL}};
