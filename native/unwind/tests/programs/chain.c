/* A chain of known functions with known kinds of frames. Between two breakpoints the leaf calls into the C library. */
#define _GNU_SOURCE
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BREAKPOINT __asm__ volatile("int3" ::: "memory")
#define FUNCTION __attribute__((noinline, noclone)) int
/* Keeps a call from becoming a jump. */
#define RETURN(value) do { int result_ = (value); __asm__ volatile("" : "+r"(result_)::"memory"); return result_; } while (0)

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

FUNCTION leaf(int n) {
  int numbers[] = {n, 3, 7, 1, n + 2, 9};
  char text[64];
  struct timespec now;
  BREAKPOINT;
  qsort(numbers, 6, sizeof numbers[0], compare);
  snprintf(text, sizeof text, "%d %s %.3f", numbers[n & 3], "text", n * 1.5);
  clock_gettime(CLOCK_MONOTONIC, &now);
  char *copy = strdup(text);
  int sum = (int)strlen(copy) + getppid();
  free(copy);
#ifdef WITH_VFORK
  if (vfork() == 0) _exit(0);
#endif
  BREAKPOINT;
  RETURN(sum);
}

/* The CFA is in rbp: the size of the frame is not known. */
FUNCTION with_alloca(int n) {
  char *bytes = alloca(n * 16 + 64);
  memset(bytes, n, n * 16);
  __asm__ volatile("" ::"r"(bytes) : "memory");
  RETURN(leaf(n) + bytes[1]);
}

/* The stack is realigned: gcc keeps the CFA in a slot under rbp and describes it by an expression. */
FUNCTION realigned(int n) {
  _Alignas(64) char block[128];
  char *bytes = alloca(n * 8 + 8);
  memset(block, n, sizeof block);
  bytes[n] = 1;
  __asm__ volatile("" ::"r"(block), "r"(bytes) : "memory");
  RETURN(with_alloca(n) + block[3] + bytes[n]);
}

FUNCTION many_registers(int a, int b, int c, int d, int e, int f) {
  int x = a * b, y = c * d, z = e * f;
  for (int i = 0; i < a; i++) x ^= y * i + z, y += x, z -= y;
  int deep = realigned(a);
  RETURN(deep + x * y * z + a + b + c + d + e + f);
}

int main(int argc, char **argv) {
  (void)argv;
  int n = many_registers(argc + 1, 2, 3, 4, 5, 6);
  return n == 42;
}
