# Installs the build into an empty folder, moves that, and builds and runs project/ against it: once
# by find_package, once by pkg-config. Run by ctest as a script; see CMakeLists.txt for `build_dir`,
# `work_dir`, `config`, `version`, `compiler`, `generator`, `pkg_config`, `flags`; with CUDA
# `cuda_root` and `cuda_library_dir`: what a user says whose toolkit is not in PATH.
function(run what)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(failed)
        message(FATAL_ERROR "${what}: ${ARGN}\n${text}\nended with ${failed}")
    endif()
    message(STATUS "${what}: good")
    set(output "${text}" PARENT_SCOPE)
endfunction()

set(project ${CMAKE_CURRENT_LIST_DIR}/project)
set(prefix ${work_dir}/moved)
file(REMOVE_RECURSE ${work_dir})
run("install" ${CMAKE_COMMAND} --install ${build_dir} --config ${config}
    --prefix ${work_dir}/installed)
file(RENAME ${work_dir}/installed ${prefix})

# No file may know where it was built.
file(GLOB_RECURSE texts ${prefix}/*.cmake ${prefix}/*.pc ${prefix}/*.hpp)
foreach(text IN LISTS texts)
    file(READ ${text} content)
    string(FIND "${content}" "${build_dir}" at)
    if(NOT at EQUAL -1)
        message(FATAL_ERROR "${text} names the build folder ${build_dir}")
    endif()
endforeach()

run("configure" ${CMAKE_COMMAND} -S ${project} -B ${work_dir}/build -G ${generator}
    -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_CXX_FLAGS=${flags}
    -D CMAKE_BUILD_TYPE=${config} -D wanted_version=${version} -D CUDAToolkit_ROOT=${cuda_root})
run("build" ${CMAKE_COMMAND} --build ${work_dir}/build)
run("run" ${work_dir}/build/consumer)

# A version that cannot be had is refused.
execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${project} -B ${work_dir}/refused -G ${generator}
        -D CMAKE_PREFIX_PATH=${prefix} -D CMAKE_CXX_COMPILER=${compiler} -D wanted_version=99.0
    RESULT_VARIABLE refused OUTPUT_QUIET ERROR_QUIET)
if(NOT refused)
    message(FATAL_ERROR "version 99.0 was found")
endif()

if(NOT pkg_config)
    message(STATUS "pkg-config: not there, not tried")
    return()
endif()
file(GLOB_RECURSE file ${prefix}/*/headrace.pc)
get_filename_component(folder "${file}" DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${folder})
run("pkg-config" ${pkg_config} --cflags --libs --static headrace)
string(STRIP "${output}" output)
if(cuda_library_dir)
    set(output "${output} -L${cuda_library_dir}")
endif()
separate_arguments(arguments UNIX_COMMAND "${flags} ${project}/consumer.cpp ${output}")
run("compile with pkg-config" ${compiler} -std=c++20 -o ${work_dir}/by_pkg_config ${arguments})
run("run" ${work_dir}/by_pkg_config)
