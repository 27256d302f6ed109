/*
 * lua_api.c: tide.h: opening with options, the clock, what a runtime tells.
 */
#include <math.h>
#include <poll.h>

#include "lua_state.h"

static tide_runtime *rt;

static lua_State *begin(const tide_options *options) {
  lua_State *L = new_state();
  CHECK(tide_open(&rt, L, options) == 0);
  RUN(L, "");
  return L;
}

/* ---- opening ---- */

static void sizes_of_options_may_be_older(void) {
  tide_options options = {
      .size = sizeof options, .budget = -1, .userdata = &rt};
  tide_runtime *out = rt;
  lua_State *L = new_state();
  CHECK(tide_open(&out, L, &options) == UV_EINVAL && out == NULL);
  options.budget = NAN;
  CHECK(tide_open(&out, L, &options) == UV_EINVAL && out == NULL);
  options.size = offsetof(tide_options, budget);
  CHECK(tide_open(&out, L, &options) == 0);
  CHECK(tide_userdata(out) == &rt);
  lua_close(L);
  L = new_state();
  options.size = offsetof(tide_options, userdata);
  CHECK(tide_open(&out, L, &options) == 0);
  CHECK(tide_userdata(out) == NULL);
  lua_close(L);
}

static void the_second_opening_changes_nothing(void) {
  tide_options options = {.size = sizeof options, .userdata = &rt};
  tide_options other = {.size = sizeof other, .no_blocking = 1};
  lua_State *L = begin(&options);
  tide_runtime *second = NULL;
  CHECK(tide_open(&second, L, &other) == 0 && second == rt);
  CHECK(tide_userdata(rt) == &rt);
  RUN(L, "n = tide.sleep(0, 3)"); /* the main program may still wait */
  CHECK(number(L, "n") == 3);
  CHECK(tide_runtime_of(L) == rt);
  lua_close(L);
}

/* What Lua or a module has opened gets the program's options. */
static void a_program_opens_what_a_module_has(void) {
  tide_options options = {
      .size = sizeof options, .userdata = &rt, .no_blocking = 1};
  lua_State *L = new_state();
  rt = tide_runtime_of(L);
  CHECK(rt != NULL);
  RUN(L, "assert(tide.sleep(0, 3) == 3) tide.task(function() n = 1 end)");
  CHECK(tide_userdata(rt) == NULL);
  CHECK(tide_open(&rt, L, &options) == 0);
  CHECK(tide_userdata(rt) == &rt);
  CHECK(tide_lua(rt) == L);
  RUN(L, "assert(not pcall(tide.sleep, 0)) "
         "assert(not pcall(function() tide.loop():close() end))");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "n") == 1);
  lua_close(L);
}

static void another_loop_is_refused(void) {
  uv_loop_t loop;
  tide_options options = {.size = sizeof options, .loop = &loop};
  lua_State *L = begin(NULL);
  tide_runtime *out = rt;
  CHECK(uv_loop_init(&loop) == 0);
  CHECK(tide_open(&out, L, &options) == UV_EEXIST && out == NULL);
  options.loop = tide_uv_loop(rt);
  CHECK(tide_open(&out, L, &options) == 0 && out == rt);
  lua_close(L);
  CHECK(uv_loop_close(&loop) == 0);
}

static int open_here(lua_State *L) {
  CHECK(tide_open(&rt, L, NULL) == 0);
  return 0;
}

static void opened_in_a_coroutine_that_dies(void) {
  lua_State *L = new_state();
  lua_register(L, "open_here", open_here);
  CHECK(luaL_dostring(L, "coroutine.wrap(function() open_here() end)() "
                         "collectgarbage() collectgarbage()") == 0);
  RUN(L, "t = tide.task(function() n = tide.sleep(0, 2) end)");
  CHECK(tide_step(rt, 1) == 0);
  CHECK(number(L, "n") == 2);
  lua_pushinteger(tide_lua(rt), 1);
  lua_pop(tide_lua(rt), 1);
  lua_gc(L, LUA_GCCOLLECT, 0);
  RUN(L, "assert(tide.task)");
  CHECK(tide_close(rt, NULL, NULL) == 0);
  CHECK(tide_open(&rt, L, NULL) == 0);
  CHECK(tide_lua(rt) == L);
  lua_close(L);
}

