// Burns 30 ms of CPU below main in a chain of known functions, then ends. Built with frame pointers.
#include <cstdint>
#include <ctime>

static int64_t cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

extern "C" __attribute__((noinline)) uint64_t burn_leaf(uint64_t seed) {
  uint64_t x = seed | 1;
  for (int i = 0; i < 20000; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
  return x;
}

extern "C" __attribute__((noinline)) uint64_t descend(int depth, uint64_t seed) {
  return depth == 0 ? burn_leaf(seed) + 1 : descend(depth - 1, seed) + 1;
}

int main() {
  volatile uint64_t sink = 0;
  while (cpu_ns() < 30000000) sink = sink + descend(20, sink);
}
