/*
 * lua_close.c: tide_close from wherever a program may call it.
 */
#include "lua_state.h"

static tide_runtime *rt;
static int closed;

static void on_closed(void *ud) {
  CHECK(ud == &closed);
  closed++;
}

static int close_result; /* of the first call in `closing` */

static int closing(lua_State *L) {
  close_result = tide_close(rt, on_closed, &closed);
  CHECK(tide_close(rt, NULL, NULL) == (closed ? UV_ECANCELED : UV_EALREADY));
  (void)L;
  return 0;
}

static lua_State *begin(const tide_options *options) {
  lua_State *L = new_state();
  CHECK(tide_open(&rt, L, options) == 0);
  lua_register(L, "close", closing);
  closed = 0;
  close_result = 1;
  return L;
}

static void is_closed(void) {
  tide_stats stats = {.size = sizeof stats};
  tide_future *future;
  char key;
  CHECK(closed == 1);
  CHECK(close_result == 0);
  CHECK(tide_step(rt, 0) == UV_ECANCELED && tide_run(rt) == UV_ECANCELED);
  CHECK(tide_close(rt, NULL, NULL) == UV_ECANCELED);
  CHECK(tide_uv_loop(rt) == NULL && tide_fd(rt) == -1);
  CHECK(tide_next_timeout(rt) < 0 && tide_time(rt) != tide_time(rt));
  CHECK(tide_set_speed(rt, 1) == UV_ECANCELED);
  CHECK(tide_stats_get(rt, &stats) == UV_ECANCELED);
  CHECK(tide_local_set(rt, &key, &key) == UV_ECANCELED);
  CHECK(tide_local_get(rt, &key) == NULL);
  CHECK(tide_future_new(rt, &future) == UV_ECANCELED);
  CHECK(tide_remote_new(rt) == NULL);
}

/* ---- in Lua ---- */

/* What closes, and what is told then: a step, a run, and an await. */
static void closes_in(const char *code) {
  lua_State *L = begin(NULL);
  run_code(L, code, __LINE__);
  CHECK(tide_step(rt, 1) == UV_ECANCELED);
  is_closed();
  CHECK(number(L, "other") == 0);
  lua_close(L);
  L = begin(NULL);
  run_code(L, code, __LINE__);
  CHECK(tide_run(rt) == UV_ECANCELED);
  is_closed();
  CHECK(number(L, "other") == 0);
  lua_close(L);
  L = begin(NULL);
  run_code(L, code, __LINE__);
  RUN(L, "ok, e = pcall(tide.sleep, 5) "
         "assert(not ok and tostring(e):find('closed by the program'), e)");
  is_closed();
  lua_close(L);
  L = begin(NULL);
  RUN(L, "");
  lua_pushstring(L, code);
  lua_setglobal(L, "code");
  RUN(L, "ok, e = pcall(tide.run, function() "
         "assert((loadstring or load)(code))() tide.sleep(5) end) "
         "assert(not ok and tostring(e):find('closed by the program'), e)");
  is_closed();
  RUN(L, "assert(tide.run(function() tide.sleep(0) return 5 end) == 5)");
  lua_close(L);
  CHECK(closed == 1);
}

static void in_a_task(void) {
  closes_in("tide = require 'tide' tide.task(function() close() end) "
            "tide.task(function() other = 1 end)");
}

static void in_a_task_that_goes_on(void) {
  closes_in("tide = require 'tide' tide.task(function() close() "
            "tide.pcall(tide.sleep, 0) other = 1 end)");
}

static void in_a_callback(void) {
  closes_in("tide = require 'tide' tide.loop():call_soon(close) "
            "tide.task(function() other = 1 end)");
}

static void in_a_timer(void) {
  closes_in("tide = require 'tide' tide.loop():call_later(0, close) "
            "tide.task(function() tide.sleep(0) tide.sleep(0) "
            "tide.sleep(0.05) other = 1 end)");
}

static void in_a_done_callback(void) {
  closes_in("tide = require 'tide' tide.task(function() end)"
            ":add_done_callback(close) tide.task(function() tide.sleep(0.01) "
            "other = 1 end)");
}

static void in_a_coroutine(void) {
  closes_in("tide = require 'tide' tide.task(function() "
            "coroutine.wrap(function() close() end)() end) "
            "tide.task(function() other = 1 end)");
  closes_in("tide = require 'tide' tide.task(function() "
            "tide.coroutine.wrap(function() close() end)() tide.sleep(0) other "
            "= 1 end)");
}

