/*
 * host.c: a program that is linked with tide's static library and finds no file
 * of tide's. C and C++: tools/check-hosts builds it as both, with nothing but
 * what `make install` installed.
 */
#include <stdio.h>
#include <string.h>
#include <tide.h>

#ifdef __cplusplus
extern "C" {
#endif
#include <lualib.h>
#ifdef __cplusplus
}
#endif

static int passed, failed;

static void check(int ok, const char *what) {
  if (!ok)
    printf("not ok: %s\n", what);
  ok ? passed++ : failed++;
}

static void run(lua_State *L, const char *what, const char *code) {
  int ok = luaL_loadbuffer(L, code, strlen(code), "@script.lua") == 0 &&
           lua_pcall(L, 0, 0, 0) == 0;
  if (!ok) {
    printf("%s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  check(ok, what);
}

static int is_set(lua_State *L, const char *name) {
  int set;
  lua_getglobal(L, name);
  set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  run(L, "no file is found",
      "package.path, package.cpath = '', '' "
      "assert(not pcall(require, 'tide.nothing'))");
  return L;
}

static void try_modules(lua_State *L) {
  run(L, "every module loads",
      "local n = 0 "
      "for name in pairs(package.preload) do " /* some need others' modules */
      "  if name ~= 'tide.busted' and not name:find('luasocket', 1, true) then "
      "    require(name) n = n + 1 "
      "  end "
      "end "
      "assert(n > 20 and require 'tide' and require 'tide.testing')");
  run(L, "virtual time",
      "local tide, testing = require 'tide', require 'tide.testing' "
      "testing.run(function() "
      "  tide.sleep(1000) "
      "  assert(require 'tide.debug'.tree():find('task')) "
      "end)");
}

static void try_errors(lua_State *L) {
  run(L, "chunks are named as files of tide's",
      "local tide = require 'tide' "
      "local info = debug.getinfo(tide.shield, 'S') "
      "assert(info.short_src == 'tide/scope.lua', info.short_src)");
  run(L, "misuse is told where it is",
      "local tide = require 'tide'\n"
      "local ok, message = pcall(function()\n"
      "  tide.shield(5)\n"
      "end)\n"
      "assert(message:find('^script.lua:3: '), message)");
  run(L, "a traceback leaves out tide's own lines",
      "local tide = require 'tide'\n"
      "local task = tide.task(function()\n"
      "  tide.shield(function()\n"
      "    error('broken')\n"
      "  end)\n"
      "end)\n"
      "local ok, message = pcall(task.await, task)\n"
      "local trace = task:traceback()\n"
      "assert(message == 'script.lua:4: broken', message)\n"
      "assert(trace:find('script.lua:4: in', 1, true), trace)\n"
      "assert(not trace:find('tide/', 1, true), trace)");
}

static void try_tasks(lua_State *L, tide_runtime *rt) {
  run(L, "a task starts",
      "local tide = require 'tide' "
      "tide.task(function() tide.sleep(0.01) slept = true end)");
  while (!is_set(L, "slept") && tide_step(rt, 0.001) >= 0)
    continue;
  check(is_set(L, "slept"), "stepped, it ends");
}

static void opens_and_closes(void) {
  lua_State *L = new_state();
  tide_runtime *rt;
  check(tide_open(&rt, L, NULL) == 0, "tide_open");
  try_modules(L);
  try_errors(L);
  try_tasks(L, rt);
  check(tide_close(rt, NULL, NULL) == 0, "tide_close");
  lua_close(L);
}

static void what_the_host_preloads_stays(void) {
  lua_State *L = new_state();
  tide_runtime *rt;
  run(L, "the host preloads a module of its own",
      "package.preload['tide.var'] = function() return 'own' end");
  check(tide_open(&rt, L, NULL) == 0, "tide_open");
  run(L, "it is found", "assert(require 'tide.var' == 'own')");
  lua_close(L);
}

static void without_tide_open(void) {
  lua_State *L = new_state();
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_tide_core);
  lua_setfield(L, -2, "tide.core");
  lua_pop(L, 2);
  run(L, "tide.core brings the modules",
      "require 'tide.core' "
      "assert(require 'tide'.run(function() return 42 end) == 42)");
  lua_close(L);
}

int main(void) {
  opens_and_closes();
  what_the_host_preloads_stays();
  without_tide_open();
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
