/*
 * lua_await.c: tide_await, an await of a C function: how it begins, is woken
 * and cancelled, and that its argument is freed once.
 */
#include "lua_job.h"

/* upvalues(): awaits what is in the first, which is a result, too, and the
 * second one counts */
static int do_upvalues(lua_State *L) {
  lua_pushinteger(L, lua_tointeger(L, lua_upvalueindex(2)) + 1);
  lua_replace(L, lua_upvalueindex(2));
  return tide_await(L, &ops, lua_touserdata(L, lua_upvalueindex(1)));
}

/* ---- woken ---- */

static void a_wake_ends_it(void) {
  job j;
  lua_State *L = begin(&j);
  RUN(L, "tide.task(function() a, b, d = c.await(j) ok = 1 end)");
  steps();
  CHECK(j.starts == 1 && j.finishes == 0 && j.releases == 0);
  CHECK(wakers() == 1);
  CHECK(tide_next_timeout(rt) > 1e9);
  tide_wake(j.waiter, 5);
  CHECK(wakers() == 0);
  CHECK(tide_next_timeout(rt) == 0);
  steps();
  RUN(L, "assert(ok == 1 and a == 'finished' and b == 5 and d == nil)");
  CHECK(j.finishes == 1 && j.releases == 1 && j.aborts == 0);
  lua_close(L);
  CHECK(j.releases == 1);
}

static void a_start_that_wakes_does_not_wait(void) {
  job j;
  lua_State *L = begin(&j);
  j.wakes_at_start = 1;
  j.status = -3;
  RUN(L, "tide.task(function() for i = 1, 300 do "
         "assert(select('#', c.await(j)) == 2) n = i end end)");
  CHECK(tide_step(rt, 0) == 1); /* now and then it gives up its turn */
  CHECK(number(L, "n") > 1 && number(L, "n") < 300);
  steps();
  CHECK(number(L, "n") == 300);
  CHECK(j.finishes == 300 && j.releases == 300);
  CHECK(wakers() == 0);
  lua_close(L);
}

static void a_start_that_fails_is_a_status(void) {
  job j;
  lua_State *L = begin(&j);
  j.start_error = UV_ENOENT;
  RUN(L, "tide.task(function() a, b = c.await(j) "
         "d, e, f = c.simple(j) end)");
  steps();
  CHECK(number(L, "b") == UV_ENOENT);
  RUN(L, "assert(d == nil and type(e) == 'string' and f == 'ENOENT')");
  CHECK(j.starts == 2 && j.finishes == 1 && j.releases == 1);
  CHECK(wakers() == 0);
  lua_close(L);
}

static void without_finish_it_is_true_or_fails(void) {
  job j;
  lua_State *L = begin(&j);
  RUN(L, "tide.task(function() a, b = c.simple(j) d, e, f = c.simple(j) end)");
  steps();
  tide_wake(j.waiter, 3);
  steps();
  tide_wake(j.waiter, UV_EPERM);
  steps();
  RUN(L, "assert(a == true and b == nil) "
         "assert(d == nil and type(e) == 'string' and f == 'EPERM')");
  lua_close(L);
}

static void a_finish_that_raises(void) {
  job j;
  lua_State *L = begin(&j);
  j.wakes_at_start = j.raises = 1;
  RUN(L, "tide.task(function() ok, e = tide.pcall(c.await, j) end)");
  steps();
  RUN(L, "assert(not ok and tostring(e):find('finish raises')) "
         "collectgarbage() collectgarbage()");
  CHECK(j.releases == 1);
  lua_close(L);
  CHECK(j.releases == 1);
}

static void in_the_main_program_it_drives_the_loop(void) {
  job j;
  lua_State *L = begin(&j);
  j.wakes_at_start = 1;
  RUN(L, "a, b = c.await(j)");
  CHECK(j.finishes == 1 && j.releases == 1);
  j.wakes_at_start = 0;
  lua_pushlightuserdata(L, &j);
  lua_setglobal(L, "j");
  RUN(L, "ok, e = pcall(function() "
         "tide.timeout(0.02, function() c.await(j) end) end) "
         "assert(not ok)");
  CHECK(j.starts == 2 && j.aborts == 1 && j.releases == 2);
  RUN(L, "assert(not ok and tostring(e):find('Timeout'))");
  lua_close(L);
}

static int do_task_body(lua_State *L) {
  return tide_await(L, &ops, lua_touserdata(L, 1));
}

static void the_function_may_be_the_body_of_a_task(void) {
  job j;
  tide_task *task;
  lua_State *L = begin(&j);
  tide_pushfunction(L, do_task_body, 0);
  lua_pushlightuserdata(L, &j);
  CHECK(tide_spawn(rt, L, 1, &task) == 0);
  steps();
  CHECK(j.starts == 1);
  tide_wake(j.waiter, 1);
  steps();
  CHECK(tide_task_outcome(task) == TIDE_RETURNED);
  tide_task_release(task);
  RUN(L, "t = tide.task(c.await, j)");
  steps();
  tide_wake(j.waiter, 9);
  steps();
  RUN(L, "local a, b = t:result() assert(a == 'finished' and b == 9)");
  CHECK(j.releases == 2);
  lua_close(L);
}

