/*
 * embed.c: the Lua modules that a static library has in it, so that a program
 * linked with it needs no file of ours. They are in build/embedded.h, which
 * tools/embed writes; a core.so is built without.
 */
#include <string.h>

#include "bindings.h"

#ifdef TIDE_EMBEDDED

typedef struct embedded {
  const char *name, *chunk, *text;
} embedded;

#include "embedded.h" /* static const embedded modules[] */

/* upvalue: the module; as of a loader: its name -> what it returns */
static int load_embedded(lua_State *L) {
  const embedded *module = lua_touserdata(L, lua_upvalueindex(1));
  if (luaL_loadbuffer(L, module->text, strlen(module->text), module->chunk) !=
      LUA_OK)
    return lua_error(L);
  lua_pushstring(L, module->name);
  lua_call(L, 1, 1);
  return 1;
}

/* Pushes package.preload. From 5.2 on it may be there before the library. */
static bool push_preload(lua_State *L) {
#if LUA_VERSION_NUM >= 502
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "_PRELOAD");
  return true;
#else
  static const char *const path[] = {"_LOADED", "package", "preload"};
  lua_pushvalue(L, LUA_REGISTRYINDEX);
  for (size_t i = 0; i < sizeof path / sizeof *path && lua_istable(L, -1); i++)
    lua_getfield(L, -1, path[i]);
  return lua_istable(L, -1);
#endif
}

/* On top: the loader. What the host has put there stays. */
static void add_loader(lua_State *L, int preload, const char *name) {
  if (tideL_getfield(L, preload, name) == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_setfield(L, preload, name);
  }
  lua_pop(L, 2);
}

void tideL_preload(lua_State *L) {
  int top = lua_gettop(L), preload;
  luaL_checkstack(L, 8, NULL);
  if (push_preload(L)) {
    preload = lua_gettop(L);
    lua_pushcfunction(L, luaopen_tide_core);
    add_loader(L, preload, "tide.core");
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
      lua_pushlightuserdata(L, (void *)&modules[i]);
      lua_pushcclosure(L, load_embedded, 1);
      add_loader(L, preload, modules[i].name);
    }
  }
  lua_settop(L, top);
}

#else

void tideL_preload(lua_State *L) {
  (void)L;
}

#endif
