# shellcheck shell=bash disable=SC2034 # variables for those who read it
# SPDX-License-Identifier: MIT
# Read by the checks beside it. Each can be run alone, from anywhere; it prints a line for
# each thing it looked at, `ok` or `FAILED`, and returns 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wcast-align -Werror)
c_warnings=("${warnings[@]}" -Wstrict-prototypes -Wmissing-prototypes -Wvla)
library=(src/*.c)

# expect <what> <command...>: one check. The output is shown only if it fails.
expect() {
    local what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $what"
    else
        failed=$((failed + 1))
        echo "FAILED  $what"
        sed 's/^/        /' "$work/log"
    fi
}

# each <command...> -- <file...>: runs the command on every file alone, on all whatever happens.
each() {
    local -a command=()
    while [ "$1" != -- ]; do
        command+=("$1")
        shift
    done
    shift
    printf '%s\0' "$@" | xargs -0 -n 1 -P 2 "${command[@]}"
}

summary() {
    echo "$(basename "$0" .sh): $passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
