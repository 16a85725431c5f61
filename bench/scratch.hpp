#pragma once
// What several benchmarks of runs need: a folder of their own, items, and work that takes a time. Called by: runs.cpp,
// workloads.cpp.

#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace selvage::bench {

/// A folder for a store, deleted with the object.
class folder {
 public:
  folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "selvage-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder can be made for a store");
    path_ = pattern;
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::uint64_t> numbers(std::size_t count) {
  std::vector<std::uint64_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

/// Busy for so much processor time, whatever else runs.
inline void burn(std::uint64_t ns) {
  timespec now{};
  const auto used = [&now] {
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
  };
  const std::uint64_t until = used() + ns;
  while (used() < until) {
  }
}

}  // namespace selvage::bench
