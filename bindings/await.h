/* await.h: how an awaiting function is written; see await.c. Private; included
 * by bindings.h. */
#ifndef TIDE_AWAIT_H
#define TIDE_AWAIT_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* Ends an awaiting call: pushes its results, or raises. Arguments are where the
 * call found them. */
typedef int (*tideL_finish)(lua_State *L, tideL_state *S, tideR_task *task);

/* An awaiting function: `start` begins and returns tideL_suspend, tideL_ready
 * or tideL_cancel with the same `finish`. */
typedef struct tideL_awaiting {
  const char *name;
  lua_CFunction start;
  tideL_finish finish;
  enum {
    AWAIT_RESULTS, /* finish has results; up to three arguments */
    AWAIT_SLEEP,   /* finish only raises; the result is the second argument;
                      start is called without an argument if the first is 0 */
    AWAIT_NOTHING, /* finish only raises; there is no result */
    AWAIT_VALUE,   /* as RESULTS; start may return tideL_done, or two values */
    AWAIT_READ,    /* as RESULTS, two arguments; finish may return tideL_again;
                      a first result that is nil has two or three more */
    AWAIT_MANY,    /* as VALUE, any number of arguments */
    AWAIT_VOID,    /* as NOTHING; up to three arguments, start may return 0 */
    AWAIT_END,     /* one argument; start may return tideL_ended */
    AWAIT_SELF     /* finish only raises; the result is the only argument, start
                      may return tideL_doneself */
  } kind;
} tideL_awaiting;

#define AWAIT_PAUSE 2 /* start's result, see await.c */

/* Into the table on top; the list ends with a NULL name. */
void tideL_setawaiting(lua_State *L, const tideL_awaiting *list);

tideR_task *tideL_entertask(lua_State *L, tideL_state *S, const char *function);
/* The task on whose behalf L awaits; raises where there is none. */
static inline tideR_task *tideL_enter(lua_State *L, tideL_state *S,
                                      const char *function) {
  tideL_stress(L);
  tideR_task *task = S->current;
  return task != NULL && task->coro == L ? task
                                         : tideL_entertask(L, S, function);
}
/* Start has ended a call of AWAIT_VALUE itself, with one result, which is on
 * top: what it returns then. */
static inline int tideL_done(lua_State *L) {
#if TIDE_YIELDK
  (void)L;
  return 1;
#else
  lua_pushboolean(L, 1); /* a second value: a wait has but one */
  return 2;
#endif
}
/* The same for AWAIT_END, with n results, at most one. */
static inline int tideL_ended(lua_State *L, int n) {
#if TIDE_YIELDK
  (void)L;
  return n;
#else
  if (n == 0)
    lua_pushnil(L);
  lua_pushboolean(L, n);
  return 2;
#endif
}
/* The same for AWAIT_SELF. */
static inline int tideL_doneself(lua_State *L) {
#if TIDE_YIELDK
  if (lua_gettop(L) > 1)
    lua_settop(L, 1);
  return 1;
#else
  (void)L;
  return 0;
#endif
}
/* The wait was for nothing: what finish of AWAIT_READ returns then. */
static inline int tideL_again(lua_State *L, lua_CFunction start) {
#if TIDE_YIELDK
  return start(L);
#else
  (void)start;
  lua_pushboolean(L, 0);
  return 1;
#endif
}
/* True: a cancellation is to be raised; return tideL_cancel then. It may have
 * ended waits of others: nothing read before it holds after it. */
static inline bool tideL_checkpoint(tideL_state *S, tideR_task *task) {
  return task->flags & TIDE_TROUBLE && tideR_checkpoint(S->rt, task);
}
int tideL_cancel(lua_State *L, tideL_state *S, tideR_task *task,
                 const char *function, tideL_finish finish);
/* Whether one runs, where L is what runs. Costs a hook call. */
bool tideL_infinaliser(lua_State *L);
/* The same, without that cost where Lua tells that the collector runs, which it
 * does not in a finaliser, if that does not make it. */
bool tideL_seemsfinaliser(lua_State *L);
/* There nothing may wait, nor run or close the loop. */
void tideL_refusefinaliser(lua_State *L, const char *function);
void tideL_openyieldable(lua_State *L);
/* Before a wait is registered: an await that cannot yield leaves no trace. */
bool tideL_rareyieldable(lua_State *L, const tideR_task *task);
static inline bool tideL_yieldable(lua_State *L, const tideR_task *task) {
  if (!(task->flags & (TIDE_ROOT | TASK_PINNED)))
    return lua_isyieldable(L);
  return tideL_rareyieldable(L, task);
}
/* The function that waits is at the level before that one. */
int tideL_cannotyield(lua_State *L, const char *function, int level);
static inline void tideL_checkyield(lua_State *L, const tideR_task *task,
                                    const char *function) {
  if (!tideL_yieldable(L, task))
    tideL_cannotyield(L, function, 1);
}
/* The wait is registered: suspends. */
int tideL_suspend(lua_State *L, tideL_state *S, tideR_task *task,
                  tideL_finish finish);
#if TIDE_YIELDK
/* What the continuation of tideL_suspend does. */
int tideL_continue(lua_State *L, tideL_finish finish);
#endif
/* The task, which can be suspended, gives up its turn. True: nobody else wanted
 * one, and it goes on in the next; false: it is parked. */
static inline bool tideL_giveturn(tideL_state *S, tideR_task *task) {
  if (!tideR_next_turn(S->rt, task))
    return false;
  S->streak = 0;
  return true;
}
#define STREAK 128 /* calls in a row that did not wait: time for a turn */
/* For a call that need not wait: true if it is time for a turn all the same;
 * then return tideL_suspend. What the task has is forfeited as `wait` tells, if
 * there is one, should the task die meanwhile. */
bool tideL_turnnow(lua_State *L, tideL_state *S, tideR_task *task,
                   tideR_wait *wait);
static inline bool tideL_turn(lua_State *L, tideL_state *S, tideR_task *task,
                              tideR_wait *wait) {
  return ++S->streak % STREAK == 0 && tideL_turnnow(L, S, task, wait);
}
/* The call need not wait. */
int tideL_ready(lua_State *L, tideL_state *S, tideR_task *task,
                tideR_wait *wait, tideL_finish finish);
/* The call ends as if it had waited and was woken. */
int tideL_finishnow(lua_State *L, tideL_state *S, tideR_task *task,
                    tideL_finish finish);
/* The task that was suspended on L, or NULL: somebody else resumed L. */
tideR_task *tideL_awaiter(lua_State *L, tideL_state *S);
/* It goes on: raises a cancellation that is due, or calls finish. */
int tideL_endawait(lua_State *L, tideL_state *S, tideR_task *task,
                   tideL_finish finish);
/* Raises if it was not woken by what it waited for, or cancelled since. */
void tideL_checkwoken(lua_State *L, tideL_state *S, tideR_task *task);
/* The same, but what was woken is delivered although cancelled since. */
void tideL_checkdelivered(lua_State *L, tideL_state *S, tideR_task *task);
void tideL_pushdeadlock(lua_State *L, tideL_state *S); /* a DeadlockError */
/* Runs the loop until the root task, which has parked, is woken. */
void tideL_driveroot(tideL_state *S, tideR_task *root);
int tideL_raisecancel(lua_State *L, tideL_state *S, tideR_task *task);
void tideL_pushcancel(lua_State *L, tideL_state *S, tideR_task *task);

#pragma GCC visibility pop

#endif
