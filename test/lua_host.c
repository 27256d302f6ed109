/*
 * lua_host.c: include/tide.h as a host uses it, on one Lua.
 */
#include <math.h>
#include <pthread.h>
#include <sys/wait.h>

#include "holdings.h"

/* ---- tests ---- */

static void opening_twice_gives_the_same(void) {
  lua_State *L = new_state();
  tide_runtime *first = open_runtime(L);
  int top = lua_gettop(L);
  tide_options options = {.size = sizeof options};
  tide_runtime *second = NULL;
  CHECK(tide_open(&second, L, &options) == 0);
  CHECK(second == first);
  CHECK(lua_gettop(L) == top);
  RUN(L, "tide.task(function() ran = 1 end)");
  CHECK(tide_step(first, 0) >= 0);
  CHECK(number(L, "ran") == 1);
  lua_close(L);
}

static void bad_options_are_refused(void) {
  lua_State *L = new_state();
  tide_options options = {.size = 1};
  tide_runtime *rt = (tide_runtime *)&options;
  CHECK(tide_open(&rt, L, &options) == UV_EINVAL);
  CHECK(rt == NULL);
  lua_close(L);
}

static void no_blocking_makes_the_main_program_refuse(void) {
  lua_State *L = new_state();
  tide_options options = {.size = sizeof options, .no_blocking = 1};
  tide_runtime *rt;
  CHECK(tide_open(&rt, L, &options) == 0);
  RUN(L, "ok = pcall(tide.sleep, 0) and 1 or 0 "
         "task = tide.task(function() tide.sleep(0) ran = 1 end)");
  CHECK(number(L, "ok") == 0);
  while (tide_step(rt, 0.01) > 0)
    continue;
  CHECK(number(L, "ran") == 1);
  lua_close(L);
}

static void a_host_steps_and_sees_when(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  double timeout;
  CHECK(tide_next_timeout(rt) < 0);
  CHECK(tide_step(rt, 0) == 0);
  RUN(L, "n = 0 tide.task(function() for i = 1, 3 do n = i tide.sleep(0) end "
         "tide.sleep(50) end)");
  CHECK(tide_next_timeout(rt) == 0);
  CHECK(tide_step(rt, 0) == 1);
  CHECK(number(L, "n") == 1);
  CHECK(tide_step(rt, 1) == 0);
  CHECK(number(L, "n") == 3);
  timeout = tide_next_timeout(rt);
  CHECK(timeout > 40 && timeout <= 50);
  CHECK(tide_fd(rt) >= 0);
  RUN(L, "tide.task(function() tide.next_tick() ticked = 1 end)");
  CHECK(tide_step(rt, 0) >= 0);
  CHECK(number(L, "ticked") == 0);
  CHECK(tide_next_timeout(rt) == 0);
  CHECK(tide_step(rt, 0) >= 0);
  CHECK(number(L, "ticked") == 1);
  lua_close(L);
}

static void run_ends_when_nothing_is_left(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  CHECK(tide_run(rt) == 0);
  RUN(L, "tide.task(function() for i = 1, 10 do tide.sleep(0.001) n = i end "
         "end)");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "n") == 10);
  lua_close(L);
}

static tide_runtime *inner_runtime;

static int step_inside(lua_State *L) {
  lua_pushinteger(L, tide_step(inner_runtime, 0));
  lua_pushinteger(L, tide_run(inner_runtime));
  return 2;
}

static void inside_a_step_it_is_busy(void) {
  lua_State *L = new_state();
  inner_runtime = open_runtime(L);
  lua_register(L, "inside", step_inside);
  RUN(L, "tide.task(function() a, b = inside() end) "
         "tide.loop():call_soon(function() d, e = inside() end)");
  CHECK(tide_step(inner_runtime, 0) >= 0);
  CHECK(number(L, "a") == UV_EBUSY);
  CHECK(number(L, "b") == UV_EBUSY);
  CHECK(number(L, "d") == UV_EBUSY);
  CHECK(number(L, "e") == UV_EBUSY);
  RUN(L, "tide.task(function() g = 1 end)");
  CHECK(tide_run(inner_runtime) == 0);
  CHECK(number(L, "g") == 1);
  lua_close(L);
}

