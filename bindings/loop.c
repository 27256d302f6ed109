/*
 * loop.c: the loop object, run, callbacks; the protected calls around it all.
 *
 * The runtime calls its hooks from drive's or step's protected call on
 * S->thread. An error that leaves a hook (out of memory) ends the task that
 * ran, and the loop goes on.
 */
#include <math.h>
#include <stdlib.h>

#include "bindings.h"

/* ---- driving ---- */

/* stack of S->thread: <drive, step, recover, close> */
enum { T_DRIVE = 1, T_STEP, T_RECOVER, T_CLOSE };

static int resume_body(lua_State *T, tideL_state *S, int err) {
  if (err == 0) {
    tideL_resumeall(T, S);
    tide_loop_end(S->rt);
    err = tide_loop_ready(S->rt);
  }
  lua_pushinteger(T, err);
  return 1;
}

static int drive_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  return resume_body(T, S, tide_loop_begin(S->rt));
}

static int step_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  double budget = lua_tonumber(T, 1);
  return resume_body(T, S, tide_loop_begin_step(S->rt, budget));
}

static int recover_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  tideL_failtask(T, S, lua_touserdata(T, 2));
  return 0;
}

/* The error on top left a hook. */
static void recover(tideL_state *S) {
  lua_State *T = S->thread;
  tide_task *task = tide_recover(S->rt);
  S->current = NULL;
  S->failed = false;
  if (task == NULL)
    return;
  lua_pushvalue(T, T_RECOVER);
  lua_insert(T, -2);
  lua_pushlightuserdata(T, task);
  if (lua_pcall(T, 2, 0, 0) != LUA_OK && task->state != TIDE_TASK_FREE) {
    task->coro = NULL; /* not even its end could be told */
    tide_task_finish(S->rt, task);
  }
}

int tideL_drive(tideL_state *S) {
  lua_State *T = S->thread;
  int err;
  for (;;) {
    lua_settop(T, T_CLOSE);
    lua_pushvalue(T, T_DRIVE);
    if (lua_pcall(T, 0, 1, 0) == LUA_OK)
      break;
    recover(S);
  }
  err = (int)lua_tointeger(T, -1);
  lua_settop(T, T_CLOSE);
  return err < 0 ? err : 0;
}

int tideL_step(tideL_state *S, double budget) {
  lua_State *T = S->thread;
  int result = 1;
  if (tideL_isbusy(S))
    return UV_EBUSY;
  S->hosted = true;
  lua_settop(T, T_CLOSE);
  lua_pushvalue(T, T_STEP);
  lua_pushnumber(T, budget);
  if (lua_pcall(T, 1, 1, 0) == LUA_OK)
    result = (int)lua_tointeger(T, -1);
  else
    recover(S);
  lua_settop(T, T_CLOSE);
  return result;
}

static int close_body(lua_State *T) {
  tideL_close(T, tideL_get(T));
  return 0;
}

int tideL_shut(tideL_state *S) {
  lua_State *T = S->thread;
  int err = 0;
  lua_settop(T, T_CLOSE);
  lua_pushvalue(T, T_CLOSE);
  if (lua_pcall(T, 0, 0, 0) != LUA_OK)
    err = UV_ENOMEM;
  lua_settop(T, T_CLOSE);
  return err;
}

/* ---- callbacks ---- */

/* CALLS[slot] = the function, or a table of it and its n arguments. */
static void store_call(lua_State *L, const tide_call *call, int n) {
  if (n > 0 || lua_istable(L, -1)) {
    lua_createtable(L, n + 1, 1);
    lua_insert(L, -n - 2);
    for (int i = n + 1; i >= 1; i--)
      lua_rawseti(L, -i - 1, i);
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
  }
  tideL_own(L, OWN_CALLS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (int)call->slot);
  lua_pop(L, 1);
}

static tide_call *call_at(lua_State *L, tideL_state *S, uint64_t when, int n) {
  tide_call *call;
  int err = when == 0 ? tide_call_soon(S->rt, &call)
                      : tide_call_at(S->rt, when, &call);
  if (err < 0)
    luaL_error(L, "not enough memory");
  store_call(L, call, n);
  return call;
}

void tideL_callsoon(lua_State *L, tideL_state *S, int n) {
  call_at(L, S, 0, n);
}

/* A call without a function is our own: see chores. */
void tideL_wantchores(tideL_state *S) {
  tide_call *call;
  if (S->rt != NULL && !S->chores && tide_call_soon(S->rt, &call) == 0)
    S->chores = true;
}

