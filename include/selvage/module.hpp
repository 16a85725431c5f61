#pragma once
// For those who write a module: a shared library of tasks, which hosts import without loading it.
//
//   #include <selvage/module.hpp>
//   std::string blur(std::string_view image, double radius) { ... }
//   std::string sharpen(std::string_view image) { ... }
//   SELVAGE_MODULE(selvage::exported<blur>("blur"), selvage::exported<sharpen>("sharpen"));
//
//   g++ -std=c++20 -shared -fPIC filters.cpp -o libfilters.so $(pkg-config --cflags --libs selvage)
//
// A host writes selvage::import_task<std::string(std::string_view, double)>("libfilters.so", "blur"). Module and host
// must be built with the same Selvage and the same C++ library.

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <selvage/detail/module_table.hpp>
#include <selvage/task.hpp>

namespace selvage {

namespace detail {

/// "int (double)", as signature_text, for a table that is written at compile time.
template <class R, class... P>
constexpr std::array<char, module_signature_bytes> signature_for_table() {
  std::array<char, module_signature_bytes> text{};
  std::size_t at = 0;
  const auto add = [&](std::string_view part) {
    for (const char c : part) {
      if (at + 1 < text.size()) text[at++] = c;
    }
  };
  add(type_name<R>());
  add(" (");
  [[maybe_unused]] std::string_view separator;
  ((add(separator), add(type_name<P>()), separator = ", "), ...);
  add(")");
  return text;
}

template <class Shape>
struct table_signature;
template <lead Lead, class R, class... P>
struct table_signature<call_shape<Lead, R, P...>> {
  using result = typename task_result<R>::type;
  static constexpr std::uint64_t hash = signature_hash<result, P...>();
  static constexpr auto text = signature_for_table<result, P...>();
};

template <auto Function>
struct exported_thunk {
  using callable = std::decay_t<decltype(Function)>;
  using shape = shape_of_callable<callable>;
  static void run(const void* /*closure*/, call_context& context) {
    const callable function = Function;
    shape::template run<callable>(&function, context);
  }
};

template <std::size_t N>
struct module_table {
  module_head head{.count = N};
  std::array<module_entry, N> entries;
};

}  // namespace detail

/// One task of a module. `name`: 1 to 63 bytes.
template <auto Function>
consteval detail::module_entry exported(std::string_view name) {
  static_assert(std::is_pointer_v<std::decay_t<decltype(Function)>>, "selvage: a module exports functions");
  using signature = detail::table_signature<typename detail::exported_thunk<Function>::shape>;
  if (name.empty() || name.size() >= detail::module_name_bytes) {
    throw "selvage: the name of an exported task has 1 to 63 bytes";  // where this is evaluated, it does not compile
  }
  return {signature::hash, detail::cut_text<detail::module_name_bytes>(name), signature::text,
          &detail::exported_thunk<Function>::run};
}

template <class... Entries>
consteval detail::module_table<sizeof...(Entries)> module(const Entries&... entries) {
  return {{.count = sizeof...(Entries)}, {entries...}};
}

}  // namespace selvage

/// Once in a module, with all its tasks: the symbol by which they are found.
#define SELVAGE_MODULE(...)                                                                            \
  extern "C" {                                                                                         \
  [[gnu::visibility("default")]] extern const decltype(::selvage::module(__VA_ARGS__)) selvage_module; \
  [[gnu::used]] constinit const decltype(::selvage::module(__VA_ARGS__)) selvage_module =              \
      ::selvage::module(__VA_ARGS__);                                                                  \
  }                                                                                                    \
  static_assert(true)
