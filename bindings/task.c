/*
 * task.c: the Task object.
 *
 * A userdata without a finaliser. While the task runs it points to the record;
 * UP_HANDLES finds it from there, weakly: one that is dropped costs nothing.
 * When the task ends its outcome moves into it (outcome.c).
 */
#include <stdio.h>

#include "bindings.h"

#define MAGIC 0x74696465u

/* ---- making and checking ---- */

tideL_task *tideL_newtask(lua_State *L, tideL_state *S) {
  tideL_task *handle = tideL_newuserdata(L, sizeof *handle);
  *handle = (tideL_task){.magic = MAGIC, .serial = S->serial};
  lua_rawgeti(L, UP_OWN, OWN_TASK);
  lua_setmetatable(L, -2);
  return handle;
}

/* One that only a finaliser could reach, and that it brought back, is not told
 * of the end of its task. */
static void notice_end(tideL_task *handle, const tideL_state *S) {
  const tideR_task *task = handle->task;
  if (handle->serial != S->serial)
    handle->outcome = OUTCOME_CLOSED;
  else if (task->id != handle->id || task->state == TIDE_TASK_FREE)
    handle->outcome = OUTCOME_LOST;
}

tideL_task *tideL_astask(lua_State *L, const tideL_state *S, int index) {
  tideL_task *handle = lua_touserdata(L, index);
  if (handle == NULL || lua_rawlen(L, index) != sizeof *handle ||
      handle->magic != MAGIC)
    return NULL;
  if (tideL_record(handle) != NULL)
    notice_end(handle, S);
  return handle;
}

tideL_task *tideL_totask(lua_State *L, int index) {
  return tideL_astask(L, tideL_get(L), index);
}

tideL_task *tideL_checktask(lua_State *L, int arg, const char *function) {
  tideL_task *handle = tideL_totask(L, arg);
  if (handle == NULL)
    tideL_typeerror(L, arg, function, "Task");
  return handle;
}

/* What is found there may be the Task of a task that ended. */
tideL_task *tideL_findtask(lua_State *L, const tideR_task *task) {
  tideL_task *handle;
  lua_rawgeti(L, UP_HANDLES, (int)task->slot);
  handle = lua_touserdata(L, -1);
  if (handle != NULL && tideL_record(handle) == task)
    return handle;
  lua_pop(L, 1);
  return NULL;
}

bool tideL_isitstask(lua_State *L, const tideR_task *task,
                     const tideL_task *handle) {
  const tideL_task *found = tideL_findtask(L, task);
  if (found != NULL)
    lua_pop(L, 1);
  return found == handle;
}

tideL_task *tideL_pushtask(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_task *handle = tideL_findtask(L, task), *quicker;
  if (handle != NULL)
    return handle;
  handle = tideL_newtask(L, S);
  quicker = tideL_findtask(L, task);
  if (quicker != NULL) { /* a finaliser was */
    lua_remove(L, -2);
    return quicker;
  }
  S->remade = true; /* a finaliser may bring back the first one */
  handle->id = task->id;
  lua_pushvalue(L, -1);
  lua_rawseti(L, UP_HANDLES, (int)task->slot);
  handle->task = task;
  return handle;
}

/* ---- asking for the outcome ---- */

static int raise_unfinished(lua_State *L) {
  return tideL_raise(L, TIDEL_INVALIDSTATE, "the task has not ended");
}

/* Task:result(): its results, or raises its error; does not wait */
static int task_result(lua_State *L) {
  tideL_task *handle = tideL_checktask(L, 1, "Task:result");
  if (handle->outcome == OUTCOME_NONE)
    return raise_unfinished(L);
  return tideL_pushoutcome(L, 1, handle);
}

/* Task:exception(): the error it failed with, nil if it did not; raises
 * CancelledError if it was cancelled */
static int task_exception(lua_State *L) {
  tideL_task *handle = tideL_checktask(L, 1, "Task:exception");
  if (handle->outcome == OUTCOME_NONE)
    return raise_unfinished(L);
  if (handle->outcome == OUTCOME_RESULTS) {
    lua_pushnil(L);
    return 1;
  }
  if (handle->outcome != OUTCOME_FAILED)
    return tideL_pushoutcome(L, 1, handle);
  tideL_pushfailure(L, 1, handle);
  return 1;
}

