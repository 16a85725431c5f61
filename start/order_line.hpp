#pragma once
// The line between a host and the supervisor that it has started afresh: a connected stream socket that carries one
// message each way, each with its length before it. Neither side ever hangs on it: both watch the other's process,
// and a clock.
//
// Called by: the two sides of start::spawn. Never: looks into a message.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "base/unique_fd.hpp"

namespace selvage::launch {

enum class line_problem : std::uint8_t {
  lost,      ///< the other process is gone, or has closed its end
  late,      ///< the time is over
  too_long,  ///< the announced length is over what this side reads
};

class order_line {
 public:
  /// `peer`: pidfd of the other process, borrowed. `until_ns`: base::now_ns() at which patience ends.
  order_line(base::unique_fd socket, int peer, std::uint64_t until_ns)
      : socket_(std::move(socket)), peer_(peer), until_ns_(until_ns) {}

  /// Blocks: at most until the deadline. Limits: 4 GiB.
  [[nodiscard]] tl::expected<void, line_problem> send(std::span<const std::byte> message);
  /// Blocks: at most until the deadline.
  [[nodiscard]] tl::expected<std::vector<std::byte>, line_problem> receive(std::size_t max_bytes);

 private:
  tl::expected<void, line_problem> send_part(std::span<const std::byte> part);
  tl::expected<void, line_problem> receive_part(std::span<std::byte> part);
  tl::expected<void, line_problem> wait_for(short events);

  base::unique_fd socket_;
  int peer_;
  std::uint64_t until_ns_;
  bool peer_ended_ = false;
};

}  // namespace selvage::launch
