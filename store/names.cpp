// See names.hpp.

#include "store/names.hpp"

#include <algorithm>
#include <charconv>

#include "schema/stored_run.hpp"

namespace selvage::store_detail {
namespace {

constexpr std::size_t max_short_key = 510;
static_assert(3 * max_run_name + run_suffix.size() <= 255);

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void append_escaped(std::string& to, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  to += '%';
  to += digits[byte >> 4U];
  to += digits[byte & 0xfU];
}

}  // namespace

std::optional<std::string> directory_of(std::string_view run) {
  if (run.empty() || run.size() > max_run_name || std::ranges::any_of(run, is_control)) return std::nullopt;
  std::string directory;
  for (const char c : run) {
    // A point may stand anywhere but at the beginning, where it would hide the directory.
    if (is_plain(c) || (c == '.' && !directory.empty())) {
      directory += c;
    } else {
      append_escaped(directory, c);
    }
  }
  directory += run_suffix;
  return directory;
}

std::optional<std::string> run_of(const std::string_view name) {
  std::string_view directory = name;
  if (!directory.ends_with(run_suffix) || directory.starts_with('.')) return std::nullopt;
  directory.remove_suffix(run_suffix.size());
  std::string run;
  while (!directory.empty()) {
    if (directory[0] != '%') {
      run += directory[0];
      directory.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    if (directory.size() < 3) return std::nullopt;
    const auto [end, problem] = std::from_chars(directory.data() + 1, directory.data() + 3, byte, 16);
    if (problem != std::errc() || end != directory.data() + 3) return std::nullopt;
    run += static_cast<char>(byte);
    directory.remove_prefix(3);
  }
  // What reads back otherwise was not made by a store.
  if (directory_of(run) != name) return std::nullopt;
  return run;
}

bool is_hashed(std::string_view key) noexcept { return key.size() > max_short_key; }

void append_record_name(std::string& to, std::string_view key) {
  if (!is_hashed(key)) {
    to += 'k';
    to += key;
  } else {
    const schema::hash128 hash = schema::hash_of(key);
    to += 'l';
    to.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  }
}

std::string record_name(std::string_view key) {
  std::string name;
  append_record_name(name, key);
  return name;
}

}  // namespace selvage::store_detail
