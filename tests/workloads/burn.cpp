// Burns one CPU: of the time, 70 % in hot_seventy and 30 % in cold_thirty. Built with frame pointers by the tests.
#include <atomic>
#include <csignal>
#include <cstdint>

static std::atomic<bool> running{true};

static inline uint64_t spin(uint64_t rounds, uint64_t seed) {
  uint64_t x = seed | 1;
  for (uint64_t i = 0; i < rounds; i++) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
  return x;
}

extern "C" __attribute__((noinline)) uint64_t hot_seventy(uint64_t seed) { return spin(70000, seed) + 1; }
extern "C" __attribute__((noinline)) uint64_t cold_thirty(uint64_t seed) { return spin(30000, seed) + 2; }

int main() {
  std::signal(SIGTERM, [](int) { running = false; });
  volatile uint64_t sink = 0;
  while (running) {
    sink = sink + hot_seventy(sink);
    sink = sink + cold_thirty(sink);
  }
}
