// The codec's reader of results under libFuzzer: the first byte chooses the type, the rest is what a worker wrote.
// Whatever is read must encode again; nothing else is asked of it but to come back.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include <selvage/detail/codec.hpp>
#include <selvage/value.hpp>

#include "schema/exception_report.hpp"

namespace {

using selvage::detail::result_codec;

struct point {
  double x, y;
  bool seen;
};

struct node {
  int value;
  std::vector<node> children;
};

struct record {
  std::string name;
  std::optional<std::optional<double>> twice;
  std::variant<std::monostate, int, std::string, std::vector<point>> choice;
  std::array<std::string, 2> ends;
  std::vector<bool> bits;
  std::vector<std::vector<std::string>> nested;
  std::array<double, 40> grid;
};

/// Reads, and where that succeeds writes and reads again.
template <class R>
void read(std::span<const std::byte> bytes) {
  using codec = result_codec<R>;
  const auto first = codec::read({codec::form, bytes});
  if (!first) {
    if (first.error().empty()) std::abort();
    return;
  }
  const auto source = codec::source(*first);
  std::vector<std::byte> out(source.bound);
  const auto filled = source.write(source.value, out);
  if (filled.offset + filled.length > source.bound) std::abort();
  if (!codec::read({codec::form, std::span(out).subspan(filled.offset, filled.length)})) std::abort();
}

void read_report(std::span<const std::byte> bytes) {
  if (const auto report = selvage::schema::decode(bytes)) {
    std::vector<std::byte> out(selvage::schema::bound(*report));
    const auto filled = selvage::schema::encode(*report, out);
    const auto again = selvage::schema::decode(std::span(out).subspan(filled.offset, filled.length));
    if (!again || !(*again == *report)) std::abort();
  }
}

constexpr void (*readers[])(std::span<const std::byte>) = {
    read<bool>,
    read<point>,
    read<std::string>,
    read<std::vector<double>>,
    read<std::vector<std::string>>,
    read<std::vector<point>>,
    read<std::map<std::string, std::vector<int>>>,
    read<std::unordered_map<int, std::string>>,
    read<std::set<int>>,
    read<node>,
    read<record>,
    read<std::tuple<std::optional<int>, std::variant<int, std::string>, std::pair<int, std::string>>>,
    read<selvage::value>,
    read<std::vector<selvage::value>>,
    read_report,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A private copy, aligned as payloads are, exactly as long as it is: one byte beyond is seen by AddressSanitizer.
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 1,
                                     reinterpret_cast<const std::byte*>(data) + size);
  readers[data[0] % std::size(readers)](bytes);
  return 0;
}
