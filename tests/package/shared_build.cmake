# Builds the shared library and the command line into `shared_dir`, from the sources in `root`, with
# `generator`, the cache `same`, `cuda` and `werror`. Run by ctest as a script.
include(${CMAKE_CURRENT_LIST_DIR}/step.cmake)
set(configure ${CMAKE_COMMAND} -S ${root} -G ${generator} -C ${same} -D BUILD_SHARED_LIBS=ON
    -D HEADRACE_CUDA=${cuda} -D HEADRACE_TORCH=OFF -D HEADRACE_BENCH=OFF -D HEADRACE_SAMPLES=OFF
    -D HEADRACE_WERROR=${werror})
step("configure" ${configure} -B ${shared_dir} -D CMAKE_INSTALL_PREFIX=/usr -D HEADRACE_CLI=ON
    -D HEADRACE_TESTS=OFF)
step("build" ${CMAKE_COMMAND} --build ${shared_dir} --parallel 2)

# Its unit tests are those of the static library: they look inside.
refused("unit tests of a shared library" "the unit tests look inside"
    ${configure} -B ${shared_dir}_tests -D HEADRACE_CUDA=OFF -D HEADRACE_CLI=OFF
    -D HEADRACE_TESTS=ON)
