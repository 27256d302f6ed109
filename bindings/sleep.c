/* sleep.c: sleep and next_tick. */
#include "bindings.h"

/* The second argument is the result. */
static int slept(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  lua_settop(L, 2);
  return 1;
}

#if TIDE_YIELDK

/* The commonest of all switches is spared what the general continuation has to
 * look up; it does the rest if anything is out of the ordinary. */
static int wake_up(lua_State *L, const tideL_state *S) {
  const tideR_task *task = S->current;
  if (task == NULL || task->coro != L || task->status != TIDE_WOKEN ||
      task->flags & (TIDE_CANCEL | TASK_RAISE))
    return tideL_continue(L, slept);
  return 1; /* the second argument is on top: the loop passes nothing */
}

#if LUA_VERSION_NUM == 502
static int sleep_k(lua_State *L) {
  return wake_up(L, tideL_get(L));
}
#define CONTEXT(S) 0
#else
/* The state outlives every function of ours that waits; a task would not. */
static int sleep_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return wake_up(L, (const tideL_state *)context);
}
#define CONTEXT(S) (lua_KContext)(S)
#endif

static int suspend(lua_State *L, tideL_state *S, tideR_task *task) {
  if (task->flags & TIDE_ROOT)
    return tideL_suspend(L, S, task, slept);
  return lua_yieldk(L, 0, CONTEXT(S), sleep_k);
}

#else

static int suspend(lua_State *L, tideL_state *S, tideR_task *task) {
  return tideL_suspend(L, S, task, slept);
}

#endif

/* 0 is the commonest: no argument means it where a Lua function has looked
 * (await.c), and it is cheaper to read as an integer where there are any. */
#if !TIDE_YIELDK
static lua_Number check_seconds(lua_State *L, const char *function) {
  return lua_gettop(L) == 0 ? 0 : tideL_checkseconds(L, 1, function);
}
#elif LUA_VERSION_NUM >= 503
static lua_Number check_seconds(lua_State *L, const char *function) {
  int isnum;
  lua_Integer seconds = lua_tointegerx(L, 1, &isnum);
  return isnum ? (lua_Number)seconds : tideL_checkseconds(L, 1, function);
}
#else
static lua_Number check_seconds(lua_State *L, const char *function) {
  return tideL_checkseconds(L, 1, function);
}
#endif

/* sleep(seconds[, result]): 0 is exactly one turn, math.huge for ever */
static int core_sleep(lua_State *L) {
  static const char name[] = "tide.sleep";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  lua_Number seconds = check_seconds(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, slept);
  tideL_checkyield(L, task, name);
#if TIDE_YIELDK /* what a stranger resumes it with is no result */
  if (lua_gettop(L) == 1)
    lua_pushnil(L); /* cheaper than lua_settop */
  else
    lua_settop(L, 2);
#endif
  if (seconds <= 0) {
    if (tideL_giveturn(S, task))
      return TIDE_YIELDK; /* how many results `start` has */
  } else if (tideR_park_until(S->rt, task, tideR_deadline(S->rt, seconds)) <
             0) {
    return luaL_error(L, "not enough memory");
  }
  return suspend(L, S, task);
}

static int ticked(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  return 0;
}

/* next_tick(): until the host's next step; in run until the next turn */
static int core_next_tick(lua_State *L) {
  static const char name[] = "tide.next_tick";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, ticked);
  tideL_checkyield(L, task, name);
  tideR_park_tick(S->rt, task);
  return tideL_suspend(L, S, task, ticked);
}

/* checkpoint(): an await that need not wait. Of tide's own Lua files, whose
 * calls come to their end without one, it may be. */
static int core_checkpoint(lua_State *L) {
  static const char name[] = "checkpoint";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, ticked);
  return tideL_ready(L, S, task, NULL, ticked);
}

void tideL_opensleep(lua_State *L) {
  static const tideL_awaiting awaiting[] = {
      {"tide.sleep", core_sleep, slept, AWAIT_SLEEP},
      {"tide.next_tick", core_next_tick, ticked, AWAIT_NOTHING},
      {"tide.checkpoint", core_checkpoint, ticked, AWAIT_VOID},
      {NULL, NULL, NULL, AWAIT_SLEEP}};
  tideL_setawaiting(L, awaiting);
}