static void on_closed(void *ud) {
  ++*(int *)ud;
}

static int close_inside(lua_State *L) {
  CHECK(tide_close(inner_runtime, on_closed, lua_touserdata(L, 1)) == 0);
  CHECK(tide_close(inner_runtime, NULL, NULL) == UV_EALREADY);
  return 0;
}

static void close_in_a_step_ends_it(void) {
  lua_State *L = new_state();
  int closed = 0;
  inner_runtime = open_runtime(L);
  lua_register(L, "close", close_inside);
  lua_pushlightuserdata(L, &closed);
  lua_setglobal(L, "closed");
  RUN(L, "tide.task(function() close(closed) before = 1 tide.sleep(0) "
         "after = 1 end) tide.task(function() other = 1 end)");
  CHECK(tide_step(inner_runtime, 1) == UV_ECANCELED);
  CHECK(closed == 1);
  CHECK(number(L, "before") == 1);
  CHECK(number(L, "after") == 0);
  CHECK(number(L, "other") == 0);
  CHECK(tide_step(inner_runtime, 1) == UV_ECANCELED);
  CHECK(tide_close(inner_runtime, on_closed, &closed) == UV_ECANCELED);
  CHECK(tide_next_timeout(inner_runtime) < 0);
  inner_runtime = open_runtime(L);
  RUN(L, "local ok, why = pcall(tide.run, function() close(closed) "
         "tide.sleep(1) after = 1 end) "
         "assert(not ok and why:find('closed by the program'))");
  CHECK(closed == 2);
  CHECK(number(L, "after") == 0);
  inner_runtime = open_runtime(L);
  RUN(L, "tide.task(function() close(closed) end) "
         "local ok, why = pcall(tide.sleep, 1) "
         "assert(not ok and why:find('closed by the program'))");
  CHECK(closed == 3);
  lua_close(L);
}

static void close_drops_tasks_and_the_state_goes_on(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  int closed = 0;
  RUN(L, "t = tide.task(function() tide.sleep(100) ran = 1 end)");
  CHECK(tide_step(rt, 0) >= 0);
  CHECK(tide_close(rt, on_closed, &closed) == 0);
  CHECK(closed == 1);
  RUN(L, "assert(t:done()) x = tide.run(function() return tide.sleep(0, 5) "
         "end)");
  CHECK(number(L, "x") == 5);
  CHECK(number(L, "ran") == 0);
  rt = open_runtime(L);
  CHECK(tide_step(rt, 0) == 0);
  CHECK(tide_close(rt, NULL, NULL) == 0);
  lua_close(L);
}

static void lua_close_with_unfinished_tasks(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  RUN(L, "local function sleeper() tide.pcall(tide.sleep, 100) end "
         "for i = 1, 2000 do tide.task(sleeper) end "
         "tide.task(function() tide.park(function() return print end) end) "
         "tide.task(tide.coroutine.wrap(function() tide.sleep(100) end)) "
         "tide.task(function() tide.timeout(50, tide.task(sleeper).await, "
         "tide.task(sleeper)) end) tide.loop():call_later(100, print)");
  CHECK(tide_step(rt, 0) >= 0);
  CHECK(tide_step(rt, 0) >= 0);
  lua_close(L);
}

static const char interleaved[] =
    "tide = require 'tide'; n = 0 "
    "for i = 1, 10 do tide.task(function() "
    "for j = 1, 20 do tide.sleep(j % 3 * 0.0001) n = n + 1 "
    "tide.task(function() n = n + 1 end):await() end end) end";

