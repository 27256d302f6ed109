/* loop.c: the loop object and its settings. */
#include <math.h>

#include "bindings.h"

/* ---- the loop object ---- */

#define LOOP_MAGIC 0x6c6f6f70u

typedef struct tideL_loop {
  uint32_t magic;
  uint32_t serial;
} tideL_loop;

static bool is_open(const tideL_state *S, const tideL_loop *self) {
  return S->rt != NULL && self->serial == S->serial;
}

static tideL_loop *to_loop(lua_State *L, const char *function) {
  tideL_loop *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self ||
      self->magic != LOOP_MAGIC)
    tideL_typeerror(L, 1, function, "Loop");
  return self;
}

static tideL_state *check_loop(lua_State *L, const char *function) {
  tideL_state *S = tideL_get(L);
  if (!is_open(S, to_loop(L, function)))
    tideL_error(L, "'%s': the loop is closed", function);
  return S;
}

/* loop(): the loop of this state */
static int core_loop(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  if (tideL_own(L, OWN_LOOPOBJ) != LUA_TUSERDATA) {
    tideL_loop *self = tideL_newuserdata(L, sizeof *self);
    *self = (tideL_loop){LOOP_MAGIC, S->serial};
    tideL_own(L, OWN_LOOP);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, UP_OWN, OWN_LOOPOBJ);
  }
  return 1;
}

static int loop_time(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:time");
  lua_pushnumber(L, (lua_Number)tideR_now(S->rt) / 1e9);
  return 1;
}

static int loop_call_soon(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:call_soon");
  tideL_checkcallable(L, 2, "Loop:call_soon");
  return tideL_schedule(L, S, 2, 0);
}

static int loop_call_later(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:call_later");
  lua_Number seconds = tideL_checkseconds(L, 2, "Loop:call_later");
  double now = (double)tideR_now(S->rt) / 1e9;
  tideL_checkcallable(L, 3, "Loop:call_later");
  if (seconds >= 0)
    return tideL_schedule(L, S, 3, tideR_deadline(S->rt, seconds));
  seconds += now; /* the past, too, comes in order */
  return tideL_schedule(L, S, 3, seconds > 0 ? tideR_instant(seconds) : 1);
}

static int loop_call_at(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:call_at");
  lua_Number when = tideL_checkseconds(L, 2, "Loop:call_at");
  tideL_checkcallable(L, 3, "Loop:call_at");
  return tideL_schedule(L, S, 3, when > 0 ? tideR_instant(when) : 1);
}

static int loop_is_running(lua_State *L) {
  lua_pushboolean(L, tideR_loop_running(check_loop(L, "Loop:is_running")->rt));
  return 1;
}

static int loop_is_closed(lua_State *L) {
  const tideL_loop *self = to_loop(L, "Loop:is_closed");
  lua_pushboolean(L, !is_open(tideL_get(L), self));
  return 1;
}

/* Loop:close(): again is fine, while it runs is not */
static int loop_close(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_loop *self = to_loop(L, "Loop:close");
  if (!is_open(S, self))
    return 0;
  if (tideL_isbusy(S))
    return tideL_error(L, "'Loop:close': the loop is running");
  if (S->embedded)
    return tideL_error(L, "'Loop:close': the loop is the program's that opened "
                          "it");
  tideL_refusefinaliser(L, "Loop:close");
  tideL_reportunseen(L, S);
  tideL_close(L, S);
  return 0;
}

/* Loop:step([budget]): for hosts; whether work is ready */
static int loop_step(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:step");
  double budget =
      lua_isnoneornil(L, 2) ? 0 : tideL_checkseconds(L, 2, "Loop:step");
  int result;
  tideL_refusefinaliser(L, "Loop:step");
  result = tideL_step(S, budget);
  if (result < 0)
    return tideL_error(L, "'Loop:step': the loop is running, and steps are "
                          "for the main program; under the command 'tide' that "
                          "is a task, so run the script with 'lua'");
  lua_pushboolean(L, result > 0);
  return 1;
}

static int loop_fd(lua_State *L) {
  int fd = tideR_loop_fd(check_loop(L, "Loop:fd")->rt);
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
}

static int loop_next_timeout(lua_State *L) {
  double timeout = tideR_loop_timeout(check_loop(L, "Loop:next_timeout")->rt);
  lua_pushnumber(L, timeout < 0 ? INFINITY : timeout);
  return 1;
}

