#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs that nobody here wrote, with our malloc in place of the host's. Each must end well, and
# so must the check at the end of each of its processes.
#
#     programs.sh <library> <root of vmem> <folder to work in> git|python|gcc|sqlite|xz
#
# 0: it did. 77: the program is not installed.
set -eu
library=$1
root=$2
work=$3
name=$4
log=$work/log

need() { # <program>
    command -v "$1" >/dev/null || {
        echo "skipped: $1 is not installed"
        exit 77
    }
}

ours() { # <command...>: with our malloc
    LD_PRELOAD=$library VMEM_MALLOC_CHECK=$log "$@"
}

# Its history, read and packed anew; and what it then has is sound.
try_git() {
    need git
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL="$work/gitconfig"
    git config --global safe.directory '*'
    git config --global user.name nobody
    git config --global user.email nobody@localhost
    git config --global gc.auto 0
    if git -C "$root" rev-parse --verify -q HEAD >/dev/null; then
        ours git clone -q --no-local --no-checkout "$root" repository
        cd repository
    else # no repository, but a release
        git init -q repository
        cp -R "$root/src" "$root/include" "$root/tests" repository
        cd repository
        ours git add .
        ours git commit -q -m all
    fi
    git log -p --stat >../expected
    ours git log -p --stat >../read
    cmp ../expected ../read
    ours git -c pack.threads=2 repack -a -d -f -q
    ours git fsck --strict --no-progress
}

# Its own tests where they are installed, with every object from malloc.
try_python() {
    need python3
    export PYTHONMALLOC=malloc
    if python3 -c 'import test.test_list, test.test_dict, test.test_json' 2>/dev/null; then
        ours python3 -m test test_list test_dict test_json
    else
        echo "its own tests are not installed"
        ours python3 "$root/tests/malloc/churn.py"
    fi
}

# This library, compiled, is the same to the byte.
try_gcc() {
    need gcc
    mkdir expected made
    for source in "$root"/src/*.c; do
        object=$(basename "$source" .c).o
        gcc -std=c11 -O2 -ffreestanding -I"$root/include" -c "$source" -o "expected/$object"
        ours gcc -std=c11 -O2 -ffreestanding -I"$root/include" -c "$source" -o "made/$object"
        cmp "expected/$object" "made/$object"
    done
}

# A table built, indexed, thinned out and vacuumed.
try_sqlite() {
    need sqlite3
    ours sqlite3 data.db <<'END' >answers
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, number INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO t SELECT i, hex(i * 7919) || '-' || i, i % 1000 FROM n;
CREATE INDEX by_name ON t (name);
SELECT count(*), sum(number) FROM t;
SELECT count(*) FROM t a JOIN t b ON a.name = b.name;
SELECT number, group_concat(name) FROM t GROUP BY number HAVING number = 999;
DELETE FROM t WHERE id % 3 = 0;
VACUUM;
SELECT count(*), min(id), max(id) FROM t;
PRAGMA integrity_check;
END
    [ "$(sed -n '1,2p;4,5p' answers | tr '\n' ' ')" = "100000|49950000 100000 66667|1|100000 ok " ]
}

# Two threads, there and back.
try_xz() {
    need xz
    for _ in 1 2 3 4 5 6 7 8; do
        cat "$root"/src/*.c "$root"/include/vmem/*.h "$root"/tests/unit/*.c "$library"
    done >data
    ours xz -T2 -2 --block-size=1MiB -k data
    ours xz -T2 -d -c data.xz | cmp - data
}

rm -rf "$work"
mkdir -p "$work"
cd "$work"
case $name in
git | python | gcc | sqlite | xz) "try_$name" ;;
*)
    echo "what is $name?"
    exit 2
    ;;
esac

if ! [ -s "$log" ] || grep -v '^ok ' "$log"; then
    echo "^ processes that found something wrong; none, if no process was checked at all"
    exit 1
fi
echo "$(wc -l <"$log") processes checked; the busiest:"
sort -t: -k2 -n -r "$log" | head -n 3
