#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Formatting, licence lines, and what a reader should never meet.
. "$(dirname "$0")/common.sh"

mapfile -t sources < <(git ls-files '*.c' '*.h' '*.cpp')
mapfile -t licensed < <(git ls-files '*.c' '*.h' '*.cpp' '*.S' '*.ld' '*.sh' '*.cmake' '*CMakeLists.txt' \
    '*Makefile' .ci/run)

has_licence() {
    local file missing=0
    for file in "${licensed[@]}"; do
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' || {
            echo "$file: no SPDX line"
            missing=1
        }
    done
    return $missing
}

no_match() { # <pattern> <file...>
    ! grep -nE "$@"
}

expect "clang-format" clang-format --dry-run --Werror "${sources[@]}"
expect "a licence line in each file" has_licence
expect "no notes to oneself" no_match 'TODO|FIXME|XXX' "${sources[@]}" README.md docs/*.md
expect "no tabs, no trailing blanks" no_match $'\t|[ \t]$' "${sources[@]}"
expect "shellcheck" shellcheck -x -P SCRIPTDIR cmake/setup.sh .ci/run tests/checks/*.sh tests/consume/*.sh tests/malloc/*.sh \
    tests/explore/*.sh tests/kernel/*.sh examples/kernel/*.sh
expect "no source includes a source" no_match '#include.*\.c[">]' src/*.c src/*.h
summary
