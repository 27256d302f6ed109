/*
 * hosting.h: what the files of the C API share. Private.
 *
 *   host.c       tide_open, tide_close; driving
 *   settings.c   the clock, user data, statistics, data that goes with a task
 *   held.c       tide_task and tide_future: what a program holds of Lua's
 *   ended.c      their done callbacks
 *   waiter.c     tide_await
 *   functions.c  tide_setfuncs
 *   work.c       tide_work
 *   remote.c     tide_remote, tide_post
 *   api.c        tide_import's table
 *
 * No function of the API raises unless it is for functions that Lua calls. So
 * whatever may raise is the body of a protected call, which gets our upvalues,
 * too.
 */
#ifndef TIDE_HOSTING_H
#define TIDE_HOSTING_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* ---- host.c ---- */

/* The state of L; NULL: tide was not loaded in it. May raise on LuaJIT, out of
 * memory. */
tideL_state *tideL_find(lua_State *L);
/* Closes what tide_close was asked to while code of it ran. True: it did. */
bool tideL_closenow(tideL_state *S);

/* ---- protect.c ---- */

void tideL_openprotect(lua_State *L);

/* With the arguments on the stack of L; returns how many results are on it. */
typedef int (*tideL_body)(lua_State *L, tideL_state *S, void *arg);
/* Calls body with the n values on top of L as its arguments, which are popped;
 * its results, `nresults` of them, are left there. L has a slot for it. Only
 * what is out of memory raises in a body: then UV_ENOMEM. */
int tideL_protect(tideL_state *S, lua_State *L, int n, int nresults,
                  tideL_body body, void *arg);
/* The same, but an error is left on top of L. */
bool tideL_try(tideL_state *S, lua_State *L, int n, int nresults,
               tideL_body body, void *arg);
/* The same on the thread that runs. */
bool tideL_tryhere(tideL_state *S, lua_State *L, int n, tideL_body body,
                   void *arg);
/* After S->thread has run otherwise: see tideL_switchback. */
void tideL_switchprogram(tideL_state *S);

/* ---- held.c ---- */

/* The anchor of a Task or Future, counted by who holds it in C. */
struct tideL_held {
  tideL_state *state; /* NULL: lua_close has come */
  tideL_held *next, *prev;
  tideL_task *handle; /* the Task, or the base of the Future */
  unsigned count;
  bool anchored; /* in the registry, where its own address is the key */
};

/* The registry has what is on top of L, which is popped, under the address of
 * something in C; nil: no more. Allocates only the first time, where luaL_unref
 * may; and on 5.1 and 5.2 a table that cannot grow may hide its numbers. */
void tideL_anchor(lua_State *L, const void *key);
void tideL_pushanchored(lua_State *L, const void *key);
void tideL_retainheld(tideL_held *held);
void tideL_releaseheld(tideL_held *held);
void tideL_pushheld(lua_State *L, const tideL_held *held);
tide_outcome tideL_heldoutcome(const tideL_held *held);
/* lua_close: what is held leads nowhere any more. */
void tideL_forgetheld(tideL_state *S);

/* ---- ended.c ---- */

/* One of the two is called. */
typedef struct tideL_callback {
  tide_task_cb task;
  tide_future_cb future;
  void *ud;
} tideL_callback;
void tideL_openended(lua_State *L);
int tideL_ondone(tideL_held *held, const tideL_callback *callback);
/* The runtime closes: those that wait are told. */
void tideL_dropdones(tideL_state *S);

/* ---- waiter.c ---- */

void tideL_openwaiter(lua_State *L);
/* The runtime closes: what awaits is aborted. Calls no Lua. */
void tideL_dropwaiters(tideL_state *S);
/* Of one that begins. */
tideR_runtime *tideL_runtimeof(const tide_waiter *waiter);

/* ---- api.c ---- */

void tideL_openapi(lua_State *L);

#pragma GCC visibility pop

#endif
