/* error.c: the error classes, and how misuse is told. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "bindings.h"

static const char *const names[TIDEL_CLASSES] = {
    "CancelledError",     "TimeoutError",    "ScopeCancelled",
    "InvalidStateError",  "ProcessError",    "QueueShutDown",
    "BrokenBarrierError", "BrokenLockError", "DeadlockError",
    "AbandonedError",     "ErrorGroup",      "OSError",
    "Interrupted"};

/* A CancelledError knows its scope under this key, which no user code has. */
static const char scope_key;

/* ---- error objects: tables whose metatable is their class ---- */

void tideL_pusherror(lua_State *L, tideL_class class, const char *message) {
  lua_createtable(L, 0, 2);
  if (message != NULL) {
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
  }
  tideL_own(L, OWN_ERRORS + (int)class);
  lua_setmetatable(L, -2);
}

int tideL_raise(lua_State *L, tideL_class class, const char *message) {
  tideL_pusherror(L, class, message);
  return lua_error(L);
}

bool tideL_iserror(lua_State *L, int index, tideL_class class) {
  bool is = false;
  if (lua_type(L, index) == LUA_TTABLE && lua_getmetatable(L, index)) {
    tideL_own(L, OWN_ERRORS + (int)class);
    is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  return is;
}

uint64_t tideL_errorscope(lua_State *L, int index) {
  uint64_t id;
  index = lua_absindex(L, index);
  if (!tideL_iserror(L, index, TIDEL_CANCELLED))
    return 0;
  lua_pushlightuserdata(L, (void *)&scope_key);
  lua_rawget(L, index);
  id = (uint64_t)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return id;
}

/* Luas before 5.4 would make place for a nil. */
static void set_reason(lua_State *L, int index, int reason) {
  bool had;
  lua_pushliteral(L, "reason");
  had = tideL_rawget(L, index) != LUA_TNIL;
  lua_pop(L, 1);
  if (had || !lua_isnil(L, reason)) {
    lua_pushvalue(L, reason);
    lua_setfield(L, index, "reason");
  }
}

void tideL_seterrorreason(lua_State *L, int index, int reason, bool expired) {
  index = lua_absindex(L, index);
  reason = lua_absindex(L, reason);
  if (lua_type(L, reason) == LUA_TSTRING)
    lua_pushfstring(L, "cancelled: %s", lua_tostring(L, reason));
  else
    lua_pushstring(L, expired ? "the deadline passed" : "cancelled");
  lua_setfield(L, index, "message");
  set_reason(L, index, reason);
}

/* Also the reason and the message are that scope's. */
void tideL_seterrorscope(lua_State *L, int index, uint64_t id, bool expired) {
  index = lua_absindex(L, index);
  tideL_pushreason(L, id);
  tideL_seterrorreason(L, index, -1, expired);
  lua_pop(L, 1);
  lua_pushlightuserdata(L, (void *)&scope_key);
  lua_pushnumber(L, (lua_Number)id);
  lua_rawset(L, index);
}

/* tostring(e): the class's name, then the message, if there is one */
static int error__tostring(lua_State *L) {
  const char *name = "error";
  if (lua_getmetatable(L, 1)) {
    lua_pushliteral(L, "name");
    if (tideL_rawget(L, -2) == LUA_TSTRING)
      name = lua_tostring(L, -1);
  }
  lua_settop(L, 3); /* keep the name alive */
  lua_pushstring(L, name);
  if (lua_istable(L, 1)) {
    lua_pushliteral(L, "message");
    if (tideL_rawget(L, 1) == LUA_TSTRING) {
      lua_pushfstring(L, "%s: %s", name, lua_tostring(L, -1));
      return 1;
    }
    lua_pop(L, 1);
  }
  return 1;
}

/* class(message) or class{fields}: a new instance */
static int class__call(lua_State *L) {
  lua_settop(L, 2);
  if (!lua_istable(L, 2)) {
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "message");
  }
  lua_pushvalue(L, 1);
  lua_setmetatable(L, -2);
  return 1;
}

static int class__tostring(lua_State *L) {
  lua_getfield(L, 1, "name");
  return 1;
}

/* is(e, class): whether e is an error of that class */
static int error_is(lua_State *L) {
  bool is = false;
  luaL_checkany(L, 1);
  if (!lua_istable(L, 2))
    return tideL_typeerror(L, 2, "tide.is", "error class");
  if (lua_type(L, 1) == LUA_TTABLE && lua_getmetatable(L, 1))
    is = lua_rawequal(L, -1, 2);
  lua_pushboolean(L, is);
  return 1;
}

