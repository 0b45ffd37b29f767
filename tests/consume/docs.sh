#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documents show as code is code. The first program in the README is
# examples/smallest/main.c, letter by letter, and prints what the README says; its second example
# runs in docs/threads.c beside this script. The hooks in docs/porting.md compile, each block alone,
# against the kernel that docs/kernel pretends to be; and the lock and each way to pin a CPU that
# stand there serve to compile the library, as does the port to copy, for each architecture.
. "$(dirname "$0")/common.sh"

# block <n> <document>: its n-th block of C
block() {
    awk -v n="$1" '/^```c$/ { at++; inside = 1; next } /^```$/ { inside = 0 } inside && at == n' "$2"
}

{
    echo "/* SPDX-License-Identifier: MIT */"
    block 1 "$root/README.md"
} >"$work/main.c"
diff -u "$program" "$work/main.c"

cc -std=c11 -I"$root/include" -o "$work/main" "$work/main.c" "$root"/src/*.c
"$work/main" | sed 's/called from .*/called from/' >"$work/printed"
# shellcheck disable=SC2016 # backquotes for sed
sed -n '/^It prints$/,/^## /p' "$root/README.md" | sed -n '/^```$/,/^```$/p' | sed '/^```$/d' |
    sed 's/called from .*/called from/' >"$work/promised"
diff -u "$work/promised" "$work/printed"

block 2 "$root/README.md" >"$work/second.h"
cc -std=c11 -Wall -Wextra -Werror -I"$root/include" -I"$work" -o "$work/threads" \
    "$here/docs/threads.c" "$root"/src/*.c
"$work/threads"

mkdir "$work/kernel"
cp "$here"/docs/kernel/*.h "$work/kernel"

compile() { # <compiler> <file and flags...>
    compiler=$1
    shift
    "$compiler" -std=c11 -Wall -Wextra -Wno-unused -Wno-unused-parameter -Werror -ffreestanding \
        -I"$root/include" -I"$work" -include kernel/kernel.h -fsyntax-only "$@"
}

n=1
pins=0
while block "$n" "$root/docs/porting.md" >"$work/block$n.c" && [ -s "$work/block$n.c" ]; do
    if grep -q '^/\* kernel/vmem_port.h \*/$' "$work/block$n.c"; then
        cp "$work/block$n.c" "$work/kernel/vmem_port.h"
        compile cc -DVMEM_PORT_HEADER='"kernel/vmem_port.h"' "$root"/src/*.c
    fi
    compile cc -include kernel/this_cpu.h "$work/block$n.c"
    if grep -q vmem_port_pin "$work/block$n.c"; then
        cat "$work/kernel/vmem_port.h" "$work/block$n.c" >"$work/kernel/vmem_port_$n.h"
        compile cc -include kernel/this_cpu.h -DVMEM_PORT_HEADER="\"kernel/vmem_port_$n.h\"" \
            "$root"/src/*.c
        pins=$((pins + 1))
    fi
    n=$((n + 1))
done
[ "$n" -gt 10 ]
[ "$pins" -eq 3 ]

for cc in cc "cc -m32" aarch64-linux-gnu-gcc riscv64-linux-gnu-gcc; do
    if command -v "${cc% *}" >/dev/null; then
        # shellcheck disable=SC2086 # a compiler and its flag
        $cc -std=c11 -Wall -Wextra -Wpedantic -Werror -ffreestanding -I"$root/include" \
            -I"$root/examples/ports" -DVMEM_PORT_HEADER='"smp.h"' -DVMEM_CONFIG_SLEEP=1 \
            -fsyntax-only "$root"/src/*.c
    fi
done
