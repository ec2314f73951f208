# The steps of the tests that are CMake scripts. A script of these tests includes this file first.

# step(WHAT command...): runs it, and ends the test where it fails; its output is in `output`.
function(step what)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(failed)
        message(FATAL_ERROR "${what}: ${ARGN}\n${text}\nended with ${failed}")
    endif()
    message(STATUS "${what}: good")
    set(output "${text}" PARENT_SCOPE)
endfunction()

# refused(WHAT WANTED command...): the command has to fail, and to say WANTED.
function(refused what wanted)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text)
    # CMake breaks the lines of a message where it likes.
    string(REGEX REPLACE "[ \n]+" " " words "${text}")
    string(FIND "${words}" "${wanted}" at)
    if(NOT failed OR at EQUAL -1)
        message(FATAL_ERROR "${what}: ended with ${failed}; \
wanted: a failure that says \"${wanted}\"\n${text}")
    endif()
    message(STATUS "${what}: refused")
endfunction()
