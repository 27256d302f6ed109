/*
 * lua_places.c: all that may be done anywhere, done in each place from which a
 * program's C may be called.
 */
#include "lua_job.h"

/* What one visit starts comes to its end in later turns. */
static struct { int visits, posts, tasks, futures; } count;
static job waiting;  /* its await is woken by a visit */
static bool is_busy; /* whether visits are inside of a step or callback */

static void on_post(tide_runtime *of, void *arg) {
  (void)arg;
  count.posts += of == rt;
}

static void on_task(tide_task *task, tide_outcome how, lua_State *L, int n,
                    void *ud) {
  CHECK(how == TIDE_WAS_CANCELLED && n == 1 && L != NULL && ud == &count);
  count.tasks++;
  tide_task_release(task);
}

static void on_future(tide_future *future, tide_outcome how, lua_State *L,
                      int n, void *ud) {
  CHECK(how == TIDE_RETURNED && n == 2 && ud == &count);
  CHECK(lua_tointeger(L, -2) == 3 && lua_isnil(L, -1));
  count.futures++;
  tide_future_release(future);
}

static void spawn_and_cancel(lua_State *L) {
  tide_task *task;
  lua_getglobal(L, "sleeper");
  lua_pushinteger(L, 99);
  CHECK(tide_spawn(rt, L, 1, &task) == 0);
  CHECK(tide_task_on_done(task, on_task, &count) == 0);
  CHECK(tide_task_cancel(task, "visited") == 0);
  lua_getglobal(L, "counter");
  CHECK(tide_spawn(rt, L, 0, NULL) == 0);
}

static void set_future(lua_State *L) {
  tide_future *future;
  CHECK(tide_future_new(rt, &future) == 0);
  CHECK(tide_future_on_done(future, on_future, &count) == 0);
  lua_pushinteger(L, 3);
  lua_pushnil(L);
  CHECK(tide_future_set(future, L, 2) == 0);
}

static void post(void) {
  tide_remote *remote = tide_remote_new(rt);
  CHECK(tide_post(remote, on_post, NULL) == 0);
  tide_remote_release(remote);
}

static void visit(lua_State *L) {
  static char key;
  tide_stats stats = {.size = sizeof stats};
  tide_runtime *same = NULL;
  int top = lua_gettop(L);
  if (count.visits++ > 0)
    return;
  if (is_busy)
    CHECK(tide_step(rt, 0) == UV_EBUSY && tide_run(rt) == UV_EBUSY);
  spawn_and_cancel(L);
  set_future(L);
  post();
  if (waiting.waiter != NULL)
    tide_wake(waiting.waiter, 0);
  CHECK(tide_local_set(rt, &key, &key) == 0);
  CHECK(tide_local_get(rt, &key) == &key);
  CHECK(tide_local_set(rt, &key, NULL) == 0);
  CHECK(tide_stats_get(rt, &stats) == 0 && stats.tasks >= 2);
  CHECK(tide_open(&same, L, NULL) == 0 && same == rt);
  CHECK(tide_runtime_of(L) == rt);
  CHECK(tide_time(rt) > 0 && tide_next_timeout(rt) == 0);
  CHECK(tide_lua(rt) != NULL && tide_uv_loop(rt) != NULL);
  CHECK(lua_gettop(L) == top);
}

static int visit_lua(lua_State *L) {
  visit(L);
  return 0;
}

static void on_failed(tide_runtime *of, const tide_failure *failure, void *ud) {
  (void)of;
  (void)ud;
  visit(failure->L);
}

static lua_State *begin_visit(bool busy) {
  tide_options options = {.size = sizeof options, .failed = on_failed};
  lua_State *L = new_state();
  memset(&count, 0, sizeof count);
  waiting = (job){0};
  is_busy = busy;
  CHECK(tide_open(&rt, L, &options) == 0);
  lua_newtable(L);
  tide_setfuncs(L, functions, 0);
  lua_setglobal(L, "c");
  lua_register(L, "visit", visit_lua);
  lua_pushlightuserdata(L, &waiting);
  lua_setglobal(L, "waiting");
  RUN(L, "function sleeper(s) tide.sleep(s) end "
         "function counter() counted = (counted or 0) + 1 end "
         "t = tide.task(function() c.await(waiting) woken = 1 end)");
  return L;
}

static void end_visit(lua_State *L) {
  CHECK(tide_run(rt) == 0);
  CHECK(count.visits > 0 && count.posts == 1);
  CHECK(count.tasks == 1 && count.futures == 1);
  CHECK(number(L, "counted") == 1);
  CHECK(number(L, "woken") == 1 && waiting.releases == 1);
  lua_close(L);
}

/* ---- in Lua ---- */

static void in_lua(const char *code, bool busy) {
  lua_State *L = begin_visit(busy);
  CHECK(tide_step(rt, 0) == 0); /* the await has begun */
  run_code(L, code, __LINE__);
  end_visit(L);
  if (!busy)
    return;
  L = begin_visit(true); /* and in the main program's await */
  RUN(L, "tide.sleep(0)");
  run_code(L, code, __LINE__);
  RUN(L, "tide.sleep(0.002)");
  end_visit(L);
}

static void in_the_main_program(void) {
  in_lua("visit()", false);
  in_lua("coroutine.wrap(function() visit() end)()", false);
  in_lua("tide.coroutine.wrap(function() visit() end)()", false);
  in_lua("table.sort({1, 2, 3}, function(a, b) visit() return a < b end)",
         false);
}

