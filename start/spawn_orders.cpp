// A pool's launch request as a message, in the host. See spawn.hpp.

#include <fcntl.h>
#include <fmt/format.h>

#include <boost/pfr/tuple_size.hpp>
#include <cstring>
#include <limits>
#include <unordered_map>

#include <selvage/error.hpp>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "start/import.hpp"
#include "start/modules.hpp"
#include "start/spawn.hpp"

namespace selvage::launch {
namespace {

namespace wire = schema::wire;

// An option that a supervisor or worker is to obey has to be told to it: by both functions below.
static_assert(boost::pfr::tuple_size_v<arena_options> == 3);
static_assert(boost::pfr::tuple_size_v<recycle_options> == 4);
static_assert(boost::pfr::tuple_size_v<restart_options> == 4);
static_assert(boost::pfr::tuple_size_v<spin_options> == 4);
static_assert(boost::pfr::tuple_size_v<pool_options> == 27);
static_assert(boost::pfr::tuple_size_v<task_options> == 8);
static_assert(boost::pfr::tuple_size_v<base::limits> == 10);
static_assert(boost::pfr::tuple_size_v<permissions::grants> == 12);

[[noreturn]] void refuse(const std::string& task, std::string message) {
  failure what;
  what.code = errc::invalid_options;
  what.task = task;
  what.message = std::move(message);
  throw error(std::move(what));
}

/// Writes places, and the modules that they are in, into a message.
class place_writer {
 public:
  explicit place_writer(std::vector<std::unique_ptr<wire::ModuleT>>& into) : into_(into) {}

  /// `what` and `task` are for the error.
  wire::Place operator()(const void* code, std::string_view what, const std::string& task = {}) {
    const auto place = loaded_.locate(code);
    if (!place) refuse(task, fmt::format("{} is in no loaded module, so that start::spawn cannot name it", what));
    const loaded_module& in = loaded_.all()[place->module];
    if (in.build_id.empty()) {
      refuse(task,
             fmt::format(
                 "{} is in {}, which has no build-id, so that start::spawn cannot name it: link with -Wl,--build-id",
                 what, in.path));
    }
    return {index_of(place->module, in), place->offset};
  }

 private:
  std::uint32_t index_of(std::size_t loaded, const loaded_module& in) {
    const auto [it, is_new] = indices_.try_emplace(loaded, static_cast<std::uint32_t>(into_.size()));
    if (is_new) {
      auto& entry = *into_.emplace_back(std::make_unique<wire::ModuleT>());
      entry.build_id = in.build_id;
      entry.path = in.path;
    }
    return it->second;
  }

