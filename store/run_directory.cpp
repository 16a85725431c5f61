// See run_directory.hpp.

#include "store/run_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/syscalls.hpp"
#include "store/names.hpp"
#include "store/problem.hpp"

namespace selvage::store_detail {
namespace {

struct remote_filesystem {
  unsigned long type;
  std::string_view name;
};

/// Those that the kernel's headers do not name are from statfs(2) and the filesystems' own sources.
constexpr std::array remote_filesystems{
    remote_filesystem{NFS_SUPER_MAGIC, "NFS"},     remote_filesystem{SMB_SUPER_MAGIC, "SMB"},
    remote_filesystem{CIFS_SUPER_MAGIC, "SMB"},    remote_filesystem{SMB2_SUPER_MAGIC, "SMB"},
    remote_filesystem{AFS_SUPER_MAGIC, "AFS"},     remote_filesystem{AFS_FS_MAGIC, "AFS"},
    remote_filesystem{CODA_SUPER_MAGIC, "Coda"},   remote_filesystem{CEPH_SUPER_MAGIC, "Ceph"},
    remote_filesystem{V9FS_MAGIC, "9P"},           remote_filesystem{FUSE_SUPER_MAGIC, "FUSE"},
    remote_filesystem{OCFS2_SUPER_MAGIC, "OCFS2"}, remote_filesystem{0x01161970, "GFS2"},
    remote_filesystem{0x0BD00BD0, "Lustre"},       remote_filesystem{0x47504653, "GPFS"},
    remote_filesystem{0x19830326, "BeeGFS"},       remote_filesystem{0x6A656A62, "virtiofs"},
};

/// A name that no other directory of the store has, in this process or another.
std::filesystem::path fresh_name(const std::filesystem::path& store, std::string_view prefix) {
  static std::atomic<unsigned> count{0};
  for (;;) {
    // relaxed: only the numbers must differ
    auto path = store / fmt::format("{}{}-{}", prefix, ::getpid(), count.fetch_add(1, std::memory_order_relaxed));
    if (!std::filesystem::exists(std::filesystem::symlink_status(path))) return path;
  }
}

/// What a directory contains reaches the disk with it. Some filesystems cannot, and say EINVAL.
void sync_directory(const std::filesystem::path& directory) {
  const base::unique_fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || (base::retry_eintr([&] { return ::fsync(fd.get()); }) != 0 && errno != EINVAL)) {
    fail(directory, "cannot be synced", errno);
  }
}

/// Deletes a directory, `owner` last: whoever finds one without that may take it for empty. Requires: its lock.
void delete_tree(const std::filesystem::path& path) {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(path, problem)) {
    if (entry.path().filename() == owner_file) continue;
    std::filesystem::remove_all(entry.path(), problem);
    if (problem) fail(entry.path(), "cannot be deleted", problem.value());
  }
  std::filesystem::remove(path / owner_file, problem);
  ::rmdir(path.c_str());  // a sweeper may have been faster
}

[[noreturn]] void fail_busy(const std::filesystem::path& path, pid_t other) {
  throw error(errc::store_busy,
              other == ::getpid() ? fmt::format("{}: this program has the run open already", path.string())
              : other > 0         ? fmt::format("{}: process {} has the run open", path.string(), other)
                          : fmt::format("{}: a process of another PID namespace has the run open", path.string()));
}

/// The lock's file is the one that is in the directory of this name now: it may have been deleted, or exchanged for
/// another one, between the name and the lock.
bool is_still_at(const std::filesystem::path& path, const owner_lock& lock) {
  struct stat by_name {};
  struct stat by_lock {};
  return ::stat((path / owner_file).c_str(), &by_name) == 0 && ::fstat(lock.fd(), &by_lock) == 0 &&
         by_name.st_ino == by_lock.st_ino && by_name.st_dev == by_lock.st_dev;
}

/// A new directory with its lock. Another process may sweep it away before it is locked: then it is made again.
owned_directory make_half(const std::filesystem::path& store) {
  for (;;) {
    const auto path = fresh_name(store, new_prefix);
    if (::mkdir(path.c_str(), 0700) != 0) fail(path, "cannot be made", errno);
    try {
      auto taken = owner_lock::take(path);
      auto* const lock = std::get_if<owner_lock>(&taken);
      if (lock != nullptr && is_still_at(path, *lock)) return {path, std::move(*lock)};
    } catch (const std::system_error& problem) {
      if (problem.code().value() != ENOENT) throw;
    }
  }
}

/// Makes a directory under another name, and has `fill` put something into it.
owned_directory make_filled(const std::filesystem::path& store,
                            const std::function<void(const std::filesystem::path&)>& fill) {
  owned_directory half = make_half(store);
  try {
    fill(half.path);
    sync_directory(half.path);
    return half;
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(half.path, ignored);  // whatever it says: the first error is the one to tell
    throw;
  }
}

}  // namespace

std::filesystem::path path_of(const std::filesystem::path& store, std::string_view run) {
  const auto directory = directory_of(run);
  if (!directory) {
    throw error(errc::invalid_options,
                fmt::format("name: a run's name has 1 to {} bytes and no control characters", max_run_name));
  }
  return store / *directory;
}

