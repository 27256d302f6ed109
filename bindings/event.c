/* event.c: tide.event. */
#include "bindings.h"

#define MAGIC 0x6576656eu

typedef struct tideL_event {
  uint32_t magic;
  uint32_t serial;   /* of the runtime */
  tideR_event event; /* a waiter's stack keeps the userdata */
} tideL_event;

static tideL_event *check(lua_State *L, const char *function) {
  tideL_event *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Event");
  if (self->serial != tideL_get(L)->serial)
    tideL_error(L, "'%s': the loop is closed", function);
  return self;
}

static int core_event(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  tideL_event *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_event){.magic = MAGIC, .serial = S->serial};
  tideR_event_init(&self->event);
  tideL_own(L, OWN_EVENT);
  lua_setmetatable(L, -2);
  return 1;
}

static int waited(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  lua_pushboolean(L, 1);
  return 1;
}

/* Event:wait(): until it is set; true */
static int event_wait(lua_State *L) {
  static const char name[] = "Event:wait";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_event *self = check(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, waited);
  if (self->event.is_set)
    return tideL_ready(L, S, task, NULL, waited);
  tideL_checkyield(L, task, name);
  tideR_event_park(S->rt, task, &self->event);
  return tideL_suspend(L, S, task, waited);
}

static int event_set(lua_State *L) {
  tideL_event *self = check(L, "Event:set");
  tideR_event_set(tideL_get(L)->rt, &self->event);
  return 0;
}

static int event_clear(lua_State *L) {
  tideR_event_clear(&check(L, "Event:clear")->event);
  return 0;
}

static int event_is_set(lua_State *L) {
  lua_pushboolean(L, check(L, "Event:is_set")->event.is_set);
  return 1;
}

static int event__tostring(lua_State *L) {
  const tideL_event *self = check(L, "Event:__tostring");
  lua_pushfstring(L, "Event<%s>", self->event.is_set ? "set" : "unset");
  return 1;
}

void tideL_openevent(lua_State *L) {
  static const luaL_Reg methods[] = {{"set", event_set},
                                     {"clear", event_clear},
                                     {"is_set", event_is_set},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", event__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"event", core_event}, {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Event:wait", event_wait, waited, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_EVENT, "tide.Event", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
