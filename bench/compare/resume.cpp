// A list of items that are done already, gone through once more: selvage::run with a store, and what many programs do
// by themselves, a file for each item's result.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <selvage/run.hpp>
#include <selvage/selvage.hpp>
#include <selvage/store.hpp>

#include "work.hpp"

namespace compare {
namespace {

std::string key_of(std::uint64_t item) { return "item " + std::to_string(item); }
std::string result_of(std::string_view key) { return "done: " + std::string(key); }

struct list {
  std::filesystem::path folder;
  std::uint64_t items;
  bool done_already;
};

/// Returns: how many were found to be done.
std::uint64_t by_run(const list& all) {
  const auto task = selvage::task("result", result_of);
  selvage::pool pool({.workers = 2}, task);
  const selvage::store kept(all.folder);
  std::vector<std::string> keys;
  for (std::uint64_t i = 0; i < all.items; ++i) keys.push_back(key_of(i));
  std::uint64_t right = 0;
  const auto emit = [&](auto&& outcome) {
    if (outcome.result && *outcome.result == result_of(outcome.key)) ++right;
  };
  const auto report = selvage::run(pool, task, keys, {.name = "run", .emit = emit, .store = &kept, .resume = true});
  if (!report.ok() || right != all.items) throw std::logic_error("a result was lost");
  return report.resumed;
}

/// A result is written beside its file first, so that none is ever half there.
std::uint64_t by_files(const list& all) {
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < all.items; ++i) {
    const std::string key = key_of(i);
    const auto file = all.folder / key;
    if (std::ifstream there(file); there) {
      std::ostringstream text;
      text << there.rdbuf();
      if (text.str() != result_of(key)) throw std::logic_error("a result was wrong");
      ++found;
      continue;
    }
    auto part = file;
    part += ".part";
    if (!(std::ofstream(part) << result_of(key)).flush()) throw std::runtime_error("a file could not be written");
    std::filesystem::rename(part, file);
  }
  return found;
}

}  // namespace

answer resume(const request& asked) {
  const list all{asked.text("folder"), asked.number("items"), asked.number("done") != 0};
  std::uint64_t found = 0;
  if (asked.peer == "selvage_library") {
    found = by_run(all);
  } else if (asked.peer == "files") {
    found = by_files(all);
  } else {
    throw not_for_this("there is no such peer");
  }
  if (found != (all.done_already ? all.items : 0)) throw std::logic_error("not as many were done as should have been");
  return {{"found", static_cast<double>(found)}};
}

}  // namespace compare
