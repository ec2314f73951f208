# The choices that a build has, the warnings, and what every target needs. Read by the top
# CMakeLists.txt right after project(). Sanitizers and architectures are presets, not options.
list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")

# ON asks for it, and fails where something is missing; AUTO takes what there is and says what it
# leaves out; OFF does not look. A project that adds this one as a sub-directory gets the library.
if(PROJECT_IS_TOP_LEVEL)
    set(headrace_default AUTO)
else()
    set(headrace_default OFF)
endif()

function(headrace_option name default text)
    set(${name} ${default} CACHE STRING "${text}: AUTO, ON or OFF")
    set_property(CACHE ${name} PROPERTY STRINGS AUTO ON OFF)
    if(NOT "${${name}}" MATCHES "^(AUTO|ON|OFF|TRUE|FALSE|YES|NO|1|0)$")
        message(FATAL_ERROR "${name} is \"${${name}}\"; wanted: AUTO, ON or OFF")
    endif()
endfunction()

headrace_option(HEADRACE_CUDA AUTO "The CUDA device and its kernels")
headrace_option(HEADRACE_CLI ${headrace_default} "The command line")
headrace_option(HEADRACE_TORCH ${headrace_default} "What needs LibTorch")
headrace_option(HEADRACE_TESTS ${headrace_default} "The tests; they need GoogleTest")
headrace_option(HEADRACE_BENCH ${headrace_default} "The benchmark programs")
headrace_option(HEADRACE_SAMPLES ${headrace_default} "The samples")
option(HEADRACE_WERROR "Warnings are errors" OFF)
option(HEADRACE_INSTALL "Install rules" ${PROJECT_IS_TOP_LEVEL})

# headrace_missing(OPTION what): something that `what` tells is not there. Fatal when the option
# asked for it, otherwise one line; the caller then leaves its part out.
function(headrace_missing name what)
    if("${${name}}" STREQUAL AUTO)
        message(STATUS "headrace: ${what} (${name}=AUTO: left out)")
    else()
        message(FATAL_ERROR "headrace: ${what}, and ${name} is ${${name}}; "
                            "install it, or set ${name}=AUTO or OFF")
    endif()
endfunction()

if(PROJECT_IS_TOP_LEVEL)
    if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
        set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug, RelWithDebInfo" FORCE)
    endif()
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
    find_program(HEADRACE_CCACHE ccache)
    mark_as_advanced(HEADRACE_CCACHE)
    if(HEADRACE_CCACHE)
        foreach(language CXX CUDA)
            if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
                set(CMAKE_${language}_COMPILER_LAUNCHER "${HEADRACE_CCACHE}")
            endif()
        endforeach()
    endif()
endif()

# The extensions of GNU are of no use to us, and LibTorch must not lower the standard either: each
# target asks for cxx_std_20 itself (target_compile_features).
set(CMAKE_CXX_EXTENSIONS OFF)

# What one folder finds, the tests of it link from another.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Warnings for our own sources. Linked privately and for the build only
# ($<BUILD_INTERFACE:headrace_warnings>), so that no user of the library inherits them. g++ 12 sees
# overlapping copies where strings are added up, and is wrong (gcc bug 105651): -Wno-restrict.
add_library(headrace_warnings INTERFACE)
target_compile_options(headrace_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wsign-conversion>
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor;-Woverloaded-virtual;-Wold-style-cast>
    $<$<COMPILE_LANGUAGE:CXX>:-Wcast-align;-Wformat=2;-Wundef;-Wvla>
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wduplicated-cond;-Wimplicit-fallthrough=5;-Wno-restrict>
    $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wimplicit-fallthrough;-Wextra-semi>)
if(HEADRACE_WERROR)
    target_compile_options(headrace_warnings INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:-Werror>
        $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()

include(${CMAKE_CURRENT_LIST_DIR}/cuda.cmake)
