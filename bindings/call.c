/*
 * call.c: callbacks that the loop calls, and the handles of delayed ones.
 *
 * OWN_CALLS holds the function of each tideR_call at its slot. That of slot 0
 * has none, it is our own: see chores.
 */
#include "streams.h"

/* ---- callbacks ---- */

/* What is called: the function, or a table of it, its n arguments and its
 * context. stack: <function, arguments...>, and with `within` the context */
static void pack_call(lua_State *L, int n, bool within) {
  if (within && lua_isnil(L, -1)) {
    lua_pop(L, 1);
    within = false;
  }
  if (n > 0 || within || lua_istable(L, -1)) {
    lua_createtable(L, n + 1, within ? 2 : 1);
    lua_insert(L, -n - 2 - within);
    if (within)
      lua_setfield(L, -n - 3, "context");
    for (int i = n + 1; i >= 1; i--)
      lua_rawseti(L, -i - 1, i);
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
  }
}

/* CALLS[slot] = the value on top, which is popped. */
static tideR_call *queue(lua_State *L, tideL_state *S, uint64_t when) {
  tideR_call *call;
  int err = when == 0 ? tideR_call_soon(S->rt, &call)
                      : tideR_call_at(S->rt, when, &call);
  if (err < 0)
    luaL_error(L, "not enough memory");
  tideL_own(L, OWN_CALLS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (int)call->slot);
  lua_pop(L, 1);
  return call;
}

/* In the context of what runs now. */
static tideR_call *call_at(lua_State *L, tideL_state *S, uint64_t when, int n) {
  bool within = S->varied;
  if (within)
    tideL_pushowncontext(L, S);
  pack_call(L, n, within);
  return queue(L, S, when);
}

/* An empty one is as large as what pack_call makes for one argument. */
void tideL_newcall(lua_State *L) {
  lua_createtable(L, 2, 2);
}

/* stack: <the empty call, function, argument, context> */
void tideL_callnew(lua_State *L, tideL_state *S) {
  int call = lua_gettop(L) - 3;
  lua_setfield(L, call, "context");
  lua_rawseti(L, call, 2);
  lua_rawseti(L, call, 1);
  lua_pushinteger(L, 1);
  lua_setfield(L, call, "n");
  queue(L, S, 0);
}

void tideL_callsoon(lua_State *L, tideL_state *S, int n) {
  call_at(L, S, 0, n);
}

void tideL_wantchores(tideL_state *S) {
  if (S->rt != NULL)
    tideR_call_chores(S->rt);
}

/* First what never raises, for tasks wait for it. */
static void chores(lua_State *T, tideL_state *S) {
  if (S->aborts != NULL)
    tideL_runaborts(T, S);
  if (S->signals)
    tideL_runsignals(T, S);
  if (S->swallower_count > 0)
    tideL_reportswallowers(T, S);
  if (S->collect) {
    S->collect = false;
    tideL_reportunseen(T, S);
  }
  tideL_reporttrouble(T, S);
  tideL_flushreports(T, S);
}

/* Pushes the function and its arguments: how many; -1: there is none. Its
 * context is that of the callback now. */
static int take_call(lua_State *T, const tideL_state *S,
                     const tideR_call *call) {
  int n = 0, type;
  tideL_own(T, OWN_CALLS);
  type = tideL_rawgeti(T, -1, (int)call->slot);
  lua_pushnil(T);
  lua_rawseti(T, -3, (int)call->slot);
  lua_remove(T, -2);
  if (type == LUA_TNIL)
    return -1;
  if (type == LUA_TTABLE) {
    lua_getfield(T, -1, "n");
    n = (int)lua_tointeger(T, -1);
    lua_pop(T, 1);
    if (S->varied) {
      lua_getfield(T, -1, "context");
      lua_rawseti(T, UP_OWN, OWN_CALLVARS);
    }
    luaL_checkstack(T, n + 1, "too many arguments");
    for (int i = 1; i <= n + 1; i++)
      lua_rawgeti(T, -i, i);
    lua_remove(T, -n - 2);
  }
  return n;
}

