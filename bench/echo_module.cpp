// The module of the benchmark native_item: a line comes back as it is.

#include <string>
#include <string_view>

#include <selvage/module.hpp>

namespace {
std::string echo(std::string_view line) { return std::string(line); }
}  // namespace

SELVAGE_MODULE(selvage::exported<echo>("echo"));
