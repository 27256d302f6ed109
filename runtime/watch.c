/*
 * watch.c: for debugging: what happens, and what tasks wait for.
 *
 * While nobody looks on this costs nothing: who is told is the business of a
 * flag that is looked at anyway, and the short cuts are as those of a probe.
 */
#include "internal.h"

void tideR_watch(tideR_runtime *rt, const tideR_watcher *watcher) {
  rt->watcher = watcher;
  rt->watched = watcher != NULL || rt->probed != NULL;
  for (uint32_t slot = 1; slot <= rt->tasks.count; slot++) {
    tideR_task *task = tideR_task_at(rt, slot);
    task->flags &= (uint16_t)~TIDE_WATCHED;
    if (watcher != NULL && task->state != TIDE_TASK_FREE)
      tideR_watch_task(task);
  }
}

void tideR_watch_task(tideR_task *task) {
  task->flags |= TIDE_WATCHED;
}

void tideR__watch_woken(tideR_runtime *rt, tideR_task *task) {
  if (task->flags & TIDE_PROBED)
    tideR__probe_parked(rt, task);
  if (task->flags & TIDE_WATCHED)
    rt->watcher->woken(rt, task);
}

void tideR__watch_cancelled(tideR_runtime *rt, tideR_task *task) {
  rt->watcher->cancelled(rt, task);
}

const char *tideR_task_waits_for(const tideR_task *task) {
  return task->state == TIDE_TASK_PARKED ? task->wait->kind->what : NULL;
}

uint64_t tideR_task_sleeps_until(const tideR_runtime *rt,
                                 const tideR_task *task) {
  if (task->state != TIDE_TASK_PARKED || task->wait != &rt->sleeping ||
      task->timer.index == 0)
    return TIDE_NEVER;
  return rt->heap.nodes[task->timer.index - 1].when;
}
