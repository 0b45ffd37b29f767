#!/bin/sh
# SPDX-License-Identifier: MIT
# The headers are C++17 as well, each alone and all at once; the functions link.
. "$(dirname "$0")/common.sh"

warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-align -Werror"
for header in "$root"/include/vmem/*.h "$root"/include/vmem/port/*.h; do
    name=${header#"$root"/include/}
    printf '#include <%s>\n#include <%s>\n' "$name" "$name" >"$work/alone.cpp"
    # shellcheck disable=SC2086 # a list of words
    c++ -std=c++17 $warnings -I"$root/include" -fsyntax-only "$work/alone.cpp"
done

for source in "$root"/src/*.c; do
    cc -std=c11 -I"$root/include" -c "$source" -o "$work/$(basename "$source" .c).o"
done
# shellcheck disable=SC2086
c++ -std=c++17 $warnings -I"$root/include" -o "$work/main" "$here/cxx/main.cpp" "$work"/*.o
"$work/main"