/* ---- driving ---- */

static int is_readable(int fd) {
  struct pollfd it = {.fd = fd, .events = POLLIN};
  return poll(&it, 1, 0) > 0;
}

static void the_descriptor_tells_what_is_due(void) {
  lua_State *L = begin(NULL);
  int fd = tide_fd(rt);
  CHECK(fd >= 0);
  CHECK(!is_readable(fd));
  RUN(L, "tide.task(function() tide.sleep(100) end)");
  CHECK(is_readable(fd));
  CHECK(tide_step(rt, 0) == 0);
  CHECK(!is_readable(fd));
  CHECK(tide_next_timeout(rt) > 90);
  RUN(L, "tide.loop():call_later(50, print)"); /* earlier than was told */
  CHECK(is_readable(fd));
  CHECK(tide_step(rt, 0) == 0);
  CHECK(!is_readable(fd));
  RUN(L, "tide.loop():call_later(70, print)"); /* later */
  CHECK(!is_readable(fd));
  lua_close(L);
}

static int wakes;
static void on_wake(tide_runtime *of, void *userdata) {
  CHECK(of == rt || rt == NULL);
  CHECK(userdata == &wakes);
  wakes++;
}

static void wake_tells_what_is_due(void) {
  tide_options options = {
      .size = sizeof options, .wake = on_wake, .userdata = &wakes};
  lua_State *L;
  rt = NULL;
  L = begin(&options);
  CHECK(tide_next_timeout(rt) < 0);
  wakes = 0;
  RUN(L, "tide.task(tide.sleep, 100) tide.task(tide.sleep, 100)");
  CHECK(wakes == 1);
  CHECK(!is_readable(tide_fd(rt)));
  CHECK(tide_step(rt, 0) == 0);
  CHECK(wakes == 1);
  RUN(L, "tide.loop():call_later(50, print)");
  CHECK(wakes == 2);
  RUN(L, "tide.task(function() tide.task(function() end) end)");
  CHECK(wakes == 2); /* once, until a step */
  CHECK(tide_step(rt, 1) == 0);
  CHECK(wakes == 2); /* none inside of it */
  lua_close(L);
}

static double seconds;
static double read_seconds(void *userdata) {
  CHECK(userdata == &seconds);
  return seconds;
}

static void the_clock_may_be_the_hosts(void) {
  tide_options options = {
      .size = sizeof options, .clock = read_seconds, .userdata = &seconds};
  lua_State *L;
  seconds = 1000;
  L = begin(&options);
  CHECK(tide_time(rt) == 1000);
  RUN(L, "tide.task(function() tide.sleep(2) n = tide.loop():time() end)");
  CHECK(tide_step(rt, 0) == 0);
  CHECK(fabs(tide_next_timeout(rt) - 2) < 1e-6);
  seconds = 1001.5;
  CHECK(tide_step(rt, 0) == 0 && number(L, "n") == 0);
  CHECK(fabs(tide_next_timeout(rt) - 0.5) < 1e-6);
  seconds = 1002;
  CHECK(tide_next_timeout(rt) == 0);
  CHECK(tide_step(rt, 1) == 0);
  CHECK(number(L, "n") == 1002);
  lua_close(L);
}

