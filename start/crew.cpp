// A worker's birth, and the supervisor's orders: the same whether the supervisor was forked or spawned.

#include <algorithm>
#include <utility>

#include "start/launch.hpp"
#include "worker/sandbox/filter.hpp"
#include "worker/worker.hpp"

namespace selvage::launch {
namespace {

// An unsafe worker keeps the environment that there is, and a fresh process has none of its own.
std::optional<std::vector<std::string>> environment_of(const permissions::grants& it) {
  if (it.from == permissions::foundation::unsafe && it.environment.empty()) return std::nullopt;
  return it.environment;
}

worker::sandbox::plan seal_of(const permissions& allowed, on_violation then, worker::sandbox::place_keeper& keeper) {
  using worker::sandbox::grant;
  if (!allowed.is_strict()) return {};
  const permissions::grants& it = allowed.granted();
  const bool tcp = !it.tcp_connect.empty() || !it.tcp_listen.empty();
  grant granted = grant::none;
  if (!it.read.empty()) granted = granted | grant::read;
  if (!it.write.empty()) granted = granted | grant::write;
  if (!it.run.empty()) granted = granted | grant::run;
  if (tcp || it.udp) granted = granted | grant::network;
  if (!it.tcp_listen.empty()) granted = granted | grant::listen;
  const worker::sandbox::filter_grants for_filter = {
      .granted = granted, .tcp = tcp, .udp = it.udp, .jit = it.jit, .then = then};
  return {.files_and_ports = {.places = keeper.hold({.read = it.read, .write = it.write, .run = it.run}),
                              .tcp_connect = it.tcp_connect,
                              .tcp_listen = it.tcp_listen},
          .program = worker::sandbox::build_filter(for_filter),
          .then = then,
          .jit = it.jit,
          .traps = for_filter.traps()};
}

}  // namespace

std::vector<worker_kind> kinds_of(std::span<const host::worker_class> classes, on_violation then) {
  std::vector<worker_kind> kinds;
  worker::sandbox::place_keeper keeper;
  kinds.reserve(classes.size());
  for (const host::worker_class& each : classes) kinds.push_back({each, seal_of(each.allowed, then, keeper)});
  return kinds;
}

void enter_worker(const crew& crew, const supervisor::worker_birth& birth) {
  const worker::seat place{.shape = crew.shape,
                           .lane = birth.lane,
                           .epoch = birth.epoch,
                           .read_write_fd = crew.read_write_fd,
                           .read_only_fd = crew.read_only_fd,
                           .event_fd = crew.event_fds[birth.lane],
                           .stderr_fd = birth.stderr_fd,
                           .supervisor_pidfd = birth.supervisor_pidfd,
                           .guard_line = birth.guard_line};
  const arena_options& arena = crew.options.arena;
  const worker_kind& kind = crew.of_lane(birth.lane);
  const permissions::grants& granted = kind.of.allowed.granted();
  const worker::settings given{
      .name = crew.options.name,
      .response_initial_bytes = arena.growable ? arena.initial.count : arena.maximum.count,
      .payload_cap_bytes = crew.payload_cap,
      .limits = kind.of.limits,
      .idle = {.spin = crew.options.spin.worker, .pause = crew.options.spin.pause, .park = crew.options.spin.park},
      .time_slice = crew.options.time_slice,
      .seal = kind.seal,
      .console = granted.console || granted.from == permissions::foundation::unsafe,
      .environment = environment_of(granted),
      .inherit = crew.options.inherit,
      .initializer = crew.options.initializer,
      .finalizer = crew.options.finalizer};
  worker::run(place, given, crew.tasks);
}

namespace {

// The supervisor's orders for this crew, but for what it owns.
supervisor::orders orders_for(const crew& crew) {
  supervisor::orders orders;
  orders.shape = crew.shape;
  orders.recycle.resident_bytes = crew.options.recycle.resident.count;
  orders.recycle.age = crew.options.recycle.age;
  orders.recycle.jitter = crew.options.recycle.jitter;
  orders.restart.budget = crew.options.restart.budget;
  orders.restart.backoff_first = crew.options.restart.backoff;
  orders.restart.backoff_limit = crew.options.restart.backoff_limit;
  orders.restart.start_timeout = crew.options.restart.start_timeout;
  orders.name = crew.options.name;
  orders.capture_stderr = crew.options.capture_stderr;
  orders.keep = crew.options.inherit;
  orders.keep.insert(orders.keep.end(), crew.event_fds.begin(), crew.event_fds.end());
  for (const worker_kind& kind : crew.kinds) {
    const std::vector<int> held = kind.seal.held_descriptors();
    orders.keep.insert(orders.keep.end(), held.begin(), held.end());
  }
  std::sort(orders.keep.begin(), orders.keep.end());
  orders.worker_events = crew.event_fds;
  for (unsigned lane = 0; lane < crew.shape.lanes; ++lane) orders.limits.push_back(crew.of_lane(lane).of.limits);
  return orders;
}

}  // namespace

void become_supervisor(const crew& workers, supervisor_kit kit) {
  supervisor::orders orders = orders_for(workers);
  orders.segment = std::move(kit.segment);
  orders.bell = std::move(kit.bell);
  orders.host_pidfd = std::move(kit.host_pidfd);
  orders.host_pid = kit.host_pid;
  orders.enter_worker = [&workers](const supervisor::worker_birth& birth) { enter_worker(workers, birth); };
  supervisor::run(std::move(orders));
}

}  // namespace selvage::launch
