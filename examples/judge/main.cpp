// judge: an online judge in small. Without arguments it judges samples of its own, one for each verdict; with a source
// and a folder of cases (1.in, 1.out, 2.in, ...) it judges that.
//
//   judge                       the samples
//   judge SOURCE.cpp CASES      one program

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <selvage/init.hpp>

#include "judge.hpp"

namespace fs = std::filesystem;

namespace {

struct sample {
  const char* name;
  const char* verdict;
  const char* source;
};

// Each is to print the sum of two numbers.
constexpr sample samples[] = {
    {"right", "accepted",
     "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b << '\\n'; }"},
    {"wrong", "wrong answer", "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a - b; }"},
    {"spinning", "time limit", "int main() { for (volatile int i = 0;; i = i + 1) {} }"},
    {"sleeping", "time limit", "#include <unistd.h>\nint main() { pause(); }"},
    {"greedy", "memory limit",
     "#include <vector>\nint main() { std::vector<std::vector<char>> all; for (;;) all.emplace_back(1 << 20, 'x'); }"},
    {"crashing", "runtime error", "int main() { int* volatile nowhere = nullptr; return *nowhere; }"},
    {"failing", "runtime error", "int main() { return 3; }"},
    {"talking", "output limit", "#include <cstdio>\nint main() { for (;;) std::puts(\"on and on and on\"); }"},
    {"calling_out", "denied system call",
     "#include <sys/socket.h>\nint main() { return socket(AF_INET, SOCK_STREAM, 0) < 0; }"},
    {"reading_files", "wrong answer",
     "#include <fstream>\n#include <iostream>\nint main() { std::ifstream f(\"/etc/passwd\"); std::cout << f.rdbuf(); "
     "}"},
    {"no_program", "compile error", "int main() { return nonsense; }"},
};

/// A folder of our own, gone with the program.
class work_folder {
 public:
  work_folder() : path_(fs::temp_directory_path() / ("selvage-judge-" + std::to_string(::getpid()))) {
    fs::create_directories(path_ / "programs");
  }
  work_folder(const work_folder&) = delete;
  work_folder& operator=(const work_folder&) = delete;
  ~work_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] fs::path programs() const { return path_ / "programs"; }
  [[nodiscard]] fs::path source(const std::string& name) const { return path_ / (name + ".cpp"); }

 private:
  fs::path path_;
};

std::string content_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<test_case> cases_in(const fs::path& folder) {
  std::vector<test_case> all;
  for (int number = 1; fs::exists(folder / (std::to_string(number) + ".in")); ++number) {
    all.push_back({content_of(folder / (std::to_string(number) + ".in")),
                   content_of(folder / (std::to_string(number) + ".out"))});
  }
  if (all.empty()) throw std::runtime_error("no cases in " + folder.string() + ": 1.in and 1.out are looked for");
  return all;
}

void print(const std::string& name, const judgement& given, std::size_t cases) {
  std::printf("%-14s %-20s %zu of %zu  %s\n", name.c_str(), given.verdict.c_str(), given.passed, cases,
              given.detail.c_str());
}

int judge_samples(judge& by, const work_folder& folder) {
  const std::vector<test_case> cases = {
      {"1 2\n", "3\n"}, {"-5 5\n", "0\n"}, {"2000000000 2000000000\n", "4000000000\n"}};
  int surprises = 0;
  for (const sample& each : samples) {
    std::ofstream(folder.source(each.name)) << each.source << '\n';
    const judgement given = by.of(each.name, folder.source(each.name), cases);
    print(each.name, given, cases.size());
    if (given.verdict == each.verdict) continue;
    std::printf("  was expected to be: %s\n", each.verdict);
    ++surprises;
  }
  return surprises == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  selvage::init(argc, argv);
  if (argc != 1 && argc != 3) {
    std::fputs("usage: judge [SOURCE.cpp CASES]\n", stderr);
    return 2;
  }
  try {
    const work_folder folder;
    judge by(folder.programs(), {});
    if (argc == 1) return judge_samples(by, folder);
    const auto cases = cases_in(argv[2]);
    const judgement given = by.of("submission", argv[1], cases);
    print(fs::path(argv[1]).filename(), given, cases.size());
    return given.verdict == "accepted" ? 0 : 1;
  } catch (const selvage::error& problem) {
    std::fprintf(stderr, "judge: %s\n", problem.report().c_str());
    // Programs may be signalled, which only Landlock's scope confines: an older kernel has no judge.
    return problem.code() == selvage::errc::sandbox_unavailable ? 77 : 1;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "judge: %s\n", problem.what());
    return 1;
  }
}
