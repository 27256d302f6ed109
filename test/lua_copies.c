/*
 * lua_copies.c: two copies of tide in one lua_State: this program's, and the
 * core.so that package.cpath leads to.
 */
#include "lua_state.h"

static lua_State *bare_state(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  return L;
}

static void a_program_does_not_open_what_a_script_has_loaded(void) {
  lua_State *L = bare_state();
  tide_runtime *rt = (tide_runtime *)L;
  int top = lua_gettop(L);
  RUN(L, "x = tide.run(function() return tide.sleep(0, 5) end)");
  CHECK(tide_open(&rt, L, NULL) == UV_EEXIST);
  CHECK(rt == NULL);
  CHECK(lua_gettop(L) == top);
  RUN(L, "x = tide.run(function() return tide.sleep(0, x + 1) end)");
  CHECK(number(L, "x") == 6);
  lua_close(L);
}

static void a_script_does_not_load_another_than_the_programs(void) {
  lua_State *L = bare_state();
  tide_runtime *rt = open_runtime(L);
  RUN(L, "local core = require 'tide.core' "
         "package.loaded['tide.core'] = nil "
         "local ok, message = pcall(require, 'tide.core') "
         "assert(not ok) "
         "assert(message:find('lua_copies is loaded', 1, true), message) "
         "assert(message:find('tide/core.so has another', 1, true), message) "
         "package.loaded['tide.core'] = core "
         "tide.task(function() ran = 1 end)");
  CHECK(tide_step(rt, 0) >= 0);
  CHECK(number(L, "ran") == 1);
  lua_close(L);
}

static void each_state_may_have_another(void) {
  lua_State *L = bare_state(), *other = bare_state();
  tide_runtime *rt = open_runtime(L);
  RUN(other, "tide.run(function() tide.sleep(0) ran = 1 end)");
  RUN(L, "tide.task(function() tide.sleep(0) ran = 1 end)");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "ran") == 1);
  CHECK(number(other, "ran") == 1);
  lua_close(other);
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test tests[] = {
      TEST(a_program_does_not_open_what_a_script_has_loaded),
      TEST(a_script_does_not_load_another_than_the_programs),
      TEST(each_state_may_have_another),
  };
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
