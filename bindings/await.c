/*
 * await.c: how an awaiting call begins, suspends and ends, on every Lua.
 *
 * An awaiting call is written as two functions. `start` checks, registers the
 * wait and suspends; `finish` pushes the results or raises. From 5.2 on finish
 * is the continuation of start's yield. 5.1 and LuaJIT have no continuations:
 * there a Lua function of fixed arity calls start and then finish, with the
 * same arguments. In the main program, which cannot yield, start drives the
 * loop until the root task is woken.
 *
 * Suspension is transactional: whether L can yield is settled before a wait is
 * registered, so that an await that fails changed nothing.
 */
#include <string.h>

#include "bindings.h"

static const char hook_key; /* its address: where on_hook finds the state */

/* ---- begin ---- */

static int refuse(lua_State *L, tideL_state *S, const char *function) {
  if (S->starting)
    return tideL_error(L, "'%s' cannot wait in the function given to 'park'",
                       function);
  if (tideL_isbusy(S) && (S->current == NULL || S->busy > 0))
    return tideL_error(L, "'%s' cannot wait in a callback of the loop",
                       function);
  return tideL_error(L,
                     "'%s' cannot wait in a plain coroutine: make it with "
                     "tide.coroutine, or run it as a task",
                     function);
}

/* ---- is this a finaliser? ---- */

/* Finalisers run with hooks off, on every Lua, and nothing else tells them from
 * other code: a hook that does not come is the sign. Only the main program
 * asks, before it waits, runs or closes the loop. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  tideL_state *S;
  (void)ar;
  lua_pushlightuserdata(L, (void *)&hook_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  S = lua_touserdata(L, -1);
  S->hooked = true;
  lua_pop(L, 1);
}

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

bool tideL_infinaliser(lua_State *L) {
  tideL_state *S = tideL_get(L);
  lua_Hook hook = lua_gethook(L);
  int mask = lua_gethookmask(L), count = lua_gethookcount(L);
  luaL_checkstack(L, 4, NULL);
  lua_pushlightuserdata(L, (void *)&hook_key);
  lua_pushlightuserdata(L, S);
  lua_rawset(L, LUA_REGISTRYINDEX);
  S->hooked = false;
  lua_pushcfunction(L, nothing);
  lua_sethook(L, on_hook, LUA_MASKCALL, 0);
  lua_call(L, 0, 0);
  lua_sethook(L, hook, mask, count);
  return !S->hooked;
}

bool tideL_seemsfinaliser(lua_State *L) {
#ifdef LUA_GCISRUNNING
  if (lua_gc(L, LUA_GCISRUNNING, 0) == 1)
    return false;
#endif
  return tideL_infinaliser(L);
}

void tideL_refusefinaliser(lua_State *L, const char *function) {
  if (tideL_infinaliser(L))
    tideL_error(L, "'%s' cannot be called in a finaliser", function);
}

/* The slow path: no task runs on L. The main program is one of its own. */
tideR_task *tideL_entertask(lua_State *L, tideL_state *S,
                            const char *function) {
  tideR_task *root;
  bool is_main = lua_pushthread(L);
  lua_pop(L, 1);
  if (S->current != NULL || tideL_isbusy(S))
    refuse(L, S, function);
  tideL_open(L);
  root = tideR_task_root(S->rt);
  if (root == NULL)
    luaL_error(L, "not enough memory");
  if (root->coro == L && !is_main)
    return root;
  if (!is_main)
    refuse(L, S, function);
  if (S->hosted || !S->blocking)
    tideL_error(L, "'%s' cannot wait in the main program: %s", function,
                S->hosted ? "a host steps the loop" : "it must not block");
  if (tideL_infinaliser(L))
    tideL_error(L, "'%s' cannot wait in a finaliser", function);
  S->mainthread = L;
  root->coro = L;
  return root;
}

/* ---- end ---- */

