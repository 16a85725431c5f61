#pragma once
// The items of a run from the command line: records of a file, of standard input, or arguments. Records are read as
// they are needed, and a stop ends the wait for one.

#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace selvage::cli {

/// One item. Crosses to the worker as it is.
struct input {
  std::string text{};                  ///< the whole record
  std::vector<std::string> columns{};  ///< its parts, where records have columns
};

struct input_options {
  std::string file{};                    ///< empty: standard input
  bool zero_terminated = false;          ///< records end with a zero byte instead of a newline
  std::string column_separator{};        ///< empty: records have no columns
  bool csv = false;                      ///< columns as RFC 4180 has them, the first record names them
  std::vector<std::string> arguments{};  ///< the items themselves, in place of a file
  bool from_arguments = false;
};

/// Where items come from, one call after the other. Throws std::runtime_error where they cannot be read.
class input_source {
 public:
  explicit input_source(input_options options);
  input_source(const input_source&) = delete;
  input_source& operator=(const input_source&) = delete;
  ~input_source();

  /// The names of columns, read from the first record where there are any. Blocks.
  [[nodiscard]] const std::vector<std::string>& column_names() const noexcept { return names_; }
  [[nodiscard]] std::optional<input> next(const std::stop_token& stop);

 private:
  std::optional<std::string> next_record(const std::stop_token& stop);
  bool fill(const std::stop_token& stop);

  input_options options_;
  int fd_ = -1;
  int stop_fd_ = -1;
  std::string buffer_;
  std::size_t at_ = 0;         // of the next record in buffer_
  std::size_t looked_to_ = 0;  // no record ends before here
  bool ended_ = false;
  std::size_t next_argument_ = 0;
  std::vector<std::string> names_;
};

/// A record of CSV in its columns. `text` may have line ends within quotes.
[[nodiscard]] std::vector<std::string> csv_columns(const std::string& text);

}  // namespace selvage::cli
