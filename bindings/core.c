/*
 * core.c: luaopen_tide_core; the state, its upvalues, its end.
 *
 * Teardown. The state is the first userdata made, so lua_close finalises it
 * last: until then whatever else is finalised finds it alive, with its runtime
 * NULL once closed. Freeing the runtime runs no Lua.
 */
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "hosting.h"
#include "streams.h"

void tideL_pushfunction(lua_State *L, lua_CFunction f) {
  for (int i = 1; i <= UPVALUES; i++)
    lua_pushvalue(L, lua_upvalueindex(i));
  lua_pushcclosure(L, f, UPVALUES);
}

void tideL_setfunctions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    tideL_pushfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

void tideL_newclass(lua_State *L, int place, const char *name,
                    const luaL_Reg *methods, const luaL_Reg *metamethods) {
  lua_newtable(L);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  tideL_setfunctions(L, metamethods);
  lua_newtable(L);
  if (methods != NULL)
    tideL_setfunctions(L, methods);
  lua_pushvalue(L, -2);
  lua_rawseti(L, UP_OWN, place);
  lua_getfield(L, -2, "__index");
  if (lua_isnil(L, -1)) { /* no function of its own: methods are looked up */
    lua_pushvalue(L, -2);
    lua_setfield(L, -4, "__index");
  }
  lua_pop(L, 1);
  lua_remove(L, -2);
}

void tideL_pushmethod(lua_State *L) {
  lua_getmetatable(L, 1);
  lua_getfield(L, -1, "methods");
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
}

/* ---- the runtime of a state ---- */

/* Settings are the loop's: a new one begins with these. */
static void set_defaults(tideL_state *S) {
  S->grace = 5;
  S->slow = 0.1;
  if (!S->embedded)
    S->blocking = true;
}

static int new_runtime(lua_State *L) {
  tideL_state *S = tideL_get(L);
  int err;
  lua_settop(L, 0);
  if (S->rt != NULL)
    return 0; /* a finaliser was quicker */
  err = tideR_runtime_new(&S->rt, &tideL_hooks, S, S->options.loop);
  S->loop_error = err;
  if (err < 0)
    return luaL_error(L, "tide: no event loop: %s", uv_strerror(err));
  S->serial++;
  S->pooled = 0;
  S->hosted = false;
  tideL_watch(S);
  if (S->options.size > 0 || S->embedded)
    tideL_useoptions(S);
  return 0;
}

void tideL_freeruntime(tideL_state *S) {
  tideR_runtime *rt = S->rt;
  void (*closed)(void *ud) = S->closed;
  if (rt == NULL)
    return;
  S->dropping = true; /* what is told now opens no other */
  tideL_dropwaiters(S);
  tideL_donefs(S);
  S->rt = NULL;
  S->serial++;
  tideL_dropdones(S);
  S->closed = NULL;
  tideR_runtime_free(rt, closed, S->closed_ud);
  S->dropping = false;
}

/* The child of a fork has a copy of the parent's loop: it gets its own. */
tideL_state *tideL_open(lua_State *L) {
  tideL_state *S = tideL_get(L);
  if (S->dead)
    luaL_error(L, "tide: the Lua state is being closed");
  if (S->rt != NULL && !tideL_isbusy(S) && tideR_loop_forked(S->rt)) {
    S->options.loop = NULL; /* a host's is in the parent */
    tideL_close(L, S);
  }
  if (S->dropping)
    luaL_error(L, "tide: the runtime is being closed");
  if (S->rt == NULL) {
    tideL_pushfunction(L, new_runtime);
    lua_call(L, 0, 0);
  }
  return S;
}

static void clear_table(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index);
  }
}

/* Their tasks are no more. Some had ended before. */
static void orphan_handles(lua_State *L, int handles) {
  for (lua_pushnil(L); lua_next(L, handles); lua_pop(L, 1)) {
    tideL_task *handle = lua_touserdata(L, -1);
    if (handle->outcome == OUTCOME_NONE)
      handle->outcome = OUTCOME_CLOSED;
  }
}

/* Coroutines that have not ended are closed where Lua can, which runs user
 * code: it may make tasks, but not close the loop. */
static void close_coroutines(lua_State *L, tideL_state *S) {
  bool inside = tideL_entercallback(L, S);
  S->busy++;
  for (uint32_t slot = 1; slot <= tideR_task_slots(S->rt); slot++) {
    const tideR_task *task = tideR_task_at(S->rt, slot);
    if (!tideR_task_alive(task) || task->coro == NULL)
      continue;
    tideL_callfor(L, S, task);
    if (tideL_rawgeti(L, UP_THREADS, (int)slot) == LUA_TTHREAD)
      tideL_closethread(lua_tothread(L, -1), L);
    lua_pop(L, 1);
  }
  S->busy--;
  tideL_leavecallback(L, S, inside);
}

