/*
 * lua_starved.c: tide.h when Lua's allocator refuses: each function, with every
 * allocation failing in turn.
 */
#include "lua_state.h"

typedef struct budget {
  long left; /* allocations until one fails; < 0: none does */
  long failed;
  lua_Alloc own;
  void *own_ud;
} budget;

static budget memory;
static tide_runtime *rt;

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  budget *it = ud;
  if (nsize > 0 && (ptr == NULL || nsize > osize) && it->left >= 0 &&
      (it->left == 0 || it->left-- == 0)) {
    it->failed++;
    return NULL;
  }
  return it->own(it->own_ud, ptr, osize, nsize);
}

static int released; /* arguments of awaits and posts, done callbacks told */

static int at_once(tide_waiter *waiter, void *arg) {
  (void)arg;
  tide_wake(waiter, 5);
  return 0;
}

static void release(void *arg) {
  (void)arg;
  released++;
}

static int do_await(lua_State *L) {
  static const tide_await_ops ops = {"starved", at_once, NULL, NULL, release};
  return tide_await(L, &ops, NULL);
}

static void nothing(void *arg) {
  (void)arg;
}

static int do_work(lua_State *L) {
  static const tide_work_ops ops = {"starved", nothing, NULL, release};
  return tide_work(L, &ops, NULL);
}

static const luaL_Reg functions[] = {
    {"await", do_await}, {"work", do_work}, {NULL, NULL}};

static lua_State *begin(void) {
  lua_State *L = new_state();
  memory = (budget){.left = -1};
  memory.own = lua_getallocf(L, &memory.own_ud);
  lua_setallocf(L, allocate, &memory);
  rt = open_runtime(L);
  RUN(L, "tide.loop():set_exception_handler(function() end)");
  lua_newtable(L);
  tide_setfuncs(L, functions, 0);
  lua_setglobal(L, "c");
  released = 0;
  return L;
}

/* The state is as before: tasks run, nothing is left. */
static void end(lua_State *L) {
  tide_stats stats = {.size = sizeof stats};
  memory.left = -1;
  lua_gc(L, LUA_GCCOLLECT, 0);
  if (tide_uv_loop(rt) == NULL)
    CHECK(tide_open(&rt, L, NULL) == 0);
  RUN(L, "after = 0 tide.task(function() assert(c.await()) "
         "tide.sleep(0) after = 1 end)");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "after") == 1);
  CHECK(tide_stats_get(rt, &stats) == 0);
  CHECK(stats.tasks == 0 && stats.wakers == 0 && stats.handles == 0);
  lua_setallocf(L, memory.own, memory.own_ud);
  lua_close(L);
}

/* Calls it with the k-th allocation and all later ones failing, until it does
 * not need as many. */
static void starve(void (*body)(lua_State *L)) {
  bool hit = true;
  for (long k = 0; hit && k < 3000; k++) {
    lua_State *L = begin();
    int top = lua_gettop(L);
    failures = failures > 0 ? failures : 0;
    memory.left = k;
    body(L);
    hit = memory.failed > 0;
    memory.left = -1;
    CHECK(lua_gettop(L) == top);
    end(L);
    if (failures > 0) {
      printf("# when allocation %ld fails\n", k);
      return;
    }
  }
  CHECK(!hit);
}

static bool passes(int err) {
  CHECK(err == 0 || (err == UV_ENOMEM && memory.failed > 0));
  return err == 0;
}

/* ---- the functions ---- */

static void chunk(lua_State *L, const char *code) {
  long left = memory.left;
  memory.left = -1;
  CHECK(luaL_loadstring(L, code) == 0);
  memory.left = left;
}

static void told(tide_task *task, tide_outcome how, lua_State *L, int n,
                 void *ud) {
  (void)task;
  (void)how;
  (void)L;
  (void)n;
  ++*(int *)ud;
}

static void spawn_body(lua_State *L) {
  tide_task *task;
  int calls = 0;
  bool spawned, added;
  chunk(L, "return ...");
  lua_pushboolean(L, 1);
  lua_pushboolean(L, 0);
  spawned = passes(tide_spawn(rt, L, 2, &task));
  CHECK(spawned == (task != NULL));
  if (!spawned)
    return;
  added = passes(tide_task_on_done(task, told, &calls));
  passes(tide_task_cancel(task, "no memory"));
  if (tide_task_push(task, L) == 0)
    lua_pop(L, 1);
  memory.left = -1;
  CHECK(tide_run(rt) == 0);
  CHECK(calls == added);
  tide_task_release(task);
}

static void spawning(void) {
  starve(spawn_body);
}

static void spawn_unheld_body(lua_State *L) {
  chunk(L, "tide.sleep(0)");
  passes(tide_spawn(rt, L, 0, NULL));
}

