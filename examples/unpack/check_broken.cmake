# Runs unpack over the broken files beside this script: what zlib says of each is reported, and that is no failure of the run.
# Called by ctest as cmake -DUNPACK=<program> -P check_broken.cmake. Few files are there, so it makes its own as well.
execute_process(COMMAND "${UNPACK}" --workers 2 "${CMAKE_CURRENT_LIST_DIR}/broken"
  OUTPUT_VARIABLE told ERROR_VARIABLE complaints RESULT_VARIABLE status)
message("${told}${complaints}")
if(NOT status EQUAL 0)
  message(FATAL_ERROR "unpack ended with ${status}")
endif()
foreach(line IN ITEMS
    "7 .gz files under .*, 2000 made from /usr/include, 4 hostile items"
    "empty.gz +task_failed +unexpected end of file"
    "plain_text.gz +task_failed +incorrect header check"
    "trailing_garbage.gz +task_failed +incorrect header check"
    "truncated.gz +task_failed +unexpected end of file"
    "wrong_block_type.gz +task_failed +invalid block type"
    "wrong_checksum.gz +task_failed +incorrect data check"
    "pool +right: 2007 of 2007 files"
    "fork per item +right: 2007 of 2007 files")
  if(NOT told MATCHES "${line}")
    message(FATAL_ERROR "not in the output: ${line}")
  endif()
endforeach()
if(told MATCHES "two_members" OR NOT complaints STREQUAL "")
  message(FATAL_ERROR "a good file failed, or something was drawn into a pipe")
endif()