int tideL_endawait(lua_State *L, tideL_state *S, tideR_task *task,
                   tideL_finish finish) {
  tideL_stress(L);
  if (task->flags & TASK_RAISE) {
    task->flags &= (uint16_t)~TASK_RAISE;
    return tideL_raisecancel(L, S, task);
  }
  return finish(L, S, task);
}

tideR_task *tideL_awaiter(lua_State *L, tideL_state *S) {
  tideR_task *task = S->current;
  if (task == NULL && S->rt != NULL)
    task = tideR_task_root(S->rt);
  return task != NULL && task->coro == L ? task : NULL;
}

#if TIDE_YIELDK

static int await_again(lua_State *L, tideL_finish finish);

/* Resumed by anybody but the loop it goes on waiting. */
int tideL_continue(lua_State *L, tideL_finish finish) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_awaiter(L, S);
  if (task == NULL)
    return await_again(L, finish);
  return tideL_endawait(L, S, task, finish);
}

#if LUA_VERSION_NUM >= 503

static int await_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return tideL_continue(L, (tideL_finish)context);
}

static int await_again(lua_State *L, tideL_finish finish) {
  return lua_yieldk(L, 0, (lua_KContext)finish, await_k);
}

#else

/* 5.2's context is an int, too small for a pointer: finish is known from an
 * upvalue, as every awaiting function is a closure of its own. */
static int await_k(lua_State *L) {
  const tideL_awaiting *await = lua_touserdata(L, UP_AWAITING);
  return tideL_continue(L, await->finish);
}

static int await_again(lua_State *L, tideL_finish finish) {
  (void)finish;
  return lua_yieldk(L, 0, 0, await_k);
}

#endif

static int yield(lua_State *L, const tideR_task *task, tideL_finish finish) {
  (void)task;
  return await_again(L, finish);
}

static int end_now(lua_State *L, tideL_state *S, tideR_task *task,
                   tideL_finish finish) {
  return tideL_endawait(L, S, task, finish);
}

#else

/* Pauses where the Lua function has to call finish afterwards. AWAIT_PAUSE:
 * start has to be called again, for a hook between the two has taken the task
 * out of its wait, where whoever wakes has passed it over as one that runs. */
static int await_pause(lua_State *L) {
  const tideR_task *task = tideL_awaiter(L, tideL_get(L));
  lua_settop(L, 0);
  if (task != NULL && task->state == TIDE_TASK_RUNNING) {
    lua_pushinteger(L, AWAIT_PAUSE);
    return 1;
  }
  return lua_yield(L, 0);
}

/* The Lua function of a call without results is to look only for trouble: what
 * the loop passes then, and else nothing. Where somebody else may hold the
 * coroutine and resume it, it pauses apart and has finish look who did. */
static int yield(lua_State *L, const tideR_task *task, tideL_finish finish) {
  (void)finish;
  if (task->flags & TASK_GUARDED) {
    const tideL_awaiting *await = lua_touserdata(L, UP_AWAITING);
    if (await->kind != AWAIT_RESULTS && await->kind != AWAIT_VALUE &&
        await->kind != AWAIT_READ && await->kind != AWAIT_MANY) {
      lua_pushinteger(L, AWAIT_PAUSE);
      return 1;
    }
  }
  return lua_yield(L, 0);
}

/* The Lua function that called start calls finish next. */
static int end_now(lua_State *L, tideL_state *S, tideR_task *task,
                   tideL_finish finish) {
  (void)S;
  (void)task;
  (void)finish;
  lua_pushboolean(L, 1);
  return 1;
}

static int finish_entry(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_awaiter(L, S);
  const tideL_awaiting *await = lua_touserdata(L, UP_AWAITING);
  if (task == NULL)
    return tideL_error(L, "'%s' was resumed from outside while it waited",
                       await->name);
  return tideL_endawait(L, S, task, await->finish);
}

#endif

/* ---- suspend ---- */

