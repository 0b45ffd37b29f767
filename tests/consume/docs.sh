#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documents show as code is code. The first program in the README is
# examples/smallest/main.c, letter by letter, and prints what the README says; the hooks in docs/porting.md compile, each block
# alone, against the kernel that docs/ beside this script pretends to be, and the lock that stands
# there serves to compile the library.
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

mkdir "$work/kernel"
cp "$here"/docs/kernel/*.h "$work/kernel"
n=1
while block "$n" "$root/docs/porting.md" >"$work/block$n.c" && [ -s "$work/block$n.c" ]; do
    cc -std=c11 -Wall -Wextra -Wno-unused -Wno-unused-parameter -Werror -ffreestanding \
        -I"$root/include" -I"$work" -include kernel/kernel.h -fsyntax-only "$work/block$n.c"
    if grep -q '^/\* kernel/vmem_port.h \*/$' "$work/block$n.c"; then
        cp "$work/block$n.c" "$work/kernel/vmem_port.h"
    fi
    n=$((n + 1))
done
[ "$n" -gt 5 ]

for source in "$root"/src/*.c; do
    cc -std=c11 -Wall -Wextra -Werror -ffreestanding -I"$root/include" -I"$work" \
        -DVMEM_PORT_HEADER='"kernel/vmem_port.h"' -fsyntax-only "$source"
done
