#!/bin/sh
# SPDX-License-Identifier: MIT
# The plain way: a Makefile that compiles src/*.c with a kernel's own flags.
. "$(dirname "$0")/common.sh"

cp "$root"/examples/smallest/* "$work"
make -C "$work" VMEM="$root"
expect_success "$work/smallest"
