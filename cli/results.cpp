// See results.hpp.

#include "results.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "json.hpp"
#include "new_file.hpp"
#include "printer.hpp"

namespace selvage::cli {
namespace {

constexpr std::string_view option = "--results";

}  // namespace

result_folder::result_folder(std::string path, const output_shelf& shelf) : path_(std::move(path)), shelf_(shelf) {
  std::error_code problem;
  if (!path_.empty()) std::filesystem::create_directories(path_, problem);
  if (problem) fail_with_file(option, path_, problem.value());
}

void result_folder::copy(const std::string& to, const job_output& what, int file) const {
  const new_file copy(option, to);
  read_output(what, file, [&](std::string_view part) { copy.write(part); });
}

void result_folder::add(const job_end& job, const job_result* wrote, const std::vector<std::string>& command) const {
  if (path_.empty()) return;
  const std::string folder = path_ + "/" + std::to_string(job.number);
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) fail_with_file(option, folder, problem.value());
  if (wrote != nullptr) {
    const job_sources from = shelf_.sources_of(*wrote);
    copy(folder + "/stdout", wrote->output, from[0]);
    copy(folder + "/stderr", wrote->errors, from[1]);
  }
  std::string about = fmt::format(R"({{"number":{},"item":{},"command":{},"attempts":{},"seconds":{:.6f})", job.number,
                                  json_text(job.item), json_list(command), job.attempts,
                                  static_cast<double>(job.run_time.count()) / 1e9);
  if (job.result != nullptr)
    about += fmt::format(R"(,"exit":{},"signal":{})", job.result->exit_status, job.result->signal);
  if (job.problem != nullptr)
    about += fmt::format(R"(,"problem":"{}","message":{})", to_string(job.problem->code()),
                         json_text(job.problem->details().message));
  new_file(option, folder + "/job.json").write(about + "}\n");
}

}  // namespace selvage::cli
