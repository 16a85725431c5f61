// Code by its place: an address as (build-id, offset), and back.

#include "start/modules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace selvage::launch {
namespace {

int some_function() { return 17; }
int some_data = 18;

TEST(loaded_modules, finds_a_function_of_the_program_by_build_id_and_offset) {
  const loaded_modules here;
  const auto place = here.locate(reinterpret_cast<const void*>(&some_function));
  ASSERT_TRUE(place);
  const loaded_module& in = here.all()[place->module];
  EXPECT_EQ(in.path, "the program");
  EXPECT_EQ(in.build_id.size(), 20U) << "this test program is linked with a build-id";

  const loaded_modules elsewhere;  // a second look, as another process would take
  const loaded_module* const again = elsewhere.find(in.build_id);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(reinterpret_cast<int (*)()>(address_in(*again, place->offset))(), 17);
}

TEST(loaded_modules, finds_a_function_of_a_shared_object_there) {
  const loaded_modules here;
  const auto place = here.locate(reinterpret_cast<const void*>(&std::abort));
  ASSERT_TRUE(place);
  EXPECT_THAT(here.all()[place->module].path, ::testing::AnyOf(::testing::HasSubstr("libc.so"), "the program"));
}

TEST(loaded_modules, finds_no_code_in_data_on_the_heap_or_at_null) {
  const loaded_modules here;
  const auto on_heap = std::make_unique<int>(1);
  EXPECT_FALSE(here.locate(&some_data));
  EXPECT_FALSE(here.locate(on_heap.get()));
  EXPECT_FALSE(here.locate(nullptr));
}

TEST(loaded_modules, does_not_find_another_build) {
  const loaded_modules here;
  std::vector<std::uint8_t> id = here.all()[0].build_id;
  ASSERT_FALSE(id.empty());
  id.back() ^= 1;
  EXPECT_EQ(here.find(id), nullptr);
  EXPECT_EQ(here.find({}), nullptr);
}

TEST(loaded_modules, has_no_address_for_an_offset_outside_of_code) {
  const loaded_modules here;
  const loaded_module& program = here.all()[0];
  const auto end =
      std::max_element(program.code.begin(), program.code.end(), [](auto a, auto b) { return a.end < b.end; })->end;
  EXPECT_NE(address_in(program, end - 1 - program.base), nullptr);
  EXPECT_EQ(address_in(program, end - program.base), nullptr);
  EXPECT_EQ(address_in(program, reinterpret_cast<std::uint64_t>(&some_data) - program.base), nullptr);
  EXPECT_EQ(address_in(program, ~std::uint64_t{0}), nullptr);
}

}  // namespace
}  // namespace selvage::launch
