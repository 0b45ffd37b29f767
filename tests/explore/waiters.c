/* SPDX-License-Identifier: MIT */
#include "explore.h"
const struct scenario waiter_scenarios[] = {{NULL, NULL, NULL, NULL}};
