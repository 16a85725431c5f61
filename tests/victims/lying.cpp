// Victims that write what they like into the region that is theirs to write. See victims.hpp.
#include <signal.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>

#include "shm/doorbell.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::victims {

lane_of_worker own_lane() {
  lane_of_worker found = {};
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0;
    char rights[5] = {};
    if (line.find("/dev/shm/selvage-") == std::string::npos) continue;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, rights) != 3) continue;
    auto* const address = reinterpret_cast<std::byte*>(begin);  // NOLINT(performance-no-int-to-ptr): as the kernel says
    if (rights[1] == 'w') {
      found.response = shm::response_at(address);
      found.response_bytes = end - begin;
    } else if (end - begin == shm::page_bytes) {
      found.orders = reinterpret_cast<const shm::supervisor_words*>(address);
    } else {
      found.request = shm::request_at(address);
      found.request_bytes = end - begin;
    }
  }
  if (found.request_bytes == 0 || found.response_bytes == 0) throw std::logic_error("not in a worker");
  return found;
}

void die_after_half_a_result(unsigned slot) {
  shm::response_header& header = own_lane().response.headers[slot];
  header.status = static_cast<std::uint8_t>(shm::response_status::ok);
  header.length = ~std::uint64_t{0};
  std::memset(header.payload, 0xaa, sizeof header.payload / 2);
  kill_itself();
}

void die_after_publishing(unsigned slot) {
  const lane_of_worker lane = own_lane();
  shm::response_header& header = lane.response.headers[slot];
  header.call_id = lane.request.headers[slot].call_id.load(std::memory_order_relaxed);
  header.status = static_cast<std::uint8_t>(shm::response_status::ok);
  header.form = header.in_arena = 0;
  header.length = 0;
  shm::word64& done = lane.response.words->done;
  done.store(done.load(std::memory_order_relaxed) ^ shm::bit(slot), std::memory_order_release);  // SYNC done
  kill_itself();
}

void scribble_over_the_responses(std::uint64_t seed) {
  const lane_of_worker lane = own_lane();
  std::mt19937_64 noise(seed);
  auto* const bytes = reinterpret_cast<std::byte*>(lane.response.words);
  for (std::size_t at = 0; at < shm::response_layout::arena; at += sizeof(std::uint64_t)) {
    const std::uint64_t value = noise();
    std::memcpy(bytes + at, &value, sizeof value);
  }
}

void forge_completions() {
  shm::word64& done = own_lane().response.words->done;
  done.store(~done.load(std::memory_order_relaxed), std::memory_order_release);  // SYNC done
}

void forge_a_crash_record() {
  shm::crash_record& record = *own_lane().response.crash;
  record.signal = SIGILL;
  record.epoch = 999;
  record.call_id = 1;
  record.frame_count = 0xffffffff;
  record.kind.store(static_cast<std::uint32_t>(shm::crash_kind::signal), std::memory_order_release);  // SYNC crash
}

void ring_without_end() {
  shm::word32& doorbell = own_lane().response.words->doorbell;
  for (;;) shm::ring(doorbell);
}

}  // namespace selvage::victims
