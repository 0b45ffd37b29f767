#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh VMEM-BENCH VMEM-BENCH-SPIN VMEM-BENCH-THREADS - the whole report: counts instructions under callgrind, then
# measures times, fragmentation and memory. Takes some minutes; an idle machine makes better times.
set -eu

folder=$(dirname "$0")
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
echo "counting instructions under callgrind ..."
sh "$folder/count.sh" "$1" "$2" >"$counts"
printf '\nGrowing to 5000 segments and back, most instructions of a call\n\n'
sh "$folder/stall.sh" "$1" | cut -f 2,3
"$1" all "$counts"
"$3"