static void chores(lua_State *T, tideL_state *S) {
  S->chores = false;
  if (S->swallowers)
    tideL_reportswallowers(T, S);
  if (S->aborts)
    tideL_runaborts(T, S);
  tideL_flushreports(T, S);
}

/* Pushes the function and its arguments: how many; -1: there is none. */
static int take_call(lua_State *T, const tide_call *call) {
  int n = 0, type;
  tideL_own(T, OWN_CALLS);
  type = tide_rawgeti(T, -1, (int)call->slot);
  lua_pushnil(T);
  lua_rawseti(T, -3, (int)call->slot);
  lua_remove(T, -2);
  if (type == LUA_TNIL)
    return -1;
  if (type == LUA_TTABLE) {
    lua_getfield(T, -1, "n");
    n = (int)lua_tointeger(T, -1);
    lua_pop(T, 1);
    luaL_checkstack(T, n + 1, "too many arguments");
    for (int i = 1; i <= n + 1; i++)
      lua_rawgeti(T, -i, i);
    lua_remove(T, -n - 2);
  }
  return n;
}

void tideL_oncall(tide_runtime *rt, tide_call *call) {
  tideL_state *S = tide_runtime_data(rt);
  lua_State *T = S->thread;
  int top = lua_gettop(T), n;
  tideL_own(T, OWN_NOTER);
  n = take_call(T, call);
  if (n < 0) {
    chores(T, S);
  } else if (lua_pcall(T, n, 0, top + 1) != LUA_OK) {
    tideL_pushreport(T, "error in a callback", -1);
    tideL_report(T, S);
  }
  lua_settop(T, top);
}

/* ---- handles of delayed calls ---- */

#define TIMER_MAGIC 0x74696d65u

typedef struct tideL_timer {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  uint32_t slot, use;
  uint64_t when;
  bool cancelled;
} tideL_timer;

static tideL_timer *check_timer(lua_State *L, const char *function) {
  tideL_timer *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self ||
      self->magic != TIMER_MAGIC)
    tideL_typeerror(L, 1, function, "Handle");
  return self;
}

/* Handle:cancel(): it will not be called */
static int timer_cancel(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_timer *self = check_timer(L, "Handle:cancel");
  tide_call *call = NULL;
  if (S->rt != NULL && self->serial == S->serial)
    call = tide_call_find(S->rt, self->slot, self->use);
  if (call != NULL) {
    tideL_own(L, OWN_CALLS);
    lua_pushboolean(L, 0); /* no function; nor a chore of ours */
    lua_rawseti(L, -2, (int)self->slot);
    tide_call_cancel(S->rt, call);
    self->cancelled = true;
  }
  return 0;
}

static int timer_cancelled(lua_State *L) {
  lua_pushboolean(L, check_timer(L, "Handle:cancelled")->cancelled);
  return 1;
}

static int timer_when(lua_State *L) {
  lua_pushnumber(L, (lua_Number)check_timer(L, "Handle:when")->when / 1e9);
  return 1;
}

/* ---- the loop object ---- */

#define LOOP_MAGIC 0x6c6f6f70u

typedef struct tideL_loop {
  uint32_t magic;
  uint32_t serial;
} tideL_loop;

static bool is_open(const tideL_state *S, const tideL_loop *self) {
  return S->rt != NULL && self->serial == S->serial;
}

static tideL_loop *to_loop(lua_State *L, const char *function) {
  tideL_loop *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self ||
      self->magic != LOOP_MAGIC)
    tideL_typeerror(L, 1, function, "Loop");
  return self;
}

static tideL_state *check_loop(lua_State *L, const char *function) {
  tideL_state *S = tideL_get(L);
  if (!is_open(S, to_loop(L, function)))
    tideL_error(L, "'%s': the loop is closed", function);
  return S;
}

/* loop(): the loop of this state */
static int core_loop(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  if (tideL_own(L, OWN_LOOPOBJ) != LUA_TUSERDATA) {
    tideL_loop *self = tide_newuserdata(L, sizeof *self);
    *self = (tideL_loop){LOOP_MAGIC, S->serial};
    tideL_own(L, OWN_LOOP);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, UP_OWN, OWN_LOOPOBJ);
  }
  return 1;
}

static int loop_time(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:time");
  lua_pushnumber(L, (lua_Number)tide_now(S->rt) / 1e9);
  return 1;
}

