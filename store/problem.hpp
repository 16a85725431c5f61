#pragma once
// How the store says what went wrong: which file, what happened, what to do. Used by every part of store/, whose public
// functions return what these throw.

#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include <tl/expected.hpp>

#include <selvage/error.hpp>

namespace selvage::store_detail {

/// Throws errc::store_error: "PATH: WHAT".
[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what);
/// The same, with the words for an errno, or for a number of LMDB's own, and what may help.
[[noreturn]] void fail(const std::filesystem::path& path, std::string_view doing, int code);

/// errc::store_error: "FILE: WHAT", and what to do about a run that is damaged.
class damaged_file : public error {
 public:
  damaged_file(const std::filesystem::path& file, std::string what);
  /// The same without the advice.
  [[nodiscard]] const std::string& what_is_wrong() const noexcept { return wrong_; }

 private:
  std::string wrong_;
};

/// Runs `work`. Returns: what it returns, or the selvage::error that it throws; whatever else it throws is one as well.
template <class Work>
auto attempt(const std::filesystem::path& path, Work&& work) -> tl::expected<std::invoke_result_t<Work&>, error> {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const error& problem) {
    return tl::make_unexpected(problem);
  } catch (const std::exception& problem) {
    return tl::make_unexpected(error(errc::store_error, path.string() + ": " + problem.what()));
  }
}

}  // namespace selvage::store_detail
