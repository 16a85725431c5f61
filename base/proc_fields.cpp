// See proc_fields.hpp.

#include "base/proc_fields.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"

namespace selvage::base {
namespace {

/// The lines of a file, one after the other. One that is longer than there is room is left out.
class line_reader {
 public:
  explicit line_reader(int fd) noexcept : fd_(fd) {}

  [[nodiscard]] std::optional<std::string_view> next() noexcept {
    for (bool is_rest = false;;) {
      const std::string_view there(text_.data() + at_, filled_ - at_);
      if (const std::size_t end = there.find('\n'); end != there.npos) {
        at_ += end + 1;
        if (!std::exchange(is_rest, false)) return there.substr(0, end);
        continue;
      }
      if (there.size() == text_.size()) {
        is_rest = true;  // nothing that is looked for is that long
        at_ = filled_ = 0;
      }
      if (!fill()) return std::nullopt;
    }
  }

 private:
  bool fill() noexcept {
    std::memmove(text_.data(), text_.data() + at_, filled_ - at_);
    filled_ -= std::exchange(at_, 0);
    const ssize_t got = retry_eintr([&] { return ::read(fd_, text_.data() + filled_, text_.size() - filled_); });
    if (got > 0) filled_ += static_cast<std::size_t>(got);
    return got > 0;
  }

  int fd_;
  std::array<char, 4096> text_;
  std::size_t at_ = 0, filled_ = 0;
};

}  // namespace

std::optional<std::uint64_t> proc_bytes(const char* path, std::initializer_list<std::string_view> fields) noexcept {
  const unique_fd file(retry_eintr([&] { return ::open(path, O_RDONLY | O_CLOEXEC); }));
  if (!file) return std::nullopt;
  std::optional<std::uint64_t> sum;
  line_reader lines(file.get());
  while (const auto line = lines.next()) {
    for (const std::string_view field : fields) {
      if (!line->starts_with(field)) continue;
      const std::size_t digits = line->find_first_of("0123456789");
      std::uint64_t kilobytes = 0;
      if (digits != line->npos) std::from_chars(line->data() + digits, line->data() + line->size(), kilobytes);
      sum = sum.value_or(0) + 1024 * kilobytes;
    }
  }
  return sum;
}

}  // namespace selvage::base
