#pragma once
// Which item is started next: the groups that have one and may start it take turns, and within a group the first come
// is the first served. Called by: scheduler.cpp. Every operation takes constant time but for the look-up of a name.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <selvage/run_options.hpp>

namespace selvage::run_detail {

using slot = std::uint32_t;
using group = std::uint32_t;

class groups {
 public:
  explicit groups(group_limit limit) : limit_(std::move(limit)) {}

  /// The group of this name, which is made where there is none. Its limit is asked for once.
  [[nodiscard]] group named(const std::string& name);
  /// The item waits to be started.
  void wait(group in, slot item);
  /// It does not wait any more. Cost: a search among those that wait in its group.
  void withdraw(group in, slot item);
  [[nodiscard]] bool has_next();
  /// Takes the next item that may be started; its group counts it as active.
  [[nodiscard]] std::optional<slot> next();
  /// One that was active is not any more.
  void left(group in);
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  /// Takes any item that waits, whatever its group's limit.
  [[nodiscard]] std::optional<slot> any();

 private:
  struct members {
    unsigned limit = 0;  ///< 0: none
    unsigned active = 0;
    bool in_turn = false;
    std::deque<slot> waiting;
    [[nodiscard]] bool may_start() const { return !waiting.empty() && (limit == 0 || active < limit); }
  };
  void take_turn(group which);

  group_limit limit_;
  std::unordered_map<std::string, group> names_;
  std::vector<members> groups_;
  std::deque<group> turns_;  ///< those that may start one, each once
  std::size_t waiting_ = 0;
};

}  // namespace selvage::run_detail
