/*
 * chain.c: the traceback of a failed task, with those of the tasks that its
 * error came through.
 *
 * Where an await raises the error of a Task, that Task is noted, weakly: it is
 * on the stack of who awaited it until that fails, or the error is noted at an
 * edge. If who awaited it fails by this very error, the field `from` beside its
 * own Task leads to the first one.
 */
#include "bindings.h"

enum {
  INNERMOST = 10,
  OUTERMOST = 10
}; /* tasks of a long chain that are told */

/* ---- noting ---- */

/* The error of the Task at `index` is raised in the task with this id. */
void tideL_noteraised(lua_State *L, tideL_state *S, int index, uint64_t id) {
  const tideL_task *handle = lua_touserdata(L, index);
  if (handle->id == 0) /* a future: nobody failed */
    return;
  index = lua_absindex(L, index);
  tideL_own(L, OWN_RAISED);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, 1);
  lua_pop(L, 1);
  S->raised_in = id;
}

/* Pushes the Task whose error the one at `index` is, if it was raised in the
 * task with this id. Allocates nothing. */
static bool push_origin(lua_State *L, const tideL_state *S, int index,
                        uint64_t id) {
  bool same = false;
  int top = lua_gettop(L);
  if (S->raised_in != id)
    return false;
  index = lua_absindex(L, index);
  tideL_own(L, OWN_RAISED);
  lua_rawgeti(L, -1, 1);
  if (lua_isuserdata(L, -1)) {
    tideL_pushinfo(L, -1);
    lua_getfield(L, -1, "error");
    same = lua_rawequal(L, -1, index);
    lua_pop(L, 2);
  }
  lua_replace(L, top + 1);
  lua_settop(L, same ? top + 1 : top);
  return same;
}

void tideL_keepraised(lua_State *L, tideL_state *S, int index) {
  if (S->current != NULL && push_origin(L, S, index, S->current->id))
    lua_rawseti(L, UP_OWN, OWN_NOTEDFROM);
}

void tideL_pushraised(lua_State *T, tideL_state *S, int index, uint64_t id) {
  if (S->raised_in == 0 || !push_origin(T, S, index, id)) {
    lua_pushnil(T);
    return;
  }
  S->raised_in = 0;
  tideL_disown(T, OWN_NOTEDFROM);
}

/* ---- telling ---- */

/* Of the Task at `index`, which has ended: pushes its stack, or nil. */
static bool push_stack(lua_State *L, int index) {
  int info;
  tideL_pushinfo(L, index);
  info = lua_gettop(L);
  if (tideL_getfield(L, info, "coroutine") == LUA_TTHREAD) {
    tideL_traceback(L, lua_tothread(L, -1));
    lua_setfield(L, info, "stack"); /* the text will do */
    lua_pushnil(L);
    lua_setfield(L, info, "coroutine");
  }
  lua_getfield(L, info, "stack");
  lua_replace(L, info);
  lua_settop(L, info);
  return lua_isstring(L, -1);
}

/* The Task on top and those that its error came from get into the list, whose
 * last index is n; returns the new one. */
static int add_tasks(lua_State *L, int list, int n) {
  while (lua_isuserdata(L, -1)) {
    const tideL_task *handle = lua_touserdata(L, -1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, ++n);
    if (!handle->info)
      break;
    tideL_pushinfo(L, -1);
    lua_getfield(L, -1, "from");
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return n;
}

/* Item i of the list: a Task, or the stack of the task that runs. */
static void push_item_name(lua_State *L, int list, int i) {
  lua_rawgeti(L, list, i);
  if (!lua_isuserdata(L, -1)) {
    lua_pop(L, 1);
    tideL_pushtask(L, tideL_get(L), tideL_get(L)->current);
  }
  tideL_pushname(L, lua_gettop(L));
  lua_remove(L, -2);
}

static bool push_item_stack(lua_State *L, int list, int i) {
  lua_rawgeti(L, list, i);
  if (lua_isuserdata(L, -1)) {
    push_stack(L, lua_gettop(L));
    lua_remove(L, -2);
  }
  return lua_isstring(L, -1);
}

/* Appends to the text on top who awaited item i + 1, and where. */
static void add_awaiter(lua_State *L, int list, int i) {
  const char *stack = "";
  int top = lua_gettop(L);
  lua_pushvalue(L, top);
  lua_pushliteral(L, "\n");
  push_item_name(L, list, i + 1);
  lua_pushliteral(L, " was awaited by ");
  push_item_name(L, list, i);
  lua_pushliteral(L, ":");
  if (push_item_stack(L, list, i))
    stack = lua_tostring(L, -1) + sizeof TIDEL_TRACEBACK - 1;
  lua_pushstring(L, stack);
  lua_remove(L, -2);
  lua_concat(L, lua_gettop(L) - top);
  lua_replace(L, top);
}

/* Pushes the message of the error at `error`, and the stacks of the n in the
 * list: where it was raised comes first. */
static void push_text(lua_State *L, int list, int n, int error) {
  luaL_checkstack(L, 20, NULL);
  if (!push_item_stack(L, list, n)) {
    lua_pop(L, 1);
    lua_pushliteral(L, TIDEL_TRACEBACK);
  }
  tideL_addmessage(L, error);
  for (int i = n - 1; i >= 1; i--) {
    if (i == n - INNERMOST && i > OUTERMOST) {
      lua_pushfstring(L, "\n...\t(skipping %d tasks)", i - OUTERMOST);
      lua_concat(L, 2);
      i = OUTERMOST;
    }
    add_awaiter(L, list, i);
  }
}

bool tideL_pushchain(lua_State *L, int index) {
  int list, n;
  luaL_checkstack(L, 20, NULL);
  if (!push_stack(L, index))
    return false;
  lua_newtable(L);
  list = lua_gettop(L);
  lua_pushvalue(L, index);
  n = add_tasks(L, list, 0);
  tideL_pushinfo(L, index);
  lua_getfield(L, -1, "error");
  push_text(L, list, n, lua_gettop(L));
  return true;
}

/* describe(error[, coroutine]), a message handler: its text, with the stack of
 * this task, or of its dead coroutine, and those it came from. A cancellation
 * is returned as it is. */
static int core_describe(lua_State *L) {
  tideL_state *S = tideL_get(L);
  lua_State *co = lua_tothread(L, 2);
  int n = 1;
  lua_settop(L, 1);
  if (tideL_iserror(L, 1, TIDEL_CANCELLED))
    return 1;
  lua_newtable(L);
  tideL_tracebackhere(L, co);
  lua_rawseti(L, 2, 1);
  if (S->current != NULL && push_origin(L, S, 1, S->current->id))
    n = add_tasks(L, 2, n);
  push_text(L, 2, n, 1);
  return 1;
}

void tideL_openchain(lua_State *L) {
  static const luaL_Reg functions[] = {{"describe", core_describe},
                                       {NULL, NULL}};
  tideL_setfunctions(L, functions);
}
