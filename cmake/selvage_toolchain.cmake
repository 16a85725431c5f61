# How everything in this repository is compiled. Consumers inherit none of it: it is either set for the top-level project
# or put on `selvage_internal`, which is never exported.

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  # Stacks of crashes are symbolised through the dynamic symbol table.
  set(CMAKE_ENABLE_EXPORTS ON)
  find_program(CCACHE_PROGRAM ccache)
  if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers are only cached when ccache may overlook their time stamps. What one build of these sources has
    # compiled another takes, wherever it is (tests/consumer).
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime "${CCACHE_PROGRAM}")
  endif()
endif()

# Language, warnings and the include root of the folders: `#include "shm/lane.hpp"` and `#include <selvage/pool.hpp>`.
add_library(selvage_internal INTERFACE)
target_compile_features(selvage_internal INTERFACE cxx_std_20)
target_include_directories(selvage_internal INTERFACE
  "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/generated")
target_compile_options(selvage_internal INTERFACE
  -Wall -Wextra -Wpedantic
  -fno-omit-frame-pointer  # the crash recorder walks frame pointers
  $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>  # fences are meant, though ThreadSanitizer does not know them
  "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
# No hidden visibility: the names of Selvage's own functions belong in a crash's stack.
