#pragma once
// Names for the raw frames of a crash record. The host's guess: a frame is an address that a worker wrote, so nothing
// is read through it; it is only looked up.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace selvage::host {

/// "name + offset (module)" for each frame, or the bare address. `worker_base` is where the worker says that its main
/// program was loaded; frames of the main program are moved to this process's copy of it.
[[nodiscard]] std::vector<std::string> symbolise(std::span<const std::uint64_t> frames, std::uint64_t worker_base);

/// Where this process's main program is loaded.
[[nodiscard]] std::uint64_t main_program_base() noexcept;

}  // namespace selvage::host
