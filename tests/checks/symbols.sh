#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# For every architecture: src/*.c compiles freestanding and without floating point; the objects need
# nothing but memcpy, memmove, memset, memcmp and the port (so no call into libgcc), and no
# name leaves them but vmem_*.
. "$(dirname "$0")/common.sh"

compile() { # <compiler and flags...>
    rm -rf "$work/o"
    mkdir "$work/o"
    (
        cd "$work/o"
        printf '%s\0' "${library[@]/#/$OLDPWD/}" | xargs -0 -n 3 -P 2 "$1" -std=c11 -O2 -ffreestanding \
            -fno-pic "${c_warnings[@]}" -I"$OLDPWD/include" "${@:2}" -c
    )
}

names_are_ours() {
    # What one object needs and another one has is the library's own.
    llvm-nm "$work"/o/*.o | awk 'NF == 2 { print $2 }' | sort -u >"$work/needs"
    llvm-nm -g "$work"/o/*.o | awk 'NF == 3 { print $3 }' | sort -u >"$work/has"
    comm -23 "$work/needs" "$work/has" >"$work/outside"
    # (.TOC. is no function: the PowerPC ABI's own table. port_only_cpu: of examples/ports/i386.h.)
    if grep -vxE 'mem(cpy|move|set|cmp)|vmem_port_(fault|pages_alloc|pages_free)|\.TOC\.|port_only_cpu' \
        "$work/outside"; then
        echo "^ needed, and not memcpy, memmove, memset, memcmp or a hook"
        return 1
    fi
    if grep -v '^vmem_' "$work/has"; then
        echo "^ defined, and not vmem_*"
        return 1
    fi
    if llvm-nm "$work"/o/*.o | grep -E ' [WVwv] '; then
        echo "^ weak"
        return 1
    fi
}

build() {
    compile "$@" && names_are_ours
}

targets=(
    "clang --target=x86_64-none-elf -mgeneral-regs-only -mno-red-zone -mcmodel=kernel"
    "clang --target=i386-none-elf -mgeneral-regs-only"
    "clang --target=i386-none-elf -march=i386 -mgeneral-regs-only"
    "clang --target=aarch64-none-elf -mgeneral-regs-only"
    "clang --target=aarch64_be-none-elf -mgeneral-regs-only"
    "clang --target=armv7a-none-eabi -mfloat-abi=soft"
    "clang --target=armv4t-none-eabi -mfloat-abi=soft"
    "clang --target=thumbv7m-none-eabi -mfloat-abi=soft"
    "clang --target=armebv7a-none-eabi -mfloat-abi=soft"
    "clang --target=riscv64-none-elf -march=rv64imac -mabi=lp64 -mcmodel=medany"
    "clang --target=riscv32-none-elf -march=rv32imac -mabi=ilp32"
    "clang --target=powerpc64-none-elf -msoft-float"
    "clang --target=powerpc-none-elf -msoft-float"
    "clang --target=mips-none-elf -msoft-float"
    "gcc -mgeneral-regs-only -mno-red-zone -mcmodel=kernel"
    "gcc -m32 -mgeneral-regs-only"
    "gcc -m32 -O0 -mgeneral-regs-only"
    "gcc -Os -mgeneral-regs-only -mno-red-zone"
    "aarch64-linux-gnu-gcc -mgeneral-regs-only -mno-outline-atomics"
    "arm-linux-gnueabi-gcc -mfloat-abi=soft"
    "riscv64-linux-gnu-gcc -march=rv64imac -mabi=lp64"
)

for target in "${targets[@]}"; do
    configurations=("" "-DVMEM_CONFIG_DEBUG=1")
    case $target in
    *64* | "gcc -mgen"* | "gcc -Os"*) ;; # whose addresses are as wide anyway
    *) configurations+=("-DVMEM_CONFIG_ADDR64=1" "-DVMEM_CONFIG_ADDR64=1 -DVMEM_CONFIG_DEBUG=1") ;;
    esac
    for defines in "${configurations[@]}"; do
        # shellcheck disable=SC2086 # lists of words
        expect "$target $defines" build $target $defines
    done
done

# The same with the port of examples/ports: locks, magazines for many CPUs, requests that wait.
smp=("-DVMEM_PORT_HEADER=\"smp.h\"" "-I$PWD/examples/ports" -DVMEM_CONFIG_SLEEP=1)
for target in "${targets[@]}"; do
    case $target in
    *x86_64* | *i386-none* | *aarch64-* | *riscv* | "gcc -m"*)
        if [[ $target = *-gcc* ]]; then # whose assembler wants to be told of the CSRs
            target=${target/rv64imac/rv64imac_zicsr}
        fi
        # shellcheck disable=SC2086 # a list of words
        expect "$target, smp.h" build $target "${smp[@]}"
        ;;
    esac
done
summary
