/*
 * waiter.c: tide_await, an await of a C function of the program's.
 *
 * A tide_waiter has two owners: the await, which has it in a box that the
 * coroutine's stack and OWN_PARKED keep, and the wake that is to come, from
 * start on until tide_wake or an abort. Whoever lets go last releases `arg`.
 *
 * From 5.2 on tide_await calls a function of ours, which awaits as all of ours
 * do, and is continued. 5.1 and LuaJIT have no continuations: there tide_await
 * itself yields, and a Lua function around the program's calls `finish`.
 */
#include <stdlib.h>
#include <string.h>

#include "hosting.h"

struct tide_waiter {
  tideR_wait wait; /* first: what the task waits on */
  tideR_waitkind kind;
  tideL_state *state;
  tideR_task *task; /* that waits; NULL: none does, or no more */
  tide_waiter **box;
  tide_waiter *next, *prev; /* in S->waiters, while it is listed */
  const tide_await_ops *ops;
  void *arg;
  uint64_t id; /* of the task that waits or waited */
  int status;
  bool pending;  /* the wake is to come */
  bool starting; /* `start` runs */
  bool aborted;  /* ... or was to be aborted meanwhile */
  bool listed;   /* a wake is to come, and the runtime is open */
  bool promised; /* ... which somebody waits for: a waker */
};

/* ---- owners ---- */

static void release(tide_waiter *waiter) {
  if (waiter->box != NULL || waiter->pending)
    return;
  if (waiter->ops->release != NULL)
    waiter->ops->release(waiter->arg);
  free(waiter);
}

static void leave_box(tide_waiter *waiter) {
  *waiter->box = NULL;
  waiter->box = NULL;
  release(waiter);
}

static void list(tide_waiter *waiter) {
  tideL_state *S = waiter->state;
  waiter->listed = waiter->promised = true;
  waiter->prev = NULL;
  waiter->next = S->waiters;
  if (waiter->next != NULL)
    waiter->next->prev = waiter;
  S->waiters = waiter;
  tideR_waker_add(S->rt);
}

static void unlist(tide_waiter *waiter) {
  tideL_state *S = waiter->state;
  if (!waiter->listed)
    return;
  waiter->listed = false;
  if (waiter->prev != NULL)
    waiter->prev->next = waiter->next;
  else
    S->waiters = waiter->next;
  if (waiter->next != NULL)
    waiter->next->prev = waiter->prev;
}

static void drop_promise(tide_waiter *waiter) {
  if (waiter->promised)
    tideR_waker_drop(waiter->state->rt);
  waiter->promised = false;
}

tideR_runtime *tideL_runtimeof(const tide_waiter *waiter) {
  return waiter->state->rt;
}

/* ---- waking and aborting ---- */

void tide_wake(tide_waiter *waiter, int status) {
  tideR_task *task = waiter->task;
  waiter->status = status;
  waiter->pending = false;
  waiter->task = NULL;
  drop_promise(waiter);
  unlist(waiter);
  if (task != NULL && !waiter->starting)
    tideR_wake(waiter->state->rt, task, TIDE_WOKEN);
  release(waiter);
}

/* True: no wake will come. Where it came meanwhile, false. As in a callback,
 * the runtime is not closed then and there. */
static bool call_abort(tide_waiter *waiter) {
  const tide_await_ops *ops = waiter->ops;
  tideL_state *S = waiter->state;
  bool aborted;
  if (ops->abort == NULL)
    return false;
  S->busy++;
  aborted = ops->abort(waiter, waiter->arg) != 0 && waiter->pending;
  S->busy--;
  if (aborted)
    waiter->pending = false;
  return aborted;
}

/* Nobody waits any more; a wake that may still come only releases. */
static void detach(tide_waiter *waiter) {
  waiter->task = NULL;
  drop_promise(waiter);
  if (!waiter->pending)
    unlist(waiter);
}

