/* ends.h: Tasks and Futures, how they end, and who waits for that. A part of
 * bindings.h, which includes it. */
#ifndef TIDE_ENDS_H
#define TIDE_ENDS_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* ---- task.c ---- */

typedef enum tideL_outcome {
  OUTCOME_NONE, /* it has not ended */
  OUTCOME_RESULTS,
  OUTCOME_FAILED,
  OUTCOME_CANCELLED,
  OUTCOME_CLOSED, /* its runtime closed before it ended */
  OUTCOME_LOST    /* nobody held it when it ended */
} tideL_outcome;

/* 24 bytes: every task that is spawned costs the collector one of these. */
typedef struct tideL_task {
  uint32_t magic;
  uint32_t serial : 24; /* of the runtime */
  uint32_t outcome : 3;
  uint32_t store : 3; /* where the results are */
  bool info : 1;      /* the user value is the table described in outcome.c */
  bool seen : 1;      /* somebody got the error, or was given it to report */
  uint64_t id : 48;
  uint64_t cancels : 15; /* of a finished task: its cancelling() */
  uint64_t unshown : 1;  /* only a C program has it */
  union {
    tideR_task *task; /* see tideL_record */
    double number;    /* its result, if `store` says so */
  };
} tideL_task;

/* The task of a Task that has not ended, or NULL. */
static inline tideR_task *tideL_record(const tideL_task *handle) {
  return handle->outcome == OUTCOME_NONE ? handle->task : NULL;
}

void tideL_opentask(lua_State *L);
tideL_task *tideL_newtask(lua_State *L, tideL_state *S);
tideL_task *tideL_totask(lua_State *L, int index); /* NULL: it is none */
/* The same, for who has the state at hand. */
tideL_task *tideL_astask(lua_State *L, const tideL_state *S, int index);
tideL_task *tideL_checktask(lua_State *L, int arg, const char *function);
/* Pushes the Task of an unfinished task. */
tideL_task *tideL_pushtask(lua_State *L, tideL_state *S, tideR_task *task);
/* The same, if it has a Task; NULL: pushes nothing. */
tideL_task *tideL_findtask(lua_State *L, const tideR_task *task);
/* Whether the Task that a handle to the unfinished task is, is the one that
 * is told of its end. */
bool tideL_isitstask(lua_State *L, const tideR_task *task,
                     const tideL_task *handle);
void tideL_pushname(lua_State *L, int index);
void tideL_pushautoname(lua_State *L, uint64_t id); /* "task-1" */

/* ---- coroutine.c ---- */

/* The task has parked on L, to await that of the Task at index 1. Where that
 * one is the next to run, it runs here instead of in the loop that L would
 * yield to, which is the same but cheaper. True: it has ended and `task` is the
 * next to run, and runs: it need not be suspended. */
bool tideL_runhere(lua_State *L, tideL_state *S, tideR_task *task,
                   tideL_task *handle);

/* ---- join.c ---- */

/* What can be awaited, a Task or Future: its Task, or the `base` of its Future;
 * NULL: neither. */
tideL_task *tideL_toawaitable(lua_State *L, int index);
/* The join of one that has not ended; raises if there is no memory for it, or
 * it is of a closed loop. */
tideR_join *tideL_tojoin(lua_State *L, tideL_state *S, tideL_task *handle,
                         const char *function);
void tideL_refuseself(lua_State *L, const tideL_task *handle,
                      const tideR_task *task);
void tideL_setawaitmethod(lua_State *L,
                          bool future); /* into the table on top */
void tideL_openjoin(lua_State *L);

/* ---- future.c ---- */

/* A Task's fields, without a task; and who waits. */
typedef struct tideL_future {
  tideL_task base;
  tideR_join join;
} tideL_future;

void tideL_openfuture(lua_State *L);
void tideL_pushfuture(lua_State *L, const tideL_state *S);
bool tideL_isfuture(const tideL_task *handle);         /* or a Task's */
tideL_future *tideL_tofuture(lua_State *L, int index); /* NULL: it is none */
/* If the value at `index` is a Future that the runtime has cancelled, on behalf
 * of who waited for it, it knows that from here on. */
void tideL_noticecancel(lua_State *L, tideL_state *S, int index);

/* ---- outcome.c ---- */

/* Ends the Task on top of T with n values from the top of co: its results or,
 * if it failed, its error. Queues its done callbacks. */
void tideL_settle(lua_State *T, tideL_state *S, tideL_task *handle,
                  lua_State *co, bool failed, int n);
/* One value on top of co, if it fits beside or into the Task, moves there, and
 * nil takes its place. Raises nothing. */
bool tideL_storesmall(lua_State *T, int index, lua_State *co);
/* The same of a Future, with the n values on top of L. False: a finaliser has
 * ended it meanwhile. */
bool tideL_settlefuture(lua_State *L, tideL_state *S, int index, bool failed,
                        int n);
/* stack: <Task or Future, function>. They are called in the next turn. */
void tideL_addcallback(lua_State *L, bool ended);
int tideL_removecallback(lua_State *L); /* how many there were */
/* In two: what it needs is pushed, which may run finalisers, and then popped,
 * which runs none. */
void tideL_preparecallbacks(lua_State *T, int index);
void tideL_queuecallbacks(lua_State *T, tideL_state *S, int index);
/* Pushes the table beside the Task, made if there is none. */
void tideL_pushinfo(lua_State *L, int index);
/* The same; a finished Task's single value moves into it. */
void tideL_pushfullinfo(lua_State *L, int index);
/* Somebody knows of its error, if there is one: it is not reported. */
void tideL_markseen(lua_State *L, int index, tideL_task *handle);
/* Pushes the error of a finished Task: it has been seen. */
void tideL_pushfailure(lua_State *L, int index, tideL_task *handle);
/* Pushes the results of a finished Task, or raises its error. */
int tideL_pushoutcome(lua_State *L, int index, tideL_task *handle);

/* ---- gather.c, group.c ---- */

void tideL_opengather(lua_State *L);
void tideL_opengroup(lua_State *L);
/* Of one that ends without its edge: tasks that it still has are cancelled and
 * left to the runtime; they, and errors that nobody was told, are reported. */
void tideL_abandongroup(lua_State *L, tideL_state *S, tideR_group *group);
/* The task failed, its Task is at `index`: its group, if any, gets the error.
 */
void tideL_tellgroup(lua_State *T, const tideR_task *task, int index);

#pragma GCC visibility pop

#endif
