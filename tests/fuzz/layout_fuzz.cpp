// Fuzzes what the host believes of shared memory that others wrote. An input is either a segment's header, given to
// check_segment, or a play: writes of a hostile worker anywhere in its control words and headers, between steps of the
// host. The regions have exactly the size that the layout gives them, so that a sanitizer sees any step out of bounds;
// the host's books are kept a second time, and must agree whatever was written. Called by libFuzzer and by
// replay_main.cpp.

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <selvage/error.hpp>
#include "base/syscalls.hpp"
#include "shm/lane.hpp"
#include "shm/segment.hpp"

namespace {

using namespace selvage::shm;

void require(bool holds) {
  if (!holds) std::abort();
}

// Reads numbers off the input; zeros once it is used up.
class input {
 public:
  input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  template <class Number>
  Number take() {
    Number number = 0;
    const std::size_t bytes = sizeof number < size_ ? sizeof number : size_;
    if (bytes != 0) std::memcpy(&number, data_, bytes);
    data_ += bytes;
    size_ -= bytes;
    return number;
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

template <std::size_t Bytes>
struct alignas(page_bytes) region {
  std::byte bytes[Bytes];
};

class play {
 public:
  play() { open(); }

  void step(input& script) {
    switch (script.take<std::uint8_t>() % 8) {
      case 0:
        scribble(script.take<std::uint16_t>(), script.take<std::uint64_t>());
        break;
      case 1:
        scribble(script.take<std::uint16_t>() % 4 * line_bytes, script.take<std::uint64_t>());  // the hot words
        break;
      case 2:
        worker_answers(script.take<std::uint8_t>());
        break;
      case 3:
        post();
        break;
      case 4:
        collect();
        break;
      case 5:
        take_back(script.take<std::uint8_t>());
        break;
      case 6:
        (void)host_.wake_worker();
        break;
      default:
        if (script.take<std::uint8_t>() == 0) open();
        look_around();
    }
    require(host_.in_flight() == in_flight_ && host_.busy() == busy_);
    require(host_.busy_count() == static_cast<unsigned>(std::popcount(busy_)));
  }

 private:
  void open() {
    host_.reset();
    in_flight_ = busy_ = 0;
    host_.open(host_.open_epoch() + 1);
    require(!host_.ready());
  }

  void scribble(std::size_t offset, std::uint64_t value) {
    constexpr std::size_t words = response_layout::arena / sizeof value;
    reinterpret_cast<word64*>(response_->bytes)[offset / sizeof value % words].store(value, std::memory_order_relaxed);
  }

  // What an honest worker would do, now and then, so that calls get through.
  void worker_answers(unsigned slot) {
    response_words& words = *response_at(response_->bytes).words;
    const std::uint64_t posted = request_at(request_->bytes).words->posted.load(std::memory_order_relaxed);
    const std::uint64_t done = words.done.load(std::memory_order_relaxed);
    words.done.store((done & ~bit(slot)) | (posted & bit(slot)), std::memory_order_relaxed);
  }

  void post() {
    const auto slot = host_.claim();
    if (!slot) return;
    require(*slot < slots_per_lane && !test(busy_, *slot));
    host_.header(*slot).flags = host_.base_flags(*slot);
    host_.publish(*slot);
    busy_ |= bit(*slot);
    in_flight_ |= bit(*slot);
  }

  void collect() {
    const std::uint64_t finished = host_.finished();
    require((finished & ~in_flight_) == 0);
    for_each_from(finished, host_.oldest_from(), [&](unsigned slot) {
      require(slot < slots_per_lane);
      std::byte copy[sizeof(response_header)];
      std::memcpy(copy, &host_.response(slot), sizeof copy);
      host_.settle(slot);
      host_.free(slot);
      in_flight_ &= ~bit(slot);
      busy_ &= ~bit(slot);
    });
  }

  void take_back(unsigned choice) {
    if (in_flight_ == 0) return;
    const unsigned slot = first_from(in_flight_, choice);
    if (choice < 128) {
      (void)host_.recall(slot);
    } else {
      host_.raise_abort(slot);
    }
  }

  void look_around() {
    require((host_.started() & ~in_flight_) == 0);
    (void)host_.ready();
    const watched_word bell = host_.doorbell();
    wait_on(*bell.word, bell.expected, 1);  // a time long past: returns at once
    std::byte copy[sizeof(crash_record)];
    std::memcpy(copy, &host_.crash(), sizeof copy);
  }

  std::unique_ptr<region<request_layout::arena>> request_ = std::make_unique<region<request_layout::arena>>();
  std::unique_ptr<region<response_layout::arena>> response_ = std::make_unique<region<response_layout::arena>>();
  host_lane host_{request_at(request_->bytes), response_at(response_->bytes)};
  std::uint64_t in_flight_ = 0;
  std::uint64_t busy_ = 0;
};

void check_header(const std::uint8_t* data, std::size_t size) {
  constexpr geometry shape{.lanes = 2, .request_arena_bytes = page_bytes, .response_arena_bytes = page_bytes};
  const selvage::base::unique_fd file(selvage::base::check(::memfd_create("header", MFD_CLOEXEC), "memfd_create"));
  selvage::base::check(::write(file.get(), data, size), "write");
  const descriptors segment{selvage::base::unique_fd(::dup(file.get())), selvage::base::unique_fd(::dup(file.get()))};
  try {
    check_segment(segment, shape);
  } catch (const selvage::error& refusal) {
    require(refusal.code() == selvage::errc::worker_start_failed);
    return;
  }
  // Accepted: then it is the one header that there is.
  segment_header found{};
  require(size >= sizeof found);
  std::memcpy(&found, data, sizeof found);
  require(found.format == format_word && found.lanes == shape.lanes && found.segment_bytes == shape.segment_bytes());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input script(data, size);
  if (script.take<std::uint8_t>() % 16 == 0) {
    check_header(data + (size > 0), size - (size > 0));
    return 0;
  }
  play scene;
  for (int steps = 0; steps < 4096 && !script.empty(); ++steps) scene.step(script);
  return 0;
}
