/*
 * process.c: the Process object: a child.
 *
 * Its user value is a table of its streams, which is theirs, too: a child whose
 * output is read is not given up because nobody has its object. Nor is one
 * whose output another was given, as long as somebody has that.
 */
#include "process.h"

#include <string.h>

#define MAGIC 0x70726f63u

static tideL_process *check_type(lua_State *L, const char *function) {
  tideL_process *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Process");
  return self;
}

/* One that could not be made is only met by finalisers. */
static tideR_process *check(lua_State *L, const char *function) {
  const tideL_process *self = check_type(L, function);
  if (self->serial != tideL_get(L)->serial || self->process == NULL)
    tideL_error(L, "'%s': the loop is closed", function);
  return self->process;
}

tideL_process *tideL_newprocess(lua_State *L, const tideL_state *S) {
  tideL_process *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_process){.magic = MAGIC, .serial = S->serial};
  lua_createtable(L, 1, 3);
  tideL_setuservalue(L, -2);
  tideL_own(L, OWN_PROCESS);
  lua_setmetatable(L, -2);
  return self;
}

/* ---- its end ---- */

static int push_signal(lua_State *L, int number) {
  const char *name = tideR_signal_name(number);
  lua_pushnil(L);
  lua_pushliteral(L, "signal");
  if (name != NULL)
    lua_pushstring(L, name);
  else
    lua_pushfstring(L, "SIG%d", number);
  return 3;
}

/* libuv has no name for that. */
static int push_lost(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "somebody else knows how it ended");
  lua_pushliteral(L, "ECHILD");
  return 3;
}

static int push_end(lua_State *L, const tideR_process *process) {
  if (!process->ended)
    return tideL_pushfault(L, UV_ECANCELED);
  if (process->is_lost)
    return push_lost(L);
  if (process->signal != 0)
    return push_signal(L, process->signal);
  lua_pushinteger(L, process->code);
  return 1;
}

static int has_ended(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  return push_end(L, check(L, "Process:wait"));
}

/* Process:wait(): its exit code; or nil, "signal", name; or nil, message, code:
 * "ECANCELED" if it was closed before, "ECHILD" if nobody can tell */
static int process_wait(lua_State *L) {
  static const char name[] = "Process:wait";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_process *process = check(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_ended);
  if (tideR_process_ended(process) || process->handle.closed)
    return tideL_ready(L, S, task, NULL, has_ended);
  tideL_checkyield(L, task, name);
  tideR_process_park(S->rt, task, process);
  return tideL_suspend(L, S, task, has_ended);
}

/* ---- ending it ---- */

static int check_signal(lua_State *L, int arg, const char *function) {
  lua_Number number = -1;
  if (lua_type(L, arg) == LUA_TNUMBER)
    number = lua_tonumber(L, arg);
  else if (lua_type(L, arg) != LUA_TSTRING)
    tideL_typeerror(L, arg, function, "signal");
  else if (lua_rawlen(L, arg) == strlen(lua_tostring(L, arg)))
    number = tideR_signal_number(lua_tostring(L, arg));
  if (number < (lua_type(L, arg) == LUA_TSTRING) || number > 64 ||
      number != (int)number)
    tideL_argerror(L, arg, function, "no such signal");
  return (int)number;
}

/* Process:kill(signal): true; nil, message, code: "ESRCH" if it has ended */
static int process_kill(lua_State *L) {
  static const char name[] = "Process:kill";
  tideR_process *process = check(L, name);
  int number = check_signal(L, 2, name);
  int err = tideR_process_kill(process, number);
  if (err < 0)
    return tideL_pushfault(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* process_kill_all(process, signal): its group, if that is its own */
static int core_process_kill_all(lua_State *L) {
  static const char name[] = "Process:terminate";
  tideR_process *process = check(L, name);
  int number = check_signal(L, 2, name);
  lua_pushboolean(L, tideR_process_kill_all(process, number) == 0);
  return 1;
}

/* process_is_left(process): it, or a process of its own group */
static int core_process_is_left(lua_State *L) {
  lua_pushboolean(L, tideR_process_is_left(check(L, "Process:terminate")));
  return 1;
}

static void close_streams(lua_State *L) {
  static const char *const names[] = {"stdin", "stdout", "stderr"};
  tideL_getuservalue(L, 1);
  for (int i = 0; i < 3; i++) {
    lua_pushstring(L, names[i]);
    if (tideL_rawget(L, -2) == LUA_TUSERDATA) {
      const tideL_stream *stream = lua_touserdata(L, -1);
      if (stream->stream != NULL)
        tideR_handle_close(&stream->stream->handle);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Process:close(): kills it if it runs, and all of its group if that is its
 * own; closes its streams; again is fine */
static int process_close(lua_State *L) {
  const tideL_process *self = check_type(L, "Process:close");
  if (self->process != NULL)
    tideR_handle_close(&self->process->handle);
  close_streams(L);
  return 0;
}

static int process__gc(lua_State *L) {
  tideL_process *self = lua_touserdata(L, 1);
  if (self->process != NULL)
    tideR_handle_release(&self->process->handle);
  self->process = NULL;
  return 0;
}

/* ---- what it tells ---- */

/* stack: <self, key> */
static int process__index(lua_State *L) {
  const tideL_process *self = check_type(L, "Process");
  lua_settop(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "pid") == 0 &&
      self->process != NULL) {
    lua_pushinteger(L, self->process->pid);
    return 1;
  }
  tideL_getuservalue(L, 1);
  lua_pushvalue(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING && tideL_rawget(L, -2) != LUA_TNIL)
    return 1;
  tideL_pushmethod(L);
  return 1;
}

static int process__tostring(lua_State *L) {
  const tideR_process *it = check_type(L, "Process:__tostring")->process;
  if (it == NULL)
    lua_pushliteral(L, "Process<none>");
  else
    lua_pushfstring(L, "Process<%d %s>", it->pid,
                    it->ended           ? "ended"
                    : it->handle.closed ? "closed"
                                        : "running");
  return 1;
}

/* check_process(value, function) */
static int core_check_process(lua_State *L) {
  check_type(L, luaL_checkstring(L, 2));
  return 0;
}

void tideL_openprocess(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"kill", process_kill}, {"close", process_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__index", process__index},
                                         {"__gc", process__gc},
                                         {"__tostring", process__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"process_kill_all", core_process_kill_all},
      {"process_is_left", core_process_is_left},
      {"check_process", core_check_process},
      {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Process:wait", process_wait, has_ended, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_PROCESS, "tide.Process", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  tideL_own(L, OWN_PROCESS);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "methods");
  lua_setfield(L, -3, "ProcessClass"); /* lua/tide adds __close */
  lua_setfield(L, -2, "Process");      /* its methods, and to these */
  tideL_setfunctions(L, functions);
  tideL_openspawning(L);
}
