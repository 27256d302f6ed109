/* testing.c: what tide.testing is built on. */
#include <string.h>

#include "bindings.h"

static int unblocked(lua_State *L, tideL_state *S, tide_task *task) {
  tideL_checkwoken(L, S, task);
  return 0;
}

/* wait_all_tasks_blocked(): until every other task waits for something that
 * none of them will do */
static int core_wait_all_tasks_blocked(lua_State *L) {
  static const char name[] = "testing.wait_all_tasks_blocked";
  tideL_state *S = tideL_get(L);
  tide_task *task = tideL_enter(L, S, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, unblocked);
  tideL_checkyield(L, task, name);
  tide_park_idle(S->rt, task);
  return tideL_suspend(L, S, task, unblocked);
}

/* clock_virtual(on) */
static int core_clock_virtual(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tide_clock_virtual(S->rt, lua_toboolean(L, 1));
  return 0;
}

/* seed(n): shuffles the ready order; 0 ends that */
static int core_seed(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tide_loop_seed(S->rt, (uint64_t)lua_tonumber(L, 1));
  return 0;
}

/* probe(nth, at): cancels the running task at its nth await from now */
static int core_probe(lua_State *L) {
  static const char *const places[] = {"enter", "parked", "woken", NULL};
  tideL_state *S = tideL_get(L);
  int at = luaL_checkoption(L, 2, "enter", places);
  if (S->current == NULL)
    return tideL_error(L, "probe: no task is running");
  tide_probe(S->rt, S->current, (uint32_t)luaL_checkinteger(L, 1),
             (tide_probe_at)(TIDE_PROBE_ENTER + at));
  return 0;
}

/* probe_hit(): whether that await was reached */
static int core_probe_hit(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, S->rt != NULL && tide_probe_hit(S->rt));
  return 1;
}

/* swallow_limits(times, seconds): after which a task that goes on in spite of
 * its cancel is abandoned */
static int core_swallow_limits(lua_State *L) {
  tideL_state *S = tideL_open(L);
  lua_Number times = tideL_checknumber(L, 1, "swallow_limits");
  tide_swallow_limits(S->rt, (uint32_t)times,
                      tideL_checkseconds(L, 2, "swallow_limits"));
  return 0;
}

void tideL_opentesting(lua_State *L) {
  static const luaL_Reg functions[] = {{"clock_virtual", core_clock_virtual},
                                       {"seed", core_seed},
                                       {"probe", core_probe},
                                       {"probe_hit", core_probe_hit},
                                       {"swallow_limits", core_swallow_limits},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {{"testing.wait_all_tasks_blocked",
                                             core_wait_all_tasks_blocked,
                                             unblocked, AWAIT_NOTHING},
                                            {NULL, NULL, NULL, AWAIT_SLEEP}};
  tideL_setfunctions(L, functions);
  tideL_setawaiting(L, awaiting);
}
