// See service.hpp. The only file that includes Beast.

#include "service.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>

#include <selvage/asio.hpp>
#include <selvage/selvage.hpp>

#include "arithmetic.hpp"
#include "work.hpp"

namespace compare {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

/// Does the work somewhere, and calls `done` on the server's thread.
using heavy_route =
    std::function<void(std::uint64_t seed, std::uint64_t loops, std::function<void(std::uint64_t)> done)>;

/// A connection that is kept: one request after another.
class session : public std::enable_shared_from_this<session> {
 public:
  session(tcp::socket socket, const heavy_route& heavy) : socket_(std::move(socket)), heavy_(heavy) {
    socket_.set_option(tcp::no_delay(true));
  }

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_, [self = shared_from_this()](error_code problem, std::size_t) {
      if (!problem) self->answer();
    });
  }

 private:
  void answer() {
    const std::string target(request_.target());
    if (target == "/ping") return write(http::status::ok, "pong");
    unsigned long long seed = 0;
    unsigned long long loops = 0;
    if (std::sscanf(target.c_str(), "/heavy/%llu/%llu", &seed, &loops) != 2) {
      return write(http::status::not_found, "there is no such route");
    }
    heavy_(seed, loops,
           [self = shared_from_this()](std::uint64_t found) { self->write(http::status::ok, std::to_string(found)); });
  }

  void write(http::status status, std::string body) {
    response_ = {status, request_.version()};
    response_.keep_alive(true);
    response_.body() = std::move(body);
    response_.prepare_payload();
    http::async_write(socket_, response_, [self = shared_from_this()](error_code problem, std::size_t) {
      if (!problem) self->read();
    });
  }

  tcp::socket socket_;
  const heavy_route& heavy_;
  boost::beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  http::response<http::string_body> response_;
};

void accept(tcp::acceptor& at, const heavy_route& heavy) {
  at.async_accept([&](error_code problem, tcp::socket socket) {
    if (problem) return;
    std::make_shared<session>(std::move(socket), heavy)->read();
    accept(at, heavy);
  });
}

constexpr std::chrono::milliseconds long_slice{20};

// Of the calling thread: what pool_options::time_slice does to workers.
void take_long_slices() {
  struct {  // struct sched_attr: linux/sched/types.h
    std::uint32_t size = 48;
    std::uint32_t policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = std::chrono::nanoseconds(long_slice).count();
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
  } attributes;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) throw std::runtime_error("sched_setattr");
}

void run_server(asio::io_context& io, const heavy_route& heavy, int port, int stop) {
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  accept(acceptor, heavy);
  asio::posix::stream_descriptor end(io, stop);
  char byte = 0;
  end.async_read_some(asio::buffer(&byte, 1), [&](error_code, std::size_t) { io.stop(); });
  const std::uint16_t number = acceptor.local_endpoint().port();
  if (::write(port, &number, sizeof number) != sizeof number) throw std::runtime_error("nobody wants to know the port");
  io.run();
}

}  // namespace

void serve(const std::string& asked, unsigned workers, int port, int stop) {
  asio::io_context io(1);
  constexpr std::string_view slices = "_slices";
  const bool long_slices = asked.ends_with(slices);
  const std::string form = asked.substr(0, asked.size() - (long_slices ? slices.size() : 0));
  if (form == "inline") {
    return run_server(
        io, [](std::uint64_t seed, std::uint64_t loops, const auto& done) { done(item(seed, loops)); }, port, stop);
  }
  if (form == "threads") {
    asio::thread_pool threads(workers);
    if (long_slices) {
      const auto all = std::make_shared<std::latch>(workers);  // none takes two
      for (unsigned i = 0; i < workers; ++i) {
        asio::post(threads, [all] {
          take_long_slices();
          all->arrive_and_wait();
        });
      }
    }
    const heavy_route offload = [&](std::uint64_t seed, std::uint64_t loops, auto done) {
      asio::post(threads, [&io, seed, loops, done = std::move(done)] {
        asio::post(io, [done, found = item(seed, loops)] { done(found); });
      });
    };
    run_server(io, offload, port, stop);
    threads.join();
    return;
  }
  if (form != "selvage") throw not_for_this("there is no such peer");
  const auto task = selvage::task("heavy", item);
  selvage::pool pool({.workers = workers, .time_slice = long_slices ? long_slice : std::chrono::milliseconds(0)}, task);
  const heavy_route offload = [&](std::uint64_t seed, std::uint64_t loops, auto done) {
    pool.async_call(
        task, seed, loops,
        asio::bind_executor(io, [done = std::move(done)](const std::exception_ptr& problem, std::uint64_t found) {
          if (problem) std::rethrow_exception(problem);
          done(found);
        }));
  };
  run_server(io, offload, port, stop);
}

}  // namespace compare
