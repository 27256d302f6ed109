/*
 * watch.c: debug mode: since when tasks wait, what runs too long without a
 * pause; and where the timeline of trace.c is told what happens.
 *
 * While S->watching the loop takes no short cuts, so that every task that runs
 * passes through here before and after.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings.h"

/* Of the task that was in a slot. */
struct tideL_waiting {
  uint64_t id;    /* of the task, + 1: the main program's is 0 */
  uint64_t since; /* it waits */
};

/* ---- since when tasks wait ---- */

/* Out of memory it is not known. */
static bool reserve(tideL_state *S, uint32_t slot) {
  struct tideL_waiting *list;
  uint32_t room = S->waiting_room;
  if (slot < room)
    return true;
  room = slot < 64 ? 128 : 2 * slot;
  list = realloc(S->waiting, room * sizeof *list);
  if (list == NULL)
    return false;
  memset(list + S->waiting_room, 0, (room - S->waiting_room) * sizeof *list);
  S->waiting = list;
  S->waiting_room = room;
  return true;
}

static void note_wait(tideL_state *S, const tideR_task *task) {
  if (reserve(S, task->slot)) {
    S->waiting[task->slot].id = task->id + 1;
    S->waiting[task->slot].since = tideR_now(S->rt);
  }
  if (S->trace != NULL)
    tideL_traceparked(S, task, S->to);
}

uint64_t tideL_waitssince(const tideL_state *S, const tideR_task *task) {
  if (task->state != TIDE_TASK_PARKED || task->slot >= S->waiting_room ||
      S->waiting[task->slot].id != task->id + 1)
    return 0;
  return S->waiting[task->slot].since;
}

/* ---- what runs too long ---- */

static void set_place(char *place, const char *source, int line,
                      const char *name) {
  snprintf(place, TIDEL_PLACE, line > 0 ? "%s:%d%s%.40s%s" : "%s", source, line,
           name != NULL ? " in '" : "", name != NULL ? name : "",
           name != NULL ? "'" : "");
}

/* Of the function on top, which is popped: where it is written. */
static void set_definition(lua_State *T, char *place) {
  lua_Debug ar;
  *place = '\0';
  if (!lua_isfunction(T, -1)) {
    lua_pop(T, 1);
    return;
  }
  lua_getinfo(T, ">S", &ar);
  set_place(place, ar.short_src, ar.linedefined, NULL);
}

/* Where the task is, or where what it is to call is written. */
static void note_place(lua_State *T, const tideR_task *task, char *place) {
  lua_State *co = task->coro;
  lua_Debug ar;
  *place = '\0';
  if (task->flags & TIDE_FRESH) {
    tideL_pushcalled(T, task);
    set_definition(T, place);
  } else if (co != NULL && tideL_userlevel(T, co, 0, &ar)) {
    lua_getinfo(co, "n", &ar);
    set_place(place, ar.short_src, ar.currentline, ar.name);
  }
}

void tideL_watchparked(lua_State *T, tideL_state *S, const tideR_task *task) {
  luaL_checkstack(T, 12, NULL);
  S->to[0] = '\0';
  if (S->trace != NULL)
    note_place(T, task, S->to);
  note_wait(S, task);
}

void tideL_beforerun(lua_State *T, tideL_state *S, const tideR_task *task) {
  luaL_checkstack(T, 12, NULL);
  note_place(T, task, S->from);
  S->runs = task->id;
  if (S->trace != NULL)
    tideL_tracerun(T, S, task);
  S->began = uv_hrtime();
}

/* The Task of the one that ran, which may have ended; or nil. */
static void push_runner(lua_State *T, const tideL_state *S,
                        const tideR_task *task) {
  const tideL_task *handle;
  lua_rawgeti(T, UP_HANDLES, (int)task->slot);
  handle = lua_touserdata(T, -1);
  if (handle != NULL && handle->id == S->runs)
    return;
  lua_pop(T, 1);
  lua_pushnil(T);
}

/* stack: <the Task, or nil> */
static void report_step(lua_State *T, tideL_state *S, double seconds) {
  int runner = lua_gettop(T);
  char span[48];
  snprintf(span, sizeof span, " ran for %.3f seconds", seconds);
  if (lua_isnil(T, runner))
    tideL_pushautoname(T, S->runs);
  else
    tideL_pushname(T, runner);
  lua_pushstring(T, span);
  lua_pushliteral(T, " without a pause");
  if (S->from[0] != '\0')
    lua_pushfstring(T, ", from %s", S->from);
  if (S->to[0] != '\0')
    lua_pushfstring(T, ", to %s", S->to);
  lua_concat(T, lua_gettop(T) - runner);
  tideL_pushreport(T, lua_tostring(T, -1), 0);
  lua_pushvalue(T, runner);
  lua_setfield(T, -2, "task");
  tideL_report(T, S);
  lua_settop(T, runner - 1);
}

