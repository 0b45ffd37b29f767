#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh VMEM-BENCH VMEM-BENCH-SPIN - the whole report: counts instructions under callgrind, then
# measures times, fragmentation and memory. Takes some minutes; an idle machine makes better times.
set -eu

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
echo "counting instructions under callgrind ..."
sh "$(dirname "$0")/count.sh" "$1" "$2" >"$counts"
"$1" all "$counts"
