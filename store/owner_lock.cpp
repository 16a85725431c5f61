// See owner_lock.hpp.

#include "store/owner_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>

#include "base/syscalls.hpp"
#include "store/names.hpp"
#include "store/problem.hpp"

namespace selvage::store_detail {
namespace {

constexpr mode_t mode = 0600;

/// What this process has locked. The one list there is, since the kernel's locks are the process's too.
struct own_locks {
  const pid_t process = ::getpid();
  std::mutex mutex;
  std::set<directory_identity> directories;

  /// A forked child begins with a list of its own: it has none of its parent's locks, and its parent's mutex may be
  /// locked for ever. Never destroyed: a journal may outlive main().
  static own_locks& instance() {
    static std::atomic<own_locks*> current{nullptr};
    own_locks* locks = current.load(std::memory_order_acquire);  // SYNC own_locks: another thread's list is whole
    while (locks == nullptr || locks->process != ::getpid()) {
      auto* const fresh = new own_locks;
      // SYNC own_locks: publishes the list to other threads
      if (current.compare_exchange_strong(locks, fresh, std::memory_order_acq_rel)) return *fresh;
      delete fresh;
    }
    return *locks;
  }
};

directory_identity identity_of(const std::filesystem::path& directory) {
  struct stat found {};
  if (::stat(directory.c_str(), &found) != 0) base::throw_errno(errno, directory.string());
  return {found.st_dev, found.st_ino};
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// Who keeps this process from locking the file, 0 for nobody.
pid_t holder(int fd) {
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid > 0 ? lock.l_pid : -1;  // 0 for a process of another PID namespace
}

}  // namespace

owner_lock::owner_lock(base::unique_fd file, directory_identity of) noexcept
    : file_(std::move(file)), of_(of), process_(::getpid()) {}

owner_lock::~owner_lock() {
  if (!of_ || process_ != ::getpid()) return;  // in a child the lock is not held, and the mutex may be for ever
  own_locks& own = own_locks::instance();
  const std::lock_guard guard(own.mutex);
  file_.reset();
  own.directories.erase(*of_);
}

std::variant<owner_lock, pid_t> owner_lock::take(const std::filesystem::path& directory, missing what) {
  own_locks& own = own_locks::instance();
  const std::lock_guard guard(own.mutex);
  const directory_identity identity = identity_of(directory);
  if (own.directories.contains(identity)) return ::getpid();
  const auto path = directory / owner_file;
  const int flags = O_RDWR | O_CLOEXEC | (what == missing::make ? O_CREAT : 0);
  base::unique_fd file(base::retry_eintr([&] { return ::open(path.c_str(), flags, mode); }));
  if (!file && errno == ENOENT) base::throw_errno(errno, path.string());
  if (!file) fail(path, "cannot be opened", errno);
  for (;;) {
    const struct flock lock = whole_file(F_WRLCK);
    if (::fcntl(file.get(), F_SETLK, &lock) == 0) break;
    if (errno != EAGAIN && errno != EACCES) fail(path, "cannot be locked", errno);
    if (const pid_t other = holder(file.get()); other != 0) return other;  // 0: it has let go just now
  }
  own.directories.insert(identity);
  return owner_lock(std::move(file), identity);
}

pid_t owner_of(const std::filesystem::path& directory) {
  own_locks& own = own_locks::instance();
  const std::lock_guard guard(own.mutex);
  if (own.directories.contains(identity_of(directory))) return ::getpid();
  const base::unique_fd file(::open((directory / owner_file).c_str(), O_RDWR | O_CLOEXEC));
  return file ? holder(file.get()) : 0;
}

}  // namespace selvage::store_detail
