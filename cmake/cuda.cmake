# Finds CUDA as HEADRACE_CUDA says, and sets HEADRACE_HAS_CUDA.
#
# What is under kernels/ and in src/device/cuda is listed in kernels/CMakeLists.txt, which the top
# CMakeLists.txt adds where HEADRACE_HAS_CUDA is true. As long as there is no such file the build
# has no CUDA device, whatever was found here, and says so.
set(HEADRACE_HAS_CUDA FALSE)
if(NOT HEADRACE_CUDA)
    return()
endif()

# Every architecture that the compiler knows, unless somebody chose (the preset `cuda` does).
# "native" would need a GPU in the machine that builds.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES all-major)
endif()
# CUDA's installer leaves nvcc outside PATH.
if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(HEADRACE_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda
                 PATH_SUFFIXES bin)
    mark_as_advanced(HEADRACE_NVCC)
    if(HEADRACE_NVCC)
        set(ENV{CUDACXX} "${HEADRACE_NVCC}")  # what check_language() and enable_language() ask
    endif()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
    headrace_missing(HEADRACE_CUDA "no CUDA compiler (nvcc) that works was found")
    return()
endif()

if(NOT EXISTS "${PROJECT_SOURCE_DIR}/kernels/CMakeLists.txt")
    set(headrace_mode STATUS)
    if(NOT "${HEADRACE_CUDA}" STREQUAL AUTO)
        set(headrace_mode WARNING)
    endif()
    message(${headrace_mode} "headrace: CUDA was found, but this version has no CUDA device yet")
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
set(HEADRACE_HAS_CUDA TRUE)
