/*
 * probe.c: cancelling a task at its nth await, for tests that try them all.
 */
#include "internal.h"

void tide__probe_enter(tide_runtime *rt, tide_task *task) {
  if (task != rt->probed || rt->probe_hit || --rt->probe_left > 0)
    return;
  rt->probe_hit = true;
  if (rt->probe_at == TIDE_PROBE_ENTER)
    tide_task_cancel(rt, task);
  else
    rt->probe_armed = true;
}

void tide_probe(tide_runtime *rt, tide_task *task, uint32_t nth,
                tide_probe_at at) {
  rt->probed = task;
  rt->watched = true;
  rt->probe_left = nth;
  rt->probe_at = at;
  rt->probe_hit = rt->probe_armed = false;
  task->flags |= TIDE_PROBED;
}

bool tide_probe_hit(const tide_runtime *rt) {
  return rt->probe_hit;
}

void tide__probe_end(tide_runtime *rt) {
  rt->probed = NULL;
  rt->watched = rt->watcher != NULL;
  rt->probe_armed = false;
}

void tide__probe_parked(tide_runtime *rt, tide_task *task) {
  if (task != rt->probed || !rt->probe_armed)
    return;
  if (rt->probe_at == TIDE_PROBE_WOKEN && task->state == TIDE_TASK_PARKED)
    return;
  rt->probe_armed = false;
  tide_task_cancel(rt, task);
}
