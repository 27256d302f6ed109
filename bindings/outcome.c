/*
 * outcome.c: how a task or future ended.
 *
 * A number, boolean or nil fits into the userdata itself; one value of any type
 * is its user value where Lua allows that, and so is the CancelledError that it
 * ended with; everything else makes `info` true and the user value a table:
 * with the results at 1 to n, and n; or with the `error`, and where it
 * happened: the dead `coroutine`, or the text of the `stack` where that had to
 * be made at once. Also there: `name`, `callbacks` (done.c), `created` (debug
 * mode) and `sentinel` (report.c).
 */
#include "bindings.h"

enum {
  STORE_NONE,
  STORE_NIL,
  STORE_FALSE,
  STORE_TRUE,
  STORE_NUMBER, /* in place of `task`: the outcome must be next to change */
  STORE_VALUE,
  STORE_ERROR
};

/* A Task with a table of its own lives as long as its task. A new one has room
 * for so many fields. */
static void push_info(lua_State *L, int index, int fields) {
  tideL_task *handle = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  if (handle->info) {
    tideL_getuservalue(L, index);
    return;
  }
  lua_createtable(L, 0, fields);
  if (handle->info) { /* a finaliser was quicker */
    lua_pop(L, 1);
    tideL_getuservalue(L, index);
    return;
  }
  if (tideL_record(handle) != NULL) {
    lua_pushvalue(L, index);
    tideL_own(L, OWN_PINNED);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (int)handle->task->slot);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, -1);
  tideL_setuservalue(L, index);
  handle->info = true;
}

void tideL_pushinfo(lua_State *L, int index) {
  push_info(L, index, 0);
}

/* A value that only a finished Task has beside it gives way to a table, which
 * has all before it takes its place: making it may fail. */
void tideL_pushfullinfo(lua_State *L, int index) {
  tideL_task *handle = lua_touserdata(L, index);
  if (handle->store != STORE_VALUE && handle->store != STORE_ERROR) {
    tideL_pushinfo(L, index);
    return;
  }
  index = lua_absindex(L, index);
  lua_createtable(L, 1, 2);
  tideL_getuservalue(L, index);
  if (handle->store == STORE_ERROR) {
    lua_setfield(L, -2, "error");
  } else {
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, 1);
    lua_setfield(L, -2, "n");
  }
  if (handle->info) { /* a finaliser was quicker */
    lua_pop(L, 1);
    tideL_getuservalue(L, index);
    return;
  }
  lua_pushvalue(L, -1);
  tideL_setuservalue(L, index);
  handle->info = true;
  handle->store = STORE_NONE;
}

/* ---- what it ended with ---- */

bool tideL_storesmall(lua_State *T, int index, lua_State *co) {
  tideL_task *handle = lua_touserdata(T, index);
  switch (lua_type(co, -1)) {
  case LUA_TNIL:
    handle->store = STORE_NIL;
    return true;
  case LUA_TBOOLEAN:
    handle->store = lua_toboolean(co, -1) ? STORE_TRUE : STORE_FALSE;
    return true;
  case LUA_TNUMBER:
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(co, -1))
      break;
#endif
    if (handle->info)
      break;
    handle->store = STORE_NUMBER;
    handle->number = lua_tonumber(co, -1);
    return true;
  }
#if TIDE_ANYUSERVALUE
  if (!handle->info) {
    lua_xmove(co, T, 1);
    tideL_setuservalue(T, index);
    handle->store = STORE_VALUE;
    lua_pushnil(co); /* as many values as before */
    return true;
  }
#endif
  return false;
}