void tideL_driveroot(tideL_state *S, tideR_task *root) {
  if (S->watching && root->state == TIDE_TASK_PARKED)
    tideL_watchparked(S->mainthread, S, root);
  do {
    int err = tideL_drive(S);
    if (S->closing)
      tideL_raiseclosed(S->mainthread, S);
    if (err < 0) {
      tideR_unpark(S->rt, root);
      luaL_error(S->mainthread, "not enough memory");
    }
  } while (root->state == TIDE_TASK_PARKED && !S->exiting);
  root->state = TIDE_TASK_RUNNING;
  S->streak = 0;
  if (S->exiting)
    tideL_leaveprocess(S->mainthread, S);
}

int tideL_suspend(lua_State *L, tideL_state *S, tideR_task *task,
                  tideL_finish finish) {
  if (!(task->flags & TIDE_ROOT) || L != S->mainthread)
    return yield(L, task, finish);
  tideL_driveroot(S, task);
  return end_now(L, S, task, finish);
}

int tideL_cancel(lua_State *L, tideL_state *S, tideR_task *task,
                 const char *function, tideL_finish finish) {
  tideL_checkyield(L, task, function);
  tideR_park_raise(S->rt, task);
  task->flags |= TASK_RAISE;
  return tideL_suspend(L, S, task, finish);
}

/* Where it cannot be suspended it keeps its turn: what it took is its own. */
bool tideL_turnnow(lua_State *L, tideL_state *S, tideR_task *task,
                   tideR_wait *wait) {
  if (!tideL_yieldable(L, task) || tideL_giveturn(S, task))
    return false;
  if (wait != NULL)
    task->wait = wait;
  return true;
}

int tideL_ready(lua_State *L, tideL_state *S, tideR_task *task,
                tideR_wait *wait, tideL_finish finish) {
  if (tideL_turn(L, S, task, wait))
    return tideL_suspend(L, S, task, finish);
  return tideL_finishnow(L, S, task, finish);
}

int tideL_finishnow(lua_State *L, tideL_state *S, tideR_task *task,
                    tideL_finish finish) {
  task->status = TIDE_WOKEN;
  return end_now(L, S, task, finish);
}

/* ---- what a suspension came to ---- */

void tideL_pushdeadlock(lua_State *L, tideL_state *S) {
  lua_pushliteral(L, "nothing can wake the main task any more:\n");
  tideL_pushtree(L, S, NULL, "  ");
  lua_concat(L, 2);
  tideL_pusherror(L, TIDEL_DEADLOCK, lua_tostring(L, -1));
}

void tideL_checkdelivered(lua_State *L, tideL_state *S, tideR_task *task) {
  if (task->status == TIDE_WOKEN)
    return;
  if (task->status == TIDE_DEADLOCKED) {
    task->status = TIDE_WOKEN;
    tideL_pushdeadlock(L, S);
    lua_error(L);
  }
  tideL_raisecancel(L, S, task);
}

void tideL_checkwoken(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkdelivered(L, S, task);
  if (task->flags & TIDE_CANCEL)
    tideL_raisecancel(L, S, task);
}

/* Pushes a CancelledError. Each delivery is a new one: a scope knows its own by
 * the scope's id, which the error carries. */
void tideL_pushcancel(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_scope *scope = tideR_scope_culprit(S->rt, task->scope);
  tideL_pusherror(L, TIDEL_CANCELLED, NULL);
  tideL_seterrorscope(L, -1, tideR_task_culprit(S->rt, task),
                      scope != NULL && scope->flags & TIDE_SCOPE_EXPIRED);
  if (S->debug) {
    tideL_traceback(L, L);
    lua_setfield(L, -2, "traceback");
  }
}

