// The four hostile items and their planting. See items.hpp.

#include "items.hpp"

#include <csignal>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>

namespace unpack {
namespace {

void spin() {
  const volatile bool for_ever = true;  // volatile: an endless loop that does nothing is undefined
  while (for_ever) {
  }
}

// Holds on to what it gets until it can get no more. Touches a byte of each piece and not all of them: on a machine
// where page faults are dear the time limit would come before the memory limit.
void allocate() {
  constexpr std::size_t piece = std::size_t{1} << 20U;
  for (std::vector<std::unique_ptr<char[]>> kept;; kept.back()[0] = 1) {
    kept.push_back(std::make_unique_for_overwrite<char[]>(piece));
  }
}

const std::vector<item>& hostile_items() {
  static const std::vector<item> all{{mischief::endless_spin, "<spins for ever>"},
                                     {mischief::null_dereference, "<dereferences null>"},
                                     {mischief::endless_allocation, "<allocates without end>"},
                                     {mischief::exit_zero, "<calls exit(0)>"}};
  return all;
}

}  // namespace

unpacked unpack_item(const item& what) {
  switch (what.kind) {
    case mischief::none:
      break;
    case mischief::null_dereference: {
      // volatile, twice: the compiler may neither see that it is null nor drop the store
      volatile int* volatile nowhere = nullptr;
      *nowhere = 1;  // NOLINT(clang-analyzer-core.NullDereference): meant
      break;
    }
    case mischief::endless_spin:
      spin();
      break;
    case mischief::endless_allocation:
      allocate();
      break;
    case mischief::exit_zero:
      std::exit(0);  // NOLINT(concurrency-mt-unsafe): meant
  }
  return inflate_file(what.path);
}

std::vector<item> plant_hostile_items(std::vector<std::string> paths) {
  const std::vector<item>& hostile = hostile_items();
  std::vector<item> items;
  items.reserve(paths.size() + hostile.size());
  std::size_t planted = 0;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (planted < hostile.size() && i >= (planted + 1) * paths.size() / (hostile.size() + 1)) {
      items.push_back(hostile[planted++]);
    }
    items.push_back({mischief::none, std::move(paths[i])});
  }
  items.insert(items.end(), std::next(hostile.begin(), static_cast<std::ptrdiff_t>(planted)), hostile.end());
  return items;
}

bool failed_rightly(mischief kind, const ending& how) {
  if (how) return false;
  const selvage::error& why = how.error();
  switch (kind) {
    case mischief::none:
      return false;
    case mischief::null_dereference:
      return why.code() == selvage::errc::crashed && why.details().signal == SIGSEGV;
    case mischief::endless_spin:
      return why.code() == selvage::errc::timed_out;
    case mischief::endless_allocation:
      return why.code() == selvage::errc::out_of_memory;
    case mischief::exit_zero:
      return why.code() == selvage::errc::exited && why.details().exit_status == 0;
  }
  return false;
}

}  // namespace unpack
