/*
 * idle.c: what a step costs in which nothing happens, beside uv_run on a loop
 * in which nothing happens: with nothing open, and with a handle open, so that
 * the system is asked for events.
 *
 *   idle N open|closed   prints nanoseconds: uv_run's, then tide_step's
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include "tide.h"

#define ROUNDS 100 /* in which the two take turns */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void ignore(uv_async_t *handle) {
  (void)handle;
}

int main(int argc, char **argv) {
  long n = (argc > 1 ? atol(argv[1]) : 1000000) / ROUNDS;
  lua_State *L = luaL_newstate();
  tide_runtime *rt;
  uv_loop_t bare;
  uv_async_t handles[2];
  double bare_ns = 0, step_ns = 0;
  luaL_openlibs(L);
  if (tide_open(&rt, L, NULL) < 0 || uv_loop_init(&bare) < 0)
    return 1;
  if (argc > 2 && strcmp(argv[2], "open") == 0) {
    uv_async_init(&bare, &handles[0], ignore);
    uv_async_init(tide_uv_loop(rt), &handles[1], ignore);
  }
  for (int round = 0; round < ROUNDS; round++) {
    double start = now(), middle;
    for (long i = 0; i < n; i++)
      uv_run(&bare, UV_RUN_NOWAIT);
    middle = now();
    for (long i = 0; i < n; i++)
      tide_step(rt, 0);
    bare_ns += middle - start;
    step_ns += now() - middle;
  }
  n *= ROUNDS;
  printf("%.1f %.1f\n", bare_ns / (double)n, step_ns / (double)n);
  lua_close(L);
  return 0;
}
