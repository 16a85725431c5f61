// How a segment is made and mapped: see segment.hpp.

#include "shm/segment.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <selvage/error.hpp>
#include "base/signals_blocked.hpp"
#include "base/syscalls.hpp"

namespace selvage::shm {
namespace {

namespace interprocess = boost::interprocess;

constexpr const char* shm_folder = "/dev/shm";
constexpr const char* name_prefix = "selvage-";

std::string fresh_name() {
  std::uint64_t random = 0;
  base::check(base::retry_eintr([&] { return ::getrandom(&random, sizeof random, 0); }), "getrandom");
  return name_prefix + std::to_string(::getpid()) + "-" + std::to_string(random);
}

// A creator that is killed between open and unlink leaves an empty name with its pid in it. Names with a size, of
// living processes, or of other users are left alone.
void sweep_orphaned_names() noexcept {
  DIR* folder = ::opendir(shm_folder);
  if (folder == nullptr) return;
  const std::size_t prefix = std::strlen(name_prefix);
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): nobody else has this DIR
    if (std::strncmp(entry->d_name, name_prefix, prefix) != 0) continue;
    const int creator = std::atoi(entry->d_name + prefix);
    if (creator <= 0 || creator == ::getpid() || ::kill(creator, 0) == 0 || errno != ESRCH) continue;
    struct stat info;
    if (::fstatat(::dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(info.st_mode) && info.st_size == 0 && info.st_uid == ::geteuid())
      ::unlinkat(::dirfd(folder), entry->d_name, 0);
  }
  ::closedir(folder);
}

base::unique_fd own_copy(const interprocess::shared_memory_object& object) {
  return base::unique_fd(
      base::check(::fcntl(object.get_mapping_handle().handle, F_DUPFD_CLOEXEC, 3), "fcntl(F_DUPFD_CLOEXEC)"));
}

descriptors open_twice() {
  sweep_orphaned_names();
  const std::string name = fresh_name();
  try {
    interprocess::permissions owner_only(0600);
    interprocess::shared_memory_object writable(interprocess::create_only, name.c_str(), interprocess::read_write,
                                                owner_only);
    struct unlinker {
      const std::string& name;
      ~unlinker() { interprocess::shared_memory_object::remove(name.c_str()); }
    } unlink_at_once{name};
    interprocess::shared_memory_object readable(interprocess::open_only, name.c_str(), interprocess::read_only);
    return {own_copy(writable), own_copy(readable)};
  } catch (const interprocess::interprocess_exception& problem) {
    base::throw_errno(problem.get_native_error(), "creating a shared-memory object under /dev/shm");
  }
}

void reserve_or_throw(const descriptors& segment, std::uint64_t offset, std::uint64_t bytes) {
  const int error = reserve(segment.read_write.get(), offset, bytes);
  if (error == 0) return;
  throw selvage::error(errc::payload_exhausted, std::string("the pool's control pages could not be reserved: ") +
                                                    ::strerrordesc_np(error) + "; " + shared_memory_figures(bytes));
}

segment_header header_of(const geometry& shape) noexcept {
  return {.format = format_word,
          .lanes = shape.lanes,
          .reserved = 0,
          .request_arena_bytes = shape.request_arena_bytes,
          .response_arena_bytes = shape.response_arena_bytes,
          .segment_bytes = shape.segment_bytes()};
}

// What boost::interprocess::mapped_region asks of a thing that can be mapped.
struct mappable {
  int fd;
  interprocess::mode_t mode;
  [[nodiscard]] interprocess::mapping_handle_t get_mapping_handle() const {
    return interprocess::ipcdetail::mapping_handle_from_file_handle(fd);
  }
  [[nodiscard]] interprocess::mode_t get_mode() const { return mode; }
};

}  // namespace

