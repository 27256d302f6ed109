/*
 * held.c: tide_task and tide_future: Tasks and Futures that a program holds.
 *
 * The registry anchors the object, `handle` is its address. A program may hold
 * it longer than the lua_State lives: then it leads nowhere.
 */
#include <stdlib.h>

#include "hosting.h"

struct tide_task {
  tideL_held held;
};

struct tide_future {
  tideL_held held;
};

/* ---- holding ---- */

void tideL_anchor(lua_State *L, const void *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void tideL_pushanchored(lua_State *L, const void *key) {
  lua_pushlightuserdata(L, (void *)key);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

/* So that there is memory for what follows. */
static void reserve(lua_State *L, tideL_held *held) {
  lua_pushboolean(L, 0);
  tideL_anchor(L, held);
  held->anchored = true;
}

/* The Task or Future on top of L, which stays there. */
static void hold(lua_State *L, tideL_state *S, tideL_held *held) {
  lua_pushvalue(L, -1);
  tideL_anchor(L, held);
  held->handle = lua_touserdata(L, -1);
  held->state = S;
  held->prev = NULL;
  held->next = S->held;
  if (held->next != NULL)
    held->next->prev = held;
  S->held = held;
}

static void *new_held(size_t size) {
  tideL_held *held = calloc(1, size);
  if (held != NULL)
    held->count = 1;
  return held;
}

static void unanchor(const tideL_state *S, const tideL_held *held) {
  if (!held->anchored)
    return;
  lua_pushnil(S->thread);
  tideL_anchor(S->thread, held);
}

/* Its object could not be made. */
static void discard(const tideL_state *S, tideL_held *held) {
  unanchor(S, held);
  free(held);
}

static void let_go(tideL_held *held) {
  tideL_state *S = held->state;
  if (held->prev != NULL)
    held->prev->next = held->next;
  else
    S->held = held->next;
  if (held->next != NULL)
    held->next->prev = held->prev;
  held->state = NULL;
}

void tideL_retainheld(tideL_held *held) {
  held->count++;
}

static bool is_current(const tideL_held *held) {
  const tideL_state *S = held->state;
  return S != NULL && S->rt != NULL && held->handle->serial == S->serial;
}

void tideL_releaseheld(tideL_held *held) {
  if (--held->count > 0)
    return;
  if (held->state != NULL) {
    unanchor(held->state, held);
    let_go(held);
  }
  free(held);
}

void tideL_forgetheld(tideL_state *S) {
  while (S->held != NULL) {
    S->held->handle = NULL;
    let_go(S->held);
  }
}

void tideL_pushheld(lua_State *L, const tideL_held *held) {
  tideL_pushanchored(L, held);
}

/* Lua has been given it: its error is Lua's to see to. */
static int push(tideL_held *held, lua_State *L) {
  if (held->state == NULL)
    return UV_ECANCELED;
  tideL_pushheld(L, held);
  held->handle->unshown = false;
  return 0;
}

/* As Task:done and Future:done see it, without a lua_State. */
tide_outcome tideL_heldoutcome(const tideL_held *held) {
  static const tide_outcome outcomes[] = {
      [OUTCOME_NONE] = TIDE_PENDING,   [OUTCOME_RESULTS] = TIDE_RETURNED,
      [OUTCOME_FAILED] = TIDE_RAISED,  [OUTCOME_CANCELLED] = TIDE_WAS_CANCELLED,
      [OUTCOME_CLOSED] = TIDE_DROPPED, [OUTCOME_LOST] = TIDE_DROPPED};
  const tideL_task *handle = held->handle;
  if (held->state == NULL)
    return TIDE_DROPPED;
  if (handle->outcome != OUTCOME_NONE)
    return outcomes[handle->outcome];
  if (!is_current(held))
    return TIDE_DROPPED;
  if (tideL_isfuture(handle) && ((const tideL_future *)handle)->join.ended)
    return TIDE_WAS_CANCELLED;
  return TIDE_PENDING;
}

/* stack: <the object, reason>; Task:cancel and Future:cancel */
static int cancel_body(lua_State *L, tideL_state *S, void *arg) {
  const char *reason = arg;
  (void)S;
  lua_getfield(L, 1, "cancel");
  lua_insert(L, 1);
  lua_pushstring(L, reason);
  lua_call(L, 2, 0);
  return 0;
}

static int cancel(tideL_held *held, const char *reason) {
  tideL_state *S = held->state;
  if (!is_current(held))
    return UV_ECANCELED;
  if (tideL_heldoutcome(held) != TIDE_PENDING)
    return UV_EALREADY;
  tideL_pushheld(S->thread, held);
  return tideL_protect(S, S->thread, 1, 0, cancel_body, (void *)reason);
}

/* ---- tasks ---- */

typedef struct spawning {
  tide_task *task; /* what is to hold it, or NULL */
  int err;
} spawning;

/* stack: <function, arguments...> */
static int spawn_body(lua_State *L, tideL_state *S, void *arg) {
  spawning *it = arg;
  const tideR_task *task;
  tideL_task *handle;
  if (!tideL_iscallable(L, 1)) {
    it->err = UV_EINVAL;
    return 0;
  }
  if (it->task != NULL)
    reserve(L, &it->task->held);
  task = tideL_spawn(L, S, 1, NULL);
  if (it->task != NULL) {
    handle = lua_touserdata(L, -1);
    handle->unshown = true;
    hold(L, S, &it->task->held);
  } else { /* nobody can ask for it: its error is reported at once */
    lua_pushnil(L);
    lua_rawseti(L, UP_HANDLES, (int)task->slot);
    S->remade = true;
  }
  return 0;
}

int tide_spawn(tide_runtime *rt, lua_State *from, int nargs, tide_task **out) {
  spawning it = {NULL, rt->rt != NULL ? 0 : UV_ECANCELED};
  int err;
  if (out != NULL) {
    *out = NULL;
    if (it.err == 0 && (it.task = new_held(sizeof *it.task)) == NULL)
      it.err = UV_ENOMEM;
  }
  if (it.err < 0) {
    lua_pop(from, nargs + 1);
    return it.err;
  }
  err = tideL_protect(rt, from, nargs + 1, 0, spawn_body, &it);
  if (err == 0)
    err = it.err;
  if (it.task != NULL && err < 0)
    discard(rt, &it.task->held);
  else if (it.task != NULL)
    *out = it.task;
  return err;
}

int tide_task_cancel(tide_task *task, const char *reason) {
  return cancel(&task->held, reason);
}

int tide_task_on_done(tide_task *task, tide_task_cb cb, void *ud) {
  tideL_callback callback = {.task = cb, .ud = ud};
  return tideL_ondone(&task->held, &callback);
}

tide_outcome tide_task_outcome(tide_task *task) {
  return tideL_heldoutcome(&task->held);
}

int tide_task_push(tide_task *task, lua_State *L) {
  return push(&task->held, L);
}

void tide_task_release(tide_task *task) {
  if (task != NULL)
    tideL_releaseheld(&task->held);
}

/* ---- futures ---- */

static tideR_join *join_of(const tide_future *future) {
  return &((tideL_future *)future->held.handle)->join;
}

static int new_body(lua_State *L, tideL_state *S, void *arg) {
  tide_future *future = arg;
  reserve(L, &future->held);
  tideL_pushfuture(L, S);
  hold(L, S, &future->held);
  tideR_future_promise(S->rt, join_of(future), true);
  return 0;
}

int tide_future_new(tide_runtime *rt, tide_future **out) {
  tide_future *future;
  int err;
  *out = NULL;
  if (rt->rt == NULL)
    return UV_ECANCELED;
  future = new_held(sizeof *future);
  if (future == NULL)
    return UV_ENOMEM;
  err = tideL_protect(rt, rt->thread, 0, 0, new_body, future);
  if (err < 0)
    discard(rt, &future->held);
  else
    *out = future;
  return err;
}

int tide_future_push(tide_future *future, lua_State *L) {
  return push(&future->held, L);
}

typedef struct settling {
  const tideL_held *held;
  const char *method;
} settling;

/* stack: <values...> */
static int settle_body(lua_State *L, tideL_state *S, void *arg) {
  const settling *it = arg;
  (void)S;
  luaL_checkstack(L, 2, NULL);
  tideL_pushheld(L, it->held);
  lua_insert(L, 1);
  lua_getfield(L, 1, it->method);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

static int settle(tide_future *future, lua_State *from, int n,
                  const char *method) {
  settling it = {&future->held, method};
  int err = 0;
  if (!is_current(&future->held))
    err = UV_ECANCELED;
  else if (tideL_heldoutcome(&future->held) != TIDE_PENDING)
    err = UV_EALREADY;
  if (err < 0) {
    lua_pop(from, n);
    return err;
  }
  err = tideL_protect(future->held.state, from, n, 0, settle_body, &it);
  /* What came after, so that its failure would be reported, may have failed. */
  return tideL_heldoutcome(&future->held) != TIDE_PENDING ? 0 : err;
}

int tide_future_set(tide_future *future, lua_State *from, int n) {
  return settle(future, from, n, "set_result");
}

int tide_future_fail(tide_future *future, lua_State *from) {
  return settle(future, from, 1, "set_exception");
}

int tide_future_cancel(tide_future *future, const char *reason) {
  return cancel(&future->held, reason);
}

int tide_future_on_done(tide_future *future, tide_future_cb cb, void *ud) {
  tideL_callback callback = {.future = cb, .ud = ud};
  return tideL_ondone(&future->held, &callback);
}

tide_outcome tide_future_outcome(tide_future *future) {
  return tideL_heldoutcome(&future->held);
}

void tide_future_release(tide_future *future) {
  if (future == NULL)
    return;
  if (is_current(&future->held))
    tideR_future_promise(future->held.state->rt, join_of(future), false);
  tideL_releaseheld(&future->held);
}
