#pragma once
// What one stream of a job has written.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace selvage::cli {

struct job_output {
  static constexpr std::size_t longest_text = 65'536;

  std::string text{};  ///< all of it, where it is short
  std::uint64_t size = 0;
  std::uint64_t offset = 0;    ///< in a file, where it is long
  std::string file{};          ///< that file's name, where it outlives the run; else it is that of the job's place
  std::uint64_t checksum = 0;  ///< of what is long and may outlive the run

  [[nodiscard]] bool is_in_a_file() const noexcept { return text.empty() && size != 0; }

  void append(std::string_view more) {
    size += more.size();
    if (size <= longest_text) {
      text += more;
    } else {
      text.clear();  // all of it, or none
    }
  }
};

}  // namespace selvage::cli
