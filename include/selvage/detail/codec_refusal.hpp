#pragma once
// Why a type cannot cross to another process, as compile errors a user can act on. Called by the codec wherever it
// meets a type of wire_kind::refused. Never refuses a type that codec_types.hpp accepts.

#include <selvage/detail/codec_types.hpp>

namespace selvage::detail {

template <class>
inline constexpr bool never = false;

template <class T>
concept callable_object = std::is_class_v<T> && requires {
  &T::operator();
};

template <class T>
concept smart_pointer =
    is_instance<T, std::unique_ptr> || is_instance<T, std::shared_ptr> || is_instance<T, std::weak_ptr>;

template <class T>
constexpr void refuse_class() {
  if constexpr (is_instance<T, std::function> || callable_object<T>) {
    static_assert(never<T>, "selvage: a function cannot cross to another process: make it a task of the pool");
  } else if constexpr (smart_pointer<T>) {
    static_assert(never<T>,
                  "selvage: a smart pointer cannot cross to another process: send the value, or std::optional of it");
  } else if constexpr (is_instance<T, std::reference_wrapper>) {
    static_assert(never<T>,
                  "selvage: a reference to mutable data cannot cross to another process: return the new value instead");
  } else if constexpr (is_span<T>) {
    static_assert(never<T>,
                  "selvage: only std::span<const T> of dynamic extent can cross: the task reads the caller's data and "
                  "returns its own");
  } else if constexpr (std::is_union_v<T>) {
    static_assert(never<T>, "selvage: a union cannot cross, as nothing says which member is alive: use std::variant");
  } else if constexpr (!std::is_aggregate_v<T>) {
    static_assert(never<T>,
                  "selvage: this class cannot cross to another process: only plain aggregates (no constructors, no "
                  "private members, no virtual functions) and the types that Selvage lists can");
  } else if constexpr (!std::is_move_assignable_v<T>) {
    static_assert(never<T>,
                  "selvage: an aggregate with const or reference members cannot cross: make them plain values");
  } else if constexpr (has_base_class<T>) {
    static_assert(never<T>, "selvage: an aggregate with a base class cannot cross: make the base a member");
  } else if constexpr (member_count<T> > max_members) {
    static_assert(never<T>, "selvage: an aggregate of more than 100 members cannot cross: group them");
  } else {
    static_assert(never<T>,
                  "selvage: an aggregate with a C array (or a member that `{}` does not initialise) cannot cross: use "
                  "std::array");
  }
}

/// Requires: T is refused. Does not compile.
template <class T>
constexpr void refuse() {
  if constexpr (std::is_function_v<std::remove_pointer_t<T>> || std::is_member_pointer_v<T>) {
    static_assert(never<T>, "selvage: a function cannot cross to another process: make it a task of the pool");
  } else if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) {
    static_assert(never<T>,
                  "selvage: a raw pointer cannot cross to another process, where its address means nothing: send the "
                  "value, std::optional of it, std::string_view or std::span<const T>");
  } else if constexpr (std::is_array_v<T>) {
    static_assert(never<T>, "selvage: an aggregate with a C array cannot cross: use std::array");
  } else if constexpr (std::is_reference_v<T>) {
    static_assert(never<T>,
                  "selvage: a reference to mutable data cannot cross to another process: return the new value instead");
  } else if constexpr (std::is_same_v<T, long double>) {
    static_assert(never<T>, "selvage: long double cannot cross, its width is the compiler's choice: use double");
  } else if constexpr (std::is_class_v<T> || std::is_union_v<T>) {
    refuse_class<T>();
  } else {
    static_assert(never<T>,
                  "selvage: this type cannot cross to another process: it is none of those that Selvage lists");
  }
}

/// Does not compile unless T is a value that can cross; says why.
template <class T>
constexpr void require_value() {
  if constexpr (kind<T> == wire_kind::refused) refuse<T>();
}

/// The same for a parameter or result type as it was declared.
template <class P>
constexpr void require_declared() {
  if constexpr (std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>) {
    refuse<P>();
  } else {
    require_value<std::remove_cvref_t<P>>();
  }
}

}  // namespace selvage::detail
