#pragma once
// Assertions that stay on: what only a mistake in the program can break ends the program, and one line says which.
// Called by: public headers, where undefined behaviour would follow. Never: for what a caller could not have known.

namespace selvage::detail {

/// Prints "selvage: <what>" to standard error and aborts.
[[noreturn]] void contract_broken(const char* what) noexcept;

inline void require(bool holds, const char* what) noexcept {
  if (!holds) [[unlikely]]
    contract_broken(what);
}

}  // namespace selvage::detail
