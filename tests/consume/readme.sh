#!/bin/sh
# SPDX-License-Identifier: MIT
# The first program in the README is examples/smallest/main.c, letter by letter.
. "$(dirname "$0")/common.sh"

{
    echo "/* SPDX-License-Identifier: MIT */"
    # shellcheck disable=SC2016 # backquotes for sed
    sed -n '/^```c$/,/^```$/p' "$root/README.md" | sed -n '2,/^```$/p' | sed '$d'
} >"$work/main.c"
diff -u "$program" "$work/main.c"