descriptors create_segment(const geometry& shape) {
  descriptors segment = open_twice();
  base::check(base::retry_eintr(
                  [&] { return ::ftruncate(segment.read_write.get(), static_cast<off_t>(shape.segment_bytes())); }),
              "ftruncate of the shared-memory segment");
  reserve_or_throw(segment, 0, shape.request_offset(0));
  for (unsigned lane = 0; lane < shape.lanes; ++lane) {
    reserve_or_throw(segment, shape.request_offset(lane), request_layout::arena);
    reserve_or_throw(segment, shape.response_offset(lane), response_layout::arena);
  }
  const segment_header header = header_of(shape);
  base::check(::pwrite(segment.read_write.get(), &header, sizeof header, 0), "writing the segment's header");
  return segment;
}

void check_segment(const descriptors& segment, const geometry& shape) {
  segment_header found{};
  const segment_header wanted = header_of(shape);
  base::check(::pread(segment.read_only.get(), &found, sizeof found, 0), "reading the segment's header");
  if (std::memcmp(&found, &wanted, sizeof found) != 0) {
    throw selvage::error(errc::worker_start_failed,
                         "the shared-memory segment was laid out by another build of Selvage: host and worker must be "
                         "the same executable");
  }
}

// A kernel whose tmpfs gives back what it has reserved whenever a signal is pending (6.1 does) would never come to the
// end under a profiler's timer. What interrupts all the same, a debugger for one, does not come back at once.
int reserve(int read_write_fd, std::uint64_t offset, std::uint64_t bytes) noexcept {
  const base::signals_blocked quiet;
  const int result = base::retry_eintr(
      [&] { return ::fallocate(read_write_fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)); });
  return result == 0 ? 0 : errno;
}

int reserve_mapped(std::byte* address, std::size_t bytes) noexcept {
  const int result = base::retry_eintr([&] { return ::madvise(address, bytes, MADV_POPULATE_WRITE); });
  return result == 0 ? 0 : errno;
}

std::string shared_memory_figures(std::uint64_t requested) {
  struct statvfs space;
  std::string figures = std::to_string(requested) + " bytes requested";
  if (::statvfs(shm_folder, &space) == 0) {
    figures += ", /dev/shm has " + std::to_string(space.f_bavail * space.f_frsize) + " free of " +
               std::to_string(space.f_blocks * space.f_frsize);
  }
  return figures + "; enlarge /dev/shm (docker: --shm-size) or lower the pool's arena sizes";
}

// A union, so that the range of an abandoned mapping is forgotten: mapped_region's destructor would unmap it.
struct mapping::region {
  union {
    interprocess::mapped_region mapped;
  };
  bool abandoned = false;

  region() : mapped() {}
  region(const region&) = delete;
  region& operator=(const region&) = delete;
  ~region() {
    if (!abandoned) mapped.~mapped_region();
  }
};

mapping::mapping() noexcept = default;
mapping::mapping(mapping&&) noexcept = default;
mapping& mapping::operator=(mapping&&) noexcept = default;
mapping::~mapping() = default;

mapping::mapping(int fd, access rights, std::uint64_t offset, std::size_t bytes, void* at) : region_(new region) {
  const auto mode = rights == access::read_only ? interprocess::read_only : interprocess::read_write;
  try {
    // MAP_FIXED: Boost would otherwise refuse an address inside the range that the caller has reserved.
    const interprocess::map_options_t options = at == nullptr ? interprocess::default_map_options : MAP_FIXED;
    region_->mapped = interprocess::mapped_region(mappable{fd, mode}, mode, static_cast<interprocess::offset_t>(offset),
                                                  bytes, at, options);
  } catch (const interprocess::interprocess_exception& problem) {
    base::throw_errno(problem.get_native_error(),
                      "mapping " + std::to_string(bytes) + " bytes of the shared-memory segment");
  }
  base::check(::madvise(data(), bytes, MADV_DONTFORK), "madvise(MADV_DONTFORK)");
}

std::byte* mapping::data() const noexcept {
  return region_ ? static_cast<std::byte*>(region_->mapped.get_address()) : nullptr;
}

std::size_t mapping::size() const noexcept { return region_ ? region_->mapped.get_size() : 0; }

void mapping::abandon() noexcept {
  if (region_) region_->abandoned = true;
  region_.reset();
}

}  // namespace selvage::shm
