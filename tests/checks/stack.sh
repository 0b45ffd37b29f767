#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# No function of the library takes more than 256 bytes of stack: prints what each one takes.
. "$(dirname "$0")/common.sh"
limit=256

usage() { # <cc and flags...>: "bytes function kind" a line, the largest first
    local source
    for source in "${library[@]}"; do
        "$@" -std=c11 -ffreestanding -Iinclude -fstack-usage -c "$source" \
            -o "$work/$(basename "$source" .c).o"
    done
    cat "$work"/*.su | awk '{ n = split($1, place, ":"); print $2, place[n], $3 }' | sort -rn
    rm "$work"/*.su
}

bounded() { # a file that usage wrote
    awk -v limit=$limit '$1 > limit || $3 == "dynamic" { print; bad = 1 } END { exit bad }' "$1"
}

# shellcheck disable=SC2089 # the quotes belong to the definition
smp='-DVMEM_PORT_HEADER="smp.h" -Iexamples/ports -DVMEM_CONFIG_SLEEP=1'
for flags in "-O2" "-O2 -DVMEM_CONFIG_DEBUG=1" "-Os" "-O2 -m32 -DVMEM_CONFIG_ADDR64=1" \
    "-O2 $smp" "-O2 $smp -DVMEM_CONFIG_DEBUG=1"; do
    # shellcheck disable=SC2086,SC2090 # a list of words
    usage gcc $flags >"$work/usage"
    if [ "$flags" = -O2 ]; then
        awk '{ printf "%6d  %s\n", $1, $2 }' "$work/usage"
    fi
    expect "gcc $flags: at most $limit bytes; the largest $(head -n 1 "$work/usage")" bounded "$work/usage"
done
summary
