/*
 * scope.c: the Scope object; entering and leaving scopes.
 *
 * lua/tide/scope.lua writes timeout, scope and shield with scope_enter, pcall
 * and scope_leave; most scopes never have an object. One that has is a userdata
 * that finds the scope by its id, which is never used again.
 */
#include <string.h>

#include "bindings.h"

#define MAGIC 0x73636f70u

typedef struct tideL_scope {
  uint32_t magic;
  uint32_t serial;
  tideR_scope *scope; /* valid while scope->id == id and the runtime is ours */
  uint64_t id;
  uint64_t deadline; /* these as they were when it was left */
  uint16_t flags;
} tideL_scope;

/* ---- reasons ---- */

void tideL_setreason(lua_State *L, tideR_scope *scope, int index) {
  if (lua_isnil(L, index)) {
    tideL_clearreason(L, scope);
    return;
  }
  index = lua_absindex(L, index);
  tideL_own(L, OWN_REASONS);
  lua_pushnumber(L, (lua_Number)scope->id);
  lua_pushvalue(L, index);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  scope->flags |= TIDE_SCOPE_REASON;
}

void tideL_pushreason(lua_State *L, uint64_t id) {
  tideL_own(L, OWN_REASONS);
  lua_pushnumber(L, (lua_Number)id);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

void tideL_clearreason(lua_State *L, tideR_scope *scope) {
  if (!(scope->flags & TIDE_SCOPE_REASON))
    return;
  tideL_own(L, OWN_REASONS);
  lua_pushnumber(L, (lua_Number)scope->id);
  lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  scope->flags &= (uint16_t)~TIDE_SCOPE_REASON;
}

/* ---- objects ---- */

static tideL_scope *check_scope(lua_State *L, int arg, const char *function) {
  tideL_scope *self = lua_touserdata(L, arg);
  if (self == NULL || lua_rawlen(L, arg) != sizeof *self ||
      self->magic != MAGIC)
    tideL_typeerror(L, arg, function, "Scope");
  return self;
}

static tideR_scope *open_scope(lua_State *L, const tideL_scope *self) {
  const tideL_state *S = tideL_get(L);
  if (self->serial != S->serial || self->scope->id != self->id)
    return NULL;
  return self->scope;
}

static unsigned scope_flags(lua_State *L, const tideL_scope *self) {
  const tideR_scope *scope = open_scope(L, self);
  return scope != NULL ? scope->flags : self->flags;
}

/* stack: <OWN_SCOPES>. The object of the scope takes its place, if it has one.
 */
static bool find_object(lua_State *L, const tideR_scope *scope) {
  if (!(scope->flags & TIDE_SCOPE_OBJECT))
    return false;
  lua_pushnumber(L, (lua_Number)scope->id);
  if (tideL_rawget(L, -2) == LUA_TUSERDATA) {
    lua_remove(L, -2);
    return true;
  }
  lua_pop(L, 1);
  return false;
}

/* Pushes the object of a scope, made at the first call. */
static void push_scope(lua_State *L, tideR_scope *scope) {
  tideL_scope *self;
  tideL_own(L, OWN_SCOPES);
  if (find_object(L, scope))
    return;
  self = tideL_newuserdata(L, sizeof *self);
  lua_insert(L, -2);
  if (find_object(L, scope)) /* a finaliser was quicker */
    return;
  lua_insert(L, -2);
  *self = (tideL_scope){.magic = MAGIC,
                        .serial = tideL_get(L)->serial,
                        .scope = scope,
                        .id = scope->id};
  tideL_own(L, OWN_SCOPE);
  lua_setmetatable(L, -2);
  lua_pushnumber(L, (lua_Number)scope->id);
  lua_pushvalue(L, -2);
  lua_rawset(L, -4);
  scope->flags |= TIDE_SCOPE_OBJECT;
  lua_remove(L, -2);
}

/* The object keeps what it may be asked later. */
static void retire_object(lua_State *L, const tideR_scope *scope) {
  if (!(scope->flags & TIDE_SCOPE_OBJECT))
    return;
  tideL_own(L, OWN_SCOPES);
  lua_pushnumber(L, (lua_Number)scope->id);
  if (tideL_rawget(L, -2) == LUA_TUSERDATA) {
    tideL_scope *self = lua_touserdata(L, -1);
    self->flags = scope->flags;
    self->deadline = scope->deadline;
  }
  lua_pop(L, 2);
}

void tideL_retirescopes(lua_State *L, tideR_scope *top) {
  for (; top != NULL; top = tideR_scope_outer(top)) {
    retire_object(L, top);
    if (top->group != NULL)
      tideL_abandongroup(L, tideL_get(L), top->group);
    tideL_clearreason(L, top);
  }
}

void tideL_dropscopes(lua_State *L, tideL_state *S, tideR_scope *top) {
  tideL_retirescopes(L, top);
  tideR_scope_discard(S->rt, top);
}

/* ---- leaving ---- */

void tideL_leavescope(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_scope *scope = task->scope;
  retire_object(L, scope);
  if (scope->group != NULL)
    tideL_abandongroup(L, S, scope->group);
  tideL_clearreason(L, scope);
  tideR_scope_leave(S->rt, task);
}

static bool is_within(const tideR_scope *scope, uint64_t id) {
  while (scope != NULL && scope->id != id)
    scope = scope->parent;
  return scope != NULL;
}

static bool is_open_in(const tideR_task *task, uint64_t id) {
  const tideR_scope *scope = task->scope;
  while (scope != NULL && scope->id != id)
    scope = tideR_scope_outer(scope);
  return scope != NULL;
}

int tideL_misnested(lua_State *L, tideL_state *S, tideR_task *task,
                    uint64_t id) {
  if (!is_open_in(task, id))
    return tideL_error(L, "the scope is not open in this task");
  while (task->scope->id != id)
    tideL_leavescope(L, S, task);
  tideL_leavescope(L, S, task);
  return tideL_error(L, "the scope was closed before the scopes inside it");
}

bool tideL_catchown(lua_State *L, tideR_scope *scope, int index) {
  tideR_scope *outer = NULL;
  if (tideL_errorscope(L, index) != scope->id)
    return false;
  if (!(scope->flags & TIDE_SCOPE_SHIELD))
    outer = tideR_scope_culprit(tideL_get(L)->rt, scope->parent);
  if (outer != NULL) {
    tideL_seterrorscope(L, index, outer->id, outer->flags & TIDE_SCOPE_EXPIRED);
    return false;
  }
  scope->flags |= TIDE_SCOPE_CAUGHT;
  return true;
}

/* The argument is the name of the function that is called. A stack that is too
 * small for what comes before the protected call overflows here, where no scope
 * is open yet. */
static tideR_task *enter(lua_State *L, tideL_state *S, int arg) {
  tideR_task *task = S->current;
  luaL_checkstack(L, 64, NULL);
  if (task != NULL && task->coro == L)
    return task;
  return tideL_entertask(L, S, luaL_checkstring(L, arg));
}

/* scope_enter(deadline, shield, name): its id. deadline: a time, or nil. */
static int core_scope_enter(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = enter(L, S, 3);
  uint64_t deadline = TIDE_NEVER;
  tideR_scope *scope;
  if (!lua_isnoneornil(L, 1))
    deadline = tideR_instant(lua_tonumber(L, 1));
  if (tideR_scope_enter(S->rt, task, deadline, lua_toboolean(L, 2), &scope) < 0)
    return luaL_error(L, "not enough memory");
  lua_pushnumber(L, (lua_Number)scope->id);
  return 1;
}

static void check_function(lua_State *L, int index, const char *function) {
  const char *got;
  if (lua_isfunction(L, index) || tideL_iscallable(L, index))
    return;
  got = tideL_typename(L, index);
  tideL_argerror(L, 2, function,
                 lua_pushfstring(L, "function expected, got %s", got));
}

/* timeout_enter(seconds, name[, f]): the id of a scope that ends so long from
 * now, never if seconds is nil. Checks what `name` was given: seconds, and f.
 */
static int core_timeout_enter(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const char *function = luaL_checkstring(L, 2);
  bool endless = lua_isnil(L, 1);
  lua_Number seconds = endless ? 0 : tideL_checkseconds(L, 1, function);
  tideR_scope *scope;
  if (lua_gettop(L) > 2)
    check_function(L, 3, function);
  tideR_task *task = enter(L, S, 2);
  uint64_t deadline = endless ? TIDE_NEVER : tideR_deadline(S->rt, seconds);
  if (tideR_scope_enter(S->rt, task, deadline, false, &scope) < 0)
    return luaL_error(L, "not enough memory");
  lua_pushnumber(L, (lua_Number)scope->id);
  return 1;
}

/* scope_leave(id, ok, err): leaves the innermost scope; whether err was its own
 * cancellation, whether by its deadline, and the reason */
static int core_scope_leave(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, "tide.scope");
  uint64_t id = (uint64_t)lua_tonumber(L, 1);
  tideR_scope *scope = task->scope;
  bool own, expired;
  if (scope == NULL || scope->id != id)
    return tideL_misnested(L, S, task, id);
  own = !lua_toboolean(L, 2) && tideL_catchown(L, scope, 3);
  expired = scope->flags & TIDE_SCOPE_EXPIRED;
  if (own)
    tideL_pushreason(L, id);
  tideL_leavescope(L, S, task);
  if (!own)
    return 0;
  lua_pushboolean(L, 1);
  lua_insert(L, -2);
  lua_pushboolean(L, expired);
  lua_insert(L, -2);
  return 3;
}

