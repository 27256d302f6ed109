/*
 * break.c: an interrupt of what computes and never awaits. For the prompt.
 *
 * The signal's handler sets a count hook on the coroutine that runs, as Lua's
 * own command does: lua_sethook may be called there. The hook raises
 * Interrupted, unless the loop has been told of the signal meanwhile: then the
 * cancel does it. It waits until it is in a function that is not tide's, and
 * puts back the hook that was there before.
 *
 * On LuaJIT the hook is that of all coroutines, and compiled loops do not see
 * it. A coroutine that Lua's own coroutine.resume runs is not found; nor is
 * what begins to compute after the signal came and before the loop polls.
 */
#include "bindings.h"

#define PATIENCE 1000000 /* instructions, for the pause of who is not meant */

static const char breaker; /* the key in the registry */

/* The registry has the function, with its upvalues. */
static void on_count(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_pushlightuserdata(L, (void *)&breaker);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_call(L, 0, 0);
}

static bool is_wanted(const tideL_state *S) {
  return S->rt != NULL && tideR_interrupt_came(S->rt) &&
         !tideR_interrupt_told(S->rt);
}

static void arm(tideL_state *S, lua_State *co) {
  const tideR_task *task = S->current;
  bool is_meant = task != NULL && task == tideR_loop_mainof(S->rt);
  S->hooked_task = task;
  lua_sethook(co, on_count, LUA_MASKCOUNT, is_meant ? 1 : PATIENCE);
}

static void set_hook(tideL_state *S, lua_State *co) {
  if (lua_gethook(co) == on_count)
    return;
  S->hook_before = lua_gethook(co);
  S->mask_before = lua_gethookmask(co);
  S->count_before = lua_gethookcount(co);
  S->breaks = true;
  arm(S, co);
}

static void reset_hook(tideL_state *S, lua_State *co) {
  S->breaks = false;
  if (lua_gethook(co) == on_count)
    lua_sethook(co, S->hook_before, S->mask_before, S->count_before);
}

/* In the handler of the signal: what it interrupted is the user's code, Lua or
 * tide, on this thread, so that what S->current points to is there. */
static void on_caught(tideR_signal *signal) {
  tideL_state *S = tideR_runtime_data(signal->rt);
  const tideR_task *task = S->current;
  uv_thread_t self = uv_thread_self();
  lua_State *co = task != NULL ? task->coro : S->calling ? S->thread : NULL;
  if (co != NULL && uv_thread_equal(&self, &S->breakable))
    set_hook(S, co);
}

void tideL_movebreak(tideL_state *S, lua_State *from, lua_State *to) {
  reset_hook(S, from);
  if (is_wanted(S))
    set_hook(S, to);
}

/* What the hook calls. */
static int break_here(lua_State *L) {
  tideL_state *S = tideL_get(L);
  bool wanted = is_wanted(S);
  lua_Debug ar;
  if (wanted && S->current != S->hooked_task) { /* it is LuaJIT's */
    arm(S, L);
    return 0;
  }
  if (wanted && lua_getstack(L, 1, &ar) && !tideL_isusers(L, L, &ar)) {
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    return 0;
  }
  reset_hook(S, L);
  return wanted ? tideL_raise(L, TIDEL_INTERRUPTED, "interrupted") : 0;
}

/* set_breaking(on): from now on an interrupt breaks what this thread runs; the
 * loop has set_interrupt */
static int core_set_breaking(lua_State *L) {
  tideL_state *S = tideL_open(L);
  S->breakable = uv_thread_self();
  tideR_interrupt_caught(S->rt, lua_toboolean(L, 1) ? on_caught : NULL);
  return 0;
}

void tideL_openbreak(lua_State *L) {
  static const luaL_Reg functions[] = {{"set_breaking", core_set_breaking},
                                       {NULL, NULL}};
  tideL_setfunctions(L, functions);
  lua_pushlightuserdata(L, (void *)&breaker);
  tideL_pushfunction(L, break_here);
  lua_rawset(L, LUA_REGISTRYINDEX);
}
