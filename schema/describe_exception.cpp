// Unwraps nested exceptions for describe_exception.hpp.
#include "schema/describe_exception.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>

namespace selvage::schema {
namespace {

constexpr std::size_t longest_type = 512;
constexpr std::size_t longest_what = std::size_t{8} * 1024;
constexpr std::size_t longest_cause = 512;
constexpr std::size_t most_causes = 8;

std::string type_of_current_exception() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                    &std::free);
  return std::string(std::string_view(name ? name.get() : type->name()).substr(0, longest_type));
}

struct layer {
  std::string type, what;
  std::exception_ptr cause;
  int system_error = 0;
};

// As errno has it: filesystem errors and those of streams and threads are of one of these categories.
int errno_of(const std::exception& known) {
  const auto* const system = dynamic_cast<const std::system_error*>(&known);
  if (system == nullptr) return 0;
  const std::error_category& kind = system->code().category();
  return kind == std::generic_category() || kind == std::system_category() ? system->code().value() : 0;
}

layer peel(const std::exception_ptr& problem) {
  layer found;
  try {
    std::rethrow_exception(problem);
  } catch (const std::exception& known) {
    found.type = type_of_current_exception();
    found.system_error = errno_of(known);
    if (const char* const text = known.what()) found.what = std::string_view(text).substr(0, longest_what);
    if (const auto* const nested = dynamic_cast<const std::nested_exception*>(&known))
      found.cause = nested->nested_ptr();
  } catch (const std::nested_exception& nested) {
    found.type = type_of_current_exception();
    found.cause = nested.nested_ptr();
  } catch (...) {
    found.type = type_of_current_exception();
  }
  return found;
}

}  // namespace

exception_report describe(const std::exception_ptr& problem) {
  layer outermost = peel(problem);
  exception_report report = {std::move(outermost.type), std::move(outermost.what), {}, outermost.system_error};
  for (std::exception_ptr cause = outermost.cause; cause && report.causes.size() < most_causes;) {
    layer next = peel(cause);
    std::string text = next.what.empty() ? next.type : next.type + ": " + next.what;
    if (text.size() > longest_cause) text.resize(longest_cause);
    report.causes.push_back(std::move(text));
    if (report.system_error == 0) report.system_error = next.system_error;
    cause = next.cause;
  }
  return report;
}

}  // namespace selvage::schema