/* is_own_cancel(e): whether it is a cancellation of the running task */
static int core_is_own_cancel(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideR_task *task = tideL_enter(L, S, "tide.scope");
  const tideR_scope *culprit = tideR_scope_culprit(S->rt, task->scope);
  uint64_t id = tideL_errorscope(L, 1);
  bool likely = culprit != NULL && culprit->id == id; /* nests may be deep */
  lua_pushboolean(L, likely || (id != 0 && is_within(task->scope, id)));
  return 1;
}

/* check_task(name[, now]): raises where name could not wait; now: nor could it
 * be suspended, inside gsub say */
static int core_check_task(lua_State *L) {
  const tideR_task *task = enter(L, tideL_get(L), 1);
  if (lua_toboolean(L, 2))
    tideL_checkyield(L, task, lua_tostring(L, 1));
  return 0;
}

/* scope_object(): the object of the innermost scope */
static int core_scope_object(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, "tide.scope");
  if (task->scope == NULL)
    return 0;
  push_scope(L, task->scope);
  return 1;
}

/* current_scope(): the innermost that the task opened; nil: none */
static int core_current_scope(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = S->current;
  tideR_scope *scope;
  if (task == NULL && S->rt != NULL && L == S->mainthread)
    task = tideR_task_root(S->rt);
  scope = task != NULL ? task->scope : NULL;
  if (scope != NULL && scope->flags & TIDE_SCOPE_OWN)
    scope = NULL;
  if (scope == NULL)
    lua_pushnil(L);
  else
    push_scope(L, scope);
  return 1;
}

