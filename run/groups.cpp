// See groups.hpp.

#include "run/groups.hpp"

#include <algorithm>

namespace selvage::run_detail {

group groups::named(const std::string& name) {
  const auto [at, is_new] = names_.try_emplace(name, static_cast<group>(groups_.size()));
  if (is_new) {
    groups_.emplace_back();
    groups_.back().limit = limit_.of ? limit_.of(name) : limit_.number;
  }
  return at->second;
}

void groups::wait(group in, slot item) {
  groups_[in].waiting.push_back(item);
  ++waiting_;
  take_turn(in);
}

void groups::withdraw(group in, slot item) {
  auto& waiting = groups_[in].waiting;
  const auto at = std::ranges::find(waiting, item);
  if (at == waiting.end()) return;
  waiting.erase(at);
  --waiting_;
}

void groups::take_turn(group which) {
  members& its = groups_[which];
  if (its.in_turn || !its.may_start()) return;
  its.in_turn = true;
  turns_.push_back(which);
}

bool groups::has_next() {
  while (!turns_.empty() && !groups_[turns_.front()].may_start()) {  // what waited was withdrawn
    groups_[turns_.front()].in_turn = false;
    turns_.pop_front();
  }
  return !turns_.empty();
}

std::optional<slot> groups::next() {
  if (!has_next()) return std::nullopt;
  const group which = turns_.front();
  turns_.pop_front();
  members& its = groups_[which];
  its.in_turn = false;
  const slot item = its.waiting.front();
  its.waiting.pop_front();
  --waiting_;
  ++its.active;
  take_turn(which);
  return item;
}

void groups::left(group in) {
  --groups_[in].active;
  take_turn(in);
}

std::optional<slot> groups::any() {
  for (members& its : groups_) {
    if (its.waiting.empty()) continue;
    const slot item = its.waiting.front();
    its.waiting.pop_front();
    --waiting_;
    return item;
  }
  return std::nullopt;
}

}  // namespace selvage::run_detail
