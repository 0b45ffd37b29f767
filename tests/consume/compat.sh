#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs written with the names of other kernels (include/vmem/compat.h), each of one family, as C
# and as C++. The examples in the header's comments are compiled and run with them.
. "$(dirname "$0")/common.sh"

header=$root/include/vmem/compat.h
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-align -Werror"

for family in illumos bsd kmalloc; do
    sed -n "/^ \\* EXAMPLE $family\$/,/^ \\* END\$/s/^ \\*     //p" "$header" >"$work/${family}_example.h"
    grep -q "static int ${family}_example" "$work/${family}_example.h"
done

# On a port: that for a kernel that cannot sleep, and that for one that can.
try_all() { # <folder> <options> <sources of the port>
    folder=$work/$1
    mkdir "$folder"
    for source in "$root"/src/*.c ${3:+"$3"}; do
        # shellcheck disable=SC2086 # a list of words
        cc -std=c11 $2 -I"$root/include" -c "$source" -o "$folder/$(basename "$source" .c).o"
    done
    for program in "$here"/compat/*.c; do
        name=$folder/$(basename "$program" .c)
        # shellcheck disable=SC2086
        cc -std=c11 $2 $warnings -Wstrict-prototypes -I"$root/include" -I"$work" -o "$name-c" \
            "$program" "$folder"/*.o -pthread
        # shellcheck disable=SC2086
        c++ -std=c++17 $2 $warnings -I"$root/include" -I"$work" -o "$name-cxx" -x c++ "$program" \
            -x none "$folder"/*.o -pthread
        "$name-c"
        "$name-cxx"
    done
}
try_all default "" ""
try_all posix '-DVMEM_PORT_HEADER="vmem/port/posix.h"' "$root/src/port/posix.c"

# A family without the heap or arena that it needs does not compile; illumos's arenas and IDs need
# neither; nothing at all comes unasked.
compiles() { # <macros...>
    cc -std=c11 "$@" -I"$root/include" -fsyntax-only "$work/macros.c" 2>"$work/errors"
}
printf '%s\n' "#include <vmem/compat.h>" "extern int vm_alloc, kmem_alloc, uma_zalloc, kmalloc;" \
    >"$work/macros.c"
compiles
printf '%s\n' "#include <vmem/compat.h>" "extern int kmem_alloc, uma_zalloc, kmalloc;" >"$work/macros.c"
compiles -DVMEM_COMPAT_ILLUMOS
for macros in -DVMEM_COMPAT_KMALLOC -DVMEM_COMPAT_BSD "-DVMEM_COMPAT_BSD -DVMEM_COMPAT_HEAP=heap" \
    "-DVMEM_COMPAT_ILLUMOS -DVMEM_COMPAT_HEAP=heap"; do
    # shellcheck disable=SC2086
    if compiles $macros || ! grep -q '#error.* needs VMEM_COMPAT' "$work/errors"; then
        cat "$work/errors"
        echo "$macros: not refused as it should be"
        exit 1
    fi
done
