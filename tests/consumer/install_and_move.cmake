# Installs this build into a scratch prefix, then moves the tree: whatever still names the first place breaks in the tests
# that follow. Also refuses a tree that mentions the first prefix, the sources or the build anywhere in a text file.
set(first "${SCRATCH}/first-prefix")
set(moved "${SCRATCH}/moved-prefix")
file(REMOVE_RECURSE "${first}" "${moved}")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BINARY}" --prefix "${first}" OUTPUT_QUIET
  COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${first}" "${moved}")

file(GLOB_RECURSE installed "${moved}/*")
foreach(file IN LISTS installed)
  if(file MATCHES "\\.(hpp|cmake|pc)$")
    file(READ "${file}" text)
    foreach(path IN ITEMS "${first}" "${BINARY}" "${SOURCE}")
      string(FIND "${text}" "${path}" found)
      if(NOT found EQUAL -1)
        message(SEND_ERROR "${file} names ${path}: it cannot be moved")
      endif()
    endforeach()
  endif()
endforeach()
