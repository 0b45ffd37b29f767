# SPDX-License-Identifier: MIT
# For work on vmem itself: warnings and instrumentation. Nothing here reaches a
# project that embeds or installs the library.

set(VMEM_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef
    -Wcast-align -Wstrict-prototypes -Wmissing-prototypes -Wvla)
if(VMEM_WERROR)
    list(APPEND VMEM_WARNINGS -Werror)
endif()

# What the library and the host tests are instrumented with; kernels never are.
set(VMEM_INSTRUMENTATION)
if(VMEM_SANITIZE)
    list(APPEND VMEM_INSTRUMENTATION -fsanitize=address,undefined -fno-sanitize-recover=all
         -fno-omit-frame-pointer)
endif()
if(VMEM_COVERAGE)
    list(APPEND VMEM_INSTRUMENTATION --coverage)
endif()

# vmem_test_library(<name> [definition...])
#
# The library, compiled with these definitions for a test: a static library whose
# users see the same headers, definitions, warnings and instrumentation. They
# bring the hooks of the port.
function(vmem_test_library name)
    # What a hosted program that names a port takes for granted: the library itself is compiled
    # freestanding. A port that cannot wait says so in the definitions.
    set(sleep)
    if(NOT "${ARGN}" MATCHES "VMEM_CONFIG_SLEEP")
        string(REGEX MATCH "VMEM_PORT_HEADER" port "${ARGN}")
        set(sleep VMEM_CONFIG_SLEEP=$<BOOL:${port}>)
    endif()
    add_library(${name} STATIC ${VMEM_SOURCES} ${VMEM_HEADERS})
    set_target_properties(${name} PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF LINKER_LANGUAGE C)
    target_include_directories(${name} PUBLIC "${VMEM_INCLUDE_DIR}")
    target_compile_features(${name} PUBLIC c_std_11)
    target_compile_definitions(${name} PUBLIC ${sleep} ${VMEM_DEFINITIONS} ${ARGN})
    target_compile_options(${name} PRIVATE -ffreestanding
                                   PUBLIC ${VMEM_WARNINGS} ${VMEM_INSTRUMENTATION})
    target_link_options(${name} PUBLIC ${VMEM_INSTRUMENTATION})
endfunction()
