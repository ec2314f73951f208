# Finds LibTorch as HEADRACE_TORCH says, and makes the target headrace::torch, which is what a
# program links for headrace/torch.hpp and headrace/torch_data.hpp: the library, LibTorch, and
# HEADRACE_TORCH_CUDA where the adapter can do batches on a GPU. There is nothing to build.
if(NOT HEADRACE_TORCH)
    return()
endif()
find_package(LibTorch QUIET)
if(NOT LibTorch_FOUND)
    set(headrace_reason "LibTorch is not there (libtorch-dev, or HEADRACE_TORCH_DIR)")
    if(LibTorch_ABI_REASON)
        set(headrace_reason "the adapter wants another LibTorch: ${LibTorch_ABI_REASON}")
    endif()
    headrace_missing(HEADRACE_TORCH "${headrace_reason}")
    return()
endif()
message(STATUS "headrace: LibTorch ${LibTorch_VERSION} in ${LibTorch_LIBRARY_DIR}, \
${LibTorch_CUDA_REASON}")

add_library(headrace_torch INTERFACE)
add_library(headrace::torch ALIAS headrace_torch)
target_link_libraries(headrace_torch INTERFACE headrace headrace_libtorch)
