# SPDX-License-Identifier: MIT
# The library, whole: every C file of src, and nothing from a folder below it.
# Sets VMEM_SOURCES and VMEM_INCLUDE_DIR, and needs nothing else of this
# repository's CMake, so that a kernel may include() this file alone.
get_filename_component(VMEM_ROOT "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(VMEM_INCLUDE_DIR "${VMEM_ROOT}/include")
file(GLOB VMEM_SOURCES CONFIGURE_DEPENDS "${VMEM_ROOT}/src/*.c")
