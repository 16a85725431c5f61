#pragma once
// Who has a run open: a lock on the file `owner` of its directory, one for each process, and a list of this process's
// own. The kernel drops the lock with the process however that ends, and children do not inherit it: a run can be
// resumed right after a SIGKILL. Source: fcntl(2), "Advisory record locking".
//
// An fcntl lock belongs to the process, not to the descriptor: closing any descriptor of the file would drop it, and a
// second lock by the same process would be granted. Hence the list: one entry for each directory, by device and inode.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <variant>

#include "base/unique_fd.hpp"

namespace selvage::store_detail {

/// A directory, wherever it is moved.
struct directory_identity {
  dev_t device = 0;
  ino_t inode = 0;
  friend auto operator<=>(const directory_identity&,
                          const directory_identity&) = default;  // NOLINT(modernize-use-nullptr): it compares with 0
};

/// Held for as long as the object lives, in the process that made it.
class owner_lock {
 public:
  owner_lock(owner_lock&& other) noexcept
      : file_(std::move(other.file_)), of_(std::exchange(other.of_, std::nullopt)), process_(other.process_) {}
  owner_lock& operator=(owner_lock&&) = delete;
  ~owner_lock();

  /// What becomes of a directory without the file.
  enum class missing : std::uint8_t { make, refuse };

  /// Takes the lock of a run's directory. Returns: it, or the process that has it: -1 where the kernel does not say.
  /// Throws store_error where the file cannot be opened or locked, and std::system_error (ENOENT) where there is no
  /// such directory, or no such file in it.
  static std::variant<owner_lock, pid_t> take(const std::filesystem::path& directory, missing what = missing::make);
  [[nodiscard]] int fd() const noexcept { return file_.get(); }

 private:
  owner_lock(base::unique_fd file, directory_identity of) noexcept;

  base::unique_fd file_;
  std::optional<directory_identity> of_;
  pid_t process_;
};

/// The process that has the run open now, 0 for none; -1 where the kernel does not say which.
[[nodiscard]] pid_t owner_of(const std::filesystem::path& directory);

}  // namespace selvage::store_detail
