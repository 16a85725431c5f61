// See new_file.hpp.

#include "new_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "printer.hpp"

namespace selvage::cli {

void fail_with_file(std::string_view option, const std::string& path, int error) {
  throw std::runtime_error(fmt::format("{}: {}: {}", option, path, std::generic_category().message(error)));
}

new_file::new_file(std::string_view option, std::string path) : option_(option), path_(std::move(path)) {
  constexpr mode_t mode = 0666;
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!file_) fail_with_file(option_, path_, errno);
}

void new_file::write(std::string_view text) const {
  if (const int error = try_to_write_all(file_.get(), text)) fail_with_file(option_, path_, error);
}

}  // namespace selvage::cli
