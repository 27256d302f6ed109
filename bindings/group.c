/*
 * group.c: the Group object. lua/tide/group.lua writes group with group_enter,
 * pcall, group_join and group_leave.
 */
#include "bindings.h"

#define MAGIC 0x67726f75u

typedef struct tideL_group {
  uint32_t magic;
  uint32_t serial;
  tide_scope *scope; /* valid while scope->id == id and the runtime is ours */
  uint64_t id;
} tideL_group;

static tideL_group *check(lua_State *L, const char *function) {
  tideL_group *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Group");
  return self;
}

/* NULL: it has ended. */
static tide_group *open_group(lua_State *L, const tideL_group *self) {
  const tideL_state *S = tideL_get(L);
  if (self->serial != S->serial || self->scope->id != self->id)
    return NULL;
  return self->scope->group;
}

static tide_group *check_open(lua_State *L, const char *function) {
  tide_group *group = open_group(L, check(L, function));
  if (group == NULL)
    tideL_error(L, "'%s': the group has ended", function);
  return group;
}

/* group_enter(name): opens a group in the running task */
static int core_group_enter(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tide_task *task = tideL_enter(L, S, luaL_checkstring(L, 1));
  tideL_group *self = tide_newuserdata(L, sizeof *self);
  tide_group *group;
  *self = (tideL_group){.magic = MAGIC, .serial = S->serial};
  tideL_own(L, OWN_GROUP);
  lua_setmetatable(L, -2);
  if (tide_group_enter(S->rt, task, &group) < 0)
    return luaL_error(L, "not enough memory");
  self->scope = group->scope;
  self->id = group->scope->id;
  return 1;
}

/* ---- errors ---- */