static void the_clock_stands_and_goes_slowly(void) {
  tide_options options = {
      .size = sizeof options, .clock = read_seconds, .userdata = &seconds};
  lua_State *L;
  seconds = 10;
  L = begin(&options);
  CHECK(tide_set_speed(rt, -1) == UV_EINVAL);
  CHECK(tide_set_speed(rt, INFINITY) == UV_EINVAL);
  CHECK(tide_set_speed(rt, NAN) == UV_EINVAL);
  RUN(L, "tide.task(function() tide.sleep(1) n = 1 end)");
  CHECK(tide_step(rt, 0) == 0);
  CHECK(tide_set_speed(rt, 0) == 0);
  CHECK(isinf(tide_next_timeout(rt)));
  seconds = 20;
  CHECK(tide_time(rt) == 10);
  CHECK(tide_step(rt, 0) == 0 && number(L, "n") == 0);
  CHECK(tide_set_speed(rt, 0.5) == 0);
  CHECK(fabs(tide_next_timeout(rt) - 2) < 1e-6);
  seconds = 21.5;
  CHECK(fabs(tide_time(rt) - 10.75) < 1e-9);
  CHECK(tide_step(rt, 0) == 0 && number(L, "n") == 0);
  seconds = 22;
  CHECK(tide_step(rt, 1) == 0 && number(L, "n") == 1);
  lua_close(L);
}

static void on_timer(uv_timer_t *timer) {
  CHECK(luaL_dostring(timer->data, "tide.task(function() n = 1 end)") == 0);
  uv_close((uv_handle_t *)timer, NULL);
}

static void handles_of_the_programs_are_in_its_loop(void) {
  tide_stats stats = {.size = sizeof stats};
  lua_State *L = begin(NULL);
  uv_timer_t timer;
  timer.data = L;
  CHECK(uv_timer_init(tide_uv_loop(rt), &timer) == 0);
  CHECK(uv_timer_start(&timer, on_timer, 1, 0) == 0);
  CHECK(tide_next_timeout(rt) <= 0.001);
  CHECK(tide_stats_get(rt, &stats) == 0 && stats.handles == 1);
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "n") == 1);
  CHECK(tide_next_timeout(rt) < 0);
  lua_close(L);
}

/* ---- failures ---- */

static struct {
  int calls, raises;
  char message[80], error[80];
  int had_traceback, is_table, had_task;
} failed;

static void on_failed(tide_runtime *of, const tide_failure *failure,
                      void *userdata) {
  lua_State *L = failure->L;
  CHECK(of == rt && userdata == &failed);
  failed.calls++;
  snprintf(failed.message, sizeof failed.message, "%s", failure->message);
  snprintf(failed.error, sizeof failed.error, "%s",
           failure->error ? failure->error : "");
  failed.had_traceback = failure->traceback != NULL;
  failed.is_table = lua_istable(L, failure->index);
  lua_getfield(L, failure->index, "task");
  failed.had_task = !lua_isnil(L, -1);
  if (failed.raises)
    luaL_error(L, "the handler raises");
}

static void what_nobody_caught_is_told(void) {
  tide_options options = {
      .size = sizeof options, .failed = on_failed, .userdata = &failed};
  lua_State *L = begin(&options);
  memset(&failed, 0, sizeof failed);
  RUN(L, "tide.loop():call_soon(error, 'in a callback')");
  CHECK(tide_step(rt, 1) == 0);
  CHECK(failed.calls == 1 && failed.is_table && !failed.had_task);
  CHECK(strcmp(failed.message, "error in a callback") == 0);
  CHECK(strcmp(failed.error, "in a callback") == 0);
  RUN(L, "tide.task(function() error('in a task', 0) end)");
  CHECK(tide_step(rt, 1) == 0);
  RUN(L, "collectgarbage() collectgarbage()");
  CHECK(tide_step(rt, 1) == 0);
  CHECK(failed.calls == 2 && failed.had_task && failed.had_traceback);
  CHECK(strcmp(failed.error, "in a task") == 0);
  CHECK(strstr(failed.message, "failed and nobody awaited it") != NULL);
  RUN(L, "tide.loop():set_exception_handler(function() handled = 1 end) "
         "tide.loop():call_soon(error, 'x')");
  CHECK(tide_step(rt, 1) == 0);
  CHECK(failed.calls == 2 && number(L, "handled") == 1);
  RUN(L, "tide.loop():set_exception_handler(nil) "
         "tide.loop():call_soon(error, {})");
  CHECK(tide_step(rt, 1) == 0);
  CHECK(failed.calls == 3);
  lua_close(L);
}

