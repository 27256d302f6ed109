/*
 * report.c: the exception handler, and failures nobody saw.
 *
 * A failed Task that is still held gets a sentinel: collected with the Task, it
 * puts it into OWN_REPORTS, and the next turn reports it. Whoever asks for the
 * outcome takes the sentinel away.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bindings.h"

/* ---- the exception handler ---- */

void tideL_pushreport(lua_State *T, const char *message, int index) {
  lua_createtable(T, 0, 4);
  lua_pushstring(T, message);
  lua_setfield(T, -2, "message");
  if (index != 0) {
    lua_pushvalue(T, index < 0 ? index - 1 : index);
    if (tideL_pushnoted(T, -1, 0)) {
      tideL_addmessage(T, -2);
      lua_setfield(T, -3, "traceback");
    }
    lua_setfield(T, -2, "error");
  }
}

/* tide: message: error, then the traceback */
static void print_report(lua_State *T) {
  int report = lua_gettop(T);
  lua_getfield(T, report, "message");
  lua_getfield(T, report, "traceback");
  lua_getfield(T, report, "error");
  if (lua_isstring(T, -2)) { /* it begins with the error */
    lua_pushvalue(T, -2);
  } else if (!lua_isnil(T, -1)) {
    tideL_tostring(T, -1);
  } else {
    lua_pushnil(T);
  }
  fprintf(stderr, "tide: %s%s%s\n", lua_tostring(T, report + 1),
          lua_isnil(T, -1) ? "" : ": ",
          lua_isnil(T, -1) ? "" : lua_tostring(T, -1));
  lua_getfield(T, report, "created");
  if (lua_isstring(T, -1))
    fprintf(stderr, "the task was created here:\n%s\n", lua_tostring(T, -1));
  fflush(stderr);
  lua_settop(T, report);
}

/* print_report(report): what is done without an exception handler */
static int core_print_report(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  print_report(L);
  return 0;
}

/* set_interactive(): failures are reported soon */
static int core_set_interactive(lua_State *L) {
  tideL_get(L)->prompt = true;
  return 0;
}

/* tell(report): the program that opened the runtime, or else stderr */
static int tell(lua_State *T) {
  if (!tideL_tellprogram(T, tideL_get(T)))
    print_report(T);
  return 0;
}

/* teller(report): the exception handler, or what is done without one */
static int teller(lua_State *T) {
  luaL_checkstack(T, 12, NULL);
  if (tideL_own(T, OWN_HANDLER) == LUA_TNIL) {
    lua_pop(T, 1);
    tideL_pushfunction(T, tell);
  }
  lua_pushvalue(T, 1);
  if (lua_pcall(T, 1, 0, 0) != LUA_OK) {
    tideL_pushreport(T, "error in the exception handler", -1);
    print_report(T);
    lua_settop(T, 1);
    print_report(T);
  }
  return 0;
}

/* Protected, for an error would leave the state of a callback behind. */
void tideL_report(lua_State *T, tideL_state *S) {
  tideR_task *current = S->current;
  bool inside;
  luaL_checkstack(T, 4, NULL);
  inside = tideL_entercallback(T, S);
  S->current = NULL; /* a handler is a callback, whoever calls it */
  S->busy++;
  tideL_own(T, OWN_TELLER);
  lua_insert(T, -2);
  if (lua_pcall(T, 1, 0, 0) != LUA_OK) {
    fputs("tide: not enough memory to report what happened\n", stderr);
    lua_pop(T, 1);
  }
  S->busy--;
  tideL_leavecallback(T, S, inside);
  S->current = current;
}

void tideL_reporttext(lua_State *L, tideL_state *S, const char *message) {
  tideL_pushreport(L, message, 0);
  tideL_report(L, S);
}

/* report(message, error): of the task that runs, which has caught it */
static int core_report(lua_State *L) {
  tideL_state *S = tideL_get(L);
  lua_settop(L, 2);
  tideL_pushreport(L, luaL_checkstring(L, 1), 2);
  if (S->current != NULL) {
    lua_rawgeti(L, UP_HANDLES, (int)S->current->slot);
    lua_setfield(L, 3, "task");
  }
  tideL_report(L, S);
  return 0;
}

/* ---- failures ---- */

void tideL_reportfailure(lua_State *T, tideL_state *S, int index) {
  tideL_task *handle = lua_touserdata(T, index);
  index = lua_absindex(T, index);
  handle->seen = true;
  tideL_pushname(T, index);
  lua_pushfstring(T, "%s failed and nobody awaited it", lua_tostring(T, -1));
  tideL_pushreport(T, lua_tostring(T, -1), 0);
  lua_pushvalue(T, index);
  lua_setfield(T, -2, "task");
  tideL_pushinfo(T, index);
  lua_getfield(T, -1, "error");
  lua_setfield(T, -3, "error");
  lua_getfield(T, -1, "created");
  lua_setfield(T, -3, "created");
  lua_pop(T, 1);
  if (tideL_totask(T, index) != NULL) {
    lua_getfield(T, index, "traceback");
    lua_pushvalue(T, index);
    lua_call(T, 1, 1);
    lua_setfield(T, -2, "traceback");
  }
  tideL_report(T, S);
  lua_pop(T, 2);
}

