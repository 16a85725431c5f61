#pragma once
// The work of the demonstration: one .gz file, inflated by zlib and hashed. The same function runs in this process,
// in the pool's workers and in forked children, so that the three can be compared. It never holds a whole file in
// memory.

#include <cstdint>
#include <stdexcept>
#include <string>

namespace unpack {

struct unpacked {
  std::uint64_t bytes_in = 0;   ///< read from the file
  std::uint64_t bytes_out = 0;  ///< inflated
  std::uint64_t hash = 0;       ///< FNV-1a of what was inflated, 64 bits

  friend bool operator==(const unpacked&, const unpacked&) = default;
};

/// What zlib says of a file that is no gzip file, or a broken one.
class zlib_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Inflates every member of the file. Errors: zlib_error; std::system_error where it cannot be read.
[[nodiscard]] unpacked inflate_file(const std::string& path);

}  // namespace unpack
