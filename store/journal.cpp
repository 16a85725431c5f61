// The public face of a run that is open: see <selvage/store.hpp>. A forked child has the object, but neither LMDB's
// maps nor the writer thread: it is told so, and what the parent made is left alone.

#include <unistd.h>

#include <utility>

#include <selvage/detail/contract.hpp>
#include <selvage/store.hpp>

#include "store/journal_core.hpp"
#include "store/problem.hpp"

namespace selvage {
namespace {

error not_ours(const detail::journal_core& core) {
  return error(errc::store_error, core.file().string() + ": the run was opened by another process than this child");
}

void let_go(std::unique_ptr<detail::journal_core>& core) {
  if (core && !core->is_ours()) (void)core.release();  // leaked: its thread is not here to be joined
  core.reset();
}

}  // namespace

journal::journal(std::unique_ptr<detail::journal_core> core) noexcept : core_(std::move(core)) {}
journal::journal(journal&&) noexcept = default;
journal& journal::operator=(journal&& other) noexcept {
  if (this != &other) {
    let_go(core_);
    core_ = std::move(other.core_);
  }
  return *this;
}
journal::~journal() { let_go(core_); }

tl::expected<bool, error> journal::find(std::string_view key,
                                        const std::function<void(const stored_item&)>& use) const {
  detail::require(core_ != nullptr, "a journal that was moved from was used");
  if (!core_->is_ours()) return tl::make_unexpected(not_ours(*core_));
  return store_detail::attempt(core_->file(), [&] { return core_->find(key, use); });
}

tl::expected<std::uint64_t, error> journal::put(const stored_item& item) {
  detail::require(core_ != nullptr, "a journal that was moved from was used");
  if (!core_->is_ours()) return tl::make_unexpected(not_ours(*core_));
  return core_->put(item);
}

tl::expected<void, error> journal::flush() {
  detail::require(core_ != nullptr, "a journal that was moved from was used");
  if (!core_->is_ours()) return tl::make_unexpected(not_ours(*core_));
  return core_->flush();
}

void journal::hurry() noexcept {
  if (core_ && core_->is_ours()) core_->hurry();
}

std::optional<error> journal::failed() const {
  if (!core_->is_ours()) return not_ours(*core_);
  return core_->failed();
}

std::uint64_t journal::durable() const noexcept { return core_->durable(); }
std::uint64_t journal::found() const noexcept { return core_->found(); }

}  // namespace selvage