static void store_results(lua_State *T, int index, lua_State *co, int n) {
  if (n == 0 || (n == 1 && tideL_storesmall(T, index, co)))
    return;
  tideL_pushinfo(T, index);
  ((tideL_task *)lua_touserdata(T, index))->store = STORE_NONE; /* ... it set */
  luaL_checkstack(T, n + 2, "too many results"); /* and their number, "n" */
  if (T == co)
    lua_insert(T, -n - 1);
  else
    lua_xmove(co, T, n);
  lua_pushnumber(T, n);
  lua_setfield(T, -n - 2, "n");
  for (int i = n; i >= 1; i--)
    lua_rawseti(T, -i - 1, i);
  lua_pop(T, 1);
}

/* With the error goes where it happened: the stack that was noted, or the dead
 * coroutine itself, whose stack is as the error left it. Of a cancellation
 * nobody asks that, but in debug mode. */
static tideL_outcome store_error(lua_State *T, int index, lua_State *co) {
  tideL_task *handle = lua_touserdata(T, index);
  bool debug = tideL_get(T)->debug, cancelled;
  if (T != co)
    lua_xmove(co, T, 1);
  cancelled = tideL_iserror(T, -1, TIDEL_CANCELLED);
  if (cancelled && !debug && !handle->info) {
    tideL_setuservalue(T, index);
    handle->store = STORE_ERROR;
    return OUTCOME_CANCELLED;
  }
  tideL_pushraised(T, tideL_get(T), -1, handle->id);
  push_info(T, index, 4); /* the sentinel's, too */
  lua_insert(T, -3);
  if (lua_isnil(T, -1))
    lua_pop(T, 1);
  else
    lua_setfield(T, -3, "from");
  if (tideL_pushnoted(T, -1, handle->id)) {
    lua_setfield(T, -3, "stack");
  } else if (T != co && lua_status(co) > LUA_YIELD && (!cancelled || debug)) {
    tideL_pushcoroutine(T, co);
    lua_setfield(T, -3, "coroutine");
  }
  lua_setfield(T, -2, "error");
  lua_pop(T, 1);
  return cancelled ? OUTCOME_CANCELLED : OUTCOME_FAILED;
}

/* ---- the end ---- */

/* Keeps what it ended with: the n values from the top of co. */
static tideL_outcome store(lua_State *T, int index, lua_State *co, bool failed,
                           int n) {
  if (failed)
    return store_error(T, index, co);
  store_results(T, index, co, n);
  return OUTCOME_RESULTS;
}

static void unpin(lua_State *T, const tideR_task *task) {
  tideL_own(T, OWN_PINNED);
  lua_pushnil(T);
  lua_rawseti(T, -2, (int)task->slot);
  lua_pop(T, 1);
}

/* It stays in UP_HANDLES until its record is another's; that is weak. */
void tideL_settle(lua_State *T, tideL_state *S, tideL_task *handle,
                  lua_State *co, bool failed, int n) {
  const tideR_task *task = handle->task;
  uint32_t cancels = tideR_task_cancelling(task);
  tideL_outcome outcome = OUTCOME_RESULTS;
  if (failed || n > 0)
    outcome = store(T, lua_gettop(T), co, failed, n);
  if (handle->info) {
    int index = lua_gettop(T);
    tideL_preparecallbacks(T, index);
    tideL_queuecallbacks(T, S, index);
    unpin(T, task);
  }
  handle->outcome = outcome;
  handle->cancels = (cancels < INT16_MAX ? cancels : INT16_MAX) & INT16_MAX;
}

/* Whether storing the n values on top needs the table. */
static bool needs_info(lua_State *L, bool failed, int n) {
  int type = lua_type(L, -1);
  if (failed)
    return !tideL_iserror(L, -1, TIDEL_CANCELLED) || tideL_get(L)->debug;
  return n > 1 || (n == 1 && !TIDE_ANYUSERVALUE && type != LUA_TNIL &&
                   type != LUA_TBOOLEAN && type != LUA_TNUMBER);
}

/* All that is needed is made first, for that may run finalisers, which may end
 * it themselves, add callbacks or take them away. The calls go below the n
 * values on top. False: it has ended. */
