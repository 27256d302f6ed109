/*
 * lua_job.h: what the tests of tide_await share: a C function that awaits, and
 * a job that tells how that goes and what has been called.
 */
#ifndef TIDE_LUA_JOB_H
#define TIDE_LUA_JOB_H

#include "lua_state.h"

static tide_runtime *rt;

/* What the function awaits, how it behaves, and what has been called. */
typedef struct job {
  tide_waiter *waiter;
  int wakes_at_start; /* 1: with `status` */
  int start_error;
  int closes_at_start;
  int refuses; /* its abort does */
  int wakes_in_abort;
  int closes_in_abort;
  int raises; /* its finish does */
  int status;
  tide_task *cancels; /* its start does */
  int lives;          /* begun and not released */
  int starts, aborts, finishes, releases;
} job;

static int start(tide_waiter *waiter, void *arg) {
  job *j = arg;
  j->starts++;
  j->lives = 1;
  j->waiter = waiter;
  if (j->cancels != NULL)
    CHECK(tide_task_cancel(j->cancels, "at the start") == 0);
  if (j->closes_at_start)
    CHECK(tide_close(rt, NULL, NULL) == 0);
  if (j->wakes_at_start)
    tide_wake(waiter, j->status);
  return j->start_error;
}

static int abort_it(tide_waiter *waiter, void *arg) {
  job *j = arg;
  j->aborts++;
  CHECK(j->lives);
  if (j->closes_in_abort)
    CHECK(tide_close(rt, NULL, NULL) == 0);
  if (j->wakes_in_abort)
    tide_wake(waiter, 7);
  return !j->refuses;
}

static int finish(lua_State *L, int status, void *arg) {
  job *j = arg;
  CHECK(j->lives);
  j->finishes++;
  if (j->raises)
    return luaL_error(L, "finish raises");
  lua_pushliteral(L, "finished");
  lua_pushinteger(L, status);
  return 2;
}

static void release(void *arg) {
  job *j = arg;
  j->releases++;
  j->lives = 0;
}

static const tide_await_ops ops = {"test.await", start, abort_it, finish,
                                   release};
static const tide_await_ops simple = {.name = "test.simple", .start = start};

/* await(job), below some values that it leaves there */
static int do_await(lua_State *L) {
  job *j = lua_touserdata(L, 1);
  lua_pushliteral(L, "not a result");
  return tide_await(L, &ops, j);
}

static int do_simple(lua_State *L) {
  return tide_await(L, &simple, lua_touserdata(L, 1));
}

/* Awaits nothing. */
static int do_nothing(lua_State *L) {
  return lua_gettop(L);
}

static const luaL_Reg functions[] = {{"await", do_await},
                                     {"simple", do_simple},
                                     {"nothing", do_nothing},
                                     {NULL, NULL}};

static inline lua_State *begin(job *j) {
  lua_State *L = new_state();
  *j = (job){0};
  rt = open_runtime(L);
  lua_newtable(L);
  tide_setfuncs(L, functions, 0);
  lua_setglobal(L, "c");
  lua_pushlightuserdata(L, j);
  lua_setglobal(L, "j");
  return L;
}

static inline void steps(void) {
  for (int i = 0; i < 20; i++)
    CHECK(tide_step(rt, 0) >= 0);
}

static inline uint64_t wakers(void) {
  tide_stats stats = {.size = sizeof stats};
  CHECK(tide_stats_get(rt, &stats) == 0);
  return stats.wakers;
}

#endif
