# What Selvage itself needs, all of it from the distribution. The same list, in the same order, is in
# selvage-config.cmake.in (for find_package), in selvage.pc.in (for pkg-config) and, as packages, in ./dev.

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(tl-expected REQUIRED)
find_package(FlatBuffers REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
find_program(SELVAGE_FLATC flatc REQUIRED)

# Public headers include these; Boost only for Boost.PFR and the opt-in selvage/asio.hpp, FlatBuffers only for the opt-in
# selvage/flatbuffers.hpp.
set(SELVAGE_PUBLIC_DEPENDENCIES tl::expected Boost::headers flatbuffers::flatbuffers Threads::Threads)
set(SELVAGE_PRIVATE_DEPENDENCIES fmt::fmt PkgConfig::seccomp PkgConfig::lmdb rt ${CMAKE_DL_LIBS})

# Boost.Process v2 would otherwise want the compiled Boost.Filesystem.
target_compile_definitions(selvage_internal INTERFACE BOOST_PROCESS_USE_STD_FS)
