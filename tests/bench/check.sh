#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh VMEM-BENCH - fails if a mix takes more instructions a pair, or a call
# while an arena grows more instructions at all, than limits.txt allows.
set -eu

folder=$(dirname "$0")
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
grep -v '^#' "$folder/limits.txt" | cut -f 1 | sort -u | while read -r mix; do
    if [ "$mix" = longest ]; then
        sh "$folder/stall.sh" "$1"
    else
        sh "$folder/count.sh" "$1" "" "$mix"
    fi
done >"$counts"
awk -F '\t' '
    /^#/ { next }
    NR == FNR {
        limit[$1 "\t" $2] = $3
        wanted++
        next
    }
    ($1 "\t" $2) in limit {
        most = limit[$1 "\t" $2]
        over = $3 > most
        failed += over
        seen++
        printf "%-18s%-9s%8.1f instructions, limit %d%s\n", $1, $2, $3, most, over ? ": TOO MANY" : ""
    }
    END {
        if (seen != wanted)
            print "limits.txt names what was not counted"
        exit failed > 0 || seen != wanted
    }' "$folder/limits.txt" "$counts"
