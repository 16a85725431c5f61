// See problem.hpp.

#include "store/problem.hpp"

#include <fmt/format.h>
#include <lmdb.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace selvage::store_detail {
namespace {

constexpr std::string_view damaged_advice =
    "; it is left as it is: `selvage store check` says more, and a run that is opened fresh does without it";

std::string_view advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space, then resume: what was committed before is kept";
    case EIO:
      // LMDB's word for a write that was cut short, as well.
      return "; the disk is full or failing, or a limit of file sizes is reached (ulimit -f): what was committed "
             "before is kept, as far as the disk keeps it";
    case EFBIG:
      return "; the limit of file sizes is reached (ulimit -f): what was committed before is kept";
    case EROFS:
    case EACCES:
    case EPERM:
      return "; the directory of a store must be writable";
    case ENOMEM:
      return "; there is no address space for its map (ulimit -v)";
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
      return damaged_advice;
    case MDB_VERSION_MISMATCH:
      return "; another version of LMDB has written it";
    case MDB_READERS_FULL:
      return "; too many processes are looking at this run";
    default:
      return "";
  }
}

std::string words(int code) {
  return code < 0 ? std::string(::mdb_strerror(code)) : std::generic_category().message(code);
}

/// What is free on a disk that may be full.
std::string room(const std::filesystem::path& path, int code) {
  struct statvfs found {};
  if ((code != ENOSPC && code != EIO) || ::statvfs(path.c_str(), &found) != 0) return {};
  return fmt::format(" ({} KiB are free there)", found.f_bavail * (found.f_frsize / 1024));
}

}  // namespace

void fail(const std::filesystem::path& path, std::string_view what) {
  throw error(errc::store_error, fmt::format("{}: {}", path.string(), what));
}

void fail(const std::filesystem::path& path, std::string_view doing, int code) {
  fail(path, fmt::format("{}: {}{}{}", doing, words(code), room(path, code), advice(code)));
}

damaged_file::damaged_file(const std::filesystem::path& file, std::string what)
    : error(errc::store_error, fmt::format("{}: {}{}", file.string(), what, damaged_advice)), wrong_(std::move(what)) {}

}  // namespace selvage::store_detail
