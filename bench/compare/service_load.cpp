// The load of the work "service": requests at a constant rate over connections that are kept. Open loop: a request is
// due at its time whatever became of those before it, and its latency counts from then, so that what a server that
// stands still costs is seen by all those that it keeps waiting.

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <deque>
#include <memory>
#include <system_error>

#include "arithmetic.hpp"
#include "service.hpp"
#include "work.hpp"

namespace compare {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using clock = std::chrono::steady_clock;

/// The server, in a process of its own. It ends with the object, and with this process.
class server {
 public:
  server(const std::string& form, unsigned workers) {
    std::array<int, 2> port{};
    std::array<int, 2> stop{};
    if (::pipe(port.data()) != 0 || ::pipe(stop.data()) != 0) fail("pipe");
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::close(stop[1]);
      try {
        serve(form, workers, port[1], stop[0]);
        ::_exit(0);
      } catch (const std::exception& problem) {
        std::fprintf(stderr, "the server: %s\n", problem.what());
        ::_exit(1);
      }
    }
    ::close(port[1]);
    ::close(stop[0]);
    stop_ = stop[1];
    const bool known = ::read(port[0], &port_, sizeof port_) == sizeof port_;
    ::close(port[0]);
    if (!known) throw std::runtime_error("the server has not started");
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  ~server() {
    ::close(stop_);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] tcp::endpoint endpoint() const { return {asio::ip::address_v4::loopback(), port_}; }

 private:
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  pid_t pid_ = -1;
  int stop_ = -1;
  std::uint16_t port_ = 0;
};

struct exchange {
  std::string request;
  std::string answer;
};

/// One request at a time.
class connection {
 public:
  connection(asio::io_context& io, const tcp::endpoint& to) : socket_(io) {
    socket_.connect(to);
    socket_.set_option(tcp::no_delay(true));
  }

  /// Calls `done` when the whole answer is there. Throws, out of the loop, where it is another one.
  template <class Done>
  void ask(const exchange& what, Done done) {
    asio::async_write(socket_, asio::buffer(what.request), [](error_code problem, std::size_t) { check(problem); });
    asio::async_read_until(socket_, asio::dynamic_buffer(text_), "\r\n\r\n",
                           [this, &what, done](error_code problem, std::size_t head) {
                             check(problem);
                             const std::size_t whole = head + what.answer.size();
                             const std::size_t rest = whole - std::min(whole, text_.size());
                             asio::async_read(socket_, asio::dynamic_buffer(text_), asio::transfer_exactly(rest),
                                              [this, &what, done, head](error_code trouble, std::size_t) {
                                                check(trouble);
                                                if (text_.substr(head) != what.answer || !text_.starts_with(expected))
                                                  throw std::runtime_error("another answer has come: " + text_);
                                                text_.clear();
                                                done();
                                              });
                           });
  }

 private:
  static constexpr std::string_view expected = "HTTP/1.1 200 OK\r\n";
  static void check(error_code problem) {
    if (problem) throw boost::system::system_error(problem);
  }

  tcp::socket socket_;
  std::string text_;
};

/// All requests of one route.
class load {
 public:
  struct shape {
    std::vector<exchange> what;  ///< in turn
    std::size_t warm_up;         ///< requests that are made before those that count
    std::size_t count;
    clock::duration interval;
  };

  load(asio::io_context& io, const tcp::endpoint& to, shape of, std::size_t connections)
      : of_(std::move(of)), timer_(io) {
    for (std::size_t i = 0; i < connections; ++i) connections_.push_back(std::make_unique<connection>(io, to));
    for (const auto& each : connections_) idle_.push_back(each.get());
  }

  void start(clock::time_point at) {
    begin_ = at;
    wait();
  }

  /// "NAME_p50" and so on: ns from when a request was due. "NAME_per_second": answers.
  void add_to(answer& found, const std::string& name) const {
    add_quantiles(found, name, latencies_);
    add_quantiles(found, name + "_late", late_);
    const auto first = begin_ + of_.interval * of_.warm_up;
    found[name + "_per_second"] =
        static_cast<double>(of_.count) / std::chrono::duration<double>(last_answer_ - first).count();
  }