/* ---- methods ---- */

/* Scope:cancel([reason]): what waits inside it raises; false: it was over */
static int scope_cancel(lua_State *L) {
  const tideL_scope *self = check_scope(L, 1, "Scope:cancel");
  tideR_scope *scope = open_scope(L, self);
  if (scope == NULL) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (!lua_isnoneornil(L, 2) && !(scope->flags & TIDE_SCOPE_CANCEL))
    tideL_setreason(L, scope, 2);
  tideR_scope_cancel(tideL_get(L)->rt, scope);
  lua_pushboolean(L, 1);
  return 1;
}

static int flag_method(lua_State *L, const char *function, unsigned flag) {
  const tideL_scope *self = check_scope(L, 1, function);
  lua_pushboolean(L, (scope_flags(L, self) & flag) != 0);
  return 1;
}

static int scope_expired(lua_State *L) {
  return flag_method(L, "Scope:expired", TIDE_SCOPE_EXPIRED);
}

static int scope_cancel_called(lua_State *L) {
  return flag_method(L, "Scope:cancel_called", TIDE_SCOPE_CANCEL);
}

static int scope_cancelled_caught(lua_State *L) {
  return flag_method(L, "Scope:cancelled_caught", TIDE_SCOPE_CAUGHT);
}

static int reschedule(lua_State *L, const tideL_scope *self, int arg,
                      const char *function) {
  tideL_state *S = tideL_get(L);
  tideR_scope *scope = open_scope(L, self);
  uint64_t when = TIDE_NEVER;
  if (!lua_isnoneornil(L, arg))
    when = tideR_instant(tideL_checkseconds(L, arg, function));
  if (scope == NULL)
    return tideL_raise(L, TIDEL_INVALIDSTATE, "the scope is closed");
  if (scope->flags & TIDE_SCOPE_CANCEL)
    return tideL_raise(L, TIDEL_INVALIDSTATE,
                       scope->flags & TIDE_SCOPE_EXPIRED
                           ? "the scope has expired"
                           : "the scope is cancelled");
  if (tideR_scope_reschedule(S->rt, scope, when) < 0)
    return luaL_error(L, "not enough memory");
  return 0;
}

