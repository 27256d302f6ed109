/* barrier.c: tide.barrier. */
#include <stdio.h>

#include "bindings.h"

#define MAGIC 0x62617272u

typedef struct tideL_barrier {
  uint32_t magic;
  uint32_t serial;       /* of the runtime */
  tideR_barrier barrier; /* a waiter's stack keeps the userdata */
} tideL_barrier;

static tideR_barrier *check(lua_State *L, const char *function) {
  tideL_barrier *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Barrier");
  if (self->serial != tideL_get(L)->serial)
    tideL_error(L, "'%s': the loop is closed", function);
  return &self->barrier;
}

/* barrier(parties) */
static int core_barrier(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  uint64_t parties = tideL_checkcount(L, 1, "tide.barrier", 1);
  tideL_barrier *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_barrier){.magic = MAGIC, .serial = S->serial};
  tideR_barrier_init(&self->barrier, parties);
  tideL_own(L, OWN_BARRIER);
  lua_setmetatable(L, -2);
  return 1;
}

static int raise_broken(lua_State *L) {
  return tideL_raise(L, TIDEL_BROKENBARRIER, "the barrier is broken");
}

static int waited(lua_State *L, tideL_state *S, tideR_task *task) {
  uint64_t place;
  tideL_checkdelivered(L, S, task);
  place = tideR_barrier_place(task);
  if (place == TIDE_BROKEN)
    return raise_broken(L);
  lua_pushinteger(L, (lua_Integer)place);
  return 1;
}

/* Barrier:wait(): until all are there; 0, 1, ..., another for each of them */
static int barrier_wait(lua_State *L) {
  static const char name[] = "Barrier:wait";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_barrier *self = check(L, name);
  bool last;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, waited);
  if (self->broken)
    return raise_broken(L);
  last = tideR_barrier_full(self); /* a checkpoint may end waits */
  if (!last)
    tideL_checkyield(L, task, name);
  if ((last ? tideR_barrier_release : tideR_barrier_park)(S->rt, task, self) <
      0)
    return luaL_error(L, "not enough memory");
  return last ? tideL_ready(L, S, task, NULL, waited)
              : tideL_suspend(L, S, task, waited);
}

/* Barrier:reset(): those who wait raise; it is as new */
static int barrier_reset(lua_State *L) {
  tideR_barrier_reset(tideL_get(L)->rt, check(L, "Barrier:reset"));
  return 0;
}

/* Barrier:abort(): those who wait raise, and all that come until a reset */
static int barrier_abort(lua_State *L) {
  tideR_barrier_abort(tideL_get(L)->rt, check(L, "Barrier:abort"));
  return 0;
}

static int barrier_parties(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L, "Barrier:parties")->parties);
  return 1;
}

static int barrier_n_waiting(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L, "Barrier:n_waiting")->waiting);
  return 1;
}

static int barrier_broken(lua_State *L) {
  lua_pushboolean(L, check(L, "Barrier:broken")->broken);
  return 1;
}

static int barrier__tostring(lua_State *L) {
  const tideR_barrier *self = check(L, "Barrier:__tostring");
  char text[64];
  snprintf(text, sizeof text, "Barrier<%s%llu of %llu waiting>",
           self->broken ? "broken, " : "", (unsigned long long)self->waiting,
           (unsigned long long)self->parties);
  lua_pushstring(L, text);
  return 1;
}

/* check_barrier(self, function): for lua/tide */
static int core_check_barrier(lua_State *L) {
  check(L, luaL_checkstring(L, 2));
  return 0;
}

void tideL_openbarrier(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"reset", barrier_reset},     {"abort", barrier_abort},
      {"parties", barrier_parties}, {"n_waiting", barrier_n_waiting},
      {"broken", barrier_broken},   {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", barrier__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"barrier", core_barrier},
                                       {"check_barrier", core_check_barrier},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Barrier:wait", barrier_wait, waited, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_BARRIER, "tide.Barrier", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_setfield(L, -2, "Barrier"); /* its methods: lua/tide adds to them */
  tideL_setfunctions(L, functions);
}
