/* testing.c: what tide.testing is built on. */
#include <string.h>

#include "bindings.h"

static int unblocked(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  return 0;
}

/* wait_all_tasks_blocked(): until every other task waits for something that
 * none of them will do */
static int core_wait_all_tasks_blocked(lua_State *L) {
  static const char name[] = "testing.wait_all_tasks_blocked";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, unblocked);
  tideL_checkyield(L, task, name);
  tideR_park_idle(S->rt, task);
  return tideL_suspend(L, S, task, unblocked);
}

/* clock_virtual(on) */
static int core_clock_virtual(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tideR_clock_virtual(S->rt, lua_toboolean(L, 1));
  return 0;
}

/* seed(n): shuffles the ready order; 0 ends that */
static int core_seed(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tideR_loop_seed(S->rt, (uint64_t)lua_tonumber(L, 1));
  return 0;
}

/* probe(nth, at): cancels the running task at its nth await from now */
static int core_probe(lua_State *L) {
  static const char *const places[] = {"enter", "parked", "woken", NULL};
  tideL_state *S = tideL_get(L);
  int at = luaL_checkoption(L, 2, "enter", places);
  if (S->current == NULL)
    return tideL_error(L, "probe: no task is running");
  tideR_probe(S->rt, S->current, (uint32_t)luaL_checkinteger(L, 1),
              (tideR_probe_at)(TIDE_PROBE_ENTER + at));
  return 0;
}

/* probe_hit(): whether that await was reached */
static int core_probe_hit(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, S->rt != NULL && tideR_probe_hit(S->rt));
  return 1;
}

/* swallow_limits(times, seconds): after which a task that goes on in spite of
 * its cancel is abandoned */
static int core_swallow_limits(lua_State *L) {
  tideL_state *S = tideL_open(L);
  lua_Number times = tideL_checknumber(L, 1, "swallow_limits");
  tideR_swallow_limits(S->rt, (uint32_t)times,
                       tideL_checkseconds(L, 2, "swallow_limits"));
  return 0;
}

/* ---- a trial: the parts of a test, run in one task ---- */

/* drive(task): runs the loop, with that one as the main task, until it ends or
 * calls pause; true if an interrupt came meanwhile */
static int core_drive(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_record(tideL_checktask(L, 1, "drive"));
  int err = 0;
  if (tideL_isbusy(S) || S->hosted || !S->blocking)
    return tideL_error(L, "a test cannot block here: %s",
                       tideL_isbusy(S) ? "the loop runs"
                       : S->hosted     ? "a host steps the loop"
                                       : "set_blocking(false) was called");
  if (task == NULL)
    return 0;
  lua_settop(L, 1);
  S->paused = false;
  tideR_loop_main(S->rt, task);
  while (!S->paused && tideL_record(tideL_astask(L, S, 1)) != NULL && err == 0)
    err = tideL_drive(S);
  tideR_loop_main(S->rt, NULL);
  tideL_switchback(L);
  if (S->exiting)
    tideL_leaveprocess(L, S);
  if (err < 0)
    return luaL_error(L, "not enough memory");
  lua_pushboolean(L, tideL_takeinterrupt(S));
  return 1;
}

/* pause(): drive returns after this turn */
static int core_pause(lua_State *L) {
  tideL_state *S = tideL_get(L);
  S->paused = true;
  tideR_loop_stop(S->rt);
  return 0;
}

/* give_up(task): it will not run again */
static int core_give_up(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_record(tideL_checktask(L, 1, "give_up"));
  if (task != NULL)
    tideR_task_give_up(S->rt, task);
  return 0;
}

/* report_unseen(): failures that nobody can ask for any more are reported */
static int core_report_unseen(lua_State *L) {
  tideL_state *S = tideL_get(L);
  if (S->rt != NULL)
    tideL_reportunseen(L, S);
  return 0;
}

void tideL_opentesting(lua_State *L) {
  static const luaL_Reg functions[] = {{"clock_virtual", core_clock_virtual},
                                       {"seed", core_seed},
                                       {"probe", core_probe},
                                       {"probe_hit", core_probe_hit},
                                       {"swallow_limits", core_swallow_limits},
                                       {"drive", core_drive},
                                       {"pause", core_pause},
                                       {"give_up", core_give_up},
                                       {"report_unseen", core_report_unseen},
                                       {"pending_calls", tideL_pendingcalls},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {{"testing.wait_all_tasks_blocked",
                                             core_wait_all_tasks_blocked,
                                             unblocked, AWAIT_NOTHING},
                                            {NULL, NULL, NULL, AWAIT_SLEEP}};
  tideL_setfunctions(L, functions);
  tideL_setawaiting(L, awaiting);
}
