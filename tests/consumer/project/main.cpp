// A user's program: all it knows is <selvage/...> and a target or a .pc file. Built by tests/consumer in three ways.

#include <selvage/error.hpp>

#include <iostream>

int main() {
  const selvage::error failure(selvage::errc::timed_out, "the consumer's own message");
  std::cout << failure.what() << '\n';
  const bool right = selvage::to_string(failure.code()) == "timed_out" &&
                     failure.report().find("the consumer's own message") != std::string::npos;
  return right ? 0 : 1;
}
