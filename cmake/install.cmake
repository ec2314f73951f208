# What `cmake --install` puts where, so that find_package(headrace) and pkg-config find it. The tree
# may be moved afterwards: no file in it knows where it was built.
if(NOT HEADRACE_INSTALL)
    return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS headrace EXPORT headraceTargets)
if(TARGET headrace_cli)
    install(TARGETS headrace_cli)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/headrace
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Who links a static library links what that needs, too.
set(headrace_needs_cudart FALSE)
if(HEADRACE_HAS_CUDA AND NOT headrace_kind STREQUAL SHARED_LIBRARY)
    set(headrace_needs_cudart TRUE)
endif()

set(headrace_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/headrace)
install(EXPORT headraceTargets NAMESPACE headrace:: DESTINATION ${headrace_package_dir})
configure_package_config_file(
    ${CMAKE_CURRENT_LIST_DIR}/headraceConfig.cmake.in ${PROJECT_BINARY_DIR}/headraceConfig.cmake
    INSTALL_DESTINATION ${headrace_package_dir}
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/headraceConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/headraceConfig.cmake
              ${PROJECT_BINARY_DIR}/headraceConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindLibTorch.cmake
        DESTINATION ${headrace_package_dir})

# pkg-config: the prefix is told from where the file lies, as many folders up as it lies deep.
string(REGEX REPLACE "[^/]+" ".." headrace_up "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
set(headrace_pc_libs "")
if(headrace_needs_cudart)
    # By name only: the tree must not know where it was built.
    set(headrace_pc_libs " -lcudart_static -ldl -lrt")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/headrace.pc.in ${PROJECT_BINARY_DIR}/headrace.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/headrace.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(PROJECT_IS_TOP_LEVEL)
    include(${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
endif()
