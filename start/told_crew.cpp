// The message of spawn_orders.cpp as a crew, in the fresh process, which finds there what the host has named. See
// spawn.hpp.

#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>

#include <selvage/error.hpp>

#include "base/syscalls.hpp"
#include "start/import.hpp"
#include "start/modules.hpp"
#include "start/spawn.hpp"

namespace selvage::launch {
namespace {

namespace wire = schema::wire;

using plain_function = void (*)();

[[noreturn]] void unfit(const std::string& why) { throw error(errc::worker_start_failed, why); }

/// Finds in this process what a message names.
class place_reader {
 public:
  explicit place_reader(const std::vector<std::unique_ptr<wire::ModuleT>>& modules) {
    for (const auto& named : modules) {
      in_.push_back(loaded_.find(named->build_id));
      if (in_.back() == nullptr) {
        unfit(
            fmt::format("{} is not loaded in the fresh process, or is another build there: link it, or load it before "
                        "selvage::init",
                        named->path));
      }
    }
  }

  void* operator()(const wire::Place& place, const std::string& what) const {
    void* const address =
        place.in_module() < in_.size() ? address_in(*in_[place.in_module()], place.offset()) : nullptr;
    if (address == nullptr) unfit(what + " is not where the orders say");
    return address;
  }

 private:
  loaded_modules loaded_;
  std::vector<const loaded_module*> in_;
};

// What a callable without state is called on: any address that fits its alignment.
alignas(128) constexpr std::byte no_state{};

void take_tasks(told_crew& it, const schema::spawn_orders& orders, const place_reader& at) {
  it.workers.tasks.reserve(orders.tasks.size());
  it.functions.resize(orders.tasks.size());  // once: the tasks point into it
  for (std::size_t i = 0; i < orders.tasks.size(); ++i) {
    const wire::SpawnedTaskT& told = *orders.tasks[i];
    const auto check = reinterpret_cast<decltype(detail::task_record::signature_check)>(
        at(*told.signature_check, "the signature of " + told.name));
    if (check() != told.signature_hash) unfit("task '" + told.name + "' has another signature here");
    detail::task_entry entry{.name = told.name, .closure = &no_state, .run = nullptr};
    entry.run = reinterpret_cast<detail::task_thunk>(at(*told.run, "the thunk of " + told.name));
    if (!told.library.empty()) {
      if (entry.run != &run_imported) unfit("task '" + told.name + "' is imported otherwise here");
      import_place& place = it.imports.emplace_back();
      place.library = told.library;
      place.name = told.exported_as;
      place.signature_hash = told.signature_hash;
      entry.closure = &place;
    }
    if (told.function) {
      const void* const function = at(*told.function, "the function of " + told.name);
      std::memcpy(it.functions[i].bytes, &function, sizeof function);
      entry.closure = it.functions[i].bytes;
    }
    it.workers.tasks.push_back(std::move(entry));
  }
}

void set_close_on_exec(int fd, bool wanted) {
  const int flags = ::fcntl(fd, F_GETFD);
  if (flags == -1) unfit(fmt::format("descriptor {} did not arrive", fd));
  base::check(::fcntl(fd, F_SETFD, wanted ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC), "fcntl(F_SETFD)");
}

void take_descriptors(told_crew& it, const schema::spawn_orders& orders) {
  for (const wire::InheritedFd& fd : orders.inherit) {
    set_close_on_exec(fd.number(), fd.close_on_exec());
    it.workers.options.inherit.push_back(fd.number());
  }
  for (const int fd : orders.event_fds) set_close_on_exec(fd, true);
  for (const int fd : {orders.read_write_fd, orders.read_only_fd, orders.bell_fd}) set_close_on_exec(fd, true);
  it.workers.event_fds = orders.event_fds;
  it.workers.read_write_fd = orders.read_write_fd;
  it.workers.read_only_fd = orders.read_only_fd;
  it.segment.read_write.reset(orders.read_write_fd);
  it.segment.read_only.reset(orders.read_only_fd);
  it.bell.reset(orders.bell_fd);
}

std::optional<unsigned> optional_of(const flatbuffers::Optional<std::uint32_t>& told) {
  return told.has_value() ? std::optional<unsigned>(*told) : std::nullopt;
}

permissions taken(const wire::PermissionOrdersT& told) {
  return permissions(
      permissions::grants{.from = told.strict ? permissions::foundation::strict : permissions::foundation::unsafe,
                          .read = told.read,
                          .write = told.write,
                          .run = told.run,
                          .environment = told.environment,
                          .tcp_connect = told.tcp_connect,
                          .tcp_listen = told.tcp_listen,
                          .udp = told.udp,
                          .console = told.console,
                          .jit = told.jit,
                          .best_effort = told.best_effort,
                          .threads = optional_of(told.threads)});
}

host::worker_class taken(const wire::ClassOrdersT& told) {
  return {.limits = {.memory_bytes = told.memory_bytes,
                     .cpu_ns = told.cpu_ns,
                     .file_bytes = told.file_bytes,
                     .stack_bytes = told.stack_bytes,
                     .files = told.files,
                     .threads = told.threads,
                     .threads_if_possible = told.threads_if_possible,
                     .may_fork = told.may_fork,
                     .may_leave_session = told.may_leave_session,
                     .threads_seen = told.threads_seen},
          .allowed = taken(*told.permissions)};
}

void take_classes(told_crew& it, const wire::WorkerOrdersT& worker) {
  std::vector<host::worker_class> classes;
  for (const auto& each : worker.classes) classes.push_back(taken(*each));
  if (classes.empty() || it.workers.shape.lanes % classes.size() != 0)
    unfit("the orders contradict themselves about the classes of workers");
  it.workers.kinds = kinds_of(classes, worker.kill_on_violation ? on_violation::kill : on_violation::refuse);
}

void take_options(pool_options& it, const schema::spawn_orders& orders, const place_reader& at) {
  using std::chrono::nanoseconds;
  const wire::WorkerOrdersT& worker = *orders.worker;
  it.arena = {.initial = {worker.arena_initial}, .maximum = {worker.arena_maximum}, .growable = worker.arena_growable};
  it.spin.worker = nanoseconds(worker.spin_ns);
  it.spin.pause = worker.spin_pause;
  it.spin.park = nanoseconds(worker.park_ns);
  it.time_slice = nanoseconds(worker.time_slice_ns);
  it.name = orders.name;
  it.capture_stderr = orders.capture_stderr;
  it.recycle.resident = {orders.recycle->resident_bytes};
  it.recycle.age = nanoseconds(orders.recycle->age_ns);
  it.recycle.jitter = orders.recycle->jitter;
  it.restart = {.budget = orders.restart->budget,
                .backoff = nanoseconds(orders.restart->backoff_ns),
                .backoff_limit = nanoseconds(orders.restart->backoff_limit_ns),
                .start_timeout = nanoseconds(orders.restart->start_timeout_ns)};
  const auto function = [&](const wire::Place& place, const char* name) {
    return reinterpret_cast<plain_function>(at(place, name));
  };
  if (worker.initializer) it.initializer = function(*worker.initializer, "pool_options::initializer");
  if (worker.finalizer) it.finalizer = function(*worker.finalizer, "pool_options::finalizer");
}

void check_build_and_shape(const schema::spawn_orders& orders) {
  if (orders.format != shm::format_word) unfit("the fresh process has another build of Selvage than its host");
  if (orders.lanes < 1 || orders.lanes > shm::max_lanes || orders.event_fds.size() != orders.lanes) {
    unfit("the orders contradict themselves about the number of workers");
  }
}

}  // namespace

std::unique_ptr<told_crew> crew_of(const schema::spawn_orders& orders) {
  check_build_and_shape(orders);
  auto it = std::make_unique<told_crew>();
  take_descriptors(*it, orders);
  it->workers.shape = {.lanes = orders.lanes,
                       .request_arena_bytes = orders.request_arena_bytes,
                       .response_arena_bytes = orders.response_arena_bytes};
  shm::check_segment(it->segment, it->workers.shape);
  const place_reader at(orders.modules);
  take_options(it->workers.options, orders, at);
  it->workers.payload_cap = orders.worker->payload_cap;
  take_tasks(*it, orders, at);
  take_classes(*it, *orders.worker);
  return it;
}

}  // namespace selvage::launch
