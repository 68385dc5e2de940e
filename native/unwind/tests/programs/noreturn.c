/* Calls that never return are the last instruction of their function: the return address belongs to the next one. */
#define FUNCTION __attribute__((noinline, noclone))

FUNCTION __attribute__((noreturn)) static void fatal(int code) {
  __asm__ volatile("int3" ::: "memory");
  for (;;) __asm__ volatile("" ::"r"(code));
}

FUNCTION __attribute__((noreturn)) static void fails(int code) {
  volatile char block[72];
  block[code & 7] = 1;
  fatal(code + block[1]);
}

FUNCTION int runs(int n) {
  if (n > 100) return n * 3;
  fails(n);
}

/* Its frame is larger than that of `runs`, which stands in front of it. */
FUNCTION int behind(int n) {
  volatile char block[4000];
  block[n] = 1;
  return block[n] + 1;
}

int main(int argc, char **argv) {
  (void)argv;
  int n = argc > 50 ? behind(argc) : argc;
  int result = runs(n);
  __asm__ volatile("" : "+r"(result)::"memory");
  return result;
}
