#!/bin/sh
# SPDX-License-Identifier: MIT
# count.sh VMEM-BENCH VMEM-BENCH-SPIN [MIX] - the instructions a pair of every mix (whose name
# begins so), to standard output: "mix<TAB>subject<TAB>instructions", the empty loop subtracted.
# VMEM-BENCH-SPIN may be empty. Without MIX also those of other allocators that are installed, on the mixes of blocks.
#
# Callgrind collects within the functions measured_* only and writes a dump each time that one of
# them returns; `vmem-bench count` prints a line each time, so that the n-th line belongs to the
# n-th dump. The counts are exact: two runs differ in nothing.
set -eu

mix=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count NAME BENCH ARGUMENT ...: "mix subject pairs instructions", loop included
count() {
    name=$1
    shift
    for subject in library space baseline quantum cache sized heap malloc empty; do
        set -- --dump-after="measured_$subject" "$@"
    done
    valgrind --tool=callgrind --callgrind-out-file="$work/$name" --collect-atstart=no \
        --toggle-collect='measured_*' "$@" >"$work/$name.runs" 2>"$work/$name.log" ||
        { cat "$work/$name.log" >&2; exit 1; }
    n=0
    while IFS='	' read -r mix_name subject pairs; do
        n=$((n + 1))
        total=$(sed -n 's/^totals: //p' "$work/$name.$n")
        printf '%s\t%s\t%s\t%s\n' "$mix_name" "$subject" "$pairs" "$total"
    done <"$work/$name.runs"
}

# The empty loop comes last of each mix. With a spin lock only the arenas and ID spaces are of interest.
net() {
    awk -F '\t' -v OFS='\t' -v library="$1" '
        $2 == "empty" {
            for (subject in cost)
                if (subject == "library")
                    printf "%s\t%s\t%.1f\n", $1, library, cost[subject] - $4 / $3
                else if (library == "library")
                    printf "%s\t%s\t%.1f\n", $1, subject, cost[subject] - $4 / $3
            split("", cost)
            next
        }
        { cost[$2] = $4 / $3 }'
}

count single "$1" count "$mix" | net library
[ -z "$2" ] || count spin "$2" count "$mix" | net spin
if [ -z "$mix" ]; then
    "$1" rivals | while IFS='	' read -r rival library; do
        [ "$library" = - ] || export LD_PRELOAD="$library"
        count "$rival" "$1" count-malloc "$rival" | net library
    done
fi
