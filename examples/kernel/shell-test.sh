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
arenas	^ +kmem 
arenas	^ +thread .* hits$
arenas	^fd.shell +0 +255 
xalloc irq 32 align=32 first	^0x20$
xalloc irq 4 align=4 min=64 limit=68	^0x40$
map irq 56	^#
free irq 0x40 4	^freed$
free irq 0x40 4	^not freed$
frex\be irq 32 32	^freed$
take pid 1000	^1000$
take pid 1000	^refused: EBUSY
take fd.shell	^0$
take fd.shell 2	^2$
take fd.shell	^1$
ids fd.shell	^0-2 in use$
drop fd.shell 1	^freed$
ids fd.shell	^0 2 in use$
take fd.shell 256	^refused: EINVAL
whatis 1000	^0x3e8 is an allocated ID of 'pid'$
drop pid 1000	^freed$
drop pid 1000	^not freed$
whatis 1000	^0x3e8 is a free ID of 'pid'$
take tty	^no ID space 'tty': there are pid fd.init fd.shell fd.server$
malloc 200	^0x[0-9a-f]+, of which 208 bytes may be used$
malloc 0xffffffffffffffff	^refused$
heap	^ +208 +208 +[0-9]+ +- 
mfree 64	^not freed$
caches	^page table +4096 
alloc kmem 4K best	^0xffffc0
walk kmem	^  allocated .* size 4096
xalloc phys 1M align=1M last	^0x[0-9a-f]+00000$
xalloc phys 1G	^refused: ENOSPC
alloc kmem 0	^refused: EINVAL
alloc attic 1	^no arena 'attic': there are phys dma direct kva kmem irq$
alloc kmem many	^'many' is no number
alloc kmem 99999999999999999999	is no number
alloc kmem 64 worst	^'worst' is neither a policy nor a constraint$
alloc kmem	^usage: alloc ARENA SIZE
map kva 0	^a map is 1 to 256
whatis 0xfffffffffffff000	^nothing knows it$
launch	^no command 'launch': try help$
reap	free in phys$
check	^every invariant holds$
quit	^vmem demo: PASS$
END

# A firmware may throw away what was typed before it set the port up: these blanks, then.
printf '%16s%b\n' '' "$(cut -f 1 "$folder/dialogue")" >"$folder/typed"
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
