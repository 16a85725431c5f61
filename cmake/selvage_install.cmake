# What `cmake --install` puts where: a tree that can be moved. CMake finds it by selvage-config.cmake, others by selvage.pc.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_directory "${CMAKE_INSTALL_LIBDIR}/cmake/selvage")

install(TARGETS selvage EXPORT selvage_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT selvage_targets FILE selvage-targets.cmake NAMESPACE selvage:: DESTINATION "${package_directory}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/selvage-config.cmake.in"
  "${PROJECT_BINARY_DIR}/selvage-config.cmake" INSTALL_DESTINATION "${package_directory}")
# Before 1.0 a minor version may break its users.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/selvage-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/selvage-config.cmake" "${PROJECT_BINARY_DIR}/selvage-config-version.cmake"
  DESTINATION "${package_directory}")

# ${pcfiledir} is where pkg-config found the file: the prefix is told from there, never written down.
set(pkgconfig_directory "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH prefix_from_pkgconfig
  "${CMAKE_INSTALL_PREFIX}/${pkgconfig_directory}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" prefix_from_pkgconfig "${prefix_from_pkgconfig}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/selvage.pc.in" "${PROJECT_BINARY_DIR}/selvage.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/selvage.pc" DESTINATION "${pkgconfig_directory}")

# The headers name these.
install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md" "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs" DESTINATION "${CMAKE_INSTALL_DOCDIR}" FILES_MATCHING PATTERN "*.md")
