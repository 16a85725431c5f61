#pragma once
// What jobs have written, on our own output: the output of one job together, pure, and its errors on ours. Throws
// output_closed where nobody reads any more.

#include <exception>
#include <functional>
#include <string>
#include <string_view>

#include "job.hpp"
#include "output_shelf.hpp"

namespace selvage::cli {

struct output_closed : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return "the output was closed"; }
};

/// Puts a tag and a tab before each line of what passes through.
class line_tagger {
 public:
  explicit line_tagger(std::string_view tag) : tag_(tag) {}
  [[nodiscard]] std::string pass(std::string_view text);

 private:
  std::string_view tag_;
  bool at_begin_ = true;
};

/// Passes on what a stream of a job has written, in parts. `file`: where it is, if it is in one. Throws
/// std::runtime_error.
void read_output(const job_output& what, int file, const std::function<void(std::string_view)>& to);

/// The beginning of what a stream of a job has written, up to the end of its first line.
[[nodiscard]] std::string first_line(const job_output& what, int file);

/// Gives back the room on the disk of output that is in the file of its place, and not wanted any more.
void give_back(const job_output& what, int file);
/// The same of what is not printed.
void discard(const job_result& job, const job_files& files);

class job_printer {
 public:
  /// `tagged`: each line begins with the item and a tab.
  job_printer(const output_shelf& shelf, bool tagged) : shelf_(shelf), tagged_(tagged) {}
  void print(const job_result& job, std::string_view tag) const;

 private:
  void print_one(int to, const job_output& what, int file, std::string_view tag) const;

  const output_shelf& shelf_;
  bool tagged_;
};

/// All of it. Returns: 0, or the errno.
[[nodiscard]] int try_to_write_all(int fd, std::string_view text);
/// Throws output_closed for EPIPE, std::runtime_error for any other.
[[noreturn]] void throw_output_error(int error);
/// The same, or it throws.
void write_all(int fd, std::string_view text);

}  // namespace selvage::cli
