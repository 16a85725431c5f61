#pragma once
// A checksum of bytes that come in parts: XXH3 with 64 bits (https://xxhash.com). Against damage, not against malice.

#include <cstdint>
#include <memory>
#include <string_view>

namespace selvage::cli {

class checksum {
 public:
  checksum();
  checksum(checksum&&) noexcept;
  checksum& operator=(checksum&&) noexcept;
  ~checksum();

  void add(std::string_view part);
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace selvage::cli
