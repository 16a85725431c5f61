// The identity of signatures.

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <selvage/detail/codec_signature.hpp>

namespace selvage::test {
namespace {

using detail::signature_hash;
using detail::signature_text;

struct one {
  int a;
  int b;
};
struct two {
  int a;
  int b;
};
struct node {
  std::vector<node> children;
};

namespace before {
struct options {
  int a;
};
}  // namespace before

TEST(codec_signature, differs_by_result_parameters_their_order_and_number) {
  const std::uint64_t hashes[] = {
      signature_hash<void>(),
      signature_hash<int>(),
      signature_hash<int, int>(),
      signature_hash<int, int, int>(),
      signature_hash<void, int>(),
      signature_hash<int, unsigned>(),
      signature_hash<int, double, int>(),
      signature_hash<int, int, double>(),
      signature_hash<one>(),
      signature_hash<two>(),
      signature_hash<node>(),
      signature_hash<std::vector<one>>(),
      signature_hash<int, std::string_view>(),
      signature_hash<int, std::string>(),
      signature_hash<int, const std::string&>(),
      signature_hash<before::options>(),
      signature_hash<std::vector<node>>(),
  };
  for (const std::uint64_t& left : hashes) {
    for (const std::uint64_t& right : hashes) EXPECT_EQ(left == right, &left == &right);
  }
}

TEST(codec_signature, is_known_at_compile_time) {
  static_assert(signature_hash<int, one>() == signature_hash<int, one>());
  static_assert(signature_hash<int, node>() != 0);
}

TEST(codec_signature, reads_as_the_declaration_does) {
  EXPECT_EQ((signature_text<int, double, bool>()), "int (double, bool)");
  EXPECT_EQ(signature_text<void>(), "void ()");
}

}  // namespace
}  // namespace selvage::test
