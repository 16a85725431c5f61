#pragma once
// JSON as the command reads and writes it. Called by: input.cpp, event_log.cpp, results.cpp, store_command.cpp.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "input.hpp"

namespace selvage::cli {

/// A JSON string; bytes that are no UTF-8 are told as U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

/// An array of such strings.
[[nodiscard]] std::string json_list(const std::vector<std::string>& words);

/// A record of JSON Lines as an item. Of an object, `fields` become its columns, in this order ("a.b": b of the object
/// a); the elements of an array are its columns; a string is the item itself, without its quotes. Fields and elements
/// that are no strings are told as JSON. Throws std::runtime_error, saying what is wrong with it.
[[nodiscard]] input json_item(std::string record, std::uint64_t number, const std::vector<std::string>& fields);

}  // namespace selvage::cli