static void two_states_in_one_thread(void) {
  lua_State *a = new_state(), *b = new_state();
  tide_runtime *ra = open_runtime(a), *rb = open_runtime(b);
  CHECK(ra != rb);
  run_code(a, interleaved, __LINE__);
  run_code(b, interleaved, __LINE__);
  for (int i = 0; i < 100000 && (number(a, "n") < 400 || number(b, "n") < 400);
       i++) {
    CHECK(tide_step(ra, 0) >= 0);
    CHECK(tide_step(rb, 0.0001) >= 0);
  }
  CHECK(number(a, "n") == 400);
  CHECK(number(b, "n") == 400);
  lua_close(a);
  for (int i = 0; i < 1000 && tide_step(rb, 0.001) > 0; i++)
    continue;
  CHECK(tide_step(rb, 0) == 0);
  lua_close(b);
}

static void *thread_body(void *arg) {
  lua_State *L = new_state();
  tide_runtime *rt;
  if (tide_open(&rt, L, NULL) == 0 && luaL_dostring(L, interleaved) == 0 &&
      tide_run(rt) == 0)
    *(int *)arg = number(L, "n");
  lua_close(L);
  return NULL;
}

static void states_in_threads(void) {
  pthread_t threads[4];
  int results[4] = {0};
  for (int i = 0; i < 4; i++)
    CHECK(pthread_create(&threads[i], NULL, thread_body, &results[i]) == 0);
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    CHECK(results[i] == 400);
  }
}

static void a_thousand_times_open_and_close(void) {
  lua_State *L = new_state();
  int before;
  tide_runtime *rt = open_runtime(L);
  CHECK(tide_close(rt, NULL, NULL) == 0);
  before = open_fds();
  for (int i = 0; i < 1000; i++) {
    rt = open_runtime(L);
    if (i % 10 == 0)
      RUN(L, "tide.task(tide.sleep, 10)");
    CHECK(tide_step(rt, 0) >= 0);
    CHECK(tide_close(rt, NULL, NULL) == 0);
  }
  CHECK(open_fds() == before);
  lua_close(L);
  before = open_fds();
  for (int i = 0; i < 100; i++) {
    L = new_state();
    rt = open_runtime(L);
    RUN(L, "tide.task(tide.sleep, 10)");
    CHECK(tide_step(rt, 0) >= 0);
    lua_close(L);
  }
  CHECK(open_fds() == before);
}

/* The child: the loop is the parent's, so a run there has one of its own. */
static int in_child(lua_State *L) {
  failures = 0;
  RUN(L, "local ok = pcall(tide.run, function() tide.sleep(0.001) "
         "forked = 7 end) assert(ok) "
         "assert(not task:cancel()) assert(tide.current_task() == nil) "
         "assert(not pcall(loop.step, loop)) assert(ran == nil)");
  CHECK(number(L, "forked") == 7);
  lua_close(L);
  return failures > 0;
}

static void a_forked_child_renews(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  int status = 0;
  pid_t pid;
  RUN(L, "loop = tide.loop() "
         "task = tide.task(function() tide.sleep(0.02) ran = 1 end)");
  tide_step(rt, 0);
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    /* a hosted loop refuses run; the child's is new and does not */
    int failed = in_child(L);
    fflush(stdout);
    _exit(failed);
  }
  CHECK(pid > 0);
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(tide_run(rt) == 0); /* the parent's descriptors are as they were */
  CHECK(number(L, "ran") == 1);
  lua_close(L);
}

static const test tests[] = {TEST(opening_twice_gives_the_same),
                             TEST(bad_options_are_refused),
                             TEST(no_blocking_makes_the_main_program_refuse),
                             TEST(a_host_steps_and_sees_when),
                             TEST(run_ends_when_nothing_is_left),
                             TEST(inside_a_step_it_is_busy),
                             TEST(close_in_a_step_ends_it),
                             TEST(close_drops_tasks_and_the_state_goes_on),
                             TEST(lua_close_with_unfinished_tasks),
                             TEST(two_states_in_one_thread),
                             TEST(states_in_threads),
                             TEST(a_thousand_times_open_and_close),
                             TEST(a_forked_child_renews)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
