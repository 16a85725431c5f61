// See leftovers.hpp.

#include "leftovers.hpp"

#include <utility>

#include "printer.hpp"

namespace selvage::cli {

void leftovers::attempt_failed(const failed_attempt& attempt) {
  if (files_.output().empty()) return;
  if (const auto earlier = take(attempt.ordinal)) discard(*earlier, files_);  // this one's output is told instead
  if (attempt.has_value) return;
  if (auto left = files_.left_by(attempt)) of_.emplace(attempt.ordinal, *std::move(left));
}

std::optional<job_result> leftovers::take(std::uint64_t ordinal) {
  const auto found = of_.find(ordinal);
  if (found == of_.end()) return std::nullopt;
  std::optional<job_result> left(std::move(found->second));
  of_.erase(found);
  return left;
}

}  // namespace selvage::cli
