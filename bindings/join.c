/* join.c: Task:await, Future:await. */
#include "bindings.h"

tideL_task *tideL_toawaitable(lua_State *L, int index) {
  tideL_future *future = tideL_tofuture(L, index);
  return future != NULL ? &future->base : tideL_totask(L, index);
}

tideR_join *tideL_tojoin(lua_State *L, tideL_state *S, tideL_task *handle,
                         const char *function) {
  tideR_join *join;
  if (handle->serial != S->serial)
    tideL_error(L, "'%s': what is awaited is of a loop that was closed",
                function);
  if (tideL_record(handle) == NULL)
    return &((tideL_future *)handle)->join;
  join = tideR_task_join(S->rt, handle->task);
  if (join == NULL)
    luaL_error(L, "not enough memory");
  return join;
}

void tideL_refuseself(lua_State *L, const tideL_task *handle,
                      const tideR_task *task) {
  if (tideL_record(handle) == task)
    tideL_error(L, "a task cannot await itself");
}

static int awaited(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_task *handle = lua_touserdata(L, 1);
  if (handle->outcome == OUTCOME_NONE)
    tideL_noticecancel(L, S, 1);
  if (task->flags & TIDE_LEAVING) {
    task->flags &= (uint16_t)~TIDE_LEAVING;
    if (task->status == TIDE_WOKEN)
      return tideL_raisecancel(L, S, task);
  }
  tideL_checkdelivered(L, S, task);
  return tideL_pushoutcome(L, 1, handle);
}

#if TIDE_YIELDK

/* The common await is spared what the general continuation has to look up. */
static int go_on(lua_State *L, tideL_state *S) {
  tideR_task *task = S->current;
  if (task == NULL || task->coro != L || task->flags & TASK_RAISE)
    return tideL_continue(L, awaited);
  return awaited(L, S, task);
}

#if LUA_VERSION_NUM == 502
static int await_k(lua_State *L) {
  return go_on(L, tideL_get(L));
}
#define CONTEXT(S) 0
#else
static int await_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, (tideL_state *)context);
}
#define CONTEXT(S) (lua_KContext)(S)
#endif

static int suspend(lua_State *L, tideL_state *S, tideR_task *task) {
  if (task->flags & TIDE_ROOT)
    return tideL_suspend(L, S, task, awaited);
  return lua_yieldk(L, 0, CONTEXT(S), await_k);
}

#else

static int suspend(lua_State *L, tideL_state *S, tideR_task *task) {
  return tideL_suspend(L, S, task, awaited);
}

#endif

/* Awaits another task. */
static int await_task(lua_State *L, tideL_state *S, tideR_task *task,
                      tideL_task *handle) {
  if (tideR_task_await(S->rt, task, handle->task) < 0)
    luaL_error(L, "not enough memory");
  if (tideL_runhere(L, S, task, handle)) {
    if (task->status != TIDE_WOKEN || task->flags & TIDE_LEAVING)
      return awaited(L, S, task);
    return tideL_ended(L, tideL_pushoutcome(L, 1, handle));
  }
  return suspend(L, S, task);
}

static int await(lua_State *L, tideL_state *S, tideL_task *handle,
                 const char *function, bool counted) {
  tideR_task *task = tideL_enter(L, S, function);
  tideL_refuseself(L, handle, task);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, function, awaited);
  if (tideL_record(handle) == NULL) /* the checkpoint may have cancelled it */
    tideL_noticecancel(L, S, 1);
  if (handle->outcome != OUTCOME_NONE)
    return tideL_ready(L, S, task, NULL, awaited);
  tideL_checkyield(L, task, function);
  if (counted && handle->task != NULL && handle->serial == S->serial)
    return await_task(L, S, task, handle);
  tideR_join_park(S->rt, task, tideL_tojoin(L, S, handle, function), counted);
  return suspend(L, S, task);
}

/* Task:await(): waits for its end, gives its results or raises its error */
static int task_await(lua_State *L) {
  static const char name[] = "Task:await";
  tideL_state *S = tideL_get(L);
  tideL_task *handle = tideL_astask(L, S, 1);
  if (handle == NULL)
    tideL_typeerror(L, 1, name, "Task");
  return await(L, S, handle, name, true);
}

/* Future:await(): the same */
static int future_await(lua_State *L) {
  static const char name[] = "Future:await";
  tideL_future *self = tideL_tofuture(L, 1);
  if (self == NULL)
    tideL_typeerror(L, 1, name, "Future");
  return await(L, tideL_get(L), &self->base, name, true);
}

/* watch(aw): the same, but a cancel of the waiter leaves it alone */
static int core_watch(lua_State *L) {
  static const char name[] = "tide.shield";
  tideL_task *handle = tideL_toawaitable(L, 1);
  if (handle == NULL)
    tideL_typeerror(L, 1, name, "Task or Future");
  return await(L, tideL_get(L), handle, name, false);
}

/* is_awaitable(v): whether it is a Task or Future */
static int core_is_awaitable(lua_State *L) {
  lua_pushboolean(L, tideL_toawaitable(L, 1) != NULL);
  return 1;
}

void tideL_setawaitmethod(lua_State *L, bool future) {
  static const tideL_awaiting task[] = {
      {"Task:await", task_await, awaited, AWAIT_END},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  static const tideL_awaiting of_future[] = {
      {"Future:await", future_await, awaited, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setawaiting(L, future ? of_future : task);
}

void tideL_openjoin(lua_State *L) {
  static const luaL_Reg functions[] = {{"is_awaitable", core_is_awaitable},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"tide.watch", core_watch, awaited, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setfunctions(L, functions);
  tideL_setawaiting(L, awaiting);
}
