// main → middle → rec, as often as the first argument says → leaf. Built without frame pointers. With a second argument it
// ends after so many milliseconds of CPU.
#include <cstdint>
#include <cstdlib>
#include <ctime>

volatile uint64_t sink;

extern "C" __attribute__((noinline)) uint64_t leaf(uint64_t x) {
  for (int i = 0; i < 20000; i++) x = x * 6364136223846793005ULL + 1;
  return x;
}

extern "C" __attribute__((noinline, noclone)) uint64_t rec(int n, uint64_t x) {
  uint64_t y = n <= 1 ? leaf(x) : rec(n - 1, x + 1);
  // Not a tail call.
  __asm__ volatile("" : "+r"(y));
  return y * 3 + n;
}

extern "C" __attribute__((noinline)) uint64_t middle(int n, uint64_t x) {
  uint64_t y = rec(n, x);
  __asm__ volatile("" : "+r"(y));
  return y + 1;
}

int main(int argc, char **argv) {
  const int depth = argc > 1 ? atoi(argv[1]) : 20;
  const clock_t end = argc > 2 ? atoi(argv[2]) * (CLOCKS_PER_SEC / 1000) : 0;
  do sink = sink + middle(depth, sink); while (!end || clock() < end);
}
