# shellcheck shell=sh disable=SC2034 # variables for those who read it
# SPDX-License-Identifier: MIT
# Read by the scripts beside it, each called with the root of vmem and a folder of its own.
set -eu
root=$1
work=$2
here=$root/tests/consume
program=$root/examples/smallest/main.c
unset CFLAGS CXXFLAGS LDFLAGS
rm -rf "$work"
mkdir -p "$work"

# The first program, built: it prints its arena, has its double free reported, and succeeds.
expect_success() {
    "$1" >"$work/output" || {
        cat "$work/output"
        echo "$1 failed"
        exit 1
    }
    for word in ram vmem_free; do
        grep -q "$word" "$work/output" || {
            cat "$work/output"
            echo "$1 printed no \"$word\""
            exit 1
        }
    done
}
