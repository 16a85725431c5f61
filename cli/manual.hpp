#pragma once
// Manual pages, made from the option table. Called by: main.cpp, and by the build, which installs them.
// Source: man-pages(7), groff_man(7)

#include <string>
#include <string_view>

#include "option_list.hpp"

namespace selvage::cli {

/// The page of a command, `selvage` or `selvage NAME`, in section 1. Throws std::invalid_argument.
[[nodiscard]] std::string manual_page(std::string_view of, const listed_command& command, std::string_view version);

}  // namespace selvage::cli
