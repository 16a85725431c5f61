// thumbnails: decodes the PNG files below a folder (default: /usr) in strict workers, next to a spoilt copy of each.
// The workers have no file, no network and little memory: they are given bytes and give back a picture, or an error.
//
//   thumbnails [FOLDER]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include <selvage/init.hpp>
#include <selvage/selvage.hpp>

#include "decode.hpp"

namespace fs = std::filesystem;
using namespace selvage::literals;

namespace {

constexpr std::size_t most_files = 300;

std::vector<fs::path> pictures_below(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code problem;
  for (fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, problem);
       !problem && at != fs::end(at) && found.size() < most_files; at.increment(problem)) {
    std::error_code gone;
    if (at->path().extension() == ".png" && at->is_regular_file(gone)) found.push_back(at->path());
  }
  return found;
}

std::vector<std::byte> content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// A few bytes are others, or the end is missing.
std::vector<std::byte> spoilt(std::vector<std::byte> bytes, std::minstd_rand& chance) {
  if (bytes.empty()) return bytes;
  if (chance() % 3 == 0) bytes.resize(chance() % bytes.size());
  for (unsigned i = 0; i < 8 && !bytes.empty(); ++i)
    bytes[chance() % bytes.size()] = static_cast<std::byte>(chance() & 0xffU);
  return bytes;
}

void draw(const thumbnail& it) {
  constexpr std::string_view shades = " .:-=+*#%@";
  for (std::uint32_t y = 0; y < thumbnail_side; y += 2) {
    for (std::uint32_t x = 0; x < thumbnail_side; ++x)
      std::putchar(shades[(255U - it.grey[y * thumbnail_side + x]) * (shades.size() - 1) / 255U]);
    std::putchar('\n');
  }
}

struct tally {
  std::size_t decoded = 0;
  std::map<std::string, std::size_t> errors{};
  thumbnail last{};

  void count(tl::expected<thumbnail, selvage::error> outcome) {
    if (outcome) {
      ++decoded;
      last = std::move(*outcome);
    } else {
      // libpng's words without the name of the chunk, which may be noise.
      const std::string& words = outcome.error().details().message;
      const std::size_t colon = words.rfind(": ");
      ++errors[std::string(to_string(outcome.error().code())) + ": " +
               words.substr(colon == words.npos ? 0 : colon + 2)];
    }
  }
  void print(const char* title) const {
    std::printf("%s: %zu decoded\n", title, decoded);
    for (const auto& [words, count] : errors) std::printf("  %4zu  %s\n", count, words.c_str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  selvage::init(argc, argv);
  const fs::path folder = argc > 1 ? argv[1] : "/usr";
  const auto task = selvage::task("decode", decode);
  try {
    selvage::pool pool({.start = selvage::start::spawn,
                        .timeout = std::chrono::seconds(5),
                        .memory = 128_MiB,
                        .cpu = std::chrono::seconds(2),
                        .permissions = selvage::permissions::strict().threads(0)},
                       task);
    std::minstd_rand chance(42);  // the same copies each time
    tally whole, broken;
    std::vector<selvage::future<thumbnail>> wholes, brokens;
    for (const fs::path& path : pictures_below(folder)) {
      const std::vector<std::byte> bytes = content_of(path);
      wholes.push_back(pool.call(task, bytes));
      brokens.push_back(pool.call(task, spoilt(bytes, chance)));
    }
    if (wholes.empty()) std::printf("no PNG files below %s\n", folder.c_str());
    for (auto& each : wholes) whole.count(each.result());
    for (auto& each : brokens) broken.count(each.result());
    if (whole.decoded != 0) draw(whole.last);
    whole.print("files");
    broken.print("spoilt copies");
    const selvage::pool_stats stats = pool.stats();
    const auto replaced = static_cast<unsigned long long>(stats.restarts.crashed);
    std::printf("workers that crashed: %llu\n", replaced);
    return whole.decoded != 0 || wholes.empty() ? 0 : 1;
  } catch (const selvage::error& problem) {
    std::fprintf(stderr, "thumbnails: %s\n", problem.report().c_str());
    return 1;
  }
}
