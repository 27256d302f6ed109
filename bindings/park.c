/*
 * park.c: tide.park, the one wait that user code can build others from.
 *
 * A parking is a userdata whose first member is what the task waits on. It is
 * anchored by OWN_PARKED from the park to its end, and by the wake function.
 * Its user value is a table: the results at [1..n], n, and abort. The abort
 * function is user code, so a cancel only puts the parking into S->aborts; it
 * is called as a chore of the next turn.
 */
#include "bindings.h"

struct tideL_parking {
  tideR_wait wait;
  tideL_state *state;
  tideR_task *task;
  tideL_parking *next, *prev; /* in S->aborts */
  uint32_t round;             /* ... since then */
  uint32_t serial;
  bool done;      /* woken, aborted or left: a wake is stale */
  bool starting;  /* fn runs: its abort function is not known yet */
  bool abortable; /* there is an abort function */
  bool aborting;  /* to be called: it is in S->aborts */
};

static bool is_parked(const tideL_parking *self) {
  const tideL_state *S = self->state;
  return !self->done && self->serial == S->serial &&
         self->task->wait == &self->wait;
}

/* ---- those to abort ---- */

/* They are parked, so OWN_PARKED keeps them. */
static void list_abort(tideL_state *S, tideL_parking *self) {
  self->aborting = true;
  self->round = S->abort_round;
  self->next = NULL;
  self->prev = S->last_abort;
  if (self->prev != NULL)
    self->prev->next = self;
  else
    S->aborts = self;
  S->last_abort = self;
}

static void unlist_abort(tideL_state *S, tideL_parking *self) {
  if (!self->aborting)
    return;
  self->aborting = false;
  if (self->prev != NULL)
    self->prev->next = self->next;
  else
    S->aborts = self->next;
  if (self->next != NULL)
    self->next->prev = self->prev;
  else
    S->last_abort = self->prev;
}

/* ---- parking ---- */

static void end_parking(tideL_parking *self) {
  unlist_abort(self->state, self);
  self->done = true;
  tideR_waker_drop(self->state->rt);
}

/* No user code here: an abort function is called by tideL_runaborts. */
static bool abort_parking(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  tideL_parking *self = (tideL_parking *)task->wait;
  (void)rt;
  if (why == TIDE_CANCELLED && (self->abortable || self->starting) &&
      !self->done) {
    list_abort(self->state, self);
    tideL_wantchores(self->state);
    return false;
  }
  if (!self->done)
    end_parking(self);
  return true;
}

static const tideR_waitkind parked = {"park", abort_parking, NULL};

/* wake(...): the call that waits returns these; false: it waits no longer */
static int parking_wake(lua_State *L) {
  tideL_parking *self = lua_touserdata(L, UP_AWAITING);
  int n = lua_gettop(L);
  if (!is_parked(self)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  luaL_checkstack(L, 4, NULL);
  tideL_getuservalue(L, UP_AWAITING);
  lua_insert(L, 1);
  lua_pushinteger(L, n);
  lua_setfield(L, 1, "n");
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, 1, i);
  end_parking(self);
  tideR_wake(self->state->rt, self->task, TIDE_WOKEN);
  lua_pushboolean(L, 1);
  return 1;
}

static tideL_parking *new_parking(lua_State *L, tideL_state *S,
                                  tideR_task *task) {
  tideL_parking *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_parking){.wait = {&parked},
                          .state = S,
                          .task = task,
                          .serial = S->serial,
                          .done = true};
  lua_newtable(L);
  tideL_setuservalue(L, -2);
  tideL_own(L, OWN_PARKED);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (int)task->slot);
  lua_pop(L, 1);
  return self;
}

/* Leaves fn and its wake function on the starter, where it cannot await.
 * stack of L: <fn, parking> */
static void prepare(lua_State *L, lua_State *starter) {
  lua_settop(starter, 0);
  luaL_checkstack(starter, 4, NULL);
  lua_pushvalue(L, 1);
  for (int i = 1; i <= UPVALUES; i++)
    lua_pushvalue(L, lua_upvalueindex(i));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, parking_wake, UPVALUES + 1);
  lua_xmove(L, starter, 2);
}

