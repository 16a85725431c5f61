// A user's program: all it knows is <selvage/...> and a target or a .pc file. It uses what takes more than a header: a
// pool of either kind, a plain struct (Boost.PFR), and an error out of a crash. Built by tests/consumer in three ways.

#include <selvage/selvage.hpp>

#include <csignal>
#include <iostream>
#include <string>
#include <vector>

namespace {

struct order {
  std::string what;
  std::vector<int> prices;
};

struct bill {
  std::string text;
  int total = 0;
};

bill add_up(const order& given) {
  bill made{given.what, 0};
  for (const int price : given.prices) made.total += price;
  return made;
}

void crash() { std::raise(SIGSEGV); }

bool works(selvage::start how) {
  const auto sum = selvage::task("sum", &add_up);
  const auto fall = selvage::task("fall", &crash);
  // Unsafe: AddressSanitizer, with which this is built too, opens /proc/self/maps when a worker crashes.
  selvage::pool pool({.workers = 2, .start = how, .permissions = selvage::permissions::unsafe()}, sum, fall);
  const bill made = pool.call(sum, order{"tea", {1, 2, 3}}).get();
  const auto fallen = pool.call(fall).result();
  return made.text == "tea" && made.total == 6 && !fallen && fallen.error().code() == selvage::errc::crashed &&
         pool.call(sum, order{}).get().total == 0;
}

}  // namespace

int main(int argc, char** argv) {
  selvage::init(argc, argv);
  try {
    for (const auto how : {selvage::start::fork, selvage::start::spawn}) {
      if (!works(how)) return 1;
      std::cout << (how == selvage::start::fork ? "fork" : "spawn") << " works\n";
    }
  } catch (const selvage::error& problem) {
    std::cerr << problem.report() << '\n';
    return 2;
  }
  return 0;
}
