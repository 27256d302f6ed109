/* poll.c: tide.poll: waiting for descriptors that others own. */
#include <limits.h>
#include <string.h>

#include "../runtime/descriptor.h"
#include "streams.h"

static bool has_fields(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TTABLE)
    return true;
  if (lua_type(L, arg) != LUA_TUSERDATA ||
      !luaL_getmetafield(L, arg, "__index"))
    return false;
  lua_pop(L, 1);
  return true;
}

/* The object's own method, as LuaSocket's have it. One that is closed may say
 * so by nil, or a number below 0. False: it has none. */
static bool call_method(lua_State *L, int arg, const char *function,
                        const char *method, lua_Number *out) {
  int isnum;
  if (tideL_getfield(L, arg, method) == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  lua_pushvalue(L, arg);
  lua_call(L, 1, 1);
  *out = tideL_tonumber(L, -1, &isnum);
  if (!isnum && !lua_isnil(L, -1))
    tideL_error(L, "'%s': the method '%s' returned no descriptor", function,
                method);
  if (!isnum || !(*out >= 0 && *out <= INT_MAX))
    *out = -1;
  lua_pop(L, 1);
  return true;
}

/* The descriptor at `arg`; -1: of an object that has none any more. */
static lua_Number read_descriptor(lua_State *L, int arg, const char *function) {
  lua_Number fd = 0;
  if (lua_type(L, arg) == LUA_TNUMBER)
    return (lua_Number)tideL_checkcount(L, arg, function, 0);
  if (!has_fields(L, arg) || (!call_method(L, arg, function, "getfd", &fd) &&
                              !call_method(L, arg, function, "fileno", &fd)))
    tideL_typeerror(L, arg, function, "descriptor");
  return fd;
}

/* The object has read ahead, as LuaSocket's do. */
static bool is_dirty(lua_State *L, int arg) {
  bool dirty = false;
  if (!has_fields(L, arg))
    return false;
  if (tideL_getfield(L, arg, "dirty") == LUA_TFUNCTION) {
    lua_pushvalue(L, arg);
    lua_call(L, 1, 1);
    dirty = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
  return dirty;
}

static int read_events(lua_State *L, int arg, const char *function) {
  const char *events =
      lua_type(L, arg) == LUA_TSTRING ? lua_tostring(L, arg) : "";
  if (strcmp(events, "r") == 0)
    return TIDE_READABLE;
  if (strcmp(events, "w") == 0)
    return TIDE_WRITABLE;
  if (strcmp(events, "rw") != 0)
    tideL_argerror(L, arg, function, "\"r\", \"w\" or \"rw\" expected");
  return TIDE_READABLE | TIDE_WRITABLE;
}

static int polled(lua_State *L, tideL_state *S, tideR_task *task) {
  static const char *const names[] = {"", "r", "w", "rw"};
  int outcome;
  tideL_checkwoken(L, S, task);
  outcome = tideR_descriptor_outcome(task);
  if (outcome < 0)
    return tideL_pushfault(L, outcome);
  lua_pushstring(L, names[outcome]);
  return 1;
}

/* The call ends without a wait. Others may wait for it meanwhile, so what it
 * came to is the task's. */
static int end_at_once(lua_State *L, tideL_state *S, tideR_task *task,
                       tideR_wait *wait) {
  if (tideL_turn(L, S, task, wait))
    return tideL_suspend(L, S, task, polled);
  task->wait = wait;
  return tideL_finishnow(L, S, task, polled);
}

/* poll(descriptor, "r"|"w"|"rw"): which of them it is ready for; or nil,
 * message, code */
static int core_poll(lua_State *L) {
  static const char name[] = "tide.poll";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  lua_Number fd = read_descriptor(L, 1, name);
  int events = read_events(L, 2, name), outcome;
  bool dirty = events & TIDE_READABLE && is_dirty(L, 1);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, polled);
  if (dirty)
    return end_at_once(L, S, task, tideR_descriptor_ended(TIDE_READABLE));
  tideL_checkyield(L, task, name);
  outcome = UV_EBADF;
  if (fd >= 0 && fd <= INT_MAX)
    outcome = tideR_descriptor_park(S->rt, task, (uv_os_sock_t)fd, events);
  if (outcome == 0)
    return tideL_suspend(L, S, task, polled);
  if (outcome == UV_ENOMEM)
    return luaL_error(L, "not enough memory");
  if (outcome == UV_EBUSY)
    tideL_error(L, "'%s': another task waits for that descriptor", name);
  return end_at_once(L, S, task, tideR_descriptor_ended(outcome));
}

/* poll_forget(descriptor): it is about to be closed */
static int core_poll_forget(lua_State *L) {
  static const char name[] = "tide.poll_forget";
  const tideL_state *S = tideL_get(L);
  lua_Number fd = read_descriptor(L, 1, name);
  if (S->rt != NULL && fd >= 0 && fd <= INT_MAX)
    tideR_descriptor_forget(S->rt, (uv_os_sock_t)fd);
  return 0;
}

void tideL_openpoll(lua_State *L) {
  static const luaL_Reg functions[] = {{"poll_forget", core_poll_forget},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"tide.poll", core_poll, polled, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setawaiting(L, awaiting);
  tideL_setfunctions(L, functions);
}
