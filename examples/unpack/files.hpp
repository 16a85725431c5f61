#pragma once
// Where the .gz files come from: found in a folder, or made where too few are found, as in slim containers. Called by
// main.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace unpack {

/// Every regular file under `root` that is called *.gz, sorted. Does not follow links; skips folders that it may not
/// read.
[[nodiscard]] std::vector<std::string> find_gz(const std::filesystem::path& root);

/// A folder of .gz files for the time that it lives.
class made_files {
 public:
  /// Compresses `count` pieces of 512 bytes to 64 KiB, no two alike, out of the files under /usr/include; where those
  /// are few the pieces overlap. Errors: std::runtime_error where there is no room for them. Blocks: about a second
  /// for 2000.
  explicit made_files(std::size_t count);
  ~made_files();
  made_files(const made_files&) = delete;
  made_files& operator=(const made_files&) = delete;

  [[nodiscard]] const std::vector<std::string>& paths() const noexcept { return paths_; }

 private:
  /// The folder, gone with everything in it when this is destroyed, be it by an exception out of the constructor
  /// above.
  struct folder {
    folder();
    ~folder();
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    std::filesystem::path path;
  };

  folder folder_;
  std::vector<std::string> paths_;
};

}  // namespace unpack
