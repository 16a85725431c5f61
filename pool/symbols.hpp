#pragma once
// Names for the raw frames of a crash record. The host's guess: a frame is an address that a worker wrote, so nothing
// is read through it; it is only looked up.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace selvage::host {

/// To look one up is to go through the symbols of a module: in a program with many of them, most of what a crash costs
/// its host. What has been found is remembered until a library is loaded or unloaded.
/// Thread-safety: none; a pool has its own, under its lock.
class symbol_names {
 public:
  /// "name + offset (module)" for each frame, or the bare address. `worker_base` is where the worker says that its main
  /// program was loaded; frames of the main program are moved to this process's copy of it.
  [[nodiscard]] std::vector<std::string> of(std::span<const std::uint64_t> frames, std::uint64_t worker_base);

 private:
  static constexpr std::size_t most = 1024;  ///< addresses are a worker's word: they may all be different

  struct place {
    std::uint64_t address;
    std::uint64_t worker_base;
    bool innermost;
    friend auto operator<=>(const place&, const place&) = default;  // NOLINT(modernize-use-nullptr): it compares with 0
  };
  std::map<place, std::string> known_;
  unsigned long long changes_ = 0;
};

}  // namespace selvage::host