static void upvalues_are_the_functions(void) {
  static const luaL_Reg with_upvalues[] = {
      {"one", do_upvalues}, {"two", do_upvalues}, {NULL, NULL}};
  job j;
  lua_State *L = begin(&j);
  int top = lua_gettop(L);
  j.wakes_at_start = 1;
  lua_newtable(L);
  lua_pushlightuserdata(L, &j);
  lua_pushinteger(L, 41);
  tide_setfuncs(L, with_upvalues, 2);
  CHECK(lua_gettop(L) == top + 1);
  lua_setglobal(L, "u");
  RUN(L, "tide.task(function() u.one() u.one() u.two() n = 1 end)");
  steps();
  CHECK(number(L, "n") == 1);
  CHECK(j.finishes == 3 && j.releases == 3);
  lua_pushlightuserdata(L, &j);
  lua_pushinteger(L, 41);
  tide_pushfunction(L, do_upvalues, 2);
  lua_setglobal(L, "f");
  RUN(L, "tide.task(function() f() n = 2 end)");
  steps();
  CHECK(number(L, "n") == 2);
  CHECK(lua_gettop(L) == top);
  lua_close(L);
}

static void a_function_need_not_await(void) {
  job j;
  lua_State *L = begin(&j);
  RUN(L, "tide.task(function() tide.pcall(function() tide.current_task()"
         ":cancel() c.await(j) end) tide.current_task():uncancel() "
         "a, b, d = c.nothing(1, nil, 3) n = select('#', c.nothing()) "
         "ok = 1 end) a1, a2 = c.nothing(5, 6)");
  steps();
  RUN(L, "assert(ok == 1 and a == 1 and b == nil and d == 3 and n == 0 and "
         "a1 == 5 and a2 == 6)");
  CHECK(j.starts == 0 && j.releases == 1);
  lua_close(L);
}

/* ---- where nothing can wait ---- */

