// selvage::run, without types: options, the store, the loop, the report. The typed half is in <selvage/run.hpp>.

#include <optional>
#include <utility>

#include <selvage/detail/run_items.hpp>
#include <selvage/pool.hpp>

#include "run/scheduler.hpp"
#include "run/settings.hpp"
#include "run/tally.hpp"

namespace selvage::detail {
namespace {

/// Makes the source: code of the program's.
void begin_source(const std::function<void()>& begin) {
  try {
    begin();
  } catch (const error&) {
    throw;
  } catch (const std::exception& thrown) {
    throw error(errc::source_failed, std::string("the source of the items could not be made: ") + thrown.what());
  }
}

}  // namespace

run_report run_all(run_items& items, const run_settings& settings, const pool& pool,
                   const std::function<void()>& begin) {
  run_detail::validate(settings);
  const run_detail::sizes bounds = run_detail::sizes_of(settings, pool);
  std::optional<journal> kept = run_detail::open_journal(settings, [&items] { items.notify(); });
  begin_source(begin);
  run_detail::tally counts(pool);
  run_detail::scheduler loop(items, settings, bounds, kept ? &*kept : nullptr, counts);
  loop.run();
  kept.reset();  // everything that was told is durable already
  return counts.report(pool, loop.how(), loop.problem());
}

}  // namespace selvage::detail
