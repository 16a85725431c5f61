#pragma once
// What limit was behind a failure, and its words. An exception tells by its errno, a death by its signal or by the
// supervisor's verdict; the worker's word counts for no more than the text of its own call's error.
//
// Called by: settling.cpp, verdict_error.cpp. Never: decides that a call has failed.

#include <cstdint>
#include <optional>
#include <string>

#include <selvage/error.hpp>

#include "base/limits.hpp"

namespace selvage::host {

struct limit_named {
  errc code;
  std::string text;
};

/// Of a task that threw an exception with that errno (0: with none). `threads_refused`: the supervisor has refused it a
/// thread meanwhile.
[[nodiscard]] std::optional<limit_named> limit_behind(int system_error, const base::limits& limits,
                                                      bool threads_refused);

/// "250 ms", "12.0 s"
[[nodiscard]] std::string text_of_ns(std::uint64_t ns);

[[nodiscard]] std::string file_size_text(const base::limits& limits);

}  // namespace selvage::host
