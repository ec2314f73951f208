# Builds and runs project/ with Headrace's sources in `root` as a part of it: `way` is subdirectory,
# with a static library and, where `torch` is true, LibTorch, or fetch_content, with a shared one.
# Run by ctest as a script, with `work_dir`, `generator` and the cache `same`.
include(${CMAKE_CURRENT_LIST_DIR}/step.cmake)
set(shared OFF)
if(way STREQUAL fetch_content)
    set(shared ON)
    set(torch OFF)
endif()
file(REMOVE_RECURSE ${work_dir})
step("configure" ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/project -B ${work_dir}
    -G ${generator} -C ${same} -D way=${way} -D headrace_sources=${root} -D HEADRACE_CUDA=OFF
    -D BUILD_SHARED_LIBS=${shared} -D HEADRACE_TORCH=${torch} -D HEADRACE_TORCH_DIR=${torch_dir})
step("build" ${CMAKE_COMMAND} --build ${work_dir} --parallel 2)
step("run" ${work_dir}/consumer)
if(torch)
    step("run with LibTorch" ${work_dir}/torch_consumer)
endif()

# Nothing but the library is built or installed in somebody else's project.
file(GLOB_RECURSE programs ${work_dir}/*/headrace_*test* ${work_dir}/*/headrace)
list(FILTER programs EXCLUDE REGEX "CMakeFiles")
foreach(program IN LISTS programs)
    if(NOT IS_DIRECTORY ${program})
        message(FATAL_ERROR "${program} was built, wanted is the library alone")
    endif()
endforeach()
step("install" ${CMAKE_COMMAND} --install ${work_dir} --prefix ${work_dir}/installed)
file(GLOB_RECURSE installed ${work_dir}/installed/*)
if(installed)
    message(FATAL_ERROR "installed along with the project: ${installed}")
endif()
