# Finds LibTorch and makes the target headrace_libtorch. Looks, in this order, in
#   HEADRACE_TORCH_DIR  (variable or environment) a LibTorch directory, a Python torch's directory,
#                       or the word `python`: then only there;
#   Torch_DIR, CMAKE_PREFIX_PATH, the system (Debian's libtorch-dev);
#   the torch of the python3 in PATH.
# Sets LibTorch_FOUND, LibTorch_VERSION, LibTorch_LIBRARY_DIR, LibTorch_CUDA (whether it has CUDA
# and a program can be compiled for that) and LibTorch_CUDA_REASON (the same in words).
#
# LibTorch's own CMake package (TorchConfig.cmake) is not used on purpose: Debian's asks for C++14,
# a build with CUDA refuses to be found without the CUDA toolkit, and its headers are not SYSTEM.
# Headers and a few libraries are all that a program needs.
set(HEADRACE_TORCH_DIR "$ENV{HEADRACE_TORCH_DIR}" CACHE STRING
    "Where LibTorch lies: a directory, or `python`; empty: wherever there is one")

# The directory of the torch that python3 would import; nothing is imported, which takes seconds.
function(headrace_python_torch result)
    execute_process(
        COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').origin)"
        OUTPUT_VARIABLE origin OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
        RESULT_VARIABLE failed)
    if(failed)
        set(${result} "" PARENT_SCOPE)
    else()
        get_filename_component(directory "${origin}" DIRECTORY)
        set(${result} "${directory}" PARENT_SCOPE)
    endif()
endfunction()

# Looks for headers and libraries; further arguments go to find_path and find_library.
macro(headrace_look_for_torch)
    # torch/csrc/api/include/torch/torch.h is what a program includes as <torch/torch.h>.
    find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
              PATH_SUFFIXES include ${ARGN})
    foreach(library torch torch_cpu c10)
        find_library(LibTorch_${library}_LIBRARY ${library} PATH_SUFFIXES lib ${ARGN})
    endforeach()
endmacro()

macro(headrace_forget_torch)
    foreach(found INCLUDE_DIR torch_LIBRARY torch_cpu_LIBRARY c10_LIBRARY)
        unset(LibTorch_${found} CACHE)
    endforeach()
endmacro()

# Another directory was asked for than the time before: look again.
if(NOT "${HEADRACE_TORCH_DIR}|${Torch_DIR}" STREQUAL "${LibTorch_LOOKED_IN}")
    headrace_forget_torch()
endif()
set(LibTorch_LOOKED_IN "${HEADRACE_TORCH_DIR}|${Torch_DIR}" CACHE INTERNAL "")

if("${HEADRACE_TORCH_DIR}" STREQUAL python)
    headrace_python_torch(LibTorch_hint)
    if(LibTorch_hint)
        headrace_look_for_torch(PATHS "${LibTorch_hint}" NO_DEFAULT_PATH)
    endif()
elseif(HEADRACE_TORCH_DIR)
    headrace_look_for_torch(PATHS "${HEADRACE_TORCH_DIR}" "${HEADRACE_TORCH_DIR}/torch"
                            NO_DEFAULT_PATH)
else()
    if(Torch_DIR)  # PREFIX/share/cmake/Torch
        headrace_look_for_torch(HINTS "${Torch_DIR}/../../..")
    else()
        headrace_look_for_torch()
    endif()
    if(NOT LibTorch_INCLUDE_DIR)
        headrace_python_torch(LibTorch_hint)
        if(LibTorch_hint)  # all of it from there, and nothing from elsewhere
            headrace_forget_torch()
            headrace_look_for_torch(PATHS "${LibTorch_hint}" NO_DEFAULT_PATH)
        endif()
    endif()
endif()

if(LibTorch_torch_cpu_LIBRARY)
    get_filename_component(LibTorch_LIBRARY_DIR "${LibTorch_torch_cpu_LIBRARY}" DIRECTORY)
endif()

