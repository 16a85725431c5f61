// See inflate.hpp. RFC 1952: a .gz file is one or more members, one after the other.

#include "inflate.hpp"

#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <system_error>

namespace unpack {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{64} * 1024;

constexpr int gzip_window_bits = 16 + MAX_WBITS;  // Source: zlib.h, inflateInit2

class inflater {
 public:
  inflater() {
    if (::inflateInit2(&stream_, gzip_window_bits) != Z_OK) throw std::bad_alloc();
  }
  ~inflater() { ::inflateEnd(&stream_); }
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;

  /// Inflates `in` and adds what comes out to `sum`.
  void feed(std::span<unsigned char> in, unpacked& sum) {
    sum.bytes_in += in.size();
    stream_.next_in = in.data();
    stream_.avail_in = static_cast<uInt>(in.size());
    do {
      if (member_over_ && stream_.avail_in != 0) start_member();
      stream_.next_out = out_.data();
      stream_.avail_out = static_cast<uInt>(out_.size());
      const int said = ::inflate(&stream_, Z_NO_FLUSH);
      hash({out_.data(), out_.size() - stream_.avail_out}, sum);
      if (said == Z_STREAM_END) member_over_ = true;
      // Z_BUF_ERROR only asks for more input.
      if (said != Z_OK && said != Z_STREAM_END && said != Z_BUF_ERROR) {
        throw zlib_error(stream_.msg != nullptr ? stream_.msg : ::zError(said));
      }
    } while (stream_.avail_in != 0 || (stream_.avail_out == 0 && !member_over_));
  }

  /// No input is left.
  void finish() const {
    if (!member_over_) throw zlib_error("unexpected end of file");
  }

 private:
  void start_member() {
    ::inflateReset(&stream_);
    member_over_ = false;
  }

  static void hash(std::span<const unsigned char> bytes, unpacked& sum) {
    std::uint64_t hash = sum.hash;
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3U;
    sum.hash = hash;
    sum.bytes_out += bytes.size();
  }

  z_stream stream_{};
  bool member_over_ = false;
  std::array<unsigned char, buffer_bytes> out_{};
};

struct closer {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

}  // namespace

unpacked inflate_file(const std::string& path) {
  const std::unique_ptr<std::FILE, closer> file(std::fopen(path.c_str(), "rbe"));
  if (!file) throw std::system_error(errno, std::generic_category(), "open");
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // our buffer is large enough

  const auto work = std::make_unique<inflater>();
  std::array<unsigned char, buffer_bytes> in;
  unpacked sum{.hash = 0xcbf29ce484222325U};
  while (const std::size_t got = std::fread(in.data(), 1, in.size(), file.get())) work->feed({in.data(), got}, sum);
  if (std::ferror(file.get()) != 0) throw std::system_error(errno, std::generic_category(), "read");
  work->finish();
  return sum;
}

}  // namespace unpack