static int call_back(lua_State *L) {
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

static void where_nothing_can_wait_it_raises(void) {
  job j;
  lua_State *L = begin(&j);
  int expected = 4;
  lua_register(L, "call_back", call_back);
  RUN(L, "function refused(why, f, ...) local ok, e = pcall(f, ...) "
         "assert(not ok and tostring(e):find(why), e) end "
         "refused('plain coroutine', coroutine.wrap(c.await), j) "
         "tide.task(function() refused('table.sort', function() "
         "table.sort({1, 2, 3}, function() c.await(j) end) end) "
         "refused('call_back', call_back, c.await, j) n = 1 end) "
         "tide.loop():call_soon(function() "
         "refused('callback of the loop', c.await, j) m = 1 end)");
  steps();
  CHECK(number(L, "n") == 1);
  CHECK(number(L, "m") == 1);
  lua_register(L, "plain", do_await);
#if LUA_VERSION_NUM == 501
  expected++;
  RUN(L, "tide.task(function() refused('test.await.*tide_setfuncs', plain, j) "
         "n = 2 end)");
#else
  j.wakes_at_start = 1;
  expected++;
  RUN(L, "tide.task(function() plain(j) n = 2 end)");
#endif
  steps();
  CHECK(number(L, "n") == 2);
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  CHECK(j.releases == expected);
  lua_close(L);
  CHECK(j.releases == expected);
}

static void a_coroutine_of_tides_may_await(void) {
  job j;
  lua_State *L = begin(&j);
  RUN(L, "tide.task(function() local f = tide.coroutine.wrap(function() "
         "local _, status = c.await(j) tide.coroutine.yield(status) end) "
         "n = f() end)");
  steps();
  tide_wake(j.waiter, 6);
  steps();
  CHECK(number(L, "n") == 6);
  CHECK(j.releases == 1);
  lua_close(L);
}

static void outside_of_tide_it_raises(void) {
  job j = {0};
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_register(L, "plain", do_await);
  lua_pushlightuserdata(L, &j);
  lua_setglobal(L, "j");
  CHECK(luaL_dostring(L, "plain(j)") != 0);
  CHECK(strstr(lua_tostring(L, -1), "tide is not loaded") != NULL);
  CHECK(j.releases == 1);
  lua_close(L);
}

/* ---- cancelled ---- */

static const char caught[] =
    "tide = require 'tide'; "
    "t = tide.task(function() ok, e = tide.pcall(c.await, j) "
    "cancelled = not ok and tide.is_cancelled(e) and 1 or 0 "
    "again = tide.pcall(tide.sleep, 0) and 0 or 1 end)";

static void a_cancel_before_starts_nothing(void) {
  job j;
  lua_State *L = begin(&j);
  run_code(L, caught, __LINE__);
  RUN(L, "t:cancel()");
  steps();
  CHECK(number(L, "cancelled") == 1);
  CHECK(number(L, "again") == 1);
  CHECK(j.starts == 0 && j.aborts == 0 && j.releases == 1);
  lua_close(L);
}

static void a_cancel_aborts_once(void) {
  job j;
  lua_State *L = begin(&j);
  run_code(L, caught, __LINE__);
  steps();
  RUN(L, "t:cancel() t:cancel()");
  CHECK(j.aborts == 1 && wakers() == 0);
  steps();
  CHECK(number(L, "cancelled") == 1);
  CHECK(number(L, "again") == 1);
  CHECK(j.aborts == 1 && j.finishes == 0 && j.releases == 1);
  lua_close(L);
}

static void an_abort_that_refuses_waits(void) {
  job j;
  lua_State *L = begin(&j);
  j.refuses = 1;
  run_code(L, caught, __LINE__);
  steps();
  RUN(L, "t:cancel() t:cancel()");
  steps();
  CHECK(j.aborts == 1 && wakers() == 1 && j.releases == 0);
  CHECK(number(L, "again") == 0);
  tide_wake(j.waiter, 4);
  steps();
  RUN(L, "assert(ok and e == 'finished')"); /* as it was woken */
  CHECK(number(L, "again") == 1);           /* the next checkpoint raises */
  CHECK(j.aborts == 1 && j.finishes == 1 && j.releases == 1);
  lua_close(L);
}

static void without_abort_a_cancel_waits(void) {
  job j;
  lua_State *L = begin(&j);
  RUN(L, "t = tide.task(function() ok = tide.pcall(c.simple, j) and 1 "
         "again = tide.pcall(tide.sleep, 0) and 0 or 1 end)");
  steps();
  RUN(L, "t:cancel()");
  steps();
  CHECK(number(L, "again") == 0);
  tide_wake(j.waiter, 0);
  steps();
  CHECK(number(L, "ok") == 1);
  CHECK(number(L, "again") == 1);
  lua_close(L);
}

static void an_abort_may_wake(void) {
  job j;
  lua_State *L = begin(&j);
  for (j.refuses = 0; j.refuses < 2; j.refuses++) {
    j.wakes_in_abort = 1;
    run_code(L, caught, __LINE__);
    steps();
    RUN(L, "t:cancel()");
    CHECK(j.aborts == j.refuses + 1 && wakers() == 0);
    steps();
    RUN(L, "assert(ok and e == 'finished')");
    CHECK(j.finishes == j.refuses + 1 && j.releases == j.refuses + 1);
  }
  lua_close(L);
}

static void what_was_woken_before_the_cancel_is_delivered(void) {
  job j;
  lua_State *L = begin(&j);
  run_code(L, caught, __LINE__);
  steps();
  tide_wake(j.waiter, 4);
  RUN(L, "t:cancel()");
  steps();
  RUN(L, "assert(ok and e == 'finished')");
  CHECK(number(L, "again") == 1);
  CHECK(j.aborts == 0 && j.finishes == 1 && j.releases == 1);
  lua_close(L);
}

/* Whatever start does then. */
static void a_start_that_cancels_its_task(void) {
  for (int i = 0; i < 4; i++) {
    job j;
    lua_State *L = begin(&j);
    j.wakes_at_start = i == 1;
    j.refuses = i == 2;
    j.start_error = i == 3 ? UV_EIO : 0;
    RUN(L, "");
    CHECK(luaL_loadstring(L,
                          "ok, e = tide.pcall(c.await, j) "
                          "again = tide.pcall(tide.sleep, 0) and 0 or 1") == 0);
    CHECK(tide_spawn(rt, L, 0, &j.cancels) == 0);
    steps();
    if (i == 2) {
      CHECK(number(L, "again") == 0 && j.aborts == 1);
      tide_wake(j.waiter, 1);
      steps();
    }
    CHECK(j.aborts == (i == 0 || i == 2));
    CHECK(j.finishes == (i != 0));
    CHECK(number(L, "again") == 1);
    CHECK(j.releases == 1 && wakers() == 0);
    tide_task_release(j.cancels);
    lua_close(L);
    CHECK(j.releases == 1);
  }
}

static const test tests[] = {
    TEST(a_wake_ends_it),
    TEST(a_start_that_wakes_does_not_wait),
    TEST(a_start_that_fails_is_a_status),
    TEST(without_finish_it_is_true_or_fails),
    TEST(a_finish_that_raises),
    TEST(in_the_main_program_it_drives_the_loop),
    TEST(the_function_may_be_the_body_of_a_task),
    TEST(upvalues_are_the_functions),
    TEST(a_function_need_not_await),
    TEST(where_nothing_can_wait_it_raises),
    TEST(a_coroutine_of_tides_may_await),
    TEST(outside_of_tide_it_raises),
    TEST(a_cancel_before_starts_nothing),
    TEST(a_cancel_aborts_once),
    TEST(an_abort_that_refuses_waits),
    TEST(without_abort_a_cancel_waits),
    TEST(an_abort_may_wake),
    TEST(what_was_woken_before_the_cancel_is_delivered),
    TEST(a_start_that_cancels_its_task)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