static int error_iscancelled(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, tideL_iserror(L, 1, TIDEL_CANCELLED));
  return 1;
}

static void new_class(lua_State *L, int class) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, names[class]);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "name");
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  tideL_pushfunction(L, error__tostring);
  lua_setfield(L, -2, "__tostring");
  lua_createtable(L, 0, 2);
  tideL_pushfunction(L, class__call);
  lua_setfield(L, -2, "__call");
  tideL_pushfunction(L, class__tostring);
  lua_setfield(L, -2, "__tostring");
  lua_setmetatable(L, -2);
}

/* ---- misuse ---- */

bool tideL_isusers(lua_State *L, lua_State *co, lua_Debug *ar) {
  bool ours;
  lua_getinfo(co, "Sl", ar);
  if (ar->currentline <= 0)
    return false;
  tideL_own(L, OWN_SOURCES);
  lua_pushstring(L, ar->source);
  ours = tideL_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return !ours;
}

bool tideL_userlevel(lua_State *L, lua_State *co, int level, lua_Debug *ar) {
  for (; lua_getstack(co, level, ar); level++)
    if (tideL_isusers(L, co, ar))
      return true;
  return false;
}

/* The function of a pcall of 5.1 runs in a coroutine of its own: then the line
 * is on the stack of the one that called it. */
bool tideL_caller(lua_State *L, int level, lua_Debug *ar) {
  int top = lua_gettop(L);
  bool found;
  luaL_checkstack(L, 8, NULL);
  found = tideL_userlevel(L, L, level, ar);
  tideL_own(L, OWN_INNER);
  lua_pushthread(L);
  while (!found) {
    lua_rawget(L, -2);
    if (!lua_isthread(L, -1))
      break;
    found = tideL_userlevel(L, lua_tothread(L, -1), 0, ar);
  }
  lua_settop(L, top);
  return found;
}

static void push_where(lua_State *L) {
  lua_Debug ar;
  if (tideL_caller(L, 1, &ar))
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
  else
    lua_pushliteral(L, "");
}

int tideL_error(lua_State *L, const char *format, ...) {
  va_list args;
  va_start(args, format);
  push_where(L);
  lua_pushvfstring(L, format, args);
  va_end(args);
  lua_concat(L, 2);
  return lua_error(L);
}

/* As in Lua's own messages a method's arguments are counted without self. A
 * field that is set, as Scope.deadline, has but a value. */
int tideL_argerror(lua_State *L, int arg, const char *function,
                   const char *message) {
  if (strchr(function, ':') != NULL)
    arg--;
  else if (isupper((unsigned char)*function) && strchr(function, '.') != NULL)
    return tideL_error(L, "bad value for '%s' (%s)", function, message);
  if (arg == 0)
    return tideL_error(L, "calling '%s' on bad self (%s)", function, message);
  return tideL_error(L, "bad argument #%d to '%s' (%s)", arg, function,
                     message);
}

const char *tideL_typename(lua_State *L, int index) {
  if (lua_getmetatable(L, index)) {
    lua_pushliteral(L, "__name");
    if (tideL_rawget(L, -2) == LUA_TSTRING)
      return lua_tostring(L, -1); /* left on the stack: it stays alive */
    lua_pop(L, 2);
  }
  if (lua_type(L, index) == LUA_TNONE)
    return "no value";
  return luaL_typename(L, index);
}

int tideL_typeerror(lua_State *L, int arg, const char *function,
                    const char *expected) {
  const char *got = tideL_typename(L, arg);
  return tideL_argerror(
      L, arg, function,
      lua_pushfstring(L, "%s expected, got %s", expected, got));
}

lua_Number tideL_checknumber(lua_State *L, int arg, const char *function) {
  if (lua_type(L, arg) != LUA_TNUMBER)
    tideL_typeerror(L, arg, function, "number");
  return lua_tonumber(L, arg);
}

/* The largest count is exact as a number on every Lua. */
uint64_t tideL_checkcount(lua_State *L, int arg, const char *function,
                          int least) {
  lua_Number n = tideL_checknumber(L, arg, function);
  if (!(n >= least && n <= (lua_Number)TIDEL_COUNT_MAX) ||
      n != (lua_Number)(uint64_t)n)
    tideL_argerror(
        L, arg, function,
        lua_pushfstring(L, "whole number from %d up expected", least));
  return (uint64_t)n;
}

int tideL_secondserror(lua_State *L, int arg, const char *function) {
  tideL_checknumber(L, arg, function);
  return tideL_argerror(L, arg, function, "number expected, got NaN");
}

