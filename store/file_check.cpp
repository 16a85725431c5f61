// See file_check.hpp.
//
// A page: its number (8 bytes), 2 unused, flags (2), then either the ends of its list of entries and of its free space
// (2, 2) or, where it is the first of a record that has pages of its own, their number (4). The list holds the place
// (2) of each entry in the page. An entry: 4 bytes of size or of the low part of a page number, flags or the high part
// of the page number (2), the length of its name (2), the name, the value.

#include "store/file_check.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace selvage::store_detail {
namespace {

constexpr std::uint64_t no_page = ~std::uint64_t{0};
constexpr std::size_t page_header = 16;
constexpr std::size_t entry_header = 8;
constexpr std::uint64_t first_page = 2;  // behind the two meta pages

constexpr std::uint16_t branch_flag = 0x01;
constexpr std::uint16_t leaf_flag = 0x02;
constexpr std::uint16_t overflow_flag = 0x04;
constexpr std::uint16_t meta_flag = 0x08;
constexpr std::uint16_t big_value = 0x01;
constexpr std::uint16_t integer_names = 0x08;

constexpr std::uint32_t magic = 0xBEEFC0DE;
constexpr std::uint32_t version = 1;
constexpr std::uint64_t largest_map = std::uint64_t{1} << 46U;
constexpr unsigned deepest = 32;  // LMDB's cursors have so many levels

/// Why the check ended. Thrown within this file only.
struct damage {
  std::string words;
};

template <class... Values>
[[noreturn]] void damaged(fmt::format_string<Values...> words, Values&&... values) {
  throw damage{fmt::format(words, std::forward<Values>(values)...)};
}

template <class T>
T number(std::span<const std::byte> from, std::size_t offset) {
  T value{};
  std::memcpy(&value, from.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}

/// One of the two trees, as a meta page tells of it.
struct tree {
  std::uint32_t page_size_or_pad;
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branch_pages;
  std::uint64_t leaf_pages;
  std::uint64_t overflow_pages;
  std::uint64_t entries;
  std::uint64_t root;
};
static_assert(sizeof(tree) == 48);

struct meta {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_size;
  tree free_pages;
  tree records;
  std::uint64_t last_page;
  std::uint64_t transaction;
};
static_assert(sizeof(meta) == 136);

struct entry {
  std::span<const std::byte> name;
  std::span<const std::byte> value;  ///< of a leaf; of a big value the number of its first page
  std::uint64_t child = 0;           ///< of a branch
  bool big = false;
  std::uint32_t size = 0;  ///< of the value, wherever it is
};

class checker {
 public:
  explicit checker(std::span<const std::byte> file) : file_(file) {}

  void check_heads() { (void)choose_meta(); }

  void run() {
    const meta newest = choose_meta();
    last_page_ = newest.last_page;
    seen_.assign(static_cast<std::size_t>(file_.size() / page_size_), false);
    check_tree(newest.records, "record");
    check_tree(newest.free_pages, "free");
    check_free_list(newest.free_pages.root);
  }

 private:
  enum class use : std::uint8_t { branch, leaf };

  struct counts {
    std::uint64_t branch = 0;
    std::uint64_t leaf = 0;
    std::uint64_t overflow = 0;
    std::uint64_t entries = 0;
  };

  meta choose_meta() {
    if (file_.size() < page_header + sizeof(meta)) damaged("the file has only {} bytes", file_.size());
    const meta first = meta_at(0);
    page_size_ = first.free_pages.page_size_or_pad;
    if (page_size_ < 256 || page_size_ > 65536 || (page_size_ & (page_size_ - 1)) != 0) {
      damaged("pages of {} bytes are said to be in the file", page_size_);
    }
    if (file_.size() < first_page * page_size_) damaged("the file has only {} bytes", file_.size());
    const meta second = meta_at(page_size_);
    for (const meta* one : {&first, &second}) check_meta(*one);
    return first.transaction < second.transaction ? second : first;
  }

  meta meta_at(std::uint64_t offset) {
    const auto page = file_.subspan(static_cast<std::size_t>(offset), page_header + sizeof(meta));
    if (number<std::uint16_t>(page, 10) != meta_flag) damaged("the page at byte {} is no head of a file", offset);
    return number<meta>(page, page_header);
  }

  void check_meta(const meta& head) const {
    if (head.magic != magic) damaged("the file does not begin as one of LMDB's");
    if (head.version != version) damaged("the file has version {} of LMDB's format, not {}", head.version, version);
    if (head.free_pages.page_size_or_pad != page_size_) damaged("the two heads of the file differ");
    if (head.address != 0 || head.free_pages.flags != integer_names || head.records.flags != 0 ||
        head.records.page_size_or_pad != 0) {
      damaged("a head of the file has settings that the store does not use");
    }
    if (head.map_size > largest_map || head.last_page >= head.map_size / page_size_) {
      damaged("a head of the file speaks of {} pages in {} bytes", head.last_page, head.map_size);
    }
  }

  /// The bytes of `count` pages that are in use, each for the first time.
  std::span<const std::byte> pages(std::uint64_t page, std::uint64_t count) {
    if (page < first_page || page > last_page_ || count > last_page_ - page + 1 || count > seen_.size() ||
        page > seen_.size() - count) {
      damaged("page {} is not in the file", page);
    }
    for (std::uint64_t i = page; i < page + count; ++i) {
      if (seen_[static_cast<std::size_t>(i)]) damaged("page {} is used twice", i);
      seen_[static_cast<std::size_t>(i)] = true;
    }
    const auto bytes =
        file_.subspan(static_cast<std::size_t>(page * page_size_), static_cast<std::size_t>(count * page_size_));
    if (number<std::uint64_t>(bytes, 0) != page) damaged("page {} says that it is another one", page);
    return bytes;
  }

  static std::size_t entries_in(std::span<const std::byte> page) {
    return (number<std::uint16_t>(page, 12) - page_header) / 2;
  }

  entry entry_at(std::span<const std::byte> page, std::uint64_t name, std::size_t index, use what) const {
    const std::size_t place = number<std::uint16_t>(page, page_header + 2 * index);
    const std::size_t free_end = number<std::uint16_t>(page, 14);
    if (place < free_end || place % 2 != 0 || place + entry_header > page.size()) {
      damaged("entry {} of page {} is not in it", index, name);
    }
    const auto low = number<std::uint32_t>(page, place);
    const auto flags = number<std::uint16_t>(page, place + 4);
    const std::size_t name_size = number<std::uint16_t>(page, place + 6);
    entry found;
    found.big = what == use::leaf && flags == big_value;
    found.size = low;
    const std::size_t value_size = what == use::branch ? 0 : found.big ? sizeof(std::uint64_t) : low;
    if (what == use::leaf && flags != 0 && !found.big)
      damaged("entry {} of page {} is of an unknown kind", index, name);
    const std::size_t room = page.size() - place - entry_header;
    if (name_size > room || value_size > room - name_size) damaged("entry {} of page {} is too long", index, name);
    found.name = page.subspan(place + entry_header, name_size);
    found.value = page.subspan(place + entry_header + name_size, value_size);
    found.child = low | std::uint64_t{flags} << 32U;
    return found;
  }

  /// Names ascend, byte by byte or as numbers; the first of a branch page has none that counts.
  static bool ascends(const entry& before, const entry& after, bool numbers) {
    if (numbers) return number<std::uint64_t>(before.name, 0) < number<std::uint64_t>(after.name, 0);
    const std::size_t common = std::min(before.name.size(), after.name.size());
    const int order = common == 0 ? 0 : std::memcmp(before.name.data(), after.name.data(), common);
    return order != 0 ? order < 0 : before.name.size() < after.name.size();
  }

  void check_page(std::uint64_t page, unsigned level, const tree& of, counts& found) {
    const auto bytes = pages(page, 1);
    const use what = level == of.depth ? use::leaf : use::branch;
    if (number<std::uint16_t>(bytes, 10) != (what == use::leaf ? leaf_flag : branch_flag)) {
      damaged("page {} is of another kind than its place in the tree says", page);
    }
    const std::size_t list_end = number<std::uint16_t>(bytes, 12);
    const std::size_t free_end = number<std::uint16_t>(bytes, 14);
    if (list_end < page_header || list_end % 2 != 0 || list_end > free_end || free_end > bytes.size()) {
      damaged("page {} has no list of its entries", page);
    }
    const bool numbers = of.flags == integer_names;
    const std::size_t count = entries_in(bytes);
    if (count < (what == use::branch ? 2U : 1U)) damaged("page {} has too few entries", page);
    ++(what == use::leaf ? found.leaf : found.branch);
    std::optional<entry> before;
    for (std::size_t i = 0; i < count; ++i) {
      const entry one = entry_at(bytes, page, i, what);
      const bool nameless = what == use::branch && i == 0;
      if (!nameless) {
        if (one.name.empty() || (numbers && one.name.size() != sizeof(std::uint64_t))) {
          damaged("entry {} of page {} has no name", i, page);
        }
        if (before && !ascends(*before, one, numbers)) damaged("the entries of page {} are not in order", page);
        before = one;
      }
      if (what == use::branch) {
        check_page(one.child, level + 1, of, found);
      } else {
        ++found.entries;
        if (one.big) check_big_value(one, found);
      }
    }
  }

  void check_big_value(const entry& of, counts& found) {
    const auto first = number<std::uint64_t>(of.value, 0);
    if (first < first_page || first >= seen_.size()) damaged("page {} is not in the file", first);
    const auto head = file_.subspan(static_cast<std::size_t>(first * page_size_), page_header);
    // A record that was replaced by a smaller one keeps its pages.
    const std::uint64_t count = number<std::uint32_t>(head, 12);
    if (number<std::uint16_t>(head, 10) != overflow_flag || count * page_size_ < page_header + of.size) {
      damaged("page {} is not the beginning of a record of {} bytes", first, of.size);
    }
    (void)pages(first, count);
    found.overflow += count;
  }

  void check_tree(const tree& of, std::string_view name) {
    if ((of.root == no_page) != (of.depth == 0) || of.depth > deepest) damaged("the {} tree has no root", name);
    counts found;
    if (of.root != no_page) check_page(of.root, 1, of, found);
    if (found.branch != of.branch_pages || found.leaf != of.leaf_pages || found.overflow != of.overflow_pages ||
        found.entries != of.entries) {
      damaged("the {} tree has {} entries in {} pages, and {} in {} are said to be there", name, found.entries,
              found.branch + found.leaf + found.overflow, of.entries,
              of.branch_pages + of.leaf_pages + of.overflow_pages);
    }
  }

  /// Pages that are said to be free must be: LMDB writes over them. Their tree has been checked.
  void check_free_list(std::uint64_t page) {
    if (page == no_page) return;
    const auto bytes = file_.subspan(static_cast<std::size_t>(page * page_size_), page_size_);
    const use what = number<std::uint16_t>(bytes, 10) == leaf_flag ? use::leaf : use::branch;
    for (std::size_t i = 0; i < entries_in(bytes); ++i) {
      const entry one = entry_at(bytes, page, i, what);
      if (what == use::branch) {
        check_free_list(one.child);
      } else if (one.big) {
        const auto first = number<std::uint64_t>(one.value, 0);
        check_free_pages(file_.subspan(static_cast<std::size_t>(first * page_size_) + page_header, one.size));
      } else {
        check_free_pages(one.value);
      }
    }
  }

  void check_free_pages(std::span<const std::byte> list) {
    if (list.size() < sizeof(std::uint64_t)) damaged("a list of free pages is empty");
    const auto count = number<std::uint64_t>(list, 0);
    if (count > list.size() / sizeof(std::uint64_t) - 1) damaged("a list of free pages is too short");
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto page = number<std::uint64_t>(list, static_cast<std::size_t>(i) * sizeof(std::uint64_t));
      if (page < first_page || page > last_page_) damaged("page {} is said to be free and is not in the file", page);
      if (page >= seen_.size()) continue;  // it was never written, which is all right for a free one
      if (seen_[static_cast<std::size_t>(page)]) damaged("page {} is used and said to be free", page);
      seen_[static_cast<std::size_t>(page)] = true;
    }
  }

  std::span<const std::byte> file_;
  std::uint64_t page_size_ = 0;
  std::uint64_t last_page_ = 0;
  std::vector<bool> seen_;
};

/// What a check says, in words; empty where it says nothing.
template <class Check>
std::string problem_in(Check&& check) {
  try {
    check();
    return {};
  } catch (const damage& found) {
    return found.words;
  }
}

}  // namespace

std::string head_problem(std::span<const std::byte> begin) {
  return problem_in([&] { checker(begin).check_heads(); });
}

std::string structure_problem(std::span<const std::byte> file) {
  return problem_in([&] { checker(file).run(); });
}

}  // namespace selvage::store_detail
