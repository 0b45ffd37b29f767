# SPDX-License-Identifier: MIT
# A kernel for QEMU: vmem::sources and the parts of this folder that any kernel needs,
# compiled with a kernel's flags.
enable_language(ASM)

set(DEMO_DIR "${CMAKE_CURRENT_LIST_DIR}")

# One architecture in each build folder, since it takes a compiler for it: see the presets.
set(VMEM_KERNEL_ARCH x86_64 CACHE STRING "What kernels are built for: x86_64, aarch64, riscv64 or riscv32")

set(KERNEL_SOURCES_x86
    arch/x86/exit.c arch/x86/serial.c arch/x86/start.c)
set(KERNEL_SOURCES_x86_64 ${KERNEL_SOURCES_x86}
    arch/x86_64/acpi.c arch/x86_64/apic.c arch/x86_64/boot.S arch/x86_64/paging.c
    arch/x86_64/smp.c arch/x86_64/traps.S arch/x86_64/traps.c)
set(KERNEL_SOURCES_i386 ${KERNEL_SOURCES_x86}
    arch/i386/boot.S arch/i386/layout.c)
set(KERNEL_SOURCES_aarch64
    arch/devicetree.c arch/aarch64/boot.S arch/aarch64/exit.c arch/aarch64/paging.c
    arch/aarch64/serial.c arch/aarch64/start.c arch/aarch64/timer.c arch/aarch64/traps.S
    arch/aarch64/traps.c)
set(KERNEL_SOURCES_riscv
    arch/devicetree.c arch/riscv/exit.c arch/riscv/serial.c arch/riscv/start.c)
set(KERNEL_SOURCES_riscv64 ${KERNEL_SOURCES_riscv}
    arch/riscv64/boot.S arch/riscv64/harts.c arch/riscv64/paging.c arch/riscv64/timer.c
    arch/riscv64/traps.S arch/riscv64/traps.c)
set(KERNEL_SOURCES_riscv32 ${KERNEL_SOURCES_riscv}
    arch/riscv32/boot.S arch/riscv32/layout.c)

set(KERNEL_FLAGS_x86_64 -m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only)
set(KERNEL_FLAGS_i386 -m32 -march=i686 -mgeneral-regs-only)
set(KERNEL_FLAGS_aarch64 -mgeneral-regs-only -mno-outline-atomics)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(csr _zicsr) # which clang takes for granted, and until version 17 does not know
endif()
set(KERNEL_FLAGS_riscv64 -march=rv64imac${csr} -mabi=lp64 -mcmodel=medany -mno-relax)
set(KERNEL_FLAGS_riscv32 -march=rv32imac${csr} -mabi=ilp32 -mcmodel=medany -mno-relax)

set(KERNEL_FLAGS -ffreestanding -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables
    -fcf-protection=none -O2 -g)
set(KERNEL_STRING_FLAGS -fno-builtin)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND KERNEL_STRING_FLAGS -fno-tree-loop-distribute-patterns)
else()
    set(KERNEL_LINKER -fuse-ld=lld)
endif()

# The port of examples/ports, for several CPUs, with VMEM_SLEEP.
set(KERNEL_PORT "VMEM_PORT_HEADER=\"smp.h\"" VMEM_CONFIG_SLEEP=1)

# vmem_kernel(<target> <architecture> <source>...)
#
# An ELF file that QEMU boots by -kernel. Its sources define kernel_main() and
# what page tables are made of. Its definitions are to name its port: ${KERNEL_PORT}, or its own.
function(vmem_kernel target architecture)
    set(common console.c cpus.c string.c ${KERNEL_SOURCES_${architecture}})
    list(TRANSFORM common PREPEND "${DEMO_DIR}/")
    set(script "${DEMO_DIR}/arch/${architecture}/kernel.ld")
    set_source_files_properties("${DEMO_DIR}/string.c"
        PROPERTIES COMPILE_OPTIONS "${KERNEL_STRING_FLAGS}")

    add_executable(${target} ${ARGN} ${common})
    target_link_libraries(${target} PRIVATE vmem::sources)
    target_include_directories(${target} PRIVATE "${DEMO_DIR}/../ports")
    target_compile_options(${target} PRIVATE ${KERNEL_FLAGS} ${KERNEL_FLAGS_${architecture}}
        "$<$<COMPILE_LANGUAGE:C>:${VMEM_WARNINGS}>")
    target_link_options(${target} PRIVATE ${KERNEL_FLAGS_${architecture}} ${KERNEL_LINKER}
        -nostdlib -static "LINKER:-T,${script}" LINKER:--build-id=none
        LINKER:-z,max-page-size=4096)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11 C_EXTENSIONS OFF LINK_DEPENDS "${script}")
endfunction()

# vmem_kernel_test(<name> <target> <memory> <CPUs> <seconds> [argument...])
#
# Boots the kernel: the test passes if the kernel says so.
function(vmem_kernel_test name target memory cpus seconds)
    add_test(NAME ${name}
        COMMAND sh "${DEMO_DIR}/run.sh" "$<TARGET_FILE:${target}>" ${memory} ${ARGN})
    set_tests_properties(${name} PROPERTIES
        LABELS kernel TIMEOUT ${seconds} ENVIRONMENT CPUS=${cpus})
endfunction()
