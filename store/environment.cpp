// See environment.hpp.

#include "store/environment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"
#include "store/file_check.hpp"
#include "store/names.hpp"
#include "store/problem.hpp"

namespace selvage::store_detail {
namespace {

constexpr unsigned readers = 126;  // LMDB's own default; one for each process that looks, and some for this one
constexpr mode_t mode = 0600;

void check(int code, const std::filesystem::path& file, std::string_view doing) {
  if (code != 0) fail(file, doing, code);
}

unsigned flags_of(environment::access how) {
  switch (how) {
    case environment::access::read:
      return MDB_NOTLS | MDB_RDONLY;
    case environment::access::write:
      return MDB_NOTLS;
    case environment::access::write_unsynced:
      return MDB_NOTLS | MDB_NOSYNC;
  }
  return 0;
}

}  // namespace

environment::environment(const std::filesystem::path& directory, access how, content what, std::size_t map_bytes)
    : file_(directory / data_file) {
  if (what == content::unknown) check_heads();
  check(::mdb_env_create(&handle_), file_, "cannot be opened");
  try {
    check(::mdb_env_set_maxreaders(handle_, readers), file_, "cannot be opened");
    check(::mdb_env_set_mapsize(handle_, map_bytes), file_, "cannot be opened");
    check(::mdb_env_open(handle_, directory.c_str(), flags_of(how), mode), file_, "cannot be opened");
    const auto map = keep_out_of_children();
    // In LMDB's own map: what is looked at here need not be brought into memory once more.
    if (what == content::unknown) check_structure(map);
    if (how != access::read) {
      // Readers that were killed would keep their pages from being used again.
      int dead = 0;
      (void)::mdb_reader_check(handle_, &dead);
    }
    transaction first = read();
    check(::mdb_dbi_open(first.get(), nullptr, 0, &database_), file_, "cannot be read");
    check(first.commit(), file_, "cannot be read");  // a handle lives on only where its transaction was committed
  } catch (...) {
    ::mdb_env_close(handle_);
    throw;
  }
}

environment::~environment() {
  if (handle_ != nullptr) ::mdb_env_close(handle_);
}

transaction environment::read() const {
  for (;;) {
    MDB_txn* txn = nullptr;
    const int code = ::mdb_txn_begin(handle_, nullptr, MDB_RDONLY, &txn);
    if (code == 0) return transaction(txn);
    if (code != MDB_MAP_RESIZED) fail(file_, "cannot be read", code);
    // Another process has grown it, and may do so again.
    check(::mdb_env_set_mapsize(handle_, 0), file_, "cannot be read");
    (void)keep_out_of_children();
  }
}

transaction environment::write() const {
  MDB_txn* txn = nullptr;
  check(::mdb_txn_begin(handle_, nullptr, 0, &txn), file_, "cannot be written");
  return transaction(txn);
}

std::optional<std::span<const std::byte>> environment::find(const transaction& in, std::string_view key) const {
  MDB_val name = value_of(key);
  MDB_val value{};
  const int code = ::mdb_get(in.get(), database_, &name, &value);
  if (code == MDB_NOTFOUND) return std::nullopt;
  check(code, file_, "cannot be read");
  return bytes_of(value);
}

int environment::put(const transaction& in, std::string_view key, std::span<const std::byte> value) const {
  MDB_val name = value_of(key);
  MDB_val bytes = value_of(value);
  return ::mdb_put(in.get(), database_, &name, &bytes, 0);
}

void environment::grow() {
  MDB_envinfo now{};
  check(::mdb_env_info(handle_, &now), file_, "cannot be grown");
  check(::mdb_env_set_mapsize(handle_, now.me_mapsize * 2), file_, "cannot be grown");
  (void)keep_out_of_children();
}

void environment::sync() { check(::mdb_env_sync(handle_, 1), file_, "cannot be synced"); }

std::uint64_t environment::records(const transaction& in) const {
  MDB_stat figures{};
  check(::mdb_stat(in.get(), database_, &figures), file_, "cannot be read");
  return figures.ms_entries;
}

void environment::check_heads() const {
  const base::unique_fd fd(base::retry_eintr([&] { return ::open(file_.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!fd && errno == ENOENT) throw damaged_file(file_, "it is gone");
  std::vector<std::byte> begin(head_bytes);
  const ssize_t size = fd ? base::retry_eintr([&] { return ::read(fd.get(), begin.data(), begin.size()); }) : -1;
  if (size < 0) fail(file_, "cannot be read", errno);
  begin.resize(static_cast<std::size_t>(size));
  if (std::string problem = head_problem(begin); !problem.empty()) throw damaged_file(file_, std::move(problem));
}

void environment::check_structure(std::span<const std::byte> map) const {
  if (map.empty()) fail(file_, "cannot be checked: /proc/self/maps does not show it (is /proc mounted?)");
  // Nearly all of it is looked at: at once is less work for the kernel than fault by fault.
  const auto file = map.first(std::min(static_cast<std::size_t>(std::filesystem::file_size(file_)), map.size()));
  ::madvise(const_cast<std::byte*>(file.data()), file.size(), MADV_POPULATE_READ);
  if (std::string problem = structure_problem(file); !problem.empty()) throw damaged_file(file_, std::move(problem));
}

// LMDB does not tell where its maps are: they are found by their files' inodes and names. Returns: that of the data.
std::span<const std::byte> environment::keep_out_of_children() const {
  const auto inode_of = [&](std::string_view name) {
    struct stat file {};
    return ::stat((file_.parent_path() / name).c_str(), &file) == 0 ? file.st_ino : 0;
  };
  const ino_t data = inode_of(data_file);
  const ino_t lock = inode_of(lock_file);
  std::span<const std::byte> found;
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    const bool is_data = line.ends_with(data_file);
    if (!is_data && !line.ends_with(lock_file)) continue;
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    ino_t inode = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %lu", &begin, &end, &inode) != 3) continue;
    if (inode != (is_data ? data : lock)) continue;
    auto* const at = reinterpret_cast<std::byte*>(begin);  // NOLINT(performance-no-int-to-ptr)
    ::madvise(at, end - begin, MADV_DONTFORK);
    if (is_data) found = {at, end - begin};
  }
  return found;
}

}  // namespace selvage::store_detail
