/*
 * startup.c: how long a command takes from its start to its end.
 *
 *   startup N COMMAND [ARG...]   prints the median of N runs, in milliseconds
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int n = argc > 2 ? atoi(argv[1]) : 0;
  double *times = malloc((size_t)(n + 1) * sizeof *times);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  for (int i = 0; i < n; i++) {
    double start = now();
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, argv[2], &quiet, NULL, argv + 2, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
      return 1;
    times[i] = now() - start;
  }
  if (n <= 0)
    return 1;
  qsort(times, (size_t)n, sizeof *times, compare);
  printf("%.3f\n", times[n / 2]);
  posix_spawn_file_actions_destroy(&quiet);
  free(times);
  return 0;
}
