// Starts so many processes of a program a second, evenly, and waits for each: execs RATE PROGRAM
#include <cstdlib>
#include <ctime>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const long step = 1000000000L / std::atol(argv[1]);
  timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (;;) {
    if (const pid_t pid = vfork(); pid == 0) {
      execl(argv[2], argv[2], static_cast<char *>(nullptr));
      _exit(127);
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    next.tv_nsec += step;
    if (next.tv_nsec >= 1000000000L) next.tv_nsec -= 1000000000L, next.tv_sec++;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
  }
}
