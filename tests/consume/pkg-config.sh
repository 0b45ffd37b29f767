#!/bin/sh
# SPDX-License-Identifier: MIT
# pkg-config after an install: the archive, and the sources with flags of one's own.
. "$(dirname "$0")/common.sh"

cmake -S "$root" -B "$work/build" -DVMEM_BUILD_TESTS=OFF -DVMEM_BUILD_EXAMPLES=OFF \
    -DVMEM_DEFINITIONS=VMEM_CONFIG_DEBUG=1
cmake --build "$work/build"
cmake --install "$work/build" --prefix "$work/installed"
PKG_CONFIG_PATH=$(dirname "$(find "$work/installed" -name vmem.pc)")
export PKG_CONFIG_PATH

pkg-config --cflags vmem | grep -q -e -DVMEM_CONFIG_DEBUG=1
# shellcheck disable=SC2046 # lists of words
cc -std=c11 -o "$work/archive" "$program" $(pkg-config --cflags --libs vmem)
expect_success "$work/archive"
# shellcheck disable=SC2046
cc -std=c11 -O1 -ffreestanding $(pkg-config --cflags vmem) -o "$work/sources" "$program" \
    "$(pkg-config --variable=sourcedir vmem)"/*.c
expect_success "$work/sources"
