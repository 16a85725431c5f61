// See files.hpp.

#include "files.hpp"

#include <stdlib.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "interrupt.hpp"

namespace unpack {
namespace {

namespace fs = std::filesystem;

template <class Use>
void for_each_file(const fs::path& root, Use&& use) {
  std::error_code problem;
  fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, problem);
  for (; !problem && at != fs::recursive_directory_iterator(); at.increment(problem)) {
    std::error_code gone;  // a file may vanish while we look
    if (at->symlink_status(gone).type() == fs::file_type::regular && !use(at->path())) return;
  }
}

void append_file(std::string& text, const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  text.append(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// Something to cut pieces from: never empty.
std::string raw_material() {
  constexpr std::size_t enough = std::size_t{32} << 20U;
  std::string text;
  for_each_file("/usr/include", [&](const fs::path& path) {
    throw_if_interrupted();
    append_file(text, path);
    return text.size() < enough;
  });
  if (text.empty()) append_file(text, "/proc/self/exe");
  if (text.empty()) throw std::runtime_error("there is nothing to make .gz files from: /usr/include is empty");
  return text;
}

// `size` bytes of `text` from `begin` on, going round.
std::string piece_of(std::string_view text, std::size_t begin, std::size_t size) {
  std::string piece;
  piece.reserve(size);
  for (begin %= text.size(); piece.size() < size; begin = 0) piece += text.substr(begin, size - piece.size());
  return piece;
}

void write_gz(const std::string& path, const std::string& content) {
  auto* const file = ::gzopen(path.c_str(), "wbe6");
  const bool written = file != nullptr && ::gzwrite(file, content.data(), static_cast<unsigned>(content.size())) ==
                                              static_cast<int>(content.size());
  const bool closed = file != nullptr && ::gzclose(file) == Z_OK;
  if (!written || !closed) throw std::runtime_error("cannot write " + path);
}

}  // namespace

std::vector<std::string> find_gz(const fs::path& root) {
  std::vector<std::string> paths;
  for_each_file(root, [&](const fs::path& path) {
    throw_if_interrupted();
    if (path.extension() == ".gz") paths.push_back(path.string());
    return true;
  });
  std::sort(paths.begin(), paths.end());
  return paths;
}

made_files::folder::folder() {
  std::string name = (fs::temp_directory_path() / "selvage-unpack-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  path = name;
}

made_files::folder::~folder() {
  std::error_code ignored;  // a destructor has nobody to tell
  fs::remove_all(path, ignored);
}

made_files::made_files(std::size_t count) {
  const std::string text = raw_material();
  const std::size_t stride = std::max<std::size_t>(1, text.size() / count);
  for (std::size_t i = 0; i < count; ++i) {
    throw_if_interrupted();
    const std::size_t size = (std::size_t{512} << (i % 8)) + i;  // + i: no two alike, however short the text
    paths_.push_back((folder_.path / (std::to_string(i) + ".gz")).string());
    write_gz(paths_.back(), piece_of(text, i * stride, size));
  }
}

made_files::~made_files() = default;

}  // namespace unpack
