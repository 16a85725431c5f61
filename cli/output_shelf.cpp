// See output_shelf.hpp.

#include "output_shelf.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <selvage/error.hpp>

#include "checksum.hpp"
#include "printer.hpp"

namespace selvage::cli {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int problem) {
  throw error(errc::store_error, fmt::format("{}: the output of a job cannot be kept: {}", path.string(),
                                             std::generic_category().message(problem)));
}

/// Where the name of a stream of a place is. Requires: place != 0.
std::size_t index_of(unsigned place, std::size_t stream) { return 2 * (std::size_t{place} - 1) + stream; }

/// A name of ours: what a worker says of one, or a record that somebody has changed, leads out of no folder.
bool is_plain(const std::string& name) { return !name.empty() && name.find('/') == name.npos && name[0] != '.'; }

}  // namespace

owned_fd output_shelf::open(const std::string& name) const {
  if (!is_plain(name)) return {};
  owned_fd file(::open((folder_ / name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat found {};
  if (file && (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode))) file.reset();
  return file;
}

const std::string& output_shelf::linked_name(unsigned place, std::size_t stream) const {
  static const std::string none;
  return place == 0 || index_of(place, stream) >= names_.size() ? none : names_[index_of(place, stream)];
}

job_sources output_shelf::sources_of(const job_result& job) const {
  job_sources from;
  from.of_place_ = files_.of(job.place);
  if (folder_.empty()) return from;
  const std::array outputs{&job.output, &job.errors};
  for (std::size_t stream = 0; stream < outputs.size(); ++stream) {
    const std::string& name = outputs[stream]->file;
    if (name.empty() || name == linked_name(job.place, stream)) continue;  // it is in the file that is open
    from.of_place_[stream] = -1;
    from.opened_[stream] = open(outputs[stream]->file);
  }
  return from;
}

void output_shelf::keep(job_result& job) {
  const place_files from = files_.of(job.place);
  const std::array outputs{&job.output, &job.errors};
  for (std::size_t stream = 0; stream < outputs.size(); ++stream) {
    job_output& what = *outputs[stream];
    what.file.clear();  // whatever the worker has said
    // What was cut is of no use to a resumed run: it runs the job again.
    if (what.is_in_a_file() && from[stream] >= 0 && !job.is_incomplete)
      keep_one(what, from[stream], names_[index_of(job.place, stream)]);
  }
}

void output_shelf::keep_one(job_output& what, int file, std::string& name) {
  if (name.empty()) name = link(file);
  if (!name.empty()) {
    what.file = name;
    return;
  }
  what.file = copy(what, file);
  give_back(what, file);
  what.offset = 0;
}

// Only the run that has the store's run open makes names in its folder.
std::string output_shelf::next_name() const {
  for (unsigned number = 1;; ++number) {
    std::string name = fmt::format("output-{}", number);
    if (!std::filesystem::exists(folder_ / name)) return name;
  }
}

/// Gives a file a name. Returns: none where it cannot have one, being on another filesystem, or on one that has no
/// files without names. Source: open(2), O_TMPFILE
std::string output_shelf::link(int file) const {
  std::string name = next_name();
  const std::string from = fmt::format("/proc/self/fd/{}", file);
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, (folder_ / name).c_str(), AT_SYMLINK_FOLLOW) != 0) {
    if (errno == EXDEV || errno == ENOENT || errno == EPERM || errno == EOPNOTSUPP) return {};
    fail(folder_ / name, errno);
  }
  sync_folder();
  return name;
}

std::string output_shelf::copy(const job_output& what, int file) const {
  std::string name = next_name();
  const auto path = folder_ / name;
  constexpr mode_t mode = 0600;
  const owned_fd to(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!to) fail(path, errno);
  int problem = 0;
  try {
    read_output(what, file, [&](std::string_view part) {
      if (problem == 0) problem = try_to_write_all(to.get(), part);
    });
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  if (problem == 0 && ::fdatasync(to.get()) != 0) problem = errno;
  if (problem != 0) {
    ::unlink(path.c_str());
    fail(path, problem);
  }
  sync_folder();
  return name;
}

void output_shelf::sync_folder() const {
  const owned_fd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || (::fsync(folder.get()) != 0 && errno != EINVAL)) fail(folder_, errno);  // EINVAL: it cannot be synced
}

bool output_shelf::holds(const job_result& job) {
  for (const job_output* what : {&job.output, &job.errors}) {
    if (what->file.empty()) continue;
    const owned_fd file = open(what->file);
    checksum sum;
    try {
      if (file) read_output(*what, file.get(), [&](std::string_view part) { sum.add(part); });
    } catch (const std::runtime_error&) {
      sum = checksum();  // of a disk that fails
    }
    if (file && sum.value() == what->checksum) continue;
    if (told_.insert(what->file).second) {
      fmt::print(stderr, "selvage: {}: output that was kept there is gone or damaged: its jobs are run again\n",
                 (folder_ / what->file).string());
    }
    return false;
  }
  return true;
}

}  // namespace selvage::cli
