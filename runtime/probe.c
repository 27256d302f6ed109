/*
 * probe.c: cancelling a task at its nth await, for tests that try them all.
 */
#include "internal.h"

void tideR__probe_enter(tideR_runtime *rt, tideR_task *task) {
  if (task != rt->probed || rt->probe_hit || --rt->probe_left > 0)
    return;
  rt->probe_hit = true;
  if (rt->probe_at == TIDE_PROBE_ENTER)
    tideR_task_cancel(rt, task);
  else
    rt->probe_armed = true;
}

void tideR_probe(tideR_runtime *rt, tideR_task *task, uint32_t nth,
                 tideR_probe_at at) {
  rt->probed = task;
  rt->watched = true;
  rt->probe_left = nth;
  rt->probe_at = at;
  rt->probe_hit = rt->probe_armed = false;
  task->flags |= TIDE_PROBED;
}

bool tideR_probe_hit(const tideR_runtime *rt) {
  return rt->probe_hit;
}

void tideR__probe_end(tideR_runtime *rt) {
  rt->probed = NULL;
  rt->watched = rt->watcher != NULL;
  rt->probe_armed = false;
}

void tideR__probe_parked(tideR_runtime *rt, tideR_task *task) {
  if (task != rt->probed || !rt->probe_armed)
    return;
  if (rt->probe_at == TIDE_PROBE_WOKEN && task->state == TIDE_TASK_PARKED)
    return;
  rt->probe_armed = false;
  tideR_task_cancel(rt, task);
}