static void in_the_abort_function_of_a_park(void) {
  closes_in("tide = require 'tide' local t = tide.task(function() "
            "tide.park(function() return close end) other = 1 end) "
            "tide.task(function() t:cancel() end)");
}

static void in_the_handler_of_exceptions(void) {
  closes_in("tide = require 'tide' tide.loop():set_exception_handler(close) "
            "tide.loop():call_soon(error, 'x') "
            "tide.task(function() other = 1 end)");
}

static void at_the_top_of_the_main_program(void) {
  lua_State *L = begin(NULL);
  RUN(L, "tide.task(function() other = 1 end) close()");
  is_closed();
  CHECK(number(L, "other") == 0);
  rt = open_runtime(L);
  closed = 0;
  RUN(L, "coroutine.wrap(function() close() end)()");
  is_closed();
  lua_close(L);
}

/* ---- in finalisers ---- */

static const char garbage[] =
    "tide = require 'tide' function litter() "
    "if newproxy then local p = newproxy(true) "
    "getmetatable(p).__gc = function() if not over then over = 1 close() end "
    "end else setmetatable({}, {__gc = function() if not over then over = 1 "
    "close() end end}) end end ";

static void in_a_finaliser(void) {
  lua_State *L = begin(NULL);
  run_code(L, garbage, __LINE__);
  RUN(L, "tide.task(function() litter() collectgarbage() collectgarbage() "
         "inside = 1 end) tide.task(function() other = 1 end)");
  CHECK(tide_step(rt, 1) == UV_ECANCELED);
  is_closed();
  CHECK(number(L, "inside") == 1);
  CHECK(number(L, "other") == 0);
  lua_close(L);
}

/* A function of tide may be what collects. */
static void in_a_finaliser_of_the_main_program(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin(NULL);
    run_code(L, garbage, __LINE__);
    if (i == 0)
      RUN(L, "litter() collectgarbage() collectgarbage() assert(over)");
    else
      RUN(L, "for i = 1, 200000 do if i % 100 == 1 then litter() end "
             "tide.task(print, 1, 2, {}) if over then break end end "
             "assert(over)");
    CHECK(tide_step(rt, 0) == UV_ECANCELED);
    is_closed();
    lua_close(L);
  }
}

/* ---- in functions of the program's ---- */

static void post_closing(tide_runtime *of, void *arg) {
  (void)arg;
  if (of != NULL)
    closing(tide_lua(of));
}

static void count(tide_runtime *of, void *arg) {
  ++((int *)arg)[of == NULL];
}

static void in_a_post(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin(NULL);
    tide_remote *remote = tide_remote_new(rt);
    int calls[2] = {0}; /* with and without a runtime */
    RUN(L, "tide.task(function() tide.sleep(0.02) other = 1 end)");
    CHECK(tide_post(remote, count, calls) == 0);
    CHECK(tide_post(remote, post_closing, NULL) == 0);
    CHECK(tide_post(remote, count, calls) == 0);
    CHECK((i ? tide_run(rt) : tide_step(rt, 1)) == UV_ECANCELED);
    is_closed();
    CHECK(number(L, "other") == 0);
    CHECK(calls[0] == 1 && calls[1] == 1);
    CHECK(tide_post(remote, count, calls) == UV_ECANCELED);
    tide_remote_release(remote);
    lua_close(L);
  }
}

static void done_closing(tide_task *task, tide_outcome how, lua_State *L, int n,
                         void *ud) {
  (void)task;
  (void)how;
  (void)n;
  ++*(int *)ud;
  if (L != NULL)
    closing(L);
}

static void in_a_done_callback_of_c(void) {
  lua_State *L = begin(NULL);
  tide_task *task, *other;
  int calls = 0;
  CHECK(luaL_loadstring(L, "") == 0);
  CHECK(tide_spawn(rt, L, 0, &task) == 0);
  CHECK(luaL_loadstring(L, "require('tide').sleep(9)") == 0);
  CHECK(tide_spawn(rt, L, 0, &other) == 0);
  CHECK(tide_task_on_done(task, done_closing, &calls) == 0);
  CHECK(tide_task_on_done(task, done_closing, &calls) == 0);
  CHECK(tide_task_on_done(other, done_closing, &calls) == 0);
  CHECK(tide_run(rt) == UV_ECANCELED);
  CHECK(calls == 3);
  is_closed();
  tide_task_release(task);
  tide_task_release(other);
  lua_close(L);
}

static void failed_closing(tide_runtime *of, const tide_failure *failure,
                           void *ud) {
  (void)ud;
  CHECK(of == rt);
  if (close_result != 0)
    closing(failure->L);
}