void tideL_close(lua_State *L, tideL_state *S) {
  static const int per_runtime[] = {
      OWN_SCOPES,    OWN_REASONS, OWN_CALLS,  OWN_PARKED,   OWN_PUTTING,
      OWN_PINNED,    OWN_LINKS,   OWN_GROUPS, OWN_DETACHED, OWN_CONTEXTS,
      OWN_ARGUMENTS, OWN_SIGNALS, OWN_STDIO};
  if (S->rt == NULL)
    return;
  close_coroutines(L, S);
  tideL_endtrace(L, S);
  tideL_orphanlinks(L);
  orphan_handles(L, UP_HANDLES);
  tideL_freeruntime(S);
  S->current = S->spawning = NULL;
  S->mainthread = NULL;
  tideL_forgetswallowers(S);
  tideL_forgetcalls(S);
  S->aborts = S->last_abort = NULL;
  S->detached = 0;
  tideL_freelinks(S);
  clear_table(L, UP_THREADS);
  clear_table(L, UP_HANDLES);
  for (size_t i = 0; i < sizeof per_runtime / sizeof *per_runtime; i++) {
    tideL_own(L, per_runtime[i]);
    clear_table(L, -1);
    lua_pop(L, 1);
  }
  tideL_disown(L, OWN_LOOPOBJ);
  tideL_disown(L, OWN_HANDLER);
  tideL_unwatch(S);
  set_defaults(S);
  tideL_setdebug(L, S, tideL_debugwanted());
}

/* lua_close, or nothing of tide is left: no Lua is called any more. */
static int state__gc(lua_State *L) {
  tideL_state *S = lua_touserdata(L, 1);
  tideR_runtime *rt = S->rt;
  uint32_t fresh = 0;
  tideL_stoptrace(S);
  tideL_unwatch(S);
  S->dead = true;
  tideL_lastreports(L, lua_upvalueindex(1));
  orphan_handles(L, lua_upvalueindex(2));
  for (uint32_t slot = 1; rt && slot <= tideR_task_slots(rt); slot++) {
    const tideR_task *task = tideR_task_at(rt, slot);
    fresh += tideR_task_alive(task) && task->flags & TIDE_FRESH;
  }
  if (fresh > 0 && !tideR_loop_forked(rt))
    fprintf(stderr,
            "tide: %u task%s never ran: nothing ran the loop; "
            "await them, or start them in tide.run\n",
            (unsigned)fresh, fresh == 1 ? "" : "s");
  tideL_freeruntime(S);
  tideL_forgetheld(S);
  tideL_forgetswallowers(S);
  tideL_forgetcalls(S);
  tideL_freelinks(S);
  return 0;
}

/* ---- small functions of the module ---- */

/* stats(): counts, as a table */
static int core_stats(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_stats stats = {0};
  if (S->rt != NULL)
    tideR_runtime_stats(S->rt, &stats);
  const struct {
    const char *name;
    uint64_t value;
  } fields[] = {{"tasks", stats.tasks},       {"ready", stats.ready},
                {"sleeping", stats.sleeping}, {"timers", stats.timers},
                {"handles", stats.handles},   {"switches", stats.switches},
                {"turns", stats.turns},       {"spawned", stats.spawned},
                {"polls", stats.polls},       {"wakers", stats.wakers},
                {"recycled", S->recycled},    {"swallowed", stats.swallowed}};
  lua_createtable(L, 0, sizeof fields / sizeof *fields);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    tideL_setcount(L, fields[i].name, fields[i].value);
  return 1;
}

/* ---- opening ---- */

static void new_weak(lua_State *L, const char *mode) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

static void own_table(lua_State *L, int place, const char *mode) {
  if (mode != NULL)
    new_weak(L, mode);
  else
    lua_newtable(L);
  lua_rawseti(L, UP_OWN, place);
}

static lua_State *own_thread(lua_State *L, int key) {
  lua_State *thread = lua_newthread(L);
  lua_rawseti(L, UP_OWN, key);
  return thread;
}