void tideL_watchfailure(lua_State *T, tideL_state *S, int index, bool held,
                        bool awaited) {
  const tideL_task *handle = lua_touserdata(T, index);
  if (handle->seen || handle->outcome != OUTCOME_FAILED)
    return;
  if (!held || handle->unshown || (S->debug && !awaited)) {
    tideL_reportfailure(T, S, index);
    return;
  }
  if (S->draining) {
    tideL_own(T, OWN_DRAINED);
    lua_pushvalue(T, index);
    lua_rawseti(T, -2, (int)lua_rawlen(T, -2) + 1);
    lua_pop(T, 1);
    return;
  }
  tideL_pushinfo(T, index); /* leads the sentinel to the Task */
  lua_pushvalue(T, index);
  lua_setfield(T, -2, "task");
  tideL_newuserdata(T, sizeof(char));
  lua_pushvalue(T, -2);
  tideL_setuservalue(T, -2);
  tideL_own(T, OWN_SENTINEL);
  lua_setmetatable(T, -2);
  S->unseen++;
  if (S->prompt) {
    S->collect = true;
    tideL_wantchores(S);
  }
  lua_setfield(T, -2, "sentinel");
  lua_pop(T, 1);
}

/* Only queues: a finaliser runs at any moment, and during lua_close. */
static int sentinel__gc(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_task *handle;
  tideL_getuservalue(L, 1);
  lua_getfield(L, -1, "task");
  handle = lua_touserdata(L, -1);
  S->unseen--;
  if (handle->seen)
    return 0;
  tideL_own(L, OWN_REPORTS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  tideL_wantchores(S);
  return 0;
}

static void report_list(lua_State *T, tideL_state *S, int place) {
  int list, n;
  luaL_checkstack(T, 12, NULL);
  tideL_own(T, place);
  list = lua_gettop(T);
  if (lua_rawlen(T, list) > 0) {
    lua_newtable(T); /* which may run finalisers, that add to the list */
    lua_rawseti(T, UP_OWN, place);
  }
  n = (int)lua_rawlen(T, list);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(T, list, i);
    if (!((tideL_task *)lua_touserdata(T, -1))->seen)
      tideL_reportfailure(T, S, lua_gettop(T));
    lua_settop(T, list);
  }
  lua_pop(T, 1);
}

void tideL_flushreports(lua_State *T, tideL_state *S) {
  report_list(T, S, OWN_REPORTS);
}

void tideL_reportdrained(lua_State *L, tideL_state *S) {
  report_list(L, S, OWN_DRAINED);
}

void tideL_lastreports(lua_State *L, int own) {
  tideL_rawgeti(L, own, OWN_REPORTS);
  for (int i = 1, n = (int)lua_rawlen(L, -1); i <= n; i++) {
    const tideL_task *handle;
    const char *text = "an error object";
    lua_rawgeti(L, -1, i);
    handle = lua_touserdata(L, -1);
    tideL_getuservalue(L, -1);
    lua_getfield(L, -1, "error");
    if (lua_type(L, -1) == LUA_TTABLE) {
      lua_pushliteral(L, "message");
      lua_rawget(L, -2);
    }
    if (lua_type(L, -1) == LUA_TSTRING)
      text = lua_tostring(L, -1);
    if (handle->id == 0)
      fprintf(stderr, "tide: a future failed and nobody awaited it: %s\n",
              text);
    else
      fprintf(stderr, "tide: task-%u failed and nobody awaited it: %s\n",
              (unsigned)handle->id, text);
    lua_settop(L, 2);
  }
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/* Finalisers run: they may do anything but close the loop, and may fail. */
void tideL_reportunseen(lua_State *L, tideL_state *S) {
  if (S->unseen > 0) {
    lua_pushcfunction(L, collect);
    S->busy++;
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
      lua_pop(L, 1);
    S->busy--;
  }
  tideL_flushreports(L, S);
}

/* ---- swallowers ---- */

/* Out of memory one is not told of. */
void tideL_noteswallower(tideL_state *S, tideR_task *task) {
  if (S->swallower_count == S->swallower_room) {
    uint32_t room = 2 * S->swallower_room + 8;
    void *list = realloc(S->swallowers, room * sizeof *S->swallowers);
    if (list == NULL)
      return;
    S->swallowers = list;
    S->swallower_room = room;
  }
  S->swallowers[S->swallower_count++] = task;
  task->flags |= TASK_TELL;
  tideL_wantchores(S);
}

static void report_swallower(lua_State *T, tideL_state *S, tideR_task *task) {
  tideL_pushtask(T, S, task);
  tideL_pushname(T, lua_gettop(T));
  lua_pushfstring(T, "%s catches its cancellation and goes on",
                  lua_tostring(T, -1));
  tideL_pushreport(T, lua_tostring(T, -1), 0);
  lua_pushvalue(T, -4);
  lua_setfield(T, -2, "task");
  lua_pushinteger(T, (lua_Integer)tideR_task_swallowed(task));
  lua_setfield(T, -2, "swallowed");
  tideL_report(T, S);
  lua_pop(T, 3);
}

/* A record that lost its flag is another task's now. */
void tideL_reportswallowers(lua_State *T, tideL_state *S) {
  for (uint32_t i = 0; i < S->swallower_count; i++) {
    tideR_task *task = S->swallowers[i];
    if (!tideR_task_alive(task) || !(task->flags & TASK_TELL))
      continue;
    task->flags &= (uint16_t)~TASK_TELL;
    report_swallower(T, S, task);
  }
  S->swallower_count = 0;
}

void tideL_forgetswallowers(tideL_state *S) {
  free(S->swallowers);
  S->swallowers = NULL;
  S->swallower_count = S->swallower_room = 0;
}

void tideL_openreport(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", sentinel__gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"print_report", core_print_report},
      {"report", core_report},
      {"set_interactive", core_set_interactive},
      {NULL, NULL}};
  tideL_newclass(L, OWN_SENTINEL, "tide.sentinel", NULL, metamethods);
  lua_pop(L, 1);
  tideL_pushfunction(L, teller);
  lua_rawseti(L, UP_OWN, OWN_TELLER);
  tideL_setfunctions(L, functions);
}
