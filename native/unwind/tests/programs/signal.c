/* A signal in the middle of a stack. With an argument the handler runs on a stack of its own. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>

#define FUNCTION __attribute__((noinline, noclone)) int
#define RETURN(value) do { int result_ = (value); __asm__ volatile("" : "+r"(result_)::"memory"); return result_; } while (0)

static volatile int seen;

__attribute__((noinline, noclone)) static void handler(int signal, siginfo_t *info, void *context) {
  (void)info, (void)context;
  seen = signal;
  __asm__ volatile("int3" ::: "memory");
}

/* Faults at its very first instruction: an address looked up one byte before would belong to the function in front of it. */
int faults(void);
__asm__(".text\n.type in_front, @function\nin_front:\n.cfi_startproc\nsub $120, %rsp\n.cfi_adjust_cfa_offset 120\nhlt\n.cfi_endproc\n.size in_front, .-in_front\n"
        ".type faults, @function\nfaults:\n.cfi_startproc\nud2\nxor %eax, %eax\nret\n.cfi_endproc\n.size faults, .-faults\n");

FUNCTION trigger(int n) {
  volatile char block[200];
  block[n] = 1;
  RETURN(faults() + block[n]);
}

int main(int argc, char **argv) {
  (void)argv;
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | (argc > 1 ? SA_ONSTACK : 0)};
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  if (argc > 1) sigaltstack(&stack, NULL);
  sigaction(SIGILL, &action, NULL);
  return trigger(argc);
}