void require_local(const std::filesystem::path& directory) {
  struct statfs found {};
  if (base::retry_eintr([&] { return ::statfs(directory.c_str(), &found); }) != 0) {
    fail(directory, "cannot be looked at", errno);
  }
  const auto type = static_cast<unsigned long>(found.f_type) & 0xffffffffU;
  const auto* const remote =
      std::ranges::find(remote_filesystems, type, [](const remote_filesystem& one) { return one.type; });
  if (remote == remote_filesystems.end()) return;
  fail(directory,
       fmt::format("a store must lie on a local filesystem, and this is {}: neither its locks nor its shared mappings "
                   "can be relied upon (store_options::any_filesystem takes it nevertheless)",
                   remote->name));
}

void make_store(const std::filesystem::path& store) {
  std::error_code problem;
  std::filesystem::create_directories(store, problem);
  if (problem) fail(store, "cannot be made", problem.value());
}

std::optional<owned_directory> own(const std::filesystem::path& path) {
  for (;;) {
    try {
      auto taken = owner_lock::take(path);
      if (const pid_t* const other = std::get_if<pid_t>(&taken)) fail_busy(path, *other);
      auto& lock = std::get<owner_lock>(taken);
      if (is_still_at(path, lock)) return owned_directory{path, std::move(lock)};
    } catch (const std::system_error& problem) {
      if (problem.code().value() == ENOENT) return std::nullopt;
      fail(path, "cannot be opened", problem.code().value());
    }
  }
}

std::optional<owned_directory> make(const std::filesystem::path& path,
                                    const std::function<void(const std::filesystem::path&)>& fill) {
  owned_directory made = make_filled(path.parent_path(), fill);
  if (::rename(made.path.c_str(), path.c_str()) != 0) {
    const int problem = errno;
    delete_tree(made.path);
    if (problem != EEXIST && problem != ENOTEMPTY) fail(path, "cannot be made", problem);
    return std::nullopt;
  }
  sync_directory(path.parent_path());
  made.path = path;
  return made;
}

void replace(owned_directory old, const std::function<void(const std::filesystem::path&)>& fill) {
  owned_directory made = make_filled(old.path.parent_path(), fill);
  if (::renameat2(AT_FDCWD, made.path.c_str(), AT_FDCWD, old.path.c_str(), RENAME_EXCHANGE) != 0) {
    const int problem = errno;
    delete_tree(made.path);
    fail(old.path, "cannot be exchanged for another directory", problem);
  }
  sync_directory(old.path.parent_path());
  delete_tree(made.path);
}

void make_files_folder(const std::filesystem::path& run) {
  const auto folder = run / files_folder;
  if (::mkdir(folder.c_str(), 0700) == 0) return sync_directory(run);
  if (errno != EEXIST) fail(folder, "cannot be made", errno);
}

void link_files(const std::filesystem::path& run, const std::filesystem::path& into) {
  const auto from = run / files_folder;
  if (!std::filesystem::exists(from)) return;
  using options = std::filesystem::copy_options;
  std::error_code problem;
  std::filesystem::copy(from, into / files_folder, options::recursive | options::create_hard_links, problem);
  if (problem) fail(from, "cannot be linked to another directory", problem.value());
  sync_directory(into / files_folder);
}

std::uintmax_t size_of_files(const std::filesystem::path& run) {
  constexpr std::uintmax_t block = 512;  // stat(2): of st_blocks
  std::uintmax_t size = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(run / files_folder, ignored)) {
    struct stat found {};
    if (::lstat(entry.path().c_str(), &found) == 0 && S_ISREG(found.st_mode))
      size += static_cast<std::uintmax_t>(found.st_blocks) * block;
  }
  return size;
}

void remove(owned_directory directory) {
  const auto store = directory.path.parent_path();
  const auto half_gone = fresh_name(store, old_prefix);
  if (::rename(directory.path.c_str(), half_gone.c_str()) != 0) fail(directory.path, "cannot be deleted", errno);
  sync_directory(store);
  delete_tree(half_gone);
}

void sweep(const std::filesystem::path& store) {
  std::error_code ignored;
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(store, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(new_prefix) || name.starts_with(old_prefix)) found.push_back(entry.path());
  }
  for (const auto& path : found) {
    try {
      auto taken = owner_lock::take(path, owner_lock::missing::refuse);
      if (auto* const lock = std::get_if<owner_lock>(&taken); lock != nullptr && is_still_at(path, *lock)) {
        delete_tree(path);
      }
    } catch (const std::system_error&) {
      ::rmdir(path.c_str());  // where it is empty: its maker was killed, or begins again
    } catch (const error&) {
      continue;  // it is not ours to delete
    }
  }
}

std::vector<std::string> runs_in(const std::filesystem::path& store) {
  std::vector<std::string> runs;
  try {
    for (const auto& entry : std::filesystem::directory_iterator(store)) {
      if (auto run = run_of(entry.path().filename().string())) runs.push_back(*std::move(run));
    }
  } catch (const std::filesystem::filesystem_error& problem) {
    fail(store, "cannot be read", problem.code().value());
  }
  std::ranges::sort(runs);
  return runs;
}

}  // namespace selvage::store_detail
