#pragma once
// Random numbers for tests: the seed is printed, and SELVAGE_TEST_SEED repeats a run. Called by tests only.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace selvage::tests {

class random_source {
 public:
  random_source() : random_source(choose_seed()) {}
  explicit random_source(std::uint64_t seed) : engine_(seed) {}

  /// A number from 0 up to and without `end`. Requires: end != 0.
  std::uint64_t below(std::uint64_t end) { return engine_() % end; }
  std::uint64_t bits() { return engine_(); }
  bool one_in(std::uint64_t chances) { return below(chances) == 0; }

 private:
  static std::uint64_t choose_seed() {
    const char* const given = std::getenv("SELVAGE_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("SELVAGE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    return seed;
  }

  std::mt19937_64 engine_;
};

}  // namespace selvage::tests
