/*
 * lua_borrowed.c: runtimes on the host's own libuv loop.
 */
#include "lua_state.h"

static tide_runtime *rt;
static uv_loop_t loop;
static int closed;

static lua_State *begin(void) {
  tide_options options = {.size = sizeof options, .loop = &loop};
  lua_State *L = new_state();
  CHECK(uv_loop_init(&loop) == 0);
  CHECK(tide_open(&rt, L, &options) == 0);
  RUN(L, "");
  closed = 0;
  return L;
}

static void on_closed(void *ud) {
  CHECK(ud == &closed);
  closed++;
}

/* What the runtime had in the loop is gone after some iterations. */
static void end_loop(void) {
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(&loop) == 0);
}

static void the_hosts_run_runs_tasks(void) {
  lua_State *L = begin();
  CHECK(tide_uv_loop(rt) == &loop);
  CHECK(tide_step(rt, 0) == UV_ENOTSUP && tide_run(rt) == UV_ENOTSUP);
  RUN(L, "assert(not pcall(tide.sleep, 0)) assert(not pcall(tide.run, print)) "
         "tide.task(function() for i = 1, 20 do tide.sleep(i % 2 * 0.001) "
         "n = i end end)");
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0); /* until nothing is left */
  CHECK(number(L, "n") == 20);
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(tide_next_timeout(rt) < 0);
  CHECK(tide_close(rt, on_closed, &closed) == 0);
  CHECK(closed == 0);
  CHECK(tide_close(rt, NULL, NULL) == UV_ECANCELED);
  end_loop();
  CHECK(closed == 1);
  lua_close(L);
  CHECK(closed == 1);
}

static void lua_close_comes_before_the_loop_ends(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin();
    RUN(L, "tide.task(tide.sleep, 99) tide.task(function() tide.sleep(0) end)");
    if (i == 1)
      CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0);
    lua_close(L);
    end_loop();
  }
}

static void closed_may_come_after_lua_close(void) {
  lua_State *L = begin();
  RUN(L, "tide.task(tide.sleep, 99)");
  CHECK(tide_close(rt, on_closed, &closed) == 0);
  lua_close(L);
  CHECK(closed == 0);
  end_loop();
  CHECK(closed == 1);
}

/* ---- closing inside of it ---- */

static int closing(lua_State *L) {
  (void)L;
  CHECK(tide_close(rt, on_closed, &closed) == 0);
  CHECK(tide_close(rt, NULL, NULL) == UV_EALREADY);
  return 0;
}

static void a_task_may_close(void) {
  lua_State *L = begin();
  lua_register(L, "close", closing);
  RUN(L, "tide.task(function() tide.sleep(0.001) close() n = 1 "
         "tide.pcall(tide.sleep, 0) other = 1 end) tide.task(function() "
         "tide.sleep(0.05) other = 1 end)");
  end_loop();
  CHECK(closed == 1 && number(L, "n") == 1 && number(L, "other") == 0);
  lua_close(L);
}

static void a_finaliser_may_close(void) {
  lua_State *L = begin();
  lua_register(L, "close", closing);
  RUN(L, "tide.task(tide.sleep, 99) if newproxy then local p = newproxy(true) "
         "getmetatable(p).__gc = close else setmetatable({}, {__gc = close}) "
         "end");
  CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0 || closed == 1);
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  end_loop();
  CHECK(closed == 1);
  lua_close(L);
}

static uv_timer_t last; /* started when the other one has run */

static void on_timer(uv_timer_t *timer) {
  CHECK(tide_step(rt, 0) == UV_ENOTSUP);
  if (timer->data != NULL) {
    CHECK(luaL_dostring(timer->data, "tide.task(function() n = 1 end)") == 0);
    uv_timer_start(&last, on_timer, 1, 0);
  } else {
    CHECK(tide_close(rt, on_closed, &closed) == 0);
  }
  uv_close((uv_handle_t *)timer, NULL);
}

static void the_hosts_callbacks_spawn_and_close(void) {
  lua_State *L = begin();
  uv_timer_t spawning;
  uv_timer_init(&loop, &spawning);
  uv_timer_init(&loop, &last);
  spawning.data = L;
  last.data = NULL;
  uv_timer_start(&spawning, on_timer, 1, 0);
  RUN(L, "tide.task(tide.sleep, 99)");
  end_loop();
  CHECK(closed == 1 && number(L, "n") == 1);
  lua_close(L);
}

/* ---- what keeps the loop alive ---- */

static void note(tide_runtime *of, void *arg) {
  ++((int *)arg)[of == NULL];
}

