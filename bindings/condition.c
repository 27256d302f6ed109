/* condition.c: tide.condition. Its user value is a table that holds its lock.
 */
#include "primitives.h"

#define MAGIC 0x636f6e64u

typedef struct tideL_condition {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  tideR_condition condition;
} tideL_condition;

static tideR_condition *check(lua_State *L, const char *function) {
  tideL_condition *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Condition");
  if (self->serial != tideL_get(L)->serial)
    tideL_error(L, "'%s': the loop is closed", function);
  return &self->condition;
}

/* condition([lock]) */
static int core_condition(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  bool given = !lua_isnoneornil(L, 1);
  tideR_lock *lock = given ? tideL_checklock(L, 1, "tide.condition") : NULL;
  tideL_condition *self;
  lua_settop(L, 1);
  if (!given) {
    lock = tideL_newlock(L);
    lua_replace(L, 1);
  }
  self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_condition){.magic = MAGIC, .serial = S->serial};
  tideR_condition_init(&self->condition, lock);
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  tideL_setuservalue(L, -2);
  tideL_own(L, OWN_CONDITION);
  lua_setmetatable(L, -2);
  return 1;
}

/* ---- the lock ---- */

static int acquired(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideL_condition *self = lua_touserdata(L, 1);
  tideL_checkacquired(L, S, task, self->condition.lock);
  lua_settop(L, 1);
  return 1;
}

/* Condition:acquire(): returns the condition, for <close> */
static int condition_acquire(lua_State *L) {
  static const char name[] = "Condition:acquire";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  return tideL_acquire(L, S, check(L, name)->lock, task, name, acquired);
}

/* Condition:release() */
static int condition_release(lua_State *L) {
  static const char name[] = "Condition:release";
  const tideL_state *S = tideL_get(L);
  tideR_lock *lock = check(L, name)->lock;
  tideL_checkowner(L, S, lock, name);
  tideR_lock_release(S->rt, lock);
  return 0;
}

static int condition__close(lua_State *L) {
  static const char name[] = "Condition:release";
  tideL_closelock(L, check(L, name)->lock, name);
  return 0;
}

static int condition_locked(lua_State *L) {
  lua_pushboolean(L, check(L, "Condition:locked")->lock->owner != NULL);
  return 1;
}

/* ---- waiting ---- */

static int waited(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideL_condition *self = lua_touserdata(L, 1);
  tideL_checkacquired(L, S, task, self->condition.lock);
  if (tideR_condition_left(&self->condition, task))
    return tideL_raisecancel(L, S, task);
  lua_pushboolean(L, 1);
  return 1;
}

/* Condition:wait(): releases the lock until it is notified; true */
static int condition_wait(lua_State *L) {
  static const char name[] = "Condition:wait";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_condition *self = check(L, name);
  tideL_checkowner(L, S, self->lock, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, waited);
  tideL_checkyield(L, task, name);
  if (tideR_condition_park(S->rt, task, self) < 0)
    return luaL_error(L, "not enough memory");
  return tideL_suspend(L, S, task, waited);
}

static int checked(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkdelivered(L, S, task);
  (void)L;
  return 0;
}

/* Condition:wait_for(predicate): how it begins, as a cancel point; the rest is
 * in lua/tide/condition.lua */
static int condition_wait_for(lua_State *L) {
  static const char name[] = "Condition:wait_for";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideR_condition *self = check(L, name);
  tideL_checkcallable(L, 2, name);
  tideL_checkowner(L, S, self->lock, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, checked);
  return tideL_ready(L, S, task, NULL, checked);
}

/* ---- notifying ---- */

static int notify(lua_State *L, const char *name, uint64_t n) {
  const tideL_state *S = tideL_get(L);
  tideR_condition *self = check(L, name);
  tideL_checkowner(L, S, self->lock, name);
  tideR_condition_notify(S->rt, self, n);
  return 0;
}

/* Condition:notify([n]): wakes the first n, or 1 */
static int condition_notify(lua_State *L) {
  static const char name[] = "Condition:notify";
  check(L, name);
  return notify(L, name, tideL_optcount(L, 2, name, 0));
}

static int condition_notify_all(lua_State *L) {
  return notify(L, "Condition:notify_all", UINT64_MAX);
}

static int condition__tostring(lua_State *L) {
  const tideR_condition *self = check(L, "Condition:__tostring");
  return tideL_locktostring(L, "Condition", self->lock, &self->waiters);
}

/* check_condition(self, function): for lua/tide */
static int core_check_condition(lua_State *L) {
  check(L, luaL_checkstring(L, 2));
  return 0;
}

void tideL_opencondition(lua_State *L) {
  static const luaL_Reg methods[] = {{"release", condition_release},
                                     {"locked", condition_locked},
                                     {"notify", condition_notify},
                                     {"notify_all", condition_notify_all},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__close", condition__close},
                                         {"__tostring", condition__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"condition", core_condition},
      {"check_condition", core_check_condition},
      {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Condition:acquire", condition_acquire, acquired, AWAIT_SELF},
      {"Condition:wait", condition_wait, waited, AWAIT_RESULTS},
      {"Condition:wait_for", condition_wait_for, checked, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_CONDITION, "tide.Condition", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_setfield(L, -2, "Condition"); /* its methods: lua/tide adds to them */
  tideL_setfunctions(L, functions);
}