static int loop_alive(lua_State *L) {
  lua_pushboolean(L, tideR_loop_alive(check_loop(L, "Loop:alive")->rt));
  return 1;
}

/* check_loop(loop, function): that it is open; for lua/tide */
static int core_check_loop(lua_State *L) {
  check_loop(L, luaL_checkstring(L, 2));
  return 0;
}

/* ---- settings ---- */

static bool check_boolean(lua_State *L, const char *function) {
  if (!lua_isboolean(L, 2))
    tideL_typeerror(L, 2, function, "boolean");
  return lua_toboolean(L, 2);
}

static int loop_set_exception_handler(lua_State *L) {
  check_loop(L, "Loop:set_exception_handler");
  if (!lua_isnoneornil(L, 2))
    tideL_checkcallable(L, 2, "Loop:set_exception_handler");
  lua_settop(L, 2);
  lua_rawseti(L, UP_OWN, OWN_HANDLER);
  return 0;
}

static int loop_get_exception_handler(lua_State *L) {
  check_loop(L, "Loop:get_exception_handler");
  tideL_own(L, OWN_HANDLER);
  return 1;
}

static int loop_set_debug(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_debug");
  tideL_setdebug(L, S, check_boolean(L, "Loop:set_debug"));
  return 0;
}

static int loop_get_debug(lua_State *L) {
  lua_pushboolean(L, check_loop(L, "Loop:get_debug")->debug);
  return 1;
}

static int loop_set_blocking(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_blocking");
  S->blocking = check_boolean(L, "Loop:set_blocking");
  return 0;
}

static int loop_set_interrupt(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_interrupt");
  int err = 0;
  if (check_boolean(L, "Loop:set_interrupt"))
    err = tideR_interrupt_watch(S->rt);
  else
    tideR_interrupt_unwatch(S->rt);
  return tideL_pushdone(L, err);
}

/* Loop:set_grace(seconds): how long run waits for what it cancelled */
static int loop_set_grace(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_grace");
  S->grace = fmax(tideL_checkseconds(L, 2, "Loop:set_grace"), 0);
  return 0;
}

/* stack: <self, key>. slow_callback_duration is a field, as asyncio's. */
static int loop__index(lua_State *L) {
  to_loop(L, "Loop");
  lua_pushliteral(L, "slow_callback_duration");
  if (lua_rawequal(L, 2, 3)) {
    lua_pushnumber(L, tideL_get(L)->slow);
    return 1;
  }
  tideL_pushmethod(L);
  return 1;
}

static int loop__newindex(lua_State *L) {
  to_loop(L, "Loop");
  lua_pushliteral(L, "slow_callback_duration");
  if (!lua_rawequal(L, 2, 4)) {
    tideL_tostring(L, 2);
    return tideL_error(L, "a Loop has no field '%s' to set",
                       lua_tostring(L, -1));
  }
  tideL_get(L)->slow = tideL_checkseconds(L, 3, "Loop.slow_callback_duration");
  return 0;
}

void tideL_openloop(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"time", loop_time},
      {"call_soon", loop_call_soon},
      {"call_later", loop_call_later},
      {"call_at", loop_call_at},
      {"is_running", loop_is_running},
      {"is_closed", loop_is_closed},
      {"close", loop_close},
      {"step", loop_step},
      {"fd", loop_fd},
      {"next_timeout", loop_next_timeout},
      {"alive", loop_alive},
      {"set_exception_handler", loop_set_exception_handler},
      {"get_exception_handler", loop_get_exception_handler},
      {"set_debug", loop_set_debug},
      {"get_debug", loop_get_debug},
      {"set_blocking", loop_set_blocking},
      {"set_interrupt", loop_set_interrupt},
      {"set_grace", loop_set_grace},
      {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__index", loop__index}, {"__newindex", loop__newindex}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"loop", core_loop}, {"check_loop", core_check_loop}, {NULL, NULL}};
  tideL_newclass(L, OWN_LOOP, "tide.Loop", methods, metamethods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "Loop"); /* lua/tide adds to them */
  tideL_own(L, OWN_LOOP);
  lua_insert(L, -2);
  lua_setfield(L, -2, "methods");
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
