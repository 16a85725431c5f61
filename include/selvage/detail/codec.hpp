#pragma once
// The codec: a task's parameters and result between C++ values and the bytes of a payload. Called by the pool
// (arguments out, result in) and by the worker (arguments in, result out). Knows no pool, no process and no shared
// memory.
//
// Thread-safety: everything here is stateless.
//
//   using codec = arguments_codec<std::string_view, int>;
//   const auto held = codec::hold(name, 7);                     // borrows `name`
//   const payload_source source = codec::source(held);          // borrows `held`
//   const extent filled = source.write(source.value, out);      // out.size() >= source.bound, aligned
//   codec::invoke({source.form, bytes}, [](std::string_view who, int n) { ... });

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include <selvage/detail/codec_parameter.hpp>
#include <selvage/detail/codec_read.hpp>
#include <selvage/detail/codec_refusal.hpp>
#include <selvage/detail/codec_signature.hpp>
#include <selvage/detail/codec_write.hpp>
#include <selvage/detail/payload.hpp>

namespace selvage::detail {

/// The largest fixed payload, in bytes: what fits in a slot's header. Larger structs travel as tables.
inline constexpr std::size_t max_fixed_payload = 80;

/// Types whose payload is nothing but their bytes.
template <class T>
consteval bool is_flat() {
  if constexpr (wire_string<T>) {
    return true;
  } else if constexpr (contiguous_sequence<T>) {
    using element = element_of<T>;
    return kind<element> == wire_kind::fixed && blit<element, origin::hostile>;
  } else {
    return false;
  }
}

template <class T>
std::span<const std::byte> flat_bytes(const T& value) {
  if constexpr (wire_string<T>) {
    return std::as_bytes(std::span(text_of(value)));
  } else {
    return std::as_bytes(std::span(value));
  }
}

/// The form of a payload of these values.
template <class... Values>
consteval payload_form form_of() {
  if constexpr (sizeof...(Values) == 0) {
    return payload_form::none;
  } else if constexpr ((is_fixed<Values>() && ...)) {
    return fixed_layout<Values...>::lay_out().shape.size <= max_fixed_payload ? payload_form::fixed
                                                                              : payload_form::table;
  } else {
    return sizeof...(Values) == 1 && (is_flat<Values>() && ...) ? payload_form::flat : payload_form::table;
  }
}

/// Copies a flat value's bytes to the start of `out`.
template <class T>
extent write_flat(const T& value, std::span<std::byte> out) {
  const auto bytes = flat_bytes(value);
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return {0, bytes.size()};
}

/// Reads a flat value: a view where T is one.
template <class T>
T read_flat_value(std::span<const std::byte> bytes) {
  if constexpr (wire_string<T>) {
    return T(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  } else {
    using element = element_of<T>;
    if (bytes.empty()) return T{};
    const auto* const first = reinterpret_cast<const element*>(bytes.data());
    if constexpr (is_span<T>) {
      return T(first, bytes.size() / sizeof(element));
    } else {
      return T(first, first + bytes.size() / sizeof(element));  // no zeroing first: one pass over the bytes
    }
  }
}

/// The parameters of a task, as declared.
template <class... P>
struct arguments_codec {
  static consteval bool accept() {
    (require_declared_parameter<P>(), ...);
    return true;
  }
  static_assert(accept());

  static constexpr payload_form form = form_of<typename parameter<P>::stored...>();

  /// What a host keeps that cannot borrow from its caller (a call that waits for a future).
  using values = std::tuple<typename parameter<P>::owned...>;

  /// Ownership: the result borrows from the arguments, and holds what had to be converted.
  template <class... A>
  [[nodiscard]] static auto hold(const A&... a) {
    static_assert(sizeof...(A) == sizeof...(P),
                  "selvage: the call has not as many arguments as the task has parameters");
    return std::tuple<decltype(detail::hold<P>(a))...>(detail::hold<P>(a)...);
  }

  /// Returns: values that borrow nothing; rvalues are moved.
  template <class... A>
  [[nodiscard]] static values own(A&&... a) {
    static_assert(sizeof...(A) == sizeof...(P),
                  "selvage: the call has not as many arguments as the task has parameters");
    return values(detail::own<P>(std::forward<A>(a))...);
  }

  /// `Held`: what hold() returned, or `values`.
  /// Errors: selvage::error payload_too_large (2 GiB, or nested deeper than 64 levels), std::invalid_argument for a
  /// variant without a value or a selvage::value whose map has a key with a zero byte.
  /// Ownership: borrows `held`, and what it borrows.
  template <class... Held>
  [[nodiscard]] static payload_source source(const std::tuple<Held...>& held) {
    using tuple = std::tuple<Held...>;
    payload_source source{form, 0, nullptr, &held};
    if constexpr (form == payload_form::none) {
      source.write = [](const void*, std::span<std::byte>) { return extent{}; };
    } else if constexpr (form == payload_form::fixed) {
      source.bound = layout.shape.size;
      source.write = [](const void* value, std::span<std::byte> out) {
        write_struct(*static_cast<const tuple*>(value), out.data());
        return extent{0, layout.shape.size};
      };
    } else if constexpr (form == payload_form::flat) {
      source.bound = flat_bytes(std::get<0>(held)).size();
      source.write = [](const void* value, std::span<std::byte> out) {
        return write_flat(std::get<0>(*static_cast<const tuple*>(value)), out);
      };
    } else {
      wire_size size;
      std::apply([&](const auto&... values) { measure_table(size, values...); }, held);
      source.bound = size.total();
      source.write = [](const void* value, std::span<std::byte> out) {
        return build(out, value, [](wire_writer& writer, const void* erased) {
          return std::apply([&](const auto&... values) { return write_table(writer, values...); },
                            *static_cast<const tuple*>(erased));
        });
      };
    }
    return source;
  }

  /// Decodes bytes that the host wrote and calls f with them; strings, bytes and spans are views of `in`.
  /// Requires: in.form == form. Checks nothing: never to be used on what a worker wrote.
  template <class F>
  static decltype(auto) invoke(payload_view in, F&& f) {
    return for_indices<sizeof...(P)>([&](auto... i) -> decltype(auto) {
      [[maybe_unused]] auto stored = read(in, i...);
      return std::forward<F>(f)(parameter<P>::pass(std::get<i>(stored))...);
    });
  }

 private:
  static constexpr auto layout = [] {
    if constexpr (form == payload_form::fixed) {
      return fixed_layout<typename parameter<P>::stored...>::lay_out();
    } else {
      return fixed_layout<>::lay_out();
    }
  }();

  template <class Tuple>
  static void write_struct(const Tuple& values, std::byte* out) {
    if constexpr (layout.shape.used != layout.shape.size) std::memset(out, 0, layout.shape.size);
    for_indices<sizeof...(P)>([&](auto... i) { (write_fixed(std::get<i>(values), out + layout.offsets[i]), ...); });
  }

  template <class... I>
  static auto read(payload_view in, I... i) {
    using stored = std::tuple<typename parameter<P>::stored...>;
    if constexpr (form == payload_form::none) {
      return stored{};
    } else if constexpr (form == payload_form::fixed) {
      return stored{read_fixed<typename parameter<P>::stored>(in.bytes.data() + layout.offsets[i])...};
    } else if constexpr (form == payload_form::flat) {
      return stored{read_flat_value<typename parameter<P>::stored>(in.bytes)...};
    } else {
      trusted_reader reader(in.bytes);
      const std::byte* const table = reader.root();
      return stored{read_field<typename parameter<P>::stored>(reader, table, i)...};
    }
  }
};

/// What the host gets of a result declared as R: views become owning.
template <class R>
struct host_result {
  using type = typename parameter<std::remove_cv_t<R>>::owned;
};
template <class R>
struct host_result<R&> : host_result<std::remove_cv_t<R>> {};
template <class R>
struct host_result<R&&> : host_result<std::remove_cv_t<R>> {};

/// The result of a task, as declared. A result may be a string_view or a span, but may not contain one within
/// another type: the host's counterpart of such a type could not be named for aggregates, so it is refused for all.
template <class R>
struct result_codec {
  static consteval bool accept() {
    require_declared<R>();
    return true;
  }
  static_assert(accept());

  using value_type = std::remove_cvref_t<R>;
  using host_type = typename host_result<R>::type;

  static constexpr payload_form form = form_of<value_type>();
  static constexpr bool is_flat = form == payload_form::flat;

  /// Errors and ownership: as arguments_codec::source.
  [[nodiscard]] static payload_source source(const value_type& result) {
    payload_source source{form, 0, nullptr, &result};
    if constexpr (form == payload_form::fixed) {
      source.bound = wire_shape<value_type>.size;
      source.write = [](const void* value, std::span<std::byte> out) {
        write_fixed(*static_cast<const value_type*>(value), out.data());
        return extent{0, wire_shape<value_type>.size};
      };
    } else if constexpr (is_flat) {
      source.bound = flat_bytes(result).size();
      source.write = [](const void* value, std::span<std::byte> out) {
        return write_flat(*static_cast<const value_type*>(value), out);
      };
    } else {
      wire_size size;
      measure_table(size, result);
      source.bound = size.total();
      source.write = [](const void* value, std::span<std::byte> out) {
        return build(out, value, [](wire_writer& writer, const void* erased) {
          return write_table(writer, *static_cast<const value_type*>(erased));
        });
      };
    }
    return source;
  }

  /// Decodes what a worker wrote, believing nothing.
  /// Requires: bytes that nobody changes any more: a private copy, aligned to payload_alignment.
  /// Errors: what is wrong with the bytes, in words. Throws std::bad_alloc only.
  [[nodiscard]] static tl::expected<host_type, std::string> read(payload_view in) {
    if (in.form != form) return tl::unexpected<std::string>("the result is in another form than the task's type has");
    if constexpr (form == payload_form::fixed) {
      if (in.bytes.size() != wire_shape<value_type>.size) {
        return tl::unexpected("the result has " + std::to_string(in.bytes.size()) + " bytes instead of " +
                              std::to_string(wire_shape<value_type>.size));
      }
      return read_fixed<value_type>(in.bytes.data());
    } else if constexpr (is_flat) {
      return read_flat(in.bytes);
    } else {
      try {
        checked_reader reader(in.bytes);
        const nesting_level level(reader);
        return read_field<host_type>(reader, reader.root(), 0);
      } catch (const malformed& lie) {
        return tl::unexpected(lie.text());
      }
    }
  }

  /// Copies a flat result once, to its final place, out of memory that a worker may be changing meanwhile.
  [[nodiscard]] static tl::expected<host_type, std::string> read_flat(std::span<const std::byte> hostile) requires(
      form == payload_form::flat) {
    if constexpr (!wire_string<host_type>) {
      using element = element_of<host_type>;
      if (hostile.size() % sizeof(element) != 0) {
        return tl::unexpected("the result has " + std::to_string(hostile.size()) + " bytes, which is no multiple of " +
                              std::to_string(sizeof(element)));
      }
      if (reinterpret_cast<std::uintptr_t>(hostile.data()) % alignof(element) != 0) {
        return tl::unexpected<std::string>("the result is not aligned");
      }
    }
    return read_flat_value<host_type>(hostile);
  }
};

template <>
struct result_codec<void> {
  using value_type = void;
  using host_type = void;

  static constexpr payload_form form = payload_form::none;
  static constexpr bool is_flat = false;

  [[nodiscard]] static payload_source source() {
    return {form, 0, [](const void*, std::span<std::byte>) { return extent{}; }, nullptr};
  }
  [[nodiscard]] static tl::expected<void, std::string> read(payload_view in) {
    if (in.form != form || !in.bytes.empty()) return tl::unexpected<std::string>("a result came where none is due");
    return {};
  }
};

}  // namespace selvage::detail