static void in_tasks(void) {
  in_lua("tide.task(visit)", true);
  in_lua("tide.task(function() tide.sleep(0) visit() tide.sleep(0) end)", true);
  in_lua("tide.task(function() coroutine.wrap(function() visit() end)() end)",
         true);
  in_lua("tide.task(function() tide.coroutine.wrap(function() tide.sleep(0) "
         "visit() end)() end)",
         true);
  in_lua("tide.task(function() pcall(visit) tide.pcall(visit) end)", true);
  in_lua("tide.task(function() tide.timeout(9, visit) end)", true);
}

static void in_callbacks(void) {
  in_lua("tide.loop():call_soon(visit)", true);
  in_lua("tide.loop():call_later(0, visit)", true);
  in_lua("tide.task(function() end):add_done_callback(visit)", true);
  in_lua("local t = tide.task(function() tide.park(function() return visit end)"
         " end) tide.task(function() tide.sleep(0) t:cancel() end)",
         true);
  in_lua("tide.task(function() tide.park(function(wake) visit() wake() end) "
         "end)",
         true);
}

static void in_handlers(void) {
  in_lua("tide.loop():call_soon(error, 'told to the program')", true);
  in_lua("tide.loop():set_exception_handler(visit) "
         "tide.loop():call_soon(error, 'told to a script')",
         true);
}

static void in_finalisers(void) {
  static const char code[] =
      "local function litter() if newproxy then "
      "getmetatable(newproxy(true)).__gc = function() visit() end else "
      "setmetatable({}, {__gc = function() visit() end}) end end ";
  char text[400];
  snprintf(text, sizeof text, "%s litter() collectgarbage() collectgarbage()",
           code);
  in_lua(text, false);
  snprintf(text, sizeof text,
           "%s tide.task(function() litter() collectgarbage() "
           "collectgarbage() end)",
           code);
  in_lua(text, true);
}

/* ---- in C ---- */

static void visiting_post(tide_runtime *of, void *arg) {
  (void)arg;
  visit(tide_lua(of));
}

static void in_a_post(void) {
  lua_State *L = begin_visit(true);
  tide_remote *remote = tide_remote_new(rt);
  CHECK(tide_step(rt, 0) == 0);
  CHECK(tide_post(remote, visiting_post, NULL) == 0);
  tide_remote_release(remote);
  end_visit(L);
}

static void visiting_task(tide_task *task, tide_outcome how, lua_State *L,
                          int n, void *ud) {
  (void)task;
  (void)how;
  (void)n;
  (void)ud;
  visit(L);
}

static void in_a_done_callback(void) {
  lua_State *L = begin_visit(true);
  tide_task *task;
  CHECK(tide_step(rt, 0) == 0);
  CHECK(luaL_loadstring(L, "return 1, 2") == 0);
  CHECK(tide_spawn(rt, L, 0, &task) == 0);
  CHECK(tide_task_on_done(task, visiting_task, NULL) == 0);
  tide_task_release(task);
  end_visit(L);
}

static void visiting_timer(uv_timer_t *timer) {
  visit(tide_lua(rt));
  uv_close((uv_handle_t *)timer, NULL);
}

static void in_a_callback_of_libuvs(void) {
  lua_State *L = begin_visit(true);
  uv_timer_t timer;
  CHECK(tide_step(rt, 0) == 0);
  uv_timer_init(tide_uv_loop(rt), &timer);
  uv_timer_start(&timer, visiting_timer, 1, 0);
  end_visit(L);
}

static int visiting_start(tide_waiter *waiter, void *arg) {
  ((job *)arg)->waiter = waiter;
  visit(tide_lua(rt));
  return 0;
}

static int visiting_abort(tide_waiter *waiter, void *arg) {
  (void)waiter;
  (void)arg;
  visit(tide_lua(rt));
  return 1;
}

static int visiting_finish(lua_State *L, int status, void *arg) {
  (void)status;
  (void)arg;
  visit(L);
  return 0;
}

static int await_visiting(lua_State *L) {
  static const tide_await_ops visitors[] = {
      {.name = "start", .start = visiting_start},
      {.name = "abort", .start = start, .abort = visiting_abort},
      {.name = "finish", .start = start, .finish = visiting_finish}};
  return tide_await(L, &visitors[lua_tointeger(L, 2)], lua_touserdata(L, 1));
}

static void in_functions_of_an_await(void) {
  for (int i = 0; i < 3; i++) {
    job j = {0};
    lua_State *L = begin_visit(true);
    CHECK(tide_step(rt, 0) == 0);
    tide_pushfunction(L, await_visiting, 0);
    lua_setglobal(L, "await");
    lua_pushlightuserdata(L, &j);
    lua_setglobal(L, "j");
    lua_pushinteger(L, i);
    lua_setglobal(L, "i");
    RUN(L, "u = tide.task(function() await(j, i) n = 1 end)");
    CHECK(tide_step(rt, 0) >= 0);
    if (i == 1) {
      RUN(L, "u:cancel()");
    } else {
      for (int k = 0; k < 5; k++)
        CHECK(tide_step(rt, 0) >= 0);
      tide_wake(j.waiter, 0);
    }
    end_visit(L);
  }
}

static const test tests[] = {TEST(in_the_main_program),
                             TEST(in_tasks),
                             TEST(in_callbacks),
                             TEST(in_handlers),
                             TEST(in_finalisers),
                             TEST(in_a_post),
                             TEST(in_a_done_callback),
                             TEST(in_a_callback_of_libuvs),
                             TEST(in_functions_of_an_await)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
