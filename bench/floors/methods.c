/*
 * floor_methods.c: what a call of two methods of a userdata costs at least in
 * this Lua, when both are C functions that do nothing.
 *
 *   floor_methods N   prints nanoseconds for the two
 */
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

static const char program[] =
    "local object, n = ... "
    "local function spin() "
    "  for _ = 1, n do object:acquire() object:release() end "
    "end "
    "local co = coroutine.wrap(function() "
    "  local start = os.clock() spin() return os.clock() - start end) "
    "print(('%.2f'):format(co() / n * 1e9))";

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_loadstring(L, program) != 0)
    return 1;
  lua_newuserdata(L, 64);
  lua_newtable(L);
  lua_newtable(L);
  lua_pushcfunction(L, nothing);
  lua_setfield(L, -2, "acquire");
  lua_pushcfunction(L, nothing);
  lua_setfield(L, -2, "release");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushnumber(L, argc > 1 ? atof(argv[1]) : 1e6);
  if (lua_pcall(L, 2, 0, 0) != 0)
    return 1;
  lua_close(L);
  return 0;
}
