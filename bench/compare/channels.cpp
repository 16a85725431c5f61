// See channels.hpp.

#include "channels.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "limits/process.hpp"
#include "processes.hpp"

namespace compare {
namespace {

/// Does one thing over and over, until it is killed.
class child {
 public:
  child(int cpu, const std::function<std::function<void()>()>& open) {
    pid_ = fork_bound();
    if (pid_ != 0) {
      limits::pin(cpu, pid_);
      return;
    }
    try {
      const auto serve = open();
      for (;;) serve();
    } catch (...) {
      ::_exit(1);
    }
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

/// One way there and one way back, of pipes or of sockets.
class descriptors final : public channel {
 public:
  struct ends {
    int read_here, write_here, read_there, write_there;
  };

  descriptors(ends fds, std::size_t size, int cpu) : fds_(fds), size_(size), child_(cpu, [this] { return server(); }) {
    check(::fcntl(fds_.write_here, F_SETFL, O_NONBLOCK), "fcntl");
    ::close(fds_.read_there);
    if (fds_.write_there != fds_.read_there) ::close(fds_.write_there);
  }
  ~descriptors() override {
    ::close(fds_.read_here);
    if (fds_.write_here != fds_.read_here) ::close(fds_.write_here);
  }
  bool try_send(const std::byte* message) override {
    const ssize_t sent = ::write(fds_.write_here, message, size_);
    if (sent < 0 && errno == EAGAIN) return false;
    const auto begun = static_cast<std::size_t>(check(sent, "write"));
    write_whole(fds_.write_here, message + begun, size_ - begun);
    return true;
  }
  void receive(std::byte* into) override { read_whole(fds_.read_here, into, size_); }

 private:
  std::function<void()> server() const {
    return [this, message = std::vector<std::byte>(size_)]() mutable {
      read_whole(fds_.read_there, message.data(), size_);
      write_whole(fds_.write_there, message.data(), size_);
    };
  }

  ends fds_;
  std::size_t size_;
  child child_;
};

std::unique_ptr<channel> open_pipes(std::size_t size, int cpu) {
  const auto there = open_pipe(size);
  const auto back = open_pipe(size);
  return std::make_unique<descriptors>(descriptors::ends{back[0], there[1], there[0], back[1]}, size, cpu);
}

/// A pair for each direction, as the end that is written must not block and the one that is read must.
std::unique_ptr<channel> open_sockets(std::size_t size, int cpu) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, there.data()), "socketpair");
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, back.data()), "socketpair");
  return std::make_unique<descriptors>(descriptors::ends{back[0], there[1], there[0], back[1]}, size, cpu);
}

class queues final : public channel {
 public:
  queues(std::size_t size, int cpu)
      : there_(name("there"), size), back_(name("back"), size), size_(size), child_(cpu, [this] { return server(); }) {}
  bool try_send(const std::byte* message) override { return there_.of.try_send(message, size_, 0); }
  void receive(std::byte* into) override { back_.take(into, size_); }

 private:
  using message_queue = boost::interprocess::message_queue;
  struct queue {
    // The name goes at once: the child inherits the mapping.
    queue(const std::string& name, std::size_t size)
        : of(boost::interprocess::create_only, name.c_str(), depth_for(size), size) {
      message_queue::remove(name.c_str());
    }
    void take(std::byte* into, std::size_t size) {
      std::size_t got = 0;
      unsigned priority = 0;
      of.receive(into, size, got, priority);
    }
    static std::size_t depth_for(std::size_t size) {
      constexpr std::size_t together = std::size_t{64} << 20U;
      return std::clamp<std::size_t>(together / size, 2, 1024);
    }
    message_queue of;
  };

  static std::string name(const char* end) { return "selvage-compare-" + std::to_string(::getpid()) + end; }
  std::function<void()> server() {
    return [this, message = std::vector<std::byte>(size_)]() mutable {
      there_.take(message.data(), size_);
      back_.of.send(message.data(), size_, 0);
    };
  }

  queue there_;
  queue back_;
  std::size_t size_;
  child child_;
};

/// A context is not for two processes: each makes its own, behind the fork.
class zeromq final : public channel {
 public:
  zeromq(std::size_t size, int cpu)
      : size_(size), child_(cpu, [this] {
          open(::zmq_connect);
          return server();
        }) {
    open(::zmq_bind);
  }
  ~zeromq() override {
    ::zmq_close(socket_);
    ::zmq_ctx_term(context_);
  }
  bool try_send(const std::byte* message) override {
    // The first one waits for the connection.
    if (::zmq_send(socket_, message, size_, sent_ == 0 ? 0 : ZMQ_DONTWAIT) >= 0) return ++sent_ != 0;
    return errno == EAGAIN ? false : check(-1, "zmq_send") == 0;
  }
  void receive(std::byte* into) override { check(::zmq_recv(socket_, into, size_, 0), "zmq_recv"); }

 private:
  void open(int (*attach)(void*, const char*)) {
    context_ = ::zmq_ctx_new();
    socket_ = ::zmq_socket(context_, ZMQ_PAIR);
    const int no_linger = 0;
    ::zmq_setsockopt(socket_, ZMQ_LINGER, &no_linger, sizeof no_linger);
    check(attach(socket_, address_.c_str()), "zmq");
  }
  std::function<void()> server() {
    return [this, message = std::vector<std::byte>(size_)]() mutable {
      receive(message.data());
      check(::zmq_send(socket_, message.data(), size_, 0), "zmq_send");
    };
  }

  std::string address_ = "ipc://@selvage-compare-" + std::to_string(::getpid());
  void* context_ = nullptr;
  void* socket_ = nullptr;
  std::uint64_t sent_ = 0;
  std::size_t size_;
  child child_;
};

class forks final : public channel {
 public:
  explicit forks(std::size_t size) : size_(size) {}
  ~forks() override {
    for (const auto& each : running_) end(each);
  }
  bool try_send(const std::byte* message) override {
    const auto ends = open_pipe(size_);
    const pid_t pid = fork_bound();
    if (pid == 0) {
      try {
        write_whole(ends[1], message, size_);
        ::_exit(0);
      } catch (...) {
        ::_exit(1);
      }
    }
    ::close(ends[1]);
    running_.push_back({pid, ends[0]});
    return true;
  }
  void receive(std::byte* into) override {
    read_whole(running_.front().answer, into, size_);
    end(running_.front());
    running_.pop_front();
  }

 private:
  struct running {
    pid_t pid;
    int answer;
  };

  /// One that still has something to write is ended by SIGPIPE.
  static void end(const running& one) {
    ::close(one.answer);
    ::waitpid(one.pid, nullptr, 0);
  }

  std::size_t size_;
  std::deque<running> running_;
};

}  // namespace

std::unique_ptr<channel> open_channel(const std::string& kind, std::size_t size, int cpu) {
  if (kind == "pipe") return open_pipes(size, cpu);
  if (kind == "socket") return open_sockets(size, cpu);
  if (kind == "message_queue") return std::make_unique<queues>(size, cpu);
  if (kind == "zeromq") return std::make_unique<zeromq>(size, cpu);
  if (kind == "fork") return std::make_unique<forks>(size);
  return nullptr;
}

}  // namespace compare