int tideL_raisecancel(lua_State *L, tideL_state *S, tideR_task *task) {
  task->flags &= (uint16_t)~TIDE_SELFCANCEL;
  if (task->flags & TIDE_ROOT && tideR_interrupt_take(S->rt)) {
    while (tideR_task_uncancel(S->rt, task) > 0)
      continue;
    return tideL_raise(L, TIDEL_INTERRUPTED, "interrupted");
  }
  luaL_checkstack(L, 8, "an error");
  tideR_task_raises(S->rt, task);
  tideL_pushcancel(L, S, task);
  return lua_error(L);
}

/* ---- registration ---- */

#if !TIDE_YIELDK

#define PAUSES "local start, finish, pause = ... "
/* 2 is AWAIT_PAUSE; `trouble` is also true when start has not waited. */
#define IF_TROUBLE(args) \
  "if trouble then while trouble == 2 and pause() == 2 do trouble = " \
  "start(" args ") end if trouble then finish(" args ") end end "
#if TIDE_LUAJIT /* a comparison is cheaper there than a number is to read */
#define START_SLEEP \
  "local trouble if a == 0 then trouble = start() else trouble = start(a) " \
  "end "
#else
#define START_SLEEP "local trouble = start(a) "
#endif

static const char *const wrappers[] = {
    [AWAIT_RESULTS] = "local start, finish = ... return function(a, b, c) "
                      "start(a, b, c) return finish(a, b, c) end",
    [AWAIT_SLEEP] = PAUSES
    "return function(a, b) " START_SLEEP IF_TROUBLE("a") "return b end",
    [AWAIT_NOTHING] = PAUSES
    "return function() local trouble = start() " IF_TROUBLE("") "end",
    [AWAIT_VALUE] = "local start, finish = ... return function(a, b, c) "
                    "local result, done = start(a, b, c) "
                    "if done == true then return result end "
                    "if done then return result, done end "
                    "return finish(a, b, c) end",
    [AWAIT_READ] = "local start, finish = ... return function(a, b) while true "
                   "do start(a, b) local r, m, c, p = finish(a, b) "
                   "if r then return r end if r == nil then "
                   "if p then return r, m, c, p end return r, m, c end "
                   "end end",
    [AWAIT_MANY] = "local start, finish = ... return function(...) "
                   "local result, done = start(...) "
                   "if done == true then return result end "
                   "if done then return result, done end "
                   "return finish(...) end",
    [AWAIT_END] = PAUSES "return function(a) local result, done = start(a) "
                         "if done then return result end "
                         "if done == false then return end "
                         "if result == 2 then pause() end "
                         "return finish(a) end",
    [AWAIT_VOID] = PAUSES "return function(a, b, c) local trouble = "
                          "start(a, b, c) " IF_TROUBLE("a, b, c") "end",
    [AWAIT_SELF] = PAUSES "return function(a) local trouble = "
                          "start(a) " IF_TROUBLE("a") "return a end"};

static void push_wrapped(lua_State *L, const tideL_awaiting *await) {
  const char *code = wrappers[await->kind];
  if (luaL_loadbuffer(L, code, strlen(code), "=[tide]") != LUA_OK)
    lua_error(L);
  lua_insert(L, -3);
  tideL_pushfunction(L, await_pause);
  lua_call(L, 3, 1);
}

#endif

static void push_closure(lua_State *L, const tideL_awaiting *await,
                         lua_CFunction f) {
  for (int i = 1; i <= UPVALUES; i++)
    lua_pushvalue(L, lua_upvalueindex(i));
  lua_pushlightuserdata(L, (void *)await);
  lua_pushcclosure(L, f, UPVALUES + 1);
}

void tideL_setawaiting(lua_State *L, const tideL_awaiting *list) {
  for (; list->name != NULL; list++) {
    const char *name = strpbrk(list->name, ".:");
    push_closure(L, list, list->start);
#if !TIDE_YIELDK
    push_closure(L, list, finish_entry);
    push_wrapped(L, list);
#endif
    lua_setfield(L, -2, name != NULL ? name + 1 : list->name);
  }
}
