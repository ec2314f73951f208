# What the library shows of itself, and its two kinds. Read by the top CMakeLists.txt after
# add_library(headrace), which is static unless BUILD_SHARED_LIBS is ON.
#
# Both kinds are made of the same objects, compiled with everything hidden that the public headers
# do not mark (headrace/export.hpp). Hence no macro is defined for one of them only: ccache finds
# the objects of one build in the other.
set_target_properties(headrace PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    CUDA_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    DEFINE_SYMBOL "")

get_target_property(headrace_kind headrace TYPE)
if(NOT headrace_kind STREQUAL SHARED_LIBRARY)
    add_library(headrace_static ALIAS headrace)
    return()
endif()

# libheadrace.so.0.1: before 1.0 a minor version may break its users.
set(headrace_soversion ${PROJECT_VERSION_MAJOR})
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(headrace_soversion 0.${PROJECT_VERSION_MINOR})
endif()
set_target_properties(headrace PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${headrace_soversion}
    LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/exports.map)
# Hidden are also what comes from static libraries (CUDA's runtime), and the templates of the
# standard library, which are visible wherever they are instantiated.
target_link_options(headrace PRIVATE
    -Wl,--exclude-libs,ALL -Wl,--version-script,${CMAKE_CURRENT_LIST_DIR}/exports.map)

# The same objects once more, for those who look inside: the command line measures the parts of the
# library by themselves. The unit tests have no use for a shared library and are left out.
add_library(headrace_static STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:headrace>)
set_target_properties(headrace_static PROPERTIES LINKER_LANGUAGE CXX)
target_compile_features(headrace_static PUBLIC cxx_std_20)
target_include_directories(headrace_static PUBLIC ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(headrace_static PUBLIC Threads::Threads)
if(HEADRACE_HAS_CUDA)
    target_link_libraries(headrace_static PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS})
endif()