/* Calls it; its result or error is left on top of L. */
static int start(lua_State *L, tideL_state *S) {
  int status;
  S->busy++;
  S->starting = true;
  status = lua_pcall(S->starter, 1, 1, 0);
  S->starting = false;
  S->busy--;
  lua_xmove(S->starter, L, 1);
  tideL_switchback(L);
  return status;
}

static int park_finish(lua_State *L, tideL_state *S, tideR_task *task) {
  int n;
  tideL_own(L, OWN_PARKED);
  lua_rawgeti(L, -1, (int)task->slot);
  lua_pushnil(L);
  lua_rawseti(L, -3, (int)task->slot);
  tideL_checkdelivered(L, S, task);
  if (!lua_isuserdata(L, -1)) /* of a runtime that was closed */
    return tideL_raisecancel(L, S, task);
  tideL_getuservalue(L, -1);
  lua_getfield(L, -1, "n");
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  luaL_checkstack(L, n, "too many results");
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, -i, i);
  return n;
}

/* park(fn): suspends; fn(wake) starts something and returns how to abort it */
static int core_park(lua_State *L) {
  static const char name[] = "tide.park";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_parking *self;
  tideL_checkcallable(L, 1, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, park_finish);
  tideL_checkyield(L, task, name);
  lua_settop(L, 1);
  self = new_parking(L, S, task);
  prepare(L, S->starter);
  if (task->flags & TIDE_CANCEL) /* a finaliser did it, after the checkpoint */
    return tideL_cancel(L, S, task, name, park_finish);
  tideR_park(S->rt, task, &self->wait);
  self->done = false;
  self->starting = true;
  tideR_waker_add(S->rt);
  if (start(L, S) != LUA_OK) {
    if (!self->done)
      end_parking(self);
    task->state = TIDE_TASK_RUNNING;
    return lua_error(L);
  }
  if (task->state != TIDE_TASK_PARKED) { /* it was woken at once */
    task->state = TIDE_TASK_RUNNING;
    return tideL_ready(L, S, task, NULL, park_finish);
  }
  self->starting = false;
  self->abortable = tideL_iscallable(L, 3);
  tideL_getuservalue(L, 2);
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, "abort");
  return tideL_suspend(L, S, task, park_finish);
}

/* ---- aborts ---- */

/* aborter(parking): whether the function refused */
static int aborter(lua_State *T) {
  tideL_state *S = tideL_get(T);
  const tideL_parking *self = lua_touserdata(T, 1);
  tideL_getuservalue(T, 1);
  if (tideL_getfield(T, -1, "abort") == LUA_TNIL)
    return 0; /* fn gave none, but was cancelled while it ran */
  tideL_callfor(T, S, self->task);
  if (lua_pcall(T, 0, 1, 0) == LUA_OK) {
    lua_pushboolean(T, lua_isboolean(T, -1) && !lua_toboolean(T, -1));
    return 1;
  }
  tideL_pushreport(T, "error in the abort function of a park", -1);
  tideL_report(T, S);
  return 0;
}

/* False if the function refused; an error is reported and counts as done, and
 * so does one of ours, out of memory. The parking is on top of T. */
static bool call_abort(lua_State *T) {
  bool refused;
  tideL_own(T, OWN_ABORTER);
  lua_pushvalue(T, -2);
  refused = lua_pcall(T, 1, 1, 0) == LUA_OK && lua_toboolean(T, -1);
  lua_pop(T, 1);
  return !refused;
}

/* Those that are to be aborted now: what is cancelled meanwhile is for the next
 * time. */
void tideL_runaborts(lua_State *T, tideL_state *S) {
  S->abort_round++;
  while (S->aborts != NULL && S->aborts->round != S->abort_round) {
    tideL_parking *self = S->aborts;
    unlist_abort(S, self);
    tideL_own(T, OWN_PARKED);
    lua_rawgeti(T, -1, (int)self->task->slot);
    if (call_abort(T) && is_parked(self)) {
      end_parking(self);
      tideR_wake(S->rt, self->task, TIDE_CANCELLED);
    }
    lua_pop(T, 2);
  }
}

void tideL_openpark(lua_State *L) {
  static const tideL_awaiting awaiting[] = {
      {"tide.park", core_park, park_finish, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setawaiting(L, awaiting);
  tideL_pushfunction(L, aborter);
  lua_rawseti(L, UP_OWN, OWN_ABORTER);
}
