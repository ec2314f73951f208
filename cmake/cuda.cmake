# Finds CUDA as HEADRACE_CUDA says, and sets HEADRACE_HAS_CUDA.
#
# What is under kernels/ and in src/device/cuda is listed there, in a CMakeLists.txt each, which the
# top one adds where HEADRACE_HAS_CUDA is true. Elsewhere there is src/device/cuda_absent.cpp.
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

enable_language(CUDA)
# CMake 3.25 does not know that nvcc 12 and later speak C++20.
foreach(kind STANDARD EXTENSION)
    if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
        set(CMAKE_CUDA20_${kind}_COMPILE_OPTION "-std=c++20")
    endif()
endforeach()
# For projects of CMake 3.25 its module deprecates the library nvToolsExt, and fails where there is
# none, as since CUDA 12.9: it is told of an older project.
set(headrace_minimum ${CMAKE_MINIMUM_REQUIRED_VERSION})
set(CMAKE_MINIMUM_REQUIRED_VERSION 3.24)
find_package(CUDAToolkit REQUIRED)
set(CMAKE_MINIMUM_REQUIRED_VERSION ${headrace_minimum})
set(HEADRACE_HAS_CUDA TRUE)
