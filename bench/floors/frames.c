/*
 * frames.c: how long the frames of a game last whose N actors are tasks that go
 * on by next_tick; or, as a floor, coroutines that a loop in C resumes. Only
 * PERCENT of them are active, the others sleep. An actor with GARBAGE makes a
 * table in each frame, so that the collector has to do with all of them.
 *
 *   frames N PERCENT GARBAGE [bare]
 *
 * prints the milliseconds of a frame, p50, p99 and max, and bytes per actor.
 * The time is the process's own: other programs do not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

#include "tide.h"

static const char bodies[] =
    "local pause, garbage = ... "
    "return garbage and function() "
    "  local x = {0} while true do x = {x[1] + 1} pause() end "
    "end or function() "
    "  local x = 0 while true do x = x + 1 pause() end "
    "end";

struct frames {
  lua_State *L;
  tide_runtime *rt;
  lua_State **active; /* without tide */
  long n, each;       /* every each-th is active */
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double resident(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss * 1024;
}

/* ---- coroutines ---- */

static int pause_here(lua_State *L) {
  return lua_yield(L, 0);
}

static void resume(lua_State *co, lua_State *from) {
#if LUA_VERSION_NUM >= 504
  int n;
  lua_resume(co, from, 0, &n);
#elif LUA_VERSION_NUM >= 502
  lua_resume(co, from, 0);
#else
  (void)from;
  lua_resume(co, 0);
#endif
}

/* A pause is all that the sleepers do, as the tasks do nothing but sleep. */
static void make_bare(struct frames *f) {
  f->active = malloc((size_t)(f->n / f->each) * sizeof *f->active);
  lua_newtable(f->L);
  for (long i = 0; i < f->n; i++) {
    lua_State *co = lua_newthread(f->L);
    lua_rawseti(f->L, -2, (int)i + 1);
    if (i % f->each == 0)
      lua_pushvalue(f->L, -2);
    else
      lua_pushcfunction(f->L, pause_here);
    lua_xmove(f->L, co, 1);
    resume(co, f->L);
    if (i % f->each == 0)
      f->active[i / f->each] = co;
  }
}

static void run_bare(struct frames *f) {
  for (long i = 0; i < f->n / f->each; i++)
    resume(f->active[i], f->L);
}

/* ---- tasks ---- */

static uint64_t switches(struct frames *f) {
  tide_stats stats = {.size = sizeof stats};
  tide_stats_get(f->rt, &stats);
  return stats.switches;
}

/* The body is on top of the stack, tide.sleep below. */
static int make_tasks(struct frames *f) {
  for (long i = 0; i < f->n; i++) {
    int sleeps = i % f->each != 0;
    lua_pushvalue(f->L, sleeps ? -2 : -1);
    lua_pushinteger(f->L, 3600);
    if (tide_spawn(f->rt, f->L, 1, NULL) < 0)
      return -1;
  }
  return tide_step(f->rt, 0);
}

/* ---- frames ---- */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Every active actor has to have gone on in every frame. */
static int measure(struct frames *f, double before) {
  static double times[2000];
  long count = f->each > 1 ? 2000 : 200;
  uint64_t first = f->rt != NULL ? switches(f) : 0;
  for (long i = 0; i < count; i++) {
    double start = now();
    if (f->rt != NULL)
      tide_step(f->rt, 0);
    else
      run_bare(f);
    times[i] = now() - start;
  }
  if (f->rt != NULL &&
      switches(f) - first != (uint64_t)(count * (f->n / f->each)))
    return -1;
  qsort(times, (size_t)count, sizeof *times, by_size);
  printf("%.4f %.4f %.4f %.0f\n", times[count / 2], times[count * 99 / 100],
         times[count - 1], (resident() - before) / (double)f->n);
  return 0;
}

int main(int argc, char **argv) {
  struct frames f = {.L = luaL_newstate()};
  double before;
  int is_bare = argc > 4 && strcmp(argv[4], "bare") == 0;
  if (argc < 4)
    return 1;
  f.n = atol(argv[1]);
  f.each = 100 / atol(argv[2]);
  luaL_openlibs(f.L);
  lua_register(f.L, "pause", pause_here);
  if (!is_bare &&
      (tide_open(&f.rt, f.L, NULL) < 0 ||
       luaL_dostring(f.L, "package.path = 'lua/?.lua;lua/?/init.lua' "
                          "local tide = require 'tide' "
                          "pause, sleep = tide.next_tick, tide.sleep")))
    return 1;
  lua_getglobal(f.L, "sleep");
  if (luaL_loadstring(f.L, bodies) != 0)
    return 1;
  lua_getglobal(f.L, "pause");
  lua_pushboolean(f.L, atoi(argv[3]));
  if (lua_pcall(f.L, 2, 1, 0) != 0)
    return 1;
  before = resident();
  if (is_bare)
    make_bare(&f);
  else if (make_tasks(&f) < 0)
    return 1;
  if (measure(&f, before) < 0)
    return 1;
  free(f.active);
  lua_close(f.L);
  return 0;
}
