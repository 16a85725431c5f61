# cmake -DSELVAGE=<the command> -P check_doctor.cmake: what it prints, as a table and as JSON, and its exit status.
cmake_minimum_required(VERSION 3.25)

function(run expected_status)
  execute_process(COMMAND "${SELVAGE}" ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT status EQUAL expected_status)
    message(FATAL_ERROR "selvage ${ARGN}: status ${status}, not ${expected_status}:\n${output}${errors}")
  endif()
  set(output "${output}${errors}" PARENT_SCOPE)
endfunction()

execute_process(COMMAND "${SELVAGE}" doctor --json RESULT_VARIABLE status OUTPUT_VARIABLE json)
foreach(key IN ITEMS kernel landlock seccomp_filters seccomp_traps seccomp_listeners user_namespaces pid_namespaces control_groups
    memory_group_delegated shared_memory_bytes shared_memory_free_bytes mseal mdwe pidfd futex_waitv membarrier strict)
  string(JSON value ERROR_VARIABLE problem GET "${json}" ${key})
  if(problem)
    message(FATAL_ERROR "doctor --json: ${problem}\n${json}")
  endif()
  set(seen_${key} "${value}")
endforeach()

# CMake has its own words for a JSON true.
if((seen_strict STREQUAL "ON" AND NOT status EQUAL 0) OR (seen_strict STREQUAL "OFF" AND NOT status EQUAL 1))
  message(FATAL_ERROR "doctor --json says strict: ${seen_strict}, and ends with ${status}")
endif()
execute_process(COMMAND uname -r OUTPUT_VARIABLE release OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT seen_kernel STREQUAL release)
  message(FATAL_ERROR "doctor says kernel ${seen_kernel}, uname says ${release}")
endif()

run(${status} doctor)
foreach(words IN ITEMS "Landlock" "seccomp traps" "/dev/shm" "Strict permissions can")
  if(NOT output MATCHES "${words}")
    message(FATAL_ERROR "doctor does not say `${words}`:\n${output}")
  endif()
endforeach()

run(0 --help)
if(NOT output MATCHES "doctor")
  message(FATAL_ERROR "--help does not name doctor:\n${output}")
endif()
run(2)               # no subcommand
run(2 doctor --nonsense)
run(0 --version)
