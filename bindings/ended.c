/*
 * ended.c: done callbacks of C programs.
 *
 * Each is an ordinary done callback of the Task or Future: a closure over a box
 * that leads to the record. Whoever tells the program takes the record out of
 * the box: the call from the loop, the end of the runtime, or lua_close, which
 * finalises the boxes before the state. The record keeps the object held, and
 * its box: the closure may be lost, out of memory.
 */
#include <stdlib.h>

#include "hosting.h"

typedef struct tideL_teller {
  struct tideL_teller *next, *prev; /* in S->dones */
  struct tideL_teller **box;
  tideL_held *held;
  tideL_callback callback;
  bool told;
  bool anchored;
} tideL_teller;

static void unanchor(const tideL_state *S, tideL_teller *done) {
  if (!done->anchored)
    return;
  done->anchored = false;
  lua_pushnil(S->thread);
  tideL_anchor(S->thread, done);
}

/* From here on it is the caller's. */
static tideL_teller *take(tideL_teller **box) {
  tideL_teller *done = *box;
  tideL_state *S;
  if (done == NULL)
    return NULL;
  S = done->held->state;
  if (done->prev != NULL)
    done->prev->next = done->next;
  else
    S->dones = done->next;
  if (done->next != NULL)
    done->next->prev = done->prev;
  *box = NULL;
  unanchor(S, done);
  return done;
}

static void free_done(tideL_teller *done) {
  tideL_releaseheld(done->held);
  free(done);
}

/* tide_task and tide_future begin with what is held of them. */
static void tell(tideL_teller *done, tide_outcome how, lua_State *L, int n) {
  const tideL_callback *callback = &done->callback;
  done->told = true;
  if (callback->task != NULL)
    callback->task((tide_task *)done->held, how, L, n, callback->ud);
  else
    callback->future((tide_future *)done->held, how, L, n, callback->ud);
}

static void drop(tideL_teller **box) {
  tideL_teller *done = take(box);
  if (done == NULL)
    return;
  if (done->held->handle->outcome == OUTCOME_NONE)
    done->held->handle->outcome = OUTCOME_CLOSED;
  tell(done, TIDE_DROPPED, NULL, 0);
  free_done(done);
}

void tideL_dropdones(tideL_state *S) {
  while (S->dones != NULL)
    drop(S->dones->box);
}

static int box__gc(lua_State *L) {
  drop(lua_touserdata(L, 1));
  return 0;
}

/* Results, or an error. */
static int push_values(lua_State *L, tideL_task *handle) {
  if (handle->outcome == OUTCOME_RESULTS)
    return tideL_pushoutcome(L, 1, handle);
  tideL_pushfailure(L, 1, handle);
  return 1;
}

static int call_body(lua_State *L) {
  tideL_teller *done = lua_touserdata(L, 2);
  tideL_task *handle = tideL_toawaitable(L, 1);
  int n;
  lua_settop(L, 1);
  n = push_values(L, handle);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  tell(done, tideL_heldoutcome(done->held), L, n);
  return 0;
}

/* The callback: stack <Task or Future>. An error passes on to the loop, which
 * reports it; the record is freed before. Out of memory for the results that
 * is the error which the program is told. */
static int call_done(lua_State *L) {
  tideL_teller *done;
  int status;
  lua_settop(L, 1);
  tideL_pushfunction(L, call_body);
  lua_insert(L, 1);
  done = take(lua_touserdata(L, UP_AWAITING));
  if (done == NULL)
    return 0;
  lua_pushlightuserdata(L, done);
  status = lua_pcall(L, 2, 0, 0);
  if (!done->told)
    tell(done, TIDE_RAISED, L, 1);
  free_done(done);
  return status == LUA_OK ? 0 : lua_error(L);
}

static void push_box(lua_State *L) {
  tideL_teller **box = tideL_newuserdata(L, sizeof *box);
  *box = NULL;
  tideL_own(L, OWN_DONEBOX);
  lua_setmetatable(L, -2);
}

/* stack: <Task or Future> */
static int add_body(lua_State *L, tideL_state *S, void *arg) {
  tideL_teller *done = arg;
  lua_getfield(L, 1, "add_done_callback");
  lua_pushvalue(L, 1);
  for (int i = 1; i <= UPVALUES; i++)
    lua_pushvalue(L, lua_upvalueindex(i));
  push_box(L);
  done->box = lua_touserdata(L, -1);
  lua_pushvalue(L, -1);
  tideL_anchor(L, done);
  done->anchored = true;
  lua_pushcclosure(L, call_done, UPVALUES + 1);
  lua_call(L, 2, 0);
  if (tideL_heldoutcome(done->held) != TIDE_PENDING)
    tideL_markseen(L, 1, done->held->handle);
  else
    done->held->handle->seen = true; /* the program will get its error */
  *done->box = done;                 /* from here on nothing raises */
  done->next = S->dones;
  if (done->next != NULL)
    done->next->prev = done;
  S->dones = done;
  return 0;
}

int tideL_ondone(tideL_held *held, const tideL_callback *callback) {
  tideL_state *S = held->state;
  tideL_teller *done;
  int err;
  if (S == NULL || S->rt == NULL || tideL_heldoutcome(held) == TIDE_DROPPED)
    return UV_ECANCELED;
  done = calloc(1, sizeof *done);
  if (done == NULL)
    return UV_ENOMEM;
  done->held = held;
  done->callback = *callback;
  tideL_pushheld(S->thread, held);
  err = tideL_protect(S, S->thread, 1, 0, add_body, done);
  if (err < 0) {
    unanchor(S, done);
    free(done);
  } else {
    tideL_retainheld(held);
  }
  return err;
}

void tideL_openended(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", box__gc}, {NULL, NULL}};
  tideL_newclass(L, OWN_DONEBOX, "tide.done", NULL, metamethods);
  lua_pop(L, 1);
}
