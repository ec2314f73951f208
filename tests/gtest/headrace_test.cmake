# headrace_test(NAME source... [LIBS lib...] [LABELS label...] [TIMEOUT seconds]
#               [PROCESSORS n])
#
# One test program, built as headrace_test_NAME from sources given relative to tests/, over the
# library and GoogleTest. It may include the library's own headers ("ring/word.hpp"). ctest gets one
# entry for each test in it, asked of the program when ctest runs, not when it is built: a program
# that cannot start fails its tests, not the build. A test that calls GTEST_SKIP() shows as skipped.
# PROCESSORS: how many its processes keep busy, so that ctest runs less beside it.
include(GoogleTest)

function(headrace_test name)
    cmake_parse_arguments(PARSE_ARGV 1 test "" "TIMEOUT;PROCESSORS" "LIBS;LABELS")
    set(target headrace_test_${name})
    add_executable(${target} ${test_UNPARSED_ARGUMENTS})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src
                                                 ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${target} PRIVATE headrace headrace_warnings GTest::gtest_main
                                            ${test_LIBS})
    if(NOT test_TIMEOUT)
        set(test_TIMEOUT 120)  # the slowest take seconds; the thread sanitizer some ten times that
    endif()
    if(NOT test_PROCESSORS)
        set(test_PROCESSORS 1)
    endif()
    gtest_discover_tests(${target}
        DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_LIST ${target}_tests
        PROPERTIES TIMEOUT ${test_TIMEOUT} PROCESSORS ${test_PROCESSORS})
    # gtest_discover_tests() would take but the first of several labels. There is no list of tests
    # where the program is not built.
    set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${target}_labels.cmake)
    file(CONFIGURE OUTPUT ${labels_file} @ONLY CONTENT
         "if(@target@_tests)
    set_tests_properties(\${@target@_tests} PROPERTIES LABELS \"@name@;@test_LABELS@\")
endif()
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()
