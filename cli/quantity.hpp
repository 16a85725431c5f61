#pragma once
// Times, sizes and parts as people write them on a command line. Throws std::invalid_argument, saying what is allowed.

#include <chrono>
#include <string>

#include <selvage/bytes.hpp>

namespace selvage::cli {

/// "250ms", "5s", "1.5m", "2h", "1d"; a number alone is in seconds.
[[nodiscard]] std::chrono::nanoseconds duration_of(const std::string& text);
/// "512", "64k", "1.5M", "2G": powers of 1024.
[[nodiscard]] bytes size_of(const std::string& text);
/// "4", "+2" and "-1" (than cores), "50%" (of them): at least 1.
[[nodiscard]] unsigned jobs_of(const std::string& text, unsigned cores);

}  // namespace selvage::cli
