#!/bin/sh
# SPDX-License-Identifier: MIT
# found.sh <explorer> <scenario> <kind of failure>: it is found, and found again by its schedule.
explorer=$1 scenario=$2 kind=$3

# expect <command>: it fails, with status 1 and as this kind. Leaves the line that says so in $line.
expect() {
    output=$(eval "$1")
    status=$?
    echo "$output" | tail -n 5
    line=$(echo "$output" | grep '^FAILED: ')
    case "$status $line" in
    "1 FAILED: $kind: "*) ;;
    *)
        echo "expected \"FAILED: $kind\" and status 1, not $status"
        exit 1
        ;;
    esac
}

expect "'$explorer' --bound 2 $scenario"
found=$line
expect "$(echo "$output" | sed -n 's/^again: //p')"
if [ "$line" != "$found" ]; then
    echo "the schedule shows something else: $found"
    exit 1
fi
