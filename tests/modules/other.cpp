// What takes the place of good.cpp's module behind its host's back: a task of the same name, with another signature.

#include <selvage/module.hpp>

namespace {
double add(double a, double b) { return a + b; }
}  // namespace

SELVAGE_MODULE(selvage::exported<add>("add"));