/* A closure over the upvalues: makes the module and all that it owns. */
static int open_module(lua_State *L) {
  static const luaL_Reg functions[] = {{"stats", core_stats}, {NULL, NULL}};
  tideL_state *S = tideL_get(L);
  own_table(L, OWN_SCOPES, "v");
  own_table(L, OWN_REASONS, NULL);
  own_table(L, OWN_CALLS, NULL);
  own_table(L, OWN_PARKED, NULL);
  own_table(L, OWN_CONTEXTS, NULL);
  own_table(L, OWN_ARGUMENTS, NULL);
  own_table(L, OWN_PUTTING, NULL);
  own_table(L, OWN_PINNED, NULL);
  own_table(L, OWN_LINKS, NULL);
  own_table(L, OWN_DETACHED, "k");
  own_table(L, OWN_INNER, "kv");
  own_table(L, OWN_EXPOSED, "k");
  own_table(L, OWN_SIGNALS, NULL);
  own_table(L, OWN_STDIO, NULL);
  own_table(L, OWN_RAISED, "v");
  own_table(L, OWN_REPORTS, NULL);
  own_table(L, OWN_DRAINED, NULL);
  own_table(L, OWN_GROUPS, NULL);
  S->thread = own_thread(L, -1);
  S->starter = own_thread(L, -2);
  lua_newtable(L);
  tideL_openyieldable(L);
  tideL_openerrors(L);
  tideL_opentraceback(L);
  tideL_openchain(L);
  tideL_openreport(L);
  tideL_openleaks(L);
  tideL_opentree(L);
  tideL_opentrace(L);
  tideL_opencoroutine(L);
  tideL_opentask(L);
  tideL_openscope(L);
  tideL_openscopebox(L);
  tideL_opensleep(L);
  tideL_openpark(L);
  tideL_opencontext(L);
  tideL_opensemaphore(L);
  tideL_openevent(L);
  tideL_openjoin(L);
  tideL_openfuture(L);
  tideL_opengather(L);
  tideL_opengroup(L);
  tideL_openlock(L);
  tideL_opencondition(L);
  tideL_openbarrier(L);
  tideL_openqueue(L);
  tideL_openpriority(L);
  tideL_openforeign(L);
  tideL_openrun(L);
  tideL_openloop(L);
  tideL_opencall(L);
  tideL_opensignal(L);
  tideL_openbreak(L);
  tideL_openlistener(L);
  tideL_openstream(L);
  tideL_opentcp(L);
  tideL_openserver(L);
  tideL_opendns(L);
  tideL_openudp(L);
  tideL_openfs(L);
  tideL_openfswrite(L);
  tideL_openfsdir(L);
  tideL_openstdio(L);
  tideL_openpoll(L);
  tideL_openfsfile(L);
  tideL_openwatchdir(L);
  tideL_openprocess(L);
  tideL_opentesting(L);
  tideL_openended(L);
  tideL_openhost(L);
  tideL_setfunctions(L, functions);
  tideL_setdebug(L, S, tideL_debugwanted());
  lua_pushvalue(L, -1);
  lua_rawseti(L, UP_OWN, OWN_MODULE);
  return 1;
}

/* Nothing may be asked of the wrong Lua but to raise an error: even its
 * registry has another index. */
static void check_lua(lua_State *L) {
#ifdef TIDE_WEAK
  static const char *const names[] = {"LuaJIT",  "Lua 5.1", "Lua 5.2",
                                      "Lua 5.3", "Lua 5.4", "Lua 5.5"};
  int ours = TIDE_LUAJIT ? 0 : LUA_VERSION_NUM - 500, theirs = 1;
  if (&tideL_isjit != NULL)
    theirs = 0;
  else if (&tideL_is55 != NULL)
    theirs = 5;
  else if (&tideL_is54 != NULL)
    theirs = 4;
  else if (&tideL_is53 != NULL)
    theirs = 3;
  else if (&tideL_is52 != NULL)
    theirs = 2;
  if (ours != theirs)
    luaL_error(L,
               "this tide.core was built for %s, and loaded by %s: mend "
               "package.cpath, or build tide for this Lua",
               names[ours], names[theirs]);
#else
  (void)L;
#endif
}

/* Pushes a function with our upvalues, made for this first opening. */
static void push_opener(lua_State *L) {
  tideL_state *S = lua_newuserdata(L, sizeof *S);
  memset(S, 0, sizeof *S); /* closed: if what follows raises, nothing leaks */
  set_defaults(S);
  lua_newtable(L); /* threads, handles, own */
  new_weak(L, "v");
  lua_createtable(L, OWN_ERRORS + TIDEL_CLASSES, 2);
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_pushcclosure(L, state__gc, 2);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "tide.state");
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -5);
  lua_pushcclosure(L, open_module, UPVALUES);
}

/* Opening again, also after package.loaded was cleared, gives the same. */
int luaopen_tide_core(lua_State *L) {
  check_lua(L);
  tideL_checkcopy(L);
  if (tideL_getfield(L, LUA_REGISTRYINDEX, "tide.core") == LUA_TTABLE) {
    tideL_rawgeti(L, -1, OWN_MODULE);
    return 1;
  }
  tideL_markcopy(L);
  tideL_preload(L);
  push_opener(L);
  lua_getupvalue(L, -1, UPVALUES); /* the table of what we own */
  lua_insert(L, -2);
  lua_call(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, "tide.core");
  return 1;
}
