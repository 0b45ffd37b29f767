/* SPDX-License-Identifier: MIT */
/* For every example but the one that defines it. */
unsigned this_cpu(void);
