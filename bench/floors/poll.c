/*
 * poll.c: what it costs to be told that a descriptor is ready: an iteration of
 * libuv's loop with a callback in it.
 *
 *   poll N   prints nanoseconds
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <uv.h>

static long left;

static void on_ready(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  if (--left == 0)
    uv_close((uv_handle_t *)poll, NULL);
}

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 1000000;
  struct timespec from, to;
  uv_loop_t loop;
  uv_poll_t poll;
  int fds[2];
  if (uv_loop_init(&loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
      uv_poll_init(&loop, &poll, fds[0]) < 0)
    return 1;
  left = n;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
  uv_poll_start(&poll, UV_WRITABLE, on_ready);
  uv_run(&loop, UV_RUN_DEFAULT);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
  printf("%.2f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 +
                    (double)(to.tv_nsec - from.tv_nsec)) /
                       (double)n);
  return 0;
}
