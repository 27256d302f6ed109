/*
 * fs.c: the rows of files, in plain C on libuv.
 *   fs N watch   microseconds from a write to the call that tells of it
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static char folder[] = "/tmp/tide-bench-XXXXXX";
static char path[64];
static long left;
static int fd;

static void on_event(uv_fs_event_t *watch, const char *name, int events,
                     int status) {
  (void)name;
  (void)events;
  if (status < 0 || left-- == 0)
    uv_fs_event_stop(watch);
  else if (write(fd, "x", 1) < 0)
    abort();
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_fs_event_t watch;
  long n = argc > 1 ? atol(argv[1]) : 0;
  uint64_t start;
  if (n < 1 || mkdtemp(folder) == NULL)
    return 1;
  snprintf(path, sizeof path, "%s/f", folder);
  fd = open(path, O_WRONLY | O_CREAT, 0600);
  left = n;
  uv_fs_event_init(loop, &watch);
  uv_fs_event_start(&watch, on_event, folder, 0);
  start = uv_hrtime();
  if (write(fd, "x", 1) < 0)
    return 1;
  uv_run(loop, UV_RUN_DEFAULT);
  printf("%.2f\n", (double)(uv_hrtime() - start) / 1e3 / (double)n);
  close(fd);
  unlink(path);
  rmdir(folder);
  return 0;
}