 private:
  static void add_quantiles(answer& found, const std::string& name, std::vector<double> sorted) {
    std::ranges::sort(sorted);
    for (const auto& [part, text] : {std::pair(0.5, "_p50"), {0.99, "_p99"}, {0.999, "_p999"}})
      found[name + text] = sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
  }

  [[nodiscard]] clock::time_point due(std::size_t request) const { return begin_ + of_.interval * request; }

  void wait() {
    if (made_ == of_.warm_up + of_.count) return;
    timer_.expires_at(due(made_));
    timer_.async_wait([this](error_code) {
      for (const auto now = clock::now(); made_ < of_.warm_up + of_.count && due(made_) <= now;) {
        if (made_ >= of_.warm_up) late_.push_back(static_cast<double>((now - due(made_)).count()));
        waiting_.push_back(made_++);
      }
      send();
      wait();
    });
  }

  void send() {
    while (!waiting_.empty() && !idle_.empty()) {
      const std::size_t request = waiting_.front();
      waiting_.pop_front();
      connection* const line = idle_.back();
      idle_.pop_back();
      line->ask(of_.what[request % of_.what.size()], [this, line, request] {
        last_answer_ = clock::now();
        if (request >= of_.warm_up) latencies_.push_back(static_cast<double>((last_answer_ - due(request)).count()));
        idle_.push_back(line);
        send();
      });
    }
  }

  shape of_;
  asio::steady_timer timer_;
  std::vector<std::unique_ptr<connection>> connections_;
  std::vector<connection*> idle_;
  std::deque<std::size_t> waiting_;  ///< due, and no connection is idle
  clock::time_point begin_;
  clock::time_point last_answer_;
  std::size_t made_ = 0;
  std::vector<double> latencies_;
  std::vector<double> late_;  ///< by how much this process itself was late
};

std::uint64_t loops_for(std::uint64_t ns) {
  constexpr std::uint64_t loops = 1'000'000;
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 10; ++i) {
    const std::uint64_t begin = limits::now_ns();
    sum += item(i, loops);
    least = std::min(least, limits::now_ns() - begin);
  }
  if (sum == 0) throw std::logic_error("the arithmetic was left out");
  return loops * ns / least;
}

std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n"; }

}  // namespace

answer service(const request& asked) {
  constexpr std::size_t ping_connections = 64;
  constexpr std::size_t heavy_connections = 64;
  constexpr std::uint64_t heavy_kinds = 16;  // their answers are worked out before
  const auto workers = static_cast<unsigned>(asked.number("workers"));
  const std::uint64_t heavy_us = asked.number("heavy_us");
  const std::uint64_t pings = asked.number("pings");
  const auto ping_interval = std::chrono::nanoseconds(std::nano::den / asked.number("per_second"));
  const auto heavy_interval =
      std::chrono::nanoseconds(heavy_us * 1000 * 100 / (asked.number("load_percent") * workers));
  const std::uint64_t loops = loops_for(heavy_us * 1000);
  std::vector<exchange> heavy;
  for (std::uint64_t i = 0; i < heavy_kinds; ++i)
    heavy.push_back({get("/heavy/" + std::to_string(i) + "/" + std::to_string(loops)), std::to_string(item(i, loops))});

  const server at(asked.peer, workers);
  // The server is forked: what follows is for the load alone. Where it is not permitted, the load is late as anybody.
  const sched_param first{.sched_priority = 1};
  ::sched_setscheduler(0, SCHED_RR, &first);
  asio::io_context io(1);
  const auto heavy_in = [&](std::uint64_t requests) {
    return static_cast<std::size_t>(ping_interval * requests / heavy_interval);
  };
  load light(io, at.endpoint(), {{{get("/ping"), "pong"}}, pings / 10, pings, ping_interval}, ping_connections);
  load loaded(io, at.endpoint(), {heavy, heavy_in(pings / 10), heavy_in(pings), heavy_interval}, heavy_connections);
  const auto begin = clock::now() + std::chrono::milliseconds(10);
  light.start(begin);
  loaded.start(begin);
  io.run();
  answer found;
  light.add_to(found, "ping");
  loaded.add_to(found, "heavy");
  return found;
}

}  // namespace compare
