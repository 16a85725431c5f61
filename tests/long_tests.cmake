# Read by ctest after the crash tests have been listed: limits of their own for those that are known to take long.
foreach(test IN LISTS selvage_crash_tests_TESTS)
  if(test MATCHES "^crash\\.pool_recycling\\.ten_thousand_recycles_")
    # It allows itself 300 s; alone, because each of its recycles costs a fork, which is what everybody waits for.
    set_tests_properties("${test}" PROPERTIES TIMEOUT 330 RUN_SERIAL ON)
  endif()
endforeach()
