// See results.hpp.

#include "results.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "json.hpp"
#include "owned_fd.hpp"
#include "printer.hpp"

namespace selvage::cli {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
  throw std::runtime_error(fmt::format("--results: {}: {}", path, std::generic_category().message(error)));
}

class new_file {
 public:
  explicit new_file(std::string path) : path_(std::move(path)) {
    constexpr mode_t mode = 0666;
    fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd_) fail(path_, errno);
  }
  void write(std::string_view text) const {
    if (const int error = try_to_write_all(fd_.get(), text)) fail(path_, error);
  }

 private:
  std::string path_;
  owned_fd fd_;
};

}  // namespace

result_folder::result_folder(std::string path, const job_files& files) : path_(std::move(path)), files_(files) {
  std::error_code problem;
  if (!path_.empty()) std::filesystem::create_directories(path_, problem);
  if (problem) fail(path_, problem.value());
}

void result_folder::copy(const std::string& to, const job_output& what, int file) const {
  const new_file copy(to);
  read_output(what, file, [&](std::string_view part) { copy.write(part); });
}

void result_folder::add(const job_end& job, const job_result* wrote, const std::vector<std::string>& command) const {
  if (path_.empty()) return;
  const std::string folder = path_ + "/" + std::to_string(job.number);
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) fail(folder, problem.value());
  if (wrote != nullptr) {
    const auto [output, errors] = files_.of(wrote->place);
    copy(folder + "/stdout", wrote->output, output);
    copy(folder + "/stderr", wrote->errors, errors);
  }
  std::string about = fmt::format(R"({{"number":{},"item":{},"command":{},"attempts":{},"seconds":{:.6f})", job.number,
                                  json_text(job.item), json_list(command), job.attempts,
                                  static_cast<double>(job.run_time.count()) / 1e9);
  if (job.result != nullptr)
    about += fmt::format(R"(,"exit":{},"signal":{})", job.result->exit_status, job.result->signal);
  if (job.problem != nullptr)
    about += fmt::format(R"(,"problem":"{}","message":{})", to_string(job.problem->code()),
                         json_text(job.problem->details().message));
  new_file(folder + "/job.json").write(about + "}\n");
}

}  // namespace selvage::cli