static void spawning_without_a_handle(void) {
  starve(spawn_unheld_body);
}

static void told_future(tide_future *future, tide_outcome how, lua_State *L,
                        int n, void *ud) {
  (void)future;
  (void)how;
  (void)L;
  (void)n;
  ++*(int *)ud;
}

static void future_body(lua_State *L) {
  tide_future *future[3];
  int calls[3] = {0}, added[3] = {0}, err;
  for (int i = 0; i < 3; i++) {
    if (!passes(tide_future_new(rt, &future[i])))
      continue;
    added[i] = passes(tide_future_on_done(future[i], told_future, &calls[i]));
    lua_pushboolean(L, 1);
    lua_pushboolean(L, 0);
    if (i == 2)
      err = tide_future_cancel(future[i], "no memory");
    else
      err =
          i ? tide_future_fail(future[i], L) : tide_future_set(future[i], L, 2);
    lua_settop(L, 0);
    CHECK(passes(err) == (tide_future_outcome(future[i]) != TIDE_PENDING));
  }
  memory.left = -1;
  for (int i = 0; i < 3; i++)
    if (future[i] != NULL)
      tide_future_cancel(future[i], NULL);
  CHECK(tide_run(rt) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK(calls[i] == added[i]);
    tide_future_release(future[i]);
  }
}

static void futures(void) {
  starve(future_body);
}

static void local_body(lua_State *L) {
  static char key;
  (void)L;
  if (passes(tide_local_set(rt, &key, &key)))
    CHECK(tide_local_get(rt, &key) == &key || memory.failed > 0);
}

static void data_of_tasks(void) {
  starve(local_body);
}

static void open_body(lua_State *L) {
  tide_options options = {.size = sizeof options, .userdata = L};
  tide_runtime *out;
  int closed = 0;
  CHECK(tide_close(rt, release, &closed) == 0);
  CHECK(released == 1);
  passes(tide_open(&out, L, &options));
  CHECK(out == NULL || out == rt);
  tide_runtime_of(L);
}

static void closing_and_opening(void) {
  starve(open_body);
}

static void count_post(tide_runtime *of, void *arg) {
  (void)of;
  ++*(int *)arg;
}

static void step_body(lua_State *L) {
  tide_remote *remote = tide_remote_new(rt);
  int calls = 0;
  (void)L;
  CHECK(tide_post(remote, count_post, &calls) == 0);
  for (int i = 0; i < 3; i++)
    CHECK(tide_step(rt, 0) >= 0);
  memory.left = -1;
  tide_remote_release(remote);
  CHECK(tide_run(rt) >= 0);
  CHECK(calls == 1); /* late, but once */
}

static void posts(void) {
  starve(step_body);
}

/* In tasks that the loop starts, and in the main program. */
static void awaits_body(lua_State *L) {
  chunk(L, "c.await() c.work()");
  if (lua_pcall(L, 0, 0, 0) != 0)
    lua_pop(L, 1);
  chunk(L, "c.await() c.work()");
  passes(tide_spawn(rt, L, 0, NULL));
  for (int i = 0; i < 5; i++)
    CHECK(tide_step(rt, 0) >= 0);
}

static void awaits(void) {
  starve(awaits_body);
}

static int open_state_body(lua_State *L) {
  lua_newtable(L);
  tide_setfuncs(L, functions, 0);
  lua_pushboolean(L, 1);
  tide_pushfunction(L, do_await, 1);
  return 0;
}

static void register_body(lua_State *L) {
  long left = memory.left;
  memory.left = -1;
  lua_pushcfunction(L, open_state_body);
  memory.left = left;
  if (lua_pcall(L, 0, 0, 0) != 0) {
    CHECK(memory.failed > 0);
    lua_pop(L, 1);
  }
}

static void registering(void) {
  starve(register_body);
}

/* Each await frees its argument once, whatever failed. */
static void arguments_are_freed(void) {
  bool hit = true;
  for (long k = 0; hit && k < 500; k++) {
    lua_State *L = begin();
    chunk(L, "c.await()");
    memory.left = k;
    if (lua_pcall(L, 0, 0, 0) != 0)
      lua_pop(L, 1);
    hit = memory.failed > 0;
    memory.left = -1;
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    CHECK(released == 1);
    end(L);
  }
  CHECK(!hit);
}

static const test tests[] = {TEST(spawning),
                             TEST(spawning_without_a_handle),
                             TEST(futures),
                             TEST(data_of_tasks),
                             TEST(closing_and_opening),
                             TEST(posts),
                             TEST(awaits),
                             TEST(registering),
                             TEST(arguments_are_freed)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
