/*
 * lua_host.c: include/tide.h as a host uses it, on one Lua.
 *
 * Each test has lua_States of its own. A failed check is printed, the test goes
 * on.
 */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "../bindings/compat.h"
#include "../include/tide.h"

static unsigned failures; /* of the test that runs */

static void check(int ok, const char *what, int line) {
  if (ok)
    return;
  failures++;
  printf("# %s:%d: %s\n", __FILE__, line, what);
}
#define CHECK(cond) check(!!(cond), #cond, __LINE__)

/* ---- states ---- */

/* A state in which `tide` is the module and `core` can be required. */
static lua_State *prepare(lua_State *L) {
  if (L == NULL)
    return NULL;
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_tide_core);
  lua_setfield(L, -2, "tide.core");
  lua_settop(L, 0);
  return L;
}

static lua_State *new_state(void) {
  return prepare(luaL_newstate());
}

static void run_code(lua_State *L, const char *code, int line) {
  if (luaL_loadstring(L, code) == LUA_OK && lua_pcall(L, 0, 0, 0) == LUA_OK)
    return;
  printf("# %s:%d: %s\n", __FILE__, line, lua_tostring(L, -1));
  lua_pop(L, 1);
  failures++;
}
#define RUN(L, code) run_code(L, "tide = require 'tide'; " code, __LINE__)

static int number(lua_State *L, const char *name) {
  int n;
  lua_getglobal(L, name);
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static tide_runtime *open_runtime(lua_State *L) {
  tide_runtime *rt = NULL;
  CHECK(tide_open(&rt, L, NULL) == 0);
  CHECK(rt != NULL);
  return rt;
}

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
  CHECK(isinf(tide_next_timeout(rt)));
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
  lua_pushinteger(L, tide_close(inner_runtime, NULL, NULL));
  return 3;
}

static void inside_a_step_it_is_busy(void) {
  lua_State *L = new_state();
  inner_runtime = open_runtime(L);
  lua_register(L, "inside", step_inside);
  RUN(L, "tide.task(function() a, b, c = inside() end) "
         "tide.loop():call_soon(function() d, e, f = inside() end)");
  CHECK(tide_step(inner_runtime, 0) >= 0);
  CHECK(number(L, "a") == UV_EBUSY);
  CHECK(number(L, "b") == UV_EBUSY);
  CHECK(number(L, "c") == UV_EBUSY);
  CHECK(number(L, "d") == UV_EBUSY);
  CHECK(number(L, "e") == UV_EBUSY);
  CHECK(number(L, "f") == UV_EBUSY);
  RUN(L, "tide.task(function() g = 1 end)");
  CHECK(tide_run(inner_runtime) == 0);
  CHECK(number(L, "g") == 1);
  lua_close(L);
}

static void on_closed(void *ud) {
  ++*(int *)ud;
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

static int open_fds(void) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;
  if (dir == NULL)
    return -1; /* not Linux: then nothing is compared */
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
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

#if !TIDE_LUAJIT /* its 64-bit builds take no allocator but their own */

typedef struct budget {
  long left; /* allocations until one fails; < 0: none does */
  long failed;
  bool once; /* only one fails, else all from there on */
} budget;

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  budget *budget = ud;
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  if ((ptr == NULL || nsize > osize) && budget->left >= 0 &&
      (budget->once ? budget->left-- == 0
                    : (budget->left == 0 || budget->left-- == 0))) {
    budget->failed++;
    return NULL;
  }
  return realloc(ptr, nsize);
}

static const char spawning[] =
    "for i = 1, 3 do tasks[#tasks + 1] = tide.task(body, {}, i) end "
    "tide.loop():call_soon(body, {}, 0) tide.loop():call_later(0.0001, body)";

