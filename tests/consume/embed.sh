#!/bin/sh
# SPDX-License-Identifier: MIT
# add_subdirectory(): both targets, and vmem stays out of the way of its host project.
. "$(dirname "$0")/common.sh"

cmake -S "$here/embed" -B "$work/host" -DVMEM_DIR="$root"
cmake --build "$work/host"
expect_success "$work/host/archive"
expect_success "$work/host/sources"

# A cross toolchain for a target without an operating system or a C library.
cmake -S "$here/embed" -B "$work/bare" -DVMEM_DIR="$root" -DCMAKE_SYSTEM_NAME=Generic \
    -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY
cmake --build "$work/bare" --target vmem
