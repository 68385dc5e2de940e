// Keeps a CPU busy below 40 frames, without frame pointers. VARIANT makes builds differ, so that each is a program of its own.
#include <cstdint>

#ifndef VARIANT
#define VARIANT 0
#endif

__attribute__((noinline)) static uint64_t leaf(uint64_t seed) {
  uint64_t x = seed | 1;
  for (int i = 0; i < 50000 + VARIANT; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
  return x;
}

__attribute__((noinline)) static uint64_t descend(int depth, uint64_t seed) {
  return depth == 0 ? leaf(seed) + 1 : descend(depth - 1, seed + depth) + 1;
}

int main() {
  volatile uint64_t sink = 0;
  for (;;) sink = sink + descend(38, sink);
}
