/*
 * run.c: driving the loop, run and exit; the protected calls around it all.
 *
 * Tasks are resumed and callbacks called in drive's or step's protected call on
 * S->thread. An error that leaves it (out of memory) ends the task that ran,
 * and the loop goes on.
 */
#include <stdlib.h>

#include "../runtime/processes.h"
#include "../runtime/standard.h"
#include "hosting.h"

/* ---- driving ---- */

#ifdef TIDE_GCSTRESS

/* At the first steps of each entry into the loop, as long as the heap is small
 * and not too many were. Else the more seldom the larger it is, or specs of
 * 100,000 tasks would not end. */
static unsigned steps, skip, left = 40 * TIDE_GCSTRESS;

/* While a test denies it, a collection would only show that Lua forgets the
 * finalisers that it cannot call: see doc/reliability.md. */
static bool has_memory(lua_State *L) {
  void *ud, *block = NULL;
  lua_Alloc allocate = lua_getallocf(L, &ud);
  for (int i = 0; i < 2 && block == NULL; i++) /* one may fail alone */
    block = allocate(ud, NULL, 0, 64);
  if (block != NULL)
    allocate(ud, block, 64, 0);
  return block != NULL;
}

void tideL_stress(lua_State *L) {
  int kilobytes = lua_gc(L, LUA_GCCOUNT, 0);
  bool always = steps++ < TIDE_GCSTRESS && left > 0 && kilobytes < 16 * 1024;
  if (always) {
    left--;
  } else if (skip > 0) {
    skip--;
    return;
  }
  if (!has_memory(L))
    return;
  lua_gc(L, LUA_GCCOLLECT, 0);
  skip = 100 + (unsigned)kilobytes / 16;
}

void tideL_stressstopped(lua_State *L, int status) {
  tideL_state *S = tideL_get(L);
  if (status == LUA_YIELD && S->current != NULL &&
      S->current->state != TIDE_TASK_RUNNING)
    tideL_parked(S, S->current);
  tideL_stress(L);
}

static void stress_again(void) {
  steps = 0;
}

#else
#define stress_again() ((void)0)
#endif

/* stack of S->thread: <drive, step, recover, close> */
enum { T_DRIVE = 1, T_STEP, T_RECOVER, T_CLOSE };

static int resume_body(lua_State *T, tideL_state *S, int err) {
  if (err == 0) {
    tideL_resumeall(T, S);
    tideR_loop_end(S->rt);
    err = tideR_loop_ready(S->rt);
  }
  lua_pushinteger(T, err);
  return 1;
}

static int drive_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  stress_again();
  S->entered = true;
  return resume_body(T, S, tideR_loop_begin(S->rt));
}

static int step_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  double budget = lua_tonumber(T, 1);
  stress_again();
  return resume_body(T, S, tideR_loop_begin_step(S->rt, budget));
}

static int recover_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  tideL_failtask(T, S, S->failing);
  return 0;
}

/* The error on top left a hook. */
static void recover(tideL_state *S) {
  lua_State *T = S->thread;
  tideR_task *task = tideR_recover(S->rt);
  S->current = NULL;
  S->failed = S->starting = S->calling = false;
  S->busy = 0;
  if (task == NULL)
    return;
  lua_pushvalue(T, T_RECOVER);
  lua_insert(T, -2);
  S->failing = task; /* on LuaJIT even a light userdata may need memory */
  if (lua_pcall(T, 1, 0, 0) != LUA_OK)
    tideL_endtask(S, task);
}

/* Out of memory for the very call the loop cannot run at all. */
int tideL_drive(tideL_state *S) {
  lua_State *T = S->thread;
  int err;
  while (!S->closing) {
    lua_settop(T, T_CLOSE);
    lua_pushvalue(T, T_DRIVE);
    S->entered = false;
    if (lua_pcall(T, 0, 1, 0) == LUA_OK) {
      err = (int)lua_tointeger(T, -1);
      lua_settop(T, T_CLOSE);
      if (S->closing)
        break;
      return err < 0 ? err : 0;
    }
    if (!S->entered) {
      lua_settop(T, T_CLOSE);
      return UV_ENOMEM;
    }
    recover(S);
  }
  return UV_ECANCELED;
}

