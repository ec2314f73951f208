# Installs the build into an empty folder, moves that, and builds and runs project/ against it: once
# by find_package, once by pkg-config, and samples/minimal, too. Run by ctest as a script; see
# CMakeLists.txt for `root`, `build_dir`, `work_dir`, `config`, `version`, `compiler`, `flags`,
# `generator`, `same`, `pkg_config`; `cuda`: whether this build has it, and with `cuda_root` and
# `cuda_library_dir` what a user says whose toolkit is not in PATH, the latter for a static library
# only; `torch`: whether LibTorch is there, which `torch_dir` leads to.
include(${CMAKE_CURRENT_LIST_DIR}/step.cmake)
set(project ${CMAKE_CURRENT_LIST_DIR}/project)
set(prefix ${work_dir}/moved)
file(REMOVE_RECURSE ${work_dir})
step("install" ${CMAKE_COMMAND} --install ${build_dir} --config ${config}
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

set(configure ${CMAKE_COMMAND} -S ${project} -G ${generator} -C ${same}
    -D CMAKE_PREFIX_PATH=${prefix} -D CUDAToolkit_ROOT=${cuda_root})
step("configure" ${configure} -B ${work_dir}/build -D wanted_version=${version}
    -D optional_components=turbine)
step("build" ${CMAKE_COMMAND} --build ${work_dir}/build)
step("run" ${work_dir}/build/consumer)
# What was not asked for was not looked for.
file(STRINGS ${work_dir}/build/CMakeCache.txt traces REGEX "LibTorch")
if(traces)
    message(FATAL_ERROR "find_package without the component torch looked for it: ${traces}")
endif()

refused("version 99.0" "99.0" ${configure} -B ${work_dir}/refused -D wanted_version=99.0)
refused("an unknown component" "no component \"turbine\": there are: core, cuda, torch"
    ${configure} -B ${work_dir}/refused --fresh -D components=turbine)
refused("torch without LibTorch" "no component \"torch\": LibTorch is not there"
    ${configure} -B ${work_dir}/refused --fresh -D components=torch
    -D HEADRACE_TORCH_DIR=${work_dir}/nowhere)
if(cuda)
    step("cuda" ${configure} -B ${work_dir}/cuda -D components=cuda)
else()
    refused("cuda" "no component \"cuda\": this one was built without CUDA"
        ${configure} -B ${work_dir}/refused --fresh -D components=cuda)
endif()
if(torch)
    step("torch: configure" ${configure} -B ${work_dir}/torch -D components=torch
        "-DHEADRACE_TORCH_DIR=${torch_dir}")
    step("torch: build" ${CMAKE_COMMAND} --build ${work_dir}/torch --target torch_consumer)
    step("torch: run" ${work_dir}/torch/torch_consumer)
endif()

if(NOT pkg_config)
    message(STATUS "pkg-config: not there, not tried")
    return()
endif()
file(GLOB_RECURSE file ${prefix}/*/headrace.pc)
get_filename_component(folder "${file}" DIRECTORY)
get_filename_component(library_dir "${folder}" DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${folder})
set(ENV{LD_LIBRARY_PATH} ${library_dir})  # a shared library in no usual place
if(EXISTS ${library_dir}/libheadrace.so)
    step("pkg-config" ${pkg_config} --cflags --libs headrace)
else()
    step("pkg-config" ${pkg_config} --cflags --libs --static headrace)
endif()
string(STRIP "${output}" arguments)
if(cuda_library_dir)
    string(APPEND arguments " -L${cuda_library_dir}")
endif()
function(compile result source)
    separate_arguments(all UNIX_COMMAND "${flags} ${source} ${arguments}")
    step("compile with pkg-config" ${compiler} -std=c++20 -o ${result} ${all})
endfunction()
compile(${work_dir}/by_pkg_config ${project}/consumer.cpp)
step("run" ${work_dir}/by_pkg_config)
compile(${work_dir}/producer ${root}/samples/minimal/producer.cpp)
compile(${work_dir}/trainer ${root}/samples/minimal/trainer.cpp)
step("run samples/minimal" ${root}/tests/minimal/check ${work_dir}/trainer ${work_dir}/producer)
