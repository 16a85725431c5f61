// See job_files.hpp.

#include "job_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include "checksum.hpp"
#include "printer.hpp"

namespace selvage::cli {
namespace {

std::uint64_t size_of_file(int fd) {
  struct stat found {};
  return ::fstat(fd, &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

/// None on a filesystem without O_TMPFILE.
owned_fd open_unnamed(const std::string& folder) {
  constexpr mode_t mode = 0600;
  return owned_fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, mode));
}

/// Where it can be given a name later, if it may be.
owned_fd make_place_file(const std::string& store) {
  if (!store.empty()) {
    if (owned_fd file = open_unnamed(store)) return file;
  }
  return make_unnamed_file();
}

}  // namespace

owned_fd make_unnamed_file() {
  const char* const given = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const std::string folder = given != nullptr && *given != '\0' ? given : "/tmp";
  if (owned_fd file = open_unnamed(folder)) return file;
  std::string name = folder + "/selvage-job-XXXXXX";  // a filesystem without O_TMPFILE
  owned_fd file(::mkostemp(name.data(), O_APPEND | O_CLOEXEC));
  if (!file) {
    throw std::runtime_error(fmt::format("{}: no file can be made for the output of jobs: {} (TMPDIR is where they go)",
                                         folder, std::generic_category().message(errno)));
  }
  ::unlink(name.c_str());
  return file;
}

job_files::job_files(unsigned jobs, const std::string& store) : are_lasting_(!store.empty()) {
  for (unsigned i = 0; i < jobs; ++i) files_.push_back({make_place_file(store), make_place_file(store)});
  if (jobs == 0) return;
  void* const shared =
      ::mmap(nullptr, jobs * sizeof(job_begin), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    throw std::runtime_error("no memory for the jobs: " + std::generic_category().message(errno));
  begins_ = {static_cast<job_begin*>(shared), jobs};
  std::uninitialized_default_construct(begins_.begin(), begins_.end());
}

job_files::~job_files() {
  if (!begins_.empty()) ::munmap(begins_.data(), begins_.size_bytes());
}

place_files job_files::of(unsigned place) const noexcept {
  if (place == 0 || place > files_.size()) return {-1, -1};
  const auto& files = files_[place - 1];
  return {files[0].get(), files[1].get()};
}

std::vector<int> job_files::all() const {
  std::vector<int> both;
  for (const auto& files : files_) {
    for (const owned_fd& each : files) both.push_back(each.get());
  }
  return both;
}

std::optional<job_outputs> job_files::left_by(const failed_attempt& of_whom) const {
  const job_begin& begin = begin_of(of_whom.place);
  const std::uint32_t attempt = begin.attempt.load(std::memory_order_acquire);  // SYNC job_begin
  if (attempt != of_whom.attempt || begin.ordinal != of_whom.ordinal) return std::nullopt;
  const place_files files = of(of_whom.place);
  job_outputs left;
  for (std::size_t stream = 0; stream < left.size(); ++stream) {
    const std::uint64_t end = size_of_file(files[stream]);
    const std::uint64_t first = std::min(begin.sizes[stream], end);  // whatever a worker has noted
    left[stream] = {.text = {}, .size = end - first, .offset = first};
  }
  return left;
}

void job_begin::note(const item_context& of, const std::array<std::uint64_t, 2>& sizes_before) noexcept {
  attempt.exchange(0, std::memory_order_acquire);  // SYNC job_begin: what follows stays behind it
  ordinal = of.ordinal;
  sizes = sizes_before;
  attempt.store(of.attempt, std::memory_order_release);  // SYNC job_begin: the rest is there
}

place_writer::place_writer(const job_files& files, const item_context& context) : files_(files.of(context.place)) {
  for (std::size_t stream = 0; stream < written_.size(); ++stream)
    written_[stream].offset = size_of_file(files_[stream]);
  if (files.are_lasting()) {
    for (auto& sum : sums_) sum.emplace();
  }
  files.begin_of(context.place).note(context, {written_[0].offset, written_[1].offset});
}

// The job is read to its end however full the disk is: it would wait for that for ever.
void place_writer::take(std::size_t stream, std::string_view text) {
  written_[stream].append(text);
  if (sums_[stream]) sums_[stream]->add(text);
  if (!is_full_[stream]) is_full_[stream] = try_to_write_all(files_[stream], text) != 0;
}

job_outputs place_writer::finish() {
  for (std::size_t stream = 0; stream < written_.size(); ++stream) {
    job_output& all = written_[stream];
    if (all.size == 0) continue;
    if (all.size <= job_output::longest_text) {
      (void)!::ftruncate(files_[stream], static_cast<off_t>(all.offset));  // where it may not be, it stays to the end
    } else {
      finish_long(stream);
    }
  }
  return std::move(written_);
}

void place_writer::finish_long(std::size_t stream) {
  job_output& all = written_[stream];
  if (sums_[stream]) {
    all.checksum = sums_[stream]->value();
    // Before the record that speaks of it; some filesystems cannot.
    if (::fdatasync(files_[stream]) != 0 && errno != EINVAL && errno != ENOSYS) is_full_[stream] = true;
  }
  if (!is_full_[stream]) return;
  is_cut_ = true;
  const std::uint64_t end = size_of_file(files_[stream]);
  all.size = end - std::min(all.offset, end);
}

}  // namespace selvage::cli
