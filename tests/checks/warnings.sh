#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The sources compile without a warning in C11 with gcc and clang, in every configuration, and the
# headers do so each alone, as C11 and as C++17.
. "$(dirname "$0")/common.sh"

headers=$(cd include && echo vmem/*.h vmem/port/*.h)

for header in $headers; do
    printf '#include <%s>\n#include <%s>\nextern int not_empty;\n' "$header" "$header" \
        >"$work/$(echo "$header" | tr /. __).c"
done
for source in "$work"/*.c; do
    cp "$source" "${source%.c}.cpp"
done

for cc in gcc clang; do
    cxx=g++
    [ $cc = gcc ] || cxx=clang++
    for defines in "" -DVMEM_CONFIG_DEBUG=1; do
        expect "src, $cc $defines" \
            each $cc -std=c11 "${c_warnings[@]}" $defines -O2 -ffreestanding -Iinclude -S -o /dev/null -- \
            "${library[@]}"
        expect "src, $cc -m32 -DVMEM_CONFIG_ADDR64=1 $defines" \
            each $cc -std=c11 "${c_warnings[@]}" $defines -DVMEM_CONFIG_ADDR64=1 -m32 -O2 \
            -ffreestanding -Iinclude -S -o /dev/null -- "${library[@]}"
    done
    expect "src and src/port with the POSIX port, $cc" \
        each $cc -std=c11 "${c_warnings[@]}" '-DVMEM_PORT_HEADER="vmem/port/posix.h"' -O2 \
        -Iinclude -S -o /dev/null -- "${library[@]}" src/port/*.c
    expect "headers as C11, $cc" \
        each $cc -std=c11 "${c_warnings[@]}" -Iinclude -fsyntax-only -- "$work"/*.c
    expect "headers as C++17, $cxx" \
        each $cxx -std=c++17 "${warnings[@]}" -Iinclude -fsyntax-only -- "$work"/*.cpp
done
summary