static int task_done(lua_State *L) {
  const tideL_task *handle = tideL_checktask(L, 1, "Task:done");
  lua_pushboolean(L, handle->outcome != OUTCOME_NONE);
  return 1;
}

static int task_cancelled(lua_State *L) {
  const tideL_task *handle = tideL_checktask(L, 1, "Task:cancelled");
  lua_pushboolean(L, handle->outcome == OUTCOME_CANCELLED);
  return 1;
}

/* ---- cancelling ---- */

static tideR_task *unfinished(const tideL_task *handle, const tideL_state *S) {
  return handle->serial == S->serial ? tideL_record(handle) : NULL;
}

/* Task:cancel([reason]): true if it was still running. Who cancels one that has
 * failed does not want its results, nor its error. */
static int task_cancel(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_task *handle = tideL_checktask(L, 1, "Task:cancel");
  tideR_task *task = unfinished(handle, S);
  if (task == NULL) {
    tideL_markseen(L, 1, handle);
    lua_pushboolean(L, 0);
    return 1;
  }
  if (tideR_task_cancel(S->rt, task) < 0)
    return luaL_error(L, "not enough memory");
  lua_settop(L, 2);
  tideL_setreason(L, tideR_task_own_scope(task), 2);
  lua_pushboolean(L, 1);
  return 1;
}

static int task_cancelling(lua_State *L) {
  const tideL_task *handle = tideL_checktask(L, 1, "Task:cancelling");
  tideR_task *task = unfinished(handle, tideL_get(L));
  uint32_t count = task != NULL ? tideR_task_cancelling(task) : handle->cancels;
  lua_pushinteger(L, (lua_Integer)count);
  return 1;
}

static int task_uncancel(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_task *handle = tideL_checktask(L, 1, "Task:uncancel");
  tideR_task *task = unfinished(handle, S);
  lua_Integer left = 0;
  if (task != NULL) {
    left = tideR_task_uncancel(S->rt, task);
    if (left == 0 && tideR_task_own_scope(task) != NULL)
      tideL_clearreason(L, tideR_task_own_scope(task));
  }
  lua_pushinteger(L, left);
  return 1;
}

/* ---- names, callbacks, tracebacks ---- */

void tideL_pushautoname(lua_State *L, uint64_t id) {
  char name[32];
  snprintf(name, sizeof name, "task-%llu", (unsigned long long)id);
  lua_pushstring(L, name);
}

void tideL_pushname(lua_State *L, int index) {
  const tideL_task *handle = lua_touserdata(L, index);
  if (handle->info) {
    tideL_pushinfo(L, index);
    lua_getfield(L, -1, "name");
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
      return;
    lua_pop(L, 1);
  }
  if (handle->id == 0)
    lua_pushliteral(L, "a future");
  else
    tideL_pushautoname(L, handle->id);
}

static int task_get_name(lua_State *L) {
  tideL_checktask(L, 1, "Task:get_name");
  tideL_pushname(L, 1);
  return 1;
}

static int task_set_name(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_checktask(L, 1, "Task:set_name");
  if (lua_type(L, 2) != LUA_TSTRING)
    return tideL_typeerror(L, 2, "Task:set_name", "string");
  tideL_pushfullinfo(L, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "name");
  if (S->trace != NULL && unfinished(lua_touserdata(L, 1), S) != NULL)
    tideL_tracerenamed(S, unfinished(lua_touserdata(L, 1), S));
  lua_settop(L, 1);
  return 1;
}

/* Task:add_done_callback(f): f(task) is called from the loop once it ended */
static int task_add_done_callback(lua_State *L) {
  static const char name[] = "Task:add_done_callback";
  const tideL_task *handle = tideL_checktask(L, 1, name);
  tideL_checkcallable(L, 2, name);
  if (handle->outcome == OUTCOME_CLOSED)
    return tideL_error(L, "'%s': the loop is closed", name);
  tideL_addcallback(L, tideL_record(handle) == NULL);
  return 0;
}

/* Task:remove_done_callback(f): how many there were */
static int task_remove_done_callback(lua_State *L) {
  static const char name[] = "Task:remove_done_callback";
  tideL_checktask(L, 1, name);
  tideL_checkcallable(L, 2, name);
  lua_pushinteger(L, tideL_removecallback(L));
  return 1;
}

/* Task:traceback(): where it is, or where it failed and who awaited that; nil
 * if it ended well */
