/*
 * process.c: what short processes cost in C on libuv.
 *
 *   process N AT_ONCE   prints microseconds of real time for each
 */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

static long left;

static void start(uv_process_t *process);

static void on_close(uv_handle_t *handle) {
  start((uv_process_t *)handle);
}

static void on_exit_of(uv_process_t *process, int64_t code, int signal) {
  if (code != 0 || signal != 0)
    exit(1);
  uv_close((uv_handle_t *)process, on_close);
}

static void start(uv_process_t *process) {
  char *args[] = {"/bin/true", NULL};
  uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                   {.flags = UV_INHERIT_FD, .data.fd = 1},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2}};
  uv_process_options_t options = {.exit_cb = on_exit_of,
                                  .file = args[0],
                                  .args = args,
                                  .stdio_count = 3,
                                  .stdio = stdio};
  if (left-- > 0 && uv_spawn(uv_default_loop(), process, &options) < 0)
    exit(1);
}

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 1000;
  int at_once = argc > 2 ? atoi(argv[2]) : 8;
  uv_process_t *processes = calloc((size_t)at_once, sizeof *processes);
  uint64_t began = uv_hrtime();
  left = n;
  for (int i = 0; i < at_once; i++)
    start(&processes[i]);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  printf("%.1f\n", (double)(uv_hrtime() - began) / 1e3 / (double)n);
  free(processes);
  return 0;
}
