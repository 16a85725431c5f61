// See spawn_orders.hpp.

#include "schema/spawn_orders.hpp"

#include <flatbuffers/flatbuffers.h>

namespace selvage::schema {
namespace {

constexpr flatbuffers::uoffset_t max_nesting = 8;
constexpr flatbuffers::uoffset_t max_tables =
    200'000;  // a pool has at most 65,536 tasks, each may be in a module of its own

}  // namespace

std::vector<std::byte> encode(const spawn_orders& orders) {
  flatbuffers::FlatBufferBuilder builder;
  wire::FinishSpawnOrdersBuffer(builder, wire::SpawnOrders::Pack(builder, &orders));
  const auto* const first = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {first, first + builder.GetSize()};
}

tl::expected<spawn_orders, std::string> decode_spawn_orders(std::span<const std::byte> bytes) {
  if (bytes.size() < 2 * sizeof(flatbuffers::uoffset_t) || bytes.size() > max_spawn_orders_bytes) {
    return tl::unexpected<std::string>("a supervisor's orders cannot have " + std::to_string(bytes.size()) + " bytes");
  }
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), max_nesting, max_tables);
  if (!wire::VerifySpawnOrdersBuffer(verifier)) {
    return tl::unexpected<std::string>("the bytes of a supervisor's orders do not verify");
  }
  spawn_orders orders;
  wire::GetSpawnOrders(data)->UnPackTo(&orders);
  return orders;
}

}  // namespace selvage::schema
