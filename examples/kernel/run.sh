#!/bin/sh
# SPDX-License-Identifier: MIT
# Boots a kernel of this folder under QEMU, its console on this terminal.
#
#     [CPUS=n] run.sh KERNEL MEMORY [argument of the kernel...]
#
# The kernel's ELF header says which machine it is for. The kernel ends QEMU through a device, or an
# instruction, that is made for it: status 33 is its pass. Anything else is a failure, a machine that
# reset itself included, and so is a kernel that takes longer than a limit, unless a person is at the
# keyboard.
set -u

kernel=$1
memory=$2
shift 2

# The class (32 or 64 bits), and the first byte of the architecture's number: small, for all of these.
class=$(od -An -tu1 -j4 -N1 "$kernel" | tr -d ' ')
number=$(od -An -tu1 -j18 -N1 "$kernel" | tr -d ' ')
case $class-$number in
1-3 | 2-62) # i386, x86-64
    qemu="qemu-system-x86_64"
    machine='-machine pc -device isa-debug-exit,iobase=0xf4,iosize=0x04'
    ;;
2-183) # AArch64: bytes 183, 0
    qemu="qemu-system-aarch64"
    machine='-machine virt,gic-version=2 -cpu cortex-a72 -semihosting'
    ;;
2-243) # RISC-V: bytes 243, 0. Under OpenSBI
    qemu="qemu-system-riscv64"
    machine='-machine virt -cpu rv64'
    ;;
1-243) # without a firmware: QEMU has none of 32 bits everywhere
    qemu="qemu-system-riscv32"
    machine='-machine virt -cpu rv32 -bios none'
    ;;
*)
    echo "run.sh: $kernel is for no machine that is known here" >&2
    exit 1
    ;;
esac
if ! command -v "$qemu" >/dev/null 2>&1; then
    echo "run.sh: $qemu is not there: see cmake/setup.sh" >&2
    exit 1
fi
limit=
if ! [ -t 0 ]; then
    limit='timeout 600'
fi

# No network card and no VGA: the kernel has no use for them and QEMU none for their ROMs.
# shellcheck disable=SC2086 # lists of words
$limit "$qemu" $machine -accel tcg -smp "${CPUS:-1}" -m "$memory" -nodefaults -no-user-config \
    -display none -vga none -no-reboot -serial stdio -kernel "$kernel" -append "$*"
status=$?
if [ "$status" -eq 33 ]; then
    exit 0
fi
echo "run.sh: the kernel did not pass (QEMU ended with status $status)" >&2
exit 1