/* Scope:reschedule(when): a time of loop():time(), or nil for no deadline */
static int scope_reschedule(lua_State *L) {
  return reschedule(L, check_scope(L, 1, "Scope:reschedule"), 2,
                    "Scope:reschedule");
}

/* stack: <self, key> */
static int scope__index(lua_State *L) {
  const tideL_scope *self = check_scope(L, 1, "Scope");
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "deadline") == 0) {
    const tideR_scope *scope = open_scope(L, self);
    uint64_t when = scope != NULL ? scope->deadline : self->deadline;
    if (when == TIDE_NEVER)
      lua_pushnil(L);
    else
      lua_pushnumber(L, (lua_Number)when / 1e9);
  } else if (strcmp(key, "shield") == 0) {
    lua_pushboolean(L, (scope_flags(L, self) & TIDE_SCOPE_SHIELD) != 0);
  } else {
    tideL_pushmethod(L);
  }
  return 1;
}

static int scope__newindex(lua_State *L) {
  const tideL_scope *self = check_scope(L, 1, "Scope");
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  tideR_scope *scope = open_scope(L, self);
  if (strcmp(key, "deadline") == 0)
    return reschedule(L, self, 3, "Scope.deadline");
  if (strcmp(key, "shield") != 0)
    return tideL_error(L, "a Scope has no field '%s' to set", key);
  if (!lua_isboolean(L, 3))
    return tideL_typeerror(L, 3, "Scope.shield", "boolean");
  if (scope == NULL)
    return tideL_raise(L, TIDEL_INVALIDSTATE, "the scope is closed");
  tideR_scope_shield(tideL_get(L)->rt, scope, lua_toboolean(L, 3));
  return 0;
}

/* local s <close> = timeout(...): can replace the error, not swallow it */
static int scope__close(lua_State *L) {
  const tideL_scope *self = check_scope(L, 1, "Scope");
  bool expired;
  lua_settop(L, 2);
  if (open_scope(L, self) == NULL) /* its coroutine is closed, it was dropped */
    return 0;
  lua_pushnumber(L, (lua_Number)self->id);
  lua_insert(L, 1); /* id, self, err */
  lua_pushboolean(L, lua_isnil(L, 3));
  lua_replace(L, 2); /* id, ok, err */
  if (core_scope_leave(L) == 0)
    return 0;
  expired = lua_toboolean(L, -2);
  if (expired)
    return tideL_raise(L, TIDEL_TIMEOUT, "the deadline passed");
  tideL_pusherror(L, TIDEL_SCOPECANCELLED, "the scope was cancelled");
  lua_insert(L, -2);
  lua_setfield(L, -2, "reason");
  return lua_error(L);
}

static int scope__tostring(lua_State *L) {
  const tideL_scope *self = check_scope(L, 1, "Scope");
  unsigned flags = scope_flags(L, self);
  const char *state = open_scope(L, self) != NULL ? "open" : "closed";
  if (flags & TIDE_SCOPE_CANCEL)
    state = flags & TIDE_SCOPE_EXPIRED ? "expired" : "cancelled";
  lua_pushfstring(L, "Scope<%s>", state);
  return 1;
}

void tideL_openscope(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"cancel", scope_cancel},
      {"expired", scope_expired},
      {"cancel_called", scope_cancel_called},
      {"cancelled_caught", scope_cancelled_caught},
      {"reschedule", scope_reschedule},
      {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__index", scope__index},
                                         {"__newindex", scope__newindex},
                                         {"__close", scope__close},
                                         {"__tostring", scope__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"scope_enter", core_scope_enter},
                                       {"timeout_enter", core_timeout_enter},
                                       {"scope_leave", core_scope_leave},
                                       {"is_own_cancel", core_is_own_cancel},
                                       {"check_task", core_check_task},
                                       {"scope_object", core_scope_object},
                                       {"current_scope", core_current_scope},
                                       {NULL, NULL}};
  tideL_newclass(L, OWN_SCOPE, "tide.Scope", methods, metamethods);
  tideL_own(L, OWN_SCOPE);
  lua_insert(L, -2);
  lua_setfield(L, -2, "methods");
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
