#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh VMEM-BENCH VMEM-BENCH-SPIN - fails if a mix takes more instructions a pair than
# limits.txt allows.
set -eu

folder=$(dirname "$0")
sh "$folder/count.sh" "$1" "$2" | awk -F '\t' -v limits="$folder/limits.txt" '
    BEGIN {
        while ((getline line < limits) > 0) {
            if (line ~ /^#/ || split(line, field, "\t") != 3)
                continue
            limit[field[1] "\t" field[2]] = field[3]
            wanted++
        }
    }
    ($1 "\t" $2) in limit {
        most = limit[$1 "\t" $2]
        over = $3 > most
        failed += over
        seen++
        printf "%-20s %-8s %7.1f instructions a pair, limit %d%s\n", $1, $2, $3, most,
            over ? ": TOO MANY" : ""
    }
    END {
        if (seen != wanted)
            print "limits.txt names a mix that was not counted"
        exit failed > 0 || seen != wanted || wanted == 0
    }'
