# cmake -DTESTS=<selvage_sandbox_tests> -DMODULES=<libraries> -P as_nobody.cmake: the sandbox tests once more, as an ordinary
# user: root has grants and capabilities that others do not, and may be refused what others are not.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT user EQUAL 0)
  message("skipped: these tests run as an ordinary user already")
  return()
endif()
find_program(SETPRIV setpriv)
if(NOT SETPRIV)
  message("skipped: there is no setpriv")
  return()
endif()

# The build may be where nobody else can go.
execute_process(COMMAND mktemp -d /tmp/selvage-nobody-XXXXXX OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE)
file(COPY "${TESTS}" ${MODULES} DESTINATION "${folder}")
cmake_path(GET TESTS FILENAME name)
execute_process(COMMAND chown -R 65534:65534 "${folder}")
execute_process(COMMAND "${SETPRIV}" --reuid=65534 --regid=65534 --clear-groups
    env "HOME=${folder}" "./${name}" --gtest_brief=1
  WORKING_DIRECTORY "${folder}" RESULT_VARIABLE status)
file(REMOVE_RECURSE "${folder}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "as an ordinary user: ${status}")
endif()