/* Redirects what is written to stderr meanwhile. */
static void what_a_handler_raises_is_written(void) {
  tide_options options = {
      .size = sizeof options, .failed = on_failed, .userdata = &failed};
  lua_State *L = begin(&options);
  FILE *file = tmpfile();
  char text[1024];
  size_t n;
  int before = dup(2);
  memset(&failed, 0, sizeof failed);
  failed.raises = 1;
  fflush(stderr);
  CHECK(file != NULL && dup2(fileno(file), 2) == 2);
  RUN(L, "tide.loop():call_soon(error, 'the first') "
         "tide.task(function() n = 1 end)");
  CHECK(tide_step(rt, 1) == 0);
  fflush(stderr);
  dup2(before, 2);
  close(before);
  rewind(file);
  n = fread(text, 1, sizeof text - 1, file);
  text[n] = '\0';
  fclose(file);
  CHECK(strstr(text, "the handler raises") != NULL);
  CHECK(strstr(text, "the first") != NULL);
  CHECK(failed.calls == 1 && number(L, "n") == 1);
  lua_close(L);
}

/* ---- numbers and data ---- */

static void sizes_of_stats_may_be_older(void) {
  tide_stats stats = {.size = sizeof stats}, older;
  lua_State *L = begin(NULL);
  RUN(L, "tide.task(tide.sleep, 9) tide.task(tide.sleep, 9) "
         "tide.task(function() end)");
  CHECK(tide_stats_get(rt, &stats) == 0);
  CHECK(stats.tasks == 3 && stats.ready == 3 && stats.sleeping == 0);
  CHECK(tide_step(rt, 0) == 0);
  CHECK(tide_stats_get(rt, &stats) == 0);
  CHECK(stats.size == sizeof stats && stats.tasks == 2 && stats.ready == 0);
  CHECK(stats.sleeping == 2 && stats.timers == 2 && stats.spawned == 3);
  CHECK(stats.switches == 3 && stats.turns == 1 && stats.wakers == 0);
  memset(&older, 0xff, sizeof older);
  older.size = offsetof(tide_stats, ready);
  CHECK(tide_stats_get(rt, &older) == 0);
  CHECK(older.tasks == 2 && older.ready == UINT64_MAX);
  CHECK(older.size == offsetof(tide_stats, ready));
  older.size = 3;
  CHECK(tide_stats_get(rt, &older) == UV_EINVAL);
  lua_close(L);
}

static const char key, other_key;

static int local_set(lua_State *L) {
  CHECK(tide_local_set(rt, &key, lua_touserdata(L, 1)) == 0);
  return 0;
}

static int local_get(lua_State *L) {
  void *value = tide_local_get(rt, &key);
  CHECK(tide_local_get(rt, &other_key) == NULL);
  if (value == NULL)
    lua_pushnil(L);
  else
    lua_pushlightuserdata(L, value);
  return 1;
}

