// Virtual calls, a callback from the standard library, and an exception that is thrown and caught between the breakpoints.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#define BREAKPOINT __asm__ volatile("int3" ::: "memory")
#define NOINLINE __attribute__((noinline))

struct Shape {
  virtual ~Shape() = default;
  virtual int area(int n) = 0;
};

extern "C" NOINLINE int throws(int n) {
  if (n > 0) throw std::runtime_error("thrown " + std::to_string(n));
  return 1;
}

extern "C" NOINLINE int leaf(int n) {
  BREAKPOINT;
  std::map<std::string, int> counts;
  for (int i = 0; i < 6; i++) counts["key " + std::to_string(i * n % 4)] += i;
  std::vector<std::string> keys;
  for (const auto &entry : counts) keys.push_back(entry.first);
  std::sort(keys.begin(), keys.end(), [](const std::string &a, const std::string &b) { return b < a; });
  BREAKPOINT;
  return static_cast<int>(keys.size());
}

struct Square : Shape {
  NOINLINE int area(int n) override {
    std::string name(n * 10, 'x');
    int result = leaf(n) + static_cast<int>(name.size());
    __asm__ volatile("" : "+r"(result)::"memory");
    return result;
  }
};

int main(int argc, char **) {
  try {
    throws(argc);
  } catch (const std::exception &) {
  }
  Shape *shape = new Square;
  __asm__ volatile("" : "+r"(shape)::"memory");
  int result = shape->area(argc);
  delete shape;
  return result & 1;
}
