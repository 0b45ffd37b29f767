#!/bin/sh
# SPDX-License-Identifier: MIT
# Types commands at the demonstration kernel's prompt and checks what it answers.
#
#     shell-test.sh KERNEL
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A line for each command: what is typed, a tab, and an extended regular expression that a line of
# the answer matches. \b is the backspace key.
cat >"$folder/dialogue" <<'END'
help	^  xalloc +ARENA SIZE
arenas	^ +heap 
xalloc irq 32 align=32 first	^0x20$
xalloc irq 4 align=4 min=64 limit=68	^0x40$
xalloc pid 1 min=0x3e8 limit=1001	^0x3e8$
xalloc pid 1 min=0x3e8 limit=1001	^refused: ENOSPC
whatis 1000	pid
walk pid	3e8
map irq 56	^#
alloc heap 4K best	^0xffffc0
free pid 1000 1	^freed$
free pid 1000 1	^not freed$
frex\be irq 32 32	^freed$
free irq 0x40 4	^freed$
xalloc phys 1M align=1M last	^0x[0-9a-f]+00000$
xalloc phys 1G	^refused: ENOSPC
alloc heap 0	^refused: EINVAL
alloc attic 1	^no arena 'attic': there are phys dma kva heap pid irq$
alloc heap many	^'many' is no number
alloc heap 99999999999999999999	is no number
alloc heap 64 worst	^'worst' is neither a policy nor a constraint$
alloc heap	^usage: alloc ARENA SIZE
map pid 0	^a map is 1 to 256
whatis 0xfffffffffffff000	^in no arena$
launch	^no command 'launch': try help$
check	^every invariant holds$
quit	^vmem demo: PASS$
END

printf '%b\n' "$(cut -f 1 "$folder/dialogue")" >"$folder/typed"
passed=yes
sh "$here/run.sh" "$1" 32M shell <"$folder/typed" >"$folder/raw" || passed=no
tr -d '\r' <"$folder/raw" >"$folder/log"

# The n-th answer is what stands between the n-th prompt and the next.
n=0
while IFS='	' read -r typed expected; do
    n=$((n + 1))
    awk -v n="$n" '/^vmem> / { prompts++; next } prompts == n' "$folder/log" >"$folder/answer"
    if ! grep -Eq -- "$expected" "$folder/answer"; then
        echo "shell-test.sh: '$typed' should be answered by /$expected/, but was by:"
        cat "$folder/answer"
        passed=no
    fi
done <"$folder/dialogue"

if [ "$passed" != yes ]; then
    echo "shell-test.sh: the whole session:"
    cat "$folder/log"
    exit 1
fi
echo "shell-test.sh: $n commands answered as expected"