static int step(tideL_state *S, double budget) {
  lua_State *T = S->thread;
  int result = 1;
  if (tideR_loop_step_is_poll(S->rt))
    return tideR_loop_ready(S->rt);
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

int tideL_step(tideL_state *S, double budget) {
  int result;
  if (tideL_isbusy(S))
    return UV_EBUSY;
  if (tideR_loop_is_borrowed(S->rt))
    return UV_ENOTSUP;
  if (!S->hosted && !S->embedded)
    tideR_loop_announce(S->rt, NULL); /* a host in Lua polls the descriptor */
  S->hosted = true;
  result = step(S, budget);
  return tideL_closenow(S) ? UV_ECANCELED : result;
}

void tideL_hostturn(tideL_state *S, double budget) {
  step(S, budget);
  tideL_closenow(S);
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

int tideL_raiseclosed(lua_State *L, tideL_state *S) {
  tideL_closenow(S);
  tideL_switchback(L);
  return tideL_error(L, "the runtime was closed by the program");
}

/* ---- run ---- */

static void cancel(tideR_runtime *rt, tideR_task *task) {
  tideR_task_cancel(rt, task);
}

/* Who only waits for another's end gets it by the other's being given up. */
static void give_up_stubborn(tideR_runtime *rt, tideR_task *task) {
  if (!tideR_task_stays(task))
    tideR_task_give_up(rt, task);
}

/* Ends those that are there now and were not there at the last time, as *last
 * tells: true if all have ended. */
static bool drain(tideL_state *S, void (*end)(tideR_runtime *, tideR_task *),
                  double seconds, uint64_t *last) {
  uint64_t id = *last;
  uint32_t slot = 0;
  tideR_task *task;
  *last = tideR_loop_drain(S->rt, true);
  if (tideR_young_count(S->rt) == 0)
    return true;
  while ((task = tideR_young_next(S->rt, id, &slot)) != NULL)
    end(S->rt, task);
  if (tideR_loop_stop_after(S->rt, seconds) == 0) {
    int err = tideL_drive(S);
    tideR_loop_stop_after(S->rt, -1);
    if (err < 0)
      return true; /* more of it would not help */
  }
  return tideR_young_count(S->rt) == 0;
}

/* What run started and did not wait for is cancelled and awaited; then what
 * that started in turn. What is left after the grace is abandoned. */
static void wind_up(tideL_state *S) {
  uint64_t until = tideR_deadline(S->rt, S->grace), last = 0;
  double left = S->grace;
  bool done = false;
  S->draining = true;
  do {
    done = drain(S, cancel, left, &last);
    left = ((double)until - (double)tideR_now(S->rt)) / 1e9;
  } while (!done && left > 0 && tideR_loop_alive(S->rt));
  for (int i = 0; i < 5 && !done; i++) {
    last = 0;
    done = drain(S, i < 3 ? give_up_stubborn : tideR_task_give_up, 0, &last);
  }
  tideR_loop_drain(S->rt, false);
  S->draining = false;
}

/* Done callbacks of what ended last have a turn, too, and may start others. */
static void end_turns(tideL_state *S) {
  for (int i = 0; i < 3; i++) {
    wind_up(S);
    tideR_loop_stop(S->rt); /* one turn */
    tideL_drive(S);
    if (tideR_young_count(S->rt) == 0)
      break;
  }
}

/* On 5.1 os.exit does not close the state, nor so the children. */
static void exit_now(lua_State *L, const tideL_state *S) {
  if (S->rt != NULL)
    tideR_processes_close(S->rt);
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  lua_getfield(L, -1, "os");
  lua_getfield(L, -1, "exit");
  lua_pushinteger(L, S->exitcode);
  lua_pushboolean(L, 1);
  lua_call(L, 2, 0);
}

/* In the main program, outside of run: all tasks are its own. */
void tideL_leaveprocess(lua_State *L, tideL_state *S) {
  S->exiting = false; /* what the tasks do now may wait */
  if (S->rt != NULL)
    end_turns(S);
  exit_now(L, S);
}

/* One that came when main had ended was told the root task. */
bool tideL_takeinterrupt(tideL_state *S) {
  tideR_task *root;
  if (!tideR_interrupt_take(S->rt))
    return false;
  root = tideR_task_root(S->rt);
  while (root != NULL && tideR_task_uncancel(S->rt, root) > 0)
    continue;
  return true;
}

/* Whether an interrupt ended main: its own error passes, and so does a cancel
 * if there was another than the one by which it was `told` of the interrupt. */
static bool is_interrupted(const tideL_task *main, bool told) {
  return main->outcome == OUTCOME_RESULTS ||
         (main->outcome == OUTCOME_CANCELLED && main->cancels == told);
}

/* run(f, ...): f as the main task, then what is left is ended; f's results */
static int core_run(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tideL_task *handle;
  tideR_task *main;
  bool told, debug, interrupted, starved;
  tideL_checkcallable(L, 1, "tide.run");
  if (tideL_isbusy(S))
    return tideL_error(L, "'tide.run' cannot be called while the loop runs: "
                          "call the function, or give it to tide.task");
  if (S->hosted || !S->blocking)
    return tideL_error(L, "'tide.run' cannot block here: %s",
                       S->hosted ? "a host steps the loop"
                                 : "set_blocking(false) was called");
  tideL_refusefinaliser(L, "tide.run");
  tideL_beginleaks(L, S);
  main = tideL_spawn(L, S, 1, NULL);
  lua_replace(L, 1);
  lua_settop(L, 1);
  tideR_young_begin(S->rt); /* the others are younger */
  tideR_loop_main(S->rt, main);
  handle = lua_touserdata(L, 1);
  handle->seen = true; /* its error is raised here */
  /* Out of memory it may have ended without an outcome: it is asked. */
  while (tideL_record(tideL_astask(L, S, 1)) != NULL && tideL_drive(S) == 0)
    continue;
  starved = tideL_record(handle) != NULL && !S->closing; /* it could not run */
  if (starved)
    tideR_task_give_up(S->rt, main);
  told = tideR_interrupt_told(S->rt);
  debug = S->debug;
  if (debug)
    tideL_pushleft(L);
  end_turns(S);
  tideL_switchback(L);
  if (S->closing)
    return tideL_raiseclosed(L, S);
  tideR_young_end(S->rt);
  tideR_stdio_flush_all(S->rt, S->grace);
  tideL_flushtrace(S);
  if (debug)
    tideL_reportleft(L, S);
  tideL_reportdrained(L, S);
  tideL_reportunseen(L, S);
  interrupted = tideL_takeinterrupt(S);
  if (S->exiting)
    exit_now(L, S);
  if (interrupted && is_interrupted(handle, told))
    return tideL_raise(L, TIDEL_INTERRUPTED, "interrupted");
  if (starved)
    return luaL_error(L, "not enough memory");
  return tideL_pushoutcome(L, 1, handle);
}

/* begin_exit(code): run will leave the process; cancels its main task */
static int core_begin_exit(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *main = S->rt != NULL ? tideR_loop_mainof(S->rt) : NULL;
  if (main == NULL && S->hosted) /* there is nobody who could leave */
    return tideL_error(L, "'tide.exit': the loop is a host's, which goes on");
  S->exitcode = (int)luaL_optinteger(L, 1, 0);
  if (main == NULL && !tideL_isbusy(S))
    tideL_leaveprocess(L, S);
  S->exiting = true;
  if (main != NULL)
    tideR_task_cancel(S->rt, main);
  else
    tideR_loop_stop(S->rt); /* the main program waits: it leaves */
  return 0;
}

/* is_main(): whether the main task of run is what runs now */
static int core_is_main(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, S->current != NULL && S->current->coro == L &&
                         S->current == tideR_loop_mainof(S->rt));
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

/* is_exiting(): tide.exit was called */
static int core_is_exiting(lua_State *L) {
  lua_pushboolean(L, tideL_get(L)->exiting);
  return 1;
}

/* is_running() */
static int core_is_running(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, tideL_isbusy(S));
  return 1;
}

static int nothing(lua_State *T) {
  (void)T;
  return 0;
}

void tideL_openrun(lua_State *L) {
  static const luaL_Reg functions[] = {{"run", core_run},
                                       {"is_main", core_is_main},
                                       {"begin_exit", core_begin_exit},
                                       {"is_running", core_is_running},
                                       {"set_script", core_set_script},
                                       {"in_script", core_in_script},
                                       {"is_exiting", core_is_exiting},
                                       {NULL, NULL}};
  lua_State *T = tideL_get(L)->thread;
  lua_pushcfunction(L, nothing); /* on T nobody would catch what this raises */
  lua_xmove(L, T, 1);
  lua_call(T, 0, 0); /* its first call allocates, the others not */
  tideL_setfunctions(L, functions);
  tideL_pushfunction(L, drive_body);
  tideL_pushfunction(L, step_body);
  tideL_pushfunction(L, recover_body);
  tideL_pushfunction(L, close_body);
  lua_xmove(L, T, T_CLOSE);
}
