/*
 * future.c: the Future object, a result that is set by hand.
 *
 * Who waits for it is in its own join; each of them has it on the stack.
 */
#include "bindings.h"

#define MAGIC 0x66757475u

tideL_future *tideL_tofuture(lua_State *L, int index) {
  tideL_future *self = lua_touserdata(L, index);
  if (self == NULL || lua_rawlen(L, index) != sizeof *self ||
      self->base.magic != MAGIC)
    return NULL;
  return self;
}

/* The callbacks are queued only now: no Lua runs where the runtime cancels. */
void tideL_noticecancel(lua_State *L, tideL_state *S, int index) {
  tideL_future *self = tideL_tofuture(L, index);
  if (self == NULL || self->base.outcome != OUTCOME_NONE)
    return;
  if (self->base.serial != S->serial)
    self->base.outcome = OUTCOME_CLOSED;
  else if (self->join.ended) {
    tideL_preparecallbacks(L, index);
    if (self->base.outcome == OUTCOME_NONE) /* no finaliser was quicker */
      tideL_queuecallbacks(L, S, index);
    else
      lua_pop(L, 1);
    self->base.outcome = OUTCOME_CANCELLED;
  }
}

static tideL_future *check(lua_State *L, const char *function) {
  tideL_future *self = tideL_tofuture(L, 1);
  if (self == NULL)
    tideL_typeerror(L, 1, function, "Future");
  tideL_noticecancel(L, tideL_get(L), 1);
  return self;
}

bool tideL_isfuture(const tideL_task *handle) {
  return handle->magic == MAGIC;
}

void tideL_pushfuture(lua_State *L, const tideL_state *S) {
  tideL_future *self = tideL_newuserdata(L, sizeof *self);
  *self =
      (tideL_future){.base = {.magic = MAGIC, .serial = S->serial, .id = 0}};
  tideR_future_init(&self->join);
  tideL_own(L, OWN_FUTURE);
  lua_setmetatable(L, -2);
}

/* future(): one that nobody has set yet */
static int core_future(lua_State *L) {
  tideL_pushfuture(L, tideL_open(L));
  return 1;
}

/* ---- setting ---- */

/* False if it was cancelled; raises if it is set, or can no longer be. */
static bool check_unset(lua_State *L, const tideL_future *self,
                        const char *function) {
  if (self->base.outcome == OUTCOME_CLOSED)
    tideL_error(L, "'%s': the loop is closed", function);
  if (self->base.outcome == OUTCOME_CANCELLED)
    return false;
  if (self->base.outcome != OUTCOME_NONE)
    tideL_raise(L, TIDEL_INVALIDSTATE, "the future is set already");
  return true;
}

/* Future:set_result(...): true; false if it was cancelled */
static int future_set_result(lua_State *L) {
  static const char name[] = "Future:set_result";
  const tideL_future *self = check(L, name);
  bool unset = check_unset(L, self, name);
  if (unset &&
      !tideL_settlefuture(L, tideL_get(L), 1, false, lua_gettop(L) - 1))
    unset = check_unset(L, self, name);
  lua_pushboolean(L, unset);
  return 1;
}

/* Future:set_exception(e): true; false if it was cancelled */
static int future_set_exception(lua_State *L) {
  static const char name[] = "Future:set_exception";
  tideL_state *S = tideL_get(L);
  const tideL_future *self = check(L, name);
  bool unset = check_unset(L, self, name);
  bool awaited = self->join.joined.head != NULL ||
                 self->join.watched.head != NULL || self->join.head != NULL;
  if (unset) {
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
      lua_pushliteral(L, "<no error object>");
      lua_replace(L, 2);
    }
    if (!tideL_settlefuture(L, S, 1, true, 1))
      unset = check_unset(L, self, name);
  }
  lua_settop(L, 1);
  lua_pushboolean(L, unset);
  if (unset) /* may call user code: last */
    tideL_watchfailure(L, S, 1, true, awaited);
  return 1;
}

/* Future:cancel([reason]): true if it was unset */
static int future_cancel(lua_State *L) {
  tideL_future *self = check(L, "Future:cancel");
  bool unset = self->base.outcome == OUTCOME_NONE;
  lua_settop(L, 2);
  if (!unset) {
    tideL_markseen(L, 1, &self->base);
  } else {
    tideL_pusherror(L, TIDEL_CANCELLED, NULL);
    tideL_seterrorreason(L, -1, 2, false);
    unset = tideL_settlefuture(L, tideL_get(L), 1, true, 1);
  }
  lua_pushboolean(L, unset);
  return 1;
}

/* ---- asking ---- */

static int raise_unset(lua_State *L) {
  return tideL_raise(L, TIDEL_INVALIDSTATE, "the future is not set");
}

/* Future:result(): what it was set to, or raises its error; does not wait */
static int future_result(lua_State *L) {
  tideL_future *self = check(L, "Future:result");
  if (self->base.outcome == OUTCOME_NONE)
    return raise_unset(L);
  return tideL_pushoutcome(L, 1, &self->base);
}

/* Future:exception(): the error it was set to, nil if to a result */
static int future_exception(lua_State *L) {
  tideL_future *self = check(L, "Future:exception");
  if (self->base.outcome == OUTCOME_NONE)
    return raise_unset(L);
  if (self->base.outcome == OUTCOME_FAILED)
    tideL_pushfailure(L, 1, &self->base);
  else if (self->base.outcome == OUTCOME_RESULTS)
    lua_pushnil(L);
  else
    return tideL_pushoutcome(L, 1, &self->base);
  return 1;
}

static int future_done(lua_State *L) {
  const tideL_future *self = check(L, "Future:done");
  lua_pushboolean(L, self->base.outcome != OUTCOME_NONE);
  return 1;
}

static int future_cancelled(lua_State *L) {
  const tideL_future *self = check(L, "Future:cancelled");
  lua_pushboolean(L, self->base.outcome == OUTCOME_CANCELLED);
  return 1;
}

/* ---- callbacks ---- */

/* Future:add_done_callback(f): f(future) is called from the loop once it is set
 */
static int future_add_done_callback(lua_State *L) {
  static const char name[] = "Future:add_done_callback";
  const tideL_future *self = check(L, name);
  tideL_checkcallable(L, 2, name);
  if (self->base.outcome == OUTCOME_CLOSED)
    return tideL_error(L, "'%s': the loop is closed", name);
  tideL_addcallback(L, self->base.outcome != OUTCOME_NONE);
  return 0;
}

/* Future:remove_done_callback(f): how many there were */
static int future_remove_done_callback(lua_State *L) {
  static const char name[] = "Future:remove_done_callback";
  check(L, name);
  tideL_checkcallable(L, 2, name);
  lua_pushinteger(L, tideL_removecallback(L));
  return 1;
}

static int future__tostring(lua_State *L) {
  static const char *const states[] = {"pending", "finished", "failed",
                                       "cancelled", "closed"};
  const tideL_future *self = check(L, "Future:__tostring");
  lua_pushfstring(L, "Future<%s>", states[self->base.outcome]);
  return 1;
}

void tideL_openfuture(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"set_result", future_set_result},
      {"set_exception", future_set_exception},
      {"cancel", future_cancel},
      {"result", future_result},
      {"exception", future_exception},
      {"done", future_done},
      {"cancelled", future_cancelled},
      {"add_done_callback", future_add_done_callback},
      {"remove_done_callback", future_remove_done_callback},
      {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", future__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"future", core_future}, {NULL, NULL}};
  tideL_newclass(L, OWN_FUTURE, "tide.Future", methods, metamethods);
  tideL_setawaitmethod(L, true);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