  std::vector<std::unique_ptr<wire::ModuleT>>& into_;
  loaded_modules loaded_;
  std::unordered_map<std::size_t, std::uint32_t> indices_;
};

std::unique_ptr<wire::SpawnedTaskT> told(const detail::task_record& task, place_writer& place) {
  const import_place* const imported = import_of(task);
  if (imported == nullptr && !task.stateless && task.function == nullptr) {
    refuse(
        task.name,
        "it has captured state, which does not reach the fresh processes of start::spawn: give it a plain function or "
        "a lambda without captures, or use start::fork");
  }
  auto it = std::make_unique<wire::SpawnedTaskT>();
  it->name = task.name;
  it->run = std::make_unique<wire::Place>(place(reinterpret_cast<const void*>(task.run), "its thunk", task.name));
  it->signature_hash = task.signature_hash;
  if (imported != nullptr) {
    it->library = imported->library;
    it->exported_as = imported->name;
  }
  it->signature_check = std::make_unique<wire::Place>(
      place(reinterpret_cast<const void*>(task.signature_check), "its signature", task.name));
  if (task.function != nullptr)
    it->function = std::make_unique<wire::Place>(place(task.function, "its function", task.name));
  return it;
}

using plain_function = void (*)();
using quiet_function = void (*)() noexcept;

std::unique_ptr<wire::Place> told(const std::function<void()>& hook, const char* field, place_writer& place) {
  if (!hook) return nullptr;
  plain_function function = nullptr;
  if (const auto* const plain = hook.target<plain_function>()) function = *plain;
  if (const auto* const quiet = hook.target<quiet_function>()) function = *quiet;
  if (function == nullptr) {
    refuse({},
           fmt::format(
               "pool_options::{}: with start::spawn it must be a plain function (for a lambda without captures write "
               "+[] {{ ... }}), for a fresh process has none of this one's objects",
               field));
  }
  return std::make_unique<wire::Place>(
      place(reinterpret_cast<const void*>(function), fmt::format("pool_options::{}", field)));
}

std::unique_ptr<wire::PermissionOrdersT> told(const permissions::grants& given) {
  auto it = std::make_unique<wire::PermissionOrdersT>();
  it->strict = given.from != permissions::foundation::unsafe;
  it->read = given.read;
  it->write = given.write;
  it->run = given.run;
  it->environment = given.environment;
  it->tcp_connect = given.tcp_connect;
  it->tcp_listen = given.tcp_listen;
  it->udp = given.udp;
  it->console = given.console;
  it->jit = given.jit;
  it->best_effort = given.best_effort;
  if (given.threads) it->threads = *given.threads;
  return it;
}

std::unique_ptr<wire::ClassOrdersT> told(const host::worker_class& given) {
  auto it = std::make_unique<wire::ClassOrdersT>();
  it->permissions = told(given.allowed.granted());
  it->memory_bytes = given.limits.memory_bytes;
  it->cpu_ns = given.limits.cpu_ns;
  it->file_bytes = given.limits.file_bytes;
  it->stack_bytes = given.limits.stack_bytes;
  it->files = given.limits.files;
  it->threads = given.limits.threads;
  it->threads_if_possible = given.limits.threads_if_possible;
  it->may_fork = given.limits.may_fork;
  it->may_leave_session = given.limits.may_leave_session;
  it->threads_seen = given.limits.threads_seen;
  return it;
}

std::unique_ptr<wire::WorkerOrdersT> worker_orders_of(const detail::launch_request& request, place_writer& place) {
  auto it = std::make_unique<wire::WorkerOrdersT>();
  const pool_options& options = request.options;
  it->payload_cap = request.payload_cap;
  it->spin_ns = options.spin.worker.count();
  it->spin_pause = options.spin.pause;
  it->park_ns = options.spin.park.count();
  it->time_slice_ns = options.time_slice.count();
  it->arena_initial = options.arena.initial.count;
  it->arena_maximum = options.arena.maximum.count;
  it->arena_growable = options.arena.growable;
  it->initializer = told(options.initializer, "initializer", place);
  it->finalizer = told(options.finalizer, "finalizer", place);
  for (const host::worker_class& each : request.classes.classes) it->classes.push_back(told(each));
  it->kill_on_violation = options.on_violation == on_violation::kill;
  return it;
}

}  // namespace

schema::spawn_orders orders_of(const detail::launch_request& request) {
  schema::spawn_orders it;
  const pool_options& options = request.options;
  place_writer place(it.modules);
  for (const auto& task : request.tasks) it.tasks.push_back(told(*task, place));
  it.worker = worker_orders_of(request, place);
  it.format = shm::format_word;
  it.lanes = request.shape.lanes;
  it.request_arena_bytes = request.shape.request_arena_bytes;
  it.response_arena_bytes = request.shape.response_arena_bytes;
  it.read_write_fd = request.segment.read_write.get();
  it.read_only_fd = request.segment.read_only.get();
  it.bell_fd = request.bell;
  it.event_fds = request.event_fds;
  for (const int fd : options.inherit) it.inherit.emplace_back(fd, (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  it.name = options.name;
  it.capture_stderr = options.capture_stderr;
  it.recycle = std::make_unique<wire::RecycleOrdersT>();
  it.recycle->resident_bytes = options.recycle.resident.count;
  it.recycle->age_ns = options.recycle.age.count();
  it.recycle->jitter = options.recycle.jitter;
  it.restart = std::make_unique<wire::RestartOrdersT>();
  it.restart->budget = options.restart.budget;
  it.restart->backoff_ns = options.restart.backoff.count();
  it.restart->backoff_limit_ns = options.restart.backoff_limit.count();
  it.restart->start_timeout_ns = options.restart.start_timeout.count();
  return it;
}

}  // namespace selvage::launch
