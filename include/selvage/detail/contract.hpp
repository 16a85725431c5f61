#pragma once
// Assertions that stay on: what only a mistake in the program can break ends the program, with one line that says which.
// Called by: public headers, where undefined behaviour would follow. Never: used for what a caller could not have known.

namespace selvage::detail {

/// Prints "selvage: <what>" to standard error and aborts.
[[noreturn]] void contract_broken(const char* what) noexcept;

inline void require(bool holds, const char* what) noexcept {
  if (!holds) [[unlikely]]
    contract_broken(what);
}

}  // namespace selvage::detail
