#pragma once
// How the store says what went wrong: which file, what happened, what to do. Used by every part of store/, whose public
// functions return what these throw.

#include <exception>
#include <filesystem>
#include <functional>
#include <string_view>
#include <type_traits>

#include <tl/expected.hpp>

#include <selvage/error.hpp>

namespace selvage::store_detail {

/// Throws errc::store_error: "PATH: WHAT".
[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what);
/// The same, with the words for an errno, or for a number of LMDB's own, and what may help.
[[noreturn]] void fail(const std::filesystem::path& path, std::string_view doing, int code);

/// What to do about a run that is damaged, as the end of a message.
inline constexpr std::string_view damaged_advice =
    "; it is left as it is: `selvage store check` says more, and a run that is opened fresh does without it";

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
