#pragma once
// Completions for shells, made from the option table, so that they know every option there is. Called by: main.cpp, and
// by the build, which installs them.

#include <string>
#include <string_view>

#include "option_list.hpp"

namespace selvage::cli {

/// `shell`: bash, zsh or fish. Throws std::invalid_argument.
[[nodiscard]] std::string completion_for(std::string_view shell, const listed_command& command);

}  // namespace selvage::cli
