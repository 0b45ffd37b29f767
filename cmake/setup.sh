#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what the README's two commands need and this machine lacks. Quick and
# silent when nothing is missing. Only Debian, Ubuntu and their kin are known by
# package name: elsewhere it says what to install.
#
#     setup.sh [aarch64|riscv64|riscv32...]    and for the kernels of these, too
set -eu

packages=

# need <package> <test...>: the package, unless the test succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || packages="$packages $package"
}

header() {
    printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\n' \
        "$1" | gcc -E -
}

need gcc command -v gcc
need g++ command -v g++
need libc6-dev header stdio.h
need make command -v make
need cmake command -v cmake
need ninja-build command -v ninja
need pkg-config command -v pkg-config
need libcmocka-dev header cmocka.h
need qemu-system-x86 command -v qemu-system-x86_64

for architecture; do
    case $architecture in
    aarch64)
        need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
        need qemu-system-arm command -v qemu-system-aarch64
        ;;
    riscv64 | riscv32) # the compiler is one for both; QEMU wants the firmware for the former
        need gcc-riscv64-linux-gnu command -v riscv64-linux-gnu-gcc
        need qemu-system-misc command -v qemu-system-riscv64
        need opensbi test -e /usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin
        ;;
    *)
        echo "setup.sh: no kernel for '$architecture'" >&2
        exit 1
        ;;
    esac
done

if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install what these Debian packages contain:$packages" >&2
        exit 1
    fi
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    echo "Installing:$packages"
    $root apt-get update -q || true # a stale mirror may still have what is needed
    # shellcheck disable=SC2086 # a list of words
    $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $packages
fi

# Presets of version 6, and workflows, came with CMake 3.25.
version=$(cmake --version | sed -n '1s/.* \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
# shellcheck disable=SC2086 # two words: the major and the minor number
set -- $version
if [ "$1" -lt 3 ] || { [ "$1" -eq 3 ] && [ "$2" -lt 25 ]; }; then
    echo "cmake is $1.$2, and vmem's presets need 3.25: https://cmake.org/download" >&2
    exit 1
fi
