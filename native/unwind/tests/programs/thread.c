#include <pthread.h>
#include <stddef.h>

__attribute__((noinline, noclone)) static int work(int n) {
  __asm__ volatile("int3" ::: "memory");
  return n + 1;
}

static void *body(void *argument) {
  volatile int result = work(*(int *)argument);
  (void)result;
  return NULL;
}

int main(int argc, char **argv) {
  (void)argv;
  pthread_t thread;
  pthread_create(&thread, NULL, body, &argc);
  pthread_join(thread, NULL);
  return 0;
}
