/*
 * lua_await_end.c: awaits of C functions that do not end by themselves: what is
 * given up, the end of the runtime and of the state, functions that close.
 */
#include "lua_job.h"

static const char awaiting[] =
    "tide = require 'tide'; t = tide.task(function() c.await(j) n = 1 end)";

/* ---- the runtime ends ---- */

static void closing_aborts_and_releases(void) {
  for (int refuses = 0; refuses < 2; refuses++) {
    job j;
    lua_State *L = begin(&j);
    j.refuses = refuses;
    run_code(L, awaiting, __LINE__);
    steps();
    CHECK(tide_close(rt, NULL, NULL) == 0);
    CHECK(j.aborts == 1 && j.finishes == 0);
    CHECK(j.releases == !refuses);
    if (refuses)
      tide_wake(j.waiter, 0); /* only releases */
    CHECK(j.releases == 1);
    lua_close(L);
    CHECK(j.aborts == 1 && j.releases == 1);
  }
}

static void lua_close_aborts_and_releases(void) {
  for (int refuses = 0; refuses < 2; refuses++) {
    job j;
    lua_State *L = begin(&j);
    j.refuses = refuses;
    run_code(L, awaiting, __LINE__);
    steps();
    lua_close(L);
    CHECK(j.aborts == 1 && j.releases == !refuses);
    if (refuses)
      tide_wake(j.waiter, 0);
    CHECK(j.releases == 1);
  }
}

static void an_abort_at_the_end_may_wake(void) {
  for (int i = 0; i < 4; i++) {
    job j;
    lua_State *L = begin(&j);
    j.wakes_in_abort = 1;
    j.refuses = i % 2;
    run_code(L, awaiting, __LINE__);
    steps();
    if (i < 2)
      CHECK(tide_close(rt, NULL, NULL) == 0);
    lua_close(L);
    CHECK(j.aborts == 1 && j.releases == 1 && j.finishes == 0);
  }
}

/* One that a cancel has asked to abort is not asked again. */
static void a_refused_abort_is_not_repeated_at_the_end(void) {
  job j;
  lua_State *L = begin(&j);
  j.refuses = 1;
  run_code(L, awaiting, __LINE__);
  steps();
  RUN(L, "t:cancel()");
  CHECK(j.aborts == 1);
  lua_close(L);
  CHECK(j.aborts == 1 && j.releases == 0);
  tide_wake(j.waiter, 0);
  CHECK(j.releases == 1);
}

/* What was woken before, too. */
static void what_was_woken_and_has_not_run_is_released(void) {
  for (int i = 0; i < 2; i++) {
    job j;
    lua_State *L = begin(&j);
    run_code(L, awaiting, __LINE__);
    steps();
    tide_wake(j.waiter, 0);
    if (i == 0) {
      CHECK(tide_close(rt, NULL, NULL) == 0);
      lua_gc(L, LUA_GCCOLLECT, 0);
      lua_gc(L, LUA_GCCOLLECT, 0);
      CHECK(j.releases == 1);
    }
    lua_close(L);
    CHECK(j.aborts == 0 && j.finishes == 0 && j.releases == 1);
  }
}

/* Objects made before the await, which are finalised after it. */
static int cancel_in_finaliser(lua_State *L) {
  lua_getglobal(L, "t");
  lua_getfield(L, -1, "cancel");
  lua_insert(L, -2);
  lua_pcall(L, 1, 0, 0);
  return 0;
}

static void a_finaliser_cancels_what_lua_close_has_aborted(void) {
  for (int refuses = 0; refuses < 2; refuses++) {
    job j;
    lua_State *L = begin(&j);
    j.refuses = refuses;
    lua_newuserdata(L, 1);
    lua_newtable(L);
    lua_pushcfunction(L, cancel_in_finaliser);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setglobal(L, "first");
    run_code(L, awaiting, __LINE__);
    steps();
    lua_close(L);
    CHECK(j.aborts == 1);
    if (refuses)
      tide_wake(j.waiter, 0);
    CHECK(j.releases == 1);
  }
}

/* ---- given up ---- */

