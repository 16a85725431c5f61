#pragma once
// Words that a test shares with the workers of a fork pool: how tasks tell what they did, and how a test holds them up.
// Called by tests only. Never: blocks without a bound in the host; a task that is held up ends when its word is opened.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

#include <selvage/selvage.hpp>

#include "tests/support/lane_memory.hpp"

namespace selvage::test {

using shared_words = tests::shared_array<std::atomic<std::uint64_t>>;

/// A gate that tasks wait at until the test opens it, and a count of those that have come to it.
class gate {
 public:
  gate() : words_(2) {}  // not by default: a const one is to be made without an initializer
  /// In a task. Blocks: until open().
  void pass() const {
    words_[0].fetch_add(1);
    while (words_[1].load() == 0) ::usleep(100);
  }
  void open() const { words_[1].store(1); }
  [[nodiscard]] std::uint64_t arrived() const { return words_[0].load(); }

 private:
  shared_words words_;
};

}  // namespace selvage::test
