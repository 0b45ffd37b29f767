#!/bin/sh
# SPDX-License-Identifier: MIT
# One line on a host: the POSIX port in place of hooks of one's own.
. "$(dirname "$0")/common.sh"

# The hooks of the program are the port's business here.
sed '/^void .*vmem_port_/,/^}/d' "$program" >"$work/prog.c"
if grep -q vmem_port_ "$work/prog.c"; then
    echo "a hook is left in the program"
    exit 1
fi
cd "$root"
cc -Iinclude -DVMEM_PORT_HEADER='"vmem/port/posix.h"' src/*.c src/port/posix.c "$work/prog.c" \
    -o "$work/prog" -pthread
cd - >/dev/null
"$work/prog" >"$work/output" 2>&1
grep -q ram "$work/output" # the table,
grep -q vmem_free "$work/output" # and the report of the double free