/* Where a task begins to watch, it has not been seen to begin itself. */
void tideL_afterrun(lua_State *T, tideL_state *S, tideR_task *task) {
  double seconds = (double)(uv_hrtime() - S->began) / 1e9;
  bool ended = task->state == TIDE_TASK_FREE || task->id != S->runs;
  bool is_slow = S->debug && seconds >= S->slow;
  if (S->began == 0)
    return;
  S->began = 0;
  tideR_loop_left(S->rt);
  strcpy(S->to, ended ? "its end" : "");
  if (!ended && (is_slow || S->trace != NULL))
    note_place(T, task, S->to);
  if (S->trace != NULL)
    tideL_traceran(S, ended);
  if (!ended && task->state == TIDE_TASK_PARKED)
    note_wait(S, task);
  if (is_slow) {
    push_runner(T, S, task);
    report_step(T, S, seconds);
  }
}

/* ---- callbacks ---- */

void tideL_beforecall(lua_State *T, tideL_state *S, const tideR_call *call) {
  tideL_own(T, OWN_CALLS);
  if (tideL_rawgeti(T, -1, (int)call->slot) == LUA_TTABLE) {
    lua_rawgeti(T, -1, 1);
    lua_replace(T, -2);
  }
  lua_remove(T, -2);
  set_definition(T, S->from);
  if (S->trace != NULL)
    tideL_tracecall(S, S->from);
  S->began = uv_hrtime();
}

void tideL_aftercall(lua_State *T, tideL_state *S) {
  double seconds = (double)(uv_hrtime() - S->began) / 1e9;
  bool seen = S->began != 0; /* as a whole */
  char span[48];
  S->began = 0;
  if (S->trace != NULL)
    tideL_tracecalled(S);
  if (!seen || !S->debug || seconds < S->slow)
    return;
  snprintf(span, sizeof span, "a callback ran for %.3f seconds", seconds);
  lua_pushfstring(T, "%s%s%s", span, S->from[0] != '\0' ? ": function at " : "",
                  S->from);
  tideL_reporttext(T, S, lua_tostring(T, -1));
  lua_pop(T, 1);
}

/* ---- on and off ---- */

static void on_woken(tideR_runtime *rt, tideR_task *task) {
  tideL_state *S = tideR_runtime_data(rt);
  if (S->trace != NULL)
    tideL_tracewoken(S, task);
}

static void on_cancelled(tideR_runtime *rt, tideR_task *task) {
  tideL_state *S = tideR_runtime_data(rt);
  if (S->trace != NULL)
    tideL_tracecancelled(S, task);
}

static void on_poll(tideR_runtime *rt, bool begins, bool blocking) {
  tideL_state *S = tideR_runtime_data(rt);
  if (S->trace != NULL)
    tideL_tracepoll(S, begins, blocking);
}

void tideL_watch(tideL_state *S) {
  static const tideR_watcher watcher = {on_woken, on_cancelled, on_poll};
  bool before = S->watching;
  S->watching = S->debug || S->trace != NULL;
  if (S->rt != NULL)
    tideR_watch(S->rt, S->watching ? &watcher : NULL);
  if (!S->watching)
    tideL_unwatch(S);
  else if (!before)
    S->began = 0; /* what runs now began without us */
}

void tideL_unwatch(tideL_state *S) {
  S->began = 0;
  free(S->waiting);
  S->waiting = NULL;
  S->waiting_room = 0;
}

bool tideL_debugwanted(void) {
  const char *wanted = getenv("TIDE_DEBUG");
  return wanted != NULL && *wanted != '\0' && strcmp(wanted, "0") != 0;
}

/* An error may have left it half way. */
void tideL_setdebug(lua_State *L, tideL_state *S, bool on) {
  if (S->blockers && (!on || !S->debug))
    tideL_watchblocking(L, S, false);
  if (on && !S->blockers)
    tideL_watchblocking(L, S, true);
  S->debug = on;
  tideL_watch(S);
}
