#pragma once
// An exception on its way from worker to host. encode() is called by the worker, decode() by the host. Neither ever
// allocates in proportion to what the other side claims.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include <selvage/detail/payload.hpp>

namespace selvage::schema {

struct exception_report {
  std::string type;  ///< demangled
  std::string what;
  std::vector<std::string> causes{};  ///< nested exceptions, outermost first, "type: what"
  int system_error = 0;               ///< errno, of the outermost std::system_error among them

  friend bool operator==(const exception_report&, const exception_report&) = default;
};

/// Bytes in which the report fits uncut but for causes beyond the 32nd.
[[nodiscard]] std::size_t bound(const exception_report& report);

/// The smallest place for a report, in bytes.
inline constexpr std::size_t min_report_bytes = 256;

/// Writes the report into `out`, cut to fit: first the causes go, innermost first, then the ends of the texts.
/// Allocates nothing.
/// Requires: out aligned to payload_alignment and of at least min_report_bytes.
[[nodiscard]] detail::extent encode(const exception_report& report, std::span<std::byte> out);

/// Requires: a private copy of what the worker wrote, aligned to payload_alignment.
/// Errors: what is wrong with the bytes, in words.
[[nodiscard]] tl::expected<exception_report, std::string> decode(std::span<const std::byte> hostile);

}  // namespace selvage::schema