static bool abort_waiter(tideR_runtime *rt, tideR_task *task,
                         tideR_status why) {
  tide_waiter *waiter = (tide_waiter *)task->wait;
  (void)rt;
  if (why == TIDE_CANCELLED) {
    if (waiter->starting) {
      waiter->aborted = true;
      return false;
    }
    if (!call_abort(waiter))
      return false;
  } else if (!(task->flags & TIDE_ABORTED)) {
    call_abort(waiter);
  }
  detach(waiter);
  if (why == TIDE_ABANDONED)
    leave_box(waiter);
  return true;
}

static bool abort_nothing(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  (void)rt;
  (void)task;
  (void)why;
  return true;
}

/* The runtime closes, or lua_close has come: without another chance. Finalisers
 * that come after may cancel the task, which waits for nothing then. */
static void drop(tide_waiter *waiter) {
  static const tideR_waitkind kind = {"await", abort_nothing, NULL};
  static tideR_wait nothing = {&kind};
  tideR_task *task = waiter->task;
  bool asked = task == NULL || task->flags & TIDE_ABORTED;
  if (task != NULL)
    task->wait = &nothing;
  detach(waiter);
  unlist(waiter);
  if (!asked && waiter->pending)
    call_abort(waiter);
  if (waiter->box != NULL)
    leave_box(waiter);
}

void tideL_dropwaiters(tideL_state *S) {
  while (S->waiters != NULL)
    drop(S->waiters);
}

static int box__gc(lua_State *L) {
  tide_waiter *waiter = *(tide_waiter **)lua_touserdata(L, 1);
  if (waiter != NULL && waiter->task != NULL)
    drop(waiter);
  else if (waiter != NULL)
    leave_box(waiter);
  return 0;
}

/* ---- beginning ---- */

static int push_box(lua_State *L, tideL_state *S, void *arg) {
  tide_waiter *waiter = arg;
  tide_waiter **box = tideL_newuserdata(L, sizeof *box);
  *box = NULL;
  tideL_own(L, OWN_WAITERBOX);
  lua_setmetatable(L, -2);
  *box = waiter;
  waiter->box = box;
  waiter->state = S;
  return 1;
}

/* Pushes the box: from here on an error releases. */
static tide_waiter *new_waiter(lua_State *L, tideL_state *S,
                               const tide_await_ops *ops, void *arg) {
  tide_waiter *waiter = calloc(1, sizeof *waiter);
  if (waiter != NULL) {
    waiter->ops = ops;
    waiter->arg = arg;
    waiter->kind = (tideR_waitkind){ops->name != NULL ? ops->name : "await",
                                    abort_waiter, NULL};
    waiter->wait.kind = &waiter->kind;
    if (S != NULL && tideL_protect(S, L, 0, 1, push_box, waiter) == 0)
      return waiter;
    free(waiter);
  }
  if (ops->release != NULL)
    ops->release(arg);
  luaL_error(L, S != NULL ? "not enough memory" : "tide is not loaded");
  return NULL;
}

/* OWN_PARKED[slot] = the box at `index`. */
static void anchor(lua_State *L, const tideR_task *task, int index) {
  index = lua_absindex(L, index);
  tideL_own(L, OWN_PARKED);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, (int)task->slot);
  lua_pop(L, 1);
}

/* The task gives up its turn, and then its await raises: nothing is left of it
 * but that. */
static void raise_later(tideL_state *S, tideR_task *task, tide_waiter *waiter) {
  leave_box(waiter);
  tideR_park_raise(S->rt, task);
  task->flags |= TASK_RAISE;
}

/* The task has parked on the waiter. True: it waits; false: it runs on. */
static bool start(tideL_state *S, tideR_task *task, tide_waiter *waiter) {
  int err;
  waiter->task = task;
  waiter->pending = waiter->starting = true;
  list(waiter);
  S->busy++;
  err = waiter->ops->start(waiter, waiter->arg);
  S->busy--;
  waiter->starting = false;
  if (err < 0 && waiter->pending) {
    waiter->status = err;
    waiter->pending = false;
    detach(waiter);
  }
  if (waiter->pending && waiter->aborted && call_abort(waiter)) {
    detach(waiter);
    task->state = TIDE_TASK_RUNNING;
    raise_later(S, task, waiter);
    return true;
  }
  if (waiter->pending)
    return true;
  task->state = TIDE_TASK_RUNNING;
  return false;
}