/* stack: <function, arguments...>, from `first` on */
static int schedule(lua_State *L, tideL_state *S, int first, uint64_t when) {
  tide_call *call = call_at(L, S, when, lua_gettop(L) - first);
  tideL_timer *self = tide_newuserdata(L, sizeof *self);
  *self = (tideL_timer){TIMER_MAGIC,
                        S->serial,
                        call->slot,
                        call->serial,
                        when != 0 ? when : tide_now(S->rt),
                        false};
  tideL_own(L, OWN_TIMER);
  lua_setmetatable(L, -2);
  return 1;
}

static int loop_call_soon(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:call_soon");
  tideL_checkcallable(L, 2, "Loop:call_soon");
  return schedule(L, S, 2, 0);
}

static int loop_call_later(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:call_later");
  lua_Number seconds = tideL_checkseconds(L, 2, "Loop:call_later");
  double now = (double)tide_now(S->rt) / 1e9;
  tideL_checkcallable(L, 3, "Loop:call_later");
  if (seconds >= 0)
    return schedule(L, S, 3, tide_deadline(S->rt, seconds));
  seconds += now; /* the past, too, comes in order */
  return schedule(L, S, 3, seconds > 0 ? tide_instant(seconds) : 1);
}

static int loop_call_at(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:call_at");
  lua_Number when = tideL_checkseconds(L, 2, "Loop:call_at");
  tideL_checkcallable(L, 3, "Loop:call_at");
  return schedule(L, S, 3, when > 0 ? tide_instant(when) : 1);
}

static int loop_is_running(lua_State *L) {
  lua_pushboolean(L, tide_loop_running(check_loop(L, "Loop:is_running")->rt));
  return 1;
}

static int loop_is_closed(lua_State *L) {
  const tideL_loop *self = to_loop(L, "Loop:is_closed");
  lua_pushboolean(L, !is_open(tideL_get(L), self));
  return 1;
}

static void refuse_finaliser(lua_State *L, const char *function) {
  if (tideL_infinaliser(L))
    tideL_error(L, "'%s' cannot be called in a finaliser", function);
}

/* Loop:close(): again is fine, while it runs is not */
static int loop_close(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_loop *self = to_loop(L, "Loop:close");
  if (!is_open(S, self))
    return 0;
  if (tideL_isbusy(S))
    return tideL_error(L, "'Loop:close': the loop is running");
  refuse_finaliser(L, "Loop:close");
  tideL_reportunseen(L, S);
  tideL_close(L, S);
  return 0;
}

/* Loop:step([budget]): for hosts; whether work is ready */
static int loop_step(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:step");
  double budget =
      lua_isnoneornil(L, 2) ? 0 : tideL_checkseconds(L, 2, "Loop:step");
  int result;
  refuse_finaliser(L, "Loop:step");
  result = tideL_step(S, budget);
  if (result < 0)
    return tideL_error(L, "'Loop:step': the loop is running");
  lua_pushboolean(L, result > 0);
  return 1;
}

static int loop_fd(lua_State *L) {
  int fd = tide_loop_fd(check_loop(L, "Loop:fd")->rt);
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
}

static int loop_next_timeout(lua_State *L) {
  lua_pushnumber(L, tide_loop_timeout(check_loop(L, "Loop:next_timeout")->rt));
  return 1;
}

static int loop_alive(lua_State *L) {
  lua_pushboolean(L, tide_loop_alive(check_loop(L, "Loop:alive")->rt));
  return 1;
}

/* ---- settings ---- */

static bool check_boolean(lua_State *L, const char *function) {
  if (!lua_isboolean(L, 2))
    tideL_typeerror(L, 2, function, "boolean");
  return lua_toboolean(L, 2);
}

static int loop_set_exception_handler(lua_State *L) {
  check_loop(L, "Loop:set_exception_handler");
  if (!lua_isnoneornil(L, 2))
    tideL_checkcallable(L, 2, "Loop:set_exception_handler");
  lua_settop(L, 2);
  lua_rawseti(L, UP_OWN, OWN_HANDLER);
  return 0;
}

static int loop_get_exception_handler(lua_State *L) {
  check_loop(L, "Loop:get_exception_handler");
  tideL_own(L, OWN_HANDLER);
  return 1;
}

static int loop_set_debug(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_debug");
  S->debug = check_boolean(L, "Loop:set_debug");
  return 0;
}

