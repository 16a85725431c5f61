// expect: selvage: this class cannot cross to another process
#include <selvage/detail/codec.hpp>
class account {
 public:
  explicit account(int id) : id_(id) {}

 private:
  int id_;
};
constexpr auto form = selvage::detail::arguments_codec<const account&>::form;
