# Builds the program of this folder in the way named WAY and runs it. Called by ctest only.
set(build "${SCRATCH}/build-${WAY}")
set(moved "${SCRATCH}/moved-prefix")
file(REMOVE_RECURSE "${build}")

set(arguments "-DWAY=${WAY}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}"
  "-DCMAKE_BUILD_TYPE=${BUILD_TYPE}" "-DCMAKE_COMPILE_WARNING_AS_ERROR=${WARNINGS_END_IT}")
if(BUILD_TYPE)
  string(TOUPPER "${BUILD_TYPE}" build_type)
  list(APPEND arguments "-DCMAKE_CXX_FLAGS_${build_type}=${TYPE_FLAGS}")
endif()
if(WAY STREQUAL "add_subdirectory")
  list(APPEND arguments "-DSELVAGE_SOURCE=${SOURCE}")
  find_program(ccache ccache)
  if(ccache)
    list(APPEND arguments "-DCMAKE_CXX_COMPILER_LAUNCHER=${ccache}")
    set(ENV{CCACHE_NOHASHDIR} 1)
  endif()
elseif(WAY STREQUAL "find_package")
  list(APPEND arguments "-DCMAKE_PREFIX_PATH=${moved}")
else()
  set(ENV{PKG_CONFIG_PATH} "${moved}/${LIBDIR}/pkgconfig:$ENV{PKG_CONFIG_PATH}")
endif()

execute_process(COMMAND "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${CMAKE_CURRENT_LIST_DIR}/project" -B "${build}" ${arguments}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${build}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${build}/consumer" COMMAND_ERROR_IS_FATAL ANY)
