#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Three readers that never tire: clang-tidy (.clang-tidy says which checks), cppcheck, gcc -fanalyzer.
. "$(dirname "$0")/common.sh"

posix=-DVMEM_PORT_HEADER='"vmem/port/posix.h"'

tidy() { # <source> [definition]
    clang-tidy --quiet "$1" -- -std=c11 -ffreestanding -Iinclude "${@:2}"
}
export -f tidy

for defines in "" -DVMEM_CONFIG_DEBUG=1; do
    # shellcheck disable=SC2016 # for the shell within
    expect "clang-tidy $defines" each bash -c 'tidy "$1" '"$defines" tidy -- "${library[@]}"
done
expect "clang-tidy src/port" clang-tidy --quiet src/port/posix.c -- -std=c11 -Iinclude "$posix"

# cppcheck reads one configuration at a time: each knob's values, and both widths.
for platform in unix64 unix32; do
    for defines in "" -DVMEM_CONFIG_DEBUG=1 -DVMEM_CONFIG_ADDR64=1; do
        expect "cppcheck --platform=$platform $defines" \
            cppcheck -j 2 --std=c11 --platform=$platform --enable=warning,performance,portability,style \
            --inline-suppr --suppressions-list=tests/checks/cppcheck.txt --error-exitcode=1 --quiet \
            -Iinclude -D__GNUC__=12 $defines "${library[@]}"
    done
done

expect "gcc -fanalyzer" \
    each gcc -std=c11 -fanalyzer -Werror -O2 -ffreestanding -Iinclude -S -o /dev/null -- "${library[@]}"
summary