/* Every n-th allocation fails while tasks are made, run and awaited. */
static void starve(bool once) {
  bool hit = true;
  for (long n = 0; hit && n < 20000; n++) {
    budget budget = {.left = -1, .once = once};
    lua_State *L = prepare(lua_newstate(allocate, &budget));
    tide_runtime *rt = open_runtime(L);
    RUN(L, "tasks = {} ended = 0 tide.loop():set_exception_handler("
           "function() end) "
           "function body(t, i) local s = ('x'):rep(10) .. tostring(i) "
           "tide.pcall(tide.timeout, 1, tide.sleep, 0) "
           "local co = tide.coroutine.wrap(function() tide.sleep(0) end) co() "
           "tide.task(tide.sleep, 0):await() ended = ended + 1 return s end");
    if (luaL_loadstring(L, spawning) != LUA_OK)
      abort();
    budget.left = n;
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
      lua_pop(L, 1);
    for (int i = 0; i < 30; i++)
      tide_step(rt, 0);
    hit = budget.failed > 0;
    budget.left = -1;
    lua_gc(L, LUA_GCCOLLECT, 0);
    for (int i = 0; i < 1000 && tide_step(rt, 0) > 0; i++)
      continue;
    RUN(L, "local done, before = 0, ended "
           "tide.task(function() local t = tide.task(body, {}, 1) "
           "assert(t:await() == 'xxxxxxxxxx1') after = 1 end)");
    for (int i = 0; i < 1000 && number(L, "after") != 1; i++)
      tide_step(rt, 0.001);
    CHECK(number(L, "after") == 1);
    RUN(L, "for _, t in ipairs(tasks) do pcall(t.exception, t) end");
    lua_close(L);
    if (failures > 0) {
      printf("# when allocation %ld failed%s\n", n,
             once ? "" : " and all later");
      break;
    }
  }
  CHECK(!hit || failures > 0);
}

static void one_failed_allocation_is_survived(void) {
  starve(true);
}

static void no_memory_at_all_is_survived(void) {
  starve(false);
}

/* Not even the end of its main task can be told. */
static void run_without_memory_ends(void) {
  bool hit = true;
  for (long n = 0; hit && n < 5000; n++) {
    budget budget = {.left = -1};
    lua_State *L = prepare(lua_newstate(allocate, &budget));
    if (luaL_loadstring(L, "tide.run(function() tide.sleep(0) end)") != LUA_OK)
      abort();
    budget.left = n;
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
      lua_pop(L, 1);
    hit = budget.failed > 0;
    budget.left = -1;
    RUN(L,
        "tide.run(function() after = tide.task(tide.sleep, 0, 1):await() end)");
    CHECK(number(L, "after") == 1);
    lua_close(L);
  }
}

static void opening_without_memory_is_an_error(void) {
  int err = UV_ENOMEM;
  for (long n = 0; err != 0 && n < 5000; n++) {
    budget budget = {.left = -1, .once = true};
    lua_State *L = prepare(lua_newstate(allocate, &budget));
    tide_runtime *rt = NULL;
    budget.left = n;
    err = tide_open(&rt, L, NULL);
    CHECK(err == 0 || (err == UV_ENOMEM && rt == NULL));
    budget.left = -1;
    rt = open_runtime(L);
    CHECK(tide_step(rt, 0) == 0);
    RUN(L, "assert(tide.task(tide.sleep, 0))");
    CHECK(tide_run(rt) == 0);
    lua_close(L);
    if (failures > 0) {
      printf("# when allocation %ld failed\n", n);
      break;
    }
  }
}

#endif

/* ---- all of them ---- */

#define TEST(name) \
  { #name, name }
static const struct {
  const char *name;
  void (*body)(void);
} tests[] = {TEST(opening_twice_gives_the_same),
             TEST(bad_options_are_refused),
             TEST(no_blocking_makes_the_main_program_refuse),
             TEST(a_host_steps_and_sees_when),
             TEST(run_ends_when_nothing_is_left),
             TEST(inside_a_step_it_is_busy),
             TEST(close_drops_tasks_and_the_state_goes_on),
             TEST(lua_close_with_unfinished_tasks),
             TEST(two_states_in_one_thread),
             TEST(states_in_threads),
             TEST(a_thousand_times_open_and_close),
             TEST(a_forked_child_renews),
#if !TIDE_LUAJIT
             TEST(run_without_memory_ends),
             TEST(opening_without_memory_is_an_error),
             TEST(one_failed_allocation_is_survived),
             TEST(no_memory_at_all_is_survived)
#endif
};

int main(int argc, char **argv) {
  unsigned passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 256);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
      continue;
    failures = 0;
    alarm(60); /* a hang is a failure too */
    tests[i].body();
    printf("%s %s\n", failures == 0 ? "ok" : "not ok", tests[i].name);
    failures == 0 ? passed++ : failed++;
  }
#if TIDE_LUAJIT
  printf("# skipped: the tests of failing allocations\n");
#endif
  printf("%u passed, %u failed\n", passed, failed);
  return failed > 0;
}
