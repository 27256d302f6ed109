/*
 * blocking.c: in debug mode, the calls of Lua's own that make all tasks wait,
 * io.read for one, tell so the first time at each place.
 *
 * The functions are replaced in their tables, and put back if they are still
 * there. What replaces them is Lua and ends with a tail call, so that errors of
 * the function itself are as ever.
 */
#include <stdio.h>
#include <string.h>

#include "bindings.h"

static const struct blocker {
  const char *library; /* NULL: the methods of files */
  const char *name;
  const char *told;
} blockers[] = {{"io", "read", "io.read"},
                {"io", "lines", "io.lines"},
                {"io", "popen", "io.popen"},
                {"os", "execute", "os.execute"},
                {NULL, "read", "read of standard input"},
                {NULL, "lines", "lines of standard input"}};
enum { BLOCKERS = sizeof blockers / sizeof *blockers };

/* A file of Lua's begins with its FILE on all versions. */
static bool is_stdin(lua_State *L, int index) {
  FILE *const *file = lua_touserdata(L, index);
  bool same;
  if (file == NULL || !lua_getmetatable(L, index))
    return false;
  luaL_getmetatable(L, LUA_FILEHANDLE);
  same = lua_rawequal(L, -1, -2) && *file == stdin;
  lua_pop(L, 2);
  return same;
}

/* Whether the text on top is not in the table below it yet, where it is then.
 */
static bool is_new(lua_State *L) {
  bool is_new;
  lua_pushvalue(L, -1);
  is_new = tideL_rawget(L, -3) == LUA_TNIL;
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, -4);
  return is_new;
}

/* note(what[, file]) */
static int blocking_note(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const char *what = lua_tostring(L, 1);
  tideR_task *task = S->current;
  lua_Debug ar;
  bool of_file = lua_gettop(L) == 2;
  /* The table is held: a finaliser may end debug mode meanwhile. */
  if (tideL_own(L, OWN_WARNED) != LUA_TTABLE || (task == NULL && !S->calling) ||
      (of_file && !is_stdin(L, 2)) || !tideL_caller(L, 1, &ar))
    return 0;
  lua_pushfstring(L, "%s blocks the loop and all its tasks, at %s:%d", what,
                  ar.short_src, ar.currentline);
  if (!is_new(L))
    return 0;
  tideL_pushreport(L, lua_tostring(L, -1), 0);
  if (task != NULL) {
    tideL_pushtask(L, S, task);
    lua_setfield(L, -2, "task");
  }
  tideL_report(L, S);
  return 0;
}

/* Pushes the table that the function is in; false: there is none, and pushes
 * nothing. */
static bool push_library(lua_State *L, const struct blocker *blocker) {
  int top = lua_gettop(L);
  if (blocker->library == NULL) {
    luaL_getmetatable(L, LUA_FILEHANDLE);
    if (lua_istable(L, -1))
      lua_getfield(L, -1, "__index");
  } else {
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_getfield(L, -1, blocker->library);
  }
  if (lua_istable(L, -1)) {
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return true;
  }
  lua_settop(L, top);
  return false;
}

/* The function on top gives way to what tells of it first. */
static void wrap(lua_State *L, const struct blocker *blocker) {
  static const char call[] =
      "local note, what, original = ... "
      "return function(...) note(what) return original(...) end";
  static const char method[] =
      "local note, what, original = ... return function(file, ...) "
      "note(what, file) return original(file, ...) end";
  const char *code = blocker->library != NULL ? call : method;
  if (luaL_loadbuffer(L, code, strlen(code), "=[tide]") != LUA_OK)
    lua_error(L);
  lua_insert(L, -2);
  tideL_pushfunction(L, blocking_note);
  lua_insert(L, -2);
  lua_pushstring(L, blocker->told);
  lua_insert(L, -2);
  lua_call(L, 3, 1);
}

/* Finalisers, which run wherever memory is allocated, may end or begin debug
 * mode: then OWN_BLOCKERS is no longer the list at this index. */
static bool is_current(lua_State *L, int list) {
  bool same;
  tideL_own(L, OWN_BLOCKERS);
  same = lua_istable(L, -1) && lua_rawequal(L, -1, list);
  lua_pop(L, 1);
  return same;
}

/* list[2 i + 1] is what was there, [2 i + 2] what replaces it. */
static void replace(lua_State *L, int list, int i) {
  int top = lua_gettop(L);
  if (push_library(L, &blockers[i])) {
    lua_getfield(L, top + 1, blockers[i].name);
    if (lua_isfunction(L, -1)) {
      lua_pushvalue(L, top + 2);
      wrap(L, &blockers[i]);
      if (is_current(L, list)) {
        lua_pushvalue(L, top + 2);
        lua_rawseti(L, list, 2 * i + 1);
        lua_pushvalue(L, top + 3);
        lua_rawseti(L, list, 2 * i + 2);
        lua_setfield(L, top + 1, blockers[i].name);
      }
    }
  }
  lua_settop(L, top);
}

static void put_back(lua_State *L, int list, int i) {
  int top = lua_gettop(L);
  if (push_library(L, &blockers[i])) {
    lua_rawgeti(L, list, 2 * i + 2);
    lua_getfield(L, top + 1, blockers[i].name);
    if (!lua_isnil(L, -1) && lua_rawequal(L, -1, -2)) {
      lua_rawgeti(L, list, 2 * i + 1);
      lua_setfield(L, top + 1, blockers[i].name);
    }
  }
  lua_settop(L, top);
}

void tideL_watchblocking(lua_State *L, tideL_state *S, bool on) {
  int list;
  luaL_checkstack(L, 12, NULL);
  if (on) {
    lua_newtable(L);
    lua_createtable(L, 2 * BLOCKERS, 0);
    lua_pushvalue(L, -1);
    lua_rawseti(L, UP_OWN, OWN_BLOCKERS);
    lua_insert(L, -2);
    lua_rawseti(L, UP_OWN, OWN_WARNED);
    S->blockers = true; /* if it fails half way, what is there is put back */
  } else {
    tideL_own(L, OWN_BLOCKERS);
  }
  list = lua_gettop(L);
  for (int i = 0; i < BLOCKERS && is_current(L, list); i++)
    (on ? replace : put_back)(L, list, i);
  if (!on && is_current(L, list)) {
    S->blockers = false;
    tideL_disown(L, OWN_BLOCKERS);
    tideL_disown(L, OWN_WARNED);
  }
  lua_pop(L, 1);
}
