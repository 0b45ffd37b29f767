#!/bin/sh
# SPDX-License-Identifier: MIT
# Boots a kernel of this folder under QEMU, its console on this terminal.
#
#     run.sh KERNEL MEMORY [argument of the kernel...]
#
# The kernel ends QEMU through isa-debug-exit: status 33 is its pass. Anything else is a failure, a
# machine that reset itself included, and so is a kernel that takes longer than a limit, unless a
# person is at the keyboard.
set -u

kernel=$1
memory=$2
shift 2

qemu=qemu-system-x86_64
if ! command -v "$qemu" >/dev/null 2>&1; then
    echo "run.sh: $qemu is not there: see cmake/setup.sh" >&2
    exit 1
fi
limit=
if ! [ -t 0 ]; then
    limit='timeout 600'
fi

# No network card and no VGA: the kernel has no use for them and QEMU none for their ROMs.
$limit "$qemu" -accel tcg -machine pc -m "$memory" -smp "${CPUS:-1}" -nodefaults -no-user-config -display none \
    -vga none -no-reboot -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
    -kernel "$kernel" -append "$*"
status=$?
if [ "$status" -eq 33 ]; then
    exit 0
fi
echo "run.sh: the kernel did not pass (QEMU ended with status $status)" >&2
exit 1