# torch/version.h says the version, or, since 2.9, a header that it includes.
set(LibTorch_VERSION "")
foreach(LibTorch_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT LibTorch_INCLUDE_DIR OR NOT EXISTS "${LibTorch_INCLUDE_DIR}/${LibTorch_header}")
        continue()
    endif()
    file(STRINGS "${LibTorch_INCLUDE_DIR}/${LibTorch_header}" LibTorch_lines
         REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
    string(REGEX MATCHALL "[0-9]+" LibTorch_numbers "${LibTorch_lines}")
    list(JOIN LibTorch_numbers "." LibTorch_VERSION)
    if(LibTorch_VERSION)
        break()
    endif()
endforeach()

# A LibTorch built for the C++ ABI before 2015 cannot share a std::string with anything else.
set(LibTorch_ABI_REASON "")
find_file(LibTorch_config TorchConfig.cmake NO_CACHE NO_DEFAULT_PATH
          PATHS "${LibTorch_LIBRARY_DIR}/../share" "${LibTorch_LIBRARY_DIR}"
          PATH_SUFFIXES cmake/Torch)
if(LibTorch_LIBRARY_DIR AND LibTorch_config)
    file(STRINGS "${LibTorch_config}" LibTorch_old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(LibTorch_old_abi)
        set(LibTorch_ABI_REASON
            "the LibTorch in ${LibTorch_LIBRARY_DIR} is built for the C++ ABI before C++11, \
wanted is the `cxx11-abi` archive, or torch 2.7 or newer from Python")
        unset(LibTorch_c10_LIBRARY CACHE)
    endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
    REQUIRED_VARS LibTorch_torch_LIBRARY LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY
                  LibTorch_INCLUDE_DIR
    VERSION_VAR LibTorch_VERSION
    REASON_FAILURE_MESSAGE "${LibTorch_ABI_REASON}")
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_torch_LIBRARY LibTorch_torch_cpu_LIBRARY
                 LibTorch_c10_LIBRARY)

# Headers of LibTorch's that know CUDA include those of CUDA: from the toolkit, or from the packages
# that a Python torch brings along.
set(LibTorch_CUDA FALSE)
set(LibTorch_CUDA_REASON "without CUDA")
if(LibTorch_LIBRARY_DIR AND EXISTS "${LibTorch_LIBRARY_DIR}/libtorch_cuda.so")
    set(LibTorch_packages "${LibTorch_LIBRARY_DIR}/../../nvidia")
    find_path(LibTorch_CUDA_INCLUDE_DIR cuda_runtime.h
              HINTS ${CUDAToolkit_INCLUDE_DIRS} ENV CUDA_HOME ENV CUDA_PATH
              PATHS /usr/local/cuda "${LibTorch_packages}/cu13"
                    "${LibTorch_packages}/cuda_runtime"
              PATH_SUFFIXES include)
    mark_as_advanced(LibTorch_CUDA_INCLUDE_DIR)
    if(LibTorch_CUDA_INCLUDE_DIR)
        set(LibTorch_CUDA TRUE)
        set(LibTorch_CUDA_REASON "with CUDA")
    else()
        set(LibTorch_CUDA_REASON "whose CUDA part is left out, for CUDA's headers are not there")
    endif()
endif()

if(LibTorch_FOUND AND NOT TARGET headrace_libtorch)
    add_library(headrace_libtorch INTERFACE IMPORTED)
    # An imported target's headers are SYSTEM: no warnings from them.
    set_target_properties(headrace_libtorch PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES
            "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
        INTERFACE_COMPILE_FEATURES cxx_std_20
        INTERFACE_LINK_LIBRARIES
            "${LibTorch_torch_LIBRARY};${LibTorch_torch_cpu_LIBRARY};${LibTorch_c10_LIBRARY}")
    if(LibTorch_CUDA)
        set_property(TARGET headrace_libtorch PROPERTY INTERFACE_COMPILE_DEFINITIONS
                     HEADRACE_TORCH_CUDA=1)
        set_property(TARGET headrace_libtorch APPEND PROPERTY INTERFACE_INCLUDE_DIRECTORIES
                     "${LibTorch_CUDA_INCLUDE_DIR}")
    endif()
    # The CUDA part registers itself when it is loaded; nobody calls it by name.
    if(EXISTS "${LibTorch_LIBRARY_DIR}/libtorch_cuda.so")
        set_property(TARGET headrace_libtorch APPEND PROPERTY INTERFACE_LINK_LIBRARIES
            "-Wl,--no-as-needed,${LibTorch_LIBRARY_DIR}/libtorch_cuda.so,--as-needed"
            "${LibTorch_LIBRARY_DIR}/libc10_cuda.so")
    endif()
    # Debian's is built with glog, which c10's headers then call.
    file(STRINGS "${LibTorch_INCLUDE_DIR}/c10/macros/cmake_macros.h" LibTorch_glog
         REGEX "^#define C10_USE_GLOG")
    if(LibTorch_glog)
        find_library(LibTorch_glog_LIBRARY glog)
        mark_as_advanced(LibTorch_glog_LIBRARY)
        if(LibTorch_glog_LIBRARY)
            set_property(TARGET headrace_libtorch APPEND PROPERTY INTERFACE_LINK_LIBRARIES
                         "${LibTorch_glog_LIBRARY}")
        endif()
    endif()
endif()