bool tideL_iscallable(lua_State *L, int index) {
  if (lua_isfunction(L, index))
    return true;
  if (!luaL_getmetafield(L, index, "__call"))
    return false;
  lua_pop(L, 1);
  return true;
}

void tideL_checkcallable(lua_State *L, int arg, const char *function) {
  if (!tideL_iscallable(L, arg))
    tideL_typeerror(L, arg, function, "function");
}

static int core_is_callable(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, tideL_iscallable(L, 1));
  return 1;
}

/* metafield(value, name): of its metatable, even if that is hidden; or nil */
static int core_metafield(lua_State *L) {
  luaL_checkany(L, 1);
  if (!luaL_getmetafield(L, 1, luaL_checkstring(L, 2)))
    lua_pushnil(L);
  return 1;
}

/* check_callable, check_seconds(value, arg, function): for lua/tide; the latter
 * returns the number. What is checked is called, protected, when something was
 * acquired or opened: the stack that this takes is there before. */
static int check_callable(lua_State *L) {
  int arg = (int)lua_tointeger(L, 2);
  const char *function = lua_tostring(L, 3);
  luaL_checkstack(L, 64, NULL);
  if (tideL_iscallable(L, 1))
    return 0;
  return tideL_argerror(
      L, arg, function,
      lua_pushfstring(L, "function expected, got %s", tideL_typename(L, 1)));
}

static int check_seconds(lua_State *L) {
  int arg = (int)lua_tointeger(L, 2);
  const char *function = lua_tostring(L, 3);
  const char *got = "NaN";
  if (!lua_isnumber(L, 1)) {
    got = tideL_typename(L, 1);
  } else if (!isnan(lua_tonumber(L, 1))) {
    lua_pushnumber(L, lua_tonumber(L, 1));
    return 1;
  }
  return tideL_argerror(L, arg, function,
                        lua_pushfstring(L, "number expected, got %s", got));
}

/* misuse(message): raises it at the first line that is not ours */
static int core_misuse(lua_State *L) {
  return tideL_error(L, "%s", luaL_checkstring(L, 1));
}

/* own_chunk(): errors are told at the line of who called our function */
static int core_own_chunk(lua_State *L) {
  lua_Debug ar;
  if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar)) {
    tideL_own(L, OWN_SOURCES);
    lua_pushstring(L, ar.source);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  return 0;
}

/* is_own(source): whether a chunk is one of ours */
static int core_is_own(lua_State *L) {
  tideL_own(L, OWN_SOURCES);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  lua_pushboolean(L, lua_toboolean(L, -1));
  return 1;
}

static int protected_tostring(lua_State *L) {
#if LUA_VERSION_NUM >= 502
  luaL_tolstring(L, 1, NULL);
#else
  if (!luaL_callmeta(L, 1, "__tostring")) {
    if (lua_isstring(L, 1))
      lua_pushvalue(L, 1);
    else if (lua_isboolean(L, 1))
      lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
    else
      lua_pushfstring(L, "%s: %p", luaL_typename(L, 1), lua_topointer(L, 1));
  }
#endif
  if (!lua_isstring(L, -1))
    return luaL_error(L, "'__tostring' must return a string");
  return 1;
}

void tideL_tostring(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_isnil(L, index)) {
    lua_pushliteral(L, "<no error object>");
    return;
  }
  lua_pushcfunction(L, protected_tostring);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
  }
}

int tideL_pushdone(lua_State *L, int err) {
  if (err >= 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, uv_strerror(err));
  lua_pushstring(L, uv_err_name(err));
  return 3;
}

/* On top: the module. Each class becomes a field of it. */
void tideL_openerrors(lua_State *L) {
  static const luaL_Reg functions[] = {{"is", error_is},
                                       {"is_cancelled", error_iscancelled},
                                       {"is_callable", core_is_callable},
                                       {"metafield", core_metafield},
                                       {"check_callable", check_callable},
                                       {"check_seconds", check_seconds},
                                       {"misuse", core_misuse},
                                       {"own_chunk", core_own_chunk},
                                       {"is_own", core_is_own},
                                       {NULL, NULL}};
  for (int class = 0; class < TIDEL_CLASSES; class ++) {
    new_class(L, class);
    lua_pushvalue(L, -1);
    lua_rawseti(L, UP_OWN, OWN_ERRORS + class);
    lua_setfield(L, -2, names[class]);
  }
  lua_newtable(L);
  lua_pushliteral(L, "=[tide]"); /* the wrappers of await.c */
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_rawseti(L, UP_OWN, OWN_SOURCES);
  tideL_setfunctions(L, functions);
}