static int task_traceback(lua_State *L) {
  tideL_task *handle = tideL_checktask(L, 1, "Task:traceback");
  if (tideL_record(handle) != NULL) {
    lua_State *co = handle->task->coro;
    if (co != NULL)
      tideL_traceback(L, co);
    else
      lua_pushliteral(L, "stack traceback:"); /* it has not run yet */
    return 1;
  }
  if (!handle->info ||
      (handle->outcome != OUTCOME_FAILED &&
       handle->outcome != OUTCOME_CANCELLED) ||
      !tideL_pushchain(L, 1))
    lua_pushnil(L);
  return 1;
}

static const char *state_of(const tideL_task *handle) {
  static const char *const ended[] = {"pending",   "finished", "failed",
                                      "cancelled", "closed",   "lost"};
  if (tideL_record(handle) == NULL)
    return ended[handle->outcome];
  return handle->task->flags & TIDE_CANCEL ? "cancelling" : "pending";
}

/* " in sleep", " in await of task-2", or "" */
static void push_wait(lua_State *L, const tideL_task *handle) {
  const char *what = NULL;
  const tideR_task *target = NULL;
  if (tideL_record(handle) != NULL) {
    what = tideR_task_waits_for(handle->task);
    target = tideR_task_awaits(handle->task);
  }
  if (target != NULL && !(target->flags & TIDE_ROOT)) {
    tideL_pushtask(L, tideL_get(L),
                   tideR_task_at(tideL_get(L)->rt, target->slot));
    tideL_pushname(L, lua_gettop(L));
    lua_pushfstring(L, " in await of %s", lua_tostring(L, -1));
  } else if (what != NULL) {
    lua_pushfstring(L, " in %s", what);
  } else {
    lua_pushliteral(L, "");
  }
}

static int task__tostring(lua_State *L) {
  const tideL_task *handle = tideL_checktask(L, 1, "Task:__tostring");
  push_wait(L, handle);
  tideL_pushname(L, 1);
  lua_pushfstring(L, "Task<%s %s%s>", lua_tostring(L, -1), state_of(handle),
                  lua_tostring(L, -2));
  return 1;
}

/* ---- functions of the module ---- */

/* task(f, ...): schedules f(...), returns a Task; runs nothing itself */
static int core_task(lua_State *L) {
  tideL_state *S = tideL_get(L);
  if (S->current == NULL)
    tideL_open(L);
  if (!lua_isfunction(L, 1))
    tideL_checkcallable(L, 1, "tide.task");
  tideL_spawn(L, S, 1, NULL);
  return 1;
}

/* current_task(): nil in a callback and in the main program */
static int core_current_task(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = S->current;
  if (task == NULL || L == S->starter)
    lua_pushnil(L);
  else
    tideL_pushtask(L, S, task);
  return 1;
}

/* all_tasks(): a list of the unfinished ones, oldest slot first */
static int core_all_tasks(lua_State *L) {
  tideL_state *S = tideL_get(L);
  int n = 0;
  lua_newtable(L);
  for (uint32_t slot = 1; S->rt && slot <= tideR_task_slots(S->rt); slot++) {
    tideR_task *task = tideR_task_at(S->rt, slot);
    if (tideR_task_alive(task) && task != S->spawning) {
      tideL_pushtask(L, S, task);
      lua_rawseti(L, -2, ++n);
    }
  }
  return 1;
}

/* is_task(v) */
static int core_is_task(lua_State *L) {
  lua_pushboolean(L, tideL_totask(L, 1) != NULL);
  return 1;
}

void tideL_opentask(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"cancel", task_cancel},
      {"cancelled", task_cancelled},
      {"cancelling", task_cancelling},
      {"uncancel", task_uncancel},
      {"done", task_done},
      {"result", task_result},
      {"exception", task_exception},
      {"get_name", task_get_name},
      {"set_name", task_set_name},
      {"add_done_callback", task_add_done_callback},
      {"remove_done_callback", task_remove_done_callback},
      {"traceback", task_traceback},
      {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", task__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"task", core_task},
                                       {"current_task", core_current_task},
                                       {"all_tasks", core_all_tasks},
                                       {"is_task", core_is_task},
                                       {NULL, NULL}};
  tideL_newclass(L, OWN_TASK, "tide.Task", methods, metamethods);
  tideL_setawaitmethod(L, false);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
