// Runs a fuzz target without libFuzzer: over every file of its corpus, then over random mutations of those files for a
// bounded time. Called by ctest as `<name>_fuzz CORPUS_FOLDER [SECONDS [SEED]]`. An empty or missing corpus is a
// failure:
// such a test would test nothing. It never writes into the corpus; the input of a crash is left in `<name>_fuzz.input`.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using input = std::vector<std::uint8_t>;

constexpr std::size_t largest_mutant = 1U << 16U;  // bytes

std::vector<input> read_corpus(const char* folder) {
  std::vector<input> corpus;
  std::error_code missing;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, missing)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

/// Shared with a file, so that what ran last is still known after the process has crashed.
class last_input {
 public:
  explicit last_input(const std::string& path, std::size_t most) : most_(most) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(most)) != 0) std::abort();
    bytes_ = ::mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes_ == MAP_FAILED) std::abort();
    ::close(file);
  }
  last_input(const last_input&) = delete;
  last_input& operator=(const last_input&) = delete;
  ~last_input() { ::munmap(bytes_, most_); }

  void run(const input& what) {
    if (!what.empty()) std::memcpy(bytes_, what.data(), what.size());
    LLVMFuzzerTestOneInput(what.data(), what.size());
  }

 private:
  void* bytes_ = nullptr;
  std::size_t most_;
};

/// One of the changes that break parsers: a flipped bit, an extreme number, a cut, a repeat, a splice of another input.
void mutate(input& bytes, const input& other, std::mt19937_64& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random() % limit); };
  const std::size_t at = below(bytes.size());
  const std::size_t length = 1 + below(std::min<std::size_t>(bytes.size() - at + 1, 64));
  const std::size_t end = std::min(at + length, bytes.size());
  const auto offset = [](input& where, std::size_t by) { return where.begin() + static_cast<std::ptrdiff_t>(by); };
  switch (bytes.empty() ? 5 : random() % 6) {
    case 0:
      bytes[at] ^= static_cast<std::uint8_t>(1U << (random() % 8));
      break;
    case 1:
      bytes[at] = static_cast<std::uint8_t>(random());
      break;
    case 2:
      std::fill(offset(bytes, at), offset(bytes, end), random() % 2 == 0 ? 0x00 : 0xFF);
      break;
    case 3:
      bytes.erase(offset(bytes, at), offset(bytes, end));
      break;
    case 4: {
      const input part(offset(bytes, at), offset(bytes, end));
      bytes.insert(offset(bytes, at), part.begin(), part.end());
      break;
    }
    default: {
      const std::size_t from = below(other.size());
      bytes.insert(offset(bytes, at), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
    }
  }
  bytes.resize(std::min(bytes.size(), largest_mutant));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER [SECONDS [SEED]]\n", argv[0]);
    return 2;
  }
  const std::chrono::seconds bound(argc > 2 ? std::atoi(argv[2]) : 0);
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : std::random_device{}();

  const std::vector<input> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus there\n", argv[1]);
    return 1;
  }
  std::size_t most = largest_mutant;
  for (const input& each : corpus) most = std::max(most, each.size());
  const std::string kept = std::filesystem::path(argv[0]).filename().string() + ".input";
  std::printf("%zu inputs, then mutations for %lld s with seed %llu; the running input is in %s\n", corpus.size(),
              static_cast<long long>(bound.count()), static_cast<unsigned long long>(seed), kept.c_str());
  std::fflush(stdout);

  last_input runner(kept, most);
  runner.run({});
  for (const input& each : corpus) runner.run(each);

  std::mt19937_64 random(seed);
  const auto end = std::chrono::steady_clock::now() + bound;
  std::size_t mutations = 0;
  while (std::chrono::steady_clock::now() < end) {
    input bytes = corpus[random() % corpus.size()];
    for (std::size_t changes = 1 + random() % 4; changes > 0; --changes) {
      mutate(bytes, corpus[random() % corpus.size()], random);
    }
    runner.run(bytes);
    ++mutations;
  }
  std::printf("%zu mutations survived\n", mutations);
  std::filesystem::remove(kept);
  return 0;
}
