/*
 * yieldable.c: can this coroutine be suspended? If not, which C function on its
 * stack is in the way?
 */
#include <string.h>

#include "bindings.h"

#if LUA_VERSION_NUM < 503 && !TIDE_LUAJIT

bool tideL_viewwrong;

static int look_deeper(lua_State *L) {
  int *seen = lua_touserdata(L, 1);
  seen[1] = tideL_blockingcalls(L);
  return 0;
}

static int look(lua_State *L) {
  int *seen = lua_touserdata(L, 1);
  seen[0] = tideL_blockingcalls(L);
  lua_pushcfunction(L, look_deeper);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  seen[2] = tideL_blockingcalls(L);
  return 0;
}

static bool prove_view(lua_State *L) {
  int seen[3] = {-1, -1, -1}, n;
  lua_State *co = lua_newthread(L);
  lua_pushcfunction(L, look);
  lua_pushlightuserdata(L, seen);
  lua_xmove(L, co, 2);
  tideL_resume(co, L, 1, &n);
  lua_pop(L, 1);
  return seen[0] == 0 && seen[1] == 1 && seen[2] == 0;
}

#endif

bool tideL_rareyieldable(lua_State *L, const tideR_task *task) {
  if (task->flags & (TIDE_ROOT | TASK_PINNED)) {
    if (task->flags & TASK_PINNED)
      return false;
    if (L == tideL_get(L)->mainthread)
      return true; /* it parks by driving the loop */
  }
  return lua_isyieldable(L);
}

/* Pushes the name that a library has for the function on top, or nil. */
static void push_libraryname(lua_State *L) {
  int function = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  for (lua_pushnil(L); lua_next(L, function + 1); lua_pop(L, 1)) {
    if (!lua_istable(L, -1) || lua_type(L, -2) != LUA_TSTRING)
      continue;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, function))
        continue;
      const char *library = lua_tostring(L, -4), *name = lua_tostring(L, -2);
      bool global = strcmp(library, "_G") == 0;
      lua_pushfstring(L, "%s%s%s", global ? "" : library, global ? "" : ".",
                      name);
      lua_replace(L, function + 1);
      lua_settop(L, function + 1);
      return;
    }
  }
  lua_settop(L, function);
  lua_pushnil(L);
}

/* Pushes the name of the innermost C function on the stack of co, and returns
 * it; NULL: none has a name. */
static const char *c_function(lua_State *L, lua_State *co, int level) {
  lua_Debug ar;
  for (; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "nSf", &ar);
    if (*ar.what != 'C') {
      lua_pop(co, 1);
      continue;
    }
    lua_xmove(co, L, 1);
    push_libraryname(L);
    if (!lua_isnil(L, -1))
      return lua_tostring(L, -1);
    if (ar.name != NULL) {
      lua_pushstring(L, ar.name);
      return lua_tostring(L, -1);
    }
  }
  return NULL;
}

#if LUA_VERSION_NUM == 501 && !TIDE_LUAJIT
#define ITERATOR ", nor the iterator of a 'for': use 'while'"
#else
#define ITERATOR ""
#endif

int tideL_cannotyield(lua_State *L, const char *function, int level) {
  lua_State *pinner = tideL_get(L)->pinner;
  const char *name, *hint = "";
  luaL_checkstack(L, 12, NULL);
  name = c_function(L, L, level);
  if (name == NULL && pinner != NULL && tideL_checkstack(pinner, 1))
    name = c_function(L, pinner, 1);
  if (name == NULL)
    return tideL_error(L,
                       "'%s' cannot wait here: a C function or metamethod on "
                       "the stack cannot be suspended" ITERATOR,
                       function);
  if (strcmp(name, "pcall") == 0 || strcmp(name, "xpcall") == 0)
    hint = "; use tide.pcall";
  return tideL_error(L,
                     "'%s' cannot wait inside the C function '%s', which "
                     "cannot be suspended%s",
                     function, name, hint);
}

void tideL_openyieldable(lua_State *L) {
#if LUA_VERSION_NUM < 503 && !TIDE_LUAJIT
  if (!prove_view(L))
    tideL_viewwrong = true;
  /* A yield may fail: nothing is run in an await that has to yield then. */
  tideL_get(L)->nested = tideL_viewwrong;
#else
  (void)L;
#endif
}
