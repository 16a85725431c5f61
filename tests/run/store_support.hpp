#pragma once
// What the tests of the store share: a directory that goes with its test, and items that can be compared. Called by
// tests/run only.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <selvage/store.hpp>

namespace selvage::test {

/// An empty directory, deleted with the object.
class scratch_directory {
 public:
  scratch_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "selvage-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  ~scratch_directory() {
    if (::getpid() != process_) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  pid_t process_ = ::getpid();
};

/// An item that owns what it speaks of.
struct owned_item {
  std::string key;
  std::optional<errc> failed;
  std::uint32_t attempts = 0;
  std::uint64_t ordinal = 0;
  std::int64_t finished_ns = 0;
  std::int64_t run_ns = 0;
  std::uint64_t peak_memory = 0;
  std::string message;
  std::string output;

  owned_item() = default;
  explicit owned_item(const stored_item& from)
      : key(from.key),
        failed(from.failed),
        attempts(from.attempts),
        ordinal(from.ordinal),
        finished_ns(std::chrono::nanoseconds(from.finished.time_since_epoch()).count()),
        run_ns(from.run_time.count()),
        peak_memory(from.peak_memory),
        message(from.message),
        output(reinterpret_cast<const char*>(from.output.data()), from.output.size()) {}
  friend bool operator==(const owned_item&, const owned_item&) = default;
};

/// The output of a test's item, and of nothing else's.
inline std::string output_of(std::string_view key) { return "output of " + std::string(key.substr(0, 1000)); }

inline stored_item item_of(std::string_view key, std::string_view output) {
  return {.key = key, .output = std::as_bytes(std::span(output))};
}

inline void put(journal& into, std::string_view key) {
  const std::string output = output_of(key);
  const auto number = into.put(item_of(key, output));
  ASSERT_TRUE(number) << number.error().what();
}

/// The output of a key's record, "(none)" where there is none, "(error) ..." where that cannot be said.
inline std::string found_in(const journal& in, std::string_view key) {
  std::string output = "(none)";
  const auto found = in.find(key, [&](const stored_item& item) { output = owned_item(item).output; });
  return found ? output : std::string("(error) ") + found.error().what();
}

inline journal open(const store& in, journal_options options) {
  auto opened = in.open(std::move(options));
  if (!opened) throw error(opened.error());
  return *std::move(opened);
}

/// All that a run holds, by key.
inline std::map<std::string, owned_item> all_of(const store& in, std::string_view run) {
  std::map<std::string, owned_item> items;
  const auto done = in.for_each(run, [&](const stored_item& item) {
    items.emplace(item.key, item);
    return true;
  });
  if (!done) throw error(done.error());
  return items;
}

inline std::string code_of(const auto& outcome) {
  return outcome ? "done" : std::string(to_string(outcome.error().code()));
}

inline std::string words_of(const auto& outcome) { return outcome ? "done" : outcome.error().what(); }

}  // namespace selvage::test
