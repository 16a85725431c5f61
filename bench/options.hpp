#pragma once
// The command line of selvage_bench.
//
// Called by: main.cpp. Never: prints or exits.

#include <string>
#include <tl/expected.hpp>

#include "suite.hpp"

namespace selvage::bench {

/// Returns: the settings, or one line that says what is wrong.
[[nodiscard]] tl::expected<settings, std::string> parse_options(int argc, const char* const* argv);

/// Returns: what is wrong with the names asked for, or nothing: each must be in the suite.
[[nodiscard]] std::string check_names(const settings& asked, const suite& benchmarks);

[[nodiscard]] std::string usage();

}  // namespace selvage::bench
