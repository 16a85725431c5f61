// See checksum.hpp.

#include "checksum.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace selvage::cli {

struct checksum::state {
  XXH3_state_t of;
};

checksum::checksum() : state_(std::make_unique<state>()) { XXH3_64bits_reset(&state_->of); }
checksum::checksum(checksum&&) noexcept = default;
checksum& checksum::operator=(checksum&&) noexcept = default;
checksum::~checksum() = default;

void checksum::add(std::string_view part) { XXH3_64bits_update(&state_->of, part.data(), part.size()); }

std::uint64_t checksum::value() const { return XXH3_64bits_digest(&state_->of); }

}  // namespace selvage::cli
