// See json.hpp. The one place that Boost.JSON is compiled in.

#include "json.hpp"

#include <fmt/format.h>

#include <boost/json/src.hpp>
#include <stdexcept>

namespace selvage::cli {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return value.is_double() ? fmt::format("{}", value.get_double()) : json::serialize(value);  // theirs is 4.5E0
}

const json::value* find(const json::object& in, std::string_view field) {
  if (const json::value* const found = in.if_contains({field.data(), field.size()})) return found;
  const std::size_t point = field.find('.');
  if (point == field.npos) return nullptr;
  const json::value* const outer = in.if_contains({field.data(), point});
  return outer != nullptr && outer->is_object() ? find(outer->get_object(), field.substr(point + 1)) : nullptr;
}

}  // namespace

input json_item(std::string record, std::uint64_t number, const std::vector<std::string>& fields) {
  json::error_code problem;
  const json::value value = json::parse(record, problem);
  if (problem) throw std::runtime_error(fmt::format("item {} is no JSON: {}", number, problem.message()));
  input item{std::move(record), {}};
  if (value.is_string()) {
    item.text = text_of(value);
  } else if (value.is_array()) {
    for (const json::value& each : value.get_array()) item.columns.push_back(text_of(each));
  }
  for (const std::string& field : fields) {
    const json::value* const found = value.is_object() ? find(value.get_object(), field) : nullptr;
    if (found == nullptr) throw std::runtime_error(fmt::format("item {} has no field '{}'", number, field));
    item.columns.push_back(text_of(*found));
  }
  return item;
}

std::string json_list(const std::vector<std::string>& words) {
  std::string all = "[";
  for (const std::string& word : words) all += (all.size() == 1 ? "" : ",") + json_text(word);
  return all + "]";
}

std::string json_text(std::string_view text) {
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t more = c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc2 && c < 0xe0 ? 1 : 0;
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += text[i];
    } else if (c < 0x20) {
      quoted += fmt::format("\\u{:04x}", c);
    } else if (c < 0x80) {
      quoted += text[i];
    } else {
      std::size_t have = 0;
      while (have < more && i + have + 1 < text.size() &&
             (static_cast<unsigned char>(text[i + have + 1]) & 0xc0U) == 0x80)
        ++have;
      if (more != 0 && have == more) {
        quoted += text.substr(i, more + 1);
        i += more;
      } else {
        quoted += "\xef\xbf\xbd";
      }
    }
  }
  return quoted + "\"";
}

}  // namespace selvage::cli
