/*
 * group.c: the Group object. lua/tide/group.lua writes group with group_enter,
 * pcall, group_join and group_leave.
 */
#include <string.h>

#include "bindings.h"

#define MAGIC 0x67726f75u

typedef struct tideL_group {
  uint32_t magic;
  uint32_t serial;
  tideR_scope *scope; /* valid while scope->id == id and the runtime is ours */
  uint64_t id;
} tideL_group;

static tideL_group *check(lua_State *L, const char *function) {
  tideL_group *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Group");
  return self;
}

/* NULL: it has ended. */
static tideR_group *open_group(lua_State *L, const tideL_group *self) {
  const tideL_state *S = tideL_get(L);
  if (self->serial != S->serial || self->scope->id != self->id)
    return NULL;
  return self->scope->group;
}

static tideR_group *check_open(lua_State *L, const char *function) {
  tideR_group *group = open_group(L, check(L, function));
  if (group == NULL)
    tideL_error(L, "'%s': the group has ended", function);
  return group;
}

/* group_enter(name, waits): opens a group in the running task. One whose edge
 * is to wait is refused where that could not be. */
static int core_group_enter(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const char *name = luaL_checkstring(L, 1);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_group *self;
  tideR_group *group;
  luaL_checkstack(L, 64, NULL); /* see scope.c */
  if (lua_toboolean(L, 2))
    tideL_checkyield(L, task, name);
  self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_group){.magic = MAGIC, .serial = S->serial};
  tideL_own(L, OWN_GROUP);
  lua_setmetatable(L, -2);
  if (tideR_group_enter(S->rt, task, &group) < 0)
    return luaL_error(L, "not enough memory");
  self->scope = group->scope;
  self->id = group->scope->id;
  return 1;
}

/* ---- errors ---- */

/* OWN_GROUPS[id] are the errors of a group in their order; [-id] has them as
 * its keys, and whose they are: until the group raises them nobody else may
 * hold that Task, which the chain of who awaited whom begins with. Pushes one
 * of the two, made if there is none. stack: <OWN_GROUPS>
 */
