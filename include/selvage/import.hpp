#pragma once
// Tasks out of a shared library that this process never loads: only workers do, once they are sealed.
//
//   const auto blur = selvage::import_task<std::string(std::string_view, double)>("./libfilters.so", "blur");
//   selvage::pool pool({.workers = 4}, blur);
//   std::string softer = pool.call(blur, image, 2.0).get();
//
// How such a library is written: <selvage/module.hpp>.

#include <memory>
#include <string_view>
#include <utility>

#include <selvage/task.hpp>

namespace selvage {

namespace detail {

/// Stands for a function that is elsewhere: never called.
template <class Signature>
struct imported_function;
template <class R, class... P>
struct imported_function<R(P...)> {
  R operator()(P...) const;
};

/// A record whose thunk loads the module in the worker that runs it first. `expected`: what the task must be.
[[nodiscard]] std::shared_ptr<task_record> import_record(std::string_view library, std::string_view name,
                                                         std::uint64_t expected_hash,
                                                         const std::string& expected_signature);

}  // namespace detail

/// `library`: a path, or a name without a slash that is looked for in LD_LIBRARY_PATH and in the system's library
/// folders. Its table of tasks is read from the file, as bytes that nobody trusts; nothing in it is run here.
///
/// Its workers are strict() unless `options.permissions` say otherwise, and may besides read the library and the
/// folders of the system's. A worker loads it at the first call; what its constructors do is confined as the tasks
/// are, and a library that cannot be loaded fails that call.
///
/// Errors, thrown: unknown_task where there is no such library or task, or its signature is another one, with both.
/// Cost: reads a few KB of the file.
template <class Signature>
[[nodiscard]] task<detail::imported_function<Signature>> import_task(std::string_view library, std::string_view name,
                                                                     task_options options = {}) {
  using function = detail::imported_function<Signature>;
  using shape = detail::shape_of_callable<function>;
  auto record = detail::import_record(library, name, detail::shape_signature<shape>::hash(),
                                      detail::shape_signature<shape>::text());
  if (!options.permissions) options.permissions = permissions::strict();
  record->options = std::move(options);
  record->signature_check = &detail::shape_signature<shape>::hash;
  record->result_form = detail::result_codec<typename shape::result>::form;
  return task<function>(std::move(record));
}

}  // namespace selvage
