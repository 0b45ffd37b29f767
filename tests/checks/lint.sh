#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Three readers that never tire: clang-tidy (.clang-tidy says which checks), cppcheck, gcc -fanalyzer.
. "$(dirname "$0")/common.sh"

posix=-DVMEM_PORT_HEADER='"vmem/port/posix.h"'

for defines in "" -DVMEM_CONFIG_DEBUG=1; do
    for source in "${library[@]}"; do
        expect "clang-tidy $defines $source" \
            clang-tidy --quiet "$source" -- -std=c11 -ffreestanding -Iinclude $defines
    done
done
expect "clang-tidy src/port" clang-tidy --quiet src/port/posix.c -- -std=c11 -Iinclude "$posix"

# cppcheck reads one configuration at a time: each knob's values, and both widths.
for platform in unix64 unix32; do
    for defines in "" -DVMEM_CONFIG_DEBUG=1 -DVMEM_CONFIG_ADDR64=1; do
        expect "cppcheck --platform=$platform $defines" \
            cppcheck --std=c11 --platform=$platform --enable=warning,performance,portability,style \
            --inline-suppr --suppressions-list=tests/checks/cppcheck.txt --error-exitcode=1 --quiet \
            -Iinclude -D__GNUC__=12 $defines "${library[@]}"
    done
done

for source in "${library[@]}" ; do
    expect "gcc -fanalyzer $source" \
        gcc -std=c11 -fanalyzer -Werror -O2 -ffreestanding -Iinclude -c -o "$work/o" "$source"
done
summary
