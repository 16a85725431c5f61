// See scan.hpp.

#include "scan.hpp"

#include <lmdb.h>

#include <cstddef>
#include <stdexcept>

namespace limits {
namespace {

void check(int code) {
  if (code != 0) throw std::runtime_error(::mdb_strerror(code));
}

}  // namespace

std::uint64_t scan(const std::string& folder) {
  MDB_env* environment = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_cursor* cursor = nullptr;
  MDB_dbi database{};
  check(::mdb_env_create(&environment));
  check(::mdb_env_open(environment, folder.c_str(), MDB_RDONLY, 0600));
  check(::mdb_txn_begin(environment, nullptr, MDB_RDONLY, &transaction));
  check(::mdb_dbi_open(transaction, nullptr, 0, &database));
  check(::mdb_cursor_open(transaction, database, &cursor));
  MDB_val key{};
  MDB_val value{};
  std::uint64_t records = 0;
  unsigned sum = 0;
  while (::mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    const auto* const bytes = static_cast<const unsigned char*>(value.mv_data);
    for (std::size_t i = 0; i < value.mv_size; ++i) sum += bytes[i];
    ++records;
  }
  ::mdb_cursor_close(cursor);
  ::mdb_txn_abort(transaction);
  ::mdb_env_close(environment);
  if (sum == 0) throw std::runtime_error("the records were empty");
  return records;
}

}  // namespace limits
