/*
 * signal.c: callbacks for signals. Private: bin/tide uses them.
 *
 * A watcher is a userdata with the function as its user value. OWN_SIGNALS
 * holds it by its name, so that it lives as long as its runtime watches.
 */
#include "bindings.h"

typedef struct tideL_watcher {
  tideR_signal signal;
  tideL_state *state;
} tideL_watcher;

static void on_told(tideR_signal *signal) {
  tideL_state *S = ((tideL_watcher *)signal)->state;
  S->signals = true;
  tideL_wantchores(S);
}

static int watcher__gc(lua_State *L) {
  tideR_signal_unwatch(&((tideL_watcher *)lua_touserdata(L, 1))->signal);
  return 0;
}

static int check_number(lua_State *L, const char *function) {
  int number = tideR_signal_number(luaL_checkstring(L, 1));
  if (number == 0)
    tideL_argerror(L, 1, function, "no such signal");
  return number;
}

/* Pushes a watcher of the function at index 2; its runtime is open. */
static tideL_watcher *new_watcher(lua_State *L, tideL_state *S) {
  tideL_watcher *self = tideL_newuserdata(L, sizeof *self);
  self->state = S;
  tideR_signal_init(&self->signal);
  tideL_own(L, OWN_WATCHER);
  lua_setmetatable(L, -2);
  lua_createtable(L, 1, 0); /* a user value is a table on 5.1 */
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 1);
  tideL_setuservalue(L, -2);
  return self;
}

static void unwatch(lua_State *L) {
  tideL_own(L, OWN_SIGNALS);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  if (!lua_isnil(L, -1))
    tideR_signal_unwatch(&((tideL_watcher *)lua_touserdata(L, -1))->signal);
  lua_pop(L, 2);
}

/* on_signal(name, f): f() is called by the loop when it came, in place of what
 * was called before; nil: nothing is. True, or nil, message, code */
static int core_on_signal(lua_State *L) {
  tideL_state *S = tideL_open(L);
  int number = check_number(L, "on_signal"), err = 0;
  lua_settop(L, 2);
  tideL_own(L, OWN_SIGNALS);
  lua_pushvalue(L, 1);
  if (lua_isnil(L, 2)) {
    lua_pushnil(L);
    unwatch(L);
  } else {
    tideL_watcher *self;
    tideL_checkcallable(L, 2, "on_signal");
    self = new_watcher(L, S);
    unwatch(L);
    err = tideR_signal_watch(S->rt, &self->signal, number, false, on_told);
  }
  if (err == 0)
    lua_rawset(L, 3);
  return tideL_pushdone(L, err);
}

/* default_signal(name): what was installed for it gives way to the default */
static int core_default_signal(lua_State *L) {
  return tideL_pushdone(
      L, tideR_signal_default(check_number(L, "default_signal")));
}

/* send_signal(name, group): to this process, or its group */
static int core_send_signal(lua_State *L) {
  int number = check_number(L, "send_signal");
  return tideL_pushdone(L, tideR_signal_send(number, lua_toboolean(L, 2)));
}

/* take_interrupt(): whether one came to the main task since the last call; its
 * cancel is lifted */
static int core_take_interrupt(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, S->rt != NULL && tideR_interrupt_take(S->rt));
  return 1;
}

/* Calls the function of the watcher on top, if its signal came; pops it. */
static void call(lua_State *T, tideL_state *S) {
  tideL_watcher *self = lua_touserdata(T, -1);
  if (self->signal.rt == NULL || tideR_signal_take(&self->signal) == 0) {
    lua_pop(T, 1);
    return;
  }
  tideL_own(T, OWN_NOTER);
  tideL_getuservalue(T, -2);
  lua_rawgeti(T, -1, 1);
  lua_remove(T, -2);
  if (lua_pcall(T, 0, 0, lua_gettop(T) - 1) != LUA_OK) {
    tideL_pushreport(T, "error in a callback", -1);
    tideL_report(T, S);
    lua_pop(T, 1);
  }
  lua_pop(T, 2);
}

/* They are listed first: a function may change OWN_SIGNALS. */
void tideL_runsignals(lua_State *T, tideL_state *S) {
  int n = 0, list;
  S->signals = false;
  luaL_checkstack(T, 12, NULL);
  lua_newtable(T);
  list = lua_gettop(T);
  tideL_own(T, OWN_SIGNALS);
  for (lua_pushnil(T); lua_next(T, -2); n++)
    lua_rawseti(T, list, n + 1);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(T, list, i);
    call(T, S);
  }
  lua_settop(T, list - 1);
}

void tideL_opensignal(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", watcher__gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"on_signal", core_on_signal},
                                       {"default_signal", core_default_signal},
                                       {"send_signal", core_send_signal},
                                       {"take_interrupt", core_take_interrupt},
                                       {NULL, NULL}};
  tideL_newclass(L, OWN_WATCHER, "tide.Watcher", NULL, metamethods);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