static void data_goes_with_a_task(void) {
  static int a, b;
  lua_State *L = begin(NULL);
  lua_register(L, "set", local_set);
  lua_register(L, "get", local_get);
  lua_pushlightuserdata(L, &a);
  lua_setglobal(L, "a");
  lua_pushlightuserdata(L, &b);
  lua_setglobal(L, "b");
  CHECK(tide_local_get(rt, &key) == NULL);
  RUN(L, "local v = tide.var() assert(get() == nil) set(a) assert(get() == a) "
         "tide.task(function() assert(get() == a) set(b) v:set(5) "
         "  local child = tide.task(function() tide.sleep(0) "
         "    assert(get() == b and v:get() == 5) set(nil) "
         "    assert(get() == nil and v:get() == 5) end) "
         "  tide.loop():call_soon(function() assert(get() == b) set(a) "
         "    assert(get() == a) n = 1 end) "
         "  child:await() assert(get() == b) m = 1 end) "
         "assert(get() == a)");
  CHECK(tide_local_get(rt, &key) == &a);
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "n") == 1 && number(L, "m") == 1);
  CHECK(tide_local_get(rt, &key) == &a);
  CHECK(tide_local_set(rt, &key, NULL) == 0);
  CHECK(tide_local_get(rt, &key) == NULL);
  lua_close(L);
}

static int raising(lua_State *L) {
  tide_future *future;
  CHECK(tide_local_set(rt, &key, L) == 0);
  CHECK(tide_future_new(rt, &future) == 0);
  tide_future_release(future);
  if (lua_toboolean(L, 1)) /* in the main program */
    CHECK(tide_step(rt, 0) >= 0);
  return luaL_error(L, "raised after functions of tide");
}

/* On LuaJIT they run on another lua_State: this one is to be what runs then. */
static void functions_that_call_tide_may_raise(void) {
  lua_State *L = begin(NULL);
  lua_register(L, "raising", raising);
  RUN(L, "function many(steps) local n = 0 for i = 1, 300 do "
         "local ok, e = pcall(raising, steps) "
         "if not ok then n = n + 1 end "
         "for j = 1, 20 do n = n + j % 2 end end return n end "
         "tide.task(function() a = many() tide.sleep(0) a = many() end) "
         "tide.loop():call_soon(function() b = many() end) d = many(true)");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "a") == 3300);
  CHECK(number(L, "b") == 3300);
  CHECK(number(L, "d") == 3300);
  lua_close(L);
}

/* ---- for C modules ---- */

static const tide_api *imported;

static int import(lua_State *L) {
  imported = tide_import(L);
  return 0;
}

static void a_module_finds_all_in_the_registry(void) {
  lua_State *L = new_state();
  void *const *functions;
  int top;
  lua_register(L, "import", import);
  top = lua_gettop(L);
  CHECK(luaL_dostring(L, "import()") == 0);
  CHECK(imported->size == sizeof *imported);
  CHECK(imported->version == TIDE_VERSION_NUM);
  functions = (void *const *)&imported->runtime_of;
  for (size_t i = 0;
       i < (sizeof *imported - offsetof(tide_api, runtime_of)) / sizeof(void *);
       i++)
    CHECK(functions[i] != NULL);
  rt = imported->runtime_of(L);
  CHECK(rt != NULL && rt == tide_runtime_of(L));
  CHECK(lua_gettop(L) == top);
  CHECK(luaL_loadstring(L, "n = 4") == 0);
  CHECK(imported->spawn(rt, L, 0, NULL) == 0);
  RUN(L, "tide.sleep(0)");
  CHECK(number(L, "n") == 4);
  lua_close(L);
}

static const test tests[] = {TEST(sizes_of_options_may_be_older),
                             TEST(the_second_opening_changes_nothing),
                             TEST(a_program_opens_what_a_module_has),
                             TEST(another_loop_is_refused),
                             TEST(opened_in_a_coroutine_that_dies),
                             TEST(the_descriptor_tells_what_is_due),
                             TEST(wake_tells_what_is_due),
                             TEST(the_clock_may_be_the_hosts),
                             TEST(the_clock_stands_and_goes_slowly),
                             TEST(handles_of_the_programs_are_in_its_loop),
                             TEST(what_nobody_caught_is_told),
                             TEST(what_a_handler_raises_is_written),
                             TEST(sizes_of_stats_may_be_older),
                             TEST(data_goes_with_a_task),
                             TEST(functions_that_call_tide_may_raise),
                             TEST(a_module_finds_all_in_the_registry)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
