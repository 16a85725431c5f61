#pragma once
// The items of a run from the command line: records of a file, of standard input, or arguments. Records are read as
// they are needed, and a stop ends the wait for one.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "owned_fd.hpp"

namespace selvage::cli {

/// One item. Crosses to the worker as it is.
struct input {
  std::string text{};                  ///< the whole record
  std::vector<std::string> columns{};  ///< its parts, where records have columns
};

/// The names of columns, by which templates name them.
struct column_names {
  std::vector<std::string> names{};
  bool are_fields = false;  ///< every name that a template has is one: it is added

  [[nodiscard]] std::optional<std::size_t> index_of(std::string_view name);
};

struct input_options {
  std::string file{};                    ///< empty: standard input
  bool zero_terminated = false;          ///< records end with a zero byte instead of a newline
  std::string column_separator{};        ///< empty: records have no columns
  bool jsonl = false;                    ///< records are JSON: see json.hpp
  bool whole = false;                    ///< of JSON text too, {} is the record with its quotes
  bool shuffled = false;                 ///< in an order of chance: all are read first
  bool csv = false;                      ///< columns as RFC 4180 has them, the first record names them
  std::vector<std::string> arguments{};  ///< the items themselves, in place of a file
  bool from_arguments = false;

  /// What records are taken for: with another kind the same text is another item.
  [[nodiscard]] std::string kind() const;
};

/// Where items come from, one call after the other. Throws std::runtime_error where they cannot be read.
class input_source {
 public:
  explicit input_source(input_options options);
  input_source(const input_source&) = delete;
  input_source& operator=(const input_source&) = delete;

  /// Read from the first record where that names them. With JSON, what templates add before the first item is taken.
  [[nodiscard]] column_names& columns() noexcept { return names_; }
  [[nodiscard]] std::optional<input> next(const std::stop_token& stop);
  /// A record as an item; `number` is for what is wrong with it. Throws std::runtime_error.
  [[nodiscard]] input item_of(std::string record, std::uint64_t number) const;

 private:
  std::optional<input> next_in_order(const std::stop_token& stop);
  std::optional<std::string> next_record(const std::stop_token& stop);
  bool fill(const std::stop_token& stop);
  [[nodiscard]] std::string name_of_file() const;

  input_options options_;
  owned_fd file_;
  owned_fd stop_;
  std::string buffer_;
  std::size_t at_ = 0;         // of the next record in buffer_
  std::size_t looked_to_ = 0;  // no record ends before here
  bool ended_ = false;
  std::size_t next_argument_ = 0;
  std::uint64_t number_ = 0;
  std::optional<std::vector<input>> shuffled_;  // the next one last
  column_names names_;
};

/// A record of CSV in its columns. `text` may have line ends within quotes.
[[nodiscard]] std::vector<std::string> csv_columns(const std::string& text);

}  // namespace selvage::cli
