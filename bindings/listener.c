/* listener.c: tide.signal: signals that are waited for. */
#include "../runtime/listener.h"

#include <string.h>

#include "bindings.h"

#define MAGIC 0x6c697374u
#define SIGNALS_MAX 64 /* different ones, at most */

typedef struct tideL_listener {
  uint32_t magic;
  uint32_t serial;          /* of the runtime */
  tideR_listener *listener; /* NULL: it could not be made, or was released */
  bool once;                /* closed after a wait, however that ends */
} tideL_listener;

static const char *const makers[] = {"tide.signal.iter", "tide.signal.wait"};

static tideL_listener *check_type(lua_State *L, const char *function) {
  tideL_listener *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Signals");
  return self;
}

static bool is_closed(const tideL_listener *self) {
  return self->listener == NULL ||
         tideR_listener_handle(self->listener)->closed;
}

static void release(tideL_listener *self) {
  tideR_listener *listener = self->listener;
  self->listener = NULL;
  if (listener != NULL)
    tideR_handle_release(tideR_listener_handle(listener));
}

/* ---- names ---- */

static int read_number(lua_State *L, int arg, const char *function) {
  int number = 0;
  if (lua_type(L, arg) != LUA_TSTRING)
    tideL_typeerror(L, arg, function, "name of a signal");
  if (lua_rawlen(L, arg) == strlen(lua_tostring(L, arg)))
    number = tideR_signal_number(lua_tostring(L, arg));
  if (number == 0)
    tideL_argerror(L, arg, function, "no such signal");
  if (!tideR_signal_is_heard(number))
    tideL_argerror(L, arg, function, "a signal that cannot be waited for");
  return number;
}

/* Each once; returns how many. */
static unsigned read_numbers(lua_State *L, const char *function, int *numbers) {
  unsigned count = 0;
  int top = lua_gettop(L);
  if (top == 0)
    tideL_typeerror(L, 1, function, "name of a signal");
  for (int arg = 1; arg <= top; arg++) {
    int number = read_number(L, arg, function);
    unsigned i = 0;
    while (i < count && numbers[i] != number)
      i++;
    if (i == count && count < SIGNALS_MAX)
      numbers[count++] = number;
  }
  return count;
}

/* signals(once, name, ...): what waits for these; or nil, message, code */
static int core_signals(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  int numbers[SIGNALS_MAX], err;
  unsigned count;
  tideL_listener *self;
  bool once = lua_toboolean(L, 1);
  lua_remove(L, 1);
  count = read_numbers(L, makers[once], numbers);
  self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_listener){MAGIC, S->serial, NULL, once};
  tideL_own(L, OWN_LISTENER);
  lua_setmetatable(L, -2);
  err = tideR_listener_new(S->rt, numbers, count, &self->listener);
  return err < 0 ? tideL_pushdone(L, err) : 1;
}

/* ---- waiting ---- */

/* The name is there before it is taken: if there is no memory for it, it is not
 * lost. */
static int has_come(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_listener *self = check_type(L, "Signals:wait");
  int number = 0;
  if (task->status == TIDE_WOKEN && self->listener != NULL)
    number = tideR_listener_see(self->listener);
  else if (self->once)
    release(self);
  tideL_checkdelivered(L, S, task);
  if (number == 0) {
    lua_pushnil(L);
  } else {
    lua_pushstring(L, tideR_signal_name(number));
    tideR_listener_take(self->listener, number);
  }
  if (self->once)
    release(self);
  return 1;
}

/* Signals:wait(): the name of the one that came first; nil: it is closed */
static int signals_wait(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_listener *self = check_type(L, "Signals:wait");
  const char *name = makers[self->once];
  tideR_task *task = tideL_enter(L, S, name);
  if (self->serial != S->serial)
    tideL_error(L, "'%s': the loop is closed", name);
  if (tideL_checkpoint(S, task)) {
    if (self->once)
      release(self); /* has_come is not called */
    return tideL_cancel(L, S, task, name, has_come);
  }
  if (is_closed(self))
    return tideL_ready(L, S, task, NULL, has_come);
  if (tideR_listener_busy(self->listener))
    return tideL_error(L, "'%s': another task waits", name);
  if (tideR_listener_ready(self->listener))
    return tideL_ready(L, S, task, tideR_listener_promise(self->listener),
                       has_come);
  tideL_checkyield(L, task, name);
  tideR_listener_park(S->rt, task, self->listener);
  return tideL_suspend(L, S, task, has_come);
}

/* ---- the rest ---- */

/* Signals:close(): what was there before has them again; again is fine */
static int signals_close(lua_State *L) {
  const tideL_listener *self = check_type(L, "Signals:close");
  if (self->listener != NULL)
    tideR_handle_close(tideR_listener_handle(self->listener));
  return 0;
}

static int signals__gc(lua_State *L) {
  release(lua_touserdata(L, 1));
  return 0;
}

static int signals__tostring(lua_State *L) {
  const tideL_listener *self = check_type(L, "Signals:__tostring");
  int number;
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  luaL_addstring(&text, "Signals<");
  if (is_closed(self))
    luaL_addstring(&text, "closed");
  for (unsigned i = 0; !is_closed(self); i++) {
    number = tideR_listener_at(self->listener, i);
    if (number == 0)
      break;
    if (i > 0)
      luaL_addstring(&text, " ");
    luaL_addstring(&text, tideR_signal_name(number));
  }
  luaL_addstring(&text, ">");
  luaL_pushresult(&text);
  return 1;
}

void tideL_openlistener(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", signals_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", signals__gc},
                                         {"__close", signals_close},
                                         {"__tostring", signals__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"signals", core_signals}, {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Signals:wait", signals_wait, has_come, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_LISTENER, "tide.Signals", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  tideL_own(L, OWN_LISTENER); /* calling it is waiting: it is an iterator */
  lua_getfield(L, -2, "wait");
  lua_setfield(L, -2, "__call");
  lua_pop(L, 2);
  tideL_setfunctions(L, functions);
}
