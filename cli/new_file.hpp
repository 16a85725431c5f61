#pragma once
// A file that an option names, begun anew. Called by: job_log.cpp, results.cpp. Throws std::runtime_error, naming the
// option and the file, where it cannot be made or written: what is not there is no result.

#include <string>
#include <string_view>

#include "owned_fd.hpp"

namespace selvage::cli {

/// "--results: path: No such file or directory", thrown.
[[noreturn]] void fail_with_file(std::string_view option, const std::string& path, int error);

class new_file {
 public:
  new_file(std::string_view option, std::string path);
  void write(std::string_view text) const;

 private:
  std::string_view option_;
  std::string path_;
  owned_fd file_;
};

}  // namespace selvage::cli
