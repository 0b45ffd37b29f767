/* SPDX-License-Identifier: MIT */
#ifndef KERNEL_PERCPU_H
#define KERNEL_PERCPU_H

struct percpu {
    struct percpu *self;
    unsigned index;
};

#endif
