/*
 * leaks.c: in debug mode, what the end of run finds left behind: tasks that it
 * has to cancel, delayed calls, promises of a wake, handles of libuv.
 */
#include "bindings.h"

#define MOST 20 /* of a kind that are named */

/* ---- where things are made ---- */

/* stack: the caller's. Pushes its line, or nil. */
static void push_caller(lua_State *L) {
  lua_Debug ar;
  if (tideL_caller(L, 0, &ar))
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
  else
    lua_pushnil(L);
}

/* call_noter(slot, use): OWN_MADE[slot of a call] is where it was made, [-slot]
 * which use of the record that was. */
static int call_noter(lua_State *L) {
  int slot = (int)lua_tointeger(L, 1);
  tideL_own(L, OWN_MADE);
  push_caller(L);
  lua_rawseti(L, 3, slot);
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, -slot);
  return 0;
}

/* Protected: it will be called, with a note or without. */
void tideL_notecall(lua_State *L, const tideR_call *call) {
  if (!lua_checkstack(L, 4))
    return;
  tideL_own(L, OWN_CALLNOTER);
  lua_pushinteger(L, (lua_Integer)call->slot);
  lua_pushinteger(L, (lua_Integer)call->serial);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

/* creation_noter(task): notes in it where it is made. Called protected: a task
 * is there already, and without a note it runs as well. */
static int creation_noter(lua_State *L) {
  tideL_pushinfo(L, 1);
  tideL_tracebackfrom(L, L, 1);
  lua_setfield(L, -2, "created");
  push_caller(L);
  lua_setfield(L, -2, "made");
  return 0;
}

void tideL_notespawn(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_watch_task(task);
  if (S->trace != NULL)
    tideL_tracespawned(S, task);
  if (!S->debug || !lua_checkstack(L, 4))
    return;
  tideL_own(L, OWN_CREATIONNOTER);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

/* ---- the end of run ---- */

/* stack: <list of lines>. The line on top is added, or only counted. */
static void add_line(lua_State *L, int list, uint32_t *count) {
  if (++*count <= MOST)
    lua_rawseti(L, list, (int)lua_rawlen(L, list) + 1);
  else
    lua_pop(L, 1);
}

static void add_rest(lua_State *L, int list, uint32_t count, const char *what) {
  if (count <= MOST)
    return;
  lua_pushfstring(L, "  ... and %d more %s", (int)(count - MOST), what);
  lua_rawseti(L, list, (int)lua_rawlen(L, list) + 1);
}

/* Pushes "  worker: in sleep, at a.lua:3, made at a.lua:1". */
static void push_task_line(lua_State *L, tideL_state *S, tideR_task *task) {
  int top = lua_gettop(L) + 1;
  lua_pushliteral(L, "  ");
  tideL_pushtold(L, S, task);
  lua_concat(L, 2);
  if (tideL_findtask(L, task) != NULL &&
      ((tideL_task *)lua_touserdata(L, -1))->info) {
    tideL_pushinfo(L, -1);
    if (tideL_getfield(L, -1, "made") == LUA_TSTRING) {
      lua_pushfstring(L, "%s, made at %s", lua_tostring(L, top),
                      lua_tostring(L, -1));
      lua_replace(L, top);
    }
  }
  lua_settop(L, top);
}

/* left_finder(): a list of the tasks that are left. */
static int left_finder(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const int list = 1;
  uint32_t count = 0;
  luaL_checkstack(L, 12, NULL);
  lua_newtable(L);
  for (uint32_t slot = 1; slot <= tideR_task_slots(S->rt); slot++) {
    tideR_task *task = tideR_task_at(S->rt, slot);
    if (!tideR_task_alive(task) || task == S->spawning ||
        !tideR_task_is_young(S->rt, task))
      continue;
    if (count < MOST)
      push_task_line(L, S, task);
    else
      lua_pushnil(L);
    add_line(L, list, &count);
  }
  add_rest(L, list, count, "tasks");
  return 1;
}

/* Protected: run has yet to end them. */
void tideL_pushleft(lua_State *L) {
  tideL_own(L, OWN_LEFTFINDER);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/* Pushes "  a delayed call, due in 3 s, made at a.lua:5"; false: it was not
 * made in debug mode, or is our own, and pushes nothing. */
static bool push_call_line(lua_State *L, const tideL_state *S,
                           const tideR_call *call) {
  uint64_t when = tideR_call_when(S->rt, call), now = tideR_now(S->rt);
  int top = lua_gettop(L);
  tideL_own(L, OWN_MADE);
  lua_rawgeti(L, -1, -(int)call->slot);
  if (lua_isnil(L, -1) || (uint32_t)lua_tointeger(L, -1) != call->serial ||
      tideL_rawgeti(L, -2, (int)call->slot) != LUA_TSTRING) {
    lua_settop(L, top);
    return false;
  }
  lua_pushliteral(L, "  a delayed call");
  if (when != TIDE_NEVER) {
    lua_pushliteral(L, ", due in ");
    tideL_pushseconds(L, when > now ? when - now : 0);
    lua_concat(L, 3);
  }
  lua_pushfstring(L, "%s, made at %s", lua_tostring(L, -1),
                  lua_tostring(L, -2));
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return true;
}

static void add_calls(lua_State *L, const tideL_state *S, int list) {
  uint32_t count = 0;
  for (uint32_t slot = 1; slot <= tideR_call_slots(S->rt); slot++) {
    const tideR_call *call = tideR_call_in(S->rt, slot);
    if ((call->state == TIDE_CALL_TIMED || call->state == TIDE_CALL_QUEUED) &&
        push_call_line(L, S, call))
      add_line(L, list, &count);
  }
  add_rest(L, list, count, "delayed calls");
}

static void add_count(lua_State *L, int list, uint64_t count,
                      const char *what) {
  if (count == 0)
    return;
  lua_pushfstring(L, "  %d %s", (int)count, what);
  lua_rawseti(L, list, (int)lua_rawlen(L, list) + 1);
}

void tideL_reportleft(lua_State *L, tideL_state *S) {
  int list = lua_gettop(L), n;
  tideR_stats stats;
  if (lua_isnil(L, list)) { /* out of memory */
    lua_pop(L, 1);
    return;
  }
  tideR_runtime_stats(S->rt, &stats);
  luaL_checkstack(L, 12, NULL);
  add_calls(L, S, list);
  add_count(L, list, stats.wakers, "parked tasks' wakes still to come");
  add_count(L, list, stats.handles, "handles of libuv");
  add_count(L, list, stats.swallowed - S->swallowed_before,
            "cancellations caught and met again");
  n = (int)lua_rawlen(L, list);
  if (n > 0) {
    lua_pushliteral(L, "run ended and left behind:");
    for (int i = 1; i <= n; i++) {
      lua_pushliteral(L, "\n");
      lua_rawgeti(L, list, i);
      lua_concat(L, 3);
    }
    tideL_reporttext(L, S, lua_tostring(L, -1));
  }
  lua_settop(L, list - 1);
}

/* What was made before this run is not its own. */
void tideL_beginleaks(lua_State *L, tideL_state *S) {
  tideR_stats stats;
  tideR_runtime_stats(S->rt, &stats);
  S->swallowed_before = stats.swallowed;
  if (S->debug) {
    lua_newtable(L);
    lua_rawseti(L, UP_OWN, OWN_MADE);
  }
}

void tideL_openleaks(lua_State *L) {
  lua_newtable(L);
  lua_rawseti(L, UP_OWN, OWN_MADE);
  tideL_pushfunction(L, creation_noter);
  lua_rawseti(L, UP_OWN, OWN_CREATIONNOTER);
  tideL_pushfunction(L, call_noter);
  lua_rawseti(L, UP_OWN, OWN_CALLNOTER);
  tideL_pushfunction(L, left_finder);
  lua_rawseti(L, UP_OWN, OWN_LEFTFINDER);
}
