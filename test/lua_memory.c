/*
 * lua_memory.c: what happens when Lua has no memory left, at any point.
 */
#include "lua_state.h"

typedef struct budget {
  long left; /* allocations until one fails; < 0: none does */
  long failed;
  bool once; /* only one fails, else all from there on */
  lua_Alloc own;
  void *own_ud;
} budget;

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  budget *budget = ud;
  if (nsize > 0 && (ptr == NULL || nsize > osize) && budget->left >= 0 &&
      (budget->once ? budget->left-- == 0
                    : (budget->left == 0 || budget->left-- == 0))) {
    budget->failed++;
    return NULL;
  }
  return budget->own(budget->own_ud, ptr, osize, nsize);
}

/* Its own allocator does the work: LuaJIT takes no other. */
static lua_State *new_starved(budget *budget) {
  lua_State *L = new_state();
  budget->own = lua_getallocf(L, &budget->own_ud);
  lua_setallocf(L, allocate, budget);
  return L;
}

static void end(lua_State *L, budget *budget) {
  lua_setallocf(L, budget->own, budget->own_ud);
  lua_close(L);
}

static const char spawning[] =
    "for i = 1, 3 do tasks[#tasks + 1] = tide.task(body, {}, i) end "
    "tide.loop():call_soon(body, {}, 0) tide.loop():call_later(0.0001, body)";

/* Every n-th allocation fails while tasks are made, run and awaited. */
static void starve(bool once) {
  bool hit = true;
  for (long n = 0; hit && n < 20000; n++) {
    budget budget = {.left = -1, .once = once};
    lua_State *L = new_starved(&budget);
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
    end(L, &budget);
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
    lua_State *L = new_starved(&budget);
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
    end(L, &budget);
  }
}

static void opening_without_memory_is_an_error(void) {
  int err = UV_ENOMEM;
  for (long n = 0; err != 0 && n < 5000; n++) {
    budget budget = {.left = -1, .once = true};
    lua_State *L = new_starved(&budget);
    tide_runtime *rt = NULL;
    budget.left = n;
    err = tide_open(&rt, L, NULL);
    CHECK(err == 0 || (err == UV_ENOMEM && rt == NULL));
    budget.left = -1;
    rt = open_runtime(L);
    CHECK(tide_step(rt, 0) == 0);
    RUN(L, "assert(tide.task(tide.sleep, 0))");
    CHECK(tide_run(rt) == 0);
    end(L, &budget);
    if (failures > 0) {
      printf("# when allocation %ld failed\n", n);
      break;
    }
  }
}

/* ---- debug mode, the timeline, signals ---- */

static const char debugging[] =
    "local core, see = require 'tide.core', require 'tide.debug' "
    "local loop, name, stub = tide.loop, os.tmpname(), function() end "
    "io.read, reports = stub, 0 "
    "local function child(lock, fails) "
    "  lock:acquire() tide.sleep(0.01) lock:release() "
    "  if fails then error 'failed' end return 1, 2 "
    "end "
    "local function chain(n) "
    "  if n == 0 then tide.sleep(0) error {} end "
    "  return tide.task(chain, n - 1):await() "
    "end "
    "local function stubborn() "
    "  for _ = 1, 3 do tide.pcall(tide.sleep, 1) end "
    "end "
    "local function main() "
    "  local lock = tide.lock() "
    "  tide.pcall(tide.group, function(g) "
    "    for i = 1, 3 do g:task(child, lock, i == 2) end "
    "    tide.sleep(0.01) see.tree() see.tasks() "
    "  end) "
    "  tide.pcall(tide.gather, tide.task(child, lock), "
    "             tide.task(child, lock, true)) "
    "  local t, s = tide.task(chain, 3), tide.task(stubborn) "
    "  tide.pcall(t.await, t) t:traceback() s:cancel() tide.sleep(0) "
    "  loop():call_later(0.01, stub, 1) loop():call_later(9, stub) "
    "  loop():call_soon(error, 'callback') tide.task(error, 'unseen') "
    "  core.send_signal('SIGUSR1') io.read() tide.task(tide.sleep, 9) "
    "  tide.sleep(0.05) "
    "end "
    "function prepare() "
    "  core.clock_virtual(true) core.on_signal('SIGUSR1', stub) "
    "  loop():set_exception_handler(function(r) reports = reports + 1 "
    "    error { r } end) "
    "end "
    "function starve() "
    "  loop():set_debug(true) "
    "  local trace = see.trace(name) "
    "  pcall(tide.run, main) see.tree() "
    "  trace:stop() loop():set_debug(false) "
    "end "
    "function after() "
    "  local function check() "
    "    return tide.run(function() return tide.task(child, "
    "      tide.lock()):await() end) == 1 "
    "  end "
    /* what a run that had no memory left behind goes on */
    "  tide.run(tide.sleep, 20) "
    "  assert(check()) loop():set_debug(true) assert(io.read ~= stub) "
    "  loop():set_debug(false) assert(io.read == stub) see.trace() "
    "  local trace, came = assert(see.trace(name)), 0 "
    "  assert(check() and trace:stop() and #see.tasks() == 0) "
    "  core.on_signal('SIGUSR1', function() came = came + 1 end) "
    "  core.send_signal('SIGUSR1') "
    "  tide.run(tide.sleep, 0.2) assert(came == 1) "
    "  local before = reports "
    "  tide.run(function() tide.task(error, 'x') tide.sleep(0) end) "
    "  collectgarbage() tide.run(tide.sleep, 0.1) assert(reports > before) "
    "  loop():close() assert(check()) os.remove(name) "
    "end";

static void call(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

/* At every third: it takes long. Reports that the handler fails to take go to
 * standard error. */
static void starve_debugging(bool once) {
  bool hit = true;
  if (freopen("/dev/null", "w", stderr) == NULL)
    abort();
  for (long n = once; hit && n < 20000; n += 3) {
    budget budget = {.left = -1, .once = once};
    lua_State *L = new_starved(&budget);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tide");
    lua_call(L, 1, 1);
    lua_setglobal(L, "tide");
    run_code(L, debugging, __LINE__);
    call(L, "prepare");
    lua_gc(L, LUA_GCCOLLECT, 0);
    budget.left = n;
    call(L, "starve");
    hit = budget.failed > 0;
    budget.left = -1;
    lua_gc(L, LUA_GCCOLLECT, 0);
    run_code(L, "after()", __LINE__);
    end(L, &budget);
    if (failures > 0) {
      printf("# when allocation %ld failed\n", n);
      break;
    }
  }
  CHECK(!hit || failures > 0);
}

static void debugging_survives_one_failed_allocation(void) {
  starve_debugging(true);
}

static void debugging_survives_without_memory(void) {
  starve_debugging(false);
}

static const test tests[] = {TEST(run_without_memory_ends),
                             TEST(opening_without_memory_is_an_error),
                             TEST(one_failed_allocation_is_survived),
                             TEST(no_memory_at_all_is_survived),
                             TEST(debugging_survives_one_failed_allocation),
                             TEST(debugging_survives_without_memory)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
