# SPDX-License-Identifier: MIT
# Installs headers, archive, sources, and what find_package() and pkg-config read.
# The sources belong to it because a kernel rarely can use an archive that was
# compiled with a host's flags.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vmem")
set(source_dir "${CMAKE_INSTALL_DATADIR}/vmem/src")

foreach(source IN LISTS VMEM_SOURCES)
    get_filename_component(file "${source}" NAME)
    target_sources(vmem_sources INTERFACE "$<INSTALL_INTERFACE:${source_dir}/${file}>")
endforeach()
target_include_directories(vmem INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_include_directories(vmem_sources INTERFACE
                           "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
set_target_properties(vmem_sources PROPERTIES EXPORT_NAME sources)

install(TARGETS vmem vmem_sources EXPORT vmem)
install(EXPORT vmem NAMESPACE vmem:: FILE vmemConfig.cmake DESTINATION "${package_dir}")
install(DIRECTORY "${VMEM_INCLUDE_DIR}/vmem" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${VMEM_ROOT}/src/" DESTINATION "${source_dir}" FILES_MATCHING PATTERN "*.[ch]")

write_basic_package_version_file(vmemConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/vmemConfigVersion.cmake" DESTINATION "${package_dir}")

# Relative to the place of the .pc file, so that an installed tree can be moved.
file(RELATIVE_PATH VMEM_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
     "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" VMEM_PC_PREFIX "${VMEM_PC_PREFIX}")
list(TRANSFORM VMEM_DEFINITIONS PREPEND " -D" OUTPUT_VARIABLE VMEM_PC_DEFINITIONS)
list(JOIN VMEM_PC_DEFINITIONS "" VMEM_PC_DEFINITIONS)
string(REPLACE "\"" "\\\"" VMEM_PC_DEFINITIONS "${VMEM_PC_DEFINITIONS}")
configure_file("${VMEM_ROOT}/cmake/vmem.pc.in" vmem.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/vmem.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
