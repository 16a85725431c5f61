#pragma once
// An exception in words: its demangled type, what() and the causes nested in it, each cut to a length that a caller
// can read.
//
// Called by: the worker, for every exception of a task, and the inline lane (pool/inline_lane.cpp). Never: runs code
// of the task beyond what().

#include <exception>

#include "schema/exception_report.hpp"

namespace selvage::schema {

/// Bytes that a report may take in a response.
inline constexpr std::size_t report_bytes = std::size_t{16} * 1024;

/// Errors: std::bad_alloc.
[[nodiscard]] exception_report describe(const std::exception_ptr& problem);

}  // namespace selvage::schema