static void push_errors(lua_State *L, int groups, lua_Number key) {
  lua_pushnumber(L, key);
  if (tideL_rawget(L, groups) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushnumber(L, key);
  lua_pushvalue(L, -2);
  lua_rawset(L, groups);
}

/* Who awaits a task raises its very error again, which counts once. Two tasks
 * may raise equal strings, each its own. */
static bool may_be_known(lua_State *L, int task) {
  int type = lua_type(L, -1);
  return task == 0 ||
         (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN);
}

/* Appends the error on top to those of the group; pops it. It is that of the
 * Task at index `task`; 0: the body's. */
static void add_error(lua_State *L, uint64_t id, int task) {
  bool may_be = may_be_known(L, task);
  int error = lua_gettop(L), groups = error + 1, set = error + 2;
  luaL_checkstack(L, 6, NULL);
  tideL_own(L, OWN_GROUPS);
  push_errors(L, groups, -(lua_Number)id);
  lua_pushvalue(L, error);
  if (tideL_rawget(L, set) == LUA_TNIL || !may_be) {
    push_errors(L, groups, (lua_Number)id);
    lua_pushvalue(L, error);
    lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
    if (lua_rawequal(L, error, error)) { /* NaN is no key */
      lua_pushvalue(L, error);
      if (task != 0)
        lua_pushvalue(L, task);
      else
        lua_pushboolean(L, 1);
      lua_rawset(L, set);
    }
  }
  lua_settop(L, error - 1);
}

void tideL_tellgroup(lua_State *T, const tideR_task *task, int index) {
  const tideR_group *group = tideR_task_group(task);
  tideL_task *handle = lua_touserdata(T, index);
  if (group == NULL)
    return;
  if (group->scope->task != NULL)
    tideL_noteraised(T, tideL_get(T), index, group->scope->task->id);
  tideL_pushfailure(T, index, handle);
  add_error(T, group->scope->id, index);
}

/* Pushes the errors of the group, a list or nil, and forgets them. Below it
 * comes the Task that the first is from, or nil. */
static void take_errors(lua_State *L, uint64_t id) {
  lua_Number key = (lua_Number)id;
  int owner = lua_gettop(L) + 1;
  lua_pushnil(L);
  tideL_own(L, OWN_GROUPS);
  lua_pushnumber(L, key);
  if (tideL_rawget(L, -2) == LUA_TTABLE) {
    lua_pushnumber(L, -key);
    lua_rawget(L, owner + 1);
    lua_rawgeti(L, -2, 1);
    lua_rawget(L, -2);
    lua_replace(L, owner);
    lua_pop(L, 1);
  }
  for (int i = 0; i < 2; i++, key = -key) {
    lua_pushnumber(L, key);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

/* Pushes the text of the error on top; of a group that of its own first one, or
 * the messages of groups inside groups would grow and grow. */
static void push_text(lua_State *L, const char *joint) {
  const char *text = NULL;
  if (tideL_iserror(L, -1, TIDEL_GROUP)) {
    lua_getfield(L, -1, "message");
    if (lua_type(L, -1) == LUA_TSTRING)
      text = strstr(lua_tostring(L, -1), joint);
  }
  if (text != NULL)
    lua_pushstring(L, text + strlen(joint));
  else
    tideL_tostring(L, -1);
}

/* The list on top gives way to what is to be raised: its only error, unchanged,
 * or an ErrorGroup of them all. */
static void unite(lua_State *L) {
  int list = lua_gettop(L), n = (int)lua_rawlen(L, list);
  if (n == 1) {
    lua_rawgeti(L, list, 1);
  } else {
    static const char joint[] = " errors, the first: ";
    lua_rawgeti(L, list, 1);
    push_text(L, joint);
    lua_pushfstring(L, "%d%s%s", n, joint, lua_tostring(L, -1));
    tideL_pusherror(L, TIDEL_GROUP, lua_tostring(L, -1));
    lua_pushvalue(L, list);
    lua_setfield(L, -2, "errors");
  }
  lua_replace(L, list);
  lua_settop(L, list);
}

/* With the reason at `index`, which may be nil or none. */
static void cancel(lua_State *L, tideR_group *group, int index) {
  if (!lua_isnoneornil(L, index) && !(group->scope->flags & TIDE_SCOPE_CANCEL))
    tideL_setreason(L, group->scope, index);
  tideR_scope_cancel(tideL_get(L)->rt, group->scope);
}

/* group_fail(group, err): its body raised err: cancels the group */
static int core_group_fail(lua_State *L) {
  const tideL_group *self = check(L, "tide.group");
  tideR_group *group = open_group(L, self);
  lua_settop(L, 2);
  if (group == NULL)
    return 0;
  if (tideL_iserror(L, 2, TIDEL_CANCELLED)) {
    lua_getfield(L, 2, "reason");
    cancel(L, group, 3);
  } else {
    tideR_scope_cancel(tideL_get(L)->rt, group->scope);
    add_error(L, self->id, 0); /* raises out of memory */
  }
  return 0;
}

/* ---- the edge ---- */

static int joined(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_group *group = open_group(L, check(L, "tide.group"));
  lua_pushboolean(L, group != NULL && !tideR_group_empty(group));
  if (task->status != TIDE_DEADLOCKED)
    return 1;
  task->status = TIDE_WOKEN;
  tideL_pushdeadlock(L, S);
  return 2;
}

/* group_join(group): until all its tasks have ended; always gives up its turn,
 * and never raises a cancellation. Returns whether it has some again, or still,
 * and then the DeadlockError that is why. */
static int core_group_join(lua_State *L) {
  static const char name[] = "tide.group";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_group *group = open_group(L, check(L, name));
  if (group == NULL || group->scope->task != task)
    return tideL_error(L, "the group is not open in this task");
  tideL_checkyield(L, task, name);
  tideL_checkpoint(S, task); /* fires what is due */
  if (!tideR_group_empty(group))
    tideR_group_park(S->rt, task, group);
  else
    tideR_park_turn(S->rt, task);
  return tideL_suspend(L, S, task, joined);
}

/* group_leave(group, failed, err): true, the error to raise, and whose it is,
 * to be held until it is raised. Or whether to raise err, err, whether it was
 * the group's own cancellation, and the reason */
static int core_group_leave(lua_State *L) {
  static const char name[] = "tide.group";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_group *self = check(L, name);
  bool failed = lua_toboolean(L, 2), own, cancelled, untold;
  lua_settop(L, 3);
  if (task->scope == NULL || task->scope->id != self->id)
    return tideL_misnested(L, S, task, self->id);
  own = failed && tideL_catchown(L, task->scope, 3);
  cancelled = task->scope->group->children.cancelled;
  untold = task->scope->group->children.failed;
  tideL_pushreason(L, self->id);
  take_errors(L, self->id);
  tideL_leavescope(L, S, task);
  if (lua_istable(L, -1)) {
    unite(L);
    lua_pushboolean(L, 1);
    lua_insert(L, -2);
    lua_pushvalue(L, -3);
    return 3;
  }
  if (untold && (own || !failed)) /* there was no memory for its error */
    return luaL_error(L, "not enough memory");
  if (cancelled && task->flags & TIDE_CANCEL && (own || !failed))
    return tideL_raisecancel(L, S, task);
  lua_pushboolean(L, failed && !own);
  lua_pushvalue(L, 3);
  lua_pushboolean(L, own);
  lua_pushvalue(L, 4);
  return 4;
}

/* stack: <how many tasks it had, its errors or nil> */
static int report_abandoned(lua_State *L) {
  int count = (int)lua_tointeger(L, 1), error = 0;
  const char *message = "a group ended where it could not raise its errors";
  if (count > 0)
    message = lua_pushfstring(L,
                              "a group ended where it could not wait for its "
                              "tasks: %d were cancelled",
                              count);
  if (lua_istable(L, 2)) {
    lua_pushvalue(L, 2);
    unite(L);
    error = lua_gettop(L);
  }
  tideL_pushreport(L, message, error);
  tideL_report(L, tideL_get(L));
  return 0;
}

/* The handler is called in the next turn: here it might be at any place. */
static void report_soon(lua_State *L, tideL_state *S, uint32_t count) {
  tideL_pushfunction(L, report_abandoned);
  lua_insert(L, -2);
  lua_pushinteger(L, (lua_Integer)count);
  lua_insert(L, -2);
  tideL_callsoon(L, S, 2);
}

void tideL_abandongroup(lua_State *L, tideL_state *S, tideR_group *group) {
  uint32_t count = tideR_group_count(group);
  take_errors(L, group->scope->id);
  lua_remove(L, -2);
  if (count > 0 || !lua_isnil(L, -1))
    report_soon(L, S, count);
  else
    lua_pop(L, 1);
  tideR_group_disband(S->rt, group);
}

/* The task that runs on L; the main program is one of its own. */
static tideR_task *task_here(lua_State *L, const tideL_state *S) {
  tideR_task *task = S->current;
  if (task == NULL && S->rt != NULL && L == S->mainthread)
    task = tideR_task_root(S->rt);
  return task != NULL && task->coro == L ? task : NULL;
}

/* group_abandon(group): where nothing can wait for its tasks: they are
 * cancelled and left to the runtime. False: nor is it the running task that has
 * it open. */
static int core_group_abandon(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_group *group = open_group(L, check(L, "tide.group"));
  const tideR_task *task = task_here(L, S);
  uint32_t count = group != NULL ? tideR_group_count(group) : 0;
  if (count > 0) {
    lua_pushnil(L); /* its errors are raised yet */
    report_soon(L, S, count);
    tideR_group_disband(S->rt, group);
  }
  lua_pushboolean(L,
                  group != NULL && task != NULL && group->scope->task == task);
  return 1;
}

/* can_wait(): whether an await here would find a task that can be suspended */
static int core_can_wait(lua_State *L) {
  const tideR_task *task = task_here(L, tideL_get(L));
  lua_pushboolean(L, task != NULL && tideL_yieldable(L, task));
  return 1;
}

/* ---- methods ---- */

/* Group:task(f, ...): a task of the group */
static int group_task(lua_State *L) {
  static const char name[] = "Group:task";
  check_open(L, name);
  tideL_checkcallable(L, 2, name);
  tideL_spawn(L, tideL_get(L), 2, check_open(L, name));
  return 1;
}

/* Group:cancel([reason]): cancels its tasks and its body; false: it has ended
 */
static int group_cancel(lua_State *L) {
  tideR_group *group = open_group(L, check(L, "Group:cancel"));
  if (group != NULL)
    cancel(L, group, 2);
  lua_pushboolean(L, group != NULL);
  return 1;
}

static int group__tostring(lua_State *L) {
  const tideR_group *group = open_group(L, check(L, "Group:__tostring"));
  if (group == NULL)
    lua_pushliteral(L, "Group<ended>");
  else
    lua_pushfstring(L, "Group<%d tasks>", (int)tideR_group_count(group));
  return 1;
}

/* check_group(self, function): that it has not ended */
static int core_check_group(lua_State *L) {
  check_open(L, luaL_checkstring(L, 2));
  return 0;
}

/* group_start(start, group): the group does not end before the other */
static int core_group_start(lua_State *L) {
  tideR_group *start = check_open(L, "Group:start");
  lua_remove(L, 1);
  tideR_group_start(start, check_open(L, "Group:start"));
  return 0;
}

/* group_move(group, task): the task, which another group started, is this one's
 * from now on; unless it is cancelled by then */
static int core_group_move(lua_State *L) {
  tideR_group *group = open_group(L, check(L, "Group:start"));
  tideR_task *task = tideL_record(tideL_checktask(L, 2, "Group:start"));
  const tideR_group *old = task != NULL ? tideR_task_group(task) : NULL;
  if (group != NULL && old != NULL && !(old->scope->flags & TIDE_SCOPE_INSIDE))
    tideR_group_move(tideL_get(L)->rt, group, task);
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
                                       {"group_start", core_group_start},
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