static void remotes_and_futures_keep_it_alive(void) {
  lua_State *L = begin();
  tide_remote *remote = tide_remote_new(rt);
  tide_future *future;
  int calls[2] = {0};
  CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0);
  CHECK(tide_post(remote, note, calls) == 0);
  tide_remote_release(remote);
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(calls[0] == 1);
  CHECK(tide_future_new(rt, &future) == 0);
  CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0);
  tide_future_release(future);
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  lua_close(L);
  end_loop();
}

static void posts_at_the_end_have_no_runtime(void) {
  lua_State *L = begin();
  tide_remote *remote = tide_remote_new(rt);
  int calls[2] = {0};
  CHECK(tide_post(remote, note, calls) == 0);
  lua_close(L);
  CHECK(calls[1] == 1);
  end_loop();
  CHECK(tide_post(remote, note, calls) == UV_ECANCELED);
  tide_remote_release(remote);
}

/* ---- work and awaits ---- */

typedef struct job {
  uv_sem_t go;
  int released;
} job;

static void work(void *arg) {
  uv_sem_wait(&((job *)arg)->go);
}

static void release(void *arg) {
  ((job *)arg)->released++;
}

static int do_work(lua_State *L) {
  static const tide_work_ops ops = {
      .name = "work", .work = work, .release = release};
  return tide_work(L, &ops, lua_touserdata(L, 1));
}

/* lua_close does not wait for it; the loop does. */
static void work_ends_after_lua_close(void) {
  lua_State *L = begin();
  job j = {.released = 0};
  CHECK(uv_sem_init(&j.go, 0) == 0);
  tide_pushfunction(L, do_work, 0);
  lua_setglobal(L, "work");
  lua_pushlightuserdata(L, &j);
  lua_setglobal(L, "j");
  RUN(L, "tide.task(function() work(j) end)");
  CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0);
  usleep(10000);
  CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0);
  lua_close(L);
  CHECK(j.released == 0);
  uv_sem_post(&j.go);
  end_loop();
  CHECK(j.released == 1);
  uv_sem_destroy(&j.go);
}

/* ---- several ---- */

static void two_states_on_one_loop(void) {
  lua_State *a = begin(), *b = new_state();
  tide_options options = {.size = sizeof options, .loop = &loop};
  tide_runtime *ra = rt, *rb;
  CHECK(tide_open(&rb, b, &options) == 0 && rb != ra);
  for (int i = 0; i < 2; i++)
    RUN(i ? b : a, "for i = 1, 5 do tide.task(function() for j = 1, 10 do "
                   "tide.sleep(j % 2 * 0.0002) n = (n or 0) + 1 end end) end");
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(number(a, "n") == 50 && number(b, "n") == 50);
  RUN(b, "tide.task(function() tide.sleep(0.002) n = 7 end)");
  lua_close(a);
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(number(b, "n") == 7);
  CHECK(tide_close(rb, on_closed, &closed) == 0);
  CHECK(tide_open(&rb, b, &options) == 0); /* while the last one closes */
  RUN(b, "tide.task(function() n = 8 end)");
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(number(b, "n") == 8 && closed == 1);
  lua_close(b);
  end_loop();
  CHECK(closed == 1);
}

static void the_budget_bounds_an_iteration(void) {
  tide_options options = {
      .size = sizeof options, .loop = &loop, .budget = 0.001};
  lua_State *L = new_state();
  CHECK(uv_loop_init(&loop) == 0);
  CHECK(tide_open(&rt, L, &options) == 0);
  RUN(L, "n = 0 tide.task(function() while true do n = n + 1 "
         "tide.sleep(0) end end)");
  for (int i = 1; i < 4; i++) {
    int before = number(L, "n");
    CHECK(uv_run(&loop, UV_RUN_NOWAIT) != 0);
    CHECK(number(L, "n") > before);
  }
  lua_close(L);
  end_loop();
}

static const test tests[] = {TEST(the_hosts_run_runs_tasks),
                             TEST(lua_close_comes_before_the_loop_ends),
                             TEST(closed_may_come_after_lua_close),
                             TEST(a_task_may_close),
                             TEST(a_finaliser_may_close),
                             TEST(the_hosts_callbacks_spawn_and_close),
                             TEST(remotes_and_futures_keep_it_alive),
                             TEST(posts_at_the_end_have_no_runtime),
                             TEST(work_ends_after_lua_close),
                             TEST(two_states_on_one_loop),
                             TEST(the_budget_bounds_an_iteration)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