/* The box is at index 1 of L, where our function runs; `can`: whether the
 * program's function can be suspended. True: it is to be. */
static bool begin(lua_State *L, tideL_state *S, tideR_task *task, bool can) {
  tide_waiter *waiter = *(tide_waiter **)lua_touserdata(L, 1);
  bool cancelled = tideL_checkpoint(S, task);
  if (!can) {
    const char *name = waiter->kind.what;
    leave_box(waiter);
    tideL_cannotyield(L, name, 2);
  }
  if (cancelled) {
    raise_later(S, task, waiter);
    return true;
  }
  anchor(L, task, 1);
  waiter->id = task->id;
  tideR_park(S->rt, task, &waiter->wait);
  if (start(S, task, waiter))
    return true;
  if (++S->streak % STREAK == 0 && !tideL_giveturn(S, task))
    return true;
  task->status = TIDE_WOKEN;
  return false;
}

static tideR_task *enter(lua_State *L, tideL_state *S) {
  tide_waiter *waiter = *(tide_waiter **)lua_touserdata(L, 1);
  return tideL_enter(L, S, waiter->kind.what);
}

/* ---- ending ---- */

static int push_results(lua_State *L, tide_waiter *waiter) {
  if (waiter->ops->finish != NULL) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    return waiter->ops->finish(L, waiter->status, waiter->arg);
  }
  return tideL_pushdone(L, waiter->status < 0 ? waiter->status : 0);
}

/* Pushes what OWN_PARKED has for the task. NULL: that is not what it awaits
 * here; another task of its slot may have left it behind. */
static tide_waiter *push_parked(lua_State *L, const tideR_task *task) {
  tide_waiter *waiter = NULL;
  tideL_own(L, OWN_PARKED);
  lua_rawgeti(L, -1, (int)task->slot);
  lua_remove(L, -2);
  if (lua_isuserdata(L, -1) && lua_getmetatable(L, -1)) {
    tideL_own(L, OWN_WAITERBOX);
    if (lua_rawequal(L, -1, -2))
      waiter = *(tide_waiter **)lua_touserdata(L, -3);
    lua_pop(L, 2);
  }
  return waiter != NULL && waiter->id == task->id ? waiter : NULL;
}

/* Its box stays on the stack meanwhile: an error releases it later. */
static int finish(lua_State *L, tideL_state *S, tideR_task *task) {
  tide_waiter *waiter;
  int n;
  luaL_checkstack(L, 8, NULL);
  waiter = push_parked(L, task);
  tideL_own(L, OWN_PARKED);
  lua_pushnil(L);
  lua_rawseti(L, -2, (int)task->slot);
  lua_pop(L, 1);
  if (waiter == NULL) /* of a runtime that was closed */
    return tideL_raisecancel(L, S, task);
  if (task->status != TIDE_WOKEN)
    leave_box(waiter);
  tideL_checkdelivered(L, S, task);
  n = push_results(L, waiter);
  leave_box(waiter);
  return n;
}

#if TIDE_YIELDK

/* stack: <box> */
static int await_body(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = enter(L, S);
  if (begin(L, S, task, tideL_yieldable(L, task)))
    return tideL_suspend(L, S, task, finish);
  return finish(L, S, task);
}

#if LUA_VERSION_NUM == 502
static int await_k(lua_State *L) {
  int base = 0;
  lua_getctx(L, &base);
  return lua_gettop(L) - base;
}
#else
static int await_k(lua_State *L, int status, lua_KContext base) {
  (void)status;
  return lua_gettop(L) - (int)base;
}
#endif

int tide_await(lua_State *L, const tide_await_ops *ops, void *arg) {
  tideL_state *S = tideL_find(L);
  int base;
  new_waiter(L, S, ops, arg);
  base = lua_gettop(L) - 1;
  tideL_pushanchored(L, &S->awaiting);
  lua_insert(L, -2);
  lua_callk(L, 1, LUA_MULTRET, base, await_k);
  return lua_gettop(L) - base;
}

