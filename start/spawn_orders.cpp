// A pool's launch request as a message, in the host; the message as a crew, in the fresh process. See spawn.hpp.

#include <fcntl.h>
#include <fmt/format.h>

#include <boost/pfr/tuple_size.hpp>
#include <cstring>
#include <limits>
#include <unordered_map>

#include <selvage/error.hpp>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
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
static_assert(boost::pfr::tuple_size_v<pool_options> == 26);
static_assert(boost::pfr::tuple_size_v<permissions::grants> == 11);

// ---- in the host --------------------------------------------------------------------------------------------------

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
  if (!task.stateless && task.function == nullptr) {
    refuse(
        task.name,
        "it has captured state, which does not reach the fresh processes of start::spawn: give it a plain function or "
        "a lambda without captures, or use start::fork");
  }
  auto it = std::make_unique<wire::SpawnedTaskT>();
  it->name = task.name;
  it->run = std::make_unique<wire::Place>(place(reinterpret_cast<const void*>(task.run), "its thunk", task.name));
  it->signature_hash = task.signature_hash;
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

std::unique_ptr<wire::PermissionOrdersT> told(const permissions::grants& given, on_violation then) {
  auto it = std::make_unique<wire::PermissionOrdersT>();
  it->strict = given.from != permissions::foundation::unsafe;
  it->read = given.read;
  it->write = given.write;
  it->environment = given.environment;
  it->tcp_connect = given.tcp_connect;
  it->tcp_listen = given.tcp_listen;
  it->udp = given.udp;
  it->console = given.console;
  it->jit = given.jit;
  it->best_effort = given.best_effort;
  if (given.threads) it->threads = *given.threads;
  it->kill_on_violation = then == on_violation::kill;
  return it;
}

std::unique_ptr<wire::WorkerOrdersT> worker_orders_of(const detail::launch_request& request, place_writer& place) {
  auto it = std::make_unique<wire::WorkerOrdersT>();
  const pool_options& options = request.options;
  it->payload_cap = request.payload_cap;
  it->memory_bytes = options.memory.count;
  it->cpu_ns = options.cpu.count();
  it->files = options.files;
  it->file_size = options.file_size.count;
  it->stack_bytes = options.stack.count;
  it->spin_ns = options.spin.worker.count();
  it->spin_pause = options.spin.pause;
  it->park_ns = options.spin.park.count();
  it->arena_initial = options.arena.initial.count;
  it->arena_maximum = options.arena.maximum.count;
  it->arena_growable = options.arena.growable;
  it->initializer = told(options.initializer, "initializer", place);
  it->finalizer = told(options.finalizer, "finalizer", place);
  it->permissions = told(options.permissions.granted(), options.on_violation);
  return it;
}

// ---- in the fresh process -----------------------------------------------------------------------------------------

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

void take_options(pool_options& it, const schema::spawn_orders& orders, const place_reader& at) {
  using std::chrono::nanoseconds;
  const wire::WorkerOrdersT& worker = *orders.worker;
  it.arena = {.initial = {worker.arena_initial}, .maximum = {worker.arena_maximum}, .growable = worker.arena_growable};
  it.memory = {worker.memory_bytes};
  it.cpu = nanoseconds(worker.cpu_ns);
  it.files = worker.files;
  it.file_size = {worker.file_size};
  it.stack = {worker.stack_bytes};
  it.spin.worker = nanoseconds(worker.spin_ns);
  it.spin.pause = worker.spin_pause;
  it.spin.park = nanoseconds(worker.park_ns);
  const wire::PermissionOrdersT none;
  const wire::PermissionOrdersT& granted = worker.permissions ? *worker.permissions : none;
  it.permissions = permissions(
      permissions::grants{.from = granted.strict ? permissions::foundation::strict : permissions::foundation::unsafe,
                          .read = granted.read,
                          .write = granted.write,
                          .environment = granted.environment,
                          .tcp_connect = granted.tcp_connect,
                          .tcp_listen = granted.tcp_listen,
                          .udp = granted.udp,
                          .console = granted.console,
                          .jit = granted.jit,
                          .best_effort = granted.best_effort,
                          .threads = optional_of(granted.threads)});
  it.on_violation = granted.kill_on_violation ? on_violation::kill : on_violation::refuse;
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
  it->workers.seal = seal_of(it->workers.options);
  return it;
}

}  // namespace selvage::launch
