#pragma once
// The orders of a spawned supervisor on their way from host to supervisor. encode() is called by start/ in the
// host, decode() by start/ in the fresh process, which trusts nothing that it has not verified. The fields are in
// spawn_orders.fbs.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "schema/spawn_orders_generated.h"

namespace selvage::schema {

using spawn_orders = wire::SpawnOrdersT;

/// Above this, orders are neither sent nor read. A task takes about 200 bytes.
inline constexpr std::size_t max_spawn_orders_bytes = std::size_t{256} * 1024 * 1024;

[[nodiscard]] std::vector<std::byte> encode(const spawn_orders& orders);

/// Requires: bytes aligned for any scalar. Errors: what is wrong with them, in words.
[[nodiscard]] tl::expected<spawn_orders, std::string> decode_spawn_orders(std::span<const std::byte> bytes);

}  // namespace selvage::schema