void tideL_oncall(tideR_runtime *rt, tideR_call *call) {
  tideL_state *S = tideR_runtime_data(rt);
  lua_State *T = S->thread;
  int top = lua_gettop(T), n;
  bool inside = tideL_entercallback(T, S);
  bool watched = S->watching;
  tideL_stress(T);
  tideL_own(T, OWN_NOTER);
  if (watched)
    tideL_beforecall(T, S, call);
  n = call->slot > 0 ? take_call(T, S, call) : -1;
  if (n < 0) {
    chores(T, S);
  } else if (lua_pcall(T, n, 0, top + 1) != LUA_OK) {
    tideL_pushreport(T, "error in a callback", -1);
    tideL_report(T, S);
  }
  if (watched)
    tideL_aftercall(T, S);
  tideL_leavecallback(T, S, inside);
  lua_settop(T, top);
}

/* ---- handles of delayed calls ---- */

#define TIMER_MAGIC 0x74696d65u

typedef struct tideL_timer {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  uint32_t slot, use;
  uint64_t when;
  bool cancelled;
} tideL_timer;

static tideL_timer *check_timer(lua_State *L, const char *function) {
  tideL_timer *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self ||
      self->magic != TIMER_MAGIC)
    tideL_typeerror(L, 1, function, "Handle");
  return self;
}

/* Handle:cancel(): it will not be called */
static int timer_cancel(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_timer *self = check_timer(L, "Handle:cancel");
  tideR_call *call = NULL;
  if (S->rt != NULL && self->serial == S->serial)
    call = tideR_call_find(S->rt, self->slot, self->use);
  if (call != NULL) {
    tideL_own(L, OWN_CALLS);
    lua_pushnil(L);
    lua_rawseti(L, -2, (int)self->slot);
    tideR_call_cancel(S->rt, call);
    self->cancelled = true;
  }
  return 0;
}

static int timer_cancelled(lua_State *L) {
  lua_pushboolean(L, check_timer(L, "Handle:cancelled")->cancelled);
  return 1;
}

static int timer_when(lua_State *L) {
  lua_pushnumber(L, (lua_Number)check_timer(L, "Handle:when")->when / 1e9);
  return 1;
}

/* Finalisers may run. */
static tideL_timer *push_handle(lua_State *L, const tideL_state *S,
                                uint32_t slot, uint32_t use) {
  tideL_timer *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_timer){
      .magic = TIMER_MAGIC, .serial = S->serial, .slot = slot, .use = use};
  tideL_own(L, OWN_TIMER);
  lua_setmetatable(L, -2);
  return self;
}

int tideL_schedule(lua_State *L, tideL_state *S, int first, uint64_t when) {
  int n = lua_gettop(L) - first;
  tideL_timer *self = push_handle(L, S, 0, 0);
  const tideR_call *call;
  lua_insert(L, first); /* it stays when the call is stored */
  call = call_at(L, S, when, n);
  self->slot = call->slot;
  self->use = call->serial;
  self->when = when != 0 ? when : tideR_now(S->rt);
  if (S->debug)
    tideL_notecall(L, call);
  return 1;
}

/* {[1] = its Handle, key = which use of which record, fn =} */
static void push_pending(lua_State *L, const tideL_state *S, uint32_t slot,
                         uint32_t use) {
  lua_createtable(L, 1, 2);
  push_handle(L, S, slot, use);
  lua_rawseti(L, -2, 1);
  lua_pushfstring(L, "%d/%d", (int)slot, (int)use);
  lua_setfield(L, -2, "key");
  tideL_own(L, OWN_CALLS);
  if (tideL_rawgeti(L, -1, (int)slot) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  lua_remove(L, -2);
  lua_setfield(L, -2, "fn");
}

/* pending_calls(): a list of the delayed ones. One that a finaliser cancels
 * meanwhile has no function. */
int tideL_pendingcalls(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  int n = 0;
  lua_newtable(L);
  for (uint32_t slot = 1; S->rt && slot <= tideR_call_slots(S->rt); slot++) {
    const tideR_call *call = tideR_call_in(S->rt, slot);
    if (call->state != TIDE_CALL_TIMED)
      continue;
    push_pending(L, S, slot, call->serial);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

void tideL_opencall(lua_State *L) {
  static const luaL_Reg methods[] = {{"cancel", timer_cancel},
                                     {"cancelled", timer_cancelled},
                                     {"when", timer_when},
                                     {NULL, NULL}};
  static const luaL_Reg none[] = {{NULL, NULL}};
  tideL_newclass(L, OWN_TIMER, "tide.Handle", methods, none);
  lua_pop(L, 1);
}
