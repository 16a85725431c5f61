// Fuzzes the check that a run's file goes through before LMDB meets it. An input is such a file. What the check lets
// pass is then given to LMDB, which believes every number: each record is read to its last byte, from the first to the
// last, and looked up by its name. The bytes have exactly their size, so that AddressSanitizer sees a step of the check
// out of them; a step of LMDB out of its map is a signal. Called by libFuzzer and by replay_main.cpp.

#include <lmdb.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"
#include "store/file_check.hpp"

namespace {

using selvage::base::check;
using selvage::base::unique_fd;

/// Every byte of it is there.
unsigned touch(const MDB_val& value) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < value.mv_size; ++i) sum += static_cast<const unsigned char*>(value.mv_data)[i];
  return sum;
}

void read_all(MDB_env* from) {
  MDB_txn* look = nullptr;
  if (::mdb_txn_begin(from, nullptr, MDB_RDONLY, &look) != 0) return;
  MDB_dbi database = 0;
  MDB_cursor* at = nullptr;
  if (::mdb_dbi_open(look, nullptr, 0, &database) == 0 && ::mdb_cursor_open(look, database, &at) == 0) {
    MDB_val name{};
    MDB_val value{};
    volatile unsigned sum = 0;
    while (::mdb_cursor_get(at, &name, &value, MDB_NEXT) == 0) {
      sum = sum + touch(name) + touch(value);
      MDB_val found{};
      if (::mdb_get(look, database, &name, &found) == 0) sum = sum + touch(found);
    }
    ::mdb_cursor_close(at);
  }
  ::mdb_txn_abort(look);
}

void give_to_lmdb(std::span<const std::byte> file) {
  const unique_fd copy(check(::memfd_create("run", MFD_CLOEXEC), "memfd_create"));
  check(::write(copy.get(), file.data(), file.size()), "write");
  const std::string path = "/proc/self/fd/" + std::to_string(copy.get());
  MDB_env* run = nullptr;
  if (::mdb_env_create(&run) != 0) std::abort();
  constexpr unsigned how = MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS;
  if (::mdb_env_open(run, path.c_str(), how, 0) == 0) read_all(run);
  ::mdb_env_close(run);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t alignment = 16;  // of a page in a map, as far as the check may rely on it
  const std::unique_ptr<void, decltype(&std::free)> exact(std::aligned_alloc(alignment, size + (-size % alignment)),
                                                          &std::free);
  auto* const begin = static_cast<std::byte*>(exact.get());
  if (size != 0) std::memcpy(begin, data, size);
  const std::span<const std::byte> file(begin, size);
  if (selvage::store_detail::structure_problem(file).empty()) give_to_lmdb(file);
  return 0;
}
