#!/bin/sh
# SPDX-License-Identifier: MIT
# count.sh VMEM-BENCH VMEM-BENCH-SPIN [MIX] - the instructions a pair of every mix (whose name
# begins so), to standard output:
# "mix<TAB>subject<TAB>instructions", the empty loop subtracted.
#
# Callgrind collects within the functions measured_* only and writes a dump each time that one of
# them returns; `vmem-bench count` prints a line each time, so that the n-th line belongs to the
# n-th dump. The counts are exact: two runs differ in nothing.
set -eu

mix=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# lines BENCH NAME: "mix subject instructions-a-pair, loop included"
lines() {
    valgrind --tool=callgrind --callgrind-out-file="$work/$2" --collect-atstart=no \
        --toggle-collect='measured_*' --dump-after=measured_library \
        --dump-after=measured_baseline --dump-after=measured_empty \
        "$1" count "$mix" >"$work/$2.runs" 2>"$work/$2.log" || { cat "$work/$2.log" >&2; exit 1; }
    n=0
    while IFS='	' read -r name subject pairs; do
        n=$((n + 1))
        total=$(sed -n 's/^totals: //p' "$work/$2.$n")
        printf '%s\t%s\t%s\t%s\n' "$name" "$subject" "$pairs" "$total"
    done <"$work/$2.runs"
}

# The empty loop comes last of each mix. With a spin lock only the library differs.
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

lines "$1" single | net library
lines "$2" spin | net spin