/* A task that catches all cancels is given up after a grace. */
static void an_await_that_cannot_be_aborted_is_left_behind(void) {
  for (int late = 0; late < 3; late++) {
    job j;
    lua_State *L = begin(&j);
    j.refuses = 1;
    RUN(L, "tide.loop():set_grace(0.001) "
           "tide.loop():set_exception_handler(function() end) "
           "tide.run(function() tide.task(tide.pcall, c.await, j) "
           "tide.sleep(0) end)");
    CHECK(j.starts == 1 && j.aborts == 1 && j.finishes == 0);
    CHECK(wakers() == 0);
    if (late == 0)
      tide_wake(j.waiter, 0);
    else if (late == 1)
      CHECK(tide_close(rt, NULL, NULL) == 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    CHECK(j.releases == (late == 0));
    lua_close(L);
    if (late > 0)
      tide_wake(j.waiter, 0);
    CHECK(j.aborts == 1 && j.releases == 1);
  }
}

/* After tide_close a wake may come from another thread: then nothing else of
 * the state may touch it. */
static void closing_lets_go_of_what_was_left_behind(void) {
  job j;
  lua_State *L = begin(&j);
  j.refuses = 1;
  RUN(L, "tide.loop():set_grace(0.001) "
         "tide.loop():set_exception_handler(function() end) "
         "tide.run(function() tide.task(tide.pcall, c.await, j) "
         "tide.sleep(0) end)");
  CHECK(j.starts == 1 && j.aborts == 1);
  CHECK(tide_close(rt, NULL, NULL) == 0);
  tide_wake(j.waiter, 0);
  CHECK(j.releases == 1); /* with no collection between */
  lua_close(L);
  CHECK(j.releases == 1);
}

static void one_that_can_be_is_aborted(void) {
  job j;
  lua_State *L = begin(&j);
  RUN(L, "tide.loop():set_grace(0.001) "
         "tide.loop():set_exception_handler(function() end) "
         "tide.run(function() tide.task(tide.shield, c.await, j) "
         "tide.sleep(0) end)");
  CHECK(j.starts == 1 && j.aborts == 1 && j.finishes == 0);
  CHECK(j.releases == 1 && wakers() == 0);
  lua_close(L);
  CHECK(j.releases == 1);
}

/* ---- functions that close ---- */

static void a_start_that_closes(void) {
  for (int i = 0; i < 4; i++) {
    job j;
    lua_State *L = begin(&j);
    j.closes_at_start = 1;
    j.wakes_at_start = i % 2;
    if (i < 2) {
      run_code(L, awaiting, __LINE__);
      CHECK(tide_step(rt, 0) == UV_ECANCELED);
    } else {
      RUN(L, "ok, e = pcall(c.await, j) ended = ok and 2 or 1");
      CHECK(number(L, "ended") == 1 + i % 2);
    }
    CHECK(tide_step(rt, 0) == UV_ECANCELED);
    CHECK(tide_step(rt, 0) == UV_ECANCELED);
    CHECK(tide_uv_loop(rt) == NULL);
    lua_close(L);
    CHECK(j.releases == 1 && j.aborts == 1 - i % 2);
  }
}

static void an_abort_that_closes(void) {
  for (int inside = 0; inside < 2; inside++) {
    job j;
    lua_State *L = begin(&j);
    j.closes_in_abort = 1;
    run_code(L, awaiting, __LINE__);
    steps();
    if (inside)
      RUN(L, "tide.task(function() t:cancel() m = 1 end)");
    else
      RUN(L, "t:cancel() m = 1");
    CHECK(tide_step(rt, 0) == UV_ECANCELED);
    CHECK(number(L, "m") == 1);
    CHECK(tide_uv_loop(rt) == NULL);
    CHECK(j.aborts == 1);
    lua_close(L);
    CHECK(j.aborts == 1 && j.releases == 1);
  }
}

static int finish_closing(lua_State *L, int status, void *arg) {
  (void)status;
  (void)arg;
  CHECK(tide_close(rt, NULL, NULL) == 0);
  lua_pushinteger(L, 1);
  return 1;
}

static int do_closing(lua_State *L) {
  static const tide_await_ops closing = {"closing", start, NULL, finish_closing,
                                         release};
  return tide_await(L, &closing, lua_touserdata(L, 1));
}

static void a_finish_that_closes(void) {
  for (int inside = 0; inside < 2; inside++) {
    job j;
    lua_State *L = begin(&j);
    j.wakes_at_start = 1;
    tide_pushfunction(L, do_closing, 0);
    lua_setglobal(L, "closing");
    if (inside) {
      RUN(L, "tide.task(function() m = closing(j) end)");
      CHECK(tide_step(rt, 0) == UV_ECANCELED);
    } else {
      RUN(L, "m = closing(j)");
    }
    CHECK(number(L, "m") == 1);
    CHECK(tide_step(rt, 0) == UV_ECANCELED);
    CHECK(tide_uv_loop(rt) == NULL);
    CHECK(j.releases == 1);
    lua_close(L);
    CHECK(j.releases == 1);
  }
}

static int start_stepping(tide_waiter *waiter, void *arg) {
  job *j = arg;
  j->waiter = waiter;
  CHECK(tide_step(rt, 0) == UV_EBUSY);
  CHECK(tide_run(rt) == UV_EBUSY);
  tide_wake(waiter, 0);
  return 0;
}

static int do_stepping(lua_State *L) {
  static const tide_await_ops stepping = {.name = "stepping",
                                          .start = start_stepping};
  return tide_await(L, &stepping, lua_touserdata(L, 1));
}

static void a_start_that_steps_is_told_that_it_is_busy(void) {
  job j;
  lua_State *L = begin(&j);
  tide_pushfunction(L, do_stepping, 0);
  lua_setglobal(L, "stepping");
  RUN(L, "n = stepping(j) and 1 tide.task(function() m = stepping(j) and 1 "
         "end)");
  steps();
  CHECK(number(L, "n") == 1);
  CHECK(number(L, "m") == 1);
  lua_close(L);
}

static const test tests[] = {
    TEST(closing_aborts_and_releases),
    TEST(lua_close_aborts_and_releases),
    TEST(an_abort_at_the_end_may_wake),
    TEST(a_refused_abort_is_not_repeated_at_the_end),
    TEST(what_was_woken_and_has_not_run_is_released),
    TEST(a_finaliser_cancels_what_lua_close_has_aborted),
    TEST(an_await_that_cannot_be_aborted_is_left_behind),
    TEST(closing_lets_go_of_what_was_left_behind),
    TEST(one_that_can_be_is_aborted),
    TEST(a_start_that_closes),
    TEST(an_abort_that_closes),
    TEST(a_finish_that_closes),
    TEST(a_start_that_steps_is_told_that_it_is_busy)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
