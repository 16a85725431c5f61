// See channels.hpp.

#include "channels.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cerrno>
#include <csignal>
#include <functional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "limits/process.hpp"

namespace compare {
namespace {

template <class T>
T check(T result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

/// Does one thing over and over, until it is killed.
class child {
 public:
  child(int cpu, const std::function<std::function<void()>()>& open) {
    const pid_t parent = ::getpid();
    pid_ = check(::fork(), "fork");
    if (pid_ != 0) {
      limits::pin(cpu, pid_);
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
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

/// One way there and one way back, of pipes or of sockets. Messages are shorter than PIPE_BUF: each is written whole.
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
    return check(sent, "write") > 0;
  }
  void receive(std::byte* into) override { read_whole(fds_.read_here, into); }

 private:
  std::function<void()> server() const {
    return [this, message = std::vector<std::byte>(size_)]() mutable {
      read_whole(fds_.read_there, message.data());
      check(::write(fds_.write_there, message.data(), size_), "write");
    };
  }
  void read_whole(int fd, std::byte* into) const {
    for (std::size_t done = 0; done < size_;) {
      const ssize_t got = ::read(fd, into + done, size_ - done);
      if (got == 0) throw std::runtime_error("the other side is gone");
      done += static_cast<std::size_t>(check(got, "read"));
    }
  }

  ends fds_;
  std::size_t size_;
  child child_;
};

std::unique_ptr<channel> open_pipes(std::size_t size, int cpu) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  check(::pipe2(there.data(), O_CLOEXEC), "pipe2");
  check(::pipe2(back.data(), O_CLOEXEC), "pipe2");
  return std::make_unique<descriptors>(descriptors::ends{back[0], there[1], there[0], back[1]}, size, cpu);
}

/// A pair for each direction, as the end that is written must not block and the one that is read must.
std::unique_ptr<channel> open_sockets(std::size_t size, int cpu) {
  std::array<int, 2> there{};
  std::array<int, 2> back{};
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, there.data()), "socketpair");
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, back.data()), "socketpair");
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
    static constexpr std::size_t depth = 1024;
    queue(std::string called, std::size_t size)
        : path(std::move(called)), of(boost::interprocess::create_only, path.c_str(), depth, size) {}
    ~queue() { message_queue::remove(path.c_str()); }
    void take(std::byte* into, std::size_t size) {
      std::size_t got = 0;
      unsigned priority = 0;
      of.receive(into, size, got, priority);
    }
    std::string path;
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

}  // namespace

std::unique_ptr<channel> open_channel(const std::string& kind, std::size_t size, int cpu) {
  if (kind == "pipe") return open_pipes(size, cpu);
  if (kind == "socket") return open_sockets(size, cpu);
  if (kind == "message_queue") return std::make_unique<queues>(size, cpu);
  if (kind == "zeromq") return std::make_unique<zeromq>(size, cpu);
  return nullptr;
}

}  // namespace compare