static int loop_get_debug(lua_State *L) {
  lua_pushboolean(L, check_loop(L, "Loop:get_debug")->debug);
  return 1;
}

static int loop_set_blocking(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_blocking");
  S->blocking = check_boolean(L, "Loop:set_blocking");
  return 0;
}

static int loop_set_interrupt(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_interrupt");
  int err = 0;
  if (check_boolean(L, "Loop:set_interrupt"))
    err = tide_interrupt_watch(S->rt);
  else
    tide_interrupt_unwatch(S->rt);
  if (err == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, uv_strerror(err));
  lua_pushstring(L, uv_err_name(err));
  return 3;
}

/* Loop:set_grace(seconds): how long run waits for what it cancelled */
static int loop_set_grace(lua_State *L) {
  tideL_state *S = check_loop(L, "Loop:set_grace");
  S->grace = fmax(tideL_checkseconds(L, 2, "Loop:set_grace"), 0);
  return 0;
}

/* stack: <self, key>. slow_callback_duration is a field, as asyncio's. */
static int loop__index(lua_State *L) {
  to_loop(L, "Loop");
  lua_pushliteral(L, "slow_callback_duration");
  if (lua_rawequal(L, 2, 3)) {
    lua_pushnumber(L, tideL_get(L)->slow);
    return 1;
  }
  lua_getmetatable(L, 1);
  lua_getfield(L, -1, "methods");
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

static int loop__newindex(lua_State *L) {
  to_loop(L, "Loop");
  lua_pushliteral(L, "slow_callback_duration");
  if (!lua_rawequal(L, 2, 4)) {
    tideL_tostring(L, 2);
    return tideL_error(L, "a Loop has no field '%s' to set",
                       lua_tostring(L, -1));
  }
  tideL_get(L)->slow = tideL_checkseconds(L, 3, "Loop.slow_callback_duration");
  return 0;
}

/* ---- run ---- */

static void each_young(tideL_state *S,
                       void (*end)(tide_runtime *, tide_task *)) {
  for (uint32_t slot = 1; slot <= tide_task_slots(S->rt); slot++) {
    tide_task *task = tide_task_at(S->rt, slot);
    if (tide_task_alive(task) && task != S->spawning &&
        tide_task_is_young(S->rt, task))
      end(S->rt, task);
  }
}

static void cancel(tide_runtime *rt, tide_task *task) {
  tide_task_cancel(rt, task);
}

/* Who only waits for another's end gets it by the other's being given up. */
static void give_up_stubborn(tide_runtime *rt, tide_task *task) {
  if (!(task->flags & TIDE_LEAVING))
    tide_task_give_up(rt, task);
}

/* Ends those that are there now: true if they have ended. */
static bool drain(tideL_state *S, void (*end)(tide_runtime *, tide_task *),
                  double seconds) {
  tide_loop_drain(S->rt, true);
  each_young(S, end);
  if (tide_young_count(S->rt) > 0 &&
      tide_loop_stop_after(S->rt, seconds) == 0) {
    tideL_drive(S);
    tide_loop_stop_after(S->rt, -1);
  }
  return tide_young_count(S->rt) == 0;
}

/* What run started and did not wait for is cancelled and awaited; then what
 * that started in turn. What is left after the grace is abandoned. */
static void wind_up(tideL_state *S) {
  uint64_t until = tide_deadline(S->rt, S->grace);
  double left = S->grace;
  bool done = false;
  S->draining = true;
  while (!done && left > 0) {
    done = drain(S, cancel, left);
    left = ((double)until - (double)tide_now(S->rt)) / 1e9;
    if (!done && !tide_loop_alive(S->rt))
      break;
  }
  for (int i = 0; i < 5 && !done; i++)
    done = drain(S, i < 3 ? give_up_stubborn : tide_task_give_up, 0);
  tide_loop_drain(S->rt, false);
  S->draining = false;
}

/* Done callbacks of what ended last have a turn, too, and may start others. */
static void end_turns(tideL_state *S) {
  for (int i = 0; i < 3; i++) {
    wind_up(S);
    tide_loop_stop(S->rt); /* one turn */
    tideL_drive(S);
    if (tide_young_count(S->rt) == 0)
      break;
  }
}

static void leave_process(lua_State *L, const tideL_state *S) {
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  lua_getfield(L, -1, "os");
  lua_getfield(L, -1, "exit");
  lua_pushinteger(L, S->exitcode);
  lua_pushboolean(L, 1);
  lua_call(L, 2, 0);
}

/* run(f, ...): f as the main task, then what is left is ended; f's results */
static int core_run(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tideL_task *handle;
  tide_young saved;
  bool interrupted;
  tideL_checkcallable(L, 1, "tide.run");
  if (tideL_isbusy(S))
    return tideL_error(L, "'tide.run' cannot be called while the loop runs: "
                          "call the function, or give it to tide.task");
  if (S->hosted || !S->blocking)
    return tideL_error(L, "'tide.run' cannot block here: %s",
                       S->hosted ? "a host steps the loop"
                                 : "set_blocking(false) was called");
  refuse_finaliser(L, "tide.run");
  saved = tide_young_begin(S->rt);
  tide_loop_main(S->rt, tideL_spawn(L, S, lua_gettop(L) - 1));
  handle = lua_touserdata(L, 1);
  handle->seen = true; /* its error is raised here */
  while (handle->outcome == OUTCOME_NONE && tideL_drive(S) == 0)
    continue;
  end_turns(S);
  tide_young_restore(S->rt, saved);
  tideL_reportdrained(L, S);
  tideL_reportunseen(L, S);
  interrupted = tide_interrupt_take(S->rt);
  if (S->exiting)
    leave_process(L, S);
  if (interrupted && handle->outcome == OUTCOME_CANCELLED)
    return tideL_raise(L, TIDEL_INTERRUPTED, "interrupted");
  return tideL_pushoutcome(L, 1);
}

/* begin_exit(code): run will leave the process; cancels its main task */
static int core_begin_exit(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tide_task *main = S->rt != NULL ? tide_loop_mainof(S->rt) : NULL;
  S->exitcode = (int)luaL_optinteger(L, 1, 0);
  if (main == NULL)
    leave_process(L, S);
  S->exiting = true;
  tide_task_cancel(S->rt, main);
  return 0;
}

/* is_main(): whether the main task of run is what runs now */
static int core_is_main(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, S->current != NULL && S->current->coro == L &&
                         S->current == tide_loop_mainof(S->rt));
  return 1;
}

