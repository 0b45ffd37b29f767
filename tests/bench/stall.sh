#!/bin/sh
# SPDX-License-Identifier: MIT
# stall.sh VMEM-BENCH - the most instructions that one call takes while an arena grows to 5000
# segments and shrinks to none: "longest<TAB>alloc<TAB>instructions", and the same for free.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$work/stall" --collect-atstart=no \
    --toggle-collect='measured_*' --dump-after=measured_alloc --dump-after=measured_free \
    "$1" stall >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
find "$work" -name 'stall.*' -exec cat {} + | awk -v OFS='\t' '
    /^desc: Trigger: --dump-after=measured_/ { sub(/.*measured_/, ""); call = $0 }
    /^totals: / {
        if ($2 > most[call])
            most[call] = $2
        calls[call]++
    }
    END {
        if (calls["alloc"] != 5000 || calls["free"] != 5000)
            exit 1
        print "longest", "alloc", most["alloc"]
        print "longest", "free", most["free"]
    }'