static void open_waiting(lua_State *L) {
  static const tideL_awaiting awaiting[] = {
      {"await", await_body, finish, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  lua_newtable(L);
  tideL_setawaiting(L, awaiting);
  lua_getfield(L, -1, "await");
  tideL_anchor(L, &tideL_get(L)->awaiting);
  lua_pop(L, 1);
}

#else

#define WRAPPER "=[tide await]"

/* stack: <box, whether the caller can be suspended>; whether it is to be. */
static int await_body(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = enter(L, S);
  bool waits = begin(L, S, task, lua_toboolean(L, 2));
  if (waits && task->flags & TIDE_ROOT && L == S->mainthread) {
    tideL_driveroot(S, task);
    waits = false;
  }
  lua_pushboolean(L, waits);
  return 1;
}

/* The function that runs came through tide_pushfunction. */
static bool is_wrapped(lua_State *L) {
  lua_Debug ar;
  return lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar) &&
         strcmp(ar.source, WRAPPER) == 0;
}

static bool can_wait(lua_State *L, const tideL_state *S) {
  bool is_main = lua_pushthread(L);
  lua_pop(L, 1);
  if (S->current != NULL)
    return !(S->current->flags & TASK_PINNED) && lua_isyieldable(L);
  return is_main || lua_isyieldable(L);
}

int tide_await(lua_State *L, const tide_await_ops *ops, void *arg) {
  const char *name = ops->name != NULL ? ops->name : "tide_await";
  tideL_state *S = tideL_find(L);
  tide_waiter *waiter;
  bool waits;
  waiter = new_waiter(L, S, ops, arg);
  if (!is_wrapped(L)) {
    leave_box(waiter);
    return luaL_error(L,
                      "'%s' cannot await: on Lua 5.1 and LuaJIT register "
                      "the function with tide_setfuncs",
                      name);
  }
  tideL_pushanchored(L, &S->awaiting);
  lua_insert(L, -2);
  lua_pushboolean(L, can_wait(L, S));
  lua_call(L, 2, 1);
  waits = lua_toboolean(L, -1);
  lua_settop(L, 0);
  return waits ? lua_yield(L, 0) : 0;
}

/* L waits in a program's function, and was not resumed by the loop. */
static void refuse_outsider(lua_State *L, const tideL_state *S) {
  for (const tide_waiter *w = S->waiters; w != NULL; w = w->next)
    if (w->task != NULL && w->task->coro == L)
      tideL_error(L, "'%s' was resumed from outside while it waited",
                  w->kind.what);
}

/* After the program's function, with what it returned or, if it waited, what
 * the loop passed. */
static int wrapped_end(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_awaiter(L, S);
  bool awaited;
  if (task == NULL) {
    refuse_outsider(L, S);
    return lua_gettop(L);
  }
  luaL_checkstack(L, 8, NULL);
  awaited = push_parked(L, task) != NULL || task->flags & TASK_RAISE;
  lua_pop(L, 1);
  if (!awaited)
    return lua_gettop(L);
  lua_settop(L, 0);
  return tideL_endawait(L, S, task, finish);
}

static void open_waiting(lua_State *L) {
  static const char code[] =
      "local finish = ... return function(f) return function(...) "
      "return finish(f(...)) end end";
  tideL_state *S = tideL_get(L);
  tideL_pushfunction(L, await_body);
  tideL_anchor(L, &S->awaiting);
  if (luaL_loadbuffer(L, code, sizeof code - 1, WRAPPER) != LUA_OK)
    lua_error(L);
  tideL_pushfunction(L, wrapped_end);
  lua_call(L, 1, 1);
  tideL_anchor(L, &S->wrapping);
  tideL_own(L, OWN_SOURCES);
  lua_pushliteral(L, WRAPPER);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

#endif

void tideL_openwaiter(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", box__gc}, {NULL, NULL}};
  tideL_newclass(L, OWN_WAITERBOX, "tide.waiter", NULL, metamethods);
  lua_pop(L, 1);
  open_waiting(L);
}
