// See leftovers.hpp.

#include "leftovers.hpp"

#include <utility>

#include "printer.hpp"

namespace selvage::cli {

void leftovers::attempt_failed(const failed_attempt& attempt) {
  if (!files_.are_there()) return;
  if (const auto earlier = take(attempt.ordinal)) discard(*earlier, files_);  // this one's output is told instead
  if (attempt.has_value) return;
  auto left = files_.left_by(attempt);
  if (!left) return;
  auto& [output, errors] = *left;
  of_.emplace(attempt.ordinal,
              job_result{.place = attempt.place, .output = std::move(output), .errors = std::move(errors)});
}

std::optional<job_result> leftovers::take(std::uint64_t ordinal) {
  const auto found = of_.find(ordinal);
  if (found == of_.end()) return std::nullopt;
  std::optional<job_result> left(std::move(found->second));
  of_.erase(found);
  return left;
}

}  // namespace selvage::cli
