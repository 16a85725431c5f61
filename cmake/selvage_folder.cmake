# selvage_folder(<name> [DEPENDS <folder>...]): the OBJECT library `selvage_<name>` of every *.cpp in the calling folder,
# its objects in `selvage`. A folder without sources defines nothing. *.fbs become "<name>/<file>_generated.h".
# selvage_flatc(<target> PREFIX <path> <fbs>...): the generated headers of schemas, as sources of a target.

# Every generated header, for tools that read sources without building them.
add_custom_target(selvage_generated)

function(selvage_flatc target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PREFIX" "")
  set(headers)
  foreach(schema IN LISTS arg_UNPARSED_ARGUMENTS)
    cmake_path(GET schema STEM name)
    set(directory "${PROJECT_BINARY_DIR}/generated/${arg_PREFIX}")
    set(header "${directory}/${name}_generated.h")
    add_custom_command(OUTPUT "${header}"
      COMMAND "${SELVAGE_FLATC}" --cpp --cpp-std c++17 --scoped-enums --gen-object-api --reflect-names
              -I "${PROJECT_SOURCE_DIR}" -o "${directory}" "${schema}"
      DEPENDS "${schema}" COMMENT "flatc ${arg_PREFIX}/${name}.fbs" VERBATIM)
    list(APPEND headers "${header}")
  endforeach()
  if(headers)
    add_custom_target(${target}_generated DEPENDS ${headers})
    add_dependencies(selvage_generated ${target}_generated)
    add_dependencies(${target} ${target}_generated)
  endif()
endfunction()

function(selvage_folder name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS")
  # worker/sandbox/ and the like belong to their folder's target.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/*.hpp")
  file(GLOB schemas CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.fbs")
  if(NOT "${sources}" MATCHES "\\.cpp")
    return()
  endif()
  set(target selvage_${name})
  add_library(${target} OBJECT ${sources})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${target} PRIVATE
    selvage_internal ${SELVAGE_PUBLIC_DEPENDENCIES} ${SELVAGE_PRIVATE_DEPENDENCIES})
  selvage_flatc(${target} PREFIX ${name} ${schemas})
  foreach(dependency IN LISTS arg_DEPENDS)
    if(TARGET selvage_${dependency}_generated)
      add_dependencies(${target} selvage_${dependency}_generated)
    endif()
  endforeach()
  target_sources(selvage PRIVATE $<TARGET_OBJECTS:${target}>)
endfunction()