/* set_script(): the main task is a script of bin/tide */
static int core_set_script(lua_State *L) {
  tideL_get(L)->script = true;
  return 0;
}

static int core_in_script(lua_State *L) {
  lua_pushboolean(L, tideL_get(L)->script);
  return 1;
}

/* is_running() */
static int core_is_running(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, tideL_isbusy(S));
  return 1;
}

void tideL_openloop(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"time", loop_time},
      {"call_soon", loop_call_soon},
      {"call_later", loop_call_later},
      {"call_at", loop_call_at},
      {"is_running", loop_is_running},
      {"is_closed", loop_is_closed},
      {"close", loop_close},
      {"step", loop_step},
      {"fd", loop_fd},
      {"next_timeout", loop_next_timeout},
      {"alive", loop_alive},
      {"set_exception_handler", loop_set_exception_handler},
      {"get_exception_handler", loop_get_exception_handler},
      {"set_debug", loop_set_debug},
      {"get_debug", loop_get_debug},
      {"set_blocking", loop_set_blocking},
      {"set_interrupt", loop_set_interrupt},
      {"set_grace", loop_set_grace},
      {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__index", loop__index}, {"__newindex", loop__newindex}, {NULL, NULL}};
  static const luaL_Reg timermethods[] = {{"cancel", timer_cancel},
                                          {"cancelled", timer_cancelled},
                                          {"when", timer_when},
                                          {NULL, NULL}};
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg functions[] = {{"loop", core_loop},
                                       {"run", core_run},
                                       {"is_main", core_is_main},
                                       {"begin_exit", core_begin_exit},
                                       {"is_running", core_is_running},
                                       {"set_script", core_set_script},
                                       {"in_script", core_in_script},
                                       {NULL, NULL}};
  lua_State *T = tideL_get(L)->thread;
  tideL_newclass(L, OWN_LOOP, "tide.Loop", methods, metamethods);
  tideL_own(L, OWN_LOOP);
  lua_insert(L, -2);
  lua_setfield(L, -2, "methods");
  lua_pop(L, 1);
  tideL_newclass(L, OWN_TIMER, "tide.Handle", timermethods, none);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
  tideL_pushfunction(L, drive_body);
  tideL_pushfunction(L, step_body);
  tideL_pushfunction(L, recover_body);
  tideL_pushfunction(L, close_body);
  lua_xmove(L, T, T_CLOSE);
}
