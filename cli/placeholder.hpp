#pragma once
// Templates with placeholders, as GNU parallel has them: {} the item, {.} without its extension, {/} its last part,
// {//} its folder, {/.} the last part without extension, {#} its number from 1, {%} its place among the jobs that run,
// {3} its third column, {name} the column of that name. What is none of these stays as it is.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "input.hpp"

namespace selvage::cli {

/// What an item is expanded with.
struct expansion {
  const input& item;
  std::uint64_t number = 1;
  unsigned place = 1;
};

class text_template {
 public:
  /// {name} is a placeholder for a column of that name only.
  text_template(std::string_view text, column_names& columns);

  [[nodiscard]] bool has_placeholder() const noexcept;
  /// What is put in is quoted for a shell where that is asked for.
  [[nodiscard]] std::string expand(const expansion& with, bool for_shell = false) const;

 private:
  enum class part : std::uint8_t { whole, no_extension, last, folder, last_no_extension, number, place };
  struct column {
    std::size_t index;  ///< from 0
  };
  using piece = std::variant<std::string, part, column>;

  std::vector<piece> pieces_;
};

/// 'as one word of a shell', whatever is in it.
[[nodiscard]] std::string shell_quoted(std::string_view text);

}  // namespace selvage::cli
