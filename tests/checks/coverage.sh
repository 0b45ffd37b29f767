#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which lines and branches of src the tests on the host reach: prints both tables, and fails below
# the floor. The preset `coverage` builds and runs them.
. "$(dirname "$0")/common.sh"
line_floor=99
branch_floor=95

report() { # <gcovr's flags...>
    gcovr --root . --filter 'src/[^/]*\.[ch]$' "$@" build/coverage
}

rm -rf build/coverage # counts add up from run to run
expect "the tests pass, instrumented" cmake --workflow --preset coverage
report --txt -
report --txt - --branches
expect "at least $line_floor % of the lines" report --fail-under-line $line_floor
expect "at least $branch_floor % of the branches" report --fail-under-branch $branch_floor
summary
