#!/bin/sh
# SPDX-License-Identifier: MIT
# find_package() after an install, from a tree that has been moved since.
. "$(dirname "$0")/common.sh"

cmake -S "$root" -B "$work/build" -DVMEM_BUILD_TESTS=OFF -DVMEM_BUILD_EXAMPLES=OFF
cmake --build "$work/build"
cmake --install "$work/build" --prefix "$work/first"
mv "$work/first" "$work/installed"

cmake -S "$here/package" -B "$work/user" -DCMAKE_PREFIX_PATH="$work/installed"
cmake --build "$work/user"
expect_success "$work/user/archive"
expect_success "$work/user/sources"
