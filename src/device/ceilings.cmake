# headrace_ceilings: what `headrace bench device` measures against. Only the command line links it,
# and only its CMakeLists.txt includes this file.
add_library(headrace_ceilings STATIC EXCLUDE_FROM_ALL)
target_include_directories(headrace_ceilings PRIVATE ${PROJECT_SOURCE_DIR}/src
                                                     ${PROJECT_SOURCE_DIR})
target_link_libraries(headrace_ceilings PUBLIC headrace_static PRIVATE headrace_warnings)
if(HEADRACE_HAS_CUDA)
    target_sources(headrace_ceilings PRIVATE
        ${CMAKE_CURRENT_LIST_DIR}/cuda/ceilings.cpp
        ${CMAKE_CURRENT_LIST_DIR}/cuda/ceilings_cub.cu
        ${CMAKE_CURRENT_LIST_DIR}/cuda/ceilings_kernels.cu
        ${CMAKE_CURRENT_LIST_DIR}/cuda/ceilings_packing.cpp
        ${CMAKE_CURRENT_LIST_DIR}/cuda/ceilings_steps.cpp
        ${CMAKE_CURRENT_LIST_DIR}/cuda/ceilings_thrust.cu)
    target_link_libraries(headrace_ceilings PRIVATE CUDA::cudart_static)
    set_target_properties(headrace_ceilings PROPERTIES
        CUDA_RUNTIME_LIBRARY Static
        CUDA_STANDARD 20
        CUDA_STANDARD_REQUIRED ON
        CUDA_EXTENSIONS OFF)
else()
    target_sources(headrace_ceilings PRIVATE ${CMAKE_CURRENT_LIST_DIR}/ceilings_absent.cpp)
endif()
