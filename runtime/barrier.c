/* barrier.c: a number of tasks that wait until all of them are there. */
#include "internal.h"

static bool abort_wait(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_barrier, waiters)
      ->waiting--;
  return tideR_waitq_abort(rt, task, why);
}

void tideR_barrier_init(tideR_barrier *barrier, uint64_t parties) {
  static const tideR_waitkind kind = {"barrier", abort_wait, NULL};
  *barrier = (tideR_barrier){.parties = parties};
  tideR_waitq_init(&barrier->waiters, &kind);
}

bool tideR_barrier_full(const tideR_barrier *barrier) {
  return barrier->waiting + 1 == barrier->parties;
}

/* A place is the task's own from here on, whatever becomes of the barrier
 * before it runs. */
int tideR_barrier_release(tideR_runtime *rt, tideR_task *last,
                          tideR_barrier *barrier) {
  uint64_t place = 0;
  tideR_task *task;
  if (tideR__task_extra(rt, last) == NULL)
    return UV_ENOMEM;
  while ((task = tideR_waitq_wake(rt, &barrier->waiters)) != NULL)
    tideR__extra(task)->place = place++;
  tideR__extra(last)->place = place;
  barrier->waiting = 0;
  return 0;
}

int tideR_barrier_park(tideR_runtime *rt, tideR_task *task,
                       tideR_barrier *barrier) {
  if (tideR__task_extra(rt, task) == NULL)
    return UV_ENOMEM;
  tideR__extra(task)->place = TIDE_BROKEN; /* unless it gets one */
  tideR_waitq_park(rt, task, &barrier->waiters);
  barrier->waiting++;
  return 0;
}

uint64_t tideR_barrier_place(const tideR_task *task) {
  return tideR__extra(task)->place;
}

static void end_waits(tideR_runtime *rt, tideR_barrier *barrier, bool broken) {
  tideR_waitq_wake_all(rt, &barrier->waiters);
  barrier->waiting = 0;
  barrier->broken = broken;
}

void tideR_barrier_reset(tideR_runtime *rt, tideR_barrier *barrier) {
  end_waits(rt, barrier, false);
}

void tideR_barrier_abort(tideR_runtime *rt, tideR_barrier *barrier) {
  end_waits(rt, barrier, true);
}
