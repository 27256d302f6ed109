/*
 * copy.c: which copy of tide's code a lua_State has. A program that is linked
 * with tide may run a script whose package.cpath leads to a core.so: what one
 * of them has made only that one can read, so the second is refused.
 */
#define _GNU_SOURCE /* dladdr */
#ifndef _WIN32
#include <dlfcn.h>
#endif

#include "bindings.h"

#define KEY \
  "tide.copy" /* in the registry: `here` of the copy that came first */

static const char here; /* one in each copy */

static const char *file_of(const void *address) {
#ifndef _WIN32
  Dl_info info;
  if (dladdr(address, &info) != 0 && info.dli_fname != NULL)
    return info.dli_fname;
#else
  (void)address;
#endif
  return "the program";
}

static const void *first_copy(lua_State *L) {
  const void *copy;
  lua_getfield(L, LUA_REGISTRYINDEX, KEY);
  copy = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return copy;
}

bool tideL_isforeign(lua_State *L) {
  const void *copy = first_copy(L);
  return copy != NULL && copy != &here;
}

void tideL_checkcopy(lua_State *L) {
  if (tideL_isforeign(L))
    luaL_error(
        L,
        "tide.core of %s is loaded in this Lua state, and %s has "
        "another: mend package.cpath, or link only one of them with tide",
        file_of(first_copy(L)), file_of(&here));
}

void tideL_markcopy(lua_State *L) {
  tideL_keeplibrary(&here);
  lua_pushlightuserdata(L, (void *)&here);
  lua_setfield(L, LUA_REGISTRYINDEX, KEY);
}

/* 5.1 and LuaJIT unload a module's library in lua_close before the finalisers
 * of objects older than the module: whatever of ours those still hold would be
 * code that is gone. So the library stays; and those of modules in C, which may
 * also have a thread that runs on. */
void tideL_keeplibrary(const void *address) {
#if !defined(_WIN32) && defined(RTLD_NODELETE)
  Dl_info info;
  void *library = NULL;
  if (dladdr(address, &info) != 0 && info.dli_fname != NULL)
    library = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  if (library != NULL)
    dlclose(library);
#else
  (void)address;
#endif
}