static bool prepare(lua_State *L, tideL_state *S, int index, bool failed,
                    bool is_new, int n) {
  const tideL_future *self = lua_touserdata(L, index);
  int calls = lua_gettop(L) - n + 1;
  luaL_checkstack(L, 10, NULL);
  if (is_new) {
    push_info(L, index, failed ? 4 : 0);
    lua_pop(L, 1);
  }
  tideL_preparecallbacks(L, index);
  lua_insert(L, calls);
  tideL_noticecancel(L, S, index);
  return self->base.outcome == OUTCOME_NONE;
}

bool tideL_settlefuture(lua_State *L, tideL_state *S, int index, bool failed,
                        int n) {
  tideL_future *self = lua_touserdata(L, index);
  bool is_new = needs_info(L, failed, n), prepared = is_new || self->base.info;
  int calls = lua_gettop(L) - n + 1;
  tideL_outcome outcome;
  if (prepared && !prepare(L, S, index, failed, is_new, n))
    return false;
  outcome = store(L, index, L, failed, n);
  if (prepared) {
    lua_settop(L, calls);
    tideL_queuecallbacks(L, S, index);
  }
  self->base.outcome = outcome;
  tideR_future_end(S->rt, &self->join,
                   outcome == OUTCOME_RESULTS  ? TIDE_END_OK
                   : outcome == OUTCOME_FAILED ? TIDE_END_FAILED
                                               : TIDE_END_CANCELLED);
  return true;
}

/* ---- reading the outcome ---- */

static int push_results(lua_State *L, int index, const tideL_task *handle) {
  int n;
  switch (handle->store) {
  case STORE_NIL:
    lua_pushnil(L);
    return 1;
  case STORE_FALSE:
  case STORE_TRUE:
    lua_pushboolean(L, handle->store == STORE_TRUE);
    return 1;
  case STORE_NUMBER:
    lua_pushnumber(L, handle->number);
    return 1;
  case STORE_VALUE:
    tideL_getuservalue(L, index);
    return 1;
  }
  if (!handle->info)
    return 0;
  tideL_pushinfo(L, index);
  lua_getfield(L, -1, "n");
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  luaL_checkstack(L, n, "too many results");
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, -i, i);
  return n;
}

void tideL_markseen(lua_State *L, int index, tideL_task *handle) {
  if (handle->seen)
    return;
  handle->seen = true;
  if (handle->outcome == OUTCOME_FAILED) {
    tideL_pushinfo(L, index); /* lets go of what would report it */
    lua_pushnil(L);
    lua_setfield(L, -2, "sentinel");
    lua_pop(L, 1);
  }
}

void tideL_pushfailure(lua_State *L, int index, tideL_task *handle) {
  tideL_markseen(L, index, handle);
  if (handle->store == STORE_ERROR) {
    tideL_getuservalue(L, index);
    return;
  }
  lua_pushnil(L);
  if (handle->info) {
    lua_pop(L, 1);
    tideL_pushinfo(L, index);
    lua_getfield(L, -1, "error");
    lua_remove(L, -2);
  }
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    tideL_pusherror(L, TIDEL_CANCELLED, "cancelled");
  }
}

int tideL_pushoutcome(lua_State *L, int index, tideL_task *handle) {
  tideL_state *S;
  if (handle->outcome == OUTCOME_RESULTS)
    return push_results(L, index, handle);
  if (handle->outcome == OUTCOME_CLOSED)
    return tideL_raise(L, TIDEL_INVALIDSTATE,
                       "the loop was closed before it ended");
  if (handle->outcome == OUTCOME_LOST)
    return tideL_raise(L, TIDEL_INVALIDSTATE,
                       "nobody held the Task when it ended");
  S = tideL_get(L);
  if (S->current != NULL && handle->outcome == OUTCOME_FAILED)
    tideL_noteraised(L, S, index, S->current->id);
  tideL_pushfailure(L, index, handle);
  return lua_error(L);
}
