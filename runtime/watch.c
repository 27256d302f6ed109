/*
 * watch.c: for debugging: what happens, and what tasks wait for.
 *
 * While nobody looks on this costs nothing: who is told is the business of a
 * flag that is looked at anyway, and the short cuts are as those of a probe.
 */
#include "internal.h"

void tide_watch(tide_runtime *rt, const tide_watcher *watcher) {
  rt->watcher = watcher;
  rt->watched = watcher != NULL || rt->probed != NULL;
  for (uint32_t slot = 1; slot <= rt->tasks.count; slot++) {
    tide_task *task = tide_task_at(rt, slot);
    task->flags &= (uint16_t)~TIDE_WATCHED;
    if (watcher != NULL && task->state != TIDE_TASK_FREE)
      tide_watch_task(task);
  }
}

void tide_watch_task(tide_task *task) {
  task->flags |= TIDE_WATCHED;
}

void tide__watch_woken(tide_runtime *rt, tide_task *task) {
  if (task->flags & TIDE_PROBED)
    tide__probe_parked(rt, task);
  if (task->flags & TIDE_WATCHED)
    rt->watcher->woken(rt, task);
}

void tide__watch_cancelled(tide_runtime *rt, tide_task *task) {
  rt->watcher->cancelled(rt, task);
}

const char *tide_task_waits_for(const tide_task *task) {
  return task->state == TIDE_TASK_PARKED ? task->wait->kind->what : NULL;
}

uint64_t tide_task_sleeps_until(const tide_runtime *rt, const tide_task *task) {
  if (task->state != TIDE_TASK_PARKED || task->wait != &rt->sleeping ||
      task->timer.index == 0)
    return TIDE_NEVER;
  return rt->heap.nodes[task->timer.index - 1].when;
}
