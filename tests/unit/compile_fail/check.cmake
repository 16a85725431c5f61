# cmake -DCOMPILER=<c++> -DSOURCE=<file.cpp> -DINCLUDE=<folder> -P check.cmake
# Succeeds where SOURCE does not compile and the compiler's words contain those of its first line, `// expect: <words>`.
cmake_minimum_required(VERSION 3.25)

file(STRINGS "${SOURCE}" first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${SOURCE} does not begin with `// expect: <words>`")
endif()
set(expected "${CMAKE_MATCH_1}")

execute_process(COMMAND "${COMPILER}" -std=c++20 -fsyntax-only "-I${INCLUDE}" "${SOURCE}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles")
endif()
string(FIND "${output}" "${expected}" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${SOURCE} fails to compile, but not with `${expected}`:\n${output}")
endif()
