/* semaphore.c: tide.semaphore and tide.bounded_semaphore. */
#include <stdio.h>

#include "bindings.h"

#define MAGIC 0x73656d61u

/* Waiters are in the userdata's own queue: it is on the stack of each, so it is
 * not collected while one waits. */
typedef struct tideL_semaphore {
  uint32_t magic;
  uint32_t serial;    /* of the runtime */
  tideL_state *state; /* as tideL_get gives it, but quicker */
  uint64_t bound;     /* of its value */
  tideR_semaphore semaphore;
} tideL_semaphore;

static inline tideL_semaphore *check_type(lua_State *L, const char *function) {
  tideL_semaphore *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Semaphore");
  return self;
}

static inline void check_open(lua_State *L, const tideL_semaphore *self,
                              const char *function) {
  if (self->serial != self->state->serial)
    tideL_error(L, "'%s': the loop is closed", function);
}

static inline tideL_semaphore *check(lua_State *L, const char *function) {
  tideL_semaphore *self = check_type(L, function);
  check_open(L, self, function);
  return self;
}

static int new_semaphore(lua_State *L, const char *function, bool bounded) {
  tideL_state *S = tideL_open(L);
  uint64_t value = tideL_optcount(L, 1, function, 0);
  tideL_semaphore *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_semaphore){.magic = MAGIC, .serial = S->serial, .state = S};
  self->bound = bounded ? value : TIDEL_COUNT_MAX;
  tideR_semaphore_init(&self->semaphore, value);
  tideL_own(L, OWN_SEMAPHORE);
  lua_setmetatable(L, -2);
  return 1;
}

static int core_semaphore(lua_State *L) {
  return new_semaphore(L, "tide.semaphore", false);
}

static int core_bounded_semaphore(lua_State *L) {
  return new_semaphore(L, "tide.bounded_semaphore", true);
}

static int acquired(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkdelivered(L, S, task);
  lua_settop(L, 1);
  return 1;
}

/* Semaphore:acquire(): a permit; returns the semaphore, for <close> */
static int semaphore_acquire(lua_State *L) {
  static const char name[] = "Semaphore:acquire";
  tideL_semaphore *self = check_type(L, name);
  tideL_state *S = self->state;
  tideR_task *task = tideL_enter(L, S, name);
  check_open(L, self, name); /* entering may be what closes a parent's loop */
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, acquired);
  if (tideR_semaphore_try(&self->semaphore)) {
    if (tideL_turn(L, S, task, &self->semaphore.waiters.wait))
      return tideL_suspend(L, S, task, acquired);
    return tideL_doneself(L);
  }
  tideL_checkyield(L, task, name);
  tideR_semaphore_park(S->rt, task, &self->semaphore);
  return tideL_suspend(L, S, task, acquired);
}

/* Semaphore:acquire_nowait(): true; or nil, "locked" */
static int semaphore_acquire_nowait(lua_State *L) {
  tideL_semaphore *self = check(L, "Semaphore:acquire_nowait");
  if (tideR_semaphore_try(&self->semaphore)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushliteral(L, "locked");
  return 2;
}

static void release(lua_State *L, tideL_semaphore *self, uint64_t n) {
  tideR_semaphore *semaphore = &self->semaphore;
  if (semaphore->value > self->bound || n > self->bound - semaphore->value)
    tideL_error(L, "'Semaphore:release': released too often");
  for (; n > 0 && semaphore->waiters.head != NULL; n--)
    tideR_semaphore_release(self->state->rt, semaphore);
  semaphore->value += n;
}

/* Semaphore:release([n]) */
static int semaphore_release(lua_State *L) {
  static const char name[] = "Semaphore:release";
  tideL_semaphore *self = check(L, name);
  release(L, self, tideL_optcount(L, 2, name, 1));
  return 0;
}

static int semaphore__close(lua_State *L) {
  release(L, check(L, "Semaphore:release"), 1);
  return 0;
}

static int semaphore_locked(lua_State *L) {
  const tideL_semaphore *self = check(L, "Semaphore:locked");
  lua_pushboolean(L, self->semaphore.value == 0 ||
                         self->semaphore.waiters.head != NULL);
  return 1;
}

static int semaphore_value(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L, "Semaphore:value")->semaphore.value);
  return 1;
}

static int semaphore__tostring(lua_State *L) {
  const tideL_semaphore *self = check(L, "Semaphore:__tostring");
  char text[64];
  snprintf(text, sizeof text, "Semaphore<value %llu, %u waiting>",
           (unsigned long long)self->semaphore.value,
           (unsigned)tideR_waitq_length(&self->semaphore.waiters));
  lua_pushstring(L, text);
  return 1;
}

/* check_semaphore(self, function): for lua/tide */
static int core_check_semaphore(lua_State *L) {
  check(L, luaL_checkstring(L, 2));
  return 0;
}

void tideL_opensemaphore(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"acquire_nowait", semaphore_acquire_nowait},
      {"release", semaphore_release},
      {"locked", semaphore_locked},
      {"value", semaphore_value},
      {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__close", semaphore__close},
                                         {"__tostring", semaphore__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"semaphore", core_semaphore},
      {"bounded_semaphore", core_bounded_semaphore},
      {"check_semaphore", core_check_semaphore},
      {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Semaphore:acquire", semaphore_acquire, acquired, AWAIT_SELF},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_SEMAPHORE, "tide.Semaphore", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_setfield(L, -2, "Semaphore"); /* its methods: lua/tide adds to them */
  tideL_setfunctions(L, functions);
}