/* Appends the error on top to those of the group; pops it. */
static void add_error(lua_State *L, uint64_t id) {
  int error = lua_gettop(L), n;
  tideL_own(L, OWN_GROUPS);
  lua_pushnumber(L, (lua_Number)id);
  if (tide_rawget(L, -2) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushnumber(L, (lua_Number)id);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  n = (int)lua_rawlen(L, -1);
  for (int i = 1; i <= n; i++) { /* the body may raise what it awaited */
    lua_rawgeti(L, -1, i);
    if (lua_rawequal(L, -1, error)) {
      lua_settop(L, error - 1);
      return;
    }
    lua_pop(L, 1);
  }
  lua_pushvalue(L, error);
  lua_rawseti(L, -2, n + 1);
  lua_settop(L, error - 1);
}

void tideL_tellgroup(lua_State *T, const tide_task *task, int index) {
  const tide_group *group = tide_task_group(task);
  tideL_task *handle = lua_touserdata(T, index);
  if (group == NULL)
    return;
  tideL_pushfailure(T, index, handle);
  add_error(T, group->scope->id);
}

/* Pushes the errors of the group, a list or nil, and forgets them. */
static void take_errors(lua_State *L, uint64_t id) {
  tideL_own(L, OWN_GROUPS);
  lua_pushnumber(L, (lua_Number)id);
  lua_rawget(L, -2);
  lua_pushnumber(L, (lua_Number)id);
  lua_pushnil(L);
  lua_rawset(L, -4);
  lua_remove(L, -2);
}

/* The list on top gives way to what is to be raised: its only error, unchanged,
 * or an ErrorGroup of them all. */
static void unite(lua_State *L) {
  int list = lua_gettop(L), n = (int)lua_rawlen(L, list);
  if (n == 1) {
    lua_rawgeti(L, list, 1);
  } else {
    lua_rawgeti(L, list, 1);
    tideL_tostring(L, -1);
    lua_pushfstring(L, "%d errors, the first: %s", n, lua_tostring(L, -1));
    tideL_pusherror(L, TIDEL_GROUP, lua_tostring(L, -1));
    lua_pushvalue(L, list);
    lua_setfield(L, -2, "errors");
  }
  lua_replace(L, list);
  lua_settop(L, list);
}

/* group_fail(group, err): its body raised err: cancels the group */
static int core_group_fail(lua_State *L) {
  const tideL_group *self = check(L, "tide.group");
  tide_group *group = open_group(L, self);
  lua_settop(L, 2);
  if (group == NULL)
    return 0;
  if (!tideL_iserror(L, 2, TIDEL_CANCELLED))
    add_error(L, self->id);
  tide_scope_cancel(tideL_get(L)->rt, group->scope);
  return 0;
}

/* ---- the edge ---- */

static int joined(lua_State *L, tideL_state *S, tide_task *task) {
  if (task->status != TIDE_DEADLOCKED)
    return 0;
  task->status = TIDE_WOKEN;
  tideL_pushdeadlock(L, S);
  return 1;
}

/* group_join(group): until all its tasks have ended; always gives up its turn,
 * and never raises a cancellation. Returns a DeadlockError if that is why it
 * returned. */
static int core_group_join(lua_State *L) {
  static const char name[] = "tide.group";
  tideL_state *S = tideL_get(L);
  tide_task *task = tideL_enter(L, S, name);
  tide_group *group = open_group(L, check(L, name));
  tideL_checkyield(L, task, name);
  tideL_checkpoint(S, task); /* fires what is due */
  if (group != NULL && !tide_group_empty(group))
    tide_group_park(S->rt, task, group);
  else
    tide_park_turn(S->rt, task);
  return tideL_suspend(L, S, task, joined);
}

/* group_leave(group, failed, err): whether to raise an error, and which; then
 * whether err was the group's own cancellation, and the reason */
static int core_group_leave(lua_State *L) {
  static const char name[] = "tide.group";
  tideL_state *S = tideL_get(L);
  tide_task *task = tideL_enter(L, S, name);
  const tideL_group *self = check(L, name);
  bool failed = lua_toboolean(L, 2), own;
  lua_settop(L, 3);
  if (task->scope == NULL || task->scope->id != self->id) {
    take_errors(L, self->id);
    return tideL_misnested(L, S, task, self->id);
  }
  own = failed && tideL_catchown(L, task->scope, 3);
  tideL_pushreason(L, self->id);
  take_errors(L, self->id);
  tideL_leavescope(L, S, task);
  if (lua_istable(L, -1)) {
    unite(L);
    lua_pushboolean(L, 1);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, failed && !own);
  lua_pushvalue(L, 3);
  lua_pushboolean(L, own);
  lua_pushvalue(L, 4);
  return 4;
}

static int report_abandoned(lua_State *L) {
  lua_pushfstring(L,
                  "a group ended where it could not wait for its %d tasks: "
                  "they were cancelled",
                  (int)lua_tointeger(L, 1));
  tideL_pushreport(L, lua_tostring(L, -1), 0);
  tideL_report(L, tideL_get(L));
  return 0;
}

/* The handler is called in the next turn: here it might be at any place. */
void tideL_abandongroup(lua_State *L, tideL_state *S, tide_group *group) {
  uint32_t count = tide_group_count(group);
  if (count == 0)
    return;
  tideL_pushfunction(L, report_abandoned);
  lua_pushinteger(L, (lua_Integer)count);
  tideL_callsoon(L, S, 1);
  tide_group_disband(S->rt, group);
}

/* group_abandon(group): where nothing can wait for its tasks: they are
 * cancelled and left to the runtime */
static int core_group_abandon(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_group *self = check(L, "tide.group");
  tide_group *group = open_group(L, self);
  if (group != NULL)
    tideL_abandongroup(L, S, group);
  return 0;
}

/* can_wait(): whether an await here would find a task that can be suspended */
static int core_can_wait(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  const tide_task *task = S->current;
  if (task == NULL && S->rt != NULL && L == S->mainthread)
    task = tide_task_root(S->rt);
  lua_pushboolean(L,
                  task != NULL && task->coro == L && tideL_yieldable(L, task));
  return 1;
}

/* ---- methods ---- */

/* Group:task(f, ...): a task of the group */
static int group_task(lua_State *L) {
  static const char name[] = "Group:task";
  check_open(L, name);
  tideL_checkcallable(L, 2, name);
  tideL_spawn(L, tideL_get(L), lua_gettop(L) - 2, check_open(L, name));
  return 1;
}

/* Group:cancel([reason]): cancels its tasks and its body; false: it has ended
 */
static int group_cancel(lua_State *L) {
  tide_group *group = open_group(L, check(L, "Group:cancel"));
  if (group != NULL) {
    if (!lua_isnoneornil(L, 2) && !(group->scope->flags & TIDE_SCOPE_CANCEL))
      tideL_setreason(L, group->scope, 2);
    tide_scope_cancel(tideL_get(L)->rt, group->scope);
  }
  lua_pushboolean(L, group != NULL);
  return 1;
}

static int group__tostring(lua_State *L) {
  const tide_group *group = open_group(L, check(L, "Group:__tostring"));
  if (group == NULL)
    lua_pushliteral(L, "Group<ended>");
  else
    lua_pushfstring(L, "Group<%d tasks>", (int)tide_group_count(group));
  return 1;
}

/* check_group(self, function): that it has not ended */
static int core_check_group(lua_State *L) {
  check_open(L, luaL_checkstring(L, 2));
  return 0;
}

/* group_hold(group): it does not end before group_unhold */
static int core_group_hold(lua_State *L) {
  tide_group_hold(check_open(L, "Group:start"));
  return 0;
}

static int core_group_unhold(lua_State *L) {
  tide_group *group = open_group(L, check(L, "Group:start"));
  if (group != NULL)
    tide_group_unhold(tideL_get(L)->rt, group);
  return 0;
}

/* group_move(group, task): the task, which another group started, is this one's
 * from now on; unless it is cancelled by then */
static int core_group_move(lua_State *L) {
  tide_group *group = open_group(L, check(L, "Group:start"));
  tide_task *task = tideL_checktask(L, 2, "Group:start")->task;
  const tide_group *old = task != NULL ? tide_task_group(task) : NULL;
  if (group != NULL && old != NULL && !(old->scope->flags & TIDE_SCOPE_INSIDE))
    tide_group_move(tideL_get(L)->rt, group, task);
  return 0;
}

void tideL_opengroup(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"task", group_task}, {"cancel", group_cancel}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", group__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"group_enter", core_group_enter},
                                       {"group_fail", core_group_fail},
                                       {"group_leave", core_group_leave},
                                       {"group_abandon", core_group_abandon},
                                       {"check_group", core_check_group},
                                       {"group_hold", core_group_hold},
                                       {"group_unhold", core_group_unhold},
                                       {"group_move", core_group_move},
                                       {"can_wait", core_can_wait},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"group_join", core_group_join, joined, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_GROUP, "tide.Group", methods, metamethods);
  tideL_own(L, OWN_GROUP);
  lua_setfield(L, -3, "GroupClass"); /* lua/tide adds __close */
  lua_setfield(L, -2, "Group");      /* its methods */
  tideL_setfunctions(L, functions);
  tideL_setawaiting(L, awaiting);
}
