#!/bin/sh
# SPDX-License-Identifier: MIT
# bounded.sh KERNEL LARGEST - boots the kernel of tests/kernel/bounded, which measures up to LARGEST
# live segments. With -icount shift=0 the emulator's time-stamp counter counts instructions; with
# sleep=off it never waits for real time to catch up. Status 33 is the kernel's pass.
set -u

qemu-system-x86_64 -accel tcg -icount shift=0,sleep=off -machine pc -m 1G -nodefaults \
    -no-user-config -display none -vga none -no-reboot -serial stdio \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04 -kernel "$1" -append "$2"
[ $? -eq 33 ]