static void in_the_handler_of_failures(void) {
  tide_options options = {.size = sizeof options, .failed = failed_closing};
  lua_State *L = begin(&options);
  RUN(L, "tide.task(error, 'x') tide.task(function() tide.sleep(0.02) "
         "other = 1 end) collectgarbage()");
  CHECK(tide_run(rt) == UV_ECANCELED);
  is_closed();
  CHECK(number(L, "other") == 0);
  lua_close(L);
}

static void on_timer(uv_timer_t *timer) {
  closing(NULL);
  uv_close((uv_handle_t *)timer, NULL);
}

/* Its handles, too, are closed with the loop. */
static void in_a_callback_of_libuvs(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin(NULL);
    uv_timer_t timer, left;
    uv_timer_init(tide_uv_loop(rt), &timer);
    uv_timer_init(tide_uv_loop(rt), &left);
    uv_timer_start(&timer, on_timer, 0, 0);
    uv_timer_start(&left, on_timer, 10000, 0);
    CHECK((i ? tide_run(rt) : tide_step(rt, 1)) == UV_ECANCELED);
    is_closed();
    CHECK(uv_is_closing((uv_handle_t *)&left));
    lua_close(L);
  }
}

static int clean_up(lua_State *L) {
  (void)L;
  CHECK(tide_close(rt, on_closed, NULL) == UV_EALREADY);
  CHECK(tide_step(rt, 0) == UV_EBUSY);
  return 0;
}

static void opening(tide_task *task, tide_outcome how, lua_State *L, int n,
                    void *ud) {
  tide_runtime *other = rt;
  (void)task;
  (void)n;
  CHECK(how == TIDE_DROPPED && L == NULL);
  CHECK(tide_open(&other, ud, NULL) == UV_EBUSY && other == NULL);
  CHECK(tide_runtime_of(ud) == NULL);
  CHECK(tide_close(rt, NULL, NULL) == UV_EALREADY);
  CHECK(luaL_dostring(ud, "require('tide').task(print)") != 0);
  lua_pop(ud, 1);
}

/* What is told of the end cannot have another runtime yet. */
static void while_it_closes(void) {
  lua_State *L = begin(NULL);
  tide_task *task;
  lua_register(L, "clean_up", clean_up);
#if LUA_VERSION_NUM >= 504
  RUN(L, "tide.task(function() local x <close> = setmetatable({}, "
         "{__close = clean_up}) tide.sleep(9) end)");
#else
  RUN(L, "");
#endif
  CHECK(luaL_loadstring(L, "tide.sleep(9)") == 0);
  CHECK(tide_spawn(rt, L, 0, &task) == 0);
  CHECK(tide_task_on_done(task, opening, L) == 0);
  CHECK(tide_step(rt, 1) == 0);
  CHECK((close_result = tide_close(rt, on_closed, &closed)) == 0);
  is_closed();
  tide_task_release(task);
  rt = open_runtime(L);
  CHECK(tide_step(rt, 0) == 0);
  lua_close(L);
  CHECK(closed == 1);
}

static void on_reopen(void *ud) {
  tide_options options = {.size = sizeof options, .userdata = &closed};
  closed++;
  CHECK(tide_open(&rt, ud, &options) == 0);
}

static void closed_may_open_the_next(void) {
  lua_State *L = begin(NULL);
  RUN(L, "tide.task(tide.sleep, 9)");
  CHECK(tide_step(rt, 0) == 0);
  CHECK(tide_close(rt, on_reopen, L) == 0);
  CHECK(closed == 1 && tide_userdata(rt) == &closed);
  RUN(L, "tide.task(function() n = 1 end)");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "n") == 1);
  lua_close(L);
}

static const test tests[] = {TEST(in_a_task),
                             TEST(in_a_task_that_goes_on),
                             TEST(in_a_callback),
                             TEST(in_a_timer),
                             TEST(in_a_done_callback),
                             TEST(in_a_coroutine),
                             TEST(in_the_abort_function_of_a_park),
                             TEST(in_the_handler_of_exceptions),
                             TEST(at_the_top_of_the_main_program),
                             TEST(in_a_finaliser),
                             TEST(in_a_finaliser_of_the_main_program),
                             TEST(in_a_post),
                             TEST(in_a_done_callback_of_c),
                             TEST(in_the_handler_of_failures),
                             TEST(in_a_callback_of_libuvs),
                             TEST(while_it_closes),
                             TEST(closed_may_open_the_next)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
