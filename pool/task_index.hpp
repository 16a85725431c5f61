#pragma once
// From a task to its row in the workers' task table: an immutable hash table over the addresses of the task records,
// half empty, so that a call finds its task in one or two loads.

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <selvage/detail/task_record.hpp>

namespace selvage::host {

class task_index {
 public:
  explicit task_index(std::span<const std::shared_ptr<const detail::task_record>> tasks)
      : shift_(64 - std::countr_zero(std::bit_ceil(2 * tasks.size() + 2))),
        cells_(std::bit_ceil(2 * tasks.size() + 2)) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      std::size_t at = home(tasks[i].get());
      while (cells_[at].record != nullptr && cells_[at].record != tasks[i].get()) at = (at + 1) & (cells_.size() - 1);
      cells_[at] = {tasks[i].get(), static_cast<std::uint16_t>(i)};
    }
  }

  [[nodiscard]] std::optional<std::uint16_t> find(const detail::task_record& task) const noexcept {
    for (std::size_t at = home(&task); cells_[at].record != nullptr; at = (at + 1) & (cells_.size() - 1)) {
      if (cells_[at].record == &task) return cells_[at].index;
    }
    return std::nullopt;
  }

 private:
  struct cell {
    const detail::task_record* record = nullptr;
    std::uint16_t index = 0;
  };
  [[nodiscard]] std::size_t home(const detail::task_record* task) const noexcept {
    return static_cast<std::size_t>((reinterpret_cast<std::uintptr_t>(task) * 0x9e3779b97f4a7c15ULL) >> shift_);
  }

  int shift_;
  std::vector<cell> cells_;
};

}  // namespace selvage::host
