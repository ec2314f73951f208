# The Debian package: `cpack --preset debian` after a build of that preset, or `cpack -G DEB` in any
# build. One package, `headrace`: library, headers, CMake's and pkg-config's files, command line.
#
# The preset takes the shared library. A ring's memory has a layout with a version, and a trainer
# refuses producers of another: programs that share the one library that is installed cannot differ.
# Its users need no CUDA toolkit either, for CUDA's runtime is inside.
set(headrace_cuda_copyright "")
if(HEADRACE_HAS_CUDA)
    set(headrace_cuda_copyright "
Files: usr/bin/headrace usr/lib/*/libheadrace*
Copyright: The authors of Headrace
 NVIDIA CORPORATION & AFFILIATES (CUDA Runtime ${CUDAToolkit_VERSION}, NVTX, CUB, Thrust)
License: Apache-2.0 and CUDA-EULA
Comment: NVTX, CUB and Thrust: Apache License, Version 2.0 (NVTX and CUB with LLVM Exceptions).

License: CUDA-EULA
 The CUDA Runtime is linked in as its licence permits: it is on the list of what may be
 distributed as part of an application (https://docs.nvidia.com/cuda/eula, Attachment A).")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/debian/copyright.in ${PROJECT_BINARY_DIR}/copyright @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME headrace)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Data loader for training loops in C++ and CUDA")
set(CPACK_PACKAGE_DESCRIPTION "Producer processes write padded records into one ring in shared \
memory; a loader turns them into ragged batches, padding stripped, on the host or on a GPU. This \
package has the library, its headers, and the command line.")
set(CPACK_PACKAGE_CONTACT "The Headrace maintainers <maintainers@headrace.invalid>" CACHE STRING
    "Who made the package: name and address; .invalid is the domain of addresses that are none")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Whatever the umask of who builds it.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
    GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # Depends: what the programs are linked with
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)  # and who is linked with the library depends on us
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "g++ (>= 4:12), cmake (>= 3.25), pkg-config, libtorch-dev")
include(CPack)
