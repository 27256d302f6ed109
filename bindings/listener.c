/* listener.c: tide.signal: signals that are waited for. */
#include "../runtime/listener.h"

#include <string.h>

#include "bindings.h"

#define MAGIC 0x6c697374u
#define SIGNALS_MAX 64 /* different ones, at most; so many are there */

typedef struct tideL_listener {
  uint32_t magic;
  uint32_t serial;          /* of the runtime */
  tideR_listener *listener; /* NULL: there is none yet, or no more */
  bool once;                /* there is one while it waits, and then no more */
  uint8_t count, numbers[SIGNALS_MAX];
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

/* Its user value has their names: that one came can be told without memory. */
static void keep_names(lua_State *L, tideL_listener *self, const int *numbers,
                       unsigned count) {
  lua_createtable(L, 0, (int)count);
  for (unsigned i = 0; i < count; i++) {
    self->numbers[i] = (uint8_t)numbers[i];
    lua_pushstring(L, tideR_signal_name(numbers[i]));
    lua_rawseti(L, -2, numbers[i]);
  }
  self->count = (uint8_t)count;
  tideL_setuservalue(L, -2);
}

static int begin(const tideL_state *S, tideL_listener *self) {
  int numbers[SIGNALS_MAX];
  for (unsigned i = 0; i < self->count; i++)
    numbers[i] = self->numbers[i];
  return tideR_listener_new(S->rt, numbers, self->count, self->once,
                            &self->listener);
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
  *self = (tideL_listener){.magic = MAGIC, .serial = S->serial, .once = once};
  keep_names(L, self, numbers, count);
  tideL_own(L, OWN_LISTENER);
  lua_setmetatable(L, -2);
  err = once ? 0 : begin(S, self);
  return err < 0 ? tideL_pushdone(L, err) : 1;
}

/* ---- waiting ---- */

static int has_come(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_listener *self = check_type(L, "Signals:wait");
  int number = 0;
  if (task->status == TIDE_WOKEN && self->listener != NULL)
    number = tideR_listener_see(self->listener);
  tideL_checkdelivered(L, S, task);
  if (number == 0) {
    lua_pushnil(L);
  } else {
    tideL_getuservalue(L, 1);
    lua_rawgeti(L, -1, number);
    tideR_listener_take(self->listener, number);
  }
  if (self->once)
    release(self);
  return 1;
}

/* Nothing is listened to before all is well. */
static int wait_once(lua_State *L, tideL_state *S, tideR_task *task,
                     tideL_listener *self) {
  int err;
  tideL_checkyield(L, task, makers[true]);
  err = begin(S, self);
  if (err < 0)
    return tideL_pushdone(L, err);
  tideR_listener_park(S->rt, task, self->listener);
  return tideL_suspend(L, S, task, has_come);
}

/* Signals:wait(): the name of the one that came first; nil: it is closed */
static int signals_wait(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_listener *self = check_type(L, "Signals:wait");
  const char *name = makers[self->once];
  tideR_task *task = tideL_enter(L, S, name);
  if (self->serial != S->serial)
    tideL_error(L, "'%s': the loop is closed", name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_come);
  if (self->once)
    return wait_once(L, S, task, self);
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
