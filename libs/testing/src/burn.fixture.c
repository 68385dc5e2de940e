/* Burns one CPU for argv[1] seconds; 0 = for ever. */
#include <stdlib.h>
#include <time.h>

__attribute__((noinline)) static unsigned long spin(unsigned long x) {
  for (int i = 0; i < 100000; i++) x = x * 6364136223846793005UL + 1;
  return x;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 0;
  double end = seconds > 0 ? now() + seconds : 1e300;
  volatile unsigned long sink = 1;
  while (now() < end) sink = spin(sink);
  return 0;
}
